"""`ape run roles` on a chain: a market goes from its deployer's key to a contract account.

The deployer, TEST::0, holds everything that it can hold at first; the account's owner is TEST::9.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import Web3RPCError
from web3.types import RPCEndpoint, RPCResponse

from scripts import _records, _safe
from scripts._errors import UserError
from scripts._safe import Call
from tests.contracts.support.solidity import compile_solidity
from tests.scripts.world import PEOPLE, POWERBALL_DRAW, STRANGER, Home, World

PB = ("--game", "powerball")
REPORTERS = ("ann", "bob", "cyd")
COMMITTEE_TYPES = ["address[]", "uint256", "uint256", "address"]


@dataclass(frozen=True, slots=True)
class Held:
    """A chain where the deployer holds the market.

    Attributes:
        safe: the contract account that is to have it.
        oracle: the market's ResultOracle, whose guardian is that account.
    """

    world: World
    safe: Contract
    oracle: Any

    @property
    def deployer(self) -> Any:
        return self.world.address("admin")

    def ape(self, *args: str, by: str | None = None) -> Any:
        return self.world.ape(*args, *PB, by=by)

    def handover(self, *args: str, by: str = "admin", to: str | None = None) -> Any:
        return self.ape("roles", "handover", to or self.safe.address, *args, by=by)

    def committee(self, guardian: Any) -> Any:
        """Another ResultOracle, with this guardian: its address."""
        w3 = self.world.w3
        record = _records.oracles(self.world.chain_id, self.world.folder)[self.oracle]
        old = [*record["arguments"].values()]
        arguments = encode(COMMITTEE_TYPES, old)
        code = bytes(w3.eth.get_transaction(record["transaction"])["input"])
        assert code.endswith(arguments)
        new = code.removesuffix(arguments) + encode(COMMITTEE_TYPES, [*old[:3], guardian])
        sent = w3.eth.send_transaction({"from": w3.eth.accounts[9], "data": new})
        return mined(self.world, sent)

    def sign(self, file: Path) -> list[str]:
        """The account makes the calls of a batch; their functions."""
        batch = json.loads(file.read_text())
        assert batch["meta"]["checksum"] == _safe.checksum(batch)
        assert batch["chainId"] == str(self.world.chain_id)
        maker = batch["meta"]["createdFromSafeAddress"]
        account = self.world.w3.eth.contract(maker, abi=self.safe.abi)
        calls = [(t["to"], int(t["value"]), t["data"]) for t in batch["transactions"]]
        owner = self.world.w3.eth.accounts[9]
        mined(self.world, account.functions.execute(calls).transact({"from": owner}))
        return [t["contractMethod"]["name"] for t in batch["transactions"]]

    def powers(self, account: Any) -> list[str]:
        """What the market says of an account, asked without the commands."""
        market = self.world.market().functions
        asked = {
            "admin": market.defaultAdmin().call() == account,
            "admin role": market.hasRole(bytes(32), account).call(),
            "next admin": market.pendingDefaultAdmin().call()[0] == account,
            "fees": market.feeRecipient().call() == account,
        }
        for role in ("OPERATOR_ROLE", "GUARDIAN_ROLE"):
            asked[role] = market.hasRole(market[role]().call(), account).call()
        return [name for name, has in asked.items() if has]


def mined(world: World, sent: Any) -> Any:
    """Mines a transaction, which must succeed; the address of what it deployed."""
    world.rpc("evm_mine")
    receipt = world.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    assert receipt["status"] == 1
    return receipt["contractAddress"]


def safe_account(world: World) -> Contract:
    """A contract account of TEST::9."""
    compiled = compile_solidity("tests/contracts/solidity/*.sol", "abi", "evm.bytecode.object")
    made = compiled["SafeAccount"]
    code = made["evm"]["bytecode"]["object"]
    factory = world.w3.eth.contract(abi=made["abi"], bytecode=code)
    owner = world.w3.eth.accounts[9]
    return factory(mined(world, factory.constructor([owner]).transact({"from": owner})))


@pytest.fixture(scope="module")
def held(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """Only looked at."""
    with World(home, tmp_path_factory.mktemp("held")) as world:
        safe = safe_account(world)
        reporters = [part for name in REPORTERS for part in ("--reporter", PEOPLE[name])]
        world.ape("deploy", "oracle", *reporters, "--guardian", safe.address, by="admin").ok()
        [oracle] = _records.oracles(world.chain_id, world.folder)
        keys = ("--oracle", oracle, "--admin-delay", "2d")
        world.ape("deploy", "market", *PB, *keys, by="admin").ok()
        yield Held(world, safe, oracle)


@pytest.fixture
def copies(home: Home, held: Held, tmp_path: Path) -> Iterator[Callable[[], Held]]:
    """Makes chains that begin where `held` stands."""
    made: list[World] = []

    def make() -> Held:
        folder = tmp_path / str(len(made))
        shutil.copytree(held.world.folder, folder)
        world = World(home, folder).start()
        made.append(world)
        world.load(held.world)
        return Held(world, world.w3.eth.contract(held.safe.address, abi=held.safe.abi), held.oracle)

    yield make
    for world in made:
        world.stop()


def test_a_market_goes_to_a_safe(copies: Callable[[], Held], tmp_path: Path) -> None:
    held = copies()
    world, safe, deployer = held.world, held.safe.address, held.deployer
    everything = ["admin", "admin role", "fees", "OPERATOR_ROLE", "GUARDIAN_ROLE"]
    assert held.powers(deployer) == everything
    early = held.ape("roles", "proof")
    named = held.handover()
    still = early.refused()
    for what in ("admin", "operator", "guardian", "fee recipient"):
        assert what in still
    assert f"{deployer} (the deployer) still holds" in still
    refused = named.refused()
    assert f"{deployer} gets the fees: name another by --fee-recipient" in refused
    assert "name the keeper's key by --operator" in refused
    assert held.powers(deployer) == everything

    # Step one: all that the deployer can do. It asks once, before anything is sent.
    moves = ("--operator", PEOPLE["operator"], "--fee-recipient", safe)
    asked = world.ape("roles", "handover", safe, *moves, *PB, by="admin", typed="n\n")
    assert "declined, nothing was sent" in asked.refused()
    out = held.handover(*moves).ok()
    assert "1 of 1 owners sign" in out
    assert out.count("mined in block") == 6
    assert held.powers(deployer) == ["admin", "admin role"]
    assert held.powers(safe) == ["next admin", "fees", "GUARDIAN_ROLE"]
    assert held.powers(world.address("operator")) == ["OPERATOR_ROLE"]

    # While the delay lasts: what remains is told, nothing is sent, and nothing can be signed.
    schedule = world.market().functions.pendingDefaultAdmin().call()[1]
    nonce = world.w3.eth.get_transaction_count(deployer)
    file = tmp_path / "accept.json"
    again = held.handover()
    soon = held.ape("roles", "accept", "--safe-batch", str(file))
    told = again.ok()
    assert f"{safe} can accept the admin role after " in told
    assert re.search(r"in 1 d 23 h: `ape run roles accept", told)
    assert world.w3.eth.get_transaction_count(deployer) == nonce
    assert "AccessControlEnforcedDefaultAdminDelay (schedule " in soon.refused()
    assert not file.exists()

    world.at(schedule + 1)
    again = held.handover()
    written = held.ape("roles", "accept", "--safe-batch", str(file))
    assert f"{safe} can accept the admin role now" in again.ok()
    assert "nothing was sent" in written.ok()
    assert held.powers(deployer) == ["admin", "admin role"]
    assert held.sign(file) == ["acceptDefaultAdminTransfer"]
    assert held.powers(safe) == ["admin", "admin role", "fees", "GUARDIAN_ROLE"]

    # Proven for anybody; the deployer's own run says the same.
    proof, again = held.ape("roles", "proof"), held.handover()
    others = held.ape("roles", "proof", "--account", PEOPLE["operator"], "--account", STRANGER)
    reporter = held.ape("roles", "proof", "--account", PEOPLE["ann"])
    out = proof.ok()
    assert f"{deployer} (the deployer) holds nothing of powerball" in out
    table = {tuple(line.split()[:-2]) for line in out.splitlines() if line.endswith("a contract")}
    assert {("admin", safe, "yes"), ("guardian", safe, "yes")} <= table
    for role in ("admin", "operator", "guardian"):
        assert re.search(rf"{role} +{deployer} +no longer +a key, the deployer", out)
    assert f"{deployer} (the deployer) holds nothing" in again.ok()
    assert held.powers(deployer) == []
    keeper = world.address("operator")
    assert others.refused() == f"{keeper} still holds of powerball: operator"
    assert f"{world.w3.to_checksum_address(STRANGER)} holds nothing" in others.out
    out = reporter.ok()
    assert f"note: {world.address('ann')} has one vote of 2 in oracle {held.oracle}" in out


def test_the_safe_does_what_only_it_can(copies: Callable[[], Held], tmp_path: Path) -> None:
    """Privileged actions as batches, and a hand-over from one Safe to the next in a single one."""
    held = copies()
    world, safe = held.world, held.safe.address
    given_to(held)
    world.call("operator", "createRound", POWERBALL_DRAW)
    files = [tmp_path / f"{n}.json" for n in range(8)]
    batch = [("--safe-batch", str(file)) for file in files]
    runs = [
        held.ape("settings", "fee", "2.5%", *batch[0]),
        held.ape("safety", "pause", *batch[1]),
        held.ape("rounds", "cancel", "1", *batch[2], "--safe", safe),
        held.ape("roles", "grant", "guardian", PEOPLE["guardian"], *batch[3]),
    ]
    against = [
        held.ape("settings", "fee", "6%", *batch[4]),
        held.ape("rounds", "create", "--next", *batch[4]),
        held.ape("settings", "fee", "1%", *batch[4], "--safe", STRANGER),
        held.ape("settings", "fee", "1%", *batch[4], by="admin"),
        held.ape("settings", "fee", "1%", "--safe", safe),
        world.ape("deploy", "market", *PB, "--again", *batch[4], "--safe", safe),
    ]
    for run in runs:
        assert "written to" in run.ok()
    reasons = [run.refused() for run in against]
    assert "FeeTooHigh (feeBps 6 %" in reasons[0]
    assert "AccessControlUnauthorizedAccount" in reasons[1]
    assert "OPERATOR_ROLE" in reasons[1]
    assert "is no contract on this chain" in reasons[2]
    assert "either an account sends or a Safe" in reasons[3]
    assert "add --safe-batch FILE" in reasons[4]
    assert "calls, not deployments" in reasons[5]
    assert not files[4].exists()

    market = world.market().functions
    assert market.feeBps().call() == 200  # nothing was sent
    signed = [held.sign(file) for file in files[:4]]
    assert signed == [["setFee"], ["pause"], ["cancelRound"], ["grantRole"]]
    assert market.feeBps().call() == 250
    assert market.paused().call()
    assert market.getRoundInfo(1).call()[2] == 4
    guardian = world.address("guardian")
    assert held.powers(guardian) == ["GUARDIAN_ROLE"]
    taken = held.ape("settings", "fee", "3%", *batch[0])
    assert f"{files[0]} is there already" in taken.refused()

    # The next Safe: not before another committee, whose guardian it is, decides.
    heir = safe_account(world).address
    batch_of = ("--fee-recipient", heir, *batch[5], "--safe", safe)
    bound = held.handover(*batch_of, by=None, to=heir)
    named = held.ape("settings", "oracle", held.committee(heir), *batch[4])
    assert f"{safe} is the guardian of ResultOracle {held.oracle}" in bound.refused()
    named.ok()
    assert held.sign(files[4]) == ["setOracle"]
    held.handover(*batch_of, by=None, to=heir).ok()
    expected = ["grantRole", "revokeRole", "setFeeRecipient", "beginDefaultAdminTransfer"]
    assert held.sign(files[5]) == expected
    world.at(world.market().functions.pendingDefaultAdmin().call()[1] + 1)
    held.ape("roles", "accept", *batch[6]).ok()
    held.sign(files[6])
    assert held.powers(safe) == []
    assert held.powers(heir) == ["admin", "admin role", "fees", "GUARDIAN_ROLE"]
    shown = held.ape("roles", "show").ok()
    assert re.search(rf"guardian +{guardian} +yes +a key", shown)
    assert re.search(rf"guardian +{safe} +no longer +a contract", shown)


def given_to(held: Held) -> None:
    """The market is the Safe's, without the commands."""
    world, safe, deployer = held.world, held.safe.address, held.deployer
    operator, guardian = (
        world.market().functions[f"{r}_ROLE"]().call() for r in ("OPERATOR", "GUARDIAN")
    )
    world.call("admin", "grantRole", operator, world.address("operator"))
    world.call("admin", "grantRole", guardian, safe)
    world.call("admin", "revokeRole", operator, deployer)
    world.call("admin", "revokeRole", guardian, deployer)
    world.call("admin", "setFeeRecipient", safe)
    world.call("admin", "beginDefaultAdminTransfer", safe)
    world.at(world.market().functions.pendingDefaultAdmin().call()[1] + 1)
    data = world.market().encode_abi("acceptDefaultAdminTransfer")
    owner = world.w3.eth.accounts[9]
    calls = [(world.market().address, 0, data)]
    mined(world, held.safe.functions.execute(calls).transact({"from": owner}))


