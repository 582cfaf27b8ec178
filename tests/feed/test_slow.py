"""Clients that read slowly, or not at all: nobody else notices, and nothing is told wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from feed.client import NO_FILE, Client
from feed.session import Session
from keeper.domain.lines import Prediction
from tests.feed.world import (
    MEGA,
    POWER,
    Socket,
    World,
    bet,
    channel,
    connected,
    created,
    opened,
    serving,
    stranger,
)

EVEN = Prediction.EVEN


def burst(world: World, size: int = 20) -> None:
    """A block of bets, about 16 KiB on a round's channel."""
    world.mine(*(bet(stranger(1000 * world.number + i), EVEN, 1) for i in range(size)))


async def waits(world: World, client: Socket) -> Client:
    """Lets it stop reading, and tells so much that something waits, but nothing is left out."""
    client.stop_reading()
    (there,) = world.hub._clients
    while not there.unsent:
        burst(world, 1)
        await asyncio.sleep(0)
    return there


async def test_readers_that_stop_harm_nobody_and_are_cut_off() -> None:
    world = opened(stall_seconds=0.4)
    async with (
        serving(world) as session,
        connected(session) as stuck,
        connected(session) as stuck_too,
        connected(session) as good,
    ):
        for client in (stuck, stuck_too, good):
            await client.follow(channel(), f"market:{POWER}")
        stuck.stop_reading()
        stuck_too.stop_reading()
        told = 0
        while len(world.hub._clients) > 1:
            burst(world)
            for _ in range(20):
                told += 1
                for _ in range(2):
                    event = await good.hear()
                    assert event["data"]["totalStaked"] == str(told)
            most = max(c.unsent for c in world.hub._clients)
            assert most < 64 * 1024 + 2000, "replaceable updates are dropped"
        assert await good.silent()
        assert len(world.hub._clients) == 1
        assert not any(c.unsent or c.stale for c in world.hub._clients)


async def test_one_that_reads_again_gets_a_fresh_snapshot_and_goes_on() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        client.stop_reading()
        while not any(c.stale for c in world.hub._clients):
            burst(world)
            await asyncio.sleep(0)
        burst(world)
        (there,) = world.hub._clients
        assert there.unsent
        assert there.file == NO_FILE
        client.read_again()
        events = []
        while (message := await client.hear())["type"] == "event":
            events.append(message)
            if len(events) % 20 == 0:  # nothing of this may be told before the snapshot
                burst(world)
        snapshot = message
        assert snapshot["type"] == "snapshot"
        # What came before the gap is whole; the snapshot says that a gap was.
        staked = [int(event["data"]["totalStaked"]) for event in events]
        assert staked == list(range(1, len(events) + 1))
        assert not snapshot["recovered"]
        now = int(snapshot["data"]["totalStaked"])
        assert now > len(events)
        while now < (world.number - 101) * 20:  # what was told since it was sent
            now += 1
            assert (await client.hear())["data"]["totalStaked"] == str(now)
        assert world.hub._subscribers[channel()][there] == there.file != NO_FILE
        burst(world, 1)
        assert (await client.hear())["data"]["totalStaked"] == str(now + 1)
        # With a cursor from before the gap all of it can still be had.
        heard = await client.follow(channel(), since=events[-1]["cursor"])
        assert [int(e["data"]["totalStaked"]) for e in heard[:-1]] == [
            *range(staked[-1] + 1, now + 2)
        ]


async def test_what_is_final_is_not_told_to_who_is_slow() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        there = await waits(world, client)
        while not there.slow:
            burst(world)
        before = there.written
        world.mine(finalized=world.number)
        assert there.written == before


async def test_a_heartbeat_never_passes_over_updates_that_were_left_out() -> None:
    world = opened(heartbeat_seconds=0.05)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        known = world.number
        client.stop_reading()
        while not any(c.stale for c in world.hub._clients):
            burst(world)
            await asyncio.sleep(0)
        for _ in range(3):
            burst(world)
            await asyncio.sleep(0.1)
        client.read_again()
        for message in await client.hear_until("snapshot"):
            if message["type"] == "event":
                known = message["blockNumber"]
            elif message["type"] == "heartbeat":
                assert message["head"] <= known + 1


async def test_more_unsent_than_can_be_borne_ends_the_connection() -> None:
    world = opened(messages_per_second=10**6, hard_bytes=100_000, stall_seconds=1e6)
    async with serving(world) as session:
        async with connected(session) as client:
            client.stop_reading()
            with contextlib.suppress(ConnectionError):
                while world.hub._clients:
                    # Long answers to short questions: only one way may be full.
                    await client.say(op="subscribe", channels=[str(i) for i in range(50)])
                    await asyncio.sleep(0)
                    assert all(c.unsent < 120_000 for c in world.hub._clients)
        async with connected(session) as client:
            assert await client.silent()


async def test_a_replay_that_is_too_long_becomes_a_snapshot() -> None:
    world = opened(hard_bytes=100_000)
    since = f"101:{world.head.hash}:0"
    burst(world, 30)
    async with serving(world) as session:
        async with connected(session) as client:
            assert len(await client.follow(channel(), since=since)) == 31
        burst(world, 30)
        burst(world, 30)
        async with connected(session) as client:
            (snapshot,) = await client.follow(channel(), since=since)
        assert not snapshot["recovered"]


async def test_what_waited_a_little_is_told_in_order_and_then_all_is_as_before() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        there = await waits(world, client)
        for _ in range(5):
            burst(world, 1)
        assert not there.stale
        assert there.file == NO_FILE
        client.read_again()
        known = 0
        while known < world.number - 101:
            (event,) = await client.hear_until("event")
            known += 1
            assert int(event["data"]["totalStaked"]) == known
        assert world.hub._subscribers[channel()][there] == there.file != NO_FILE


async def test_who_gives_up_what_it_is_owed_is_told_the_rest_as_before() -> None:
    world = opened()
    world.mine(created(1, MEGA))
    other = channel(1, MEGA)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel(), other)
        (there,) = world.hub._clients
        world.hub.begin()  # so nothing that is owed can be sent
        there.stale[channel()] = None
        world.hub.direct(there)
        assert world.hub._subscribers[other][there] == NO_FILE
        before = there.written
        there.beat(world.hub.board.heartbeat(), there.read_at)
        assert there.written == before, "not all was told"
        await client.say(op="unsubscribe", channels=[channel()])
        await client.hear_until("ack")
        assert world.hub._subscribers == {other: {there: there.file}}
        assert there.file != NO_FILE


async def read_some(own: socket.socket, there: Client) -> None:
    left = there.unsent
    while there.unsent == left:
        with contextlib.suppress(BlockingIOError):
            own.recv(1000)
        await asyncio.sleep(0)


async def test_who_reads_slowly_is_not_taken_for_one_who_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("feed.hub._SWEEP_SECONDS", 3600)  # only we look
    world = opened(stall_seconds=1000)
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: Session(world.hub, "here"), sock=ours)
        (there,) = world.hub._clients
        for _ in range(2):
            there.send(bytes(60_000))
            now = there.read_at
            assert there.stalled(now + 1001)
            for _ in range(3):
                await read_some(theirs, there)
                there.send(bytes(20_000))  # more than it read
                now += 900
                assert not there.stalled(now)
            assert not there.stalled(now + 900)
            assert there.stalled(now + 1001)
            while there.unsent:
                await read_some(theirs, there)
            assert not there.stalled(now + 2002)
        transport.abort()
