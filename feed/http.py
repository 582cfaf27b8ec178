"""What holds for every request: who may ask, from where and how often, and how errors look.

Every answer that is an error is a problem (RFC 9457) with a `code` for programs, whoever made it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple, Protocol

import orjson
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from structlog.contextvars import bind_contextvars

from keeper import metrics
from keeper.errors import HistoryError

log = logging.getLogger(__name__)

STATIC_SECONDS = 24 * 3600
_PREFLIGHT_SECONDS = 3600
_TAKING_SECONDS = 30  # for all of an answer to be taken
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_ID = web.RequestKey("id", str)  # that of a request
_PORT = re.compile(r":[0-9]*$")
_OURS = frozenset({"/healthz", "/readyz", "/metrics"})  # asked by who runs the machine
_READABLE = "ETag, Retry-After, X-Request-Id"


def _worth_logging(record: logging.LogRecord) -> bool:
    """Not what aiohttp has to say, at length, of everybody who does not speak HTTP."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logging.getLogger("aiohttp.server").addFilter(_worth_logging)


class Limiter(Protocol):
    """Counts what network addresses ask for."""

    async def hit(self, kind: str, address: str) -> float | None:
        """Counts one more, a "rest" request or a "connect"; seconds to wait when it is too much."""
        ...


