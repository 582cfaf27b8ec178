"""Nodes that go away, stand still or follow another fork; a clock that is wrong."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.conftest import Tell
from tests.faults.proofs import ended_right
from tests.faults.stage import LOCK, Stage
from tests.faults.wire import SEND, function_of
from tests.keeper.chain.proxy import proxied
from tests.keeper.chainfixtures import Chain, running_chain


async def test_the_node_goes_away_and_comes_back(stage: Stage, tell: Tell) -> None:
    """The only node ends every connection as the round locks, and later does not"""
    async with stage.kept():
        await stage.opened()
        stage.wire.dead = True
        await stage.chain.move_to(LOCK)
        await stage.until_logged("cannot follow the chain")
        stage.wire.dead = False
        await stage.until_logged("following the chain again")
        await stage.play_on()
    tell(await ended_right(stage))


@pytest.mark.parametrize("arrived", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("function", ["lockRound", "settle", "report", "finalize"])
@pytest.mark.slow
async def test_the_node_goes_away_in_the_middle_of_a_send(
    function: str, arrived: bool, stage: Stage, tell: Tell
) -> None:
    """The only node ends every connection at {function}, taken by it: {arrived}; it comes back"""
    fired = False

    async def cut(method: str, params: list[Any]) -> None:
        nonlocal fired
        if not fired and method == SEND and function_of(method, params) == function:
            fired = stage.wire.dead = True

    if arrived:
        stage.wire.after = cut
    else:
        stage.wire.before = cut

    async def mend() -> None:
        await stage.until(lambda: stage.wire.dead)
        await stage.until_logged("cannot follow the chain")
        stage.wire.dead = False

    mending = asyncio.create_task(mend())
    async with stage.kept():
        await stage.play()
        await mending
    assert fired
    tell(await ended_right(stage))


async def test_a_node_whose_head_stands_still(stage: Stage, tell: Tell) -> None:
    """The preferred one of two nodes knows no new blocks from the bets on"""
    async with proxied(stage.chain.url) as second:
        stage.home.settings["RPC_URL"] = f"{stage.wire.url},{second.url}"
        async with stage.kept():
            await stage.opened()
            stage.wire.frozen = await stage.chain.number()
            seen = len(second.seen)
            await stage.play_on()
        asked = {method for method, _ in second.seen[seen:]}
    assert {"eth_getLogs", "eth_call", "eth_estimateGas", SEND} <= asked
    tell(await ended_right(stage))


@pytest.mark.slow
async def test_the_only_node_stands_still_for_a_while(stage: Stage, tell: Tell) -> None:
    """The only node knows no new blocks from the bets to the report, and then all"""
    async with stage.kept():
        await stage.opened()
        stage.wire.frozen = await stage.chain.number()
        seen = len(stage.wire.seen)
        await stage.chain.move_to(LOCK)
        await stage.until(lambda: len(stage.wire.seen) > seen + 20)
        assert not await stage.market.logs("RoundLocked")
        stage.wire.frozen = None
        await stage.play_on()
    tell(await ended_right(stage))


async def test_two_nodes_on_different_forks(stage: Stage, tell: Tell) -> None:
    """The preferred node is cut off for a while, and the other one follows a fork of its own"""
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(proxied(stage.chain.url))
        stage.home.settings["RPC_URL"] = f"{stage.wire.url},{second.url}"
        async with stage.kept():
            await stage.opened()
            at = await stage.chain.now()
            source = ["--fork-url", stage.chain.url, "--no-storage-caching"]
            fork = await stack.enter_async_context(running_chain(at, *source))
            await fork.rpc("evm_mine")
            second.target = fork.url
            stage.wire.dead = True
            await fork.move_to(LOCK)
            await stage.until(lambda: locked_on(stage, fork))
            stage.wire.dead = False
            await stage.play_on()
        tell(await ended_right(stage, fork=fork))


async def locked_on(stage: Stage, fork: Chain) -> bool:
    """Whether the keeper has acted on the other fork."""
    return await replace(stage.market, chain=fork).status(1) == 2


@pytest.mark.parametrize(
    "seconds", [3600, pytest.param(-3600, marks=pytest.mark.slow)], ids=["ahead", "behind"]
)
async def test_a_clock_that_is_wrong(seconds: int, stage: Stage, tell: Tell) -> None:
    """The keeper's time of day is off by {seconds} s"""
    stage.home.program = ("-m", "tests.faults.rigged", "clock", str(seconds))
    async with stage.kept():
        await stage.play()
    assert stage.keeper.logged("rigged", fault="clock")
    tell(await ended_right(stage))
