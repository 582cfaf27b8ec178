"""How stakes are matched and paid: the contract's rules in plain Python, exact to the wei.

The keeper rebuilds a round with it from the events, so what the contract refuses is not looked for.
A bet of `a` placed when its line's total is `o` owns `[o, o + a)` of the
line; with totals A and B, what lies below `min(A, B)` is matched. Amounts are integer wei.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import Any

BPS = 10_000


class Prediction(IntEnum):
    """What a bet says of the winning number, numbered as on chain."""

    EVEN = 0
    ODD = 1
    HIGH = 2  # n >= 50
    LOW = 3
    EVEN_LOW = 4
    ODD_HIGH = 5
    EVEN_HIGH = 6
    ODD_LOW = 7


class RoundStatus(IntEnum):
    """Where a round stands, numbered as on chain."""

    NONE = 0
    OPEN = 1
    LOCKED = 2
    FINALIZED = 3
    CANCELLED = 4


class Outcome(Enum):
    """What a winning number makes of a prediction."""

    WON = "won"
    LOST = "lost"
    PUSH = "push"  # neither side of the pair holds


class RuleBroken(ValueError):
    """The contract would refuse this; the message says why."""


def opposite(prediction: Prediction) -> Prediction:
    """The prediction on the other side of the pair."""
    return Prediction(prediction ^ 1)


def outcome(prediction: Prediction, n: int) -> Outcome:
    """WON when every word of the prediction's name is true of `n`, LOST when none is, else PUSH."""
    words = set(prediction.name.split("_"))
    true = words & {"ODD" if n % 2 else "EVEN", "HIGH" if n >= 50 else "LOW"}
    if true == words:
        return Outcome.WON
    return Outcome.PUSH if true else Outcome.LOST


def matched(offset: int, amount: int, total_a: int, total_b: int) -> int:
    """The matched part of a bet, given both lines' totals: clamp(min(A, B) - o, 0, a)."""
    return max(0, min(min(total_a, total_b) - offset, amount))


def fee_at(x: int, bps: int) -> int:
    """F(x) = floor(x * bps / 10,000): the fee on the first `x` wei of a pair's matched line.

    A winner's is `fee_of`, so the fees of a pair add up to exactly F(M).
    """
    return x * bps // BPS


def fee_of(offset: int, m: int, bps: int) -> int:
    """A winner's fee by its position on the line: F(o + m) - F(o)."""
    return fee_at(offset + m, bps) - fee_at(offset, bps)


@dataclass(frozen=True, slots=True)
class Bet:
    """One bet.

    Attributes:
        amount: the stake in wei; 0 when all of it was cancelled.
        offset: the line's total when the bet arrived, wei.
        placed_at: unix seconds UTC.
        index: among the user's bets in the round, from 0.
    """

    user: str
    prediction: Prediction
    amount: int
    offset: int
    placed_at: int
    index: int = 0

    @property
    def end(self) -> int:
        """Where on the line the next bet begins, wei."""
        return self.offset + self.amount

    def __deepcopy__(self, _: object) -> Bet:
        return self


