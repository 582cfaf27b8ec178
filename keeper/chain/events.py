"""The events of all markets, from the chain's first to its newest block, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.chain.market import ContractMarket, events
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError, RpcDown
from keeper.ports import ChainEvent, Head

FRESH = 8  # of the newest blocks are asked for by hash
LAG = 64  # blocks that an endpoint may stand behind what was read before it counts as another chain


@dataclass(frozen=True, slots=True)
class Batch:
    """What a poll read.

    Attributes:
        events: in log order.
        read: the block up to which everything is now read.
        complete: whether that was the newest block.
        finalized: number of the newest block that can no longer change; None when the node does
            not tell.
        restarted: the chain was found to be another than the one read before: what was built
            from earlier events is void, and `events` begin again with the first.
    """

    events: tuple[ChainEvent, ...]
    read: Head
    complete: bool
    finalized: int | None
    restarted: bool


class EventFeed:
    """Reads on from where it stands, a bounded range of blocks at a poll."""

    def __init__(self, rpc: Rpc, markets: Sequence[ContractMarket], chunk: int) -> None:
        self._rpc, self._chunk = rpc, chunk
        self._addresses = [m.address for m in markets]
        self._first = min(m.deployed_block for m in markets)
        self._cursor: Head | None = None

    async def poll(self) -> Batch:
        """The next events. Raises ChainError; the next poll then begins at the same place."""
        head = await self._rpc.head()
        restarted = await self._lost(head)
        start = self._first if restarted or self._cursor is None else self._cursor.number + 1
        end = min(head.number, start + self._chunk - 1)
        read = head if end == head.number else await self._rpc.block(end)
        fresh = max(start, head.number - FRESH + 1)
        found: list[ChainEvent] = []
        if start <= (last := min(end, fresh - 1)):
            found += await events(self._rpc, self._addresses, start, last)
        # A node that is a little behind the one that told the head gives no events of blocks that
        # it does not have; asked for a block by its hash it says that it does not have it.
        for number in range(fresh, end + 1):
            block = await self._rpc.block(number) if number < end else read
            found += await events(self._rpc, self._addresses, number, number, block.hash)
        finalized = await self._finalized()
        self._cursor = read
        return Batch(tuple(found), read, read == head, finalized, restarted)

    async def _finalized(self) -> int | None:
        try:
            return (await self._rpc.block("finalized")).number
        except ChainError:
            return None

    async def _lost(self, head: Head) -> bool:
        """Whether the block at the cursor is no longer on the chain."""
        cursor = self._cursor
        if cursor is None or cursor == head:
            return False
        if head.number < cursor.number:
            if cursor.number - head.number > LAG:
                return True
            raise RpcDown(
                f"{self._rpc.where} stands at block {head.number}, {cursor.number} was read"
            )
        return await self._rpc.block(cursor.number) != cursor
