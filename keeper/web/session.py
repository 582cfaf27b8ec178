"""One websocket connection from its upgrade to its end: what a client says, and how often."""

from __future__ import annotations

import asyncio
import logging
import socket

from aiohttp import WSMsgType, web

from keeper.web import frames
from keeper.web.client import Client
from keeper.web.frames import Close
from keeper.web.hub import Hub
from keeper.web.messages import Malformed, parse

log = logging.getLogger(__name__)

_CLOSE_SECONDS = 2.0  # how long a client may take to agree that it is over


async def serve(hub: Hub, request: web.Request) -> web.WebSocketResponse:
    """Upgrades the connection and serves it to its end."""
    ws = web.WebSocketResponse(
        timeout=_CLOSE_SECONDS,
        autoping=False,
        # Its own pings find connections whose other end is gone without a word.
        heartbeat=max(hub.heartbeat_seconds, 5.0),
        compress=False,
        # Its own refusal is abrupt: that is for messages far beyond the limit.
        max_msg_size=4 * hub.limits.message_bytes,
    )
    await ws.prepare(request)
    transport = request.transport
    if transport is None:
        return ws
    # What the kernel holds back from a slow client would otherwise not count as unsent.
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, hub.limits.soft_bytes
    )
    client = Client(request.remote or "", ws, transport, hub.limits)
    why = hub.admit(client)
    if why is None:
        try:
            why = await _converse(hub, client, ws)
        except Exception:
            log.exception("a websocket session failed")
            why = Close.INTERNAL
        finally:
            hub.leave(client)
    if why:
        await client.close(why)
    return ws


async def _converse(hub: Hub, client: Client, ws: web.WebSocketResponse) -> Close | None:
    """Obeys the client until it goes, or until it has to."""
    clock = asyncio.get_running_loop().time
    rate = hub.limits.messages_per_second
    allowance, asked_at = float(rate), clock()
    deadline: float | None = asked_at + hub.limits.first_subscription
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                said = await ws.receive()
        except TimeoutError:
            return Close.NO_SUBSCRIPTION
        if said.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
            return None
        now = clock()
        allowance, asked_at = min(rate, allowance + (now - asked_at) * rate) - 1, now
        if allowance < 0:
            return Close.TOO_MANY_MESSAGES
        if said.type is WSMsgType.PING:
            client.send(frames.frame(said.data, frames.PONG))
        elif said.type is WSMsgType.BINARY:
            client.send(frames.error("bad_message", "messages are text, not binary"))
        elif said.type is WSMsgType.TEXT:
            if len(said.data.encode()) > hub.limits.message_bytes:
                return Close.MESSAGE_TOO_BIG
            if why := _obey(hub, client, said.data):
                return why
        if client.channels:
            deadline = None


def _obey(hub: Hub, client: Client, text: str) -> Close | None:
    try:
        wish = parse(text)
    except Malformed as e:
        client.send(frames.error(e.code, str(e), id=e.id))
        return None
    if wish.op == "subscribe":
        return hub.subscribe(client, wish)
    if wish.op == "unsubscribe":
        hub.unsubscribe(client, wish)
    else:
        client.send(frames.message({"type": "pong", "id": wish.id}))
    return None
