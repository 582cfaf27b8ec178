"""What three publishers together say a draw was: two equal answers of three decide."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from keeper.domain.draw import Draw

SEATS = 3
QUORUM = 2


class Failure(StrEnum):
    """Why a source's answer cannot be used."""

    UNREACHABLE = "unreachable"  # no connection, or no answer on it
    TIMEOUT = "timeout"  # no whole answer within the time given, dripped ones included
    STATUS = "status"  # any HTTP status but 200
    REDIRECT = "redirect"  # to another host, of a POST, or round and round
    OVERSIZE = "oversize"  # more than 1 MiB
    ENCODING = "encoding"  # not UTF-8
    TRUNCATED = "truncated"  # it broke off before its end
    FORMAT = "format"  # not the JSON or CSV that was due: HTML, half a document
    SHAPE = "shape"  # well formed, but not what this publisher answers
    NUMBER = "number"  # not in this publisher's own form, or out of range, or an extra ball
    CONFLICT = "conflict"  # the asked date twice, with different results


@dataclass(frozen=True, slots=True)
class Drawn:
    """The source gives a result for the asked date."""

    source: str
    draw: Draw
    kind: Literal["drawn"] = "drawn"


@dataclass(frozen=True, slots=True)
class Pending:
    """The source answers, but has no result for the asked date yet."""

    source: str
    why: str
    kind: Literal["pending"] = "pending"


@dataclass(frozen=True, slots=True)
class Failed:
    """The source did not give an answer that can be used."""

    source: str
    kind: Failure
    why: str


Answer = Drawn | Pending | Failed


@dataclass(frozen=True, slots=True)
class Agreed:
    """At least two sources give the same draw.

    Attributes:
        draw: that draw.
        sources: who gave it, in the order asked.
        dissenting: who gave another one; missing sources are not dissenting.
    """

    draw: Draw
    sources: tuple[str, ...]
    dissenting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Fewer than two sources give a result: these are missing (a failed source is one)."""

    missing: tuple[Pending | Failed, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two or three sources give a result and no two of them the same."""

    answers: tuple[Drawn, ...]


Verdict = Agreed | Waiting | Disagreement


def decide(answers: Sequence[Answer]) -> Verdict:
    """The verdict of one answer per source on one draw.

    Raises ValueError when a source votes twice or there are more votes than seats: both would
    let one publisher outvote another.
    """
    names = [answer.source for answer in answers]
    if len(names) > SEATS or len(set(names)) != len(names):
        raise ValueError(f"one vote a source and at most {SEATS}: {', '.join(names)}")
    drawn = tuple(answer for answer in answers if isinstance(answer, Drawn))
    votes = Counter(answer.draw for answer in drawn)
    for draw, count in votes.items():
        if count >= QUORUM:
            agreeing = tuple(answer.source for answer in drawn if answer.draw == draw)
            others = tuple(answer.source for answer in drawn if answer.draw != draw)
            return Agreed(draw, agreeing, others)
    if len(votes) > 1:
        return Disagreement(drawn)
    return Waiting(tuple(answer for answer in answers if not isinstance(answer, Drawn)))
