"""What the contract must refuse in a given state, each with the error it owes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from keeper.domain.lines import RoundStatus
from tests.contracts.support.desk import DAY, LOCK_LEAD, POL, Round
from tests.contracts.support.play import Play

OPEN, LOCKED = RoundStatus.OPEN, RoundStatus.LOCKED
FINALIZED, CANCELLED = RoundStatus.FINALIZED, RoundStatus.CANCELLED


class Attempt(NamedTuple):
    """A transaction that must fail."""

    error: tuple[Any, ...]
    function: str
    arguments: tuple[Any, ...]
    by: str
    value: int = 0


def late_bets(play: Play) -> Iterator[Attempt]:
    for one in play.having(LOCKED, FINALIZED, CANCELLED):
        error: tuple[Any, ...] = ("BettingClosed", one.id, one.lock)
        if play.books[one.id].status is CANCELLED:
            error = ("WrongStatus", one.id, CANCELLED)
        yield Attempt(error, "placeBet", (one.id, 0), play.users[0], POL)


def wrong_bets(play: Play) -> Iterator[Attempt]:
    least, most = play.limits
    for one in play.having(OPEN):
        for prediction in (8, 255):
            wrong = ("InvalidPrediction", prediction)
            yield Attempt(wrong, "placeBet", (one.id, prediction), play.users[0], POL)
        for amount in (0, least - 1, most + 1):
            limits = ("BetOutOfLimits", amount, least, most)
            yield Attempt(limits, "placeBet", (one.id, 0), play.users[0], amount)


def wrong_rounds(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    earliest, latest = play.now + LOCK_LEAD + 1, play.now + 60 * DAY
    (draw,) = play.desk.draws(after=play.now)
    yield Attempt(("NotADrawTime", draw + 1), "createRound", (draw + 1,), people.operator)
    range_ = ("DrawTimeOutOfRange", earliest - 1, earliest, latest)
    yield Attempt(range_, "createRound", (earliest - 1,), people.operator)
    for one in play.having(OPEN):
        if one.draw >= earliest:
            taken = ("DrawTimeTaken", one.draw, one.id)
            yield Attempt(taken, "createRound", (one.draw,), people.operator)


def wrong_locks(play: Play) -> Iterator[Attempt]:
    for one in play.rounds.values():
        status = play.books[one.id].status
        error: tuple[Any, ...] = ("WrongStatus", one.id, status)
        if status is OPEN:
            error = ("TooEarly", one.id, one.lock)
        elif status is LOCKED and one.id not in play.announced:
            continue
        yield Attempt(error, "lockRound", (one.id,), play.desk.people.stranger)


def wrong_results(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    for one in play.rounds.values():
        for number, by, error in _result_errors(play, one):
            yield Attempt(error, "finalizeRound", (one.id, number), by)
        foreign = ("NotRoundOracle", one.id, people.operator, people.oracle)
        yield Attempt(foreign, "finalizeRound", (one.id, 1), people.operator)


def _result_errors(play: Play, one: Round) -> Iterator[tuple[int, str, tuple[Any, ...]]]:
    oracle = play.desk.people.oracle
    if play.books[one.id].finished:
        yield 5, oracle, ("WrongStatus", one.id, play.books[one.id].status)
    elif play.now < one.draw:
        yield 5, oracle, ("TooEarly", one.id, one.draw)
    elif play.now > one.over:
        yield 5, oracle, ("TooLate", one.id, one.over)
    else:
        yield 100, oracle, ("InvalidWinningNumber", 100)


def wrong_cancels(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    for one in play.rounds.values():
        stranger = ("NotAllowedToCancel", one.id, people.oracle)
        yield Attempt(stranger, "cancelRound", (one.id,), people.oracle)
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


def wrong_claims(play: Play) -> Iterator[Attempt]:
    for one in play.rounds.values():
        book = play.books[one.id]
        for user in (*play.users, play.desk.people.stranger):
            error: tuple[Any, ...] = ("WrongStatus", one.id, book.status)
            if book.status is FINALIZED:
                if any(book.claimable(user)):
                    continue
                error = ("NothingDue", one.id, user)
            yield Attempt(error, "claimWinnings", (one.id,), user)


def wrong_refunds(play: Play) -> Iterator[Attempt]:
    for one in play.rounds.values():
        book = play.books[one.id]
        for user in (*play.users, play.desk.people.stranger):
            if book.status is OPEN:
                error: tuple[Any, ...] = ("TooEarly", one.id, one.lock)
            elif book.status is FINALIZED:
                error = ("UseClaimWinnings", one.id)
            elif any(book.claimable(user)):
                continue
            else:
                error = ("NothingDue", one.id, user)
            yield Attempt(error, "claimRefund", (one.id,), user)


def early_settles(play: Play) -> Iterator[Attempt]:
    for one in play.having(OPEN):
        error = ("TooEarly", one.id, one.lock)
        yield Attempt(error, "settle", (one.id, list(play.users)), play.users[0])


def wrong_withdrawals(play: Play) -> Iterator[Attempt]:
    decided = [one.id for one in play.having(FINALIZED)]
    for one in play.having(OPEN, LOCKED, CANCELLED):
        error = ("WrongStatus", one.id, play.books[one.id].status)
        yield Attempt(error, "withdrawFees", ([*decided, one.id],), play.users[0])


def unknown_rounds(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    unknown = len(play.rounds) + 1
    calls: dict[str, tuple[tuple[Any, ...], str]] = {
        "placeBet": ((unknown, 0), play.users[0]),
        "lockRound": ((unknown,), people.stranger),
        "finalizeRound": ((unknown, 1), people.oracle),
        "cancelRound": ((unknown,), people.guardian),
        "voidRound": ((unknown,), people.stranger),
        "claimWinnings": ((unknown,), play.users[0]),
        "claimRefund": ((unknown,), play.users[0]),
        "settle": ((unknown, []), people.stranger),
        "withdrawFees": (([unknown],), people.stranger),
    }
    for function, (arguments, by) in calls.items():
        yield Attempt(("UnknownRound", unknown), function, arguments, by)


def wrong_settings(play: Play) -> Iterator[Attempt]:
    people = play.desk.people
    yield Attempt(("FeeTooHigh", 501, 500), "setFee", (501,), people.admin)
    foreign = ("AccessControlUnauthorizedAccount", people.operator, bytes(32))
    yield Attempt(foreign, "setFee", (0,), people.operator)
    yield Attempt(foreign, "setOracle", (people.operator,), people.operator)
    yield Attempt(("InvalidBetLimits", 1, POL), "setBetLimits", (1, POL), people.admin)


# By subject, so that what is forbidden is tried about as often as what is allowed.
FORBIDDEN: dict[str, tuple[Callable[[Play], Iterator[Attempt]], ...]] = {
    "late_bets": (late_bets,),
    "wrong_bets": (wrong_bets,),
    "wrong_rounds_or_settings": (wrong_rounds, wrong_settings),
    "wrong_locks_or_results": (wrong_locks, wrong_results),
    "wrong_cancels_or_voids": (wrong_cancels, wrong_voids),
    "wrong_claims": (wrong_claims, wrong_refunds),
    "wrong_settles_or_withdrawals": (early_settles, wrong_withdrawals),
    "unknown_rounds": (unknown_rounds,),
}


def forbidden(play: Play, subject: str) -> list[Attempt]:
    """Everything on this subject that must be refused now."""
    return [attempt for attempts in FORBIDDEN[subject] for attempt in attempts(play)]
