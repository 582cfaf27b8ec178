"""The events of all markets, from the chain's first to its newest block, each of them once.

An event is known by its block's hash and its index there. The newest blocks are remembered, so that
those which the chain no longer has are noticed, and what came before them stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from keeper.chain.market import ContractMarket, events
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError, RpcDown
from keeper.ports import ChainEvent, Head

FRESH = 8  # of the newest blocks are asked for by hash
OVERLAP = 32  # of the newest blocks are read again each time
DEPTH = 64  # blocks that may be replaced, or missing for a while, on a chain that is the same

Linked = tuple[Head, str]
"""A block, and the hash of the one before it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a poll read.

    Attributes:
        events: in log order, those after `survives` again, if it is given.
        read: the block up to which everything is now read.
        newest: number of the newest block.
        finalized: number of the newest block that can no longer change; None when the node does
            not tell.
        lost: how many of the blocks read the chain no longer has, as far as they are remembered.
        survives: the block after which what was read before is void, because the chain was
            reorganized or an event was told late; None when nothing is.
        removed: the events that are void, the newest first.
        restarted: too much is void to be told: `events` begin again with the first.
    """

    events: tuple[ChainEvent, ...]
    read: Head
    newest: int
    finalized: int | None
    lost: int = 0
    survives: Head | None = None
    removed: tuple[ChainEvent, ...] = ()
    restarted: bool = False

    @property
    def complete(self) -> bool:
        """Whether the newest block was read."""
        return self.read.number == self.newest


class EventFeed:
    """Reads on from where it stands, a bounded range of blocks at a poll."""

    def __init__(self, rpc: Rpc, markets: Sequence[ContractMarket], chunk: int) -> None:
        self._rpc, self._chunk = rpc, chunk
        self._addresses = [m.address for m in markets]
        self._first = min(m.deployed_block for m in markets)
        self.forget()

    def forget(self) -> None:
        """The next poll begins with the first event."""
        self._chain: list[Linked] = []  # the blocks remembered, the last is the cursor
        self._events: list[ChainEvent] = []  # of these blocks but the first

    async def poll(self) -> Batch:
        """The next events. Raises ChainError; the next poll then begins at the same place."""
        newest = await self._rpc.linked("latest")
        old, head = self._chain, newest[0]
        stand = await self._standing(newest)
        cursor = stand[-1][0].number if stand else -1
        start = max(cursor + 1, self._first)
        # What is lost is made up for at once.
        end = min(head.number, max(start + self._chunk - 1, old[-1][0].number if stand else 0))
        # Of the newest blocks each is remembered, before them the last that was read.
        numbers = range(max(cursor + 1, min(end, head.number - DEPTH), 0), end + 1)
        chain = [*stand, *await asyncio.gather(*(self._linked(n, newest) for n in numbers))]
        for (before, _), (block, above) in pairwise(chain):
            if block.number == before.number + 1 and above != before.hash:
                raise RpcDown(f"{self._rpc.where} changed its chain while it was read")
        heads = [block for block, _ in chain]
        found = await self._read(start, end, heads)
        late: list[ChainEvent] = []
        if stand and end == head.number:
            known = {(e.block_hash, e.log_index) for e in self._events}
            overlap = max(stand[0][0].number, cursor - OVERLAP) + 1
            again = await self._logs(overlap, cursor, heads)
            late = [e for e in again if (e.block_hash, e.log_index) not in known]
        finalized = await self._finalized()
        doubtful = late[0].block_number if late else cursor + 1
        back = [block for block, _ in stand if block.number < doubtful]
        survives = back[-1] if back and len(back) < len(old) else None
        upto = survives.number if survives else cursor
        kept = [e for e in self._events if e.block_number <= upto]
        void = self._events[len(kept) :]
        told = [*(e for e in void if e.block_number <= cursor), *late, *found]
        told.sort(key=lambda e: (e.block_number, e.log_index))
        read, lost = heads[-1], len(old) - len(stand)
        self._chain = [b for b in chain if b[0].number >= read.number - DEPTH]
        self._events = [e for e in kept + told if e.block_number > self._chain[0][0].number]
        removed = tuple(reversed(void)) if survives else ()
        restarted = lost > 0 and not stand
        return Batch(tuple(told), read, head.number, finalized, lost, survives, removed, restarted)

    async def _linked(self, number: int, newest: Linked) -> Linked:
        return newest if number == newest[0].number else await self._rpc.linked(number)

    async def _read(self, start: int, end: int, heads: Sequence[Head]) -> list[ChainEvent]:
        """The events of these blocks, the last of them by their hashes.

        A node that is a little behind the one that told the head gives no events of blocks that
        it does not have; asked for a block by its hash it says that it does not have it.
        """
        fresh = [h for h in heads if h.number >= max(start, end - FRESH + 1)]
        found = await self._logs(start, min(end, fresh[0].number - 1) if fresh else end, heads)
        ask = (events(self._rpc, self._addresses, h.number, h.number, heads, h.hash) for h in fresh)
        return found + [event for told in await asyncio.gather(*ask) for event in told]

    async def _logs(self, start: int, end: int, heads: Sequence[Head]) -> list[ChainEvent]:
        """The events of these blocks, asked for by chunks."""
        found: list[ChainEvent] = []
        for first in range(start, end + 1, self._chunk):
            last = min(end, first + self._chunk - 1)
            found += await events(self._rpc, self._addresses, first, last, heads)
        return found

    async def _finalized(self) -> int | None:
        try:
            return (await self._rpc.block("finalized")).number
        except ChainError:
            return None

    async def _standing(self, newest: Linked) -> list[Linked]:
        """Those of the remembered blocks that are still on the chain."""
        old, (head, parent) = self._chain, newest
        if not old or (cursor := old[-1][0]) == head or cursor.hash == parent:
            return old
        if head.number < cursor.number and any(block == head for block, _ in old):
            raise RpcDown(
                f"{self._rpc.where} stands at block {head.number}, {cursor.number} was read"
            )
        low, high = 0, len(old)
        middle = high - 1  # mostly it stands
        while low < high:
            block = old[middle][0]
            if block.number <= head.number and await self._rpc.block(block.number) == block:
                low = middle + 1
            else:
                high = middle
            middle = (low + high) // 2
        return old[:low]
