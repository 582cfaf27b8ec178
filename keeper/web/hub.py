"""Tells every subscriber what happens: a snapshot, then each event, in the chain's own order.

Nothing here waits for a client, and every step is taken whole between two turns of the event
loop: so no event can fall between a snapshot and the first delta after it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from keeper.ports import Head
from keeper.projection import MarketView
from keeper.web import protocol
from keeper.web.board import Board, Events
from keeper.web.client import Client, Limits
from keeper.web.protocol import Close, Delta, Malformed, Wish

_SWEEP_SECONDS = 0.25  # how often slow clients are looked at


class Hub:
    """Who follows what.

    Attributes:
        board: what there is to follow.
        cut_off: how many connections were dropped because they did not read.
    """

    def __init__(
        self, chain_id: int, markets: Sequence[MarketView], limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.board = Board(markets, self.limits)
        self.cut_off = 0
        self._chain_id = chain_id
        self._clients: set[Client] = set()
        self._addresses: Counter[str] = Counter()
        self._subscribers: defaultdict[str, set[Client]] = defaultdict(set)
        self._closing = False

    # ---- for the app: what happened

    def publish(self, events: Events, head: Head, finalized: int | None) -> None:
        """Tells the events of all markets, after they were applied to the views.

        `head` is the block up to which every market's events were read. Events at or before an
        earlier head are passed over: they were told before.
        """
        self._tell(self.board.take(events, head, finalized))

    def fall_back(self, markets: Sequence[MarketView], survives: Head, lost: int) -> None:
        """Tells again, as removed, the `lost` events, all those after the block that survives.

        `markets` are the healed views; what came instead is to be published at once. Where not all
        lost events are known any more, everybody is owed a fresh snapshot instead.
        """
        undone = self.board.fall_back(markets, survives)
        if len({delta.cursor for delta in undone}) != lost:
            for client in self._clients:
                client.stale = dict.fromkeys(sorted(client.channels))
            return
        self._tell(undone)
        for delta in undone:
            if delta.told["event"] == "RoundCreated":  # the round may be gone, or be another
                for client in self._subscribers[delta.channels[0]]:
                    client.stale[delta.channels[0]] = None

    def reset(
        self, markets: Sequence[MarketView], head: Head, finalized: int | None, recent: Events = ()
    ) -> None:
        """Begins anew, the chain having changed: everybody gets fresh snapshots of these views.

        `recent` are the last events of whole blocks that the views have taken, so that those
        who come back to a server that was started anew can be told what they missed.
        """
        self.board = Board(markets, self.limits)
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
            parting = protocol.message("shutdown", retryAfterMs=retry)
            ends.append(client.close(Close.SHUTDOWN, parting))
        await asyncio.gather(*ends)

    async def run(self) -> None:
        """For ever looks after everybody.

        Who does not read is cut off, who reads again is sent what is owed, and who has been
        told everything hears so by a heartbeat.
        """
        seconds = self.limits.heartbeat_seconds
        beat_at = time.monotonic() + seconds
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, seconds))
            now, beat = time.monotonic(), b""
            if now >= beat_at:
                beat_at += seconds
                beat = self.board.heartbeat()
            for client in self._clients:
                if client.stalled(now):
                    client.abort()
                self._refresh(client)
                if beat and not client.stale and not client.slow:
                    client.send(beat)

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
        told = {
            "protocol": protocol.PROTOCOL,
            "chainId": self._chain_id,
            "markets": [{"game": m.game.name, "address": m.address} for m in self.board.markets],
            "heartbeatMs": int(self.limits.heartbeat_seconds * 1000),
            "connectionId": secrets.token_hex(8),
        }
        client.send(protocol.message("hello", **told))
        return None

    def leave(self, client: Client) -> None:
        """Forgets a client that was taken in."""
        self.cut_off += client.cut_off
        self._clients.remove(client)
        self._addresses[client.address] -= 1
        if not self._addresses[client.address]:
            del self._addresses[client.address]
        for channel in tuple(client.channels):
            self._drop(client, channel)

    def subscribe(self, client: Client, wish: Wish) -> Close | None:
        """Acknowledges, replays what was missed, sends snapshots; or says why not."""
        wanted: dict[str, None] = {}
        errors = []
        for text in dict.fromkeys(wish.channels):
            try:
                wanted[self.board.channel(text)] = None
            except Malformed as e:
                errors.append({"channel": text[:80], "code": e.code, "message": str(e)})
        if len(client.channels.union(wanted)) > self.limits.channels:
            return Close.TOO_MANY_CHANNELS
        client.send(protocol.message("ack", id=wish.id, subscribed=list(wanted), errors=errors))
        for channel in wanted:
            client.channels.add(channel)
            self._subscribers[channel].add(client)
            client.stale[channel] = wish.since_of(channel)
        self._refresh(client)
        return None

    def unsubscribe(self, client: Client, wish: Wish) -> None:
        """Acknowledges; nothing more comes of these channels."""
        asked = {channel.lower() for channel in wish.channels}
        dropped = [channel for channel in client.channels if channel.lower() in asked]
        for channel in dropped:
            self._drop(client, channel)
        client.send(protocol.message("ack", id=wish.id, unsubscribed=dropped, errors=[]))

    # ---- inside

    def _tell(self, deltas: Sequence[Delta]) -> None:
        for delta in deltas:
            for channel in delta.channels:
                if clients := self._subscribers.get(channel):
                    frame = delta.frame(channel, self.board.finalized)
                    for client in clients:
                        client.offer(frame, channel)

    def _refresh(self, client: Client) -> None:
        """Sends the snapshots that a client is owed, as far as it can take them."""
        while client.stale and not client.slow:
            channel = next(iter(client.stale))
            since = client.stale.pop(channel)
            try:
                client.send(self.board.snapshot(channel, since))
            except Malformed as e:
                self._drop(client, channel)
                client.send(protocol.error(e.code, str(e), channel=channel))

    def _drop(self, client: Client, channel: str) -> None:
        client.channels.discard(channel)
        client.stale.pop(channel, None)
        self._subscribers[channel].discard(client)
