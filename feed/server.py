"""The HTTP server: rounds over REST, health and figures, and the websocket.

Every answer that is an error is a problem (RFC 9457), whoever made it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import WSMessage, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from feed.board import Board
from feed.client import Client
from feed.hub import Hub
from feed.protocol import Close, Malformed, Refused, error, frame, message, parse
from feed.store import Limiter
from feed.views import of_rounds
from keeper import metrics
from keeper.ports import RoundStatus

log = logging.getLogger(__name__)

OPEN_SECONDS, FINISHED_SECONDS = 10, 15 * 60  # how long caches may keep a round
STATIC_SECONDS = 24 * 60 * 60
_ASYNCAPI = Path(__file__).with_name("asyncapi.yaml").read_bytes()


def _worth_logging(record: logging.LogRecord) -> bool:
    """Not what aiohttp has to say, at length, of everybody who does not speak HTTP."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logging.getLogger("aiohttp.server").addFilter(_worth_logging)


@web.middleware
async def _answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every refusal and every fault into a problem."""
    try:
        return await handler(request)
    except web.HTTPException as e:
        return _problem(e)
    except ConnectionError:
        return web.Response(status=400)  # which nobody gets: the client is gone
    except Exception:
        log.exception("a request failed")
        return _problem(web.HTTPInternalServerError(text="something went wrong here"))


def _problem(e: web.HTTPException) -> web.Response:
    told = {"type": "about:blank", "title": e.reason, "status": e.status, "detail": e.text}
    kept = {k: e.headers[k] for k in ("Allow", "Retry-After") if k in e.headers}
    problem = "application/problem+json"
    return web.json_response(told, status=e.status, headers=kept, content_type=problem)


def _cached(
    request: web.Request, body: bytes, seconds: int, kind: str = "application/json"
) -> web.Response:
    """An answer that caches may keep, or word that the client's copy is still good."""
    tag = hashlib.blake2b(body, digest_size=16).hexdigest()
    response = web.Response(body=body, content_type=kind)
    if {etag.value for etag in request.if_none_match or ()} & {"*", tag}:
        response = web.Response(status=304)
    response.etag = tag
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response


async def _asyncapi(request: web.Request) -> web.Response:
    return _cached(request, _ASYNCAPI, STATIC_SECONDS, "application/yaml")


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@dataclass(frozen=True, slots=True)
class Server:
    """What is served, and the answers from it.

    Attributes:
        hub: it has to run meanwhile.
        health: what `/healthz` says beside the head; called in the event loop, must not raise.
        troubles: why the keeper is not ready, in words for `/readyz`; none when it is. As above.
        limiter: how often an address may ask and connect.
        origins: of the pages that may use it from a browser, exactly as browsers send them,
            such as "https://example.org". Clients that are no browsers are not asked.
    """

    hub: Hub
    health: Callable[[], Mapping[str, Any]]
    troubles: Callable[[], Sequence[str]]
    limiter: Limiter
    origins: Collection[str]

    def application(self, *, public: bool = True) -> web.Application:
        """Everything at its path; health and figures alone when it is not for the public."""
        app = web.Application(middlewares=[_answers])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", _metrics)
        if public:
            app.router.add_get("/asyncapi.yaml", _asyncapi)
            app.router.add_get("/ws", self._ws)
            app.router.add_get("/api/round", self._open_rounds)
            app.router.add_get("/api/round/{market}/{id}", self._round)
        app.on_response_prepare.append(self._complete)
        app.on_shutdown.append(lambda _: self.hub.close(retry_after_ms=1000))
        return app

    async def _complete(self, request: web.Request, response: web.StreamResponse) -> None:
        """Lets pages of allowed origins read what they asked for, and caches only what they may."""
        if isinstance(response, web.WebSocketResponse):  # no answer, and kept as long as it lasts
            return
        response.headers["Vary"] = "Origin"
        response.headers.setdefault("Cache-Control", "no-store")
        origin = request.headers.get("Origin")
        if origin and origin in self.origins:
            response.headers["Access-Control-Allow-Origin"] = origin

    # ---- REST

    async def _healthz(self, _: web.Request) -> web.Response:
        """Alive, and how far."""
        head = self.hub.board.head
        age = head and max(0, int(time.time()) - head.timestamp)
        told = {"status": "ok", "head": head and head.number, "headAgeSeconds": age}
        return web.json_response({**told, **self.health()})

    async def _readyz(self, _: web.Request) -> web.Response:
        """Ready, or what is in the way."""
        if troubles := self.troubles():
            raise web.HTTPServiceUnavailable(text="; ".join(troubles))
        return web.json_response({"status": "ready"})

    async def _open_rounds(self, request: web.Request) -> web.Response:
        """The open rounds of all markets."""
        board = self._board()
        rounds = [r for m in board.markets for r in of_rounds(m, board.now, RoundStatus.OPEN)]
        return _cached(request, orjson.dumps({"rounds": rounds}), OPEN_SECONDS)

    async def _round(self, request: web.Request) -> web.Response:
        """One round, its market named by address or by game."""
        board, (name, number) = self._board(), request.match_info.values()
        address = next((m.address for m in board.markets if m.game.name == name), name)
        try:
            channel, _, r = board.find(f"round:{address}:{number}")
        except Malformed as e:
            refusal = web.HTTPBadRequest if e.code == "bad_channel" else web.HTTPNotFound
            raise refusal(text=str(e)) from None
        seconds = FINISHED_SECONDS if r and r.book.finished else OPEN_SECONDS
        return _cached(request, board.data(channel), seconds)

    def _board(self) -> Board:
        if self.hub.board.head is None:
            text = "the server is still reading the chain"
            raise web.HTTPServiceUnavailable(text=text, headers={"Retry-After": "1"})
        return self.hub.board

    # ---- the websocket

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        """Upgrades the connection and serves it to its end."""
        if any(origin not in self.origins for origin in request.headers.getall("Origin", ())):
            metrics.FEED_REFUSED.labels("origin").inc()
            raise web.HTTPForbidden(text="pages of this origin may not connect")
        if (wait := await self.limiter.hit("connect", request.remote or "")) is not None:
            retry = {"Retry-After": str(math.ceil(wait))}
            raise web.HTTPTooManyRequests(text="too many connections a minute", headers=retry)
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
        client = Client(request.remote or "", ws, transport, limits)
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
        allowance, asked_at = float(rate), time.monotonic()
        self.hub.admit(client)
        try:
            async with asyncio.timeout(client.limits.first_subscription) as first:
                async for said in client.ws:
                    now = time.monotonic()
                    allowance, asked_at = min(rate, allowance + (now - asked_at) * rate) - 1, now
                    if allowance < 0:
                        raise Refused(Close.TOO_MANY_MESSAGES)
                    await self._take(client, said)
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
                await self.hub.catch_up(wish)
                self.hub.subscribe(client, wish)
            case "unsubscribe":
                self.hub.unsubscribe(client, wish)
            case "ping":
                client.send(message("pong", id=wish.id))
