"""From which cursors one may go on: wherever nothing can be missing, and nowhere else."""

from __future__ import annotations

from itertools import chain

import pytest

from keeper.domain.lines import Prediction
from keeper.ports import Head
from tests.feed.test_reorg import opened as forked
from tests.feed.world import ANN, BOB, Socket, World, bet, channel, connected, created, serving

EVEN, ODD = Prediction.EVEN, Prediction.ODD


def here(world: World, log: int | None = 2**32 - 1) -> str:
    """A cursor of the newest block."""
    return f"{world.number}:{world.head.hash}:{log}"


@pytest.mark.parametrize("lost", [1, 2, 4])
async def test_a_history_from_which_void_events_were_taken_reaches_back_no_further(
    lost: int,
) -> None:
    """Though it is not full any more."""
    world = forked(history=4, messages_per_second=100)  # two of the blocks that come
    cursors = [here(world)]
    for amount in range(1, 8):
        if amount == 8 - lost:
            world.remember()
        world.mine(bet(BOB, ODD, amount), bet(BOB, ODD, 10 * amount))
        cursors.append(here(world))
    world.back(bet(ANN, EVEN, 100))
    async with serving(world) as session, connected(session) as client:
        recovered = []
        for seen, cursor in enumerate(cursors[: 8 - lost]):
            *events, snapshot = await client.follow(channel(), since=cursor)
            if snapshot["recovered"]:
                recovered.append(seen)
                amounts = [int(e["data"]["amount"]) for e in events]
                missed = [[amount, 10 * amount] for amount in range(seen + 1, 8 - lost)]
                assert amounts == [*chain.from_iterable(missed), 100]
        assert recovered == [7 - lost]


def blocks(world: World, *numbers: int) -> list[Head]:
    """As the chain has them."""
    return [Head(n, f"0x{n:060x}{world.salt:04x}", world.time) for n in numbers]


def elsewhere(world: World, number: int) -> str:
    """A heartbeat's cursor from an instance that looked at the chain just then."""
    (block,) = blocks(world, number)
    return f"{number}:{block.hash}:{2**32 - 1}"


async def recovered(client: Socket, since: str) -> tuple[list[int], bool]:
    *events, snapshot = await client.follow(channel(), since=since)
    return [int(e["data"]["amount"]) for e in events], snapshot["recovered"]


@pytest.mark.parametrize("anew", [False, True])
async def test_every_block_of_late_may_be_gone_on_from(anew: bool) -> None:
    """Though this instance looked but now and then, or was only started."""
    world = forked(messages_per_second=100)
    world.number += 70
    world.silently = True
    world.mine(bet(ANN, EVEN, 7))
    late = blocks(world, *range(world.number - 64, world.number + 1))
    if anew:
        world.hub = World(messages_per_second=100).hub
        world.hub.reset(world.views, world.head, None, world.events, late)
    else:
        world.hub.publish(world.events, world.head, None, late)
    async with serving(world) as session, connected(session) as client:
        for number in (world.number - 64, world.number - 30, world.number - 1):
            assert await recovered(client, elsewhere(world, number)) == ([7], True)
        assert await recovered(client, elsewhere(world, world.number)) == ([], True)
        assert await recovered(client, elsewhere(world, world.number - 65)) == ([], False)
        void = elsewhere(world, world.number - 30).replace(":0x0", ":0xf")
        assert await recovered(client, void) == ([], False)


async def test_a_final_block_that_nobody_remembers_may_be_gone_on_from() -> None:
    """If nothing can be missing, had it been another."""
    world = World(messages_per_second=100)
    world.silently = True
    world.mine(created())  # in block 101
    world.number += 300
    world.mine(bet(ANN, EVEN, 1))
    at = world.number
    world.number += 300
    world.mine(bet(ANN, EVEN, 2))
    world.hub.reset(world.views, world.head, at + 200, world.events)
    async with serving(world) as session, connected(session) as client:
        for number, told in (
            (at + 200, [2]),
            (at + 64, [2]),
            (at - 1, [1, 2]),
            (101 + 64, [1, 2]),
        ):
            assert await recovered(client, elsewhere(world, number)) == (told, True)
            event = elsewhere(world, number).replace(str(2**32 - 1), "0")
            assert await recovered(client, event) == ([], False), "it had an event"
        for number in (at + 201, at + 63, at + 1, 101 + 63, 100, 1):
            assert await recovered(client, elsewhere(world, number)) == ([], False)


async def test_what_came_before_the_first_reading_is_not_pretended_to_be_known() -> None:
    world = World(messages_per_second=100)
    world.silently = True
    world.mine(created(), bet(ANN, EVEN, 1))
    world.number += 300
    world.mine(bet(ANN, EVEN, 2))
    at = world.number
    world.number += 100
    world.hub.reset(world.views, world.head, world.number, world.events[-1:])
    async with serving(world) as session, connected(session) as client:
        for number in (at - 100, at - 2):
            assert await recovered(client, elsewhere(world, number)) == ([], False)
        assert await recovered(client, elsewhere(world, at)) == ([], True)
        assert await recovered(client, elsewhere(world, at + 70)) == ([], True)
        world.hub.reset(world.views, world.head, world.number, ())
        assert (await client.hear())["type"] == "snapshot"
        assert await recovered(client, elsewhere(world, at + 70)) == ([], False)
        assert await recovered(client, elsewhere(world, world.number)) == ([], True)


def test_no_more_blocks_are_remembered_than_events() -> None:
    world = World(history=4)
    for _ in range(10):
        world.mine()
    assert [*world.hub.board._hashes] == [107, 108, 109, 110]
