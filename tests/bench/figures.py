"""What is made of what was measured: percentiles, medians, ratios, verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import Self


def percentile(values: Iterable[float], share: int) -> float:
    """The least of the values that at least `share` of a hundred of them do not exceed."""
    ranked = sorted(values)
    return ranked[math.ceil(len(ranked) * share / 100) - 1]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a server took to tell everybody.

    Attributes:
        p50, p99: milliseconds from sending a message to the last client having it.
        rested: the p50 of messages before each of which there was a pause.
        cpu: microseconds of the server's processor a delivery.
        memory: KiB a connection, before anything is told and without garbage.
        client: microseconds of the load client's processor a delivery.
    """

    p50: float
    p99: float
    rested: float
    cpu: float
    memory: float
    client: float

    @classmethod
    def middle(cls, rounds: Sequence[Self]) -> Self:
        """Of each figure the median."""
        return cls(*(median(getattr(r, f.name) for r in rounds) for f in fields(cls)))

    def over(self, other: Self) -> Self:
        """Each figure as a multiple of another server's."""
        return type(self)(
            *(getattr(self, f.name) / (getattr(other, f.name) or math.nan) for f in fields(self))
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a figure is at most what it may be."""

    what: str
    value: float
    limit: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.limit  # what is not a number does not hold

    def __str__(self) -> str:
        word = "holds" if self.holds else "FAILS"
        return (
            f"{word}  {self.what}: {self.value:.3g}{self.unit}, at most {self.limit:g}{self.unit}"
        )
