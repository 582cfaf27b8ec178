"""Whether the machine is steady: whether the same work takes the same time again and again.

One that is shared with others often is not: a core does twice the work while its twin rests. Then
the longest of many times are those in which others worked, and tell nothing of what is compared.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

_PIECES, _STEPS = 400, 50_000  # of work, of some half a millisecond
_LATE = 1.3  # times what the quickest pieces take: more than a core's own pace changes
_MOST = 0.05  # share of disturbed pieces with which a machine counts as steady
_PAUSE = 5.0  # seconds until it is looked at again

_T = TypeVar("_T")


@dataclass(slots=True)
class Steadiness:
    """Of these cores. Looks at them while nothing runs there.

    Attributes:
        patience: seconds that may still be spent on waiting, and on what has to be done again.
        say: told when it waits.
    """

    cores: Sequence[int]
    patience: float
    say: Callable[[str], object]
    _quick: dict[int, float] = field(default_factory=dict)  # seconds for a piece, by core

    async def undisturbed(self, measure: Callable[[], Awaitable[_T]]) -> tuple[_T, float]:
        """What is measured, the machine being steady before and after; and how disturbed it was.

        For that it waits, and measures again, as long as there is patience.
        """
        while True:
            await self._come()
            begun = time.monotonic()
            measured = await measure()
            share = self.disturbed()
            if share <= _MOST or self.patience <= 0:
                return measured, share
            self.patience -= time.monotonic() - begun

    async def _come(self) -> None:
        begun, told = time.monotonic(), False
        while (left := self.patience - (time.monotonic() - begun)) > 0:
            if (share := self.disturbed()) <= _MOST:
                break
            if not told:
                self.say(f"others disturb {share:.0%} here: waiting until they rest, {left:.0f} s")
            told = True
            await asyncio.sleep(min(_PAUSE, left))
        self.patience -= time.monotonic() - begun

    def disturbed(self) -> float:
        """The share of pieces that took much longer than others, on the core with more of them."""
        before = os.sched_getaffinity(0)
        try:
            return max(self._disturbed(core) for core in self.cores)
        finally:
            os.sched_setaffinity(0, before)

    def _disturbed(self, core: int) -> float:
        took = self._pieces(core)
        quick = min(sorted(took)[_PIECES // 20], self._quick.get(core, math.inf))
        self._quick[core] = quick
        return sum(t > _LATE * quick for t in took) / _PIECES

    @staticmethod
    def _pieces(core: int) -> list[float]:
        os.sched_setaffinity(0, [core])
        marks = []
        for _ in range(_PIECES + 1):
            marks.append(time.perf_counter())
            for _ in range(_STEPS):
                pass
        return [end - start for start, end in pairwise(marks)]
