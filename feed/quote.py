"""What the contract would say of a bet if it were placed now."""

from __future__ import annotations

from typing import Any, NamedTuple

from keeper.domain.lines import Prediction, fee_of, matched
from keeper.ports import RoundStatus
from keeper.projection import MarketView

MAX_BETS = 16  # of a user in a round
LINE = 2**96 - 1  # wei that a line holds


class Refusal(Exception):
    """The contract would refuse.

    Attributes:
        error: its name in the ABI.
        values: its values, under their names there; wei as decimal strings.
    """

    def __init__(self, error: str, why: str, **values: Any) -> None:
        super().__init__(why)
        self.error, self.values = error, values


class Quote(NamedTuple):
    """What a bet would get, wei.

    Attributes:
        matched: what would find opponents at once.
        payout: all that comes back if it wins and nothing more is matched.
        fee: in that case.
    """

    matched: int
    payout: int
    fee: int


def quote(market: MarketView, round_id: int, side: int, amount: int, user: str, now: int) -> Quote:
    """Looks at it as the contract does, in the same order. Raises Refusal."""
    if market.paused:
        raise Refusal("EnforcedPause", "the market takes no bets at the moment")
    if (r := market.rounds.get(round_id)) is None:
        raise Refusal("UnknownRound", "the market has no such round", roundId=round_id)
    if (status := r.status_at(now)) is RoundStatus.CANCELLED:
        why = "the round is cancelled"
        raise Refusal("WrongStatus", why, roundId=round_id, status=int(status))
    if now >= r.lock_time:
        why = "betting on this round is over"
        raise Refusal("BettingClosed", why, roundId=round_id, lockTime=r.lock_time)
    if side >= len(Prediction):
        raise Refusal("InvalidPrediction", "predictions are 0 to 7", prediction=side)
    least, most = market.bet_limits
    if not least <= amount <= most:
        limits = {"amount": str(amount), "minBet": str(least), "maxBet": str(most)}
        raise Refusal("BetOutOfLimits", f"a bet is from {least} to {most} wei", **limits)
    own, other = (r.book.line_total(Prediction(p)) for p in (side, side ^ 1))
    if own + amount > LINE:
        where = {"roundId": round_id, "prediction": side, "total": str(own)}
        raise Refusal("LineFull", "this side of the round cannot hold as much", **where)
    if len(r.book.bets_of(user)) >= MAX_BETS:
        who = {"roundId": round_id, "user": user, "limit": MAX_BETS}
        raise Refusal("TooManyBets", f"a user has at most {MAX_BETS} bets in a round", **who)
    m = matched(own, amount, own + amount, other)
    fee = fee_of(own, m, r.fee_bps)
    return Quote(m, amount + m - fee, fee)
