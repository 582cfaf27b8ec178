"""What a market wants done now: derived from its events and oracles, the head's time and the key.

Nothing is remembered between two derivations but which bettors are left alone for a while; so a
keeper that was killed goes on where the chain stands.
"""

import math
from collections.abc import Container, Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from keeper.domain.calendar import next_draw_times
from keeper.ports import RoundStatus, Standing
from keeper.projection import OPERATOR_ROLE, MarketView, RoundView

LOCK_LEAD = 15 * 60  # seconds before the draw at which betting ends
RESULT_WINDOW = 72 * 3600  # seconds after the draw within which its result must come
REPORT_WINDOW = 71 * 3600  # and within which the dispute of a committee's proposal must end
OPENING = 60 * 86_400  # seconds before the draw from which a round may be opened
_SOON = 60  # a round that would lock within these seconds is not worth opening


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to do.

    Attributes:
        name: of the contract's function that does it. "report" is finalizeRound where the key's
            account alone is the oracle; "watch" asks the sources again while a committee's
            proposal may still be vetoed.
        about: id of the round; for createRound the draw time, unix seconds UTC.
        bettors: whom settle pays.
        standing: of the committee, for report and watch.
    """

    name: str
    about: int
    bettors: tuple[str, ...] = ()
    standing: Standing | None = None

    @property
    def key(self) -> Hashable:
        """The same for what rests together: any batch of a round, any vote in a ballot."""
        return self.name, self.about, self.standing and self.standing.ballot


@dataclass(frozen=True, slots=True)
class Terms:
    """How the keeper goes about it.

    Attributes:
        rounds_ahead: for how many of the next draws rounds are kept open.
        report_delay: seconds after the draw from which the sources are asked.
        settle_batch: bettors in one settling.
        least_due: wei below which a bettor is left to claim.
        settle_gas: after so much gas for a round's settlings the others are left to claim.
    """

    rounds_ahead: int = 3
    report_delay: int = 300
    settle_batch: int = 50
    least_due: int = 1
    settle_gas: float = math.inf


def due(
    view: MarketView,
    now: int,
    account: str | None,
    terms: Terms,
    resting: Container[tuple[int, str]] = (),
    standings: Mapping[int, Standing] | None = None,
    confirmed: float = math.inf,
    gas: Mapping[int, int] | None = None,
) -> list[Duty]:
    """What is to be done now, the urgent first; of a round's settlings only the next one.

    Args:
        now: the head's timestamp, to which the view has advanced.
        account: of the key; None: only what anybody may do.
        resting: (round id, bettor) pairs to leave alone, for they refused a payment.
        standings: by id, of the rounds that `undecided` names and committees decide.
        confirmed: the block up to which results count: what later ones decided is not paid yet.
        gas: by id of the round, what its settlings have taken.
    """
    duties: list[Duty] = []
    for r in view.rounds.values():
        duties += _steps(r, now, account, terms, (standings or {}).get(r.id))
    if (OPERATOR_ROLE, account) in view.roles and not view.paused:
        # A draw whose round was cancelled has had its round.
        had = {r.draw_time for r in view.rounds.values()}
        coming = next_draw_times(view.game, now + LOCK_LEAD + _SOON, now + OPENING)
        duties += [Duty("createRound", t) for t in coming[: terms.rounds_ahead] if t not in had]
    for r in view.rounds.values():
        if (gas or {}).get(r.id, 0) >= terms.settle_gas:
            continue
        waiting = _waiting(r, now, terms, resting)
        if r.ended_in <= confirmed and (batch := tuple(islice(waiting, terms.settle_batch))):
            duties.append(Duty("settle", r.id, batch))
    return duties


def undecided(view: MarketView, now: int) -> list[RoundView]:
    """The rounds whose result may come now."""
    rounds = view.rounds.values()
    return [r for r in rounds if now >= r.draw_time and not (r.book.finished or _overdue(r, now))]


def _overdue(r: RoundView, now: int) -> bool:
    return not r.book.finished and now > r.draw_time + RESULT_WINDOW


def _steps(
    r: RoundView, now: int, account: str | None, terms: Terms, s: Standing | None
) -> Iterator[Duty]:
    """What brings a round nearer to its end."""
    if r.book.finished:
        return
    if _overdue(r, now):
        yield Duty("voidRound", r.id)
        return
    if now >= r.lock_time and not r.locked_at:
        yield Duty("lockRound", r.id)
    if s and 0 < s.finalizable_at <= now:
        yield Duty("finalize", r.id)
    elif now < r.draw_time + terms.report_delay:
        return
    elif s and s.finalizable_at:
        if account in (*s.committee.reporters, s.committee.guardian):
            yield Duty("watch", r.id, standing=s)
    elif r.oracle == account or (
        s
        and account in s.committee.reporters
        and now <= r.draw_time + REPORT_WINDOW - s.committee.dispute_window
    ):
        yield Duty("report", r.id, standing=s)


def _waiting(
    r: RoundView, now: int, terms: Terms, resting: Container[tuple[int, str]]
) -> Iterator[str]:
    """Who is to be paid: the unmatched from the lock on, everything once the round is finished."""
    if r.paid_out or r.status_at(now) is RoundStatus.OPEN or _overdue(r, now):
        return  # an overdue round is voided first: then one payment instead of two
    for user in r.book.users:
        if sum(r.book.claimable(user)) >= terms.least_due and (r.id, user) not in resting:
            yield user
