"""Random rounds of the model against laying out every wei by hand."""

import random
from fractions import Fraction

from demo.rules import StrictBook
from keeper.domain.lines import (
    Outcome,
    Prediction,
    opposite,
    outcome,
)

E = 10**18
EVEN, ODD, HIGH, LOW, EVEN_LOW, ODD_HIGH, EVEN_HIGH, ODD_LOW = Prediction


def by_hand(bets: list[tuple[int, Prediction, int]], n: int, bps: int) -> tuple[list[int], int]:
    """Payouts and fees by laying the stakes out wei by wei."""
    lines: dict[Prediction, list[int]] = {p: [] for p in Prediction}
    for index, (_, p, amount) in enumerate(bets):
        lines[p] += [index] * amount
    pays = [0] * len(bets)
    fees = 0
    for p, line in lines.items():
        other = lines[opposite(p)]
        for position, owner in enumerate(line):
            if position >= len(other) or outcome(p, n) is Outcome.PUSH:
                pays[owner] += 1
            elif outcome(p, n) is Outcome.WON:
                # The fee falls due at each wei where the exact fee reaches a whole number.
                fee = int(Fraction((position + 1) * bps, 10_000)) - int(
                    Fraction(position * bps, 10_000)
                )
                pays[owner] += 2 - fee
                fees += fee
    return pays, fees


def test_random_rounds_agree_with_laying_out_every_wei() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(200):
        bps = rng.choice([0, 1, 200, 333, 500])
        book, bets, growth = StrictBook(bps), [], dict[tuple[int, int], int]()
        for _ in range(rng.randrange(40)):
            bet = (rng.randrange(6), Prediction(rng.randrange(8)), rng.randrange(1, 120))
            if len(book.bets_of(str(bet[0]))) == 16:
                continue
            assert book.place(str(bet[0]), bet[1], bet[2]) == book.matched_of(
                book.bets_of(str(bet[0]))[-1]
            )
            bets.append(bet)
            for user in range(6):
                for index, placed in enumerate(book.bets_of(str(user))):
                    m = book.matched_of(placed)
                    assert m >= growth.get((user, index), 0)
                    growth[user, index] = m
        for p in Prediction:
            sides = [book.matched_of(b) for u in book.users for b in book.bets_of(u)
                     if b.prediction is p]  # fmt: skip
            assert sum(sides) == book.matched_total(p) == book.matched_total(opposite(p))
        book.lock()
        early = [book.pay(str(u))[1] if rng.random() < 0.5 and any(book.claimable(str(u))) else 0
                 for u in range(6)]  # fmt: skip
        n = rng.randrange(100)
        book.finalize(n)
        pays, fees = by_hand(bets, n, bps)
        for user in range(6):
            total = sum(pay for pay, bet in zip(pays, bets, strict=True) if bet[0] == user)
            assert early[user] + sum(book.claimable(str(user))) == total
            if any(book.claimable(str(user))):
                book.pay(str(user))
        assert book.fees() == fees
        assert book.paid + book.fees() == book.staked
