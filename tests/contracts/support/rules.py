"""What rules of random play are made of: choices, the common state, and effects that count."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from demo.rules import MAX_BETS
from keeper.domain.lines import RoundStatus
from tests.contracts.support.closing import close
from tests.contracts.support.committee import Committee
from tests.contracts.support.desk import POL, Desk, Round
from tests.contracts.support.play import LINE_MAX, Play

T = TypeVar("T")

OPEN, LOCKED = RoundStatus.OPEN, RoundStatus.LOCKED
FINALIZED, CANCELLED = RoundStatus.FINALIZED, RoundStatus.CANCELLED

MIN_BET, MAX_BET = 10**9, LINE_MAX
USERS = 4
WEALTH = 2**110
RULES: list[str] = []  # by name

# Any number: one of however many there are to choose from.
picks = st.integers(0, 239)
# The borders of LOW and HIGH half of the time, any other number else.
numbers = st.sampled_from([0, 49, 50, 99]) | st.integers(0, 99)
users = st.integers(0, USERS - 1)
sides = st.sampled_from([0, 1, 0, 1, 2, 3, 4, 5, 6, 7])
seldom = st.sampled_from([False, False, False, True])
rarely = st.sampled_from([False] * 7 + [True])  # for leaps of days
stakes = st.one_of(st.integers(MIN_BET, 20 * POL), st.sampled_from([0, 1, MIN_BET + 1, POL]))
bets = st.tuples(picks, sides, stakes)


def pick(number: int, candidates: Sequence[T]) -> T:
    return candidates[number % len(candidates)]


def counted(step: Callable[..., None]) -> Callable[..., None]:
    """A rule that counts when it took effect, and tells when it broke."""
    RULES.append(step.__name__)

    @functools.wraps(step)
    def run(self: Base, **drawn: Any) -> None:
        self.broken = True
        step(self, **drawn)
        self.effects[step.__name__] += 1
        self.done[step.__name__] += 1
        self.broken = False

    return run


class _EveryRule:
    """Hypothesis would leave about half of the rules out of each game, and the rare ones starve."""

    def is_enabled(self, name: str) -> bool:
        return True


class Base(RuleBasedStateMachine):
    """A game from its beginning, the same each time, to its end, when everybody is paid."""

    committee: ClassVar[Committee]
    forcer: ClassVar[str]
    effects: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._rules_strategy.enabled_rules_strategy = st.just(_EveryRule())
        self.broken = True
        self.desk: Desk = self.committee.desk
        self.snapshot = self.desk.node.snapshot()
        self.done: Counter[str] = Counter()  # in this game
        self.play = Play(self.committee, self.desk.people.bettors[:USERS])
        self.broken = False

    def teardown(self) -> None:
        try:
            if not self.broken:
                self.effects.update(self.play.counts)
                close(self.play)
        finally:
            self.desk.node.restore(self.snapshot)

    @invariant()
    def agrees(self) -> None:
        self.broken = True
        self.play.check()
        self.effects["steps"] += 1
        self.broken = False

    # ---- what several kinds of rules look at

    def room(self, one: Round) -> list[str]:
        """Who may still bet in it."""
        if self.play.books[one.id].status is not OPEN:
            return []
        book = self.play.books[one.id]
        return [user for user in self.play.users if len(book.bets_of(user)) < MAX_BETS]

    def bettable(self) -> list[Round]:
        return [one for one in self.play.having(OPEN) if self.room(one)]

    def place_all(self, one: Round, bets: list[tuple[int, int, int]]) -> None:
        """As far as limits and lines allow; an empty block if they allow none."""
        before = self.play.counts["allowed"]
        for who, side, stake in bets:
            least, most = self.play.limits
            most = min(most, self.play.space(one, side))
            if (room := self.room(one)) and least <= most:
                self.play.bet(one, pick(who, room), side, min(max(stake, least), most))
        if self.play.counts["allowed"] == before:
            self.play.jump(self.play.now)
