"""What a run plays: draws, lies and bets, from the `fixtures.toml` of a folder and a seed.

    bettors = 12                      # how many, 1 to 24, or a list of their names

    [[rounds]]
    game = "mega-millions"            # or "powerball"
    date = 2026-08-18                 # New York's, one on which the game draws
    whites = [5, 19, 30, 38, 59]      # what was drawn
    special = 12
    faults.texas = {special = 13}     # prints this; `whites = [...]` too
    faults.california = {delay = 2}   # takes so many seconds to answer, 3 at most
    faults.megamillions = "down"      # or status, html, truncated, oversize, bad-utf8
    bets = [                          # placed in this order; drawn from the seed if left out
        {bettor = "Ann", prediction = "EVEN_LOW", amount = "1.5"},    # in coins
    ]

Publishers are ny (Powerball), megamillions (Mega Millions), texas and california (both). Rounds
are played in the order of their draws. When no two publishers print the same draw, the round is
void 72 hours after the draw.
"""

from __future__ import annotations

import datetime as dt
import random
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from demo.publishers import Fault, FaultKind, Published
from keeper.domain.calendar import draw_time
from keeper.domain.consensus import Answer, Drawn, Failed, Failure, Verdict, decide
from keeper.domain.draw import Draw, Game, InvalidDraw, game_named, make_draw
from keeper.domain.lines import MAX_BETS, Prediction
from keeper.show import balls
from keeper.sources import VOTERS

FILE = "fixtures.toml"
COIN = 10**18
_PLAIN_FAULTS = ("down", "status", "html", "truncated", "oversize", "bad-utf8")
MIN_BET, MAX_BET = COIN // 100, 1000 * COIN
NAMES = (
    *("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jun", "Kim", "Leo"),
    *("Mia", "Ned", "Olga", "Pia", "Quin", "Rosa", "Sam", "Tess", "Uma", "Vera", "Will", "Zoe"),
)


class BadFixtures(Exception):
    """The fixtures cannot be played; the message says where and why, in one line."""


@dataclass(frozen=True, slots=True)
class Wager:
    """A bet that somebody is going to place; `amount` in wei."""

    bettor: str
    prediction: Prediction
    amount: int


@dataclass(frozen=True, slots=True)
class PlannedRound:
    """A draw, how each of its publishers misbehaves, and the bets in their order."""

    published: Published
    draw: Draw
    faults: Mapping[str, Fault]
    wagers: tuple[Wager, ...]

    @property
    def game(self) -> Game:
        """Of the draw."""
        return self.published.game

    @property
    def draw_time(self) -> int:
        """Unix seconds UTC."""
        return draw_time(self.game, self.draw.date)

    @property
    def title(self) -> str:
        """ "powerball of 2026-08-19" """
        return f"{self.game.name} of {self.draw.date}"

    def expected(self) -> Verdict:
        """What follows from what the publishers are made to print."""
        return decide([self._answer(source) for source in VOTERS[self.game.name]])

    def misbehaviour(self) -> Iterator[str]:
        """What the publishers are told to do wrong, a line each."""
        for source, fault in self.faults.items():
            match fault.kind, self._answer(source):
                case FaultKind.SLOW, _:
                    yield f"{source} takes {fault.seconds:g} s to answer"
                case FaultKind.LIE, Drawn(_, lie):
                    yield f"{source} prints {balls(lie)}, n = {lie.winning_number}"
                case FaultKind.LIE, _:
                    yield f"{source} prints what cannot be drawn"
                case kind, _:
                    yield f"{source} is broken: {kind}"

    def _answer(self, source: str) -> Answer:
        fault = self.faults.get(source)
        if fault is None or fault.kind is FaultKind.SLOW:
            return Drawn(source, self.draw)
        if fault.kind is not FaultKind.LIE:
            return Failed(source, Failure.FORMAT, fault.kind)
        whites = fault.whites or self.published.whites
        special = self.published.special if fault.special is None else fault.special
        try:
            return Drawn(source, make_draw(self.game, self.draw.date, whites, special))
        except InvalidDraw as exc:
            return Failed(source, Failure.NUMBER, str(exc))


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run does, the rounds in the order of their draws."""

    bettors: tuple[str, ...]
    rounds: tuple[PlannedRound, ...]
    seed: int


def load(folder: Path, seed: int) -> Plan:
    """Reads a folder's fixtures and deals the bets that they leave open. Raises BadFixtures."""
    path = folder / FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        written = _Fixtures.model_validate(raw)
        return _plan(written, seed)
    except OSError as exc:
        raise BadFixtures(f"cannot read {path}: {exc.strerror}") from None
    except ValidationError as exc:
        error = exc.errors(include_url=False)[0]
        where = ".".join(map(str, error["loc"]))
        raise BadFixtures(f"{path}: {where}: {error['msg']}") from None
    except ValueError as exc:  # of TOML, UTF-8, the calendar and the games
        raise BadFixtures(f"{path}: {exc}") from None


