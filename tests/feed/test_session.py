"""A websocket byte by byte: how it is cut into frames, what it may say, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time

import orjson
import pytest
from prometheus_client import REGISTRY
from websockets.frames import Close as Parting
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from tests.feed.peer import MARKET, ahead, forgotten, peer
from tests.feed.world import beat, connected, created, opened, serving
from tests.keeper.chain.waiting import PATIENCE, until


async def test_frames_however_the_network_cuts_them() -> None:
    world = opened(messages_per_second=50)
    async with serving(world), peer(world) as client:
        assert (await client.told("hello"))["protocol"] == 1
        wish = orjson.dumps({"op": "subscribe", "id": 1, "channels": [MARKET]})
        for byte in Frame(Opcode.TEXT, wish).serialize(mask=True):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.told("ack"))["subscribed"] == [MARKET]
        # Two at a time, and one in parts, with a ping of the protocol between them.
        client.say(op="ping", id=2)
        client.say(op="ping", id=3)
        client.send(b'{"op":"pi', fin=False)
        client.send(b"are you there?", Opcode.PING)
        client.send(b'ng","id"', Opcode.CONT, fin=False)
        client.send(b":4}", Opcode.CONT)
        await client.told("snapshot")
        assert [(await client.told("pong"))["id"] for _ in range(2)] == [2, 3]
        heard = [await client.hear() for _ in range(2)]
        assert {bytes(f.data) for f in heard if f.opcode is Opcode.PONG} == {b"are you there?"}
        assert [orjson.loads(f.data)["id"] for f in heard if f.opcode is Opcode.TEXT] == [4]


async def test_the_client_ends_it() -> None:
    world = opened()
    async with serving(world):
        async with peer(world) as client:
            client.say(op="subscribe", id=1, channels=[MARKET])
            client.send(Parting(1001, "gone").serialize(), Opcode.CLOSE)
            await client.told("snapshot")
            assert await client.parting() == Parting(1001, "gone")
        await forgotten(world)


WRONG = {
    "not masked": (bytes([0x81, 0x02]) + b"{}", 1002),
    "of an extension that was not agreed on": (bytes([0xF1, 0x80, 0, 0, 0, 0]), 1002),
    "the rest of nothing": (Frame(Opcode.CONT, b"of what?").serialize(mask=True), 1002),
    "far too long": (Frame(Opcode.TEXT, bytes(70_000)).serialize(mask=True), 1009),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_no_websocket_ends_after_what_was_said_before(wrong: str) -> None:
    world, (data, code) = opened(), WRONG[wrong]
    async with serving(world):
        async with peer(world) as client:
            client.say(op="ping", id=1)
            client.writer.write(data)
            assert (await client.told("pong"))["id"] == 1
            assert (await client.parting()).code == code
        await forgotten(world)


async def test_who_is_sent_away_is_told_nothing_more() -> None:
    """And has a moment to agree, in which it is not obeyed; then the connection is gone."""
    world = opened()
    async with serving(world):
        async with peer(world) as client:
            client.send(bytes(20_000))
            assert (await client.told("error"))["code"] == "message_too_big"
            (there,) = world.hub._clients
            session = there.transport.get_protocol()
            parting = asyncio.create_task(client.parting())
            world.mine(created(2))
            client.say(op="subscribe", id=3, channels=[MARKET])
            # Until it is read, if it comes before the moment is over.
            await until(lambda: session._late > 0 or there.transport.is_closing())
            world.mine(created(3))
            beat(world)
            assert await parting == Parting(4000, "message_too_big")
        await forgotten(world)


async def test_who_is_sent_away_while_it_waits_is_told_nothing_more() -> None:
    world = opened(first_subscription=0.3)
    async with serving(world), peer(world) as client:
        client.say(op="subscribe", id=1, channels=[MARKET], since=ahead(world))
        assert (await client.told("error"))["code"] == "no_subscription"
        parting = asyncio.create_task(client.parting())
        for number in range(2, 6):
            world.mine(created(number))
            await asyncio.sleep(0.05)
        assert (await parting).code == 4205
        assert not world.hub._subscribers


async def test_who_does_not_say_that_it_is_there_is_cut_off() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as good:
        await good.follow(MARKET)
        async with peer(world) as client:
            client.say(op="subscribe", id=1, channels=[MARKET])
            await client.told("snapshot")
            beat(world)
            assert (await client.told("heartbeat"))["head"] == world.number
            assert (await client.hear()).opcode is Opcode.PING
            await good.hear_until("heartbeat")
            listening = asyncio.create_task(good.hear())  # who answers meanwhile
            await until(lambda: [c.asked_at for c in world.hub._clients].count(math.inf) == 1)
            beat(world)
            with pytest.raises((EOFError, ConnectionResetError)):
                await client.hear()
        assert len(world.hub._clients) == 1
        assert (await listening)["type"] == "heartbeat"
        assert await good.silent()


async def test_those_who_come_together_are_not_asked_together() -> None:
    world = opened(heartbeat_seconds=1000.0)
    async with serving(world) as session, contextlib.AsyncExitStack() as all_of_them:
        begun = time.monotonic()
        for _ in range(20):
            await all_of_them.enter_async_context(connected(session))
        due = [client.beat_at for client in world.hub._clients]
        assert begun + 500 < min(due) < max(due) - 10
        assert max(due) <= time.monotonic() + 1000


async def test_the_end_of_the_server_waits_for_nobody_long() -> None:
    """Neither for who does not agree nor for who does not even read; but a moment for each."""
    world = opened()
    async with serving(world) as session:
        async with connected(session):
            pass
        await forgotten(world)
        async with peer(world), connected(session) as stuck:
            await stuck.follow(MARKET)
            stuck.stop_reading()
            async with asyncio.timeout(PATIENCE):
                await world.hub.close(1000)
            assert not world.hub._clients


async def test_who_floods_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world, read = opened(), list[Opcode]()
    own = Protocol.recv_frame

    def counted(wire: Protocol, frame: Frame) -> None:
        read.append(frame.opcode)
        own(wire, frame)

    monkeypatch.setattr(Protocol, "recv_frame", counted)
    pong = Frame(Opcode.PONG, b"").serialize(mask=True)
    async with serving(world) as session:
        async with peer(world) as client:
            with contextlib.suppress(ConnectionError):
                for _ in range(100):
                    client.writer.write(pong * 10_000)
                    await client.writer.drain()
        await forgotten(world)
        assert len(read) < 5000, "of a million"
        async with connected(session) as other:
            assert await other.silent()


async def test_who_floods_while_it_waits_is_sent_away() -> None:
    world = opened(ahead_seconds=60)
    async with serving(world), peer(world) as client:
        client.say(op="subscribe", id=1, channels=[MARKET], since=ahead(world))
        for number in range(1000):
            client.say(op="ping", id=number)
        assert (await client.told("error"))["code"] == "too_many_messages"
        assert (await client.parting()).code == 4204


async def test_who_goes_while_it_waits_is_forgotten() -> None:
    world = opened()
    async with serving(world):
        async with peer(world) as client:
            client.say(op="subscribe", id=1, channels=[MARKET], since=ahead(world))
            await client.told("hello")
            await asyncio.sleep(0.1)
        await forgotten(world)
        world.mine(created(2))
        await asyncio.sleep(0.1)
        assert not world.hub._subscribers


async def test_a_fault_in_a_late_subscription_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened()

    def fails(*_: object) -> None:
        raise RuntimeError

    async with serving(world, faults=("a websocket session failed",)), peer(world) as client:
        monkeypatch.setattr(world.hub, "subscribe", fails)
        client.say(op="subscribe", id=1, channels=[MARKET], since=ahead(world))
        await client.told("hello")
        await asyncio.sleep(0.1)
        world.mine(created(2))
        assert (await client.parting()).code == 4206


@pytest.mark.usefixtures("clock")
async def test_what_the_protocol_asks_for_costs_nothing() -> None:
    """Neither the answers to the server's pings nor the word that all is over."""
    world = opened(messages_per_second=1)
    async with serving(world), peer(world) as client:
        client.say(op="subscribe", id=1, channels=[MARKET])
        await client.told("snapshot")
        (there,) = world.hub._clients
        for _ in range(20):
            beat(world)
            await client.told("heartbeat")
            ping = await client.hear()
            assert ping.opcode is Opcode.PING
            client.send(bytes(ping.data), Opcode.PONG)
            await until(lambda: there.asked_at == math.inf)
    world = opened(messages_per_second=1)
    async with serving(world), peer(world) as client:
        client.say(op="ping", id=1)
        client.send(Parting(1000, "").serialize(), Opcode.CLOSE)
        heard = [await client.hear() for _ in range(3)]
        assert [frame.opcode for frame in heard] == [Opcode.TEXT, Opcode.TEXT, Opcode.CLOSE]
        assert orjson.loads(heard[1].data)["type"] == "pong"


async def test_who_is_refused_counts_for_nothing() -> None:
    world = opened(per_address=1)
    async with serving(world) as session:
        async with connected(session):
            for _ in range(3):
                async with peer(world) as refused:
                    assert (await refused.told("error"))["code"] == "too_many_from_address"
        await forgotten(world)
        assert not world.hub._addresses
        async with connected(session) as client:
            assert await client.silent()


async def test_who_has_nothing_to_read_is_not_stalled_and_all_are_counted() -> None:
    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"lottochain_{name}", labels) or 0.0

    world = opened(stall_seconds=0.2)
    async with serving(world) as session:
        async with connected(session) as client:
            await client.follow(MARKET, "stats")
            await asyncio.sleep(0.8)
            assert await client.silent()
            assert count("feed_connections") == 1
            assert [count("feed_subscriptions", channel=c) for c in ("market", "stats")] == [1, 1]
            await client.say(op="unsubscribe", id=1, channels=["stats"])
            await client.hear()
            assert [count("feed_subscriptions", channel=c) for c in ("market", "stats")] == [1, 0]
        await forgotten(world)
        assert count("feed_connections") == 0
        assert count("feed_subscriptions", channel="market") == 0
