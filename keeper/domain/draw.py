"""What a lottery draw is: the games, their ball matrices, and the number a draw gives."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

WHITES = 5


class UnknownGame(ValueError):
    """No such game is known; the message names those that are."""


class InvalidDraw(ValueError):
    """The balls cannot have been drawn in that game on that date."""


@dataclass(frozen=True, slots=True)
class Game:
    """A lottery and its ball matrix: the same five values as the contract's `Game` struct.

    Attributes:
        name: "powerball" or "mega-millions".
        white_max: the white balls are numbered 1 to this.
        special_max: the special ball is numbered 1 to this.
        draw_days: weekdays of the draw in New York, bit 0 = Sunday; 0 = no schedule (test chains).
        draw_second: second of the New York day at which the draw is scheduled.
    """

    name: str
    white_max: int
    special_max: int
    draw_days: int
    draw_second: int


POWERBALL = Game("powerball", 69, 26, 0b1001010, 82740)  # Mon, Wed, Sat 22:59
MEGA_MILLIONS = Game("mega-millions", 70, 24, 0b0100100, 82800)  # Tue, Fri 23:00

GAMES: Mapping[str, Game] = {g.name: g for g in (POWERBALL, MEGA_MILLIONS)}

# (in force since, special_max), oldest first. The whites were 69 and 70 in all of these.
_SPECIALS: Mapping[str, tuple[tuple[dt.date, int], ...]] = {
    POWERBALL.name: ((dt.date(2015, 10, 7), 26),),
    MEGA_MILLIONS.name: ((dt.date(2017, 10, 31), 25), (dt.date(2025, 4, 8), 24)),
}


def game_named(name: str) -> Game:
    """The game of that name. Raises UnknownGame."""
    if name not in GAMES:
        raise UnknownGame(f"unknown game {name!r}: it is one of {', '.join(GAMES)}")
    return GAMES[name]


def special_max_on(game: Game, date: dt.date) -> int:
    """The highest special ball in play on `date`: Mega Millions had 25 before 2025-04-08.

    Raises InvalidDraw for a date before the oldest matrix known here.
    """
    eras = _SPECIALS.get(game.name, ((dt.date.min, game.special_max),))
    if date < (first := eras[0][0]):
        raise InvalidDraw(f"{game.name} had another ball matrix before {first}, not known here")
    return [special_max for since, special_max in eras if since <= date][-1]


def winning_number(whites: Iterable[int], special: int) -> int:
    """0..99: the sum of the whites, 50 more if the special ball is odd, its last two digits."""
    return (sum(whites) + 50 * (special % 2)) % 100


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw. Equal when date, set of whites and special are equal: whites are kept sorted.

    Attributes:
        date: the scheduled date of the draw in New York, however late it was drawn.
        whites: five distinct numbers, ascending.
        special: the Powerball or the Mega Ball.
    """

    date: dt.date
    whites: tuple[int, int, int, int, int]
    special: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "whites", tuple(sorted(self.whites)))

    @property
    def winning_number(self) -> int:
        """The number that rounds on this draw are decided by, 0..99."""
        return winning_number(self.whites, self.special)

    def plain(self) -> dict[str, Any]:
        """Balls and winning number as JSON tells them, of a date that it tells beside them."""
        balls = {"whites": list(self.whites), "special": self.special}
        return {**balls, "winningNumber": self.winning_number}

    def __str__(self) -> str:
        return f"{self.date} {' '.join(map(str, self.whites))} + {self.special}"


def make_draw(game: Game, date: dt.date, whites: Iterable[int], special: int) -> Draw:
    """A draw that was possible: five distinct whites and a special ball of that date's matrix.

    Raises InvalidDraw.
    """
    balls = tuple(whites)
    if len(balls) != WHITES:
        raise InvalidDraw(f"{len(balls)} white balls where there are {WHITES}")
    a, b, c, d, e = balls
    draw = Draw(date, (a, b, c, d, e), special)
    if len(set(draw.whites)) != WHITES:
        raise InvalidDraw(f"a white ball appears twice: {draw}")
    if draw.whites[0] < 1 or draw.whites[-1] > game.white_max:
        raise InvalidDraw(f"a white ball is not in 1..{game.white_max}: {draw}")
    top = special_max_on(game, date)
    if not 1 <= special <= top:
        raise InvalidDraw(f"the special ball is not in 1..{top}: {draw}")
    return draw
