"""What is known of the markets, as it is now and as it lately became, ready to be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import orjson
from eth_utils.address import to_checksum_address

from feed import deltas, views
from feed.client import Limits
from feed.deltas import Delta, Kept, cursor_of
from feed.protocol import Cursor, Malformed, message
from keeper.ports import ChainEvent, Head
from keeper.projection import MarketView, RoundView

# A number belongs to a round, and only to a round.
_CHANNEL = re.compile(r"(?ai)(?:market|user|(round)):(0x[\da-f]{40})(?(1):([1-9]\d{0,17}))")
_ENCODED = 4096  # snapshots kept: there are as many accounts as somebody likes to ask for

_AHEAD = 64  # blocks by which another instance may have read more
_DEPTH = 64  # blocks that may have been replaced while a client was away

Events = Sequence[ChainEvent]
Markets = Sequence[MarketView]
Blocks = Sequence[Head]


class Board:
    """The markets' views, which somebody else keeps, and what was told of them.

    Attributes:
        markets: in the order given.
        head: the newest block whose events are known; None until the first `take`, and while the
            chain is read anew.
        now: the time of the last head, unix seconds UTC, by which a round's status goes.
        finalized: the newest block that cannot change any more, where the chain tells.
        position: everything up to here was told.
        latest: the JSON of channels without events, which somebody else makes; null at first.
    """

    def __init__(self, markets: Markets, limits: Limits, first: int = 0) -> None:
        """From the block `first` on all events will be taken."""
        self.markets = tuple(markets)
        self.head: Head | None = None
        self.now = 0
        self.finalized: int | None = None
        self.position = Cursor(-1)
        self.latest = {"oracle": b"null", "stats": b"null"}
        self._limits = limits
        self._deltas = Kept(limits.history)
        self._reaches = Cursor(first - 1)  # what came after it was never thrown out
        self._hashes: dict[int, str] = {}  # of as many blocks, those that a cursor may name
        self._encoded: dict[str, bytes] = {}  # what is good until the next `take`

    def finalize(self, number: int | None) -> list[Delta]:
        """Takes the newest block that cannot change; what that makes final of what was told."""
        if number is None or number <= (before := -1 if self.finalized is None else self.finalized):
            return []  # not known at the moment: what was final stays so
        self.finalized = number
        later = takewhile(lambda delta: delta.cursor.block > before, reversed(self._deltas.all))
        return [delta for delta in later if delta.cursor.block <= number]

    def take(self, events: Events, head: Head, blocks: Blocks = ()) -> list[Delta]:
        """Takes what the views have taken already; what of it is new, in log order.

        `blocks` are others up to the head that a cursor may name.
        """
        fresh = sorted((e for e in events if cursor_of(e) > self.position), key=cursor_of)
        new = deltas.of_events(fresh, self.markets)
        self.head, self.now = head, head.timestamp
        self.position = Cursor(head.number, hash=head.hash)
        self._encoded.clear()
        if self._deltas.add(new):
            self._reaches = self._deltas.all[0].cursor
        named = [(delta.cursor.block, delta.cursor.hash) for delta in new]
        named += [(block.number, block.hash) for block in (*blocks, head)]
        for number, hash_ in sorted(named):
            self._hashes[number] = hash_
            if len(self._hashes) > self._limits.history:
                del self._hashes[next(iter(self._hashes))]
        return new

    def fall_back(self, markets: Markets, survives: Head, lost: int) -> list[Delta] | None:
        """Takes healed views; what was told after the block that survives, undone, newest first.

        One delta a message; who has not heard its channel's last has a cursor that is no more.
        None when that is not all of the `lost` events.
        """
        self.markets, self.position = tuple(markets), Cursor(survives.number, hash=survives.hash)
        if self.finalized is not None:  # what comes instead may change until that is told again
            self.finalized = min(self.finalized, survives.number)
        gone = self._deltas.take_back(survives.number)
        # All that was thrown out came before the block that survives, or is void.
        self._reaches = min(self._reaches, self.position)
        self._hashes = {n: hash_ for n, hash_ in self._hashes.items() if n < survives.number}
        self._hashes[survives.number] = survives.hash
        if len(gone) != lost:
            return None
        last = {channel: delta for delta in gone for channel in delta.channels}
        return [
            undone
            for delta in gone
            for channel in delta.channels
            for undone in delta.undone(channel, self.position if last[channel] is delta else None)
        ]

    def find(self, channel: str) -> tuple[str, MarketView | None, RoundView | None]:
        """A channel's name as it is written here, and what it is about. Raises Malformed."""
        if (name := channel.lower()) in self.latest:
            return name, None, None
        if not (found := _CHANNEL.fullmatch(channel)):
            kinds = "market:<address>, round:<address>:<number>, user:<address>, oracle or stats"
            raise Malformed("bad_channel", f"it is {kinds}")
        if name.startswith("user"):
            return f"user:{to_checksum_address(found[2])}", None, None
        market = next((m for m in self.markets if m.address.lower() == found[2].lower()), None)
        if market is None:
            raise Malformed("unknown_market", "no market has this address")
        if not found[1]:
            return f"market:{market.address}", market, None
        if (r := market.rounds.get(int(found[3]))) is None:
            raise Malformed("unknown_round", "the market has no such round")
        return f"round:{market.address}:{r.id}", market, r

    def is_behind(self, since: Cursor) -> bool:
        """Whether a cursor is of a block that may soon be read here."""
        ahead = since.block - self.position.block
        return self.position[:2] < since[:2] and ahead <= _AHEAD

    def data(self, channel: str) -> bytes:
        """The JSON of what a channel is about, as it is now. Raises Malformed."""
        if channel in self.latest:
            return self.latest[channel]
        if channel not in self._encoded:
            _, market, r = self.find(channel)
            data: dict[str, Any]
            if market is None:
                data = views.of_user(self.markets, channel.removeprefix("user:"), self.now)
            else:
                data = (
                    views.of_round(market, r, self.now) if r else views.of_market(market, self.now)
                )
            if len(self._encoded) >= _ENCODED:
                self._encoded.clear()
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
        at = {"head": self.position.block, "headTime": self.now}
        return message("heartbeat", cursor=str(self.position), finalized=self.finalized, **at)

    def final(self) -> bytes:
        """A frame that says what cannot change any more; none where nothing is known of it."""
        if self.finalized is None:
            return b""
        told = (d.cursor for d in reversed(self._deltas.all) if d.cursor.block <= self.finalized)
        up_to = next(told, Cursor(self.finalized, hash=self._hashes.get(self.finalized, "")))
        return message("final", upTo=str(up_to), finalized=self.finalized)

    def _missed(self, channel: str, since: Cursor) -> bytes | None:
        if not self._knows(since):
            return None
        replay, size = list[bytes](), 0
        for delta in self._deltas.newest_first(channel):
            # The event that the cursor is of may have told the channel more than one message.
            if delta.cursor[:2] < since[:2]:
                break
            replay.append(delta.frames(channel, self.finalized, since))
            size += len(replay[-1])
            if size > self._limits.hard_bytes // 2:
                return None
        return b"".join(reversed(replay))

    def _knows(self, since: Cursor) -> bool:
        """Whether it is sure that all that came after a cursor is known here.

        A block without events, which another instance or an earlier one read, may be forgotten
        here when it is final. That the cursor names the block which then stood cannot be seen; so
        nothing may have happened in the blocks before it that could have been others.
        """
        if not self._reaches <= since <= self.position:
            return False
        if since.block in self._hashes:
            return self._hashes[since.block] == since.hash
        sure = Cursor(since.block - _DEPTH)
        whole = since.log_index == sure.log_index and not since.part
        final = self.finalized is not None and since.block <= self.finalized
        if not (whole and final and self._reaches <= sure):
            return False
        return not self._deltas.any_between(sure, since)
