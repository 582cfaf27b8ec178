"""One websocket client: what it wants, what it still has to read, and what it may do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from keeper.web import frames
from keeper.web.frames import Close


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process carries.

    Attributes:
        connections, per_address: open websockets in all and from one network address.
        channels: subscriptions of a connection.
        messages_per_second, message_bytes: what a client may send.
        first_subscription: seconds that a connection may stay without ever subscribing.
        soft_bytes: above so much unsent, updates are left out and a fresh snapshot follows.
        hard_bytes, stall_seconds: above so much, or so long without progress, it is cut off.
        history: how many events are kept for clients that resume.
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
    history: int = 8192


class Client:
    """A connection's sending side. Nothing here ever waits for the client, but `close`.

    Attributes:
        channels: what it is subscribed to.
        stale: those of them that it must be sent a fresh snapshot of, in that order.
        cut_off: it did not read, and was dropped.
    """

    def __init__(
        self,
        address: str,
        ws: web.WebSocketResponse,
        transport: asyncio.WriteTransport,
        limits: Limits,
    ) -> None:
        self.address = address
        self.channels: set[str] = set()
        self.stale: dict[str, None] = {}
        self.cut_off = False
        self._ws, self._transport, self._limits = ws, transport, limits
        self._written = 0
        self._read = 0  # what the network had taken when it was last seen to take something
        self._read_at = asyncio.get_running_loop().time()

    @property
    def unsent(self) -> int:
        """Bytes that the network has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def slow(self) -> bool:
        """Whether more is waiting than replaceable updates may add to."""
        return self.unsent > self._limits.soft_bytes

    def send(self, frame: bytes) -> None:
        """Writes a frame. Too much that waits ends the connection."""
        if not self._transport.is_closing():
            self._transport.write(frame)
            self._written += len(frame)
            if self.unsent > self._limits.hard_bytes:
                self.abort()

    def offer(self, frame: bytes, channel: str) -> None:
        """As `send`, for a channel's update, which a slow client does without."""
        if channel in self.stale or self.slow:
            self.stale[channel] = None
        else:
            self.send(frame)

    def stalled(self, now: float) -> bool:
        """Whether what waits has not moved for too long; to be asked again and again."""
        unsent = self.unsent
        read = self._written - unsent
        if read > self._read or not unsent:
            self._read, self._read_at = read, now
        return now - self._read_at > self._limits.stall_seconds

    def abort(self) -> None:
        """Drops the connection and all that waits."""
        self.cut_off = True
        self._transport.abort()

    async def close(self, why: Close, parting: bytes = b"") -> None:
        """Says why, by a frame of its own or as an error, and ends the connection.

        Waits a moment for the client to agree.
        """
        code = why.name.lower()
        retryable = why >= Close.STARTING
        self.send(parting or frames.error(code, code.replace("_", " "), retryable=retryable))
        await self._ws.close(code=why, message=code.encode(), drain=False)
        if self.unsent:
            self.abort()
