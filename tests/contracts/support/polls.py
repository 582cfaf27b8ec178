"""How a committee comes to a result: the oracle's rules in plain Python, as its model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from keeper.domain.draw import winning_number

Draw = tuple[int, tuple[int, ...], int]  # date in days since 1970-01-01, whites, special


def ascending(draw: Draw) -> Draw:
    """As votes are kept and compared."""
    date, whites, special = draw
    return date, tuple(sorted(whites)), special


def number_of(draw: Draw) -> int:
    _, whites, special = draw
    return winning_number(whites, special)


def balls_for(number: int, special: int) -> tuple[tuple[int, ...], int]:
    """Whites that make this winning number with this special ball: some 100 to 249 in sum."""
    rest = 100 + (number - 50 * (special % 2)) % 100 - 15
    whites = [1, 2, 3, 4, 5]
    for place in reversed(range(5)):
        more = min(rest, 64)
        whites[place] += more
        rest -= more
    return tuple(whites), special


@dataclass(slots=True)
class Poll:
    """One round's ballots.

    Attributes:
        ballot: the standing one, counted from 1.
        votes: by reporter, of the standing ballot.
        number: the winning number of the standing proposal.
        proposed_at: 0 as long as none stands.
    """

    quorum: int
    window: int
    ballot: int = 1
    votes: dict[str, Draw] = field(default_factory=dict)
    number: int = 0
    proposed_at: int = 0

    @property
    def finalizable_at(self) -> int:
        """From when on anyone may finalize; 0 as long as no proposal stands."""
        return self.proposed_at and self.proposed_at + self.window

    def report(self, reporter: str, draw: Draw, at: int) -> bool:
        """A vote, replacing an earlier one; whether a proposal stands now."""
        assert not self.proposed_at
        self.votes[reporter] = ascending(draw)
        ((_, votes),) = Counter(self.votes.values()).most_common(1)
        if votes >= self.quorum:
            self.number, self.proposed_at = number_of(draw), at
        return bool(self.proposed_at)

    def veto(self) -> None:
        """All votes are void."""
        assert self.proposed_at
        self.votes.clear()
        self.ballot += 1
        self.number = self.proposed_at = 0
