"""The sources that vote on one draw, asked again and again: who sits, and who takes back what."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping

from keeper import metrics
from keeper.domain.consensus import Answer, Drawn, Failed
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw, Game
from keeper.domain.seats import Seats
from keeper.ports import Fetched, Source

VOTERS: Mapping[str, tuple[str, ...]] = {
    POWERBALL.name: ("ny", "texas", "california"),
    MEGA_MILLIONS.name: ("megamillions", "texas", "california"),
}
RESERVES = ("massachusetts", "newjersey", "nyopendata")
_PUBLISHER = {"nyopendata": "ny"}


class Panel:
    """Asks the sources that hold the seats of one draw. What it remembers is in memory only.

    Attributes:
        changed: by the last asking, each source that gave another draw than before, or none any
            more where it gave one: (source, the draw before, the draw now). Each is told once,
            and a source that fails has changed nothing.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        game: Game,
        date: dt.date,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.changed: list[tuple[str, Draw, Draw | None]] = []
        self._sources, self._game, self._date, self._clock = sources, game, date, clock
        self._seats = Seats(VOTERS[game.name], RESERVES, _PUBLISHER)
        self._gave: dict[str, tuple[Draw, Draw | None]] = {}  # the last draw; what it says now

    async def ask(self) -> list[Fetched]:
        """What each of the three sources says, asked at once; then a reserve that takes a seat."""
        self.changed = []
        found: dict[str, Fetched] = {}
        while new := [name for name in self._seats.held if name not in found]:
            asked = (self._sources[name].fetch(self._game, self._date) for name in new)
            found |= zip(new, await asyncio.gather(*asked), strict=True)
            answers = [f.answer for f in found.values()]
            self._seats = self._seats.after(answers, self._clock())
        for fetched in found.values():
            self._note(fetched.answer)
        return [found[name] for name in self._seats.held]

    def _note(self, answer: Answer) -> None:
        source, game = answer.source, self._game.name
        outcome = answer.kind if isinstance(answer, Failed) else type(answer).__name__.lower()
        metrics.ANSWERS.labels(source, game, outcome).inc()
        draw = answer.draw if isinstance(answer, Drawn) else None
        last, now = self._gave.get(source, (draw, draw))
        if isinstance(answer, Failed) or last is None:
            return
        if draw not in (last, now):
            metrics.CHANGES.labels(source, game).inc()
            self.changed.append((source, last, draw))
        self._gave[source] = draw or last, draw