def test_a_batch_is_tried_as_a_whole(held: Held) -> None:
    world, deployer = held.world, held.deployer
    market = world.market()
    operator = market.functions.OPERATOR_ROLE().call()
    keeper = world.address("operator")
    grants = Call(market, "grantRole", (operator, keeper))
    takes = Call(market, "revokeRole", (operator, deployer))
    creates = Call(market, "createRound", (POWERBALL_DRAW,))
    # Each on what the last one left: the second would be possible alone, the third is not.
    _safe.simulate(world.w3, deployer, [grants, creates])
    with pytest.raises(UserError) as refused:
        _safe.simulate(world.w3, deployer, [grants, takes, creates])
    assert str(refused.value).startswith("call 3 of the batch, createRound(")
    assert "AccessControlUnauthorizedAccount" in str(refused.value)
    assert "OPERATOR_ROLE" in str(refused.value)
    with pytest.raises(UserError, match=r"call 2 of the batch, setFee\(501\): .*FeeTooHigh"):
        _safe.simulate(world.w3, deployer, [grants, Call(market, "setFee", (501,)), takes])
    pays = Call(market, "placeBet", (1, 0), value=10**30)
    with pytest.raises(Web3RPCError, match="nsufficient"):
        _safe.simulate(world.w3, deployer, [grants, pays])


