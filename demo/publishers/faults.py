"""What was drawn, and what a publisher that misbehaves makes of it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game


@dataclass(frozen=True, slots=True)
class Published:
    """One draw, as a publisher prints it: the whites in the order drawn."""

    game: Game
    date: dt.date
    whites: tuple[int, ...]
    special: int


# What was really drawn on some evenings; 2026-09-25 in the order drawn.
REAL_DRAWS = (
    Published(POWERBALL, dt.date(2026, 7, 25), (3, 4, 24, 36, 47), 17),
    Published(POWERBALL, dt.date(2026, 8, 19), (10, 21, 58, 61, 64), 17),
    Published(MEGA_MILLIONS, dt.date(2022, 5, 10), (15, 19, 20, 61, 70), 9),
    Published(MEGA_MILLIONS, dt.date(2026, 8, 11), (1, 20, 30, 46, 68), 17),
    Published(MEGA_MILLIONS, dt.date(2026, 8, 14), (3, 23, 27, 46, 60), 11),
    Published(MEGA_MILLIONS, dt.date(2026, 8, 18), (5, 19, 30, 38, 59), 12),
    Published(MEGA_MILLIONS, dt.date(2026, 9, 25), (58, 67, 25, 68, 57), 16),
)


class FaultKind(StrEnum):
    """How a publisher misbehaves."""

    NONE = "none"
    # in what it prints
    LIE = "lie"  # another special ball, or other whites, `until` then
    EXTRA_BALL = "extra-ball"  # six whites
    TWICE = "twice"  # each date a second time, with `special`
    # in when it prints it
    LATE = "late"  # results `seconds` later than the others
    MISSING = "missing"  # no result of `date`, ever
    PREVIOUS = "previous"  # of a date not drawn yet, the draw before with its own date
    STALE = "stale"  # of a date not drawn yet, the balls of the draw before
    # in how it answers
    NULL = "null"  # `null` with status 200
    DOWN = "down"  # closes the connection without an answer
    SLOW = "slow"  # answers after `seconds`
    DRIP = "drip"  # sends a byte every `seconds`
    STATUS = "status"  # HTTP `status`
    HTML = "html"  # a friendly page, or `text`, with status 200
    TRUNCATED = "truncated"  # promises the whole body, sends half of it
    HALF = "half"  # sends half of the body and calls it whole
    OVERSIZE = "oversize"  # 2 MiB more than there is to say
    REDIRECT = "redirect"  # to `location`
    BAD_UTF8 = "bad-utf8"


@dataclass(frozen=True, slots=True)
class Fault:
    """One publisher's misbehaviour for one game; only what its kind names is used."""

    kind: FaultKind
    special: int | None = None
    whites: tuple[int, ...] | None = None
    date: dt.date | None = None  # of a lie or of what is missing: only about this draw
    until: float = math.inf  # of a lie: unix seconds by the publisher's clock
    seconds: float = 0
    status: int = 500
    location: str = ""
    text: str = "<!DOCTYPE html><p>Sorry!</p>"


NO_FAULT = Fault(FaultKind.NONE)


def printed(draw: Published, fault: Fault) -> Published:
    """What a publisher with this fault prints of a draw: another one, if it lies about it."""
    if fault.date not in (None, draw.date):
        return draw
    match fault.kind:
        case FaultKind.LIE:
            special = draw.special if fault.special is None else fault.special
            return replace(draw, whites=fault.whites or draw.whites, special=special)
        case FaultKind.EXTRA_BALL:
            spare = next(n for n in range(1, 7) if n not in draw.whites)
            return replace(draw, whites=(*draw.whites, spare))
    return draw


@dataclass(frozen=True, slots=True)
class Entry:
    """A draw in a publisher's list, with its balls once it shows them."""

    draw: Published
    shown: bool


def listed(
    draws: Sequence[Published], drawn: Sequence[bool], fault: Fault, now: float
) -> list[Entry]:
    """A publisher's list of one game, newest first.

    `draws` are in the order of their dates, and `drawn` tells of which it has results by `now`.
    """
    entries: list[Entry] = []
    for i, draw in enumerate(draws):
        honest = fault.kind is FaultKind.LIE and now >= fault.until
        told, known = draw if honest else printed(draw, fault), drawn[i]
        match fault.kind:
            case FaultKind.STALE if not known and i:
                told, known = replace(draws[i - 1], date=draw.date), True
            case FaultKind.MISSING if fault.date in (None, draw.date):
                known = False
            case FaultKind.TWICE if known and fault.special is not None:
                entries.append(Entry(replace(draw, special=fault.special), known))
        entries.append(Entry(told, known))
    return entries[::-1]
