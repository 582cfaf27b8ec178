"""What is known of the markets, as it is now and as it lately became, ready to be told."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from keeper.ports import ChainEvent, Head
from keeper.web import frames
from keeper.web.frames import Cursor, Delta
from keeper.web.history import History
from keeper.web.messages import Malformed, channel_parts
from keeper.web.views import (
    Lines,
    MarketLike,
    RoundLike,
    event_data,
    market_data,
    round_data,
)


class Board:
    """The markets' views, which somebody else keeps, and their history.

    Attributes:
        markets: in the order given.
        head: the newest block whose events are known; None until the first `take`.
        finalized: the newest block that cannot change any more, where the chain tells.
        history: for clients that were away.
    """

    def __init__(self, markets: Sequence[MarketLike], history_size: int) -> None:
        self.markets = tuple(markets)
        self.head: Head | None = None
        self.finalized: int | None = None
        self.history = History(history_size)
        self._by_address = {market.address.lower(): market for market in markets}
        self._encoded: dict[str, bytes] = {}  # snapshots that are good until the next `take`

    @property
    def now(self) -> int:
        """The head's time, unix seconds UTC, by which a round's status goes."""
        return self.head.timestamp if self.head else 0

    def take(self, events: Sequence[ChainEvent], head: Head, finalized: int | None) -> list[Delta]:
        """Takes what the views have taken already; what of it is new, in log order."""
        known = self.history.position.place
        new = [e for e in events if (e.block_number, e.log_index) > known]
        new.sort(key=lambda e: (e.block_number, e.log_index))
        deltas = self._deltas(new)
        self.head = head
        if finalized is not None:  # not known at the moment: what was final stays so
            self.finalized = finalized
        self._encoded.clear()
        for delta in deltas:
            self.history.add(delta)
        self.history.reach(head)
        return deltas

    def find(self, address: str, round_id: int | None) -> tuple[MarketLike, RoundLike | None]:
        """A market, its address in whatever capitals, and its round. Raises Malformed."""
        market = self._by_address.get(address.lower())
        if market is None:
            raise Malformed("unknown_market", "no market has this address")
        if round_id is None:
            return market, None
        if round_id not in market.rounds:
            raise Malformed("unknown_round", "the market has no such round")
        return market, market.rounds[round_id]

    def channel(self, text: str) -> str:
        """The channel of that name as it is written here. Raises Malformed."""
        address, round_id = channel_parts(text)
        market, _ = self.find(address, round_id)
        return _channel(market, round_id)

    def snapshot(self, channel: str, *, recovered: bool) -> bytes:
        """A frame with the channel as it is now. Raises Malformed when there is none."""
        if channel not in self._encoded:
            market, r = self.find(*channel_parts(channel))
            data = round_data(market, r, self.now) if r else market_data(market, self.now)
            self._encoded[channel] = orjson.dumps(data)
        return frames.message(
            {
                "type": "snapshot",
                "channel": channel,
                "cursor": str(self.history.position),
                "recovered": recovered,
                "headTime": self.now,
                "data": orjson.Fragment(self._encoded[channel]),
            }
        )

    def heartbeat(self) -> bytes:
        """A frame that says how far everything is known."""
        return frames.message(
            {
                "type": "heartbeat",
                "head": self.head.number if self.head else None,
                "headTime": self.now,
                "finalized": self.finalized,
                "cursor": str(self.history.position),
            }
        )

    def _deltas(self, events: Sequence[ChainEvent]) -> list[Delta]:
        """The views being ahead of the events, lines are counted from the last one back."""
        lines: dict[str, Lines] = {}
        deltas = []
        for e in reversed(events):
            market = self._by_address[e.market.lower()]
            round_id: int | None = e.args.get("roundId")
            data, channels = event_data(e), [_channel(market, None)]
            if round_id is not None:
                channels.append(_channel(market, round_id))
                if e.name == "BetPlaced":
                    at = lines.setdefault(channels[1], Lines.of(market.rounds[round_id].book))
                    data |= at.data()
                    at.take_back(e)
            cursor = Cursor(e.block_number, e.log_index, e.block_hash)
            json = orjson.dumps(data)
            deltas.append(Delta(cursor, tuple(channels), e.name, json, e.tx_hash, e.timestamp))
        return deltas[::-1]


def _channel(market: MarketLike, round_id: int | None) -> str:
    of = market.address
    return f"market:{of}" if round_id is None else f"round:{of}:{round_id}"
