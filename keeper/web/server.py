"""The HTTP server: rounds over REST, health and figures, and the websocket.

Every answer that is an error is a problem (RFC 9457), whoever made it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import WSMessage, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from keeper.ports import RoundStatus
from keeper.web import protocol
from keeper.web.board import Board
from keeper.web.client import Client
from keeper.web.hub import Hub
from keeper.web.protocol import Close, Malformed
from keeper.web.views import rounds_data

log = logging.getLogger(__name__)

HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
Health = Callable[[], Mapping[str, Any]]
HEALTH: web.AppKey[Health] = web.AppKey("health")
Troubles = Callable[[], Sequence[str]]
TROUBLES: web.AppKey[Troubles] = web.AppKey("troubles")
ORIGINS: web.AppKey[frozenset[str]] = web.AppKey("origins", frozenset)

OPEN_SECONDS, FINISHED_SECONDS = 10, 15 * 60  # how long caches may keep a round
_NO_STORE = {"Cache-Control": "no-store"}
_CLOSE_SECONDS = 2.0  # how long a client may take to agree that it is over
_RETRY_MS = 1000  # after a shutdown that nobody announced


def _worth_logging(record: logging.LogRecord) -> bool:
    """Not what aiohttp has to say, at length, of everybody who does not speak HTTP."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


server_logger.addFilter(_worth_logging)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(
    hub: Hub, health: Health, troubles: Troubles, origins: Collection[str] = ()
) -> web.Application:
    """The application, which runs the hub while it is served.

    Args:
        health: what `/healthz` says beside the head; called in the event loop, must not raise.
        troubles: why the keeper is not ready, in words for `/readyz`; none when it is. As above.
        origins: of the pages that may use it from a browser, exactly as browsers send them,
            such as "https://example.org". Clients that are no browsers are not asked.
    """
    app = web.Application(middlewares=[_answers])
    app[HUB], app[HEALTH], app[TROUBLES] = hub, health, troubles
    app[ORIGINS] = frozenset(origins)
    app.router.add_get("/ws", _ws)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/api/round", _open_rounds)
    app.router.add_get("/api/round/{market}/{id}", _round)
    app.on_response_prepare.append(_allow_origin)
    app.on_shutdown.append(lambda _: hub.close(_RETRY_MS))
    app.cleanup_ctx.append(_running)
    return app


# ---- REST


async def _healthz(request: web.Request) -> web.Response:
    head = request.app[HUB].board.head
    told = {
        "status": "ok",
        "head": head.number if head else None,
        "headAgeSeconds": max(0, int(time.time()) - head.timestamp) if head else None,
        **request.app[HEALTH](),
    }
    return web.json_response(told, headers=_NO_STORE)


async def _readyz(request: web.Request) -> web.Response:
    if troubles := request.app[TROUBLES]():
        raise web.HTTPServiceUnavailable(text="; ".join(troubles))
    return web.json_response({"status": "ready"}, headers=_NO_STORE)


async def _metrics(_: web.Request) -> web.Response:
    headers = {"Content-Type": CONTENT_TYPE_LATEST, **_NO_STORE}
    return web.Response(body=generate_latest(), headers=headers)


async def _open_rounds(request: web.Request) -> web.Response:
    board = _board(request)
    rounds = [r for m in board.markets for r in rounds_data(m, board.now, RoundStatus.OPEN)]
    return _cached(request, orjson.dumps({"rounds": rounds}), OPEN_SECONDS)


async def _round(request: web.Request) -> web.Response:
    board = _board(request)
    name, number = request.match_info["market"], request.match_info["id"]
    address = next((m.address for m in board.markets if m.game.name == name), name)
    try:
        channel = board.channel(f"round:{address}:{number}")
    except Malformed as e:
        refusal = web.HTTPBadRequest if e.code == "bad_channel" else web.HTTPNotFound
        raise refusal(text=str(e)) from None
    _, r = board.find(channel)
    seconds = FINISHED_SECONDS if r and r.book.finished else OPEN_SECONDS
    return _cached(request, board.data(channel), seconds)


def _board(request: web.Request) -> Board:
    board = request.app[HUB].board
    if board.head is None:
        text = "the server is still reading the chain"
        raise web.HTTPServiceUnavailable(text=text, headers={"Retry-After": "1"})
    return board


# ---- answers


def _cached(request: web.Request, body: bytes, seconds: int) -> web.Response:
    """An answer that caches may keep, or word that the client's copy is still good."""
    tag = hashlib.blake2b(body, digest_size=16).hexdigest()
    response = web.Response(body=body, content_type="application/json")
    if {etag.value for etag in request.if_none_match or ()} & {"*", tag}:
        response = web.Response(status=304)
    response.etag = tag
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response


def _problem(status: int, detail: str, headers: Mapping[str, str]) -> web.Response:
    title = HTTPStatus(status).phrase
    return web.json_response(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status=status,
        headers={k: headers[k] for k in ("Allow", "Retry-After") if k in headers} | _NO_STORE,
        content_type="application/problem+json",
    )


@web.middleware
async def _answers(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Turns every refusal and every fault into a problem."""
    try:
        return await handler(request)
    except web.HTTPException as e:
        return _problem(e.status, e.text or e.reason, e.headers)
    except ConnectionError:
        return web.Response(status=400)  # which nobody gets: the client is gone
    except Exception:
        log.exception("a request failed")
        return _problem(500, "something went wrong here", {})


async def _allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Lets pages of allowed origins read what they asked for."""
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin")
    if origin in request.app[ORIGINS]:
        response.headers["Access-Control-Allow-Origin"] = origin


# ---- the websocket


async def _ws(request: web.Request) -> web.StreamResponse:
    """Upgrades the connection and serves it to its end."""
    hub, allowed = request.app[HUB], request.app[ORIGINS]
    if any(origin not in allowed for origin in request.headers.getall("Origin", ())):
        raise web.HTTPForbidden(text="pages of this origin may not connect")
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
    if (transport := request.transport) is None:
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


# ---- life


async def _running(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[HUB].run())
    yield
    task.cancel()
    await asyncio.wait([task])
