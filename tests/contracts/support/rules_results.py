"""Random play of the committee: reporters honest and lying, the guardian, and who finalizes."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contracts.support.desk import Round
from tests.contracts.support.polls import Draw, balls_for
from tests.contracts.support.rules import counted, pick, picks, rarely, seldom
from tests.contracts.support.rules_rounds import RoundRules

LIES = 4
orders = st.permutations(range(5))


class ResultRules(RoundRules):
    """Votes, proposals, vetoes and results."""

    def drawn(self, one: Round, order: list[int], lie: int = 0) -> Draw:
        """The truth, or one of a few lies, two of which give another number."""
        special = (8, 10, 7, 26, 25)[lie]
        number = self.truth[one.id] + (0, 0, 50, 0, 50)[lie]
        if lie == 3:
            number += 1
        whites, special = balls_for(number % 100, special)
        return self.play.draw(one, (tuple(whites[place] for place in order), special))

    def reportable(self) -> list[Round]:
        """From the lock on, lest time leap over the betting. Some will be void all the same."""
        return [
            one
            for one in self.fated(0, 1, 2, 3, 4, 6)
            if one.lock <= self.play.now <= self.committee.deadline(one)
            and not self.play.polls[one.id].proposed_at
        ]

    def undecided(self) -> list[tuple[Round, str]]:
        """Who has not voted for the truth."""
        return [
            (one, reporter)
            for one in self.reportable()
            for reporter in self.committee.reporters
            if not self.play.voted(one, reporter, self.drawn(one, [*range(5)]))
        ]

    def report(self, one: Round, reporter: str, draw: Draw, last: bool) -> None:
        self.play.wait_for(self.committee.deadline(one) if last else one.draw)
        self.play.report(one, reporter, draw)

    @precondition(lambda self: self.undecided())
    @rule(which=picks, order=orders, last=rarely)
    @counted
    def report_the_truth(self, which: int, order: list[int], last: bool) -> None:
        one, reporter = pick(which, self.undecided())
        self.report(one, reporter, self.drawn(one, order), last)

    @precondition(lambda self: self.undecided())
    @rule(which=picks, order=orders, last=rarely)
    @counted
    def agree(self, which: int, order: list[int], last: bool) -> None:
        """As many as it takes, one after the other."""
        one, _ = pick(which, self.undecided())
        deadline = self.committee.deadline(one)
        self.play.wait_for(deadline - 2 if last else one.draw)
        for reporter in self.committee.reporters:
            if not self.play.polls[one.id].proposed_at and self.play.now <= deadline:
                self.play.report(one, reporter, self.drawn(one, order))

    @precondition(lambda self: self.reportable())
    @rule(which=picks, who=picks, order=orders, lie=st.integers(1, LIES), last=rarely)
    @counted
    def report_a_lie(self, which: int, who: int, order: list[int], lie: int, last: bool) -> None:
        one = pick(which, self.reportable())
        reporter = pick(who, self.committee.reporters)
        self.report(one, reporter, self.drawn(one, order, lie), last)

    def voters(self) -> list[tuple[Round, str]]:
        return [
            (one, reporter)
            for one in self.reportable()
            for reporter in self.play.polls[one.id].votes
        ]

    @precondition(lambda self: self.voters())
    @rule(which=picks, order=orders, lie=st.integers(0, LIES))
    @counted
    def replace_a_vote(self, which: int, order: list[int], lie: int) -> None:
        one, reporter = pick(which, self.voters())
        self.report(one, reporter, self.drawn(one, order, lie), last=False)

    def disputable(self) -> list[Round]:
        polls = self.play.polls
        some = self.play.unfinished
        return [one for one in some if self.play.now < polls[one.id].finalizable_at]

    @precondition(lambda self: self.disputable())
    @rule(which=picks, last=seldom)
    @counted
    def veto(self, which: int, last: bool) -> None:
        one = pick(which, self.disputable())
        if last:
            self.play.wait_for(self.play.polls[one.id].finalizable_at - 1)
        self.play.veto(one)

    def proposed(self) -> list[Round]:
        polls = self.play.polls
        return [
            one
            for one in self.fated(0, 1, 2, 3, 4)
            if polls[one.id].proposed_at and self.play.now <= one.over
        ]

    @precondition(lambda self: self.proposed())
    @rule(which=picks)
    @counted
    def carry_result(self, which: int) -> None:
        """At once or, seldom, in the last second."""
        one = pick(which, self.proposed())
        last = which % 8 == 7
        self.play.wait_for(one.over if last else self.play.polls[one.id].finalizable_at)
        self.play.finalize(one)