def test_a_node_that_cannot_try_a_batch_is_named(held: Held) -> None:
    class Old(HTTPProvider):
        def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
            old = method == "eth_simulateV1"
            return super().make_request(RPCEndpoint("eth_none") if old else method, params)

    pause = Call(held.world.market(), "pause")
    _safe.simulate(Web3(Old(held.world.url)), held.deployer, [pause])
    with pytest.raises(UserError, match=r"eth_simulateV1.*use another node"):
        _safe.simulate(Web3(Old(held.world.url)), held.deployer, [pause, pause])


def test_what_is_left_is_found_and_given_up(copies: Callable[[], Held]) -> None:
    """A role granted behind the Safe's back: the proof names it, and its holder gives it up."""
    held = copies()
    world, deployer = held.world, held.deployer
    guardian = world.market().functions.GUARDIAN_ROLE().call()
    given_to(held)
    data = world.market().encode_abi("grantRole", [guardian, deployer])
    calls = [(world.market().address, 0, data)]
    owner = world.w3.eth.accounts[9]
    mined(world, held.safe.functions.execute(calls).transact({"from": owner}))
    assert held.ape("roles", "proof").refused() == (
        f"{deployer} (the deployer) still holds of powerball: guardian"
    )
    out = held.handover().ok()
    assert f"renounceRole(0x{guardian.hex()}, {deployer})" in out
    assert "holds nothing of powerball" in out
    assert held.powers(deployer) == []


