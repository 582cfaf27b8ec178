"""How rounds and events look in JSON: camelCase, money as decimal strings of wei."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from keeper.domain.lines import Book, Prediction
from keeper.ports import ChainEvent, RoundStatus
from keeper.projection import MarketView, RoundView

_MONEY = frozenset({"amount", "matchedAmount", "minBet", "maxBet"})

Lines = tuple[list[int], list[int]]
"""Of the eight lines of a round at one moment: wei, and numbers of bets."""


def lines_of(book: Book) -> Lines:
    """The lines as the book has them now."""
    return [book.line_total(p) for p in Prediction], [book.bet_count(p) for p in Prediction]


def lines_data(lines: Lines) -> dict[str, Any]:
    """Both lines of every pair and what is matched."""
    totals, bets = lines
    firsts = range(0, len(totals), 2)
    return {
        "totalStaked": str(sum(totals)),
        "totalMatched": str(sum(min(totals[p : p + 2]) for p in firsts)),
        "pairs": [
            {
                "predictions": [Prediction(p).name, Prediction(p + 1).name],
                "totals": [str(total) for total in totals[p : p + 2]],
                "bets": bets[p : p + 2],
                "matched": str(min(totals[p : p + 2])),
            }
            for p in firsts
        ],
    }


def round_data(market: MarketView, r: RoundView, now: int) -> dict[str, Any]:
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
        **lines_data(lines_of(r.book)),
    }


def rounds_data(market: MarketView, now: int, status: RoundStatus) -> list[dict[str, Any]]:
    """The market's rounds that have this status now, soonest draw first."""
    rounds = [r for r in market.rounds.values() if r.status_at(now) is status]
    return [round_data(market, r, now) for r in sorted(rounds, key=lambda r: r.draw_time)]


def market_data(market: MarketView, now: int) -> dict[str, Any]:
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


def undo(told: Mapping[str, Any], cursor: str) -> dict[str, Any]:
    """The message of an event that is no more; its lines as they were right before it."""
    data = orjson.loads(orjson.dumps(told["data"]))
    if "pairs" in data:
        totals = [int(total) for pair in data["pairs"] for total in pair["totals"]]
        bets = [count for pair in data["pairs"] for count in pair["bets"]]
        placed = told["event"] == "BetPlaced"
        totals[data["prediction"]] -= int(data["amount"]) * (1 if placed else -1)
        bets[data["prediction"]] -= placed
        data |= lines_data((totals, bets))
    return {**told, "data": data, "cursor": cursor, "removed": True}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if type(value) is int and (name in _MONEY or abs(value) >= 2**53):
        return str(value)
    return value
