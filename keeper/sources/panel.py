"""The sources that vote on one draw, asked again and again: who sits, and who takes back what.

There are three seats, one a publisher, and reserves for voters that stay out.
"""

import asyncio
import datetime as dt
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from keeper import metrics
from keeper.domain.consensus import Answer, Drawn, Failed
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw, Game
from keeper.ports import Fetched, Source

VOTERS: Mapping[str, tuple[str, ...]] = {
    POWERBALL.name: ("ny", "texas", "california"),
    MEGA_MILLIONS.name: ("megamillions", "texas", "california"),
}
RESERVES = ("massachusetts", "newjersey", "nyopendata")
GRACE = 2 * 3600  # seconds
_PUBLISHER = {"nyopendata": "ny"}  # whose source it is, where several are of one


@dataclass
class Panel:
    """Asks the sources that hold the seats of one draw. What it remembers is in memory only.

    Attributes:
        clock: of steady seconds.
        changed: by the last asking, each source that gave another draw than before, or none any
            more where it gave one: (source, the draw before, the draw now). Each is told once,
            and a source that fails has changed nothing.
    """

    sources: Mapping[str, Source]
    game: Game
    date: dt.date
    clock: Callable[[], float] = time.monotonic
    changed: list[tuple[str, Draw, Draw | None]] = field(default_factory=list)
    _until: dict[str, float] = field(default_factory=dict)  # by the clock: until then it is awaited
    _gave: dict[str, tuple[Draw, Draw | None]] = field(default_factory=dict)  # last; what it says

    def __post_init__(self) -> None:
        self._held, self._bench = list(VOTERS[self.game.name]), list(RESERVES)

    async def ask(self) -> list[Fetched]:
        """What each of the three sources says, asked at once; then a reserve that takes a seat."""
        self.changed = []
        found: dict[str, Fetched] = {}
        while new := [name for name in self._held if name not in found]:
            asked = (self.sources[name].fetch(self.game, self.date) for name in new)
            found |= zip(new, await asyncio.gather(*asked), strict=True)
            self._reseat(fetched.answer for fetched in found.values())
        for fetched in found.values():
            self._note(fetched.answer)
        return [found[name] for name in self._held]

    def _reseat(self, answers: Iterable[Answer]) -> None:
        """Whoever was waited for in vain for GRACE loses its seat to the next reserve, for good.

        That is one whose publisher holds none; without one it keeps it, as does for ever who has
        given a draw, right or wrong. Nobody is waited for before another has given one.
        """
        now = self.clock()
        self._until |= {a.source: math.inf for a in answers if isinstance(a, Drawn)}
        for i, source in enumerate(self._held):
            if not self._until or now < self._until.setdefault(source, now + GRACE):
                continue
            others = {_PUBLISHER.get(other, other) for other in self._held if other != source}
            free = [name for name in self._bench if _PUBLISHER.get(name, name) not in others]
            if free:
                self._bench.remove(free[0])
                self._held[i], self._until[free[0]] = free[0], now + GRACE

    def _note(self, answer: Answer) -> None:
        source, game = answer.source, self.game.name
        metrics.ANSWERS.labels(source, game, answer.kind).inc()
        draw = answer.draw if isinstance(answer, Drawn) else None
        last, now = self._gave.get(source, (draw, draw))
        if isinstance(answer, Failed) or last is None:
            return
        if draw not in (last, now):
            metrics.CHANGES.labels(source, game).inc()
            self.changed.append((source, last, draw))
        self._gave[source] = draw or last, draw
