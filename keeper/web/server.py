"""The HTTP server: rounds over REST, a word on health, and the websocket's front door.

Every answer that is an error is a problem (RFC 9457), whoever made it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

from keeper.ports import RoundStatus
from keeper.web import session
from keeper.web.board import Board
from keeper.web.hub import Hub
from keeper.web.protocol import Malformed
from keeper.web.views import rounds_data

log = logging.getLogger(__name__)

HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
Health = Callable[[], Mapping[str, Any]]
HEALTH: web.AppKey[Health] = web.AppKey("health")
ORIGINS: web.AppKey[frozenset[str]] = web.AppKey("origins", frozenset)

OPEN_SECONDS, FINISHED_SECONDS = 10, 15 * 60  # how long caches may keep a round
_NO_STORE = {"Cache-Control": "no-store"}
_RETRY_MS = 1000  # after a shutdown that nobody announced


def _worth_logging(record: logging.LogRecord) -> bool:
    """Not what aiohttp has to say, at length, of everybody who does not speak HTTP."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


server_logger.addFilter(_worth_logging)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(hub: Hub, health: Health, origins: Collection[str] = ()) -> web.Application:
    """The application, which runs the hub while it is served.

    Args:
        health: what `/healthz` says beside the head; called in the event loop, must not raise.
        origins: of the pages that may use it from a browser, exactly as browsers send them,
            such as "https://example.org". Clients that are no browsers are not asked.
    """
    app = web.Application(middlewares=[_answers])
    app[HUB], app[HEALTH], app[ORIGINS] = hub, health, frozenset(origins)
    app.router.add_get("/ws", _ws)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/api/round", _open_rounds)
    app.router.add_get("/api/round/{market}/{id}", _round)
    app.on_response_prepare.append(_allow_origin)
    app.on_shutdown.append(lambda _: hub.close(_RETRY_MS))
    app.cleanup_ctx.append(_running)
    return app


# ---- handlers


async def _ws(request: web.Request) -> web.StreamResponse:
    allowed = request.app[ORIGINS]
    if any(origin not in allowed for origin in request.headers.getall("Origin", ())):
        raise web.HTTPForbidden(text="pages of this origin may not connect")
    return await session.serve(request.app[HUB], request)


async def _healthz(request: web.Request) -> web.Response:
    head = request.app[HUB].board.head
    told = {
        "status": "ok",
        "head": head.number if head else None,
        "headAgeSeconds": max(0, int(time.time()) - head.timestamp) if head else None,
        **request.app[HEALTH](),
    }
    return web.json_response(told, headers=_NO_STORE)


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


# ---- life


async def _running(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[HUB].run())
    yield
    task.cancel()
    await asyncio.wait([task])