# ---- the file


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,12}$")]
_Names = Annotated[list[_Name], Field(min_length=1, max_length=len(NAMES))]
_Whites = Annotated[list[int], Field(min_length=5, max_length=5)]


class _Bet(_Table):
    bettor: str
    prediction: str
    amount: Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,18})?$")]


class _Fault(_Table):
    special: int | None = None
    whites: _Whites | None = None
    delay: Annotated[float, Field(ge=0, le=3)] = 0


class _Round(_Table):
    game: str
    date: dt.date
    whites: _Whites
    special: int
    faults: dict[str, str | _Fault] = {}
    bets: list[_Bet] | None = None


class _Fixtures(_Table):
    bettors: Annotated[int, Field(ge=1, le=len(NAMES))] | _Names = 12
    rounds: Annotated[list[_Round], Field(min_length=1)]


# ---- what it means


def _plan(written: _Fixtures, seed: int) -> Plan:
    count = written.bettors
    bettors = NAMES[:count] if isinstance(count, int) else tuple(count)
    if len(set(bettors)) != len(bettors):
        raise BadFixtures("a bettor is named twice")
    rng = random.Random(seed)  # noqa: S311  # a story, not a secret
    rounds = [_round(r, bettors, rng) for r in written.rounds]
    rounds.sort(key=lambda r: r.draw_time)
    if twice := [r.title for r, other in pairwise(rounds) if r.draw_time == other.draw_time]:
        raise BadFixtures(f"{twice[0]} appears twice")
    return Plan(bettors, tuple(rounds), seed)


def _round(written: _Round, bettors: Sequence[str], rng: random.Random) -> PlannedRound:
    game = game_named(written.game)
    draw_time(game, written.date)
    whites = tuple(written.whites)
    draw = make_draw(game, written.date, whites, written.special)
    where = f"{game.name} of {written.date}"
    faults = {name: _fault(f, where, name, draw) for name, f in written.faults.items()}
    if strangers := faults.keys() - set(VOTERS[game.name]):
        known = ", ".join(VOTERS[game.name])
        raise BadFixtures(f"{where}: {min(strangers)} is none of its publishers: {known}")
    if written.bets is None:
        wagers = _deal(bettors, rng)
    else:
        wagers = tuple(_wager(bet, where, bettors) for bet in written.bets)
    for bettor, bets in Counter(w.bettor for w in wagers).items():
        if bets > MAX_BETS:
            raise BadFixtures(f"{where}: {bettor} has {bets} bets, {MAX_BETS} are allowed")
    return PlannedRound(Published(game, draw.date, whites, draw.special), draw, faults, wagers)


def _fault(written: str | _Fault, where: str, name: str, draw: Draw) -> Fault:
    if isinstance(written, str):
        if written not in _PLAIN_FAULTS:
            known = ", ".join(_PLAIN_FAULTS)
            raise BadFixtures(f"{where}: {name} cannot be {written!r}, but one of {known}")
        return Fault(FaultKind(written))
    lies = written.special is not None or written.whites is not None
    if lies == bool(written.delay):
        raise BadFixtures(f"{where}: {name} wants either delay, or special and whites")
    if not lies:
        return Fault(FaultKind.SLOW, seconds=written.delay)
    whites = tuple(written.whites) if written.whites else None
    return Fault(FaultKind.LIE, special=written.special, whites=whites, date=draw.date)


def _wager(bet: _Bet, where: str, bettors: Sequence[str]) -> Wager:
    if bet.bettor not in bettors:
        raise BadFixtures(f"{where}: {bet.bettor!r} is none of the bettors")
    if bet.prediction not in Prediction.__members__:
        raise BadFixtures(
            f"{where}: {bet.prediction!r} is no prediction: {', '.join(Prediction.__members__)}"
        )
    amount = int(Decimal(bet.amount) * COIN)
    if not MIN_BET <= amount <= MAX_BET:
        raise BadFixtures(f"{where}: {bet.bettor} bets {bet.amount}, allowed is 0.01 to 1000")
    return Wager(bet.bettor, Prediction[bet.prediction], amount)


def _deal(bettors: Sequence[str], rng: random.Random) -> tuple[Wager, ...]:
    """One to three bets each in any order, the first eight on eight predictions, odd to the wei."""
    users = [bettor for bettor in bettors for _ in range(rng.randint(1, 3))]
    rng.shuffle(users)
    predictions = rng.sample([*Prediction], len(Prediction))
    predictions += rng.choices([*Prediction], k=len(users))
    return tuple(
        Wager(user, prediction, rng.randint(COIN // 10, 5 * COIN))
        for user, prediction in zip(users, predictions, strict=False)
    )