MOVES = ("--operator", PEOPLE["operator"], "--fee-recipient", PEOPLE["fees"])


def test_who_cannot_take_a_market_over(copies: Callable[[], Held]) -> None:
    held = copies()
    world, deployer = held.world, held.deployer
    lent = world.w3.to_checksum_address(STRANGER)
    world.rpc("anvil_setCode", lent, "0xef0100" + held.safe.address[2:])  # as EIP-7702 has it
    runs = {
        "has no code here": held.handover(*MOVES, to=world.address("cyd")),
        f"{lent} has no code here": held.handover(*MOVES, to=lent),
        "is the market itself": held.handover(*MOVES, to=world.market().address),
        "is the oracle, which cannot act": held.handover(*MOVES, to=held.oracle),
        "is the deployer": held.handover(*MOVES, "--plain-account", to=deployer),
        f"the admin is {deployer}": held.handover(*MOVES, by="bob"),
    }
    for expected, run in runs.items():
        assert expected in run.refused()
    assert len(held.powers(deployer)) == 5

    # On a test network a key may have it, when that is said.
    key = world.address("cyd")
    assert f"{key} can accept" in held.handover(*MOVES, "--plain-account", to=key).ok()
    world.at(world.market().functions.pendingDefaultAdmin().call()[1] + 1)
    assert f"admin of powerball: {key}" in held.ape("roles", "accept", by="cyd").ok()
    assert held.powers(key) == ["admin", "admin role", "GUARDIAN_ROLE"]


