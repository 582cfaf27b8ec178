"""Random play of bettors, among them those at the ends of what a line can hold."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from demo.rules import MAX_BETS
from keeper.domain.lines import Prediction
from tests.contracts.support.desk import POL, Round
from tests.contracts.support.play import LINE_MAX, Attempt
from tests.contracts.support.rules import (
    MIN_BET,
    OPEN,
    Base,
    bets,
    counted,
    pick,
    picks,
    seldom,
    sides,
    stakes,
)

HUGE = LINE_MAX // 4


class BetRules(Base):
    """Bets of all sizes, matched ones, and what is taken back."""

    @precondition(lambda self: self.bettable())
    @rule(which=picks, bets=st.lists(bets, min_size=1, max_size=3), last=seldom)
    @counted
    def place_bets(self, which: int, bets: list[tuple[int, int, int]], last: bool) -> None:
        one = pick(which, self.bettable())
        if last:
            self.play.wait_for(one.lock - 1)
        self.place_all(one, bets)

    def waiting(self, least: int = 1) -> list[tuple[Round, int]]:
        """Predictions whose opposite line is longer, by so much."""
        return [
            (one, side)
            for one in self.bettable()
            for side in Prediction
            if self.play.gap(one, side) >= least
        ]

    @precondition(lambda self: self.waiting())
    @rule(which=picks, who=picks, off=st.sampled_from([-1, 0, 1]))
    @counted
    def bet_against(self, which: int, who: int, off: int) -> None:
        """Just under, exactly or just over what waits on the opposite line."""
        one, side = pick(which, self.waiting())
        self.place_all(one, [(who, side, self.play.gap(one, side) + off)])

    def long_or_empty(self) -> list[tuple[Round, int]]:
        """Lines that can be filled: the first of a round, and those that nearly are."""
        found = []
        _, most = self.play.limits
        for one in self.bettable() if most == LINE_MAX else ():
            lines = [LINE_MAX - self.play.space(one, side) for side in Prediction]
            found += [
                (one, side)
                for side in Prediction
                if lines[side] > HUGE or (max(lines) < HUGE and one.id % 2)
            ]
        return found

    @precondition(lambda self: self.long_or_empty())
    @rule(
        which=picks,
        who=picks,
        rest=st.sampled_from([0, 1, MIN_BET - 1, MIN_BET, MIN_BET + 1, 2 * MIN_BET, POL]),
    )
    @counted
    def fill_line(self, which: int, who: int, rest: int) -> None:
        """To the last wei that it can hold, or short of it by little."""
        one, side = pick(which, self.long_or_empty())
        self.place_all(one, [(who, side, self.play.space(one, side) - rest)])

    @precondition(lambda self: self.waiting(self.play.limits[0]))
    @rule(which=picks, who=picks, less=st.sampled_from([0, 0, 1, POL]), exact=st.booleans())
    @counted
    def bet_matched(self, which: int, who: int, less: int, exact: bool) -> None:
        """All that waits, or less; with or without a bound of one's own."""
        least, most = self.play.limits
        one, side = pick(which, self.waiting(least))
        value = max(least, min(self.play.gap(one, side), most) - less)
        user = pick(who, self.room(one))
        self.play.bet_matched(one, user, side, value, value if exact else 0)

    def surpassable(self) -> list[tuple[Round, int]]:
        least, most = self.play.limits
        some = self.waiting(least)
        return [(one, side) for one, side in some if self.play.gap(one, side) < most]

    @precondition(lambda self: self.surpassable())
    @rule(which=picks, who=picks, more=st.sampled_from([1, POL, LINE_MAX]), last=seldom)
    @counted
    def bet_matched_with_a_rest(self, which: int, who: int, more: int, last: bool) -> None:
        _, most = self.play.limits
        one, side = pick(which, self.surpassable())
        gap = self.play.gap(one, side)
        user = pick(who, self.room(one))
        if last:
            self.play.wait_for(one.lock - 1)
        self.play.bet_matched(one, user, side, min(gap + more, most), gap)

    def tails(self, *, whole: bool) -> list[tuple[Round, str, int]]:
        """What can be taken back, all of a bet or what is left of it."""
        return [
            (one, user, index)
            for one in self.play.having(OPEN)
            for user, index, matched, at_tail in self.play.loose(one)
            if at_tail and whole != bool(matched)
        ]

    @precondition(lambda self: self.tails(whole=True))
    @rule(which=picks, last=seldom)
    @counted
    def take_back_a_whole_bet(self, which: int, last: bool) -> None:
        one, user, index = pick(which, self.tails(whole=True))
        if last:
            self.play.wait_for(one.lock - 1)
        self.play.take_back(one, user, index)

    @precondition(lambda self: self.tails(whole=False))
    @rule(which=picks, last=seldom)
    @counted
    def take_back_what_is_unmatched(self, which: int, last: bool) -> None:
        one, user, index = pick(which, self.tails(whole=False))
        if last:
            self.play.wait_for(one.lock - 1)
        self.play.take_back(one, user, index)

    @precondition(lambda self: self.bettable())
    @rule(which=picks, who=picks, side=sides, stake=stakes)
    @counted
    def refuse_a_seventeenth_bet(self, which: int, who: int, side: int, stake: int) -> None:
        """After sixteen of one user, in one go, so that nobody is too late for the last."""
        one = pick(which, self.bettable())
        user = pick(who, self.room(one))
        least, most = self.play.limits
        stake = min(max(stake, least), most)
        while user in self.room(one):
            side = (side + 5) % 8
            if self.play.space(one, side) >= 2 * stake:
                self.play.bet(one, user, side, stake)
        if self.play.books[one.id].status is OPEN:
            error = ("TooManyBets", one.id, user, MAX_BETS)
            self.play.refuse(Attempt(error, "placeBet", (one.id, side), user, stake))
