"""Follows the chain: keeps the views of all markets up to date, and the web after them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from keeper.chain.events import Batch, EventFeed
from keeper.chain.market import ContractMarket
from keeper.errors import ChainError
from keeper.ports import Head
from keeper.projection import MarketView
from keeper.web.hub import Hub

log = structlog.get_logger()

_SEEN_WITHIN = 60.0  # seconds for the views to take what was mined, unless the chain changed


class Follower:
    """Reads what is new at intervals, or when asked to hurry.

    Attributes:
        views: by market address; replaced when the chain turns out to be another.
        hub: told of everything after the views.
        head: the block up to which the views hold everything; None until they first reach the
            newest one, and while a changed chain is read anew.
    """

    def __init__(
        self,
        feed: EventFeed,
        check: Callable[[], Awaitable[None]],
        chain_id: int,
        markets: Sequence[ContractMarket],
        interval: float,
    ) -> None:
        self._feed, self._check, self._markets, self._interval = feed, check, markets, interval
        self.views: dict[str, MarketView] = {}
        self._begin()
        self.hub = Hub(chain_id, list(self.views.values()))
        self.head: Head | None = None
        self._read = -1
        self._news, self._hurry = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """For ever. Trouble with the node is logged once, and waited out."""
        trouble = ""
        while True:
            self._hurry.clear()
            try:
                if trouble:
                    await self._check()  # who knows which node came back
                batch = await self._feed.poll()
            except ChainError as exc:
                if str(exc) != trouble:
                    log.warning("cannot follow the chain", why=str(exc))
                trouble = str(exc)
            else:
                if trouble:
                    log.info("following the chain again", head=batch.read.number)
                trouble = ""
                self._take(batch)
                if not batch.complete:
                    continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._interval)

    async def news(self) -> None:
        """Returns when something was read."""
        await self._news.wait()

    async def seen(self, block: int) -> None:
        """Returns when the views hold the block, at the latest after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEEN_WITHIN):
                while self._read < block:
                    self._hurry.set()
                    await self.news()

    def _begin(self) -> None:
        self.views.update({m.address: MarketView(m.address, m.game) for m in self._markets})

    def _take(self, batch: Batch) -> None:
        if batch.restarted:
            log.warning("the chain is not the one read before: reading it anew")
            self._begin()
            self.head = None
        for event in batch.events:
            self.views[event.market].apply(event)
        for view in self.views.values():
            view.advance(batch.read.timestamp)
        self._read = batch.read.number
        if self.head:
            self.head = batch.read
            self.hub.publish(batch.events, batch.read, None)
        elif batch.complete:
            self.head = batch.read
            self.hub.reset(list(self.views.values()), batch.read, None)
            log.info("the chain is read", head=batch.read.number)
        self._news.set()
        self._news.clear()
