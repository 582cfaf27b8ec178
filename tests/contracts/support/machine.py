"""Random play: every step that the market allows or refuses now, as rules for Hypothesis."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from keeper.domain.lines import MAX_BETS, Prediction, RoundStatus
from tests.contracts.support.desk import LOCK_LEAD, POL, Desk, Round
from tests.contracts.support.forbidden import FORBIDDEN, forbidden
from tests.contracts.support.play import Play

T = TypeVar("T")

OPEN, LOCKED = RoundStatus.OPEN, RoundStatus.LOCKED
FINALIZED, CANCELLED = RoundStatus.FINALIZED, RoundStatus.CANCELLED


MIN_BET, MAX_BET = 10**9, 100 * POL
USERS = 4
RULES: list[str] = []  # by name
MOST_UNFINISHED = 3

# Any number: one of however many there are to choose from.
picks = st.integers(0, 239)
# The borders of LOW and HIGH half of the time, any other number else.
numbers = st.sampled_from([0, 49, 50, 99]) | st.integers(0, 99)
users = st.integers(0, USERS - 1)
sides = st.sampled_from([0, 1, 0, 1, 2, 3, 4, 5, 6, 7])
seldom = st.sampled_from([False, False, False, True])
stakes = st.one_of(
    st.integers(MIN_BET, 20 * POL), st.sampled_from([MIN_BET, MIN_BET + 1, POL, MAX_BET])
)
bets = st.tuples(picks, sides, stakes)


def pick(number: int, candidates: Sequence[T]) -> T:
    return candidates[number % len(candidates)]


def counted(step: Callable[..., None]) -> Callable[..., None]:
    """A rule that counts when it took effect, and tells when it broke."""
    RULES.append(step.__name__)

    @functools.wraps(step)
    def run(self: Machine, **drawn: Any) -> None:
        self.broken = True
        step(self, **drawn)
        self.effects[step.__name__] += 1
        self.broken = False

    return run


class _EveryRule:
    """Hypothesis would leave about half of the rules out of each game, and the rare ones starve."""

    def is_enabled(self, name: str) -> bool:
        return True


class Machine(RuleBasedStateMachine):
    """Bettors, operator, guardian, oracle and strangers, each doing what may be done now."""

    desk: ClassVar[Desk]
    forcer: ClassVar[str]
    effects: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._rules_strategy.enabled_rules_strategy = st.just(_EveryRule())
        self.broken = True
        self.snapshot = self.desk.node.snapshot()
        self.play = Play(self.desk, self.desk.people.bettors[:USERS], (MIN_BET, MAX_BET))
        self.broken = False

    def teardown(self) -> None:
        try:
            if not self.broken:
                self.play.close(number=11)
        finally:
            self.desk.node.restore(self.snapshot)

    @invariant()
    def agrees(self) -> None:
        self.broken = True
        self.play.check()
        self.effects["steps"] += 1
        self.broken = False

    # ---- rounds

    def free_draws(self) -> list[int]:
        standing = {one.draw for one in self.play.having(OPEN, LOCKED, FINALIZED)}
        draws = self.desk.draws(4, after=self.play.now)
        return [draw for draw in draws if draw not in standing]

    @initialize(fate=picks, draw=picks, bets=st.lists(bets, min_size=4, max_size=8))
    def begin(self, fate: int, draw: int, bets: list[tuple[int, int, int]]) -> None:
        self.fate = fate
        self.open_round(draw, bets)

    def open_round(self, draw: int, bets: list[tuple[int, int, int]]) -> None:
        self.play.create(pick(draw, self.free_draws()))
        self.place_all(max(self.play.rounds.values(), key=lambda one: one.id), bets)

    def fated(self, *fates: int) -> list[Round]:
        """The unfinished rounds with one of these fates, of eight, so that each end is common."""
        return [one for one in self.play.unfinished if (one.id + self.fate) % 8 in fates]

    @precondition(lambda self: len(self.play.unfinished) < MOST_UNFINISHED)
    @rule(draw=picks, bets=st.lists(bets, max_size=5))
    @counted
    def create_round(self, draw: int, bets: list[tuple[int, int, int]]) -> None:
        self.open_round(draw, bets)

    @rule(which=picks, off=st.sampled_from([-2, -1, 0]))
    @counted
    def jump(self, which: int, off: int) -> None:
        """So that the next transaction comes just before, at or after some boundary."""
        boundaries = {
            time + off
            for one in self.play.unfinished
            for time in (one.lock, one.draw, one.over + 1)
            if time + off >= self.play.now
        }
        nearest = sorted(boundaries)[:2] or [self.play.now + LOCK_LEAD]
        self.play.jump(pick(which, nearest))

    def unannounced(self) -> list[Round]:
        return [one for one in self.play.having(LOCKED) if one.id not in self.play.announced]

    @precondition(lambda self: self.unannounced())
    @rule(which=picks)
    @counted
    def lock_round(self, which: int) -> None:
        self.play.lock(pick(which, self.unannounced()))

    def decidable(self) -> list[Round]:
        return [one for one in self.fated(0, 1, 2, 3) if self.play.now <= one.over]

    @precondition(lambda self: self.decidable())
    @rule(which=picks, number=numbers, last=seldom)
    @counted
    def finalize_round(self, which: int, number: int, last: bool) -> None:
        one = pick(which, self.decidable())
        self.play.wait_for(one.over if last else one.draw)
        self.play.finalize(one, number)

    def before(self, fates: tuple[int, ...], deadline: str) -> list[Round]:
        return [one for one in self.fated(*fates) if self.play.now < getattr(one, deadline)]

    @precondition(lambda self: self.before((3, 4, 5, 6), "lock"))
    @rule(which=picks, last=seldom)
    @counted
    def cancel_as_operator(self, which: int, last: bool) -> None:
        one = pick(which, self.before((3, 4, 5, 6), "lock"))
        if last:
            self.play.wait_for(one.lock - 1)
        self.play.cancel(one, "cancelRound", self.desk.people.operator)

    @precondition(lambda self: self.before((5, 6, 7), "draw"))
    @rule(which=picks, last=seldom)
    @counted
    def cancel_as_guardian(self, which: int, last: bool) -> None:
        one = pick(which, self.before((5, 6, 7), "draw"))
        if last:
            self.play.wait_for(one.draw - 1)
        self.play.cancel(one, "cancelRound", self.desk.people.guardian)

    def voidable(self) -> list[Round]:
        overdue = [one for one in self.play.unfinished if self.play.now > one.over]
        return overdue or [one for one in self.fated(6, 7) if self.play.now >= one.draw]

    @precondition(lambda self: self.voidable())
    @rule(which=picks)
    @counted
    def void_round(self, which: int) -> None:
        one = pick(which, self.voidable())
        self.play.wait_for(one.over + 1)
        self.play.cancel(one, "voidRound", self.desk.people.stranger)

    # ---- bets

    def room(self, one: Round) -> list[str]:
        """Who may still bet in it."""
        if self.play.books[one.id].status is not OPEN:
            return []
        book = self.play.books[one.id]
        return [user for user in self.play.users if len(book.bets_of(user)) < MAX_BETS]

    def bettable(self) -> list[Round]:
        return [one for one in self.play.having(OPEN) if self.room(one)]

    def place_all(self, one: Round, bets: list[tuple[int, int, int]]) -> None:
        for who, side, stake in bets:
            if room := self.room(one):
                self.play.bet(one, pick(who, room), side, stake)

    @precondition(lambda self: self.bettable())
    @rule(some=st.tuples(picks, st.lists(bets, min_size=1, max_size=4), seldom))
    @counted
    def bet(self, some: tuple[int, list[tuple[int, int, int]], bool]) -> None:
        which, bets, last = some
        one = pick(which, self.bettable())
        if last:
            self.play.wait_for(one.lock - 1)
        self.place_all(one, bets)

    def waiting(self) -> list[tuple[Round, int]]:
        """Predictions whose opposite line is longer."""
        found = []
        for one in self.bettable():
            lines = [self.play.books[one.id].line_total(side) for side in Prediction]
            found += [(one, side) for side in Prediction if lines[side] < lines[side ^ 1]]
        return found

    @precondition(lambda self: self.waiting())
    @rule(which=picks, who=picks, off=st.sampled_from([-1, 0, 1]))
    @counted
    def bet_against(self, which: int, who: int, off: int) -> None:
        """Just under, exactly or just over what waits on the opposite line."""
        one, side = pick(which, self.waiting())
        book = self.play.books[one.id]
        gap = book.line_total(side ^ 1) - book.line_total(side)
        stake = min(max(gap + off, MIN_BET), MAX_BET)
        self.place_all(one, [(who, side, stake)])

    @precondition(lambda self: self.bettable())
    @rule(which=picks, who=picks, side=sides, stake=stakes)
    @counted
    def refuse_a_seventeenth_bet(self, which: int, who: int, side: int, stake: int) -> None:
        """After sixteen of one user, in one go, so that nobody is too late for the last."""
        one = pick(which, self.bettable())
        user = pick(who, self.room(one))
        while user in self.room(one):
            self.play.bet(one, user, side, stake)
            side = (side + 5) % 8
        if self.play.books[one.id].status is OPEN:
            error = ("TooManyBets", one.id, user, MAX_BETS)
            self.play.refuse(error, "placeBet", one.id, side, by=user, value=stake)

    # ---- money

    def claim(self, which: int, status: RoundStatus) -> None:
        self.play.claim(*pick(which, self.play.due(status)))

    @precondition(lambda self: self.play.due(FINALIZED))
    @rule(which=picks)
    @counted
    def claim_winnings(self, which: int) -> None:
        self.claim(which, FINALIZED)

    @precondition(lambda self: self.play.due(LOCKED))
    @rule(which=picks)
    @counted
    def claim_refund_of_the_unmatched(self, which: int) -> None:
        self.claim(which, LOCKED)

    @precondition(lambda self: self.play.due(CANCELLED))
    @rule(which=picks)
    @counted
    def claim_refund_of_a_cancelled_round(self, which: int) -> None:
        self.claim(which, CANCELLED)

    @precondition(lambda self: self.play.due(LOCKED, FINALIZED, CANCELLED))
    @rule(which=picks, crowd=st.lists(users, max_size=3))
    @counted
    def settle(self, which: int, crowd: list[int]) -> None:
        """With duplicates, people to whom nothing is due, and a stranger."""
        one, user = pick(which, self.play.due(LOCKED, FINALIZED, CANCELLED))
        others = [self.play.users[index] for index in crowd]
        self.play.settle(one, [*others, user, self.desk.people.stranger, user, *others])

    def earning(self) -> list[int]:
        finalized = self.play.having(FINALIZED)
        return [
            one.id
            for one in finalized
            if one.id not in self.play.withdrawn and self.play.books[one.id].fees()
        ]

    @precondition(lambda self: self.earning())
    @rule(which=picks)
    @counted
    def withdraw_fees(self, which: int) -> None:
        """Of one round or more, some of them named again or withdrawn before."""
        all_ = [one.id for one in self.play.having(FINALIZED)]
        some = all_[: which % (len(all_) + 1)]
        self.play.withdraw([pick(which, self.earning()), *some, *some])

    @precondition(lambda self: self.play.forced < len(self.play.rounds) * POL // 2)
    @rule(amount=st.integers(1, POL))
    @counted
    def force_ether(self, amount: int) -> None:
        self.play.force(self.forcer, amount)

    @precondition(lambda self: self.play.fee_bps == self.play.books[max(self.play.books)].fee_bps)
    @rule(bps=st.sampled_from([500, 200, 199, 33, 1, 0]))
    @counted
    def set_fee(self, bps: int) -> None:
        self.play.set_fee(bps)


def refusing(subject: str) -> Any:
    """A rule: something on this subject, that is forbidden now, is refused."""

    def refuse(self: Machine, which: int) -> None:
        error, function, arguments, by, value = pick(which, forbidden(self.play, subject))
        self.play.refuse(error, function, *arguments, by=by, value=value)

    refuse.__name__ = f"refuse_{subject}"
    possible = precondition(lambda self: forbidden(self.play, subject))
    return possible(rule(which=picks)(counted(refuse)))


for subject in FORBIDDEN:
    setattr(Machine, f"refuse_{subject}", refusing(subject))

# What is seldom possible is likelier when it is.
WEIGHTS = {
    "lock_round": 4,
    "finalize_round": 2,
    "cancel_as_operator": 3,
    "cancel_as_guardian": 2,
    "void_round": 3,
    "bet_against": 2,
    "claim_refund_of_the_unmatched": 4,
    "claim_winnings": 2,
    "withdraw_fees": 4,
}
for name, weight in WEIGHTS.items():
    for copy in range(1, weight):
        setattr(Machine, f"{name}_{copy}", getattr(Machine, name))
