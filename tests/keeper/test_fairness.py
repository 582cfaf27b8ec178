"""How fair the winning number is: counted over every possible draw, exactly.

The whites come into the number only by their sum modulo 100, so the 5-subsets of 1..max are
counted by that sum with dynamic programming; the special ball is drawn independently.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from math import comb

import pytest

from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, winning_number
from keeper.domain.lines import Outcome, Prediction, opposite, outcome

Rule = Callable[[tuple[int, ...], int], int]
Judge = Callable[[Prediction, int], Outcome]

# As the table of the design heads its columns: the edge of the first over its opposite.
COLUMNS = (Prediction.EVEN, Prediction.LOW, Prediction.EVEN_LOW, Prediction.EVEN_HIGH)


@cache
def subsets_by_sum(white_max: int, k: int) -> tuple[int, ...]:
    """How many k-subsets of 1..white_max have each sum modulo 100."""
    counts = [[0] * 100 for _ in range(k + 1)]
    counts[0][0] = 1
    for ball in range(1, white_max + 1):
        for size in range(k, 0, -1):  # downwards: each ball once
            for total in range(100):
                counts[size][(total + ball) % 100] += counts[size - 1][total]
    return tuple(counts[k])


def numbers(white_max: int, special_max: int, rule: Rule, k: int = 5) -> list[Fraction]:
    """The probability of each winning number."""
    chance = [Fraction(0)] * 100
    of_all = comb(white_max, k) * special_max
    for total, count in enumerate(subsets_by_sum(white_max, k)):
        for special in range(1, special_max + 1):
            chance[rule((total,), special)] += Fraction(count, of_all)
    assert sum(chance) == 1
    return chance


def edges(chance: list[Fraction], judge: Judge) -> list[Fraction]:
    """P(A) - P(B) of each column's pair, in percent of the stake."""

    def wins(p: Prediction) -> Fraction:
        won = (c for n, c in enumerate(chance) if judge(p, n) is Outcome.WON)
        return sum(won, Fraction(0))

    return [100 * (wins(p) - wins(opposite(p))) for p in COLUMNS]


def plain_sum(whites: tuple[int, ...], special: int) -> int:
    return sum(whites) % 100


def above_50(p: Prediction, n: int) -> Outcome:
    """The same predictions, but HIGH means n > 50."""
    return outcome(p, 48 if n == 50 else n)  # 50 becomes an even low number, all else stays


@pytest.mark.parametrize(
    ("balls", "rule", "judge", "table"),
    [
        ((69, 26), winning_number, outcome, ("-0.0050", "0.0000", "-0.0025", "-0.0025")),
        ((70, 24), winning_number, outcome, ("0.0000", "0.0000", "0.0000", "0.0000")),
        ((69, 26), plain_sum, outcome, ("-0.0050", "-1.4605", "-0.7327", "0.7277")),
        ((69, 26), winning_number, above_50, ("-0.0050", "2.0015", "0.9983", "-1.0033")),
    ],
    ids=["powerball", "mega-millions", "plain sum", "high above 50"],
)
def test_the_table_of_exact_edges(
    balls: tuple[int, int], rule: Rule, judge: Judge, table: tuple[str, ...]
) -> None:
    found = edges(numbers(*balls, rule), judge)
    assert [f"{float(round(edge, 4)):.4f}" for edge in found] == list(table)


def test_zero_is_exactly_zero() -> None:
    assert edges(numbers(70, 24, winning_number), outcome) == [0, 0, 0, 0]
    assert edges(numbers(69, 26, winning_number), outcome)[1] == 0


def test_with_25_mega_balls_low_gains() -> None:
    low = edges(numbers(70, 25, winning_number), outcome)[1]
    assert float(round(low, 3)) == 0.048


def test_the_games_have_the_matrices_that_were_counted() -> None:
    assert (POWERBALL.white_max, POWERBALL.special_max) == (69, 26)
    assert (MEGA_MILLIONS.white_max, MEGA_MILLIONS.special_max) == (70, 24)


@pytest.mark.parametrize(("white_max", "special_max", "k"), [(12, 4, 5), (9, 3, 3), (40, 2, 2)])
def test_counting_agrees_with_trying_every_draw(white_max: int, special_max: int, k: int) -> None:
    chance = numbers(white_max, special_max, winning_number, k)
    tried = [0] * 100
    draws = product(combinations(range(1, white_max + 1), k), range(1, special_max + 1))
    for whites, special in draws:
        tried[winning_number(whites, special)] += 1
    assert chance == [Fraction(count, sum(tried)) for count in tried]


def test_every_number_can_be_drawn() -> None:
    for white_max, special_max in ((69, 26), (70, 24)):
        chance = numbers(white_max, special_max, winning_number)
        assert min(chance) > Fraction(99, 10_000)
        assert max(chance) < Fraction(101, 10_000)
