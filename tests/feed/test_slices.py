"""An event for many is told in slices; whatever its order with it matters finishes it first."""

from __future__ import annotations

import asyncio
import contextlib
import select

import pytest

from feed.hub import Hub
from keeper.domain.lines import Prediction
from tests.feed.world import (
    ANN,
    MEGA,
    Socket,
    World,
    beat,
    bet,
    channel,
    connected,
    created,
    serving,
)
from tests.keeper.chain.waiting import PATIENCE

EVEN = Prediction.EVEN


def opened(monkeypatch: pytest.MonkeyPatch, slice_: int, **options: float) -> World:
    """With slices of so many deliveries; where none, nothing is told but by who finishes it."""
    monkeypatch.setattr(Hub._deliver, "__defaults__", (slice_,))
    monkeypatch.setattr("feed.hub._SLICE", slice_ or 1)
    world = World(**options)
    world.mine(created(), created(1, MEGA))
    return world


def have_come(*clients: Socket) -> int:
    """For how many the kernel has something that they did not read yet.

    It may be late with that; so, no turn of the event loop passing, the first is waited for.
    """
    files = [client.ws.get_extra_info("socket") for client in clients]
    return len(select.select(files, [], [], PATIENCE)[0])


async def types(client: Socket, count: int) -> list[str]:
    return [(await client.hear())["type"] for _ in range(count)]


@pytest.mark.parametrize("slice_", [1, 2, 1000])
async def test_every_delivery_is_made_whatever_the_slices(
    monkeypatch: pytest.MonkeyPatch, slice_: int
) -> None:
    world = opened(monkeypatch, slice_)
    async with serving(world) as session, connected(session) as one, connected(session) as two:
        for client in (one, two):
            await client.follow(channel())
        world.mine(*(bet(ANN, EVEN, 1) for _ in range(3)))
        for client in (one, two):
            told = [(await client.hear())["data"]["totalStaked"] for _ in range(3)]
            assert told == ["1", "2", "3"]
            assert await client.silent()


async def test_a_slice_leaves_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 1)
    async with serving(world) as session, connected(session) as one, connected(session) as two:
        for client in (one, two):
            await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        assert have_come(one, two) == 1
        await asyncio.sleep(0)
        assert have_come(one) == have_come(two) == 1
        assert await types(one, 1) + await types(two, 1) == ["event", "event"]


async def test_the_next_event_comes_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        for _ in range(3):
            world.mine(bet(ANN, EVEN, 1))
        told = [(await client.hear())["data"]["totalStaked"] for _ in range(2)]
        assert told == ["1", "2"]


async def test_a_snapshot_comes_after_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        await client.say(op="subscribe", id=2, channels=[channel(1, MEGA)])
        assert await types(client, 3) == ["ack", "event", "snapshot"]
        assert await client.silent()


async def test_who_subscribes_meanwhile_hears_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as early, connected(session) as late:
        await early.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        (snapshot,) = await late.follow(channel())
        assert snapshot["data"]["totalStaked"] == "1"
        assert await late.silent()
        assert await types(early, 1) == ["event"]


async def test_nothing_comes_after_unsubscribing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        await client.say(op="unsubscribe", channels=[channel()])
        assert await types(client, 2) == ["event", "ack"]
        assert await client.silent()


async def test_a_heartbeat_never_passes_by_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        beat(world)
        heard = await client.hear_until("heartbeat")
        assert [m["type"] for m in heard] == ["event", "heartbeat"]
        assert heard[0]["cursor"].split(":")[:2] == heard[1]["cursor"].split(":")[:2]


async def test_a_new_state_comes_after_what_led_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        world.hub.reset(world.views, world.head, None, [])
        assert await types(client, 2) == ["event", "snapshot"]


async def test_what_came_before_a_new_state_is_not_told_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        world.hub.reset(world.views, world.head, world.number, [])
        event = await client.hear()
        assert (event["type"], event["final"]) == ("event", False)


async def test_the_last_events_are_told_before_parting(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 0)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        await world.hub.close(retry_after_ms=10)
        assert await types(client, 3) == ["event", "shutdown", "closed"]


async def test_everybody_is_looked_after_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened(monkeypatch, 1, heartbeat_seconds=0.1)
    async with serving(world) as session, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(session)) for _ in range(3)]
        for client in clients:
            await client.follow(channel())
        for client in clients:
            assert (await client.hear())["type"] == "heartbeat"
