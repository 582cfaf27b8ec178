"""Coming back: what was missed, what cannot be known any more, and waiting for what is ahead."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keeper.domain.lines import Prediction
from tests.feed.test_stream import opened
from tests.feed.world import (
    ANN,
    BOB,
    MEGA,
    POWER,
    bet,
    channel,
    connected,
    created,
    serving,
)

EVEN, ODD, HIGH = Prediction.EVEN, Prediction.ODD, Prediction.HIGH


async def test_resume_replays_what_was_missed_and_says_that_nothing_is_lost() -> None:
    world = opened()
    async with serving(world) as session:
        async with connected(session) as client:
            await client.follow(channel(), f"market:{POWER}")
            world.mine(bet(ANN, EVEN, 1), bet(ANN, ODD, 2))
            cursor = (await client.hear())["cursor"]
        world.mine(bet(BOB, EVEN, 4), bet(BOB, ODD, 8, 1, MEGA), finalized=102)
        world.mine(bet(BOB, ODD, 16))
        async with connected(session) as client:
            # One cursor for the connection, or one a channel, however it is spelled.
            heard = await client.follow(channel(), since=cursor)
            assert [e["data"]["amount"] for e in heard[:-1]] == ["2", "4", "16"]
            assert heard[0]["final"]
            assert not heard[1]["final"]
            assert heard[-1]["recovered"]
            assert heard[-1]["data"]["totalStaked"] == "23"
            since = {channel().lower(): heard[1]["cursor"], f"market:{POWER}": cursor}
            heard = await client.follow(channel(), f"market:{POWER}", since=since)
            amounts = [e["data"].get("amount") for e in heard]
            assert amounts == ["16", None, "2", "4", "16", None]
            # A snapshot's own cursor misses nothing.
            (snapshot,) = await client.follow(channel(), since=heard[-1]["cursor"])
            assert snapshot["recovered"]
            world.mine(bet(BOB, ODD, 32))
            assert [(await client.hear())["data"]["amount"] for _ in range(2)] == ["32", "32"]


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param(lambda w, c: c.replace("0x0", "0x1"), id="a block that is not on the chain"),
        pytest.param(lambda w, c: f"{w.number}:0xf:{2**32 - 1}", id="the newest block's rival"),
        pytest.param(lambda w, c: f"{10**14}:0xabc:0", id="a block that will never come"),
        pytest.param(lambda w, c: f"1:{w.head.hash}:0", id="long ago"),
    ],
)
async def test_a_cursor_that_cannot_be_resumed_gets_a_fresh_snapshot(cursor: Any) -> None:
    world = opened(ahead_seconds=60)  # which is for others
    world.mine(bet(ANN, EVEN, 1))
    good = f"{world.number}:{world.head.hash}:0"
    async with serving(world) as session, connected(session) as client:
        heard = await client.follow(channel(), since=cursor(world, good))
        assert [(m["type"], m["recovered"]) for m in heard] == [("snapshot", False)]


async def test_a_cursor_whose_block_does_not_come_gets_a_fresh_snapshot_after_a_while() -> None:
    world = opened(ahead_seconds=0.2)
    async with serving(world) as session, connected(session) as client:
        heard = await client.follow(channel(), since=f"{world.number + 5}:0xabc:0")
        assert [(m["type"], m["recovered"]) for m in heard] == [("snapshot", False)]


async def test_who_knows_more_than_this_instance_waits_until_it_has_read_as_much() -> None:
    """It was told by another instance, which is a block ahead: of a bet, and of a round."""
    world = opened(ahead_seconds=60)
    async with serving(world) as session, connected(session) as client:
        await client.follow(f"market:{MEGA}")
        world.silently = True
        world.mine(created(2), bet(ANN, EVEN, 1), bet(ANN, EVEN, 2))
        since = {channel(): f"{world.number}:{world.head.hash}:1", channel(2): "1::0"}
        wanted = [channel(), channel(2)]
        await client.say(op="subscribe", id=1, channels=wanted, since=since)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.hear()
        async with connected(session) as another:  # nobody else waits
            await another.follow(f"market:{MEGA}")
        world.hub.publish(world.events, world.head, None)
        ack = await client.hear()
        assert (ack["subscribed"], ack["errors"]) == (wanted, [])
        heard = await client.hear_until("snapshot")
        assert [e["data"].get("amount") for e in heard] == ["2", None]
        assert heard[-1]["recovered"]
        assert (await client.hear())["channel"] == channel(2)
        world.silently = False
        world.mine(bet(BOB, ODD, 8))
        assert (await client.hear())["data"]["amount"] == "8"
        assert await client.silent()


async def test_history_that_no_longer_reaches_back_is_not_pretended() -> None:
    world = opened(history=4)
    async with serving(world) as session, connected(session) as client:
        cursors = []
        for amount in range(1, 7):
            world.mine(bet(ANN, EVEN, amount))
            cursors.append(f"{world.number}:{world.head.hash}:0")
        # Four events are kept, 3 to 6: whoever has seen 2 can still be told the rest.
        heard = await client.follow(channel(), since=cursors[1])
        assert [m["type"] for m in heard] == ["snapshot"]
        heard = await client.follow(channel(), since=cursors[2])
        assert [m["type"] for m in heard] == ["event"] * 3 + ["snapshot"]
        assert heard[-1]["recovered"]


async def test_history_may_end_within_a_block() -> None:
    world = opened(history=5)  # the first of them is the earliest place to go on from
    world.mine(*(bet(ANN, EVEN, amount) for amount in range(1, 7)))
    async with serving(world) as session, connected(session) as client:
        for seen, replayed in ((0, []), (1, [3, 4, 5, 6]), (4, [6])):
            since = f"{world.number}:{world.head.hash}:{seen}"
            *events, snapshot = await client.follow(channel(), since=since)
            assert [int(e["data"]["amount"]) for e in events] == replayed
            assert snapshot["recovered"] == bool(replayed)
