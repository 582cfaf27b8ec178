"""Follows the chain: keeps the views of all markets up to date, and whoever is told after them.

Other views lag behind, as far as the chain may be reorganized: from a copy of those the views are
made again when that happens. It is one step, so nobody sees a view half healed.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from copy import deepcopy

import structlog

from keeper import metrics
from keeper.chain.contracts import ContractMarket
from keeper.chain.events import Batch, EventFeed, Markets
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError, HistoryError, Reverted, RpcDown
from keeper.ports import ChainEvent, Head
from keeper.projection import Archive, Audience, MarketView

log = structlog.get_logger()

_SEEN_WITHIN = 60.0  # seconds for the views to take what was mined, unless the chain changed
_RECENT = 4096  # events of the first reading that clients of an earlier keeper may have missed
_PROGRESS = 10  # polls of a long reading from one word of it to the next
_PROOF = 3600.0  # seconds from one comparison with the markets to the next


class Follower:
    """Reads what is new at intervals.

    Attributes:
        audience: told of everything after the views.
        archive: given what is settled; what it kept from before is where reading begins.
        views: by market address; replaced when the chain turns out to be another, or parts of it.
        head: the block up to which the views hold everything; None until they first reach the
            newest one, and while a changed chain is read anew.
        news: wakes who waits for it when something was read.
    """

    def __init__(
        self,
        rpc: Rpc,
        markets: Markets,
        chunk: int,
        interval: float,
        confirmations: int | None,
        audience: Audience,
        archive: Archive | None = None,
    ) -> None:
        self._rpc, self._markets, self._interval = rpc, markets, interval
        self._confirmations, self._polls = confirmations, 0
        self._feed = EventFeed(rpc, markets, chunk)
        self.audience, self.archive, self.news = audience, archive, asyncio.Event()
        self.views: dict[str, MarketView] = {}
        self._proof_due = 0.0  # of the monotonic clock
        self._begin()

    async def run(self) -> None:
        """For ever. Trouble with the node is logged once, and waited out."""
        await self._restore()
        trouble = ""
        while True:
            try:
                batch = await self._feed.poll()
                self._take(batch)
                if batch.complete and self._doubted:
                    await self._prove(batch.blocks[0])
                    continue
                if batch.complete and time.monotonic() >= self._proof_due:
                    await self._prove_again(batch.blocks[0])
            except ChainError as exc:
                if str(exc) != trouble:
                    log.warning("cannot follow the chain", why=str(exc))
                trouble = str(exc)
            else:
                if trouble:
                    log.info("following the chain again", head=batch.read.number)
                trouble = ""
                if not batch.complete:
                    continue
            await asyncio.sleep(self._interval)

    async def seen(self, block: int) -> None:
        """Returns when the views hold the block, at the latest after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEEN_WITHIN):
                while self.head is None or self.head.number < block:
                    await self.news.wait()

    @property
    def confirmed(self) -> int:
        """Number of the block up to which results count as final; -1: none yet."""
        if self.head is None:
            return -1
        depth = self._confirmations
        return self._finalized if depth is None else max(self.head.number - depth, -1)

    def _begin(self) -> None:
        self.views.update({m.address: MarketView(m.address, m.game) for m in self._markets})
        self.head: Head | None = None
        self.audience.begin()
        self._finalized, self._doubted = -1, False
        self._lagging = deepcopy(self.views)  # these have taken only what is settled
        self._recent: deque[ChainEvent] = deque(maxlen=_RECENT)
        if self.archive:
            self.archive.begin()

    async def _restore(self) -> None:
        """Begins where the archive ends; the first poll sees whether that is on the chain."""
        taken = 0

        def take(events: Sequence[ChainEvent]) -> None:
            nonlocal taken
            for event in events:
                self._lagging[event.market].apply(event)
                self.views[event.market].apply(event)
            for view in self.views.values():
                view.advance(events[-1].timestamp)
            self._recent += events
            taken += len(events)

        try:
            read = await self.archive.restore(take) if self.archive else None
        except HistoryError as exc:
            self._read_anew(str(exc))
            return
        if read:
            self._feed.forget(read)
            self._doubted = True
            log.info("the history is taken", events=taken, read_from=read.number + 1)

    async def _prove_again(self, at: Head) -> None:
        """As what is told already; a node that cannot tell is no reason to stop telling."""
        try:
            await self._prove(at)
        except ChainError as exc:
            log.warning("what was read is not compared with the markets", why=str(exc))

    async def _prove(self, at: Head) -> None:
        """Compares what is settled with the markets, after the last block of which all is.

        Where that differs an event was never told, or one that never was, and all is read anew.
        Raises ChainError.
        """
        self._proof_due = time.monotonic() + _PROOF
        there = (market for market in self._markets if market.deployed_block <= at.number)
        pairs = [(market, self._lagging[market.address]) for market in there]
        fits = await asyncio.gather(*(_fits(*pair, at) for pair in pairs))
        if all(fits):
            self._doubted = False
            return
        if await self._rpc.block(at.number) != at:
            raise RpcDown(f"{self._rpc.where} changed its chain while it was asked")
        self._feed.forget()
        self._read_anew("what it holds is not what the market tells of its rounds")

    def _read_anew(self, why: str) -> None:
        log.warning("the chain is read from its first event", why=why)
        self._begin()

    def _take(self, batch: Batch) -> None:
        """Raises RpcDown when the events do not fit together: then all is read anew."""
        metrics.REORGANIZATIONS.inc(batch.lost)
        if batch.lost and not batch.survives:
            log.warning("the chain is not the one read before: reading it anew")
            self._begin()
        elif batch.survives:
            what = (
                "the chain was reorganized" if batch.lost else "events were told late, or otherwise"
            )
            void = {"blocks": batch.lost, "events": len(batch.removed)}
            log.warning(what, survives=batch.survives.number, **void)
            self._finalized = min(self._finalized, batch.survives.number)
        try:
            self._apply(batch)
        except (LookupError, ValueError) as exc:  # one before them was never told
            self._feed.forget()
            self._begin()
            raise RpcDown(f"{self._rpc.where} left out events: reading the chain anew") from exc
        self._finalized = max(self._finalized, batch.finalized or -1)
        self._tell(batch)
        self.news.set()
        self.news.clear()

    def _apply(self, batch: Batch) -> None:
        """No view takes an event twice."""
        for event in batch.settled:
            self._lagging[event.market].apply(event)
        if batch.survives:
            self.views.update(deepcopy(self._lagging))
        for event in (*batch.settled, *batch.unsettled):
            self.views[event.market].apply(event)
        for view in self.views.values():
            view.advance(batch.read.timestamp)

    def _tell(self, batch: Batch) -> None:
        """The audience, the log and whoever measures."""
        read, views, self._polls = batch.read, list(self.views.values()), self._polls + 1
        metrics.HEAD.set(read.number)
        metrics.HEAD_TIME.set(read.timestamp)
        if self.archive:
            self.archive.take(batch.settled, batch.unsettled, batch.blocks[0])
        if batch.complete:
            self._polls = 0
        elif self._polls % _PROGRESS == 1:
            log.info("reading the chain", block=read.number, of=batch.newest)
        if self.head:
            self.head = read
            if batch.survives:
                self.audience.fall_back(views, batch.survives, len(batch.removed))
            self.audience.publish(batch.events, read, batch.finalized, batch.blocks)
            return
        self._recent += batch.settled
        if batch.complete and not self._doubted:
            self.head = read
            # Of the first block only a part may have been kept.
            first = self._recent[0].block_number if len(self._recent) == _RECENT else -1
            recent = [e for e in (*self._recent, *batch.unsettled) if e.block_number > first]
            self.audience.reset(views, read, batch.finalized, recent, batch.blocks)
            log.info("the chain is read", head=read.number)


async def _fits(market: ContractMarket, view: MarketView, at: Head) -> bool:
    """Whether a market tells of as many rounds, and the same of each that is not over.

    Raises ChainError.
    """
    rounds = [r for r in view.rounds.values() if not r.book.finished]
    try:
        count = await market.round_count(at.number)
        told = await asyncio.gather(*(market.round_info(r.id, at.number) for r in rounds))
    except Reverted:  # there is no such round
        return False
    return count == len(view.rounds) and all(
        (info.status, info.total_staked, info.total_matched)
        == (r.status_at(at.timestamp), r.book.staked, r.book.total_matched)
        for info, r in zip(told, rounds, strict=True)
    )
