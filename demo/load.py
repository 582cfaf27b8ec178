"""Reads a plan from the `fixtures.toml` of a folder and a seed.

    bettors = 12                      # how many, 1 to 24, or a list of their names

    [[rounds]]
    game = "mega-millions"            # or "powerball"
    date = 2026-08-18                 # New York's, one on which the game draws
    whites = [5, 19, 30, 38, 59]      # what was drawn
    special = 12
    faults.texas = {special = 13}     # prints this; `whites = [...]` too
    faults.california = {delay = 2}   # takes so many seconds to answer, 3 at most
    faults.megamillions = "down"      # or status, html, truncated, oversize, bad-utf8
    lies.keeper3 = {special = 13}     # two publishers print this to that keeper; or lies.3
    bets = [                          # placed in this order; dealt by the seed if left out
        {bettor = "Ann", prediction = "EVEN_LOW", amount = "1.5"},    # in coins, 0.01 to 1000
        {bettor = "Bob", prediction = "ODD_HIGH", amount = 2, matched = true},
        {bettor = "Ann", prediction = "EVEN", amount = 1, cancel = true},
    ]

Publishers are ny (Powerball), megamillions (Mega Millions), texas and california (both). Rounds
are played in the order of their draws. A bet with `matched` takes only what is matched at once,
the rest comes back as change; one with `cancel` is taken back, as far as it is unmatched, when all
bets are placed. Keepers that are lied to vote first. Where no two of the three keepers vote for
the same draw, as when no two publishers print it, the round is void 72 hours after the draw.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from demo.plan import COIN, MIN_BET, Plan, Planned, Table, Wager
from keeper.domain.lines import Prediction, opposite

FILE = "fixtures.toml"
NAMES = (
    *("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jun", "Kim", "Leo"),
    *("Mia", "Ned", "Olga", "Pia", "Quin", "Rosa", "Sam", "Tess", "Uma", "Vera", "Will", "Zoe"),
)


class BadFixtures(Exception):
    """The fixtures cannot be played; the message says where and why, in one line."""


def _bettors(written: Any) -> tuple[str, ...]:
    if type(written) is int and 1 <= written <= len(NAMES):
        return NAMES[:written]
    names = tuple(map(str, written)) if isinstance(written, list) else ()
    plain = all(re.fullmatch(r"[A-Za-z0-9_-]{1,12}", name) for name in names)
    if plain and 1 <= len(set(names)) == len(names) <= len(NAMES):
        return names
    raise ValueError(f"a number from 1 to {len(NAMES)}, or different names of 12 plain letters")


class _Fixtures(Table):
    bettors: Annotated[tuple[str, ...], BeforeValidator(_bettors)] = NAMES[:12]
    rounds: Annotated[list[Planned], Field(min_length=1)]


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
        where, why = ".".join(map(str, error["loc"])), error["msg"].removeprefix("Value error, ")
        raise BadFixtures(f"{path}: {where}: {why}") from None
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
    """One to three bets each, in any order, of any wei; the first eight are of all kinds.

    Then somebody takes all that the most one-sided pair leaves to match, and offers more; of the
    pair next to it the last bet is taken back as far as it found no opponent.
    """
    users = [bettor for bettor in bettors for _ in range(rng.randint(1, 3))]
    rng.shuffle(users)
    kinds = rng.sample([*Prediction], len(Prediction)) + rng.choices([*Prediction], k=len(users))
    bets = [
        _wager(user, kind, rng.randint(COIN // 10, 5 * COIN))
        for user, kind in zip(users, kinds, strict=False)
    ]
    book = r.model_copy(update={"bets": bets}).book()
    gaps = {p: book.line_total(p) - book.line_total(opposite(p)) for p in Prediction}
    most, second = sorted(gaps, key=lambda p: -gaps[p])[:2]
    if gaps[second] > 0:
        last = max(i for i, bet in enumerate(bets) if bet.prediction is second)
        bets[last] = bets[last].model_copy(update={"cancel": True})
    if gaps[most] >= MIN_BET:
        offer = gaps[most] + rng.randint(COIN // 10, COIN)
        bets.append(_wager(rng.choice(bettors), opposite(most), offer, matched=True))
    return r.model_copy(update={"bets": bets})


def _wager(bettor: str, prediction: Prediction, amount: int, matched: bool = False) -> Wager:
    """A bet that needs no check."""
    return Wager.model_construct(
        bettor=bettor, prediction=prediction, amount=amount, matched=matched
    )