class Book:
    """One round. Whoever holds it knows the time: `lock` is the passing of lockTime.

    Attributes:
        fee_bps: fixed for the round.
        status: OPEN, LOCKED, FINALIZED or CANCELLED.
        winning_number: None until finalized.
        paid: all that was paid to bettors from the lock on, wei.
    """

    def __init__(self, fee_bps: int) -> None:
        self.fee_bps = fee_bps
        self.status = RoundStatus.OPEN
        self.winning_number: int | None = None
        self.paid = 0
        self._lines = [0] * len(Prediction)
        self._counts = [0] * len(Prediction)
        self._bets: dict[str, list[Bet]] = {}
        self._standing: list[list[Bet]] = [[] for _ in Prediction]  # end to end, of each line
        self._paid: Counter[str] = Counter()  # wei to each user
        self._paid_early: Counter[str] = Counter()  # of that, before the round was finished

    # ---- steps

    def place(self, user: str, prediction: Prediction, amount: int, at: int = 0) -> int:
        """Takes a bet; what of it is matched at once, wei. O(1)."""
        self._require_open()
        bets = self._bets.setdefault(user, [])
        bet = Bet(user, prediction, amount, self._lines[prediction], at, len(bets))
        bets.append(bet)
        self._standing[prediction].append(bet)
        self._lines[prediction] += amount
        self._counts[prediction] += 1
        return self.matched_of(bet)

    def cancel_unmatched(self, user: str, index: int) -> int:
        """Takes out what is unmatched of a bet, the last of its line; how much, wei. O(1).

        A bet of which nothing is left stays in its place, and counts. Raises LookupError when
        there is no such bet.
        """
        self._require_open()
        bet = self._bets[user][index]
        kept = self.matched_of(bet)
        if kept == bet.amount or bet.end != self._lines[bet.prediction]:
            raise RuleBroken("the bet does not end its line unmatched")  # an event was left out
        left = self._bets[user][index] = replace(bet, amount=kept)
        self._standing[bet.prediction][-1:] = [left] if kept else []
        back = bet.amount - kept
        self._lines[bet.prediction] -= back
        return back

    def lock(self) -> None:
        """Betting is over: lockTime has come, whether or not anybody announced it."""
        self._become(RoundStatus.LOCKED)

    def finalize(self, n: int) -> None:
        """The winning number is known."""
        self._become(RoundStatus.FINALIZED)
        self.winning_number = n

    def cancel(self) -> None:
        """Cancelled, or void because no result came: all stakes go back."""
        self._become(RoundStatus.CANCELLED)

    def record_paid(self, user: str, amount: int) -> None:
        """Takes down a payment that was made, wei."""
        self._paid[user] += amount
        self.paid += amount

    # ---- what it shows

    @property
    def finished(self) -> bool:
        """Whether the round is finalized or cancelled."""
        return self.status in (RoundStatus.FINALIZED, RoundStatus.CANCELLED)

    @property
    def staked(self) -> int:
        """All stakes that stand, wei."""
        return sum(self._lines)

    @property
    def users(self) -> tuple[str, ...]:
        """Everybody who bet, in the order of their first bets."""
        return tuple(self._bets)

    def line_total(self, prediction: Prediction) -> int:
        """All stakes on one side of a pair, wei."""
        return self._lines[prediction]

    def bet_count(self, prediction: Prediction) -> int:
        """How many bets were placed on one side of a pair, cancelled ones too."""
        return self._counts[prediction]

    def matched_total(self, prediction: Prediction) -> int:
        """M of the prediction's pair: what is matched on each of its sides, wei."""
        return min(self._lines[prediction], self._lines[prediction ^ 1])

    @property
    def total_matched(self) -> int:
        """The sum of M over the four pairs, wei."""
        return sum(self.matched_total(p) for p in Prediction if not p & 1)

    def bets_of(self, user: str) -> tuple[Bet, ...]:
        """The user's bets in the order placed; none for a stranger."""
        return tuple(self._bets.get(user, ()))

    def matched_of(self, bet: Bet) -> int:
        """What of the bet is matched by now, wei."""
        side = bet.prediction
        return matched(bet.offset, bet.amount, self._lines[side], self._lines[side ^ 1])

    def bets_within(self, prediction: Prediction, low: int, high: int) -> list[Bet]:
        """The bets that own a part of [low, high) of a line, in its order. Bisects."""
        line = self._standing[prediction]
        first = bisect_right(line, low, key=lambda bet: bet.end)
        return line[first : bisect_left(line, high, key=lambda bet: bet.offset)]

    def payout(self, bet: Bet) -> tuple[int, int]:
        """(winnings, refund) of one bet in all, paid or not, when betting is over, wei.

        Before the result that is what found no opponent, and goes back in any case.
        """
        m = self.matched_of(bet)
        match self._outcome(bet.prediction):
            case Outcome.WON:
                return 2 * m - fee_of(bet.offset, m, self.fee_bps), bet.amount - m
            case Outcome.PUSH:
                return 0, bet.amount
            case _:
                return 0, bet.amount - m

    def claimable(self, user: str) -> tuple[int, int]:
        """(winnings, refund) due to the user now, wei: all payouts less what was paid.

        The refund is paid first, for some of it may be before the result, and winnings never are.
        """
        if self.status is RoundStatus.OPEN:
            return 0, 0
        winnings, refund = self._payouts(user)
        refunded = min(self._paid[user], refund)
        return winnings - (self._paid[user] - refunded), refund - refunded

    def awarded(self, user: str) -> tuple[int, int]:
        """(winnings, refund) that the end of the round made due, paid since or not, wei."""
        winnings, refund = self._payouts(user)
        return winnings, refund - self._paid_early[user]

    def refunded(self, bet: Bet) -> bool:
        """Whether the bet has an unmatched part and that was paid, as it is by any payment."""
        return self.matched_of(bet) != bet.amount and self._paid[bet.user] > 0

    def settled(self, user: str) -> bool:
        """Whether nothing is, or will be, due to a user who has bet."""
        if not (bets := self.bets_of(user)):
            return False
        if self.finished:
            return self.claimable(user) == (0, 0)
        return self._paid[user] == sum(bet.amount for bet in bets)

    def fees(self) -> int:
        """What the round earns: the sum of F(M) over the pairs that were decided, wei."""
        won = [p for p in Prediction if self._outcome(p) is Outcome.WON]
        return sum(fee_at(self.matched_total(p), self.fee_bps) for p in won)

    def _outcome(self, prediction: Prediction) -> Outcome | None:
        """None before the result; a round that is cancelled is a push for everybody."""
        if self.status is RoundStatus.CANCELLED:
            return Outcome.PUSH
        return None if self.winning_number is None else outcome(prediction, self.winning_number)

    def _payouts(self, user: str) -> tuple[int, int]:
        payouts = [self.payout(bet) for bet in self.bets_of(user)]
        return sum(w for w, _ in payouts), sum(r for _, r in payouts)

    def _require_open(self) -> None:
        if self.status is not RoundStatus.OPEN:
            raise RuleBroken("betting is closed")

    def _become(self, status: RoundStatus) -> None:
        if self.finished:
            raise RuleBroken("the round is finished")
        self.status = status
        if status is not RoundStatus.LOCKED:
            self._paid_early = self._paid.copy()


def apply(book: Book, name: str, args: Mapping[str, Any], at: int = 0) -> None:
    """Brings the book up to date with one event of its round, `at` its block's time.

    Events that change nothing here (RoundCreated, BetMatched, ...) are passed over.
    """
    match name:
        case "BetPlaced":
            book.place(args["user"], Prediction(args["prediction"]), args["amount"], at)
        case "BetCancelled":
            book.cancel_unmatched(args["user"], args["betIndex"])
        case "RoundLocked":
            book.lock()
        case "RoundFinalized":
            book.finalize(args["winningNumber"])
        case "RoundCancelled":
            book.cancel()
        case "WinningsClaimed" | "RefundIssued":
            book.record_paid(args["user"], args["amount"])
