"""Random play: every step that the contracts allow or refuse now, as rules for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contracts.support.desk import Round
from tests.contracts.support.forbidden import FORBIDDEN, forbidden, forbidden_by_time
from tests.contracts.support.rules import RULES, counted, pick, picks
from tests.contracts.support.rules_bets import BetRules
from tests.contracts.support.rules_money import MoneyRules
from tests.contracts.support.rules_results import ResultRules

MOST_REFUSED = 12  # in one step
AHEAD = 10  # as games end after any step


class Machine(ResultRules, BetRules, MoneyRules):
    """Everybody, each doing what may be done now; and, as often, what may not."""

    @rule(data=st.data())
    def a_rare_step(self, data: st.DataObject) -> None:
        """Of all that is possible now, what was done least in this game: so nothing starves."""
        possible = {
            one.function.__name__: one
            for one in self._rules_strategy.rules
            if one.function.__name__ in RULES and all(holds(self) for holds in one.preconditions)
        }
        fewest = min(self.done[name] for name in possible)
        rare = [name for name in possible if self.done[name] == fewest]
        chosen = possible[data.draw(st.sampled_from(rare), label="step")]
        drawn = {
            name: data.draw(strategy, label=name) for name, strategy in chosen.arguments.items()
        }
        chosen.function(self, **drawn)

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

# A third of all steps at least are rare ones, and what needs a proposal does not wait for long.
COPIES = {"a_rare_step": len(RULES) // 2, "veto": 4, "carry_result": 2, "withdraw_fees": 3}
for name, copies in COPIES.items():
    for copy in range(copies):
        setattr(Machine, f"{name}_{copy}", getattr(Machine, name))
