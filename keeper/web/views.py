"""How rounds and events look in JSON: camelCase, money as decimal strings of wei."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

from keeper.domain.draw import Game
from keeper.domain.lines import Book, Prediction
from keeper.ports import ChainEvent, RoundStatus

_MONEY = frozenset({"amount", "matchedAmount", "minBet", "maxBet"})


class RoundLike(Protocol):
    """What is shown of a round; times are unix seconds UTC, `finalized_at` 0 before a result."""

    id: int
    draw_time: int
    lock_time: int
    fee_bps: int
    oracle: str
    book: Book
    finalized_at: int

    @property
    def winning_number(self) -> int | None: ...
    def status_at(self, now: int) -> RoundStatus: ...


class MarketLike(Protocol):
    """What is shown of a market; its address carries the checksum."""

    address: str
    game: Game

    @property
    def rounds(self) -> Mapping[int, RoundLike]: ...


class Lines:
    """The eight lines of a round at one moment, wei and numbers of bets."""

    def __init__(self, totals: list[int], counts: list[int]) -> None:
        self._totals, self._counts = totals, counts

    @classmethod
    def of(cls, book: Book) -> Self:
        """As the book has them now."""
        return cls(
            [book.line_total(p) for p in Prediction], [book.bet_count(p) for p in Prediction]
        )

    def take_back(self, event: ChainEvent) -> None:
        """Goes back to the moment before a BetPlaced."""
        prediction = event.args["prediction"]
        self._totals[prediction] -= event.args["amount"]
        self._counts[prediction] -= 1

    def data(self) -> dict[str, Any]:
        """Both lines of every pair and what is matched."""
        pairs = [self._pair(p) for p in range(0, len(self._totals), 2)]
        return {
            "totalStaked": str(sum(self._totals)),
            "totalMatched": str(sum(int(pair["matched"]) for pair in pairs)),
            "pairs": pairs,
        }

    def _pair(self, p: int) -> dict[str, Any]:
        totals = self._totals[p : p + 2]
        return {
            "predictions": [Prediction(p).name, Prediction(p + 1).name],
            "totals": [str(total) for total in totals],
            "bets": self._counts[p : p + 2],
            "matched": str(min(totals)),
        }


def round_data(market: MarketLike, r: RoundLike, now: int) -> dict[str, Any]:
    """A round, its status as `now` has it."""
    return {
        "market": market.address,
        "game": market.game.name,
        "id": r.id,
        "status": r.status_at(now).name,
        "drawTime": r.draw_time,
        "lockTime": r.lock_time,
        "feeBps": r.fee_bps,
        "oracle": r.oracle,
        "winningNumber": r.winning_number,
        "finalizedAt": r.finalized_at or None,
        **Lines.of(r.book).data(),
    }


def rounds_data(market: MarketLike, now: int, status: RoundStatus) -> list[dict[str, Any]]:
    """The market's rounds that have this status now, soonest draw first."""
    rounds = [r for r in market.rounds.values() if r.status_at(now) is status]
    return [round_data(market, r, now) for r in sorted(rounds, key=lambda r: r.draw_time)]


def market_data(market: MarketLike, now: int) -> dict[str, Any]:
    """A market with its open rounds, and with those that wait for their results."""
    return {
        "market": market.address,
        "game": market.game.name,
        "rounds": rounds_data(market, now, RoundStatus.OPEN),
        "lockedRounds": rounds_data(market, now, RoundStatus.LOCKED),
    }


def event_data(event: ChainEvent) -> dict[str, Any]:
    """An event's values under their names in the ABI."""
    return {name: _value(name, value) for name, value in event.args.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if type(value) is int and (name in _MONEY or abs(value) >= 2**53):
        return str(value)
    return value
