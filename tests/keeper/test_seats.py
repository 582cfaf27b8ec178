"""Who votes on a draw: a reserve takes the seat of a voter that stays out, one seat a publisher."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from keeper.domain.consensus import Answer, Drawn, Failed, Failure, Pending
from keeper.domain.draw import POWERBALL, Draw, Game
from keeper.ports import Fetched
from keeper.sources import HOMES, Panel, panel
from keeper.sources.panel import GRACE

DAY = dt.date(2026, 8, 19)
RIGHT = Draw(DAY, (10, 21, 58, 61, 64), 17)
WRONG = Draw(DAY, (10, 21, 58, 61, 64), 16)
VOTERS = ("ny", "texas", "california")


def told(*names: str, draw: Draw = RIGHT) -> list[Answer]:
    """These give a draw."""
    return [Drawn(name, draw) for name in names]


def out(*names: str) -> list[Answer]:
    """These do not: one is late, the others are down."""
    late = [Pending(name, "late") for name in names[:1]]
    return [*late, *(Failed(name, Failure.TIMEOUT, "down") for name in names[1:])]


@dataclass(frozen=True)
class Scripted:
    """A source without a network, which says what it is told to, or has no result yet."""

    name: str
    script: dict[str, Answer]

    async def fetch(self, game: Game, date: dt.date) -> Fetched:
        answer = self.script.get(self.name, Pending(self.name, "not told anything"))
        return Fetched(self.name, "", 200, 0, b"", answer)


@dataclass
class Seats:
    """Those of one draw of Powerball, with the panel's clock in hand."""

    now: float = 0
    script: dict[str, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sources = {name: Scripted(name, self.script) for name in HOMES}
        self.panel = Panel(sources, POWERBALL, DAY, lambda: self.now)

    @property
    def bench(self) -> list[str]:
        """The reserves that are left, the next one first."""
        return self.panel._bench

    def after(self, *asked: tuple[float, Sequence[Answer]]) -> tuple[str, ...]:
        """Who votes after these answers at these seconds."""
        held: list[str] = []
        for self.now, answers in asked:
            self.script.clear()
            self.script |= {answer.source: answer for answer in answers}
            held = [fetched.source for fetched in asyncio.run(self.panel.ask())]
        return tuple(held)


@pytest.fixture
def seats() -> Seats:
    return Seats()


def test_two_hours_are_the_grace() -> None:
    assert GRACE == 7200


@pytest.mark.parametrize("start", [0.0, 1e9])
def test_a_reserve_takes_the_seat_after_two_hours_and_not_before(
    seats: Seats, start: float
) -> None:
    answers = [*told("ny", "texas"), *out("california")]
    assert seats.after((start, answers), (start + GRACE - 1, answers)) == VOTERS
    assert seats.after((start + GRACE, answers)) == ("ny", "texas", "massachusetts")
    assert seats.bench == ["newjersey", "nyopendata"]


def test_it_takes_it_for_good(seats: Seats) -> None:
    answers = [*told("ny", "texas"), *out("california")]
    seats.after((0, answers), (GRACE, answers))
    for hours in range(3, 80):
        back = told("ny", "texas", "california", "massachusetts")
        assert seats.after((hours * 3600, back)) == ("ny", "texas", "massachusetts")
    assert "california" not in seats.bench


def test_without_any_draw_nobody_is_waited_for(seats: Seats) -> None:
    """Ten hours late, and all seats as they were."""
    assert seats.after(*((hour * 3600, out(*VOTERS)) for hour in range(10))) == VOTERS
    one = [*told("texas"), *out("ny", "california")]
    assert seats.after((36_000, one), (36_000 + GRACE - 1, one)) == VOTERS
    assert seats.after((36_000 + GRACE, one)) == ("massachusetts", "texas", "newjersey")


def test_the_two_hours_run_from_the_first_draw_of_any_source(seats: Seats) -> None:
    one, two = (
        [*told("texas"), *out("ny", "california")],
        [*told("texas", "ny"), *out("california")],
    )
    assert seats.after((0, one), (GRACE - 1, two), (GRACE, two)) == ("ny", "texas", "massachusetts")


def test_what_comes_at_the_last_moment_counts(seats: Seats) -> None:
    answers = [*told("ny", "texas"), *out("california")]
    assert seats.after((0, answers), (GRACE, told("ny", "texas", "california"))) == VOTERS


def test_a_voter_that_disagrees_keeps_its_seat(seats: Seats) -> None:
    answers = [*told("ny", "texas"), *told("california", draw=WRONG)]
    for hour in range(80):
        assert seats.after((hour * 3600, answers)) == VOTERS


def test_a_voter_that_gave_a_draw_keeps_its_seat_when_it_falls_silent(seats: Seats) -> None:
    seats.after((0, told("california")), (GRACE - 1, [*told("ny", "texas"), *out("california")]))
    for hour in range(2, 80):
        assert seats.after((hour * 3600, out("california"))) == VOTERS


def test_a_reserve_that_stays_out_makes_room_for_the_next(seats: Seats) -> None:
    answers = [*told("ny", "texas"), *out("california", "massachusetts", "newjersey")]
    held = seats.after((0, answers), (GRACE, answers), (2 * GRACE - 1, answers))
    assert held == ("ny", "texas", "massachusetts")
    assert seats.after((2 * GRACE, answers)) == ("ny", "texas", "newjersey")


def test_ny_and_nyopendata_never_both_vote(seats: Seats) -> None:
    """While ny sits the last reserve has no seat to take; the last voter keeps its own."""
    answers = [*told("ny", "texas"), *out("california", "massachusetts", "newjersey")]
    held = seats.after(*((hour * 3600, answers) for hour in range(80)))
    assert held == ("ny", "texas", "newjersey")
    assert seats.bench == ["nyopendata"]


def test_nyopendata_may_follow_ny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "RESERVES", ("nyopendata",))
    answers = [*told("texas", "california"), *out("ny")]
    follows = ("nyopendata", "texas", "california")
    assert Seats().after((0, answers), (GRACE, answers)) == follows
    both = [*told("texas"), *out("ny", "california")]
    # one reserve, two seats: it takes one of them and is not there twice
    assert Seats().after((0, both), (GRACE, both)) == follows


def test_a_reserve_is_passed_over_only_while_its_publisher_sits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(panel, "RESERVES", ("nyopendata", "massachusetts"))
    seats = Seats()
    answers = [*told("ny", "texas"), *out("california")]
    assert seats.after((0, answers), (GRACE, answers)) == ("ny", "texas", "massachusetts")
    assert seats.bench == ["nyopendata"]
