"""One websocket connection from its upgrade to its end: what a client says, and how often."""

from __future__ import annotations

import asyncio
import logging
import socket
import time

from aiohttp import WSMessage, WSMsgType, web

from keeper.web import protocol
from keeper.web.client import Client
from keeper.web.hub import Hub
from keeper.web.protocol import Close, Malformed

log = logging.getLogger(__name__)

_CLOSE_SECONDS = 2.0  # how long a client may take to agree that it is over


async def serve(hub: Hub, request: web.Request) -> web.WebSocketResponse:
    """Upgrades the connection and serves it to its end."""
    ws = web.WebSocketResponse(
        timeout=_CLOSE_SECONDS,
        autoping=False,
        # Its own pings find connections whose other end is gone without a word.
        heartbeat=max(hub.limits.heartbeat_seconds, 5.0),
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
    rate = hub.limits.messages_per_second
    allowance, asked_at = float(rate), time.monotonic()
    try:
        async with asyncio.timeout(hub.limits.first_subscription) as first:
            async for said in ws:
                now = time.monotonic()
                allowance, asked_at = min(rate, allowance + (now - asked_at) * rate) - 1, now
                if allowance < 0:
                    return Close.TOO_MANY_MESSAGES
                if why := _take(hub, client, said):
                    return why
                if client.channels:
                    first.reschedule(None)
    except TimeoutError:
        return Close.NO_SUBSCRIPTION
    return None


def _take(hub: Hub, client: Client, said: WSMessage) -> Close | None:
    """Does what one message wants. Text may come as binary, too."""
    if said.type is WSMsgType.PING:
        client.send(protocol.frame(said.data, protocol.PONG))
    if said.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
        return None
    text = said.data.encode() if isinstance(said.data, str) else said.data
    if len(text) > hub.limits.message_bytes:
        return Close.MESSAGE_TOO_BIG
    try:
        wish = protocol.parse(text)
    except Malformed as e:
        client.send(protocol.error(e.code, str(e), id=e.id))
        return None
    match wish.op:
        case "subscribe":
            return hub.subscribe(client, wish)
        case "unsubscribe":
            hub.unsubscribe(client, wish)
        case "ping":
            client.send(protocol.message("pong", id=wish.id))
    return None
