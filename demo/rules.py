"""The rules in full: a round as the contract keeps it, and what the contract refuses of it.

The demo plans with it, and the tests play it beside the real contract.
"""

from __future__ import annotations

from keeper.domain.lines import Book, Prediction, RuleBroken, fee_of, matched

MAX_BETS = 16  # a user and round
BETTING_CLOSED = "betting is closed"
BAD_STAKE = "a stake is more than zero"
TOO_MANY_BETS = f"a user has at most {MAX_BETS} bets in a round"
NOT_ENOUGH_MATCHED = "less would be matched at once than was asked for"
UNKNOWN_BET = "the user has no such bet"
NOTHING_UNMATCHED = "all of the bet is matched"
NOT_AT_TAIL = "a later bet stands above it on the line"
FINISHED = "the round is finished"
BAD_NUMBER = "a winning number is 0 to 99"
NOTHING_DUE = "nothing is due"


class StrictBook(Book):
    """A round that takes no step that the contract would not. Raises RuleBroken."""

    def place(self, user: str, prediction: Prediction, amount: int, at: int = 0) -> int:
        """Takes a bet; what of it is matched at once, wei."""
        self._require_open()
        if amount <= 0:
            raise RuleBroken(BAD_STAKE)
        if len(self.bets_of(user)) >= MAX_BETS:
            raise RuleBroken(TOO_MANY_BETS)
        return super().place(user, prediction, amount, at)

    def place_matched(
        self, user: str, prediction: Prediction, value: int, min_matched: int, at: int = 0
    ) -> int:
        """Takes of `value` only what is matched at once; how much that was, wei.

        Refused when it would be less than `min_matched`, or nothing. Limits of stakes are the
        market's, not the round's.
        """
        self._require_open()
        taken = self._matchable(prediction, value)
        if taken < max(min_matched, 1):
            raise RuleBroken(NOT_ENOUGH_MATCHED)
        return self.place(user, prediction, taken, at)

    def cancel_unmatched(self, user: str, index: int) -> int:
        """Takes out what is unmatched of a bet, the last of its line; how much, wei."""
        self._require_open()
        bets = self.bets_of(user)
        if not 0 <= index < len(bets):
            raise RuleBroken(UNKNOWN_BET)
        bet = bets[index]
        if self.matched_of(bet) == bet.amount:
            raise RuleBroken(NOTHING_UNMATCHED)
        if bet.offset + bet.amount != self.line_total(bet.prediction):
            raise RuleBroken(NOT_AT_TAIL)
        return super().cancel_unmatched(user, index)

    def finalize(self, n: int) -> None:
        """The winning number is known."""
        if not 0 <= n <= 99:
            raise RuleBroken(BAD_NUMBER)
        super().finalize(n)

    def pay(self, user: str) -> tuple[int, int]:
        """Pays what `claimable` says; the same two amounts. Refused when nothing is due."""
        winnings, refund = self.claimable(user)
        if not winnings + refund:
            raise RuleBroken(NOTHING_DUE)
        self.record_paid(user, winnings + refund)
        return winnings, refund

    def quote(self, prediction: Prediction, amount: int) -> tuple[int, int, int]:
        """What a bet placed now would come to, wei: (matched at once, payout if it wins, fee).

        The payout is that of this moment, what is unmatched included; later bets may match more.
        """
        self._require_open()
        if amount <= 0:
            raise RuleBroken(BAD_STAKE)
        m = self._matchable(prediction, amount)
        fee = fee_of(self.line_total(prediction), m, self.fee_bps)
        return m, amount + m - fee, fee

    def _matchable(self, prediction: Prediction, amount: int) -> int:
        """What of a stake placed now would be matched at once."""
        offset, other = (self.line_total(Prediction(p)) for p in (prediction, prediction ^ 1))
        return matched(offset, amount, offset + amount, other)
