"""Who decides results: a ResultOracle as the commands read it, or an ordinary account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web3 import Web3
from web3.exceptions import BadFunctionCallOutput, ContractLogicError

from keeper.chain import abi
from keeper.chain.records import LOCAL_CHAINS
from keeper.duties import REPORT_WINDOW
from keeper.ports import Committee
from scripts._deployment import PRACTICE_CHAINS
from scripts._errors import UserError
from scripts._market import Market, Round
from scripts._safe import is_contract
from scripts._text import duration

_SHORTEST_WINDOW = 600  # seconds in which a guardian can see a wrong proposal and act


@dataclass(frozen=True, slots=True)
class Vote:
    """What a reporter says was drawn, in the standing ballot."""

    reporter: str
    whites: tuple[int, ...]
    special: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a committee has come with a round.

    Attributes:
        proposed: the number that stands proposed or was carried to the market, or None.
        finalizable_at: unix seconds; until then the guardian may veto.
        reports_until: unix seconds, that second included.
    """

    ballot: int
    votes: tuple[Vote, ...]
    proposed: int | None
    finalizable_at: int
    reports_until: int


class Oracle:
    """One ResultOracle.

    Attributes:
        contract: web3's, for calls; a struct comes back as a named tuple.
    """

    def __init__(self, web3: Web3, address: str) -> None:
        self.address = Web3.to_checksum_address(address)
        self.contract = web3.eth.contract(self.address, abi=abi.oracle_abi(), decode_tuples=True)
        self.committee = Committee(
            reporters=tuple(self.view("reporters")),
            quorum=self.view("quorum"),
            dispute_window=self.view("disputeWindow"),
            guardian=self.view("guardian"),
        )

    def __str__(self) -> str:
        """ "0x..., 2 of 3 reporters, dispute window 1 h" """
        told = self.committee
        return (
            f"{self.address}, {told.quorum} of {len(told.reporters)} reporters, "
            f"dispute window {duration(told.dispute_window)}"
        )

    def view(self, function: str, *args: Any) -> Any:
        """Calls a view at the newest block."""
        return self.contract.functions[function](*args).call()

    def standing(self, market: Market, info: Round) -> Standing:
        """Votes and proposal of a round."""
        votes = []
        for reporter in self.committee.reporters:
            voted, draw = self.view("voteOf", market.address, info.id, reporter)
            if voted:
                votes.append(Vote(reporter, tuple(draw.whites), draw.special))
        number, proposed_at, finalizable_at = self.view("proposal", market.address, info.id)
        return Standing(
            ballot=self.view("ballot", market.address, info.id)[0],
            votes=tuple(votes),
            proposed=number if proposed_at else None,
            finalizable_at=finalizable_at,
            reports_until=info.draw_time + REPORT_WINDOW - self.committee.dispute_window,
        )


def oracle_at(web3: Web3, address: str) -> Oracle | None:
    """The ResultOracle at an address; None when there is an account or another contract."""
    if not is_contract(web3, address):
        return None
    try:
        return Oracle(web3, address)
    except (BadFunctionCallOutput, ContractLogicError):
        return None


def oracle_of(market: Market, info: Round) -> Oracle:
    """The committee that decides a round. Raises UserError when one account does."""
    oracle = oracle_at(market.web3, info.oracle)
    if oracle is None:
        raise UserError(
            f"round {info.id} has no committee: {info.oracle} decides it, by "
            "`ape run oracle finalize` with the balls"
        )
    return oracle


def described(web3: Web3, address: str) -> str:
    """An oracle, or what there is instead."""
    return str(oracle_at(web3, address) or f"{address}, {_what(web3, address)}")


def check_trust(web3: Web3, address: str) -> str | None:
    """What is wrong with an oracle that markets for other people's money should not have.

    None when nothing is, or on a local chain; a warning on a test network; elsewhere UserError.
    """
    chain_id = web3.eth.chain_id
    oracle = oracle_at(web3, address)
    if oracle is None:
        wrong = f"oracle {address} is {_what(web3, address)}: no quorum has to agree on a result"
    elif oracle.committee.dispute_window < _SHORTEST_WINDOW:
        window = duration(oracle.committee.dispute_window)
        wrong = f"oracle {address} has a dispute window of {window}: too short for a veto"
    else:
        return None
    if chain_id in PRACTICE_CHAINS:
        return None if chain_id in LOCAL_CHAINS else wrong
    raise UserError(
        f"chain {chain_id} is for real money, and {wrong}; `ape run deploy oracle` makes a "
        f"committee: give the address of one with a window of {duration(_SHORTEST_WINDOW)} or more"
    )


def _what(web3: Web3, address: str) -> str:
    is_other = is_contract(web3, address)
    return "a contract that is no ResultOracle" if is_other else "an ordinary account"
