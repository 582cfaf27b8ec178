"""Follows the chain: keeps the views of all markets up to date, and the web after them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

import structlog

from keeper.chain.events import Batch, EventFeed
from keeper.chain.market import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError
from keeper.ports import ChainEvent, Head
from keeper.projection import MarketView
from keeper.web.hub import Hub

log = structlog.get_logger()

_SEEN_WITHIN = 60.0  # seconds for the views to take what was mined, unless the chain changed
_RECENT = 4096  # events of the first reading that clients of an earlier keeper may have missed


class Follower:
    """Reads what is new at intervals.

    Attributes:
        views: by market address; replaced when the chain turns out to be another.
        hub: told of everything after the views.
        head: the block up to which the views hold everything; None until they first reach the
            newest one, and while a changed chain is read anew.
        news: wakes who waits for it when something was read.
    """

    def __init__(
        self, rpc: Rpc, markets: Sequence[ContractMarket], chunk: int, interval: float
    ) -> None:
        self._rpc, self._markets, self._interval = rpc, markets, interval
        self._feed = EventFeed(rpc, markets, chunk)
        self.news = asyncio.Event()
        self.views: dict[str, MarketView] = {}
        self._begin()
        self.hub = Hub(rpc.chain_id, list(self.views.values()))

    async def run(self) -> None:
        """For ever. Trouble with the node is logged once, and waited out."""
        trouble = ""
        while True:
            try:
                if trouble:
                    await self._rpc.check()  # who knows which node came back
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
            await asyncio.sleep(self._interval)

    async def seen(self, block: int) -> None:
        """Returns when the views hold the block, at the latest after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEEN_WITHIN):
                while self.head is None or self.head.number < block:
                    await self.news.wait()

    def _begin(self) -> None:
        self.views.update({m.address: MarketView(m.address, m.game) for m in self._markets})
        self.head: Head | None = None
        self._recent: deque[ChainEvent] = deque(maxlen=_RECENT)

    def _take(self, batch: Batch) -> None:
        if batch.restarted:
            log.warning("the chain is not the one read before: reading it anew")
            self._begin()
        for event in batch.events:
            self.views[event.market].apply(event)
        for view in self.views.values():
            view.advance(batch.read.timestamp)
        if self.head:
            self.head = batch.read
            self.hub.publish(batch.events, batch.read, batch.finalized)
        else:
            self._recent += batch.events
            if batch.complete:
                self.head = batch.read
                # Of the first block only a part may have been kept.
                recent = [e for e in self._recent if e.block_number > self._recent[0].block_number]
                self.hub.reset(list(self.views.values()), batch.read, batch.finalized, recent)
                log.info("the chain is read", head=batch.read.number)
        self.news.set()
        self.news.clear()
