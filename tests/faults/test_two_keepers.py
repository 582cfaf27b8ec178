"""Two keepers, with one key or two, with a Redis or without; and a Redis that goes away."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from keeper.projection import OPERATOR_ROLE
from tests.faults.conftest import Tell
from tests.faults.proofs import ended_right
from tests.faults.stage import LOCK, Stage, account_of, entries, quiet
from tests.faults.wire import SEND, function_of
from tests.keeper.chain.process import Home, Running, asking
from tests.keeper.chain.proxy import Hook, Proxy, proxied
from tests.keeper.chainfixtures import ADMIN, REPORTER_KEYS, REPORTERS
from tests.keeper.redisfixture import RedisServer, running_redis

LEASE = 20.0  # seconds: no stall of a busy machine ends it
BRIEF = 2.0  # where it is to end
CHARGE = "this keeper may send"


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with running_redis(tmp_path) as server:
        yield server


def lease_of(home: Home) -> str:
    """Its name in a Redis."""
    return f"lottochain:lease:{home.settings['CHAIN_ID']}:{account_of(home)}"


async def lend(redis: RedisServer, *homes: Home, seconds: float = LEASE) -> None:
    """Their keepers share this Redis, which lends at once."""
    for home in homes:
        await redis.lends(lease_of(home))
        home.settings |= {"REDIS_URL": redis.url, "LEASE_SECONDS": str(seconds)}


async def second(stage: Stage, key: str) -> Home:
    """The home of another keeper, which may do all that the first may."""
    home = stage.home_of(stage.home.folder.parent / "second", key)
    if key != REPORTER_KEYS[0]:
        await stage.market.do(ADMIN, "grantRole", bytes.fromhex(OPERATOR_ROLE[2:]), REPORTERS[1])
    stage.homes.append(home)
    return home


async def end(stage: Stage, other: Running) -> None:
    """Both have nothing on their way, and the other one stops cleanly."""
    await stage.until(lambda: quiet(other, stage.homes[1]) and quiet(stage.keeper, stage.home))
    assert await other.terminate() == 0, "\n".join(other.raw)


def together(function: str, *wires: Proxy) -> asyncio.Event:
    """The first send of a function on each wire waits until all have one; set when they do.

    Two that only race may not meet: who always looks first has always sent when the other looks.
    """
    there, met = set[str](), asyncio.Event()

    def held(wire: Proxy) -> Hook:
        async def hold(method: str, params: list[Any]) -> None:
            if method == SEND and function_of(method, params) == function:
                there.add(wire.url)
                if len(there) == len(wires):
                    met.set()
                await met.wait()

        return hold

    for wire in wires:
        wire.before = held(wire)
    return met


def waits(wire: Proxy) -> asyncio.Event:
    """Nothing is sent on this wire before it is set."""
    free = asyncio.Event()

    async def hold(method: str, _: list[Any]) -> None:
        if method == SEND:
            await free.wait()

    wire.before = hold
    return free


async def puts_off(keeper: Running, home: Home) -> None:
    """It would send, for nobody has yet, and may not."""
    await keeper.until(lambda: bool(keeper.logged("put off") or entries(home)))
    assert not entries(home)


async def lost_charge(keeper: Running) -> bool:
    """Whether it says that it holds no lease."""
    async with asking() as http:
        told = (await http.get(f"{keeper.logged('serving')[0]['url']}/metrics")).text
    return "lease_held 0.0" in told


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False], ids=["redis", "alone"])
async def test_two_keys(shared: bool, stage: Stage, redis: RedisServer, tell: Tell) -> None:
    """Two reporters' keepers, which share a Redis: {shared}"""
    other_home = await second(stage, REPORTER_KEYS[1])
    if shared:
        await lend(redis, *stage.homes)
    async with stage.kept(), other_home.keeper("--send") as other:
        await stage.play()
        await end(stage, other)
    for keeper in (stage.keeper, other):  # a lease each
        assert bool(keeper.logged(CHARGE)) == shared
        assert keeper.logged("done", duty="report")
    assert len(await stage.oracle.reports()) == 2
    tell(await ended_right(stage))


