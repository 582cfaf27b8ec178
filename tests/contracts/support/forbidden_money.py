"""Payments that must be refused: not yet, not to them, not twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keeper.domain.lines import RoundStatus
from tests.contracts.support.play import Attempt, Play

OPEN, LOCKED = RoundStatus.OPEN, RoundStatus.LOCKED
FINALIZED, CANCELLED = RoundStatus.FINALIZED, RoundStatus.CANCELLED
ZERO = "0x" + "00" * 20


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


def wrong_batches(play: Play) -> Iterator[Attempt]:
    """With an unfinished round among others, of rounds that owe nothing, to nobody."""
    finished = [one.id for one in play.having(FINALIZED, CANCELLED)]
    for user in play.users:
        for one in play.unfinished:
            error: tuple[Any, ...] = ("WrongStatus", one.id, play.books[one.id].status)
            for ids in ([*finished, one.id], [one.id, *finished]):
                yield Attempt(error, "claimWinningsBatch", (ids, user), user)
        paid = [id_ for id_ in finished if not any(play.books[id_].claimable(user))]
        arguments = ([*paid, *paid], play.desk.people.stranger)
        yield Attempt(("NothingDue", 0, user), "claimWinningsBatch", arguments, user)
        yield Attempt(("ZeroAddress", "to"), "claimWinningsBatch", (finished, ZERO), user)


def early_settles(play: Play) -> Iterator[Attempt]:
    for one in play.having(OPEN):
        error = ("TooEarly", one.id, one.lock)
        yield Attempt(error, "settle", (one.id, list(play.users)), play.users[0])


def wrong_withdrawals(play: Play) -> Iterator[Attempt]:
    decided = [one.id for one in play.having(FINALIZED)]
    for one in play.having(OPEN, LOCKED, CANCELLED):
        error = ("WrongStatus", one.id, play.books[one.id].status)
        yield Attempt(error, "withdrawFees", ([*decided, one.id],), play.users[0])
