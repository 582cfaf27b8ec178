"""One ResultOracle as a market's rounds see it: its committee, the votes, the proposal."""

import asyncio
import datetime as dt
from typing import Any

from keeper.chain import abi
from keeper.chain.contract import Contract
from keeper.domain.draw import Draw
from keeper.errors import Reverted, WrongContract
from keeper.ports import Committee, Standing

_EPOCH = dt.date(1970, 1, 1)


class ContractOracle(Contract):
    """The oracle at an address for the rounds of a market. Every method raises ChainError."""

    def __init__(self, market: Contract, address: str) -> None:
        super().__init__(market.rpc, address, abi.oracle_abi())
        self._market = market.address
        self._committee: Committee | None = None

    async def committee(self) -> Committee:
        """Who decides, and how; asked once, for it never changes.

        Raises WrongContract when there is an ordinary account or another contract.
        """
        if self._committee is None:
            views = ("reporters", "quorum", "disputeWindow", "guardian")
            try:
                reporters, *terms = await asyncio.gather(*map(self.call, views))
            except Reverted as exc:
                raise WrongContract(f"{self.address} is no ResultOracle") from exc
            self._committee = Committee(tuple(reporters), *terms)
        return self._committee

    async def standing(self, round_id: int, account: str | None) -> Standing:
        """How far the committee has come with a round; with the vote of one of its reporters."""
        committee = await self.committee()
        at = self._market, round_id
        (ballot, _), (number, _, finalizable_at) = await asyncio.gather(
            self.call("ballot", *at), self.call("proposal", *at)
        )
        reporter = account if account in committee.reporters else None
        vote = await self.vote_of(round_id, reporter) if reporter else None
        return Standing(committee, ballot, vote, number, finalizable_at)

    async def vote_of(self, round_id: int, reporter: str) -> Draw | None:
        """What a reporter says was drawn, in the standing ballot."""
        voted, (days, whites, special) = await self.call("voteOf", self._market, round_id, reporter)
        try:
            return Draw(_EPOCH + dt.timedelta(days), tuple(whites), special) if voted else None
        except OverflowError as exc:
            raise WrongContract(f"{self.address} tells a vote on no date") from exc


def report(market: str, round_id: int, draw: Draw, evidence: bytes) -> tuple[Any, ...]:
    """The arguments of `report`."""
    return market, round_id, ((draw.date - _EPOCH).days, draw.whites, draw.special), evidence
