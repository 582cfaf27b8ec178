"""What a market wants done now: derived from its events, the head's time and the key's account.

Nothing is remembered between two derivations but which bettors are left alone for a while; so a
keeper that was killed goes on where the chain stands.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container
from dataclasses import dataclass
from itertools import islice

from keeper.domain.calendar import draw_date, next_draw_times
from keeper.ports import RoundStatus
from keeper.projection import OPERATOR_ROLE, MarketView, RoundView

LOCK_LEAD = 15 * 60  # seconds before the draw at which betting ends
RESULT_WINDOW = 72 * 3600  # seconds after the draw within which its result must come
OPENING = 60 * 86_400  # seconds before the draw from which a round may be opened
_SOON = 60  # a round that would lock within these seconds is not worth opening


@dataclass(frozen=True, slots=True)
class CreateRound:
    """Open a round for the draw at `draw_time`, unix seconds UTC."""

    draw_time: int


@dataclass(frozen=True, slots=True)
class LockRound:
    """Announce that betting is over."""

    round_id: int


@dataclass(frozen=True, slots=True)
class Report:
    """Find out what was drawn on `date`, New York, and give the round its result."""

    round_id: int
    date: dt.date


@dataclass(frozen=True, slots=True)
class VoidRound:
    """End a round whose result never came."""

    round_id: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Pay these bettors what is due to them now."""

    round_id: int
    bettors: tuple[str, ...]


Duty = CreateRound | LockRound | Report | VoidRound | Settle


@dataclass(frozen=True, slots=True)
class Terms:
    """How the keeper goes about it.

    Attributes:
        rounds_ahead: for how many of the next draws rounds are kept open.
        report_delay: seconds after the draw from which the sources are asked.
        settle_batch: bettors in one settling.
        least_due: wei below which a bettor is left to claim.
    """

    rounds_ahead: int = 3
    report_delay: int = 300
    settle_batch: int = 50
    least_due: int = 1


def due(
    view: MarketView,
    now: int,
    account: str | None,
    terms: Terms,
    resting: Container[tuple[int, str]] = (),
) -> list[Duty]:
    """What is to be done now, the urgent first; of a round's settlings only the next one.

    Args:
        now: the head's timestamp, to which the view has advanced.
        account: of the key; None: only what anybody may do.
        resting: (round id, bettor) pairs to leave alone, for they refused a payment.
    """
    duties: list[Duty] = []
    settlings: list[Duty] = []
    for r in view.rounds.values():
        overdue = not r.book.finished and now > r.draw_time + RESULT_WINDOW
        if overdue:
            duties.append(VoidRound(r.id))  # first, then one payment instead of two
        elif not r.book.finished:
            if now >= r.lock_time and not r.locked_at:
                duties.append(LockRound(r.id))
            if r.oracle == account and now >= r.draw_time + terms.report_delay:
                duties.append(Report(r.id, draw_date(view.game, r.draw_time)))
        if not overdue and (batch := _to_pay(r, now, terms, resting)):
            settlings.append(Settle(r.id, batch))
    if (OPERATOR_ROLE, account) in view.roles and not view.paused:
        duties += [CreateRound(t) for t in _to_open(view, now, terms)]
    return duties + settlings


def _to_pay(
    r: RoundView, now: int, terms: Terms, resting: Container[tuple[int, str]]
) -> tuple[str, ...]:
    """The next batch: the unmatched from the lock on, everybody once the round is finished."""
    if r.paid_out or r.status_at(now) is RoundStatus.OPEN:
        return ()
    waiting = (
        user
        for user in r.book.users
        if sum(r.book.claimable(user)) >= terms.least_due and (r.id, user) not in resting
    )
    return tuple(islice(waiting, terms.settle_batch))


def _to_open(view: MarketView, now: int, terms: Terms) -> list[int]:
    """The next draws without a round. One whose round was cancelled has had its round."""
    had = {r.draw_time for r in view.rounds.values()}
    coming = next_draw_times(view.game, now + LOCK_LEAD + _SOON, now + OPENING)
    return [t for t in coming[: terms.rounds_ahead] if t not in had]
