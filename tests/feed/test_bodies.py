"""Bytes that are no HTTP, bodies that never come, and what a client expects."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
from collections.abc import AsyncIterator

import pytest

from tests.feed.test_rest import opened, problem
from tests.feed.world import (
    ANN,
    POWER,
    World,
    serving,
)
from tests.keeper.chain.waiting import PATIENCE

ROUND = f"/api/round/{POWER}/1"


async def test_bytes_that_are_no_http_do_not_hurt() -> None:
    rng = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    good = f"GET {ROUND} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    world = opened()

    async def one(port: int) -> None:
        data = bytearray(good if rng.random() < 0.8 else rng.randbytes(200))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes(data))
        writer.write_eof()
        answer = await reader.read(2**20)
        writer.close()
        assert not answer or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
        assert not answer[9:].startswith(b"5")

    async with serving(world) as session:
        port = int(world.url.rpartition(":")[2])
        for _ in range(5):
            await asyncio.gather(*(one(port) for _ in range(60)))
        async with session.get(ROUND) as response:
            assert response.status == 200


async def raw(world: World, *parts: bytes) -> tuple[bytes, bytes, bytes]:
    """Status line, headers and body of the last answer to bytes, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE):
            answer = await reader.readuntil(b"\r\n\r\n")
            status, _, headers = answer.partition(b"\r\n")
            length = re.search(rb"Content-Length: (\d+)", headers)
            body = await reader.readexactly(int(length[1])) if length else b""
    finally:
        writer.close()
    return status, headers, body


@pytest.mark.parametrize("path", ["/api/bet", "/api/claim"])
async def test_a_body_that_never_comes_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("feed.questions._BODY_SECONDS", 0.2)
    world = opened()
    asked = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    async with serving(world):
        for length in ("Content-Length: 9", "Transfer-Encoding: chunked"):
            begun = f"{asked}{length}\r\n\r\n"
            for part in (b"", b"{", b"zz\r\n"):  # nothing, a part, no chunk
                status, headers, body = await raw(world, begun.encode(), part)
                assert status == b"HTTP/1.1 408 Request Timeout"
                assert b"application/problem+json" in headers
                assert b'"code":"request_timeout"' in body


@pytest.mark.parametrize("path", ["/api/bet", ROUND, "/nowhere"])
async def test_who_expects_what_is_not_done_is_told(path: str) -> None:
    method = "POST" if path == "/api/bet" else "GET"
    asked = f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
    world = opened()
    async with serving(world):
        status, headers, body = await raw(world, f"{asked}Expect: foo\r\n\r\n".encode())
        assert status == b"HTTP/1.1 417 Expectation Failed"
        assert b"X-Request-Id: " in headers
        assert path == "/nowhere" or b'"code":"expectation_failed"' in body


async def test_who_waits_for_leave_to_send_a_body_is_told_to() -> None:
    """But for those of HTTP/1.0, which has no such word."""
    world = opened()
    asked = (
        b"Host: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    async with serving(world) as session:
        status, _, _ = await raw(world, b"POST /api/claim HTTP/1.1\r\n" + asked)
        assert status == b"HTTP/1.1 100 Continue"
        status, _, _ = await raw(world, b"POST /api/claim HTTP/1.0\r\n" + asked, b"{}")
        assert status == b"HTTP/1.0 400 Bad Request"
        body = {"user": ANN}
        async with session.post("/api/claim", json=body, expect100=True) as response:
            assert await problem(response, 409)


@contextlib.asynccontextmanager
async def asking(world: World, times: int) -> AsyncIterator[socket.socket]:
    """Who asks for so many answers at once, and takes little at a time."""
    loop, (host, port) = asyncio.get_running_loop(), world.url.removeprefix("http://").split(":")
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.setblocking(False)
        await loop.sock_connect(own, (host, int(port)))
        question = b"GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n"
        last = question + b"Connection: close\r\n\r\n"
        await loop.sock_sendall(own, (question + b"\r\n") * (times - 1) + last)
        async with asyncio.timeout(PATIENCE):
            yield own


async def writing(own: socket.socket) -> None:
    """Until the other end is gone."""
    while True:
        await asyncio.get_running_loop().sock_sendall(own, b"\r\n")
        await asyncio.sleep(0.05)


async def test_who_does_not_take_its_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feed.http._TAKING_SECONDS", 0.2)
    world = opened()
    async with serving(world), asking(world, 200) as own:
        with pytest.raises(ConnectionError):
            await writing(own)


async def test_who_takes_its_answers_slowly_gets_them_all() -> None:
    world, heard = opened(), bytearray()
    async with serving(world), asking(world, 200) as own:
        while told := await asyncio.get_running_loop().sock_recv(own, 2**16):
            heard += told
        assert heard.count(b"HTTP/1.1 200 OK") == heard.count(b"openapi: 3.1.0") == 200