def test_a_real_market_goes_to_no_key(
    copies: Callable[[], Held], home: Home, tmp_path: Path
) -> None:
    held = copies()
    record = json.loads((held.world.folder / "80002.json").read_text())
    (tmp_path / "137.json").write_text(json.dumps(record | {"chainId": 137}))
    with World(home, tmp_path, 137, "mainnet") as real:
        real.load(held.world)
        key = Held(real, held.safe, held.oracle).handover(
            *MOVES, "--plain-account", to=real.address("cyd")
        )
        assert "one key must not hold a real market" in key.refused()


def test_a_deployer_who_decides_results_cannot_leave(copies: Callable[[], Held]) -> None:
    later, standing, plain, rounds = (copies() for _ in range(4))
    deployer = later.deployer
    own = later.committee(deployer)
    later.world.call("admin", "setOracle", own)
    old = standing.committee(deployer)
    standing.world.call("admin", "setOracle", old)
    standing.world.call("admin", "createRound", POWERBALL_DRAW)
    standing.world.call("admin", "setOracle", standing.oracle)
    plain.world.call("admin", "setOracle", deployer)
    rounds.world.call("admin", "setOracle", deployer)
    rounds.world.call("admin", "createRound", POWERBALL_DRAW)
    rounds.world.call("admin", "setOracle", rounds.oracle)
    refused = [held.handover(*MOVES) for held in (later, standing, plain, rounds)]
    proofs = [held.ape("roles", "proof") for held in (later, standing, plain, rounds)]
    reasons = [run.refused() for run in refused]
    assert f"guardian of ResultOracle {own} (oracle of later rounds) for good" in reasons[0]
    assert f"guardian of ResultOracle {old} (oracle of round 1) for good" in reasons[1]
    assert f"{deployer} is itself the oracle of later rounds" in reasons[2]
    assert "ape run deploy oracle" in reasons[2]
    assert f"{deployer} is itself the oracle of round 1" in reasons[3]
    found = [run.refused() for run in proofs]
    assert f"guardian of oracle {own}" in found[0]
    assert f"guardian of oracle {old}" in found[1]
    assert "oracle of later rounds" in found[2]
    assert "oracle of round 1" in found[3]
    for held in (later, standing, plain, rounds):
        assert len(held.powers(deployer)) == 5

    # Once that round is over, nothing stands in the way.
    standing.world.call("admin", "cancelRound", 1)
    assert "can accept the admin role after" in standing.handover(*MOVES).ok()
