"""Oracles that run and keep what they told, and what sources may have said to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson

from keeper.chain.contracts import ContractMarket
from keeper.domain.consensus import Answer, Drawn, Failed, Failure, Pending
from keeper.follow import Follower
from keeper.oracles import Oracles
from keeper.ports import Fetched, Store
from tests.keeper.chain.committee import DRAWN, LIE
from tests.keeper.chain.following import following
from tests.keeper.chain.waiting import until

DAY = 86_400


class Told:
    """The oracles of a market, and what they told last."""

    def __init__(self, market: ContractMarket, follower: Follower, store: Store) -> None:
        self.market, self.data = market, dict[str, Any]()
        self.oracles = Oracles([market], follower, store, self._take)

    def _take(self, data: dict[str, Any]) -> None:
        self.data = orjson.loads(orjson.dumps(data))  # or it could not be told

    @property
    def round(self) -> dict[str, Any]:
        """Of the first round; empty when nothing is told of it."""
        return next(iter(self.data.get("rounds", [])), {})

    async def until(self, **fields: Any) -> None:
        await until(lambda: fields.items() <= self.round.items(), told=lambda: [str(self.data)])
        assert self.oracles.of(self.market.address, 1) == self.round


@contextlib.asynccontextmanager
async def telling(market: ContractMarket, store: Store) -> AsyncIterator[Told]:
    """Oracles that run."""
    async with following(market.rpc, [market]) as follower:
        told = Told(market, follower, store)
        task = asyncio.create_task(told.oracles.run(0.02))
        try:
            yield told
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def fetched(*answers: Answer, at: int) -> list[Fetched]:
    return [Fetched(a.source, "http://x/", 200, at, b"", a) for a in answers]


AGREED = Drawn("ny", DRAWN), Drawn("texas", DRAWN), Drawn("california", LIE)
WAITING = (
    Drawn("ny", DRAWN),
    Pending("texas", "not yet"),
    Failed("california", Failure.TIMEOUT, "15 s"),
)


def draws(told: Told) -> list[Any]:
    return [voted["draw"] for voted in told.round["voting"]["votes"]]
