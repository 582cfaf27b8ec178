"""Tells every subscriber what happens: a snapshot, then each event, in the chain's own order.

Nothing here waits for a client, and every step is taken whole between two turns of the event
loop: so no event can fall between a snapshot and the first delta after it. Only what thousands are
told takes several turns, so that others need not wait so long; every step whose order with it
matters finishes it first.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, TypeVar

import orjson
from prometheus_client import Gauge

from feed.board import Blocks, Board, Events, Markets
from feed.client import Client, Limits
from feed.deltas import Delta
from feed.protocol import Close, Malformed, Refused, Wish, error, message
from keeper import metrics
from keeper.ports import Head

_SWEEP_SECONDS = 0.25  # between looks at clients
_PORTIONS = 8  # in which many clients are looked at
_SLICE = 250  # deliveries in one turn of the event loop

_Followers = dict[Client, int]  # each with its file, or none


class Hub:
    """Who follows what.

    Attributes:
        board: what there is to follow.
    """

    def __init__(self, chain_id: int, markets: Markets = (), limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.board = Board(markets, self.limits)
        self._chain_id = chain_id
        self._clients: set[Client] = set()
        self._addresses: Counter[str] = Counter()
        self._subscribers: defaultdict[str, _Followers] = defaultdict(dict)
        self._deliveries: Iterator[int] = iter(())
        self._news, self._emptied = asyncio.Event(), asyncio.Event()
        self._closing = False

    # ---- for the app: what happened

    def publish(
        self, events: Events, head: Head, finalized: int | None, blocks: Blocks = ()
    ) -> None:
        """Tells the events of all markets, after they were applied to the views.

        `head` is the block up to which every market's events were read. Events at or before an
        earlier head are passed over: they were told before. `blocks` are those up to the head of
        which other instances may have given cursors.
        """
        self._deliver(None)
        final = self.board.finalize(finalized)
        self._begin(self._told(self.board.take(events, head, blocks), final))
        self._wake()

    def replace(self, channel: str, data: Mapping[str, Any]) -> None:
        """Tells what is now to be known of "oracle" or "stats", if that is not known already.

        Money in it is a decimal string, as everywhere. Raises KeyError for other channels.
        """
        encoded = orjson.dumps(data)
        if encoded == self.board.latest[channel] or not self.board.head:
            return  # of a chain that is half read nothing is to be known
        self.board.latest[channel] = encoded
        self._begin(self._offered(self.board.snapshot(channel, None), channel))

    def fall_back(self, markets: Markets, survives: Head, lost: int) -> None:
        """Tells again, as removed, the `lost` events, all those after the block that survives.

        `markets` are the healed views; what came instead is to be published at once. Where not all
        lost events are known any more, everybody is owed a fresh snapshot instead.
        """
        self._deliver(None)
        undone = self.board.fall_back(markets, survives, lost)
        if undone is None:
            self._renew(self._subscribers)
            return
        self._begin(self._told(undone))
        # Then the rounds whose creation was undone: they may be gone, or be others.
        self._renew(
            c for d in undone for c, t in d.channels.items() if t[0].event == "RoundCreated"
        )

    def begin(self) -> None:
        """The chain is read anew: nobody is let in or sent a snapshot until the `reset`."""
        self._deliver(None)
        self.board.head = None

    def reset(
        self,
        markets: Markets,
        head: Head,
        finalized: int | None,
        recent: Events,
        blocks: Blocks = (),
    ) -> None:
        """Begins anew, the chain having changed: everybody gets fresh snapshots of these views.

        `recent` are the last events of whole blocks that the views have taken, in log order, so
        that those who come back to a server that was started anew can be told what they missed.
        """
        self._deliver(None)  # what is told yet is of the board before
        first = recent[0].block_number if recent else head.number + 1
        latest, self.board = self.board.latest, Board(markets, self.limits, first)
        self.board.latest = latest
        self.board.take(recent, head, blocks)
        self.board.finalize(finalized)
        self._renew(self._subscribers)
        self._wake()

    async def close(self, retry_after_ms: int) -> None:
        """Sends everybody away, to come back at different times from `retry_after_ms` on."""
        self._closing = True
        self._deliver(None)

        def parting() -> bytes:
            retry = retry_after_ms + secrets.randbelow(retry_after_ms + 1)
            return message("shutdown", retryAfterMs=retry)

        for client in self._clients:
            self.part(client, Close.SHUTDOWN, parting())
        self._emptied.clear()
        if self._clients:
            await self._emptied.wait()  # each has a moment

    async def run(self) -> None:
        """For ever looks after everybody.

        Who does not read is cut off, who reads again is sent what is owed, and who has been
        told everything hears so by a heartbeat. Of thousands a part comes at a time, so that nobody
        has to wait for that.
        """
        pause = min(_SWEEP_SECONDS, self.limits.heartbeat_seconds)
        queue: deque[Client] = deque()
        while True:
            await asyncio.sleep(pause)
            queue = queue or deque(self._clients)
            portion = max(_SLICE, len(self._clients) // _PORTIONS)
            for client in [queue.popleft() for _ in range(min(portion, len(queue)))]:
                self._look_after(client, time.monotonic())

    # ---- for sessions: who is there, and what they want

    def admit(self, client: Client) -> None:
        """Takes a client in and greets it. Raises Refused."""
        if self._closing:
            raise Refused(Close.SHUTDOWN)
        if self.board.head is None:
            raise Refused(Close.STARTING)
        if len(self._clients) >= self.limits.connections:
            raise Refused(Close.TOO_MANY_CONNECTIONS)
        if self._addresses[client.address] >= self.limits.per_address:
            raise Refused(Close.TOO_MANY_FROM_ADDRESS)
        self._clients.add(client)
        self._addresses[client.address] += 1
        metrics.FEED_CONNECTIONS.set(len(self._clients))
        told = {
            "protocol": 1,
            "chainId": self._chain_id,
            "markets": [{"game": m.game.name, "address": m.address} for m in self.board.markets],
            "heartbeatMs": int(self.limits.heartbeat_seconds * 1000),
            "connectionId": secrets.token_hex(8),
        }
        client.send(message("hello", **told))

    def part(self, client: Client, why: Close, parting: bytes = b"") -> None:
        """Tells a client nothing more, but why it has to go, as `Client.close` does."""
        self._drop(client, *client.channels)
        client.close(why, parting)

    def forget(self, client: Client) -> None:
        """Takes out a client that is gone, if it was ever admitted."""
        if client not in self._clients:
            return
        self.direct(client)  # whatever fails after this: soon its file is another's
        self._clients.remove(client)
        self._addresses[client.address] -= 1
        if not self._addresses[client.address]:
            del self._addresses[client.address]
        if not self._clients:
            self._emptied.set()
        self._drop(client, *client.channels)
        metrics.FEED_CONNECTIONS.set(len(self._clients))

    def behind(self, wish: Wish) -> bool:
        """Whether a client knows the chain, from elsewhere, further than it is read here."""
        return not self.board.head or any(map(self.board.is_behind, wish.cursors))

    async def catch_up(self, wish: Wish) -> None:
        """Waits a while until the chain is read so far."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.ahead_seconds):
                while self.behind(wish):
                    await self._news.wait()

    def subscribe(self, client: Client, wish: Wish) -> None:
        """Acknowledges, replays what was missed, sends snapshots. Raises Refused."""
        if self.board.head is None:
            raise Refused(Close.STARTING)
        wanted: dict[str, None] = {}
        errors = []
        for text in dict.fromkeys(wish.channels):
            try:
                wanted[self.board.find(text)[0]] = None
            except Malformed as e:
                errors.append({"channel": text[:80], "code": e.code, "message": str(e)})
        if len(client.channels.union(wanted)) > self.limits.channels:
            raise Refused(Close.TOO_MANY_CHANNELS)
        client.send(message("ack", id=wish.id, subscribed=list(wanted), errors=errors))
        if wish.since and (final := self.board.final()):
            client.send(final)
        if wanted:
            client.subscribe_by = math.inf
        for channel in wanted:
            if channel not in client.channels:
                client.channels.add(channel)
                _following(channel).inc()
            client.stale[channel] = wish.since_of(channel)
        self.direct(client)
        self._refresh(client)

    def unsubscribe(self, client: Client, wish: Wish) -> None:
        """Acknowledges; nothing more comes of these channels."""
        asked = {channel.lower() for channel in wish.channels}
        dropped = [channel for channel in client.channels if channel.lower() in asked]
        self._drop(client, *dropped)
        client.send(message("ack", id=wish.id, unsubscribed=dropped, errors=[]))

    def direct(self, client: Client) -> None:
        """To be called whenever the client's file is to be written to no more, or again."""
        for channel in client.channels:
            self._subscribers[channel][client] = client.file

    # ---- inside

    def _look_after(self, client: Client, now: float) -> None:
        if client not in self._clients:
            return
        if client.stalled(now):
            client.cut_off("stalled")
        if now > client.subscribe_by:
            self.part(client, Close.NO_SUBSCRIPTION)
        self._refresh(client)
        if now >= client.beat_at:
            self._deliver(None)
            client.beat(self.board.heartbeat(), now)
        if client.transport.is_closing():
            self.direct(client)

    def _wake(self) -> None:
        """Lets those go on who wait for the chain to be read further."""
        self._news.set()
        self._news.clear()

    def _told(self, deltas: Sequence[Delta], final: Iterable[Delta] = ()) -> Iterator[int]:
        """Tells all of it, some clients more each time it is asked to go on: so many.

        At last those who were told of the `final` events that they cannot change any more.
        """
        for delta in deltas:
            for channel in delta.channels:
                if channel in self._subscribers:
                    yield from self._offered(delta.frames(channel, self.board.finalized), channel)
        if channels := {channel for delta in final for channel in delta.channels}:
            frame = self.board.final()
            followed = channels & self._subscribers.keys()
            clients = {client for channel in followed for client in self._subscribers[channel]}
            for some in _batched(clients):
                for client in some:
                    if not client.slow:
                        client.send(frame)
                yield len(some)

    def _offered(self, frames: bytes, channel: str) -> Iterator[int]:
        followers = self._subscribers.get(channel, {})
        metrics.FEED_MESSAGES.inc(len(followers))  # at once for all
        for some in _batched(followers):
            for client, taken in _written(frames, some, followers):
                client.offer(channel, frames, taken)
            yield len(some)

    def _begin(self, deliveries: Iterator[int]) -> None:
        self._deliver(None)
        self._deliveries = deliveries
        self._deliver()

    def _deliver(self, most: int | None = _SLICE) -> None:
        """Goes on with what is being told; what is more than `most` waits for the next turn."""
        told = 0
        while most is None or told < most:
            if not (some := next(self._deliveries, 0)):
                return
            told += some
        asyncio.get_running_loop().call_soon(self._deliver)

    def _renew(self, channels: Iterable[str]) -> None:
        """Owes a fresh snapshot to everybody who follows one of these channels."""
        self._deliver(None)
        owed: dict[Client, None] = {}
        for channel in sorted(channels):
            for client in self._subscribers.get(channel, ()):
                client.stale[channel] = owed[client] = None
        for client in owed:
            self.direct(client)

    def _refresh(self, client: Client) -> None:
        """Sends the snapshots that a client is owed, as far as it can take them."""
        if not client.stale:
            return
        while client.stale and not client.slow and self.board.head:
            self._deliver(None)
            channel = next(iter(client.stale))
            since = client.stale.pop(channel)
            try:
                client.send(self.board.snapshot(channel, since))
            except Malformed as e:
                self._drop(client, channel)
                client.send(error(e.code, str(e), channel=channel))
        self.direct(client)

    def _drop(self, client: Client, *channels: str) -> None:
        self._deliver(None)
        for channel in set(channels) & client.channels:
            client.channels.remove(channel)
            client.stale.pop(channel, None)
            followers = self._subscribers[channel]
            del followers[client]
            if not followers:  # of channels there may be any number
                del self._subscribers[channel]
            _following(channel).dec()
        self.direct(client)


_T = TypeVar("_T")


def _batched(those: Iterable[_T]) -> Iterator[tuple[_T, ...]]:
    """All that are there now, as many at a time as are served in a turn of the event loop."""
    there = tuple(those)
    for at in range(0, len(there), _SLICE):
        yield there[at : at + _SLICE]


def _written(
    frames: bytes, some: Sequence[Client], files: Mapping[Client, int]
) -> list[tuple[Client, int]]:
    """Writes to the clients' files; those that did not take all, with the bytes that they took.

    This is where time is spent, so what nearly always is enough is a loop in C.
    """
    taken: list[int] = []
    while len(taken) < len(some):
        left = some[len(taken) :]
        try:
            taken.extend(map(os.write, map(files.__getitem__, left), repeat(frames)))
        except OSError:  # it has no file, or one that is full or gone; those before it are kept
            taken.append(0)
    if taken.count(len(frames)) == len(some):
        return []
    return [(c, size) for c, size in zip(some, taken, strict=True) if size < len(frames)]


def _following(channel: str) -> Gauge:
    return metrics.FEED_SUBSCRIPTIONS.labels(channel.partition(":")[0])
