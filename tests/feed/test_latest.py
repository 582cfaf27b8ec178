"""Channels whose every message replaces the last, word of what is final, and the figures."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from keeper.domain.lines import Prediction
from keeper.projection import MarketView
from tests.feed.world import (
    ANN,
    BOB,
    MEGA,
    POWER,
    World,
    bet,
    channel,
    connected,
    created,
    opened,
    serving,
)
from tests.keeper.chain.waiting import until

EVEN = Prediction.EVEN


# ---- what replaces


async def test_the_newest_is_told_once_and_to_those_who_come() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        heard = await client.follow("Stats", "oracle")
        assert [(m["channel"], m["data"]) for m in heard] == [("stats", None), ("oracle", None)]
        for volume in ("1", "1", "2"):
            world.hub.replace("stats", {"volume": volume})
        heard = [await client.hear() for _ in range(2)]
        assert [m["data"] for m in heard] == [{"volume": "1"}, {"volume": "2"}]
        assert {(m["type"], m["channel"], m["recovered"]) for m in heard} == {
            ("snapshot", "stats", False)
        }
        assert await client.silent()
        world.mine(bet(ANN, EVEN, 1))
        (snapshot,) = await client.follow("stats", since=heard[0]["cursor"])
        assert (snapshot["data"], snapshot["recovered"]) == ({"volume": "2"}, True)
        # It has nothing to do with the chain's being read anew.
        world.hub.reset(world.views, world.head, None, world.events)
        again = [await client.hear() for _ in range(2)]
        assert {m["channel"]: m["data"] for m in again} == {
            "stats": {"volume": "2"},
            "oracle": None,
        }
        with pytest.raises(KeyError):
            world.hub.replace(channel(), {})


async def test_a_slow_client_gets_only_the_newest() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow("oracle")
        client.stop_reading()
        told = 0
        while not any(c.stale for c in world.hub._clients):
            world.hub.replace("oracle", {"told": (told := told + 1), "x": "x" * 9000})
            await asyncio.sleep(0)
        for more in range(100):
            world.hub.replace("oracle", {"told": told + more})
        client.read_again()
        heard = [await client.hear()]
        while heard[-1]["data"]["told"] < told + 99:
            heard.append(await client.hear())
        assert [m["data"]["told"] for m in heard] == [*range(1, told), told + 99]
        assert await client.silent()


# ---- what is final


async def test_those_who_were_told_hear_once_when_it_cannot_change_any_more() -> None:
    world = opened()
    world.mine(created(1, MEGA))
    async with (
        serving(world) as session,
        connected(session) as client,
        connected(session) as other,
    ):
        await client.follow(channel(), f"user:{ANN}")
        await other.follow(channel(1, MEGA))
        world.mine(finalized=world.number)
        assert (await client.hear())["type"] == "final", "the round was created"
        assert (await other.hear())["type"] == "final"
        world.mine(bet(ANN, EVEN, 1))
        events = [await client.hear() for _ in range(2)]
        world.mine(bet(BOB, EVEN, 1))
        events.append(await client.hear())
        world.mine(finalized=events[0]["blockNumber"])
        final = {"type": "final", "upTo": events[0]["cursor"]}
        assert await client.hear() == final | {"finalized": events[0]["blockNumber"]}
        for number in (None, 7, events[0]["blockNumber"]):  # not known, or not more than before
            world.mine(finalized=number)
        assert await client.silent()
        world.mine(bet(ANN, EVEN, 1, 1, MEGA), finalized=world.number + 1)
        assert [(await client.hear())["type"] for _ in range(2)] == ["event", "final"]
        assert (await other.hear())["final"], "which says it itself"
        assert await other.silent()
        # Whoever was away meanwhile is told, too.
        await client.follow(channel(), since=events[0]["cursor"])
        (told,) = client.final
        assert told["finalized"] == world.number
        await client.follow(channel())
        assert client.final == []


async def test_what_is_final_may_be_known_of_a_block_without_events() -> None:
    world = World(history=1)
    world.hub.reset(world.views, world.head, 90, ())
    async with serving(world) as session, connected(session) as client:
        await client.follow("stats", since="80:0x:1")
        assert client.final == [{"type": "final", "upTo": "90::4294967295", "finalized": 90}]


async def test_a_chain_that_turns_out_to_be_another_has_its_own_final_block() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(finalized=101)
        assert (await client.hear())["type"] == "final"
        world.views, world.number, world.salt = (
            [MarketView(v.address, v.game) for v in world.views],
            9,
            1,
        )
        world.silently = True
        world.mine(created())
        world.hub.reset(world.views, world.head, 5, ())
        assert (await client.hear())["type"] == "snapshot"
        assert world.hub.board.finalized == 5


# ---- figures


async def figures(session: aiohttp.ClientSession) -> dict[str, float]:
    """What /metrics says of the feed."""
    async with session.get("/metrics") as response:
        text = await response.text()
    return {
        "/".join((s.name.removeprefix("lottochain_feed_"), *s.labels.values())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name.startswith("lottochain_feed_") and not s.name.endswith("_created")
    }


async def test_the_figures_tell_who_is_there_and_who_was_sent_away() -> None:
    world = opened(per_address=2, stall_seconds=0.3)

    async def grown(session: aiohttp.ClientSession, *names: str) -> list[float]:
        now = await figures(session)
        return [now.get(name, 0) - before.get(name, 0) for name in names]

    async with serving(world) as session:
        before = await figures(session)
        there = "connections", "subscriptions/round", "subscriptions/user"
        async with connected(session) as client, connected(session) as stuck:
            for one in (client, stuck):
                await one.follow(channel(), channel(), f"user:{ANN}")
            assert await grown(session, *there) == [2, 2, 2]
            assert await grown(session, "messages_total") == [2 * (1 + 1 + 2)]
            await client.say(op="unsubscribe", id=1, channels=[f"user:{ANN}", "market:0x1"])
            await client.hear()
            assert await grown(session, *there) == [2, 2, 1]
            async with session.ws_connect("/ws") as ws:
                assert (await ws.receive_json())["code"] == "too_many_from_address"
            with contextlib.suppress(aiohttp.WSServerHandshakeError):
                await session.ws_connect("/ws", headers={"Origin": "https://evil.example"})
            refused = "refused_total/too_many_from_address", "refused_total/origin"
            assert await grown(session, *refused) == [1, 1]
            world.mine(bet(BOB, EVEN, 1))
            assert (await client.hear())["type"] == "event"
            stuck.stop_reading()
            while len(world.hub._clients) > 1:
                world.mine(*(bet(BOB, EVEN, 1) for _ in range(20)))
                for _ in range(20):  # or it might be taken for slow, too
                    assert (await client.hear())["type"] == "event"
            assert await grown(session, "aborted_total/stalled") == [1]
            (left_out,) = await grown(session, "left_out_total")
            assert left_out > 0

        async def all_gone() -> bool:
            return await grown(session, *there) == [0, 0, 0]

        await until(all_gone)
        assert not world.hub._subscribers, "channels that nobody follows are forgotten"


async def test_one_that_leaves_too_much_unread_is_counted_as_that() -> None:
    world = opened(messages_per_second=10**6, hard_bytes=100_000, stall_seconds=1e6)
    async with serving(world) as session:
        before = (await figures(session)).get("aborted_total/unread", 0)
        async with connected(session) as client:
            client.stop_reading()
            with contextlib.suppress(ConnectionError):
                while world.hub._clients:
                    # Long answers to short questions: only one way may be full.
                    await client.say(op="subscribe", channels=[str(i) for i in range(50)])
                    await asyncio.sleep(0)
        assert (await figures(session))["aborted_total/unread"] == before + 1


def test_asking_for_any_number_of_accounts_fills_no_memory() -> None:
    world = opened()
    for number in range(10_000):
        world.hub.board.data(f"user:0x{number:040x}")
    assert len(world.hub.board._encoded) <= 4096
    assert world.hub.board.data(f"round:{POWER}:1")
