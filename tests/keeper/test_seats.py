"""Who votes on a draw: a reserve takes the seat of a voter that stays out, one seat a publisher."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest

from keeper.domain.consensus import Answer, Drawn, Failed, Failure, Pending
from keeper.domain.draw import Draw
from keeper.domain.seats import GRACE, Seats

DAY = dt.date(2026, 8, 19)
RIGHT = Draw(DAY, (10, 21, 58, 61, 64), 17)
WRONG = Draw(DAY, (10, 21, 58, 61, 64), 16)
SEATS = Seats(
    ("ny", "texas", "california"),
    ("massachusetts", "newjersey", "nyopendata"),
    {"nyopendata": "ny"},
)


def told(*names: str, draw: Draw = RIGHT) -> list[Answer]:
    """These give a draw."""
    return [Drawn(name, draw) for name in names]


def out(*names: str) -> list[Answer]:
    """These do not: one is late, the others are down."""
    late = [Pending(name, "late") for name in names[:1]]
    return [*late, *(Failed(name, Failure.TIMEOUT, "down") for name in names[1:])]


def after(seats: Seats, *asked: tuple[float, Sequence[Answer]]) -> Seats:
    """The seats after these answers at these seconds."""
    for now, answers in asked:
        seats = seats.after(answers, now)
    return seats


def test_two_hours_are_the_grace() -> None:
    assert GRACE == 7200


@pytest.mark.parametrize("start", [0.0, 1e9])
def test_a_reserve_takes_the_seat_after_two_hours_and_not_before(start: float) -> None:
    answers = [*told("ny", "texas"), *out("california")]
    seats = after(SEATS, (start, answers), (start + GRACE - 1, answers))
    assert seats.held == ("ny", "texas", "california")
    seats = after(seats, (start + GRACE, answers))
    assert seats.held == ("ny", "texas", "massachusetts")
    assert seats.bench == ("newjersey", "nyopendata")


def test_it_takes_it_for_good() -> None:
    answers = [*told("ny", "texas"), *out("california")]
    seats = after(SEATS, (0, answers), (GRACE, answers))
    for hours in range(3, 80):
        seats = after(seats, (hours * 3600, told("ny", "texas", "california", "massachusetts")))
    assert seats.held == ("ny", "texas", "massachusetts")
    assert "california" not in seats.bench


def test_without_any_draw_nobody_is_waited_for() -> None:
    """Ten hours late, and all seats as they were."""
    none = out(*SEATS.held)
    seats = after(SEATS, *((hour * 3600, none) for hour in range(10)))
    assert seats == SEATS
    one = [*told("texas"), *out("ny", "california")]
    seats = after(seats, (36_000, one), (36_000 + GRACE - 1, one))
    assert seats.held == SEATS.held
    assert after(seats, (36_000 + GRACE, one)).held == ("massachusetts", "texas", "newjersey")


def test_the_two_hours_run_from_the_first_draw_of_any_source() -> None:
    one, two = (
        [*told("texas"), *out("ny", "california")],
        [*told("texas", "ny"), *out("california")],
    )
    seats = after(SEATS, (0, one), (GRACE - 1, two), (GRACE, two))
    assert seats.held == ("ny", "texas", "massachusetts")


def test_what_comes_at_the_last_moment_counts() -> None:
    answers = [*told("ny", "texas"), *out("california")]
    seats = after(SEATS, (0, answers), (GRACE, told("ny", "texas", "california")))
    assert seats.held == SEATS.held


def test_a_voter_that_disagrees_keeps_its_seat() -> None:
    answers = [*told("ny", "texas"), *told("california", draw=WRONG)]
    seats = after(SEATS, *((hour * 3600, answers) for hour in range(80)))
    assert seats.held == SEATS.held


def test_a_voter_that_gave_a_draw_keeps_its_seat_when_it_falls_silent() -> None:
    seats = after(
        SEATS, (0, told("california")), (GRACE, [*told("ny", "texas"), *out("california")])
    )
    seats = after(seats, *((hour * 3600, out("california")) for hour in range(3, 80)))
    assert seats.held == SEATS.held


def test_a_reserve_that_stays_out_makes_room_for_the_next() -> None:
    answers = [*told("ny", "texas"), *out("california", "massachusetts", "newjersey")]
    seats = after(SEATS, (0, answers), (GRACE, answers), (2 * GRACE - 1, answers))
    assert seats.held == ("ny", "texas", "massachusetts")
    seats = after(seats, (2 * GRACE, answers))
    assert seats.held == ("ny", "texas", "newjersey")


def test_ny_and_nyopendata_never_both_vote() -> None:
    """While ny sits the last reserve has no seat to take; the last voter keeps its own."""
    answers = [*told("ny", "texas"), *out("california", "massachusetts", "newjersey")]
    seats = after(SEATS, *((hour * 3600, answers) for hour in range(80)))
    assert seats.held == ("ny", "texas", "newjersey")
    assert seats.bench == ("nyopendata",)


def test_nyopendata_may_follow_ny() -> None:
    seats = replace(SEATS, bench=("nyopendata",))
    answers = [*told("texas", "california"), *out("ny")]
    assert after(seats, (0, answers), (GRACE, answers)).held == (
        "nyopendata",
        "texas",
        "california",
    )
    both = [*told("texas"), *out("ny", "california")]
    # one reserve, two seats: it takes one of them and is not there twice
    assert after(seats, (0, both), (GRACE, both)).held == ("nyopendata", "texas", "california")


def test_a_reserve_is_passed_over_only_while_its_publisher_sits() -> None:
    seats = replace(SEATS, bench=("nyopendata", "massachusetts"))
    answers = [*told("ny", "texas"), *out("california")]
    seats = after(seats, (0, answers), (GRACE, answers))
    assert seats.held == ("ny", "texas", "massachusetts")
    assert seats.bench == ("nyopendata",)
