"""With which report, and which evidence, each standing vote on a round was cast.

The logs of its oracle are read backwards in chunks of blocks: from the last that may hold a vote to
where the last standing vote is found, or a block from before the draw. So nobody looks for the
block of the draw, and a round that was decided within hours costs a few requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from keeper.errors import WrongContract
from keeper.ports import Head, Report

Votes = Mapping[str, Mapping[str, Any] | None]
"""The draws of the standing votes by reporter, as JSON tells them; None for who has none."""
Between = Callable[[int, int, str | None], Awaitable[Sequence[Report]]]
"""The reports in these blocks, both included, of all or of one reporter, in log order.

Raises ChainError, WrongContract when they are too many.
"""
BlockOf = Callable[[int], Awaitable[Head]]
"""The block of that number. Raises ChainError."""

_VOTING = 72 * 3600  # seconds after the draw for which a market waits for a result
_DEPTH = 64  # blocks that may have been replaced since they were read
_STEPS = 500  # chunks that are read at most at a time
_MOST = 100  # reports of one reporter on a round: who has more is not told of


class Reports:
    """What was reported on one round, as far as it was read."""

    def __init__(self, between: Between, block_of: BlockOf, draw_time: int, chunk: int) -> None:
        self._between, self._block_of = between, block_of
        self._draw_time, self._chunk = draw_time, chunk
        self._found: list[Report] = []  # in log order
        self._low, self._high = 0, -1  # the blocks that were read
        self._begun = False  # whether no report is older than these blocks
        self._void: set[str] = set()  # reporters with too many reports
        self._end: int | None = None  # the last block that may hold a vote, once that is past

    async def read(
        self, ballot: int, votes: Votes, last: int, now: int, *, decided: bool
    ) -> dict[str, str]:
        """By reporter the evidence of its standing vote, in the order in which they were cast.

        Of reports up to the block `last`: that of the round's end, or the newest, whose time is
        `now`. The newest of those read before are read again, for they may be others by now. A
        vote whose report is not found is left out, and that of who made too many. Raises
        ChainError.

        Args:
            votes: those in the standing `ballot`, of the whole committee.
            decided: whether the round has a result, and so ended while votes counted.
        """
        if not decided and now > self._draw_time + _VOTING:
            if self._end is None:
                self._end = await self._last_block(self._draw_time + _VOTING, last)
            last = min(last, self._end)
        if self._high < 0:
            self._low, self._high = last + 1, last
        again = max(self._low, self._high - _DEPTH)
        self._found = [report for report in self._found if report.block < again]
        for start in range(again, last + 1, self._chunk):
            self._found += await self._read(start, min(start + self._chunk - 1, last), votes)
        self._high = last
        for _ in range(_STEPS):
            wanted = {voter for voter in votes if votes[voter]} - self._void
            if self._begun or self._evidence(ballot, votes).keys() == wanted:
                break
            start = max(self._low - self._chunk, 0)
            reading = self._read(start, self._low - 1, votes)
            older, block = await asyncio.gather(reading, self._block_of(start))
            self._found[:0], self._low = older, start
            self._begun = start == 0 or block.timestamp < self._draw_time
        return self._evidence(ballot, votes)

    async def _read(self, start: int, end: int, voters: Collection[str]) -> list[Report]:
        """What the committee reported in these blocks: of each alone, if all is too much."""
        try:
            found = [*await self._between(start, end, None)]
        except WrongContract:
            found = []
            for voter in [voter for voter in voters if voter not in self._void]:
                try:
                    found += await self._between(start, end, voter)
                except WrongContract:
                    self._void.add(voter)
            found.sort(key=lambda report: report.block)
        found = [report for report in found if report.reporter in voters]
        times = Counter(report.reporter for report in (*self._found, *found))
        self._void |= {voter for voter in times if times[voter] > _MOST}
        return [report for report in found if report.reporter not in self._void]

    def _evidence(self, ballot: int, votes: Votes) -> dict[str, str]:
        latest: dict[str, Report] = {}
        for report in reversed(self._found):
            if report.ballot == ballot and report.reporter not in self._void:
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
