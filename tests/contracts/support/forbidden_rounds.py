"""Rounds and settings: what must be refused of operator, guardian, admin and everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keeper.domain.lines import RoundStatus
from tests.contracts.support.committee import EVIDENCE, SPECIAL, WHITES
from tests.contracts.support.desk import DAY, LOCK_LEAD, POL
from tests.contracts.support.play import LINE_MAX, Attempt, Play

OPEN, LOCKED = RoundStatus.OPEN, RoundStatus.LOCKED


def wrong_rounds(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    earliest, latest = play.now + LOCK_LEAD + 1, play.now + 60 * DAY
    (draw,) = play.desk.draws(after=play.now)
    yield Attempt(("NotADrawTime", draw + 1), "createRound", (draw + 1,), people.operator)
    for off in (earliest - 1, latest + 1):
        range_ = ("DrawTimeOutOfRange", off, earliest, latest)
        yield Attempt(range_, "createRound", (off,), people.operator)
    for one in play.having(OPEN):
        if one.draw >= earliest:
            taken = ("DrawTimeTaken", one.draw, one.id)
            yield Attempt(taken, "createRound", (one.draw,), people.operator)


def wrong_settings(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    yield Attempt(("FeeTooHigh", 501, 500), "setFee", (501,), people.admin)
    foreign = ("AccessControlUnauthorizedAccount", people.operator, bytes(32))
    yield Attempt(foreign, "setFee", (0,), people.operator)
    yield Attempt(foreign, "setOracle", (people.operator,), people.operator)
    gwei = 10**9
    for limits in ((gwei - 1, POL), (POL, POL - 1), (gwei, LINE_MAX + 1)):
        yield Attempt(("InvalidBetLimits", *limits), "setBetLimits", limits, people.admin)


def wrong_locks(play: Play) -> Iterator[Attempt]:
    for one in play.rounds.values():
        status = play.books[one.id].status
        error: tuple[Any, ...] = ("WrongStatus", one.id, status)
        if status is OPEN:
            error = ("TooEarly", one.id, one.lock)
        elif status is LOCKED and one.id not in play.announced:
            continue
        yield Attempt(error, "lockRound", (one.id,), play.desk.people.stranger)


def wrong_cancels(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    for one in play.rounds.values():
        for outsider in (play.committee.reporters[0], people.admin):
            stranger = ("NotAllowedToCancel", one.id, outsider)
            yield Attempt(stranger, "cancelRound", (one.id,), outsider)
        for by, deadline in ((people.operator, one.lock), (people.guardian, one.draw)):
            if play.books[one.id].finished:
                error: tuple[Any, ...] = ("WrongStatus", one.id, play.books[one.id].status)
            elif play.now >= deadline:
                error = ("TooLate", one.id, deadline - 1)
            else:
                continue
            yield Attempt(error, "cancelRound", (one.id,), by)


def wrong_voids(play: Play) -> Iterator[Attempt]:
    for one in play.rounds.values():
        error: tuple[Any, ...] = ("TooEarly", one.id, one.over + 1)
        if play.books[one.id].finished:
            error = ("WrongStatus", one.id, play.books[one.id].status)
        elif play.now > one.over:
            continue
        yield Attempt(error, "voidRound", (one.id,), play.desk.people.guardian)


def unknown_rounds(play: Play) -> Iterator[Attempt]:
    people, committee = play.desk.people, play.committee
    unknown = len(play.rounds) + 1
    user, (least, _) = play.users[0], play.limits
    calls: list[tuple[str, tuple[Any, ...], str, int]] = [
        ("placeBet", (unknown, 0), user, least),
        ("placeMatchedBet", (unknown, 0, 0), user, least),
        ("cancelUnmatched", (unknown, 0), user, 0),
        ("lockRound", (unknown,), people.stranger, 0),
        ("finalizeRound", (unknown, 1), committee.address, 0),
        ("cancelRound", (unknown,), people.guardian, 0),
        ("voidRound", (unknown,), people.stranger, 0),
        ("claimWinnings", (unknown,), user, 0),
        ("claimRefund", (unknown,), user, 0),
        ("claimWinningsBatch", ([unknown], user), user, 0),
        ("settle", (unknown, []), people.stranger, 0),
        ("withdrawFees", ([unknown],), people.stranger, 0),
    ]
    for function, arguments, by, value in calls:
        yield Attempt(("UnknownRound", unknown), function, arguments, by, value)
    about, draw = (play.desk.address, unknown), (1, WHITES, SPECIAL)
    oracle: list[tuple[tuple[Any, ...], str, tuple[Any, ...], str]] = [
        (("UnknownRound", unknown), "report", (*about, draw, EVIDENCE), committee.reporters[0]),
        (("NoProposal", *about), "veto", about, committee.guardian),
        (("NoProposal", *about), "finalize", about, people.stranger),
    ]
    for error, function, arguments, by in oracle:
        yield Attempt(error, function, arguments, by, contract=committee)
