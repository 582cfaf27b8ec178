"""Random play: every step that the contracts allow or refuse now, as rules for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contracts.support.desk import Round
from tests.contracts.support.forbidden import FORBIDDEN, forbidden, forbidden_by_time
from tests.contracts.support.rules import counted, pick, picks
from tests.contracts.support.rules_bets import BetRules
from tests.contracts.support.rules_money import MoneyRules
from tests.contracts.support.rules_results import ResultRules

MOST_REFUSED = 12  # in one step
AHEAD = 10  # as games end after any step


class Machine(ResultRules, BetRules, MoneyRules):
    """Everybody, each doing what may be done now; and, as often, what may not."""

    def upcoming(self) -> list[tuple[Round, int]]:
        """The nearest boundaries that the next transaction can come just before."""
        return [(one, time) for one, time in self.boundaries() if time > self.play.now][:2]

    @precondition(lambda self: self.upcoming())
    @rule(which=picks, early=st.booleans(), first=picks)
    @counted
    def refuse_on_the_second(self, which: int, early: bool, first: int) -> None:
        """In the last second before a boundary, or in the first behind it, what is untimely."""
        one, time = pick(which, self.upcoming())
        self.play.wait_for(time - 1 if early else time)
        if attempts := forbidden_by_time(self.play, one.id):
            self.play.refuse(pick(first, attempts))
        else:
            self.play.lock(one) if one in self.unannounced() else self.play.jump(self.play.now)


def refusing(subject: str) -> Any:
    """A rule: something on this subject, that is forbidden now, is refused.

    And more of it, until what is forbidden has been tried as often as what is allowed.
    """

    def refuse(self: Machine, which: int) -> None:
        for more in range(MOST_REFUSED):
            counts, attempts = self.play.counts, forbidden(self.play, subject)
            if not attempts or (more and counts["refused"] >= counts["allowed"] + AHEAD):
                break
            self.play.refuse(pick(which + 7 * more, attempts))

    refuse.__name__ = f"refuse_{subject}"
    possible = precondition(lambda self: forbidden(self.play, subject))
    return possible(rule(which=picks)(counted(refuse)))


for subject in FORBIDDEN:
    setattr(Machine, f"refuse_{subject}", refusing(subject))

# What is seldom possible is likelier when it is.
WEIGHTS = {
    "create_round": 4,
    "lock_round": 4,
    "report_the_truth": 5,
    "report_a_lie": 2,
    "replace_a_vote": 2,
    "veto": 8,
    "carry_result": 5,
    "cancel_as_operator": 3,
    "cancel_as_guardian": 3,
    "void_round": 2,
    "bet_against": 2,
    "fill_line": 2,
    "bet_matched": 2,
    "bet_matched_with_a_rest": 2,
    "take_back_a_whole_bet": 2,
    "take_back_what_is_unmatched": 3,
    "refuse_full_lines": 3,
    "refuse_wrong_takings": 3,
    "refuse_wrong_bets": 2,
    "claim_refund_of_the_unmatched": 4,
    "claim_winnings": 4,
    "claim_batch_to_another": 2,
    "withdraw_fees": 6,
}
for name, weight in WEIGHTS.items():
    for copy in range(1, weight):
        setattr(Machine, f"{name}_{copy}", getattr(Machine, name))
