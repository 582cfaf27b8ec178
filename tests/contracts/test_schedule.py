"""The schedule on chain against the keeper's calendar, which rests on the time zone database."""

from __future__ import annotations

import datetime as dt
import os
import random
from itertools import chain

import pytest

from keeper.domain.calendar import NEW_YORK, draw_time, is_draw_date
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import DAY, HOUR

GAMES = pytest.mark.parametrize("game", [POWERBALL, MEGA_MILLIONS], ids=lambda game: game.name)
# The year 2100 is no leap year; a round's draw time ends in 2106.
YEARS = [*range(2022, 2042), 2052, 2096, 2099, 2100, 2101, 2104]
ALL_DAYS = 127
# From the present rules of daylight saving on (Energy Policy Act of 2005) to the last uint32.
FIRST, LAST = 1_167_609_600, 2**32


@pytest.fixture(scope="module")
def ask(node, helpers):
    """Asks the library many questions at once: (times, days, second) -> a bool a time, each."""
    abi, address = helpers("ScheduleProbe")

    def ask(questions: list[tuple[list[int], int, int]]) -> list[list[bool]]:
        datas = [abi.call("areDrawTimes", *question) for question in questions]
        answers = node.calls(address, datas)
        return [[bool(one) for one in abi.answer("areDrawTimes", answer)] for answer in answers]

    return ask


@pytest.fixture(scope="module")
def probe(ask):
    """Asks about any number of instants: (times, days, second) -> a bool each."""

    def probe(times: list[int], days: int, second: int) -> list[bool]:
        parts = [times[start : start + 1_000] for start in range(0, len(times), 1_000)]
        return list(chain.from_iterable(ask([(part, days, second) for part in parts])))

    return probe


def dates(year):
    day = dt.date(year, 1, 1)
    while day.year == year:
        yield day
        day += dt.timedelta(days=1)


@GAMES
def test_every_scheduled_draw_of_many_years(probe, game):
    days = [day for year in YEARS for day in dates(year) if is_draw_date(game, day)]
    times = [draw_time(game, day) for day in days]
    assert len(times) > 100 * len(YEARS)
    assert all(probe(times, game.draw_days, game.draw_second))
    for off in (-HOUR, -60, -1, 1, 60, HOUR):
        beside = [time + off for time in times]
        assert not any(probe(beside, game.draw_days, game.draw_second)), off


@GAMES
def test_no_other_weekday(probe, game):
    """The right second of every day: accepted on the days of draws, else refused."""
    days = [day for year in YEARS for day in dates(year)]
    minutes, second = divmod(game.draw_second, 60)
    clock = dt.time(*divmod(minutes, 60), second, tzinfo=NEW_YORK)
    times = [int(dt.datetime.combine(day, clock).timestamp()) for day in days]
    found = probe(times, game.draw_days, game.draw_second)
    assert found == [bool(game.draw_days >> day.isoweekday() % 7 & 1) for day in days]


@pytest.mark.parametrize("month", [3, 11])
@pytest.mark.parametrize("year", YEARS)
def test_the_hours_around_a_change_of_daylight_saving(ask, year, month):
    """Every half hour of the days around it, and the seconds beside it, by the wall clock."""
    change = _change(year, month)
    instants = [change + half * HOUR // 2 for half in range(-60, 60)]
    instants += [change + off for off in (-2, -1, 1, 2)]
    questions, expected = [], []
    for instant in instants:
        second, day = _second_of_day(instant), _bit(instant)
        near = [instant - HOUR, instant, instant + HOUR]
        questions.append((near, day, second))
        expected.append([_second_of_day(one) == second and _bit(one) == day for one in near])
    assert ask(questions) == expected


def test_random_instants(ask):
    seed = int(os.environ.get("LOTTOCHAIN_SEED") or random.SystemRandom().randrange(2**32))
    print(f"\nrandom instants: LOTTOCHAIN_SEED={seed}")
    dice = random.Random(seed)
    questions, expected = [], []
    for _ in range(300):
        at = dice.randrange(FIRST, LAST)
        second, days = _second_of_day(at), dice.randrange(1, ALL_DAYS + 1)
        steps = [dice.choice((DAY, 7 * DAY, HOUR, 1)) * dice.randrange(-99, 99) for _ in range(50)]
        times = [at + step for step in steps if FIRST <= at + step < LAST]
        questions.append((times, days, second))
        expected.append([_second_of_day(t) == second and bool(days & _bit(t)) for t in times])
    assert ask(questions) == expected


@GAMES
@pytest.mark.parametrize("month", [3, 11])
def test_rounds_across_a_change_of_daylight_saving(desk, mega_desk, game, month):
    desk = desk if game is POWERBALL else mega_desk
    change = _change(2031, month)
    day = dt.datetime.fromtimestamp(change, NEW_YORK).date()
    around = [day + dt.timedelta(days=off) for off in range(-8, 9)]
    times = [draw_time(game, one) for one in around if is_draw_date(game, one)]
    assert min(times) < change < max(times)
    desk.node.mine_at(change - 20 * DAY)
    for time in times:
        shift = HOUR if time > change else -HOUR  # a draw whose change was overlooked
        for wrong in (time + shift, time - shift, time + 1, time - 1):
            with refused("NotADrawTime", wrong):
                desk.do("createRound", wrong, by=desk.people.operator)
        assert desk.ask("getRoundInfo", desk.open(time).id).drawTime == time


def _change(year: int, month: int) -> int:
    """The instant at which daylight saving begins (March) or ends (November) in New York."""
    low = int(dt.datetime(year, month, 1, tzinfo=NEW_YORK).timestamp())
    high = low + 20 * DAY
    before = _offset(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle) == before else (low, middle)
    return high


def _offset(time: int) -> dt.timedelta | None:
    return dt.datetime.fromtimestamp(time, NEW_YORK).utcoffset()


def _second_of_day(time: int) -> int:
    local = dt.datetime.fromtimestamp(time, NEW_YORK)
    return local.hour * HOUR + local.minute * 60 + local.second


def _bit(time: int) -> int:
    return 1 << dt.datetime.fromtimestamp(time, NEW_YORK).isoweekday() % 7
