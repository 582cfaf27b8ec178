"""Figures of markets, and what instances may tell each other of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from keeper.projection import MarketView


def sums(markets: Sequence[MarketView]) -> dict[str, Any]:
    """How much of everything, in these together; wei as decimal strings."""
    books = [r.book for market in markets for r in market.rounds.values()]
    return {
        "rounds": len(books),
        "volume": str(sum(book.staked for book in books)),
        "matched": str(sum(book.total_matched for book in books)),
        "fees": str(sum(book.fees() for book in books)),
        "bettors": len({user for market in markets for user in market.betting}),
    }


class _Win(BaseModel, extra="forbid", strict=True):
    market: str
    roundId: int = Field(ge=1)  # noqa: N815 - as in JSON
    user: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    amount: str = Field(pattern="^[1-9][0-9]{0,77}$")
    txHash: str = Field(pattern="^0x[0-9a-f]{64}$")  # noqa: N815


_WINS = TypeAdapter(dict[str, _Win | None])


def are_wins(markets: Collection[str], told: Any) -> bool:
    """Whether this is a win of each of these markets, or that it has none."""
    try:
        found = _WINS.validate_python(told)
    except ValidationError:
        return False
    of_it = all(win is None or win.market == market for market, win in found.items())
    return of_it and found.keys() == set(markets)
