"""A deployed ResultOracle, its reporters and guardian, and the market whose rounds it decides."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from keeper.domain.calendar import draw_date
from tests.contracts.support.codec import Event
from tests.contracts.support.contract import Contract
from tests.contracts.support.desk import HOUR, Desk, Round

REPORT_WINDOW = 71 * HOUR
EVIDENCE = bytes(range(32))
WHITES, SPECIAL = (5, 12, 23, 44, 61), 8  # 145: n = 45
NUMBER = 45
OTHER_WHITES, OTHER_SPECIAL = (5, 12, 23, 44, 60), 9  # 144 + 50: n = 94
OTHER_NUMBER = 94


def day_of(round_: Round, desk: Desk) -> int:
    """The date of its draw in New York by the keeper's calendar, in days since 1970-01-01."""
    ordinal = draw_date(desk.game, round_.draw).toordinal()
    return ordinal - 719_163


def told(draw: tuple[int, tuple[int, ...], int]) -> SimpleNamespace:
    """A draw as events and views have it."""
    return SimpleNamespace(**dict(zip(("drawDate", "whites", "special"), draw, strict=True)))


@dataclass(frozen=True, slots=True)
class Committee(Contract):
    """One oracle.

    Attributes:
        desk: a market whose rounds it decides.
        window: seconds that a proposal must stand.
    """

    desk: Desk
    reporters: tuple[str, ...]
    guardian: str
    quorum: int
    window: int

    def deadline(self, round_: Round) -> int:
        """The last second for a report."""
        return round_.draw + REPORT_WINDOW - self.window

    def draw(
        self, round_: Round, whites: tuple[int, ...] = WHITES, special: int = SPECIAL
    ) -> tuple[int, tuple[int, ...], int]:
        """A draw of the round's date."""
        return day_of(round_, self.desk), whites, special

    def report(
        self,
        round_: Round,
        seat: int = 0,
        whites: tuple[int, ...] = WHITES,
        special: int = SPECIAL,
        evidence: bytes = EVIDENCE,
        at: int | None = None,
    ) -> list[Event]:
        """The vote of the reporter in this seat."""
        draw = self.draw(round_, whites, special)
        return self.report_draw(round_, draw, seat, evidence, at)

    def report_draw(
        self,
        round_: Round,
        draw: tuple[Any, ...],
        seat: int = 0,
        evidence: bytes = EVIDENCE,
        at: int | None = None,
    ) -> list[Event]:
        arguments = (self.desk.address, round_.id, draw, evidence)
        return self.do("report", *arguments, by=self.reporters[seat], at=at)

    def propose(self, round_: Round, at: int | None = None, **draw: Any) -> int:
        """A quorum reports, the last of it at `at`, as soon as can be unless told. When."""
        at = at or round_.draw + self.quorum - 1
        for seat in range(self.quorum):
            self.report(round_, seat, at=at - self.quorum + 1 + seat, **draw)
        return at

    def veto(self, round_: Round, at: int | None = None, by: str | None = None) -> list[Event]:
        by = by or self.guardian
        return self.do("veto", self.desk.address, round_.id, by=by, at=at)

    def finalize(self, round_: Round, at: int | None = None) -> list[Event]:
        """By a stranger."""
        stranger = self.desk.people.stranger
        return self.do("finalize", self.desk.address, round_.id, by=stranger, at=at)

    def about(self, view: str, round_: Round, *args: Any, at: int | None = None) -> Any:
        """A view of one of its desk's rounds."""
        return self.ask(view, self.desk.address, round_.id, *args, at=at)
