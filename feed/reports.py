"""With which report, and which evidence, each standing vote on a round was cast.

The logs of its oracle are read backwards in chunks of blocks: from the last that may hold a vote to
where the last standing vote is found, or a block from before the draw. So nobody looks for the
block of the draw, and a round that was decided within hours costs a few requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from keeper.errors import WrongContract
from keeper.ports import Head, Report

Votes = Mapping[str, Mapping[str, Any]]
"""The draws of the standing votes by reporter, as JSON tells them."""
Between = Callable[[int, int], Awaitable[Sequence[Report]]]
"""The reports in these blocks, both included, in log order. Raises ChainError."""
BlockOf = Callable[[int], Awaitable[Head]]
"""The block of that number. Raises ChainError."""

_VOTING = 72 * 3600  # seconds after the draw for which a market waits for a result
_DEPTH = 64  # blocks that may have been replaced since they were read
_STEPS = 500  # chunks that are read at most at a time
_MOST = 1000  # reports on a round that are kept: no committee has more than 15 reporters


class Reports:
    """What was reported on one round, as far as it was read."""

    def __init__(self, between: Between, block_of: BlockOf, draw_time: int, chunk: int) -> None:
        self._between, self._block_of = between, block_of
        self._draw_time, self._chunk = draw_time, chunk
        self._found: list[Report] = []  # in log order
        self._low, self._high = 0, -1  # the blocks that were read
        self._begun = False  # whether no report is older than these blocks
        self._too_many = False  # then nothing more is read
        self._end: int | None = None  # the last block that may hold a vote, once that is past

    async def read(
        self, ballot: int, votes: Votes, last: int, now: int, *, decided: bool
    ) -> dict[str, str]:
        """By reporter the evidence of its standing vote, in the order in which they were cast.

        Of reports up to the block `last`: that of the round's end, or the newest, whose time is
        `now`. The newest of those read before are read again, for they may be others by now. A
        vote whose report is not found is left out. Raises ChainError, WrongContract when there
        are too many reports.

        Args:
            votes: those in the standing `ballot`.
            decided: whether the round has a result, and so ended while votes counted.
        """
        if not decided and now > self._draw_time + _VOTING:
            if self._end is None:
                self._end = await self._last_block(self._draw_time + _VOTING, last)
            last = min(last, self._end)
        if self._high < 0:
            self._low, self._high = last + 1, last
        again = max(self._low, self._high - _DEPTH)
        kept = [report for report in self._found if report.block < again]
        for start in range(again, last + 1, self._chunk):
            kept += await self._read(start, min(start + self._chunk - 1, last))
        self._found, self._high = kept, last
        for _ in range(_STEPS):
            if self._begun or self._evidence(ballot, votes).keys() == votes.keys():
                break
            await self._back()
        return self._evidence(ballot, votes)

    async def _back(self) -> None:
        """Reads a chunk further back."""
        start = max(self._low - self._chunk, 0)
        older, block = await asyncio.gather(self._read(start, self._low - 1), self._block_of(start))
        self._found[:0], self._low = older, start
        self._begun = start == 0 or block.timestamp < self._draw_time

    async def _read(self, start: int, end: int) -> Sequence[Report]:
        if not self._too_many:
            try:
                found = await self._between(start, end)
            except WrongContract:
                self._too_many = True
            else:
                self._too_many = len(self._found) + len(found) > _MOST
        if self._too_many:
            raise WrongContract("an oracle tells of more votes than any committee casts")
        return found

    def _evidence(self, ballot: int, votes: Votes) -> dict[str, str]:
        latest: dict[str, Report] = {}
        for report in reversed(self._found):
            if report.ballot == ballot:
                latest.setdefault(report.reporter, report)
        standing = [r for r in reversed(latest.values()) if votes.get(r.reporter) == r.draw.plain()]
        return {report.reporter: report.evidence for report in standing}

    async def _last_block(self, time: int, last: int) -> int:
        """The last block, of those up to `last`, that is not later than `time`."""
        first = 0
        while first < last:
            middle = (first + last + 1) // 2
            if (await self._block_of(middle)).timestamp <= time:
                first = middle
            else:
                last = middle - 1
        return first
