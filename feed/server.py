"""The HTTP server: the REST API, health and figures, and the websocket."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMessage, WSMsgType, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from feed.api import Api
from feed.client import Client
from feed.http import Gate, Problem, described
from feed.hub import Hub
from feed.protocol import Close, Malformed, Refused, error, frame, message, parse
from feed.store import network
from keeper import metrics

log = logging.getLogger(__name__)

_KEEPALIVE_SECONDS = 75  # for which the connection is kept of who asks nothing
_READY_SECONDS = 5  # after which to ask again whether it is ready


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@dataclass(frozen=True, slots=True)
class Server:
    """What is served, and the answers from it.

    Attributes:
        hub: it has to run meanwhile.
        health: what `/healthz` says beside the head; called in the event loop, must not raise.
        troubles: why the keeper is not ready, in words for `/readyz`; none when it is. As above.
        gate: who may ask.
        api: the REST API, where there is one.
    """

    hub: Hub
    health: Callable[[], Mapping[str, Any]]
    troubles: Callable[[], Sequence[str]]
    gate: Gate
    api: Api | None = None

    def application(self) -> web.Application:
        """Everything at its path; health and figures alone where there is no API."""
        app = self.gate.application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", _metrics)
        if self.api:
            app.router.add_get("/ws", self._ws)
            app.router.add_get("/asyncapi.yaml", described("asyncapi.yaml"))
            self.api.add_to(app.router)
        app.on_shutdown.append(lambda _: self.hub.close(retry_after_ms=1000))
        return app

    def runner(self, **options: Any) -> web.AppRunner:
        """Of the application. What comes packed is not unpacked, but refused."""
        options |= {"access_log": None, "auto_decompress": False}
        return web.AppRunner(self.application(), keepalive_timeout=_KEEPALIVE_SECONDS, **options)

    # ---- for who runs it

    async def _healthz(self, _: web.Request) -> web.Response:
        """Alive, and how far."""
        head = self.hub.board.head
        age = head and max(0, int(time.time()) - head.timestamp)
        told = {"status": "ok", "head": head and head.number, "headAgeSeconds": age}
        return web.json_response({**told, **self.health()})

    async def _readyz(self, _: web.Request) -> web.Response:
        """Ready, or what is in the way."""
        if troubles := self.troubles():
            raise Problem(503, "not_ready", "; ".join(troubles), _READY_SECONDS)
        return web.json_response({"status": "ready"})

    # ---- the websocket

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        """Upgrades the connection and serves it to its end."""
        origins = request.headers.getall("Origin", ())
        if any(origin not in self.gate.origins for origin in origins):
            metrics.FEED_REFUSED.labels("origin").inc()
            raise Problem(403, "forbidden_origin", "pages of this origin may not connect")
        limits = self.hub.limits
        ws = web.WebSocketResponse(
            timeout=2.0,  # for the client to agree that it is over
            autoping=False,
            # Its own pings find connections whose other end is gone without a word.
            heartbeat=max(limits.heartbeat_seconds, 5.0),
            compress=False,
            # Its own refusal is abrupt: that is for messages far beyond the limit.
            max_msg_size=4 * limits.message_bytes,
        )
        await ws.prepare(request)
        if (transport := request.transport) is None:
            return ws
        # What the kernel holds back from a slow client would otherwise not count as unsent.
        kernel = transport.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.soft_bytes)
        client = Client(network(self.gate.address(request)), ws, transport, limits)
        try:
            await self._converse(client)
        except Refused as e:
            await client.close(*e.args)
        except Exception:
            log.exception("a websocket session failed")
            await client.close(Close.INTERNAL)
        return ws

    async def _converse(self, client: Client) -> None:
        """Obeys the client until it goes. Raises Refused when it has to."""
        rate = client.limits.messages_per_second
        most = rate * (1 + client.limits.ahead_seconds)
        allowance, idle_since = float(rate), time.monotonic()
        self.hub.admit(client)
        try:
            async with asyncio.timeout(client.limits.first_subscription) as first:
                async for said in client.ws:
                    begun = time.monotonic()
                    earned = min(rate, allowance + (begun - idle_since) * rate)
                    allowance = max(allowance, earned) - 1
                    if allowance < 0:
                        raise Refused(Close.TOO_MANY_MESSAGES)
                    await self._take(client, said)
                    idle_since = time.monotonic()
                    # Others of its messages may have come while it had to wait for this one.
                    allowance = min(most, allowance + (idle_since - begun) * rate)
                    if client.channels:
                        first.reschedule(None)
        except TimeoutError:
            raise Refused(Close.NO_SUBSCRIPTION) from None
        finally:
            self.hub.forget(client)

    async def _take(self, client: Client, said: WSMessage) -> None:
        """Does what one message wants. Text may come as binary, too. Raises Refused."""
        if said.type is WSMsgType.PING:
            client.send(frame(said.data, WSMsgType.PONG))
        if said.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        text = said.data.encode() if isinstance(said.data, str) else said.data
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
                await self.hub.catch_up(wish)
                self.hub.subscribe(client, wish)
            case "unsubscribe":
                self.hub.unsubscribe(client, wish)
            case "ping":
                client.send(message("pong", id=wish.id))
