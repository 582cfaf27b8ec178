"""How a websocket begins, and what the HTTP server keeps of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest
from aiohttp.web_protocol import RequestHandler

from tests.feed.peer import MARKET, Peer, peer
from tests.feed.world import connected, opened, raw, serving
from tests.keeper.chain.waiting import until


async def test_what_is_said_before_the_handshake_is_answered_is_heard() -> None:
    """As by a client in a hurry, which it need not be."""
    world = opened()
    async with serving(world), raw(world) as (reader, writer):
        early = Peer(reader, writer)
        early.say(op="ping", id=7)
        await reader.readuntil(b"\r\n\r\n")
        await early.told("hello")
        assert (await early.told("pong"))["id"] == 7


async def test_a_kept_connection_becomes_a_websocket() -> None:
    world = opened()
    async with serving(world), raw(world) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await Peer(reader, writer).told("hello")
        host, port = world.url.removeprefix("http://").split(":")
        kept, asking = await asyncio.open_connection(host, int(port))
        for _ in range(2):
            asking.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await kept.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            assert b'"ok"' in await kept.readexactly(size)
        asking.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await kept.readuntil(b"\r\n\r\n")
        client = Peer(kept, asking)
        await client.told("hello")
        client.say(op="subscribe", id=1, channels=[MARKET])
        await client.told("snapshot")
        asking.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", "h2c"),
        ("Connection", "close"),
        ("Sec-WebSocket-Version", "7"),
        ("Sec-WebSocket-Key", "short"),
        ("Sec-WebSocket-Key", None),
    ],
)
async def test_a_handshake_that_is_none_is_a_problem(name: str, value: str | None) -> None:
    world = opened()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    changed = {k: v for k, v in (headers | {name: value}).items() if v is not None}
    async with serving(world) as session:
        async with session.get("/ws", headers=changed) as answer:
            told = await answer.json()
        assert (answer.status, told["code"]) == (400, "bad_request")
        assert name.lower() in told["detail"].lower()
        async with connected(session) as client:
            assert await client.silent()


@pytest.mark.parametrize(
    "request_line",
    [
        b"HEAD /ws HTTP/1.1\r\n",
        b"POST /ws HTTP/1.1\r\n",
        b"GET /ws HTTP/1.0\r\n",
        b"GET /ws HTTP/1.1\r\nContent-Length: 5\r\n",
        b"GET /ws HTTP/1.1\r\nSec-WebSocket-Key: \xff\r\n",
        b"GET /ws HTTP/1.1\r\nUpgrade: \xff\r\n",
        b"GET /ws HTTP/1.1\r\nConnection: ,,\xff\r\n",
        b"GET /ws HTTP/1.1\r\nConnection: ,,\r\n",
    ],
)
async def test_what_may_not_begin_a_websocket_is_refused(request_line: bytes) -> None:
    """Without a fault in the log, which `serving` would tell."""
    world = opened()
    async with serving(world):
        host, port = world.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            request_line + b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n")
        assert head.split(b" ")[1] in (b"400", b"405")
        writer.close()
        assert not world.hub._clients


async def test_the_http_server_keeps_nothing_of_a_websocket() -> None:
    def kept() -> int:
        gc.collect()
        return sum(isinstance(each, RequestHandler) for each in gc.get_objects())

    world, before = opened(), kept()
    async with serving(world), contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await (await stack.enter_async_context(peer(world))).told("hello")
        await until(lambda: kept() == before)
