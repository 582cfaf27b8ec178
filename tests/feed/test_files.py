"""Updates are written to the connections' files: what one does not take is not lost, nor doubled.

Meanwhile the transports have nothing that waits; when they have, they are used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from websockets.frames import Frame, Opcode

from feed.client import NO_FILE, Client
from feed.hub import Hub
from feed.protocol import error
from tests.feed.world import Socket, World, connected, opened, raw, serving

THREE = pytest.mark.parametrize("place", range(3))


@asynccontextmanager
async def three(
    session: aiohttp.ClientSession, world: World
) -> AsyncIterator[list[tuple[Socket, Client]]]:
    """Clients that follow "stats", and what the server knows them by, as they are told in turn."""
    async with contextlib.AsyncExitStack() as stack:
        ours: dict[Client, Socket] = {}
        for _ in range(3):
            client = await stack.enter_async_context(connected(session))
            await client.follow("stats")
            (there,) = world.hub._clients - ours.keys()
            ours[there] = client
        yield [(ours[there], there) for there in world.hub._subscribers["stats"]]


def tell(world: World, number: int, size: int = 0) -> None:
    """Everybody, by one update."""
    world.hub.replace("stats", {"number": number, "text": "x" * size})


async def numbers(client: Socket, last: int) -> list[int]:
    """Those of all updates until the last; snapshots, too, are whole and in order."""
    told = [-1]
    while told[-1] != last:
        heard = await client.hear()
        assert heard["type"] == "snapshot"
        assert set(heard["data"]["text"]) <= {"x"}
        told.append(heard["data"]["number"])
    return told[1:]


@THREE
async def test_one_whose_network_is_full_is_told_all_the_same(place: int) -> None:
    world = opened()
    async with serving(world) as session, three(session, world) as clients:
        slow, there = clients[place]
        slow.stop_reading()
        last = -1
        while not there.unsent:
            last += 1
            tell(world, last, 100)
            await asyncio.sleep(0)  # the others read
        for n in range(3):
            tell(world, last + 1 + n, 100)
        assert not there.stale
        assert [other.unsent for _, other in clients].count(0) == 2
        assert world.hub._subscribers["stats"] == {c: c.file for _, c in clients}
        assert [c.file == NO_FILE for _, c in clients] == [n == place for n in range(3)]
        slow.read_again()
        for client, _ in clients:
            assert await numbers(client, last + 3) == [*range(last + 4)]
        assert not there.unsent
        tell(world, -2)
        for client, other in clients:
            assert await numbers(client, -2) == [-2]
            assert world.hub._subscribers["stats"][other] == other.file != NO_FILE


async def test_the_rest_follows_what_was_taken_in_part() -> None:
    world = opened()
    async with serving(world) as session, three(session, world) as clients:
        tell(world, 0, 400_000)  # more than the kernel holds
        assert all(0 < there.unsent < 400_000 for _, there in clients)
        assert not any(there.stale for _, there in clients)
        tell(world, 1)
        assert all(there.stale for _, there in clients), "so much waits that they do without"
        for client, _ in clients:
            assert await numbers(client, 1) == [0, 1]


@THREE
async def test_one_that_is_gone_harms_nobody(place: int) -> None:
    world = opened()
    async with serving(world) as session, three(session, world) as clients:
        gone, there = clients[place]
        with socket.socket(fileno=os.dup(gone.ws.get_extra_info("socket").fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)
        for n in range(3):  # by the second it is known to be gone
            tell(world, n)
        assert there.unsent == 0
        for client, other in clients:
            if other is not there:
                assert await numbers(client, 2) == [0, 1, 2]
                assert await client.silent()
        assert there not in world.hub._clients


@asynccontextmanager
async def alone(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, Client]]:
    """All bytes that come to the only client, which follows "stats"."""
    async with serving(world), raw(world) as (heard, said):
        await heard.readuntil(b"\r\n\r\n")
        wish = Frame(Opcode.TEXT, b'{"op":"subscribe","channels":["stats"]}')
        said.write(wish.serialize(mask=True))
        await heard.readuntil(b'"data":null}')
        (there,) = world.hub._subscribers["stats"]
        yield heard, there


async def test_nothing_is_said_after_the_farewell() -> None:
    world = opened()
    farewell = Frame(Opcode.CLOSE, b"\x03\xe8")
    async with alone(world) as (heard, there):
        there.transport.get_protocol().data_received(farewell.serialize(mask=True))
        assert there.transport.is_closing()
        tell(world, 0)
        assert await heard.read() == farewell.serialize(mask=False)


async def test_nothing_is_said_to_who_is_cut_off() -> None:
    world = opened()
    async with alone(world) as (heard, there):
        there.asked_at = 0  # and did not answer
        world.hub._look_after(there, there.beat_at)
        assert there.transport.is_closing()
        tell(world, 0)
        assert await heard.read() == b""


async def test_a_file_is_given_up_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened()
    async with alone(world) as (_, there):
        there.transport.abort()
        monkeypatch.setattr(world.hub, "_deliveries", (1 // 0 for _ in "once"))
        with pytest.raises(ZeroDivisionError):
            world.hub.forget(there)  # as the event loop does before it closes the file
        assert world.hub._subscribers["stats"] == {there: NO_FILE}
        world.hub._drop(there, "stats")


async def test_who_waits_since_the_delivery_began_is_not_overtaken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Hub._deliver, "__defaults__", (1,))
    monkeypatch.setattr("feed.hub._SLICE", 1)
    world = opened()
    async with serving(world) as session, three(session, world) as clients:
        late, there = clients[2]
        late.stop_reading()
        tell(world, 0)  # the first; each of the others in a turn of its own
        there.send(error("bad_message", "x" * 200_000))
        assert there.unsent
        late.read_again()
        assert (await late.hear())["type"] == "error"
        for client, _ in clients:
            assert await numbers(client, 0) == [0]
