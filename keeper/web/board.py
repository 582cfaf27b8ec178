"""What is known of the markets, as it is now and as it lately became, ready to be told."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from itertools import takewhile

import orjson

from keeper.ports import ChainEvent, Head
from keeper.projection import MarketView, RoundView
from keeper.web import protocol
from keeper.web.client import Limits
from keeper.web.protocol import Cursor, Delta, Malformed
from keeper.web.views import Lines, event_data, lines_data, lines_of, market_data, round_data, undo

_CHANNEL = re.compile(
    r"market:(0x[\da-f]{40})|round:(0x[\da-f]{40}):([1-9]\d{0,17})", re.ASCII | re.IGNORECASE
)


Events = Sequence[ChainEvent]


class Board:
    """The markets' views, which somebody else keeps, and what was told of them.

    Attributes:
        markets: in the order given.
        head: the newest block whose events are known; None until the first `take`.
        finalized: the newest block that cannot change any more, where the chain tells.
        position: everything up to here was told.
    """

    def __init__(self, markets: Sequence[MarketView], limits: Limits) -> None:
        self.markets = tuple(markets)
        self.head: Head | None = None
        self.finalized: int | None = None
        self.position = Cursor(-1)
        self._limits = limits
        self._deltas: deque[Delta] = deque(maxlen=limits.history)
        self._hashes: dict[int, str] = {}  # of as many blocks, those that a cursor may name
        self._encoded: dict[str, bytes] = {}  # what is good until the next `take`

    @property
    def now(self) -> int:
        """The head's time, unix seconds UTC, by which a round's status goes."""
        return self.head.timestamp if self.head else 0

    def take(self, events: Events, head: Head, finalized: int | None) -> list[Delta]:
        """Takes what the views have taken already; what of it is new, in log order."""
        deltas = self._tell(sorted((e for e in events if _cursor(e) > self.position), key=_cursor))
        self.head, self.position = head, Cursor(head.number, hash=head.hash)
        if finalized is not None:  # not known at the moment: what was final stays so
            self.finalized = finalized
        self._encoded.clear()
        self._deltas.extend(deltas)
        for cursor in (*(delta.cursor for delta in deltas), self.position):
            self._hashes[cursor.block] = cursor.hash
            if len(self._hashes) > self._limits.history:
                del self._hashes[next(iter(self._hashes))]
        return deltas

    def fall_back(self, markets: Sequence[MarketView], survives: Head) -> list[Delta]:
        """Takes healed views; what was told after the block that survives, undone, newest first.

        One delta a channel; who has not heard the last of its own has a cursor that is no more.
        """
        self.markets, self.position = tuple(markets), Cursor(survives.number, hash=survives.hash)
        gone = [delta for delta in reversed(self._deltas) if delta.cursor.block > survives.number]
        for _ in gone:
            self._deltas.pop()
        self._hashes = {n: hash_ for n, hash_ in self._hashes.items() if n <= survives.number}
        last = {channel: delta for delta in gone for channel in delta.channels}
        return [
            Delta(d.cursor, [c], undo(d.told, str(self.position if last[c] is d else d.cursor)))
            for d in gone
            for c in d.channels
        ]

    def find(self, channel: str) -> tuple[MarketView, RoundView | None]:
        """What a channel is about, its address in whatever capitals. Raises Malformed."""
        found = _CHANNEL.fullmatch(channel)
        if not found:
            raise Malformed("bad_channel", "it is market:<address> or round:<address>:<number>")
        address = (found[1] or found[2]).lower()
        market = next((m for m in self.markets if m.address.lower() == address), None)
        if market is None:
            raise Malformed("unknown_market", "no market has this address")
        if found[1]:
            return market, None
        if int(found[3]) not in market.rounds:
            raise Malformed("unknown_round", "the market has no such round")
        return market, market.rounds[int(found[3])]

    def channel(self, text: str) -> str:
        """The channel of that name as it is written here. Raises Malformed."""
        market, r = self.find(text)
        return f"round:{market.address}:{r.id}" if r else f"market:{market.address}"

    def data(self, channel: str) -> bytes:
        """The JSON of what a channel is about, as it is now. Raises Malformed."""
        if channel not in self._encoded:
            market, r = self.find(channel)
            data = round_data(market, r, self.now) if r else market_data(market, self.now)
            self._encoded[channel] = orjson.dumps(data)
        return self._encoded[channel]

    def snapshot(self, channel: str, since: Cursor | None) -> bytes:
        """Frames with what came after the cursor and with the channel as it is now.

        What came is left out when it is not known: without a cursor, when history does not go
        back so far, when the cursor's block is not on this chain; or when it is too much to be
        sent at once. Raises Malformed when there is no such channel.
        """
        replay = self._missed(channel, since) if since else None
        now = protocol.message(
            "snapshot",
            channel=channel,
            cursor=str(self.position),
            recovered=replay is not None,
            headTime=self.now,
            data=orjson.Fragment(self.data(channel)),
        )
        return (replay or b"") + now

    def heartbeat(self) -> bytes:
        """A frame that says how far everything is known."""
        head = self.head.number if self.head else None
        at = {"head": head, "headTime": self.now, "finalized": self.finalized}
        return protocol.message("heartbeat", cursor=str(self.position), **at)

    def _missed(self, channel: str, since: Cursor) -> bytes | None:
        full = len(self._deltas) == self._deltas.maxlen
        oldest = self._deltas[0].cursor if full else Cursor(-1)
        if self._hashes.get(since.block) != since.hash or not oldest <= since <= self.position:
            return None
        later = takewhile(lambda delta: delta.cursor > since, reversed(self._deltas))
        told = [d.frame(channel, self.finalized) for d in later if channel in d.channels]
        replay = b"".join(reversed(told))
        return replay if len(replay) <= self._limits.hard_bytes // 2 else None

    def _tell(self, events: Events) -> list[Delta]:
        """The views being ahead of the events, lines are counted from the last one back."""
        markets = {market.address: market for market in self.markets}
        lines: dict[str, Lines] = {}
        deltas: list[Delta] = []
        for e in reversed(events):
            cursor, data, channels = _cursor(e), event_data(e), [f"market:{e.market}"]
            if "roundId" in e.args:
                channels.append(f"round:{e.market}:{e.args['roundId']}")
            if e.name in ("BetPlaced", "BetCancelled"):
                book = markets[e.market].rounds[e.args["roundId"]].book
                totals, bets = lines.setdefault(channels[1], lines_of(book))
                data |= lines_data((totals, bets))
                if e.name == "BetPlaced":
                    totals[e.args["prediction"]] -= e.args["amount"]
                    bets[e.args["prediction"]] -= 1
                else:
                    side = book.bets_of(e.args["user"])[e.args["betIndex"]].prediction
                    data["prediction"] = int(side)
                    totals[side] += e.args["amount"]
            told = {
                "cursor": str(cursor),
                "event": e.name,
                "data": orjson.Fragment(orjson.dumps(data)),  # once for all channels
                "blockNumber": e.block_number,
                "blockHash": e.block_hash,
                "blockTime": e.timestamp,
                "txHash": e.tx_hash,
                "logIndex": e.log_index,
                "removed": False,
            }
            deltas.append(Delta(cursor, channels, told))
        return deltas[::-1]


def _cursor(event: ChainEvent) -> Cursor:
    return Cursor(event.block_number, event.log_index, event.block_hash)
