"""While a changed chain is read anew nothing is told of what is half read; nobody is let in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keeper.domain.lines import Prediction
from tests.feed.test_limits import refused
from tests.feed.world import ANN, Socket, World, beat, bet, channel, connected, created, serving

EVEN = Prediction.EVEN


def opened(**options: Any) -> World:
    world = World(**options)
    world.mine(created(), bet(ANN, EVEN, 5))
    return world


def reset(world: World, blocks: int = 1) -> None:
    """The follower has read all of it again."""
    world.number += blocks
    world.hub.reset(world.views, world.head, None, ())


async def test_nobody_is_let_in_nor_answered() -> None:
    world = opened()
    async with serving(world) as session:
        for path, code in (("/api/round", "starting"), (f"/api/claim/{ANN}", "starting")):
            assert (await session.get(path)).status == 200
            world.hub.begin()
            async with session.get(path) as answer:
                assert (answer.status, (await answer.json())["code"]) == (503, code)
                assert answer.headers["Cache-Control"] == "no-store"
            reset(world)
        world.hub.begin()
        async with session.ws_connect("/ws") as ws:
            assert await refused(Socket(ws)) == ("starting", True, 4200)
        async with session.get("/healthz") as answer:
            assert (await answer.json())["head"] is None


@pytest.mark.parametrize("again", [False, True], ids=["begun", "read"])
@pytest.mark.parametrize("path", [f"/api/bets/{ANN}", f"/api/claim/{ANN}"])
async def test_an_answer_under_way_is_not_made_of_two_states(
    path: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history is asked, and meanwhile the chain turns out to be another."""
    world = opened()
    async with serving(world) as session:
        assert world.history
        ask = world.history._ask

        async def turns(query: Any) -> Any:
            world.hub.begin()
            if again:
                reset(world)
            return await ask(query)

        monkeypatch.setattr(world.history, "_ask", turns)
        async with session.get(path) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "starting")


async def test_who_is_there_stays_and_is_told_when_it_is_read() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        (snapshot,) = await client.follow(channel())
        world.hub.begin()
        beat(world)
        told = await client.hear()
        assert (told["type"], told["head"]) == ("heartbeat", world.number)
        assert (told["cursor"], told["headTime"]) == (snapshot["cursor"], world.time)
        reset(world)
        told = await client.hear()
        assert (told["type"], told["recovered"]) == ("snapshot", False)
        assert told["headTime"] == world.time


async def test_a_snapshot_that_is_owed_waits_for_it() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        (there,) = world.hub._clients
        world.hub.begin()
        there.stale[channel()] = None  # it did not read for a while
        world.hub.direct(there)
        await asyncio.sleep(0.6)  # two looks after it
        assert await client.silent()
        reset(world)
        assert (await client.hear())["headTime"] == world.time
        assert await client.silent()


async def test_a_subscription_waits_for_it() -> None:
    world = opened(ahead_seconds=60)
    async with serving(world) as session, connected(session) as client:
        await client.follow("stats")
        world.hub.begin()
        world.hub.replace("stats", {"rounds": 1})
        await client.say(op="subscribe", id=2, channels=[channel()])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.hear()
        reset(world)
        heard = [await client.hear() for _ in range(3)]
        assert {m.get("channel", m["type"]) for m in heard} == {"ack", "stats", channel()}
        (stats,) = [m for m in heard if m.get("channel") == "stats"]
        assert stats["data"] is None, "what was found out meanwhile may be half of it"
        world.hub.replace("stats", {"rounds": 1})
        assert (await client.hear())["data"] == {"rounds": 1}


async def test_a_subscription_does_not_wait_for_ever() -> None:
    world = opened(ahead_seconds=0.1)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.hub.begin()
        await client.say(op="subscribe", id=2, channels=[channel()])
        assert await refused(client) == ("starting", True, 4200)
