"""The calendar, against arithmetic that knows nothing of time zone files."""

import datetime as dt

import pytest

from keeper.domain.calendar import NoDraw, draw_date, draw_time, is_draw_date, next_draw_times
from keeper.domain.draw import GAMES, MEGA_MILLIONS, POWERBALL, Game

EPOCH = dt.date(1970, 1, 1)
# Monday = 0, as the lotteries print it, and the time of day in New York.
SCHEDULE = {"powerball": ({0, 2, 5}, 22, 59), "mega-millions": ({1, 4}, 23, 0)}


def sunday(year: int, month: int, nth: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(6 - first.weekday()) % 7 + 7 * (nth - 1))


def new_york_offset(date: dt.date) -> int:
    """Hours behind UTC in the evening: 4 from the 2nd Sunday of March to the 1st of November."""
    summer = sunday(date.year, 3, 2) <= date < sunday(date.year, 11, 1)
    return 4 if summer else 5


def expected(game: Game, date: dt.date) -> int:
    _, hour, minute = SCHEDULE[game.name]
    days = (date - EPOCH).days
    return days * 86_400 + (hour + new_york_offset(date)) * 3_600 + minute * 60


def days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


@pytest.mark.parametrize("game", GAMES.values(), ids=lambda g: g.name)
@pytest.mark.parametrize("year", [2022, 2024, 2026, 2027])
def test_every_date_of_a_year(game: Game, year: int) -> None:
    scheduled = 0
    for date in days(dt.date(year, 1, 1), dt.date(year, 12, 31)):
        if date.weekday() in SCHEDULE[game.name][0]:
            scheduled += 1
            assert is_draw_date(game, date)
            assert draw_time(game, date) == expected(game, date)
            assert draw_date(game, expected(game, date)) == date
        else:
            assert not is_draw_date(game, date)
            with pytest.raises(NoDraw, match=str(date)):
                draw_time(game, date)
    assert scheduled in ({"powerball": {156, 157, 158}, "mega-millions": {104, 105}}[game.name])


@pytest.mark.parametrize("game", GAMES.values(), ids=lambda g: g.name)
def test_next_draw_times_over_a_year(game: Game) -> None:
    first, last = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
    want = [
        expected(game, date)
        for date in days(first, last)
        if date.weekday() in SCHEDULE[game.name][0]
    ]
    midnight = (first - EPOCH).days * 86_400 + 5 * 3_600
    assert next_draw_times(game, midnight, midnight + 365 * 86_400) == want


@pytest.mark.parametrize(
    ("before", "after", "hours"),
    [
        # Saturday evening to Monday evening over the change, 48 h on the clock.
        (dt.date(2026, 3, 7), dt.date(2026, 3, 9), 47),
        (dt.date(2026, 10, 31), dt.date(2026, 11, 2), 49),
        (dt.date(2027, 3, 13), dt.date(2027, 3, 15), 47),
    ],
)
def test_daylight_saving_moves_powerball(before: dt.date, after: dt.date, hours: int) -> None:
    assert draw_time(POWERBALL, after) - draw_time(POWERBALL, before) == hours * 3_600


def test_daylight_saving_moves_mega_millions() -> None:
    friday, tuesday = dt.date(2026, 3, 6), dt.date(2026, 3, 10)
    assert draw_time(MEGA_MILLIONS, tuesday) - draw_time(MEGA_MILLIONS, friday) == 95 * 3_600
    friday, tuesday = dt.date(2026, 10, 30), dt.date(2026, 11, 3)
    assert draw_time(MEGA_MILLIONS, tuesday) - draw_time(MEGA_MILLIONS, friday) == 97 * 3_600


def test_a_known_instant() -> None:
    # 2026-08-18 23:00 EDT = 2026-08-19 03:00 UTC
    at = int(dt.datetime(2026, 8, 19, 3, tzinfo=dt.UTC).timestamp())
    assert draw_time(MEGA_MILLIONS, dt.date(2026, 8, 18)) == at
    assert draw_date(MEGA_MILLIONS, at) == dt.date(2026, 8, 18)


def test_the_window_excludes_its_start_and_includes_its_end() -> None:
    at = draw_time(POWERBALL, dt.date(2026, 8, 19))
    later = draw_time(POWERBALL, dt.date(2026, 8, 22))
    assert next_draw_times(POWERBALL, at, later) == [later]
    assert next_draw_times(POWERBALL, at - 1, later - 1) == [at]
    assert next_draw_times(POWERBALL, at, at) == []
    assert next_draw_times(POWERBALL, later, at) == []


@pytest.mark.parametrize("off", [-1, 1, 3_600, -3_600, 86_400])
def test_an_instant_off_the_schedule_names_no_draw(off: int) -> None:
    at = draw_time(POWERBALL, dt.date(2026, 8, 19)) + off
    with pytest.raises(NoDraw):
        draw_date(POWERBALL, at)


def test_powerball_has_mondays_since_august_2021() -> None:
    assert not is_draw_date(POWERBALL, dt.date(2021, 8, 16))
    assert is_draw_date(POWERBALL, dt.date(2021, 8, 18))
    assert is_draw_date(POWERBALL, dt.date(2021, 8, 23))


def test_a_game_without_a_schedule_draws_at_any_instant() -> None:
    game = Game("test", 69, 26, 0, 0)
    at = draw_time(POWERBALL, dt.date(2026, 8, 19)) + 1_234
    assert draw_date(game, at) == dt.date(2026, 8, 19)
    assert next_draw_times(game, at, at + 30 * 86_400) == []
    with pytest.raises(NoDraw):
        draw_time(game, dt.date(2026, 8, 19))
