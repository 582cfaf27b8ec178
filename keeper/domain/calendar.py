"""When draws take place: scheduled dates and instants, New York daylight saving included."""

import datetime as dt
from zoneinfo import ZoneInfo

from keeper.domain.draw import POWERBALL, Game

NEW_YORK = ZoneInfo("America/New_York")
_MONDAY = 1  # bit of Game.draw_days
_POWERBALL_MONDAYS_SINCE = dt.date(2021, 8, 23)


class NoDraw(ValueError):
    """The game has no draw on that date, or at that instant."""


def is_draw_date(game: Game, date: dt.date) -> bool:
    """Whether a draw of `game` is scheduled for `date` in New York."""
    bit = date.isoweekday() % 7
    if game.name == POWERBALL.name and bit == _MONDAY and date < _POWERBALL_MONDAYS_SINCE:
        return False
    return bool(game.draw_days >> bit & 1)


def draw_time(game: Game, date: dt.date) -> int:
    """The scheduled instant of the draw of `date`, unix seconds UTC. Raises NoDraw."""
    if not is_draw_date(game, date):
        raise NoDraw(f"{game.name} has no draw on {date} ({date:%A})")
    # By the clocks of New York, and late: never in the hour that daylight saving skips or repeats.
    return instant(date, game.draw_second)


def instant(date: dt.date, second: int = 0) -> int:
    """When the clocks of New York have run that long on that date, unix seconds UTC."""
    start = dt.datetime.combine(date, dt.time(tzinfo=NEW_YORK))
    return int((start + dt.timedelta(seconds=second)).timestamp())


def draw_date(game: Game, at: int) -> dt.date:
    """The New York date of the draw scheduled at that instant (unix seconds UTC).

    A game without a schedule draws at any instant. Raises NoDraw when the game has a schedule
    and this is not an instant of it.
    """
    date = dt.datetime.fromtimestamp(at, NEW_YORK).date()
    if game.draw_days and draw_time(game, date) != at:
        raise NoDraw(f"{game.name} has no draw at {at}")
    return date


def next_draw_times(game: Game, after: int, until: int) -> list[int]:
    """The scheduled instants t with `after` < t <= `until`, ascending, unix seconds UTC."""
    first, last = (dt.datetime.fromtimestamp(at, NEW_YORK).date() for at in (after, until))
    dates = (first + dt.timedelta(n) for n in range((last - first).days + 1))
    times = (draw_time(game, date) for date in dates if is_draw_date(game, date))
    return [time for time in times if after < time <= until]
