"""Who votes on one draw: three seats, and reserves for voters that stay out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from keeper.domain.consensus import Answer, Drawn

GRACE = 2 * 3600  # seconds


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of one draw, one a publisher.

    Attributes:
        held: the sources that vote, a seat each.
        bench: the reserves that are left, the next one first.
        publisher: whose source it is, where several are of one.
        given: the sources that have given a draw: these keep their seats, right or wrong.
        since: when the others began to be waited for, in seconds of any steady clock: when
            another source first gave a draw, or when they took their seat after that.
    """

    held: tuple[str, ...]
    bench: tuple[str, ...]
    publisher: Mapping[str, str]
    given: frozenset[str] = frozenset()
    since: Mapping[str, float] = field(default_factory=dict)

    def after(self, answers: Sequence[Answer], now: float) -> "Seats":
        """The seats once these answers of who holds them came in.

        Whoever was waited for in vain for GRACE loses its seat for good to the next reserve
        whose publisher holds none; without one it keeps it.
        """
        given = self.given | {a.source for a in answers if isinstance(a, Drawn)}
        if not given:
            return self
        held, bench = list(self.held), list(self.bench)
        since = {source: self.since.get(source, now) for source in held}
        for i, source in enumerate(held):
            if source in given or now - since[source] < GRACE:
                continue
            taken = {self._of(other) for other in held if other != source}
            if heir := next((name for name in bench if self._of(name) not in taken), None):
                bench.remove(heir)
                held[i], since[heir] = heir, now
        return replace(self, held=tuple(held), bench=tuple(bench), given=given, since=since)

    def _of(self, source: str) -> str:
        return self.publisher.get(source, source)