async def test_one_key_and_a_lease(stage: Stage, redis: RedisServer, tell: Tell) -> None:
    """Two keepers of one key share a Redis; the one that may send is killed after the lock"""
    other_home = await second(stage, REPORTER_KEYS[0])
    await lend(redis, *stage.homes)
    looked_at = waits(stage.wire)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(stage.kept())
        await stage.until_logged(CHARGE)
        other = await stack.enter_async_context(other_home.keeper("--send"))
        await puts_off(other, other_home)
        looked_at.set()
        await stage.opened()
        await stage.locked()
        assert not other.logged(CHARGE)
        assert not entries(other_home)
        await stage.keeper.kill()
        async with redis.client() as client:
            await client.delete(lease_of(stage.home))  # as if the rest of its time were over
        await stage.until(lambda: any(run.logged(CHARGE) for run in (other, *stage.runs[1:])))
        await stage.decided()
        await end(stage, other)
    assert stage.runs[0].process.returncode == -signal.SIGKILL
    tell(await ended_right(stage, starts=2))


@pytest.mark.slow
async def test_one_key_and_the_other_takes_over(
    stage: Stage, redis: RedisServer, tell: Tell
) -> None:
    """Of two keepers of one key that share a Redis, the one that may send hangs (SIGSTOP)"""
    other_home = await second(stage, REPORTER_KEYS[0])
    await lend(redis, *stage.homes)
    looked_at = waits(stage.wire)
    async with stage.kept():
        await stage.until_logged(CHARGE)
        async with other_home.keeper("--send") as other:
            await puts_off(other, other_home)
            looked_at.set()
            await stage.opened()
            await stage.locked()
            assert not entries(other_home)
            stage.keeper.process.send_signal(signal.SIGSTOP)
            await other.until_logged(CHARGE)
            await stage.proposed()
            stage.keeper.process.send_signal(signal.SIGCONT)
            await stage.finished()
            assert other.logged("done", duty="report")
            await end(stage, other)
    tell(await ended_right(stage))


async def test_one_key_and_no_lease(stage: Stage, tell: Tell) -> None:
    """Two keepers of one key, each with its own disk and without a Redis, vote at once

    Nobody should run them so. Only a vote has no fence but the lease: given again, the same, it
    changes nothing.
    """
    async with proxied(stage.chain.url) as other_wire:
        other_home = await second(stage, REPORTER_KEYS[0])
        other_home.settings["RPC_URL"] = other_wire.url
        voting = together("report", stage.wire, other_wire)
        async with stage.kept(), other_home.keeper("--send") as other:
            await stage.play()
            await end(stage, other)
    assert voting.is_set()
    assert all(map(entries, stage.homes))  # each has sent
    tell(await ended_right(stage, votes=2))


@pytest.mark.slow
async def test_one_key_and_one_disk(stage: Stage, tell: Tell) -> None:
    """A second keeper of the same key is started on the same disk: it ends at once"""
    async with stage.kept():
        await stage.opened()
        code, _, err = await stage.home.process("run", "--send")
        assert code not in (0, None)
        assert "another keeper with the same key" in err
        await stage.play_on()
    tell(await ended_right(stage))


@pytest.mark.parametrize("how", ["killed", pytest.param("hangs", marks=pytest.mark.slow)])
async def test_redis_goes_away(how: str, stage: Stage, redis: RedisServer, tell: Tell) -> None:
    """The Redis of the lease is gone from the bets to the lock ({how}), and comes back"""
    await lend(redis, stage.home, seconds=BRIEF)
    async with stage.kept():
        await stage.opened()
        if how == "killed":
            await redis.kill()
        else:
            redis.freeze()
        await stage.until(lambda: lost_charge(stage.keeper))
        await stage.chain.move_to(LOCK)
        await stage.until_put_off("lockRound", "or Redis does not answer")
        assert not await stage.market.logs("RoundLocked")
        if how == "killed":
            await redis.start()
        else:
            redis.thaw()
        await stage.play_on()
    tell(await ended_right(stage))
