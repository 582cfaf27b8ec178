"""Random play of those who are to be paid, and of those who pay them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from keeper.domain.lines import RoundStatus
from tests.contracts.support.rules import (
    CANCELLED,
    FINALIZED,
    LOCKED,
    Base,
    counted,
    pick,
    picks,
    users,
)


class MoneyRules(Base):
    """Claims, refunds, batches, settling, fees."""

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

    def finished(self) -> list[int]:
        return [one.id for one in self.play.having(FINALIZED, CANCELLED)]

    @precondition(lambda self: self.play.due(FINALIZED, CANCELLED))
    @rule(which=picks, some=st.lists(picks, max_size=4))
    @counted
    def claim_batch_to_oneself(self, which: int, some: list[int]) -> None:
        """With repeated ids, and rounds of which nothing is due."""
        one, user = pick(which, self.play.due(FINALIZED, CANCELLED))
        ids = [pick(number, self.finished()) for number in some]
        self.play.batch([*ids, one.id, *ids], user, user)

    @precondition(lambda self: self.play.due(FINALIZED, CANCELLED))
    @rule(which=picks, whom=picks, all_=st.booleans())
    @counted
    def claim_batch_to_another(self, which: int, whom: int, all_: bool) -> None:
        one, user = pick(which, self.play.due(FINALIZED, CANCELLED))
        people = self.desk.people
        others = [*self.play.users, people.stranger, people.fee_recipient]
        others.remove(user)
        self.play.batch(self.finished() if all_ else [one.id], user, pick(whom, others))

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
