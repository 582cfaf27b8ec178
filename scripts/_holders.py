"""Who holds what of a market: every role and key, read from the chain as of one block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.crypto import keccak

from scripts._errors import UserError
from scripts._market import Market
from scripts._oracle import oracle_at
from scripts._safe import is_contract

ADMIN = "0x" + "00" * 32
ROLES: Mapping[str, str] = {
    "admin": ADMIN,
    "operator": "0x" + keccak(text="OPERATOR_ROLE").hex(),
    "guardian": "0x" + keccak(text="GUARDIAN_ROLE").hex(),
}
_NAMES = {told: name for name, told in ROLES.items()}
_DECIDED = ("RoundFinalized", "RoundCancelled")


def role_id(role: str) -> bytes:
    """A role by its name, as calls take it."""
    return bytes.fromhex(ROLES[role][2:])


@dataclass(frozen=True, slots=True)
class Decider:
    """An account that decides results: the oracle of later rounds, or of a standing one.

    Attributes:
        serves: "later rounds", "round 3".
        guardian: of a ResultOracle, for good; None when it is none.
        quorum: how many equal votes of its reporters decide.
    """

    address: str
    serves: tuple[str, ...]
    guardian: str | None
    reporters: tuple[str, ...]
    quorum: int


@dataclass(frozen=True, slots=True)
class Holding:
    """One thing that an account holds, or held once.

    Attributes:
        what: "admin", "guardian of oracle 0x...".
        now: whether it holds it now.
        power: whether it gives power, alone and now. One vote of several does not.
    """

    what: str
    account: str
    now: bool
    power: bool = True


@dataclass(frozen=True, slots=True)
class Holders:
    """All of it, as of one block.

    Attributes:
        now: the block's time, unix seconds.
        deployer: who made the market, by its first log.
        pending: to whom the admin role is offered, or None.
        schedule: after which second the offer can be accepted, unix seconds.
        roles: (role, account) of everybody who ever had a role, and whether it has it now.
        contracts: those of the accounts that are contracts.
    """

    block: int
    now: int
    deployer: str
    admin: str
    pending: str | None
    schedule: int
    delay: int
    fee_recipient: str
    roles: Mapping[tuple[str, str], bool]
    deciders: tuple[Decider, ...]
    contracts: frozenset[str]

    def having(self, role: str) -> list[str]:
        """Who has a role now."""
        return [account for (name, account), has in self.roles.items() if name == role and has]

    def all(self) -> Iterator[Holding]:
        """Every holding, those of the past too."""
        for (role, account), has in self.roles.items():
            yield Holding(role, account, has)
        if self.pending:
            yield Holding("next admin", self.pending, now=True)
        yield Holding("fee recipient", self.fee_recipient, now=True)
        for decider in self.deciders:
            served = ", ".join(decider.serves)
            yield Holding(f"oracle of {served}", decider.address, now=True)
            if decider.guardian:
                what = f"guardian of oracle {decider.address}"
                yield Holding(what, decider.guardian, now=True)
            for reporter in decider.reporters:
                what = f"one vote of {decider.quorum} in oracle {decider.address}"
                yield Holding(what, reporter, now=True, power=decider.quorum == 1)

    def of(self, account: str) -> list[Holding]:
        """What an account holds now."""
        return [one for one in self.all() if one.account == account and one.now]


def read(market: Market, *accounts: str) -> Holders:
    """Reads it, and asks for every role of `accounts` whatever the logs say.

    Raises UserError when the node's logs are not whole: they would prove nothing.
    """
    block = market.web3.eth.get_block("latest")
    at = block["number"]
    logs = market.events("RoleGranted", "RoleRevoked", "RoundCreated", *_DECIDED, until=at)
    changes = [(name, args) for name, args in logs if name.startswith("Role")]
    if not changes or changes[0][1]["role"] != ADMIN:
        raise UserError(
            f"this node has not all logs of {market.address} from block "
            f"{market.deployment.block_number} on: use another node"
        )
    told = {(args["role"], args["account"]): name == "RoleGranted" for name, args in changes}
    asked = {(role, account): False for role in ROLES.values() for account in accounts}
    for (role, account), has in (asked | told).items():
        if market.view("hasRole", bytes.fromhex(role[2:]), account, block=at) is not has:
            raise UserError(
                f"this node's logs of {market.address} do not agree with its state: is {account} "
                f"{_NAMES.get(role, role)} or not? Use another node"
            )
    for role in {role for role, _ in told}:
        if any(market.view("getRoleAdmin", bytes.fromhex(role[2:]), block=at)):
            raise UserError(f"{_NAMES.get(role, role)} is granted by others than the admin")
    pending, schedule = market.view("pendingDefaultAdmin", block=at)
    deciders = tuple(_deciders(market, logs, at))
    holders = Holders(
        block=at,
        now=int(block["timestamp"]),
        deployer=changes[0][1]["sender"],
        admin=market.view("defaultAdmin", block=at),
        pending=pending if schedule else None,
        schedule=schedule,
        delay=market.view("defaultAdminDelay", block=at),
        fee_recipient=market.view("feeRecipient", block=at),
        roles={(_NAMES.get(role, role), account): has for (role, account), has in told.items()},
        deciders=deciders,
        contracts=frozenset(),
    )
    seen = {one.account for one in holders.all()}
    contracts = frozenset(account for account in seen if is_contract(market.web3, account))
    return replace(holders, contracts=contracts)


def _deciders(
    market: Market, logs: Sequence[tuple[str, Mapping[str, Any]]], at: int
) -> Iterator[Decider]:
    """The oracles of later rounds and of those that wait for a result."""
    serves = {str(market.view("oracle", block=at)): ["later rounds"]}
    decided = {args["roundId"] for name, args in logs if name in _DECIDED}
    for name, args in logs:
        if name == "RoundCreated" and args["roundId"] not in decided:
            serves.setdefault(args["oracle"], []).append(f"round {args['roundId']}")
    for address, served in serves.items():
        oracle = oracle_at(market.web3, address)
        told = oracle.committee if oracle else None
        yield Decider(
            address,
            tuple(served),
            told.guardian if told else None,
            told.reporters if told else (),
            told.quorum if told else 0,
        )
