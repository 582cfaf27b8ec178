"""Random play of operator, guardian, admin and time."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.contracts.support.desk import LOCK_LEAD, POL, Round
from tests.contracts.support.play import Attempt
from tests.contracts.support.rules import (
    FINALIZED,
    LOCKED,
    MAX_BET,
    MIN_BET,
    OPEN,
    Base,
    bets,
    counted,
    numbers,
    pick,
    picks,
    seldom,
)

MOST_UNFINISHED = 3
LIMITS = [(MIN_BET, MAX_BET), (POL // 100, MAX_BET), (MIN_BET, 2 * MIN_BET), (POL, 100 * POL)]


class RoundRules(Base):
    """Opening, locking, cancelling, voiding; settings and pauses.

    Attributes:
        truth: what each round's draw will be, if it takes place.
    """

    def free_draws(self) -> list[int]:
        standing = {one.draw for one in self.play.having(OPEN, LOCKED, FINALIZED)}
        draws = self.desk.draws(4, after=self.play.now)
        return [draw for draw in draws if draw not in standing]

    @initialize(fate=picks, draw=picks, number=numbers, bets=st.lists(bets, min_size=4, max_size=8))
    def begin(self, fate: int, draw: int, number: int, bets: list[tuple[int, int, int]]) -> None:
        self.fate = fate
        self.truth: dict[int, int] = {}
        self.forcings = self.limitings = 0
        self.open_round(draw, number, bets)

    def open_round(self, draw: int, number: int, bets: list[tuple[int, int, int]]) -> None:
        one = self.play.create(pick(draw, self.free_draws()))
        self.truth[one.id] = number
        self.place_all(one, bets)

    def fated(self, *fates: int) -> list[Round]:
        """The unfinished rounds with one of these fates, of eight, so that each end is common."""
        return [one for one in self.play.unfinished if (one.id + self.fate) % 8 in fates]

    @precondition(lambda self: len(self.play.unfinished) < MOST_UNFINISHED)
    @rule(draw=picks, number=numbers, bets=st.lists(bets, max_size=5))
    @counted
    def create_round(self, draw: int, number: int, bets: list[tuple[int, int, int]]) -> None:
        self.open_round(draw, number, bets)

    def boundaries(self) -> list[tuple[Round, int]]:
        """The first seconds of something new in each round, in order."""
        found = []
        for one in self.play.unfinished:
            poll = self.play.polls[one.id]
            times = [one.lock, one.draw, self.committee.deadline(one) + 1, one.over + 1]
            found += [(time, one.id) for time in (*times, poll.finalizable_at)]
        return [(self.play.rounds[id_], time) for time, id_ in sorted(found)]

    @rule(which=picks, off=st.sampled_from([-2, -1, 0]))
    @counted
    def jump(self, which: int, off: int) -> None:
        """So that the next transaction comes just before, at or after some boundary."""
        times = [time + off for _, time in self.boundaries() if time + off >= self.play.now]
        self.play.jump(pick(which, times[:2] or [self.play.now + LOCK_LEAD]))

    def unannounced(self) -> list[Round]:
        return [one for one in self.play.having(LOCKED) if one.id not in self.play.announced]

    @precondition(lambda self: self.unannounced())
    @rule(which=picks)
    @counted
    def lock_round(self, which: int) -> None:
        self.play.lock(pick(which, self.unannounced()))

    def before(self, fates: tuple[int, ...], deadline: str) -> list[Round]:
        return [one for one in self.fated(*fates) if self.play.now < getattr(one, deadline)]

    @precondition(lambda self: self.before((4, 5), "lock"))
    @rule(which=picks, last=seldom)
    @counted
    def cancel_as_operator(self, which: int, last: bool) -> None:
        one = pick(which, self.before((4, 5), "lock"))
        if last:
            self.play.wait_for(one.lock - 1)
        self.play.cancel(one, "cancelRound", self.desk.people.operator)

    @precondition(lambda self: self.before((5, 6), "draw"))
    @rule(which=picks, last=seldom)
    @counted
    def cancel_as_guardian(self, which: int, last: bool) -> None:
        one = pick(which, self.before((5, 6), "draw"))
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
        """Whatever the committee has voted or proposed."""
        one = pick(which, self.voidable())
        self.play.wait_for(one.over + 1)
        self.play.cancel(one, "voidRound", self.desk.people.stranger)

    # ---- settings: seldom, each for a round or more

    def last_fee(self) -> int:
        return self.play.books[max(self.play.books)].fee_bps

    @precondition(lambda self: self.play.fee_bps == self.last_fee())
    @rule(bps=st.sampled_from([500, 200, 199, 33, 1, 0]))
    @counted
    def set_fee(self, bps: int) -> None:
        self.play.set_fee(bps)

    @precondition(lambda self: self.limitings < len(self.play.rounds))
    @rule(which=picks)
    @counted
    def set_limits(self, which: int) -> None:
        """Wide ones every other time."""
        self.limitings += 1
        wide = self.play.limits == LIMITS[0]
        self.play.set_limits(*(pick(which, LIMITS[1:]) if wide else LIMITS[0]))

    @precondition(lambda self: self.play.having(OPEN))
    @rule(which=picks)
    @counted
    def pause_a_while(self, which: int) -> None:
        """No round and no bet, nor a quote; but what is unmatched can be taken back."""
        play, people = self.play, self.desk.people
        one, user = pick(which, play.having(OPEN)), pick(which, play.users)
        least, _ = play.limits
        play.pause()
        stopped = ("EnforcedPause",)
        play.refuse(Attempt(stopped, "createRound", (play.now,), people.operator))
        play.refuse(Attempt(stopped, "placeBet", (one.id, 0), user, least))
        play.refuse(Attempt(stopped, "placeMatchedBet", (one.id, 0, 0), user, least))
        tails = [loose[:2] for loose in play.loose(one) if loose[3]]
        if tails and play.now < one.lock:
            play.take_back(one, *pick(which, tails))
        play.unpause()

    @precondition(lambda self: self.forcings < len(self.play.rounds))
    @rule(amount=st.integers(1, POL))
    @counted
    def force_ether(self, amount: int) -> None:
        self.forcings += 1
        self.play.force(self.forcer, amount)
