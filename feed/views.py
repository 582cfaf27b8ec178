"""How rounds and events look in JSON: camelCase, money as decimal strings of wei."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import orjson

from keeper.domain.lines import Bet, Book, Prediction
from keeper.ports import ChainEvent, RoundStatus
from keeper.projection import MarketView, RoundView

_RECENT_ROUNDS = 10  # finished ones of each market that an account is told of
_MONEY = frozenset({"amount", "matchedAmount", "minBet", "maxBet"})

Lines = tuple[list[int], list[int]]
"""Of the eight lines of a round at one moment: wei, and numbers of bets."""


def lines_of(book: Book) -> Lines:
    """The lines as the book has them now."""
    return [book.line_total(p) for p in Prediction], [book.bet_count(p) for p in Prediction]


def lines_data(totals: list[int], bets: list[int]) -> dict[str, Any]:
    """Both lines of every pair and what is matched."""
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


def of_round(market: MarketView, r: RoundView, now: int) -> dict[str, Any]:
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
        **lines_data(*lines_of(r.book)),
    }


def of_rounds(market: MarketView, now: int, status: RoundStatus) -> list[dict[str, Any]]:
    """The market's rounds that have this status now, soonest draw first."""
    rounds = [r for r in market.rounds.values() if r.status_at(now) is status]
    return [of_round(market, r, now) for r in sorted(rounds, key=lambda r: r.draw_time)]


def of_market(market: MarketView, now: int) -> dict[str, Any]:
    """A market with its open rounds, and with those that wait for their results."""
    return {
        "market": market.address,
        "game": market.game.name,
        "rounds": of_rounds(market, now, RoundStatus.OPEN),
        "lockedRounds": of_rounds(market, now, RoundStatus.LOCKED),
    }


def of_bet(market: str, round_id: int, bet: Bet, amount: int, matched: int) -> dict[str, Any]:
    """One bet of an account: what stands of it, and what of that is matched, wei."""
    return {
        "market": market,
        "roundId": round_id,
        "betIndex": bet.index,
        "prediction": int(bet.prediction),
        "amount": str(amount),
        "matched": str(matched),
    }


def of_user(markets: Iterable[MarketView], user: str, now: int) -> dict[str, Any]:
    """An account: its rounds that go on or ended lately, the newest first, and its bets in them."""
    rounds: list[dict[str, Any]] = []
    bets: list[dict[str, Any]] = []
    for market in markets:
        if not (numbers := market.betting.get(user)):
            continue
        ended = (n for n, r in reversed(market.rounds.items()) if r.book.finished)
        recent = set(islice(ended, _RECENT_ROUNDS))
        for r in (market.rounds[n] for n in sorted(numbers, reverse=True)):
            if r.book.finished and r.id not in recent:
                continue
            due = money(r.book.claimable(user))
            status = r.status_at(now).name
            rounds.append({"market": market.address, "roundId": r.id, "status": status, "due": due})
            for bet in r.book.bets_of(user):
                part = r.book.matched_of(bet)
                bets.append(of_bet(market.address, r.id, bet, bet.amount, part))
    return {"user": user, "rounds": rounds, "bets": bets}


def ended_data(data: dict[str, Any], book: Book, user: str) -> dict[str, Any]:
    """The end of a round as one who bet in it is told: with what it made due."""
    return data | {"due": money(book.awarded(user))}


def money(due: tuple[int, int]) -> dict[str, str]:
    """What is due, (winnings, refund), wei."""
    return {"winnings": str(due[0]), "refund": str(due[1])}


def event_data(event: ChainEvent) -> dict[str, Any]:
    """An event's values under their names in the ABI."""
    return {
        name: str(value) if name in _MONEY or (isinstance(value, int) and value >= 2**53) else value
        for name, value in event.args.items()
    }


def event_args(data: dict[str, Any]) -> dict[str, Any]:
    """The values again of which `event_data` told; what is all digits is a number."""
    return {
        name: int(value) if isinstance(value, str) and value.isdigit() else value
        for name, value in data.items()
    }


def encoded(data: dict[str, Any]) -> orjson.Fragment:
    """As JSON, to be put into any number of messages; bytes in hex."""
    return orjson.Fragment(orjson.dumps(data, default=lambda value: "0x" + value.hex()))
