"""What is known of the markets, as it is now and as it lately became, ready to be told."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import orjson

from feed import views
from feed.client import Limits
from feed.protocol import Cursor, Malformed, message
from keeper.ports import ChainEvent, Head
from keeper.projection import MarketView, RoundView

# A number belongs to a round, and only to a round.
_CHANNEL = re.compile(r"(?ai)(?:market|(round)):(0x[\da-f]{40})(?(1):([1-9]\d{0,17}))")

Events = Sequence[ChainEvent]
Markets = Sequence[MarketView]


class Delta(NamedTuple):
    """One event of the chain as its channels tell it.

    Attributes:
        told: the message, but for what differs from channel to channel and from time to time.
        undone: its data when the event is no more: a bet's lines are those right before it.
    """

    cursor: Cursor
    channels: list[str]
    told: Mapping[str, Any]
    undone: orjson.Fragment

    def frame(self, channel: str, finalized: int | None) -> bytes:
        """The event for one channel, `finalized` being the newest block that cannot change."""
        final = finalized is not None and self.cursor.block <= finalized
        return message("event", channel=channel, final=final, **self.told)


class Board:
    """The markets' views, which somebody else keeps, and what was told of them.

    Attributes:
        markets: in the order given.
        head: the newest block whose events are known; None until the first `take`.
        finalized: the newest block that cannot change any more, where the chain tells.
        position: everything up to here was told.
    """

    def __init__(self, markets: Markets, limits: Limits) -> None:
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

    def fall_back(self, markets: Markets, survives: Head, lost: int) -> list[Delta] | None:
        """Takes healed views; what was told after the block that survives, undone, newest first.

        One delta a channel; who has not heard the last of its own has a cursor that is no more.
        None when that is not all of the `lost` events.
        """
        self.markets, self.position = tuple(markets), Cursor(survives.number, hash=survives.hash)
        gone = [delta for delta in reversed(self._deltas) if delta.cursor.block > survives.number]
        for _ in gone:
            self._deltas.pop()
        self._hashes = {n: hash_ for n, hash_ in self._hashes.items() if n <= survives.number}
        if len(gone) != lost:
            return None
        last = {channel: delta for delta in gone for channel in delta.channels}
        undone = []
        for d in gone:
            for channel in d.channels:
                cursor = str(self.position if last[channel] is d else d.cursor)
                told = {**d.told, "data": d.undone, "cursor": cursor, "removed": True}
                undone.append(d._replace(channels=[channel], told=told))
        return undone

    def find(self, channel: str) -> tuple[str, MarketView, RoundView | None]:
        """A channel's name as it is written here, and what it is about. Raises Malformed."""
        if not (found := _CHANNEL.fullmatch(channel)):
            raise Malformed("bad_channel", "it is market:<address> or round:<address>:<number>")
        market = next((m for m in self.markets if m.address.lower() == found[2].lower()), None)
        if market is None:
            raise Malformed("unknown_market", "no market has this address")
        if not found[1]:
            return f"market:{market.address}", market, None
        if (r := market.rounds.get(int(found[3]))) is None:
            raise Malformed("unknown_round", "the market has no such round")
        return f"round:{market.address}:{r.id}", market, r

    def data(self, channel: str) -> bytes:
        """The JSON of what a channel is about, as it is now. Raises Malformed."""
        if channel not in self._encoded:
            _, market, r = self.find(channel)
            data = views.of_round(market, r, self.now) if r else views.of_market(market, self.now)
            self._encoded[channel] = orjson.dumps(data)
        return self._encoded[channel]

    def snapshot(self, channel: str, since: Cursor | None) -> bytes:
        """Frames with what came after the cursor and with the channel as it is now.

        What came is left out when it is not known: without a cursor, when history does not go
        back so far, when the cursor's block is not on this chain; or when it is too much to be
        sent at once. Raises Malformed when there is no such channel.
        """
        replay = self._missed(channel, since) if since else None
        data = orjson.Fragment(self.data(channel))
        at = {"cursor": str(self.position), "headTime": self.now, "recovered": replay is not None}
        return (replay or b"") + message("snapshot", channel=channel, **at, data=data)

    def heartbeat(self) -> bytes:
        """A frame that says how far everything is known."""
        at = {"head": self.head and self.head.number, "headTime": self.now}
        return message("heartbeat", cursor=str(self.position), finalized=self.finalized, **at)

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
        lines: dict[str, views.Lines] = {}
        deltas: list[Delta] = []
        for e in reversed(events):
            cursor, data, channels = _cursor(e), views.event_data(e), [f"market:{e.market}"]
            before: dict[str, Any] = {}
            if "roundId" in e.args:
                channels.append(f"round:{e.market}:{e.args['roundId']}")
            if e.name in ("BetPlaced", "BetCancelled"):
                placed = e.name == "BetPlaced"
                book = markets[e.market].rounds[e.args["roundId"]].book
                totals, bets = lines.setdefault(channels[1], views.lines_of(book))
                if not placed:
                    bet = book.bets_of(e.args["user"])[e.args["betIndex"]]
                    data["prediction"] = int(bet.prediction)
                data |= views.lines_data(totals, bets)
                totals[data["prediction"]] -= e.args["amount"] * (1 if placed else -1)
                bets[data["prediction"]] -= placed
                before = views.lines_data(totals, bets)
            told = {
                "cursor": str(cursor),
                "event": e.name,
                "data": views.encoded(data),  # once for all channels
                "blockNumber": e.block_number,
                "blockHash": e.block_hash,
                "blockTime": e.timestamp,
                "txHash": e.tx_hash,
                "logIndex": e.log_index,
                "removed": False,
            }
            deltas.append(Delta(cursor, channels, told, views.encoded(data | before)))
        return deltas[::-1]


def _cursor(event: ChainEvent) -> Cursor:
    return Cursor(event.block_number, event.log_index, event.block_hash)
