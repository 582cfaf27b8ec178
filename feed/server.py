"""The HTTP server: the REST API, health and figures, and the websocket."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from feed.api import Api
from feed.http import Gate, Problem, described
from feed.hub import Hub
from feed.session import open_on
from feed.store import network

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
            app.router.add_get("/ws", self._ws, allow_head=False)
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
        """Makes a websocket of the connection, if the page may have one."""
        self.gate.admit_page(request)
        open_on(request, self.hub, network(self.gate.address(request)))
        return web.Response()  # which nobody gets
