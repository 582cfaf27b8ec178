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
    bets = [                          # placed in this order; dealt by the seed if left out
        {bettor = "Ann", prediction = "EVEN_LOW", amount = "1.5"},    # in coins, 0.01 to 1000
    ]

Publishers are ny (Powerball), megamillions (Mega Millions), texas and california (both). Rounds
are played in the order of their draws. Where no two publishers print the same draw, the round is
void 72 hours after it.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from demo.publishers import Fault, FaultKind, Published
from keeper.domain.calendar import draw_time
from keeper.domain.consensus import Answer, Drawn, Failed, Failure, Verdict, decide
from keeper.domain.draw import Draw, Game, InvalidDraw, game_named, make_draw
from keeper.domain.lines import MAX_BETS, Prediction
from keeper.show import balls
from keeper.sources import VOTERS

FILE = "fixtures.toml"
COIN = 10**18
MIN_BET, MAX_BET = COIN // 100, 1000 * COIN
NAMES = (
    *("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jun", "Kim", "Leo"),
    *("Mia", "Ned", "Olga", "Pia", "Quin", "Rosa", "Sam", "Tess", "Uma", "Vera", "Will", "Zoe"),
)
_PLAIN_FAULTS = ("down", "status", "html", "truncated", "oversize", "bad-utf8")


class BadFixtures(Exception):
    """The fixtures cannot be played; the message says where and why, in one line."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Whites = Annotated[tuple[int, ...], Field(min_length=5, max_length=5, strict=False)]


class _Fault(_Table):
    special: int | None = None
    whites: _Whites | None = None
    delay: Annotated[float, Field(ge=0, le=3)] = 0


def _prediction(name: Any) -> Prediction:
    if str(name) not in Prediction.__members__:
        raise ValueError(f"{name!r:.40} is none of {', '.join(Prediction.__members__)}")
    return Prediction[name]


def _wei(coins: Any) -> int:
    with suppress(InvalidOperation):
        wei = Decimal(str(coins)) * COIN
        if MIN_BET <= wei <= MAX_BET and not wei % 1:
            return int(wei)
    raise ValueError(f"{coins!r:.40} is not from 0.01 to 1000 with 18 decimals at most")


def _fault(written: Any) -> Fault:
    if written in _PLAIN_FAULTS:
        return Fault(FaultKind(written))
    fault = _Fault.model_validate(written if isinstance(written, dict) else {})
    lies = fault.special is not None or fault.whites is not None
    if lies == bool(fault.delay):
        known = ", ".join(_PLAIN_FAULTS)
        raise ValueError(f"{written!r:.40} is neither a delay, nor special and whites, nor {known}")
    kind = FaultKind.LIE if lies else FaultKind.SLOW
    return Fault(kind, special=fault.special, whites=fault.whites, seconds=fault.delay)


class Wager(_Table):
    """A bet that somebody is going to place; `amount` in wei."""

    bettor: str
    prediction: Annotated[Prediction, BeforeValidator(_prediction)]
    amount: Annotated[int, BeforeValidator(_wei)]


class Planned(_Table):
    """A round: a draw, how its publishers misbehave, and the bets in their order, if given."""

    game: Annotated[Game, BeforeValidator(lambda name: game_named(str(name)))]
    date: dt.date
    whites: _Whites
    special: int
    faults: dict[str, Annotated[Fault, BeforeValidator(_fault)]] = {}
    bets: list[Wager] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        draw_time(self.game, self.date)
        make_draw(self.game, self.date, self.whites, self.special)
        if strangers := self.faults.keys() - set(VOTERS[self.game.name]):
            known = ", ".join(VOTERS[self.game.name])
            raise ValueError(f"{min(strangers)} is none of {known}")
        for bettor, bets in Counter(bet.bettor for bet in self.wagers).items():
            if bets > MAX_BETS:
                raise ValueError(f"{bettor} has {bets} bets, {MAX_BETS} are allowed")
        return self

    @property
    def wagers(self) -> Sequence[Wager]:
        """The bets in the order in which they are placed."""
        return self.bets or ()

    @property
    def draw(self) -> Draw:
        """What is drawn."""
        return make_draw(self.game, self.date, self.whites, self.special)

    @property
    def published(self) -> Published:
        """The same as honest publishers have it."""
        return Published(self.game, self.date, self.whites, self.special)

    @property
    def draw_time(self) -> int:
        """Unix seconds UTC."""
        return draw_time(self.game, self.date)

    @property
    def title(self) -> str:
        """ "powerball of 2026-08-19" """
        return f"{self.game.name} of {self.date}"

    def verdict(self) -> Verdict:
        """What follows from what the publishers are made to print."""
        return decide([self._answer(source) for source in VOTERS[self.game.name]])

    def misbehaviour(self) -> Iterator[str]:
        """What the publishers are made to do, a line each."""
        for source, fault in self.faults.items():
            match fault.kind, self._answer(source):
                case FaultKind.SLOW, _:
                    yield f"{source} takes {fault.seconds:g} s to answer"
                case FaultKind.LIE, Drawn(_, lie):
                    yield f"{source} prints {balls(lie)}, n = {lie.winning_number}"
                case kind, _:
                    yield f"{source} misbehaves: {kind}"

    def _answer(self, source: str) -> Answer:
        fault = self.faults.get(source)
        if fault is None or fault.kind is FaultKind.SLOW:
            return Drawn(source, self.draw)
        if fault.kind is not FaultKind.LIE:
            return Failed(source, Failure.FORMAT, fault.kind)
        special = self.special if fault.special is None else fault.special
        try:
            lie = make_draw(self.game, self.date, fault.whites or self.whites, special)
        except InvalidDraw as exc:
            return Failed(source, Failure.NUMBER, str(exc))
        return Drawn(source, lie)


def _bettors(written: Any) -> tuple[str, ...]:
    if type(written) is int and 1 <= written <= len(NAMES):
        return NAMES[:written]
    names = tuple(map(str, written)) if isinstance(written, list) else ()
    plain = all(re.fullmatch(r"[A-Za-z0-9_-]{1,12}", name) for name in names)
    if plain and 1 <= len(set(names)) == len(names) <= len(NAMES):
        return names
    raise ValueError(f"a number from 1 to {len(NAMES)}, or different names of 12 plain letters")


class _Fixtures(_Table):
    bettors: Annotated[tuple[str, ...], BeforeValidator(_bettors)] = NAMES[:12]
    rounds: Annotated[list[Planned], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run does, the rounds in the order of their draws."""

    bettors: tuple[str, ...]
    rounds: tuple[Planned, ...]
    seed: int