class Problem(Exception):
    """A request that is not obeyed.

    Attributes:
        code: what is wrong, for programs.
        more: members of the answer beside the usual ones.
        retry_after: seconds after which it may be tried again, if that helps.
    """

    def __init__(
        self, status: int, code: str, detail: str, retry_after: float | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.more, self.retry_after = status, code, more, retry_after

    def answer(self) -> web.Response:
        """As the client gets it."""
        title = web.Response(status=self.status).reason
        told = {"type": "about:blank", "title": title, "status": self.status, "code": self.code}
        body = orjson.dumps({**told, "detail": str(self), **self.more})
        answer = web.Response(
            body=body, status=self.status, content_type="application/problem+json"
        )
        if self.retry_after is not None:
            answer.headers[hdrs.RETRY_AFTER] = str(math.ceil(self.retry_after))
        return answer


class Body(NamedTuple):
    """JSON that is ready to be sent, and told apart from any other by its tag."""

    data: bytes
    tag: str

    @classmethod
    def of(cls, data: bytes) -> Body:
        """With its tag."""
        return cls(data, hashlib.blake2b(data, digest_size=16).hexdigest())


def cached(
    request: web.Request, body: Body, seconds: int, content_type: str = "application/json"
) -> web.Response:
    """An answer that caches may keep, or word that the client's copy is still good."""
    response = web.Response(body=body.data, content_type=content_type)
    if {etag.value for etag in request.if_none_match or ()} & {"*", body.tag}:
        response = web.Response(status=304)
    response.etag = body.tag
    response.headers[hdrs.CACHE_CONTROL] = f"public, max-age={seconds}"
    return response


async def expected(request: web.Request) -> web.StreamResponse | None:
    """Tells who waits for it to send the body; nothing else that may be expected is done."""
    if request.version < HttpVersion11:
        return None
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        return Problem(417, "expectation_failed", "nothing but 100-continue is done").answer()
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself is still to begin
    return None


@web.middleware
async def _sent(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Sends the answer. Who does not take it in time is cut off: it would stay for ever."""
    response = await handler(request)
    if (transport := request.transport) is None:
        return response  # gone, or a websocket
    transport.set_write_buffer_limits(high=0)  # what is sent is out
    try:
        async with asyncio.timeout(_TAKING_SECONDS):
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write_eof()
    except TimeoutError:
        transport.abort()
    return response


def described(name: str) -> Handler:
    """Serves a description of the protocol, a file of this package."""
    body = Body.of(resources.files("feed").joinpath(name).read_bytes())

    async def answer(request: web.Request) -> web.Response:
        return cached(request, body, STATIC_SECONDS, "application/yaml")

    return answer


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may ask.

    Attributes:
        origins: of the pages that may use it from a browser, exactly as browsers send them,
            such as "https://example.org". Clients that are no browsers are not asked.
        hosts: the names under which it may be asked, without ports; none: under any.
        proxies: networks whose word is taken for whom they ask (X-Forwarded-For).
        limiter: None where nobody counts.
    """

    origins: Collection[str] = ()
    hosts: Collection[str] = ()
    proxies: Sequence[IPv4Network | IPv6Network] = ()
    limiter: Limiter | None = None

    def address(self, request: web.Request) -> str:
        """Who asks: the first, from here on, that is not one of the proxies."""
        told = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")
        asking = _ip(request.remote or "")
        while told and asking and any(asking in network for network in self.proxies):
            if (nearer := _ip(told.pop().strip())) is None:
                break
            asking = nearer
        return str(asking or request.remote or "")

    async def admit(self, request: web.Request) -> None:
        """Raises Problem when the request is not to be answered."""
        if request.path in _OURS:
            return
        host = _PORT.sub("", request.host)
        if self.hosts and host.lower() not in self.hosts:
            raise Problem(421, "unknown_host", "this is not a name of the server")
        kind = "connect" if request.path == "/ws" else "rest"
        if self.limiter is None:
            return
        wait = await self.limiter.hit(kind, self.address(request))
        if wait is not None:
            raise Problem(429, "too_many_requests", "too many from this address", wait)

    def admit_page(self, request: web.Request) -> None:
        """Raises Problem when it comes of a page that may not ask; programs are no pages."""
        if all(origin in self.origins for origin in request.headers.getall(hdrs.ORIGIN, ())):
            return
        metrics.FEED_REFUSED.labels("origin").inc()
        why = "pages of this origin may not ask: LOTTOCHAIN_ORIGINS has those that may"
        raise Problem(403, "forbidden_origin", why)

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks for a page whether it may ask. Raises Problem."""
        told = hdrs.ORIGIN, hdrs.ACCESS_CONTROL_REQUEST_METHOD
        if request.method != hdrs.METH_OPTIONS or not all(name in request.headers for name in told):
            return None
        self.admit_page(request)
        return web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD, POST",
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Content-Type, If-None-Match, X-Request-Id",
                hdrs.ACCESS_CONTROL_MAX_AGE: str(_PREFLIGHT_SECONDS),
            },
        )

    async def complete(self, request: web.Request, response: web.StreamResponse) -> None:
        """Lets pages of allowed origins read what they asked for, and caches only what they may."""
        response.headers[hdrs.VARY] = "Origin"
        response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        response.headers["X-Request-Id"] = request.get(_ID) or secrets.token_hex(8)
        if self._allowed(request):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request.headers[hdrs.ORIGIN]
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _READABLE

    def _allowed(self, request: web.Request) -> bool:
        return request.headers.get(hdrs.ORIGIN) in self.origins

    def application(self) -> web.Application:
        """One without routes, in which every refusal and every fault becomes a problem."""

        @web.middleware
        async def answers(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = request.headers.get("X-Request-Id", "")
            request[_ID] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
            # For the log, too, until the next request of this connection.
            bind_contextvars(request=request[_ID])
            try:
                await self.admit(request)
                return self.preflight(request) or await handler(request)
            except Problem as e:
                if e.status in (421, 429):
                    metrics.FEED_REFUSED.labels(e.code).inc()
                return e.answer()
            except web.HTTPException as e:
                return _problem(e)
            except ConnectionError:
                return web.Response(status=400)  # which nobody gets: the client is gone
            except HistoryError:  # which is in the log
                return Problem(503, "no_history", "the history cannot be read", 10).answer()
            except Exception:
                log.exception("a request failed")
                return _problem(web.HTTPInternalServerError(text="something went wrong here"))

        app = web.Application(middlewares=[_sent, answers], client_max_size=16 * 1024)
        app.on_response_prepare.append(self.complete)
        return app


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    """An address; that of IPv4 in the form of IPv6 as what it is."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _problem(e: web.HTTPException) -> web.Response:
    """What aiohttp refuses, as a problem."""
    code, why = e.reason.lower().replace(" ", "_"), e.text or e.reason
    if isinstance(e, web.HTTPNotFound):
        why = "there is nothing at this path: /openapi.yaml has those that there are"
    if not isinstance(e, web.HTTPMethodNotAllowed):
        return Problem(e.status, code, why).answer()
    allowed = e.headers[hdrs.ALLOW]
    answer = Problem(e.status, code, f"this path takes {allowed.replace(',', ' and ')}").answer()
    answer.headers[hdrs.ALLOW] = allowed
    return answer
