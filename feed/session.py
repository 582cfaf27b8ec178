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

from aiohttp import HttpVersion11, hdrs, web
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
_TOLD = hdrs.CONNECTION, hdrs.UPGRADE, hdrs.SEC_WEBSOCKET_KEY, hdrs.SEC_WEBSOCKET_VERSION
_BITE = 1024  # bytes that are read before what they say is done


def open_on(request: web.Request, hub: Hub, address: str) -> None:
    """Makes of a request's connection a websocket, which the hub is to serve.

    From then on the HTTP server has nothing to do with it, and no answer to give. `address` is
    whom it is counted for. Raises Problem, ConnectionError.
    """
    answer = _shaken(request)
    http, transport = request.protocol, request.transport
    if transport is None:
        raise ConnectionResetError
    # What the kernel holds back from a slow client would otherwise not count as unsent.
    kernel = transport.get_extra_info("socket")
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, hub.limits.soft_bytes)
    early: list[bytes] = []  # sent before it was answered
    http.set_parser(cast("Any", SimpleNamespace(feed_data=early.append, feed_eof=early.clear)))
    session = Session(hub, address)
    transport.write(answer)
    transport.set_protocol(session)
    session.connection_made(transport)
    for data in early:
        session.data_received(data)
    http.transport = None  # which it would close
    http.connection_lost(None)


def _shaken(request: web.Request) -> bytes:
    """The answer to the handshake (RFC 6455, 4.2). Raises Problem."""
    if request.version < HttpVersion11 or request.body_exists:
        raise Problem(400, "bad_request", "a websocket begins with a GET of HTTP/1.1 without body")
    told = [(name, value) for name in _TOLD for value in request.headers.getall(name, ())]
    if not all(value.isascii() for _, value in told):
        raise Problem(400, "bad_request", "what opens a websocket is told in ASCII")
    shaking = ServerProtocol()
    answer = shaking.accept(Request(request.path, Headers(told)))
    if shaking.handshake_exc:
        why = f"this begins a websocket: {shaking.handshake_exc}"
        raise Problem(400, "bad_request", why[:200])
    return answer.serialize()


class Session(asyncio.Protocol):
    """The receiving side of a connection."""

    __slots__ = (
        "_address",
        "_allowance",
        "_client",
        "_hub",
        "_idle_since",
        "_late",
        "_most",
        "_said",
        "_task",
        "_text",
    )

    _client: Client

    def __init__(self, hub: Hub, address: str) -> None:
        self._hub, self._address = hub, address
        rate = hub.limits.messages_per_second
        self._allowance, self._idle_since = float(rate), time.monotonic()
        self._most = rate * (1 + hub.limits.ahead_seconds)  # frames, of who had to wait
        self._said: deque[Frame] = deque()  # and not yet done
        self._text = bytearray()  # of a message, the last part still to come
        self._task: asyncio.Task[None] | None = None  # while it waits for the chain
        self._late = 0  # bytes since it was told to go

    # ---- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets the client in."""
        limits = self._hub.limits
        # The protocol's own refusal is abrupt: that is for messages far beyond the limit.
        wire = Protocol(Side.SERVER, max_size=4 * limits.message_bytes)
        stream = cast("asyncio.Transport", transport)  # as of every TCP connection
        self._client = Client(self._address, wire, stream, limits)
        stream.set_write_buffer_limits(high=0)  # to be told as soon as anything has to wait
        try:
            self._hub.admit(self._client)
        except Refused as e:
            self._client.close(*e.args)

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent, however the network cut it: little at a time.

        So whoever says too much is not even read to the end. Who was told to go may say that it
        agrees, and nothing longer.
        """
        client = self._client
        for at in range(0, len(data), _BITE):
            bite = data[at : at + _BITE]
            self._late += len(bite) if client.leaving else 0
            if self._late > client.limits.message_bytes:
                client.cut_off("late")
            if client.transport.is_closing():
                break
            client.wire.receive_data(bite)
            self._said += cast("list[Frame]", client.wire.events_received())
            self._go_on()
            client.answer()
        if client.transport.is_closing():
            self._hub.direct(client)

    def pause_writing(self) -> None:
        """More is written than goes out."""
        self._client.pause()
        self._hub.direct(self._client)

    def resume_writing(self) -> None:
        """All of it is out."""
        self._hub.direct(self._client)

    def connection_lost(self, _: Exception | None) -> None:
        """Forgets the client."""
        self._said.clear()
        if self._task:
            self._task.cancel()
        self._hub.forget(self._client)

    # ---- inside

    def _go_on(self, first: Wish | None = None) -> None:
        """Does what was said, until something has to be waited for; at `first` what had to wait."""
        client = self._client
        try:
            if first and not client.leaving:
                self._hub.subscribe(client, first)
            while self._said and not self._task and not client.leaving:
                self._take(self._said.popleft())
        except Refused as e:
            self._hub.part(client, *e.args)
        except Exception:
            log.exception("a websocket session failed")
            self._hub.part(client, Close.INTERNAL)
        if len(self._said) > self._most:
            self._hub.part(client, Close.TOO_MANY_MESSAGES)
        if client.leaving:
            self._said.clear()

    def _take(self, frame: Frame) -> None:
        """Does what one frame wants. Raises Refused."""
        client, now = self._client, time.monotonic()
        asked, client.asked_at = client.asked_at < math.inf, math.inf
        if frame.opcode is Opcode.CLOSE or (frame.opcode is Opcode.PONG and asked):
            return  # which cost nothing
        rate = client.limits.messages_per_second
        earned = min(rate, self._allowance + (now - self._idle_since) * rate)
        self._allowance, self._idle_since = max(self._allowance, earned) - 1, now
        if self._allowance < 0:
            raise Refused(Close.TOO_MANY_MESSAGES)
        if frame.opcode not in _DATA:
            return
        self._text += frame.data
        if not frame.fin:
            return
        text = bytes(self._text)
        self._text.clear()
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
                    self._task = asyncio.create_task(self._subscribe_later(wish))
            case "unsubscribe":
                self._hub.unsubscribe(client, wish)
            case "ping":
                client.send(message("pong", id=wish.id))

    async def _subscribe_later(self, wish: Wish) -> None:
        """Subscribes when the chain is read as far as the client knows it, then goes on."""
        begun, rate = time.monotonic(), self._client.limits.messages_per_second
        await self._hub.catch_up(wish)
        self._task, self._idle_since = None, time.monotonic()
        # Others of its messages may have come while it had to wait for this one.
        self._allowance = min(self._most, self._allowance + (self._idle_since - begun) * rate)
        self._go_on(wish)
