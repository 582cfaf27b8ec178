"""One websocket from its handshake to its end: what the client says, and that it is obeyed.

A connection is neither a task nor a coroutine, but a protocol that the event loop calls: so of
thousands that only listen each takes little memory.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side
from websockets.server import ServerProtocol

from feed.client import Client
from feed.http import Problem
from feed.hub import Hub
from feed.protocol import Close, Malformed, Refused, Wish, error, message, parse

log = logging.getLogger(__name__)

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


def open_on(request: web.Request, hub: Hub, address: str) -> None:
    """Makes of a request's connection a websocket, which the hub is to serve.

    From then on the HTTP server has nothing to do with it, and no answer to give. `address` is
    whom it is counted for. Raises Problem, ConnectionError.
    """
    shaking = ServerProtocol()
    answer = shaking.accept(Request(request.path, Headers(request.headers.items())))
    if shaking.handshake_exc:
        raise Problem(400, "bad_request", str(shaking.handshake_exc)[:200])
    http, transport = request.protocol, request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    # What the kernel holds back from a slow client would otherwise not count as unsent.
    kernel = transport.get_extra_info("socket")
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, hub.limits.soft_bytes)
    early: list[bytes] = []  # sent before it was answered
    http.set_parser(cast("Any", SimpleNamespace(feed_data=early.append, feed_eof=early.clear)))
    session = Session(hub, address)
    transport.write(answer.serialize())
    transport.set_protocol(session)
    session.connection_made(transport)
    for data in early:
        session.data_received(data)
    http.transport = None  # which it would close
    http.connection_lost(None)


class Session(asyncio.Protocol):
    """The receiving side of a connection."""

    __slots__ = (
        "_address",
        "_allowance",
        "_client",
        "_hub",
        "_idle_since",
        "_parts",
        "_said",
        "_task",
    )

    _client: Client

    def __init__(self, hub: Hub, address: str) -> None:
        self._hub, self._address = hub, address
        self._allowance, self._idle_since = float(hub.limits.messages_per_second), time.monotonic()
        self._said: deque[Frame] = deque()  # and not yet obeyed
        self._parts: list[bytes] = []  # of a message, the last still to come
        self._task: asyncio.Task[None] | None = None  # while it waits for the chain

    # ---- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets the client in."""
        limits = self._hub.limits
        # The protocol's own refusal is abrupt: that is for messages far beyond the limit.
        wire = Protocol(Side.SERVER, max_size=4 * limits.message_bytes)
        stream = cast("asyncio.Transport", transport)  # as of every TCP connection
        self._client = Client(self._address, wire, stream, limits)
        try:
            self._hub.admit(self._client)
        except Refused as e:
            self._client.close(*e.args)

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent, however the network cut it."""
        client = self._client
        client.asked_at = math.inf
        client.wire.receive_data(data)
        self._said += cast("list[Frame]", client.wire.events_received())
        self._obey()
        client.answer()

    def connection_lost(self, _: Exception | None) -> None:
        """Forgets the client."""
        self._said.clear()
        if self._task:
            self._task.cancel()
        self._hub.forget(self._client)

    # ---- inside

    def _obey(self) -> None:
        """Does what was said, until something has to be waited for."""
        try:
            while self._said and not self._task and not self._client.leaving:
                self._take(self._said.popleft())
        except Refused as e:
            self._hub.part(self._client, *e.args)
        except Exception:
            log.exception("a websocket session failed")
            self._hub.part(self._client, Close.INTERNAL)

    def _take(self, frame: Frame) -> None:
        """Does what one frame wants. Raises Refused."""
        client, now = self._client, time.monotonic()
        rate = client.limits.messages_per_second
        earned = min(rate, self._allowance + (now - self._idle_since) * rate)
        self._allowance, self._idle_since = max(self._allowance, earned) - 1, now
        if self._allowance < 0:
            raise Refused(Close.TOO_MANY_MESSAGES)
        if frame.opcode not in _DATA:
            return
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        text = b"".join(self._parts)
        self._parts.clear()
        if len(text) > client.limits.message_bytes:
            raise Refused(Close.MESSAGE_TOO_BIG)
        try:
            wish = parse(text)
        except Malformed as e:
            client.send(error(e.code, str(e), id=e.id))
            return
        match wish.op:
            case "subscribe":
                if len(wish.channels) > client.limits.channels:
                    raise Refused(Close.TOO_MANY_CHANNELS)
                if not self._hub.behind(wish):
                    self._hub.subscribe(client, wish)
                else:
                    client.transport.pause_reading()
                    self._task = asyncio.create_task(self._subscribe_later(wish))
            case "unsubscribe":
                self._hub.unsubscribe(client, wish)
            case "ping":
                client.send(message("pong", id=wish.id))

    async def _subscribe_later(self, wish: Wish) -> None:
        """Subscribes when the chain is read as far as the client knows it, then goes on."""
        begun, limits = time.monotonic(), self._client.limits
        await self._hub.catch_up(wish)
        self._task, self._idle_since = None, time.monotonic()
        # Others of its messages may have come while it had to wait for this one.
        rate = limits.messages_per_second
        earned = self._allowance + (self._idle_since - begun) * rate
        self._allowance = min(rate * (1 + limits.ahead_seconds), earned)
        self._client.transport.resume_reading()
        try:
            self._hub.subscribe(self._client, wish)
        except Refused as e:
            self._hub.part(self._client, *e.args)
        self._obey()