def load(folder: Path, seed: int) -> Plan:
    """Reads a folder's fixtures and deals the bets that they leave open. Raises BadFixtures."""
    path = folder / FILE
    try:
        written = _Fixtures.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        return _plan(written, seed)
    except OSError as exc:
        raise BadFixtures(f"cannot read {path}: {exc.strerror}") from None
    except ValidationError as exc:
        error = exc.errors(include_url=False)[0]
        where = ".".join(map(str, error["loc"]))
        raise BadFixtures(f"{path}: {where}: {error['msg']}") from None
    except ValueError as exc:
        raise BadFixtures(f"{path}: {exc}") from None


def _plan(written: _Fixtures, seed: int) -> Plan:
    bettors = written.bettors
    rounds = sorted(written.rounds, key=lambda r: r.draw_time)
    for r, following in pairwise(rounds):
        if r.draw_time == following.draw_time:
            raise ValueError(f"rounds: {r.title} appears twice")
    for r in rounds:
        if strangers := {bet.bettor for bet in r.wagers} - set(bettors):
            raise ValueError(f"{r.title}: {min(strangers)!r:.40} is none of the bettors")
    rng = random.Random(seed)  # noqa: S311  # a story, not a secret
    dealt = [r if r.bets is not None else _deal(r, bettors, rng) for r in rounds]
    return Plan(bettors, tuple(dealt), seed)


def _deal(r: Planned, bettors: Sequence[str], rng: random.Random) -> Planned:
    """One to three bets each, in any order, of any wei; the first eight are of all kinds."""
    users = [bettor for bettor in bettors for _ in range(rng.randint(1, 3))]
    rng.shuffle(users)
    kinds = rng.sample([*Prediction], len(Prediction)) + rng.choices([*Prediction], k=len(users))
    bets = [
        Wager.model_construct(
            bettor=user, prediction=kind, amount=rng.randint(COIN // 10, 5 * COIN)
        )
        for user, kind in zip(users, kinds, strict=False)
    ]
    return r.model_copy(update={"bets": bets})
