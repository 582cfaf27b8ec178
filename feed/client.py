"""One websocket client: what it wants, what it still has to read, and what it may do."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from dataclasses import dataclass, field

from websockets.protocol import OPEN, Protocol

from feed.protocol import PING, Close, Cursor, error
from keeper import metrics

NO_FILE = -1  # to which nothing can be written
_FAREWELL_SECONDS = 2.0  # for the client to agree that it is over


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process carries.

    Attributes:
        connections, per_address: open websockets in all and from one network address.
        channels: subscriptions of a connection, and names in a message that asks for them.
        messages_per_second, message_bytes: what a client may send.
        first_subscription: seconds that a connection may stay without ever subscribing.
        soft_bytes: above so much unsent, updates are left out and a fresh snapshot follows.
        hard_bytes, stall_seconds: above so much, or so long without progress, it is cut off.
        ahead_seconds: who knows more than this instance waits so long for it to be read here.
        history: how many events are kept for clients that resume.
        heartbeat_seconds: how often everybody hears from the server.
    """

    connections: int = 20_000
    per_address: int = 200
    channels: int = 128
    messages_per_second: int = 5
    message_bytes: int = 16 * 1024
    first_subscription: float = 10.0
    soft_bytes: int = 64 * 1024
    hard_bytes: int = 1024 * 1024
    stall_seconds: float = 5.0
    ahead_seconds: float = 5.0
    history: int = 8192
    heartbeat_seconds: float = 25.0

    def why(self, close: Close) -> str:
        """Why a connection is ended, for people."""
        return {
            Close.MESSAGE_TOO_BIG: f"a message has at most {self.message_bytes} bytes",
            Close.TOO_MANY_CHANNELS: f"more than {self.channels} channels: take another connection",
            Close.STARTING: "the chain is still being read: come back later",
            Close.SHUTDOWN: "the server ends: come back later",
            Close.TOO_MANY_CONNECTIONS: "the server is full: come back later",
            Close.TOO_MANY_FROM_ADDRESS: f"{self.per_address} are open from this address",
            Close.TOO_MANY_MESSAGES: f"more than {self.messages_per_second} messages a second",
            Close.NO_SUBSCRIPTION: f"nothing subscribed to within {self.first_subscription:g} s",
            Close.INTERNAL: "a fault of the server: come back later",
        }[close]


@dataclass(slots=True, eq=False)
class Client:
    """A connection's sending side. Nothing here ever waits for the client.

    Attributes:
        address: by what it is told from others, its network address or a part of that.
        wire: reads what it sends, and knows what the websocket protocol answers to that.
        transport: of a TCP connection that nothing here encrypts: updates are written past it.
        channels: what it is subscribed to.
        stale: those of them that it must be sent a snapshot of, in that order, and the cursor
            from which on it can be told what happened, if it gave one.
        written: bytes since the network last began to leave some, and those that it left.
        read: of these so many were taken at `read_at`, when some were last seen to be.
        subscribe_by: it has to subscribe until then; after that it may stay.
        beat_at: when the next heartbeat is due.
        asked_at: when it was first asked whether it is there, since something was heard of it.
        leaving: whether it was told to go; it is told nothing more.
    """

    address: str
    wire: Protocol
    transport: asyncio.Transport
    limits: Limits
    channels: set[str] = field(default_factory=set)
    stale: dict[str, Cursor | None] = field(default_factory=dict)
    written: int = 0
    read: int = 0
    read_at: float = field(default_factory=time.monotonic)
    subscribe_by: float = 0.0
    beat_at: float = 0.0
    asked_at: float = math.inf
    leaving: bool = False
    _file: int = field(default=NO_FILE, init=False)

    def __post_init__(self) -> None:
        self._file = self.transport.get_extra_info("socket").fileno()
        self.subscribe_by = self.read_at + self.limits.first_subscription
        # At any time, so that those who come together, as after a restart, are not asked together.
        sooner = secrets.randbelow(500) / 1000
        self.beat_at = self.read_at + self.limits.heartbeat_seconds * (1 - sooner)

    @property
    def unsent(self) -> int:
        """Bytes that the network has not taken yet."""
        return self.transport.get_write_buffer_size()

    @property
    def slow(self) -> bool:
        """Whether more is waiting than replaceable updates may add to."""
        return self.unsent > self.limits.soft_bytes

    def send(self, frame: bytes) -> None:
        """Writes a frame. Too much that waits ends the connection."""
        metrics.FEED_MESSAGES.inc()
        self._write(frame)

    @property
    def file(self) -> int:
        """To which updates can be written now, past the transport, which is quick.

        That is the connection's, which the event loop closes after it has told that it is lost: so
        until the client is forgotten it is nobody else's. Or NO_FILE: when a snapshot is owed,
        something waits in the transport, or it is closing. Then updates are to be offered.
        """
        if self.stale or self.unsent or self.transport.is_closing():
            return NO_FILE
        return self._file

    def offer(self, channel: str, frames: bytes, taken: int) -> None:
        """Writes updates of which the network took so many bytes already.

        A slow client does without, unless it has a part. Whoever tells everybody counts them.
        """
        if taken:
            self._write(frames[taken:])  # or what comes next would be the rest of a frame
        elif channel in self.stale or self.slow:
            self.stale.setdefault(channel, None)
            metrics.FEED_LEFT_OUT.inc()
        else:
            self._write(frames)

    def cut_off(self, reason: str) -> None:
        """Ends the connection at once, without a word."""
        if not self.transport.is_closing():
            metrics.FEED_ABORTED.labels(reason).inc()
        self.transport.abort()

    def pause(self) -> None:
        """The network does not take all of what is written any more."""
        self.written, self.read, self.read_at = self.unsent, 0, time.monotonic()

    def stalled(self, now: float) -> bool:
        """Whether what waits has not moved for too long; to be asked again and again."""
        read = self.written - self.unsent
        if read > self.read or not self.unsent:
            self.read, self.read_at = read, now
        return now - self.read_at > self.limits.stall_seconds

    def beat(self, frame: bytes, now: float) -> None:
        """Sends a heartbeat and asks whether it is there; who does not say so is cut off.

        So connections are found whose other end is gone without a word.
        """
        self.beat_at += self.limits.heartbeat_seconds
        if now - self.asked_at > self.limits.stall_seconds:
            self.cut_off("silent")
        elif not (self.stale or self.slow):
            self.asked_at = min(self.asked_at, now)
            self.send(frame + PING)

    def answer(self) -> None:
        """Sends what the websocket protocol wants to be answered, be it that all is over."""
        for data in self.wire.data_to_send():
            if data:
                self._write(data)
            else:
                self.transport.close()

    def close(self, why: Close, parting: bytes = b"") -> None:
        """Says why, by a frame of its own or as an error, and ends the connection.

        The client has a moment to agree.
        """
        if self.leaving:
            return
        code = why.name.lower()
        metrics.FEED_REFUSED.labels(code).inc()
        retryable = why >= Close.STARTING
        self.send(parting or error(code, self.limits.why(why), retryable=retryable))
        if self.wire.state is OPEN:  # else the client was first
            self.wire.send_close(why, code)
        self.answer()
        self.leaving = True
        asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self._end)

    def _write(self, frame: bytes) -> None:
        if not (self.leaving or self.transport.is_closing()):
            self.written += len(frame)
            self.transport.write(frame)
            if self.unsent > self.limits.hard_bytes:
                self.cut_off("unread")

    def _end(self) -> None:
        if self.unsent:
            self.cut_off("unread")
        self.transport.abort()
