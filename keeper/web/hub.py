"""Tells every subscriber what happens: a snapshot, then each event, in the chain's own order.

Nothing here waits for a client, and every step is taken whole between two turns of the event
loop: so no event can fall between a snapshot and the first delta after it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence

from keeper.ports import ChainEvent, Head
from keeper.web import frames
from keeper.web.board import Board
from keeper.web.client import Client, Limits
from keeper.web.frames import Close, Delta
from keeper.web.messages import Malformed, Subscribe, Unsubscribe, same_channel
from keeper.web.views import MarketLike

_SWEEP_SECONDS = 0.25  # how often slow clients are looked at


class Hub:
    """Who follows what.

    Attributes:
        board: what there is to follow.
        cut_off: how many connections were dropped because they did not read.
    """

    def __init__(
        self,
        chain_id: int,
        markets: Sequence[MarketLike],
        heartbeat_seconds: float = 25.0,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.heartbeat_seconds = heartbeat_seconds
        self.board = Board(markets, self.limits.history)
        self.cut_off = 0
        self._chain_id = chain_id
        self._clients: set[Client] = set()
        self._addresses: Counter[str] = Counter()
        self._subscribers: dict[str, set[Client]] = {}
        self._behind: set[Client] = set()  # with bytes or snapshots still to be sent
        self._closing = False

    # ---- for the app: what happened

    def publish(self, events: Sequence[ChainEvent], head: Head, finalized: int | None) -> None:
        """Tells the events of all markets, after they were applied to the views.

        `head` is the block up to which every market's events were read. Events at or before an
        earlier head are passed over: they were told before.
        """
        for delta in self.board.take(events, head, finalized):
            for channel in delta.channels:
                if clients := self._subscribers.get(channel):
                    frame = delta.frame(channel, self.board.finalized)
                    self._behind.update([c for c in clients if c.offer(frame, channel)])

    def reset(
        self,
        markets: Sequence[MarketLike],
        head: Head,
        finalized: int | None,
        recent: Sequence[ChainEvent] = (),
    ) -> None:
        """Begins anew, the chain having changed: everybody gets fresh snapshots of these views.

        `recent` are the last events of whole blocks that the views have taken, so that those
        who come back to a server that was started anew can be told what they missed.
        """
        self.board = Board(markets, self.limits.history)
        self.board.take(recent, head, finalized)
        for client in self._clients:
            client.stale = dict.fromkeys(sorted(client.channels))
            self._refresh(client)

    async def close(self, retry_after_ms: int) -> None:
        """Sends everybody away, to come back at different times from `retry_after_ms` on."""
        self._closing = True
        ends = []
        for client in self._clients:
            retry = retry_after_ms + secrets.randbelow(retry_after_ms + 1)
            parting = frames.message({"type": "shutdown", "retryAfterMs": retry})
            ends.append(client.close(Close.SHUTDOWN, parting))
        await asyncio.gather(*ends)

    async def run(self) -> None:
        """Sends heartbeats and looks after slow clients, for ever."""
        clock = asyncio.get_running_loop().time
        beat_at = clock() + self.heartbeat_seconds
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, max(0.0, beat_at - clock())))
            self._sweep(clock())
            if clock() >= beat_at:
                beat_at += self.heartbeat_seconds
                self._beat()

    # ---- for sessions: who is there, and what they want

    def admit(self, client: Client) -> Close | None:
        """Takes a client in and greets it, or says why not."""
        if self._closing:
            return Close.SHUTDOWN
        if self.board.head is None:
            return Close.STARTING
        if len(self._clients) >= self.limits.connections:
            return Close.TOO_MANY_CONNECTIONS
        if self._addresses[client.address] >= self.limits.per_address:
            return Close.TOO_MANY_FROM_ADDRESS
        self._clients.add(client)
        self._addresses[client.address] += 1
        hello = {
            "type": "hello",
            "protocol": frames.PROTOCOL,
            "chainId": self._chain_id,
            "markets": [{"game": m.game.name, "address": m.address} for m in self.board.markets],
            "heartbeatMs": int(self.heartbeat_seconds * 1000),
            "connectionId": secrets.token_hex(8),
        }
        self.send(client, frames.message(hello))
        return None

    def leave(self, client: Client) -> None:
        """Forgets a client, also one that was never taken in."""
        self.cut_off += client.cut_off
        if client not in self._clients:
            return
        self._clients.remove(client)
        self._behind.discard(client)
        self._addresses[client.address] -= 1
        if not self._addresses[client.address]:
            del self._addresses[client.address]
        for channel in tuple(client.channels):
            self._drop(client, channel)

    def send(self, client: Client, frame: bytes) -> None:
        """Writes a frame to one client."""
        if client.send(frame):
            self._behind.add(client)

    def subscribe(self, client: Client, wish: Subscribe) -> Close | None:
        """Acknowledges, replays what was missed, sends snapshots; or says why not."""
        wanted: list[str] = []
        errors = []
        for text in wish.channels:
            try:
                channel = self.board.channel(text)
            except Malformed as e:
                errors.append({"channel": text[:80], "code": e.code, "message": str(e)})
            else:
                wanted += [channel] if channel not in wanted else []
        if len(client.channels.union(wanted)) > self.limits.channels:
            return Close.TOO_MANY_CHANNELS
        ack = {"type": "ack", "id": wish.id, "subscribed": wanted, "errors": errors}
        self.send(client, frames.message(ack))
        since = {c: wish.since[same_channel(c)] for c in wanted if same_channel(c) in wish.since}
        missed = self.board.history.missed(since)
        for channel in wanted:
            client.channels.add(channel)
            self._subscribers.setdefault(channel, set()).add(client)
            replay = self._replay(channel, missed.get(channel, ()))
            if channel in missed and client.unsent + len(replay) < self.limits.hard_bytes // 2:
                client.stale.pop(channel, None)
                self.send(client, replay + self.board.snapshot(channel, recovered=True))
            else:
                client.stale[channel] = None
        self._refresh(client)
        return None

    def unsubscribe(self, client: Client, wish: Unsubscribe) -> None:
        """Acknowledges; nothing more comes of these channels."""
        own = {same_channel(channel): channel for channel in client.channels}
        dropped = [own[same_channel(c)] for c in wish.channels if same_channel(c) in own]
        for channel in dict.fromkeys(dropped):
            self._drop(client, channel)
        ack = {"type": "ack", "id": wish.id, "unsubscribed": dropped, "errors": []}
        self.send(client, frames.message(ack))

    # ---- inside

    def _replay(self, channel: str, deltas: Sequence[Delta]) -> bytes:
        return b"".join(delta.frame(channel, self.board.finalized) for delta in deltas)

    def _refresh(self, client: Client) -> None:
        """Sends the snapshots that a client is owed, as far as it can take them."""
        while client.stale and not client.slow:
            channel = next(iter(client.stale))
            del client.stale[channel]
            try:
                self.send(client, self.board.snapshot(channel, recovered=False))
            except Malformed as e:
                self._drop(client, channel)
                gone = frames.error(e.code, str(e), retryable=False, channel=channel)
                self.send(client, gone)
        if client.stale:
            self._behind.add(client)

    def _drop(self, client: Client, channel: str) -> None:
        client.channels.discard(channel)
        client.stale.pop(channel, None)
        subscribers = self._subscribers[channel]
        subscribers.discard(client)
        if not subscribers:
            del self._subscribers[channel]

    def _beat(self) -> None:
        """Tells everybody who has been told everything that this is so."""
        beat = self.board.heartbeat()
        for client in self._clients:
            if not client.stale and not client.slow:
                self.send(client, beat)

    def _sweep(self, now: float) -> None:
        """Cuts off those who do not read, and catches up with those who do again."""
        for client in tuple(self._behind):
            if client.stalled(now):
                client.abort()
            self._refresh(client)
            if client.caught_up():
                self._behind.discard(client)
