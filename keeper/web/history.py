"""What was told lately, bounded, so that a client that was away can be told it again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from keeper.ports import Head
from keeper.web.frames import Cursor, Delta


class History:
    """The last `size` events and block hashes.

    Attributes:
        position: everything up to here was told.
    """

    def __init__(self, size: int) -> None:
        self.position = Cursor(-1)
        self._size = size
        self._floor = Cursor(-1)  # what came at or before it may be forgotten
        self._deltas: deque[Delta] = deque()
        self._hashes: dict[int, str] = {}  # of the blocks that a cursor may name, ascending

    def add(self, delta: Delta) -> None:
        """Remembers the next event, for which the oldest may be forgotten."""
        self._deltas.append(delta)
        if len(self._deltas) > self._size:
            self._floor = self._deltas.popleft().cursor
        self._move(delta.cursor)

    def reach(self, head: Head) -> None:
        """Notes that nothing more comes up to the end of a block."""
        self._move(Cursor(head.number, hash=head.hash))

    def missed(self, since: Mapping[str, Cursor]) -> dict[str, list[Delta]]:
        """By channel what came after its cursor; a channel is absent when that is not known.

        It is not known when history does not go back so far, or when the cursor's block is not
        on this chain.
        """
        missed: dict[str, list[Delta]] = {c: [] for c, s in since.items() if self._knows(s)}
        if not missed:
            return missed
        first = min(since[channel].place for channel in missed)
        for delta in reversed(self._deltas):
            if delta.cursor.place <= first:
                break
            for channel in delta.channels:
                if channel in missed and delta.cursor.place > since[channel].place:
                    missed[channel].append(delta)
        for deltas in missed.values():
            deltas.reverse()
        return missed

    def _knows(self, since: Cursor) -> bool:
        same_chain = self._hashes.get(since.block) == since.hash
        return same_chain and self._floor.place <= since.place <= self.position.place

    def _move(self, to: Cursor) -> None:
        self.position = to
        self._hashes[to.block] = to.hash
        if len(self._hashes) > self._size:
            del self._hashes[next(iter(self._hashes))]
