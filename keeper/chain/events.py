"""The events of all markets, from the chain's first to its newest block, each of them once.

An event is known by its block's hash and its index there. The newest blocks are remembered, so that
those which the chain no longer has are noticed, and what came before them stands. Each block is
asked for by its hash when it is new, and again by number, with all that are remembered, at each
poll: what an endpoint's index had left out is told late. Where one tells otherwise of a transaction
than was told before, the last word counts.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from keeper.chain.contracts import ContractMarket, events
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError, RpcDown
from keeper.ports import ChainEvent, Head

DEPTH = 64  # blocks that may be replaced, or missing for a while, on a chain that is the same
_DOUBT = 15.0  # seconds after a start in which the better nodes are found

Markets = Sequence[ContractMarket]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a poll read.

    Attributes:
        events: in log order, those after `survives` again, if it is given.
        read: the block up to which everything is now read.
        blocks: those that are remembered, `read` the last: each of the newest, as far as they may
            be replaced. Up to the first of them all is settled.
        newest: number of the newest block.
        finalized: number of the newest block that can no longer change; None when the node does
            not tell.
        settled: the events that can be void no more, in log order; each of them once.
        unsettled: those after them that were read, by this poll or before.
        lost: how many of the blocks read the chain no longer has, as far as they are remembered.
            When they are all lost, `events` begin again with the chain's first.
        survives: the block after which what was read before is void, because the chain was
            reorganized or an event was told late, or otherwise than before; None when nothing is,
            or everything.
        removed: the events that are void, the newest first.
    """

    events: Sequence[ChainEvent]
    read: Head
    blocks: Sequence[Head]
    newest: int
    finalized: int | None
    settled: Sequence[ChainEvent]
    unsettled: Sequence[ChainEvent]
    lost: int
    survives: Head | None
    removed: Sequence[ChainEvent]

    @property
    def complete(self) -> bool:
        """Whether the newest block was read."""
        return self.read.number == self.newest


class EventFeed:
    """Reads on from where it stands, a bounded range of blocks at a poll."""

    def __init__(self, rpc: Rpc, markets: Markets, chunk: int) -> None:
        self._rpc, self._chunk = rpc, chunk
        self._addresses = [m.address for m in markets]
        self._first = min(m.deployed_block for m in markets)
        self.forget()

    def forget(self, read: Head | None = None) -> None:
        """The next poll begins with the first event; or after what was read, if that still is.

        For a while a chain that is shorter than that is taken for a node that is behind.
        """
        self._trusting = time.monotonic() + (_DOUBT if read else 0.0)
        self._chain = [read] if read else []  # the blocks remembered, the last is the cursor
        self._events: list[ChainEvent] = []  # of these blocks but the first

    async def poll(self) -> Batch:
        """The next events. Raises ChainError; the next poll then begins at the same place."""
        old, newest = self._chain, await self._rpc.head()
        shorter = old and newest.number < old[0].number and time.monotonic() < self._trusting
        if newest in old[:-1] or shorter:
            behind = f"stands at block {newest.number}, {old[-1].number} was read"
            raise RpcDown(f"{self._rpc.where} {behind}")
        stand = old[:]
        while stand and await self._block(stand[-1].number, newest) != stand[-1]:
            stand.pop()
        cursor = stand[-1].number if stand else -1
        start = max(cursor + 1, self._first)
        # What is lost is made up for at once.
        end = min(newest.number, max(start + self._chunk - 1, old[-1].number if stand else 0))
        # Of the newest blocks each is remembered, before them the last that was read.
        numbers = range(max(cursor + 1, min(end, newest.number - DEPTH), 0), end + 1)
        fresh = await asyncio.gather(*(self._block(n, newest) for n in numbers))
        chain = stand + fresh
        if any(b.parent != a.hash for a, b in pairwise(chain) if b.number == a.number + 1):
            raise RpcDown(f"{self._rpc.where} changed its chain while it was read")
        if stand and end == newest.number:
            start = stand[0].number + 1
        found = await self._read(start, fresh, chain)
        known = {_place(e): e for e in self._events if e.block_number <= cursor}
        told = {_place(e): e for e in found}
        of = {(e.block_hash, e.tx_hash) for e in found}
        new = [e for place, e in told.items() if known.get(place) != e]
        denied = [
            e
            for place, e in known.items()
            if told.get(place) != e and (place in told or (e.block_hash, e.tx_hash) in of)
        ]
        for e in denied:
            del known[_place(e)]
        events = sorted([*known.values(), *new], key=lambda e: (e.block_number, e.log_index))
        # Up to the block before the first event that is new, or denied, nothing has changed.
        sound = min([cursor, *(e.block_number - 1 for e in new + denied)])
        back = [block for block in stand if block.number <= sound]
        upto = back[-1].number if back else -1
        finalized = await self._finalized(newest, chain)
        void = [e for e in self._events if e.block_number > upto]
        self._chain = [b for b in chain if b.number >= chain[-1].number - DEPTH]
        deep = self._chain[0].number
        self._events = [e for e in events if e.block_number > deep]
        return Batch(
            events=[e for e in events if e.block_number > upto],
            read=chain[-1],
            blocks=self._chain,
            newest=newest.number,
            finalized=finalized,
            settled=[e for e in events if e.block_number <= deep],
            unsettled=self._events,
            lost=len(old) - len(stand),
            survives=back[-1] if back and back[-1] != old[-1] else None,
            removed=void[::-1],
        )

    async def _block(self, number: int, newest: Head) -> Head:
        return newest if number >= newest.number else await self._rpc.block(number)

    async def _read(self, start: int, fresh: list[Head], chain: list[Head]) -> list[ChainEvent]:
        """The events from a block on: by chunks, but of the fresh ones, the last, by their hashes.

        A node that is a little behind the one that told the head gives no events of blocks that
        it does not have; asked for a block by its hash it says that it does not have it.
        """
        last, size = chain[-1].number - len(fresh), self._chunk
        spans = [(n, min(last, n + size - 1)) for n in range(start, last + 1, size)]
        spans += [(head.number, head.number) for head in fresh]
        ask = (events(self._rpc, self._addresses, *span, chain) for span in spans)
        return [event for told in await asyncio.gather(*ask) for event in told]

    async def _finalized(self, newest: Head, chain: list[Head]) -> int | None:
        """None also when the node tells of a block that is not on this chain, or not yet."""
        with contextlib.suppress(ChainError):
            told = await self._rpc.block("finalized")
            known = {block.number: block for block in (*chain, newest)}
            if told.number <= newest.number and known.get(told.number, told) == told:
                return told.number
        return None


def _place(event: ChainEvent) -> tuple[str, int]:
    """What an event is known by."""
    return event.block_hash, event.log_index
