"""Two of three."""

import datetime as dt
from itertools import permutations, product

import pytest

from keeper.domain.consensus import (
    Agreed,
    Answer,
    Disagreement,
    Drawn,
    Failed,
    Failure,
    Pending,
    Waiting,
    decide,
)
from keeper.domain.draw import Draw

DAY = dt.date(2026, 8, 18)
RIGHT = Draw(DAY, (5, 19, 30, 38, 59), 12)
WRONG = Draw(DAY, (5, 19, 30, 38, 59), 13)
OTHER = Draw(DAY, (5, 19, 30, 38, 58), 12)
NAMES = ("megamillions", "texas", "california")


def said(name: str, what: Draw | str) -> Answer:
    if isinstance(what, Draw):
        return Drawn(name, what)
    return Pending(name, what) if what == "pending" else Failed(name, Failure.TIMEOUT, what)


def test_all_agree() -> None:
    verdict = decide([said(n, RIGHT) for n in NAMES])
    assert verdict == Agreed(RIGHT, NAMES, ())


def test_one_lies() -> None:
    verdict = decide([said("megamillions", RIGHT), said("texas", WRONG), said("california", RIGHT)])
    assert verdict == Agreed(RIGHT, ("megamillions", "california"), ("texas",))


@pytest.mark.parametrize("missing", ["pending", "down"])
def test_a_missing_source_is_no_dissenter(missing: str) -> None:
    answers = [said("ny", missing), said("texas", RIGHT), said("california", RIGHT)]
    assert decide(answers) == Agreed(RIGHT, ("texas", "california"), ())


def test_one_answer_is_not_enough() -> None:
    down, late = said("ny", "down"), said("california", "pending")
    assert decide([down, said("texas", RIGHT), late]) == Waiting((down, late))
    assert decide([said("texas", RIGHT)]) == Waiting(())
    assert decide([]) == Waiting(())


def test_two_that_differ_disagree_with_or_without_a_third() -> None:
    two = (Drawn("ny", RIGHT), Drawn("texas", WRONG))
    assert decide(two) == Disagreement(two)
    assert decide([*two, said("california", "pending")]) == Disagreement(two)
    third = Drawn("california", OTHER)
    assert decide([*two, third]) == Disagreement((*two, third))


def test_whites_count_as_a_set() -> None:
    turned = Draw(DAY, (59, 38, 30, 19, 5), 12)
    assert decide([said("ny", RIGHT), said("texas", turned)]) == Agreed(RIGHT, ("ny", "texas"), ())


def test_another_date_is_another_draw() -> None:
    before = Draw(DAY - dt.timedelta(days=4), RIGHT.whites, RIGHT.special)
    assert isinstance(decide([said("ny", RIGHT), said("texas", before)]), Disagreement)


def test_no_publisher_votes_twice() -> None:
    with pytest.raises(ValueError, match="one vote a source"):
        decide([said("texas", WRONG), said("texas", WRONG), said("california", RIGHT)])


def test_never_more_than_three_votes() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        decide([said(name, RIGHT) for name in (*NAMES, "massachusetts")])


def test_the_verdict_does_not_depend_on_the_order() -> None:
    kinds: list[Draw | str] = [RIGHT, WRONG, OTHER, "pending", "down"]
    for whats in product(kinds, repeat=3):
        verdicts = set()
        for order in permutations(range(3)):
            verdict = decide([said(NAMES[i], whats[i]) for i in order])
            draw = verdict.draw if isinstance(verdict, Agreed) else None
            verdicts.add((type(verdict), draw))
        assert len(verdicts) == 1
        equal = [w for w in whats if isinstance(w, Draw) and whats.count(w) >= 2]
        (found, draw) = verdicts.pop()
        assert (found is Agreed) == bool(equal)
        assert draw == (equal[0] if equal else None)
