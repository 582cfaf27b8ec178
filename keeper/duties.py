"""What a market wants done now: derived from its events and oracles, the head's time and the key.

Nothing is remembered between two derivations but which bettors are left alone for a while; so a
keeper that was killed goes on where the chain stands.
"""

import datetime as dt
import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import islice

from keeper.domain.calendar import draw_date, next_draw_times
from keeper.domain.draw import Draw
from keeper.ports import RoundStatus, Standing
from keeper.projection import OPERATOR_ROLE, MarketView, RoundView

LOCK_LEAD = 15 * 60  # seconds before the draw at which betting ends
RESULT_WINDOW = 72 * 3600  # seconds after the draw within which its result must come
REPORT_WINDOW = 71 * 3600  # and within which the dispute of a committee's proposal must end
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
    """Find out what was drawn on `date`, New York, and give the round its result or a vote on it.

    Attributes:
        oracle: of the round: the key's own account, or a committee of which it is a reporter.
        ballot: of the committee; a new one takes new votes.
        vote: that stands already; it may be replaced by another.
    """

    round_id: int
    date: dt.date
    oracle: str
    ballot: int = 0
    vote: Draw | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Ask the sources again while the committee's proposal of `number` may still be vetoed."""

    round_id: int
    date: dt.date
    oracle: str
    ballot: int
    number: int


@dataclass(frozen=True, slots=True)
class Finalize:
    """Carry the proposal of the round's committee, which was not vetoed, to the market."""

    round_id: int
    oracle: str


@dataclass(frozen=True, slots=True)
class VoidRound:
    """End a round whose result never came."""

    round_id: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Pay these bettors what is due to them now."""

    round_id: int
    bettors: tuple[str, ...]


Duty = CreateRound | LockRound | Report | Watch | Finalize | VoidRound | Settle


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
    standings: Mapping[int, Standing] | None = None,
    confirmed: float = math.inf,
) -> list[Duty]:
    """What is to be done now, the urgent first; of a round's settlings only the next one.

    Args:
        now: the head's timestamp, to which the view has advanced.
        account: of the key; None: only what anybody may do.
        resting: (round id, bettor) pairs to leave alone, for they refused a payment.
        standings: by id, of the rounds that `undecided` names and committees decide.
        confirmed: the block up to which results count: what later ones decided is not paid yet.
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
            duties += _result(view, r, now, account, terms, (standings or {}).get(r.id))
        if not overdue and r.ended_in <= confirmed and (batch := _to_pay(r, now, terms, resting)):
            settlings.append(Settle(r.id, batch))
    if (OPERATOR_ROLE, account) in view.roles and not view.paused:
        duties += [CreateRound(t) for t in _to_open(view, now, terms)]
    return duties + settlings


def undecided(view: MarketView, now: int) -> list[RoundView]:
    """The rounds whose result may come now."""
    return [
        r
        for r in view.rounds.values()
        if not r.book.finished and r.draw_time <= now <= r.draw_time + RESULT_WINDOW
    ]


def _result(
    view: MarketView, r: RoundView, now: int, account: str | None, terms: Terms, s: Standing | None
) -> list[Duty]:
    """What brings an undecided round its result."""
    if s and 0 < s.finalizable_at <= now:
        return [Finalize(r.id, r.oracle)]
    if now < r.draw_time + terms.report_delay:
        return []
    date = draw_date(view.game, r.draw_time)
    if s and s.finalizable_at:
        concerned = account in (*s.committee.reporters, s.committee.guardian)
        return [Watch(r.id, date, r.oracle, s.ballot, s.number)] if concerned else []
    if r.oracle == account:
        return [Report(r.id, date, r.oracle)]
    if (
        s
        and account in s.committee.reporters
        and now <= r.draw_time + REPORT_WINDOW - s.committee.dispute_window
    ):
        return [Report(r.id, date, r.oracle, s.ballot, s.vote)]
    return []


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
