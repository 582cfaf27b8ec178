"""Local publishers and literal answers, over real HTTP, for the keeper's tests."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest
from aiohttp import web

from demo.publishers import REAL_DRAWS, Publishers
from keeper.domain.draw import Game
from keeper.ports import Fetched
from keeper.sources import build, open_client


@pytest.fixture
async def publishers() -> AsyncIterator[Publishers]:
    """All publishers, showing every real draw."""
    async with Publishers(REAL_DRAWS) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """The client that the keeper's sources share."""
    async with open_client() as opened:
        yield opened


@dataclass
class Asked:
    """A request as it arrived at a literal server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Literal:
    """A server that answers the given bytes to whatever is asked.

    Attributes:
        pages: what it answers, in turn; the last one again and again.
        redirects: how many answers are redirects to `location` before that.
        asked: every request.
    """

    client: httpx.AsyncClient
    asked: list[Asked] = field(default_factory=list)
    pages: list[bytes] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    redirects: int = 0
    redirect_status: int = 302
    location: str = ""
    url: str = ""

    async def fetch(self, source: str, game: Game, date: str, *pages: bytes | str) -> Fetched:
        """Lets a source ask for a date while the server answers these bodies."""
        self.pages = [page.encode() if isinstance(page, str) else page for page in pages]
        found = build({source: self.url}, self.client, clock=lambda: 1_787_000_000.9)
        return await found[source].fetch(game, dt.date.fromisoformat(date))

    async def answer(self, request: web.Request) -> web.Response:
        headers = {key.lower(): value for key, value in request.headers.items()}
        body = await request.read()
        self.asked.append(Asked(request.method, request.path_qs, headers, body))
        if len(self.asked) <= self.redirects:
            return web.Response(status=self.redirect_status, headers={"Location": self.location})
        page = self.pages[min(len(self.asked), len(self.pages)) - 1]
        return web.Response(body=page, status=self.status, headers=self.headers)


@pytest.fixture
async def literal(client: httpx.AsyncClient) -> AsyncIterator[Literal]:
    """A server of literal answers."""
    server = Literal(client)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


RawServer = Callable[[bytes], Awaitable[str]]


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    """Starts a server that sends exactly these bytes and closes, HTTP or not; gives its URL."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(sent: bytes) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
    for writer in writers:
        writer.transport.abort()  # what the client did not want to read
        with suppress(OSError):
            await writer.wait_closed()
