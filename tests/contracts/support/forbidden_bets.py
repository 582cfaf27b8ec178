"""Bets that must be refused, and stakes that must not be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keeper.domain.lines import Prediction, RoundStatus
from tests.contracts.support.desk import Round
from tests.contracts.support.play import Attempt, Play


def _closed(play: Play) -> Iterator[tuple[Round, tuple[Any, ...]]]:
    """Rounds that take no bets, and the error they owe."""
    for one in play.rounds.values():
        status = play.books[one.id].status
        if status is RoundStatus.CANCELLED:
            yield one, ("WrongStatus", one.id, status)
        elif status is not RoundStatus.OPEN:
            yield one, ("BettingClosed", one.id, one.lock)


def late_bets(play: Play) -> Iterator[Attempt]:
    least, _ = play.limits
    for one, error in _closed(play):
        yield Attempt(error, "placeBet", (one.id, 0), play.users[0], least)
        yield Attempt(error, "placeMatchedBet", (one.id, 1, 0), play.users[0], least)


def late_takings(play: Play) -> Iterator[Attempt]:
    for one, error in _closed(play):
        for user, index, _, at_tail in play.loose(one):
            if at_tail:
                yield Attempt(error, "cancelUnmatched", (one.id, index), user)


def wrong_bets(play: Play) -> Iterator[Attempt]:
    least, most = play.limits
    user = play.users[0]
    for one in play.having(RoundStatus.OPEN):
        for prediction in (8, 255):
            wrong = ("InvalidPrediction", prediction)
            yield Attempt(wrong, "placeBet", (one.id, prediction), user, least)
            yield Attempt(wrong, "placeMatchedBet", (one.id, prediction, 0), user, least)
        for amount in (0, least - 1, most + 1):
            limits = ("BetOutOfLimits", amount, least, most)
            yield Attempt(limits, "placeBet", (one.id, 0), user, amount)
        limits = ("BetOutOfLimits", most + 1, least, most)
        yield Attempt(limits, "placeMatchedBet", (one.id, 0, 0), user, most + 1)


def unmatched_bets(play: Play) -> Iterator[Attempt]:
    """That would match a wei less than the bettor or the market wants."""
    least, most = play.limits
    for one in play.having(RoundStatus.OPEN):
        for side in Prediction:
            for value, bound in _too_little(play.gap(one, side), least, most):
                taken = min(value, play.gap(one, side))
                error = ("NotEnoughMatched", one.id, taken, max(bound, least))
                arguments = (one.id, side, bound)
                yield Attempt(error, "placeMatchedBet", arguments, play.users[1], value)


def _too_little(gap: int, least: int, most: int) -> Iterator[tuple[int, int]]:
    """(value, bound) each."""
    yield least - 1, 0
    if gap < least:
        yield least, 0
    yield min(gap, most), min(gap, most) + 1
    yield most, min(gap, most) + 1


def full_lines(play: Play) -> Iterator[Attempt]:
    """A wei more than a line can hold."""
    least, most = play.limits
    for one in play.having(RoundStatus.OPEN):
        for side in Prediction:
            amount = max(play.space(one, side) + 1, least)
            if amount <= most:
                error = ("LineFull", one.id, side, play.books[one.id].line_total(side))
                yield Attempt(error, "placeBet", (one.id, side), play.users[2], amount)


def wrong_takings(play: Play) -> Iterator[Attempt]:
    """What is matched, what has others above it, what is none of one's own."""
    for one in play.having(RoundStatus.OPEN):
        loose = {(user, index): at_tail for user, index, _, at_tail in play.loose(one)}
        for user in play.users:
            count = len(play.books[one.id].bets_of(user))
            for index in (count, 2**256 - 1):
                error: tuple[Any, ...] = ("UnknownBet", one.id, user, index)
                yield Attempt(error, "cancelUnmatched", (one.id, index), user)
            for index in range(count):
                at_tail = loose.get((user, index))
                if at_tail:
                    continue
                name = "NothingUnmatched" if at_tail is None else "NotAtTail"
                yield Attempt((name, one.id, index), "cancelUnmatched", (one.id, index), user)
