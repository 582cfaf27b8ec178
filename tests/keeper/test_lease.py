"""The lease against a real redis-server: one holder at a time, whatever happens to either."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from keeper.store.lease import RedisLease
from tests.keeper.chain.waiting import PATIENCE, until
from tests.keeper.redisfixture import RedisServer, running_redis, slow_line

KEY = "lottochain:lease:31337:0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SHORT, LONG = 0.4, 1000.0  # lives in seconds; LONG is far more than a test's patience


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A Redis that knows for certain that nobody holds the lease."""
    async with running_redis(tmp_path) as running:
        await running.lends(KEY)
        yield running


@contextlib.asynccontextmanager
async def keeping(lease: RedisLease) -> AsyncIterator[RedisLease]:
    """The lease while it runs; stopped cleanly at the end."""
    task = asyncio.create_task(lease.run())
    try:
        yield lease
        assert not task.done(), "it runs for ever"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def holder(server: RedisServer) -> str | None:
    async with server.client() as client:
        found: str | None = await client.get(KEY)
        return found


async def test_taken_and_kept_beyond_its_life(server: RedisServer) -> None:
    with capture_logs() as logs:
        async with keeping(RedisLease(server.url, KEY, SHORT)) as lease:
            assert (lease.held, lease.epoch) == (False, 0)
            await until(lambda: lease.held)
            epoch, me = lease.epoch, lease._me
            assert epoch > 1_700_000_000

            async def known() -> bool:
                return await holder(server) == me

            await until(known)
            for _ in range(20):
                await asyncio.sleep(SHORT / 8)
                if lease.epoch == epoch:  # on a machine that is too busy it may be taken anew
                    assert await holder(server) in {me, None}
            assert REGISTRY.get_sample_value("lottochain_lease_epoch") == lease.epoch
            await until(lambda: REGISTRY.get_sample_value("lottochain_lease_held") == 1)
    told = [line for line in logs if line["log_level"] == "info"]
    epochs = [line["epoch"] for line in told]  # one, unless the machine was too busy
    assert told == [
        {"event": "this keeper may send", "epoch": of, "log_level": "info"} for of in epochs
    ]
    assert epochs == sorted({epoch, *epochs})
    assert REGISTRY.get_sample_value("lottochain_lease_held") == 0


async def test_a_renewal_makes_it_last_in_redis(server: RedisServer) -> None:
    """Taken for long by one that asks often: its time in Redis goes up again and again."""
    async with keeping(RedisLease(server.url, KEY, 2.0)) as lease, server.client() as client:
        await until(lambda: lease.held)
        left, rises = await client.pttl(KEY), 0
        async with asyncio.timeout(PATIENCE):
            while rises < 6:  # then it is over unless it was renewed here, too
                await asyncio.sleep(0.05)
                now = await client.pttl(KEY)
                rises += now > left
                left = now
        await until(lambda: lease.held)


async def test_given_back_on_a_clean_stop_and_only_ones_own(server: RedisServer) -> None:
    epochs = []
    for _ in range(3):  # the next takes it at once, not after LONG
        async with keeping(RedisLease(server.url, KEY, LONG)) as lease:
            await until(lambda lease=lease: lease.held)
            epochs.append(lease.epoch)
        assert not lease.held
    assert epochs == sorted(set(epochs))
    async with keeping(RedisLease(server.url, KEY, LONG)) as one:
        await until(lambda: one.held)
        async with server.client() as client:
            await client.set(KEY, "somebody else")
    assert not one.held
    assert await holder(server) == "somebody else"


async def test_who_finds_another_holder_is_out_at_once(server: RedisServer) -> None:
    lease = RedisLease(server.url, KEY, LONG)
    with capture_logs() as logs:
        async with server.client() as client:
            await lease._ask()
            assert lease.held
            epoch = lease.epoch
            await client.set(KEY, "somebody else", px=2_000_000)
            for _ in range(3):
                await lease._ask()
                assert not lease.held
            assert await client.get(KEY) == "somebody else"
            assert await client.pttl(KEY) > 1_900_000  # nor made it another
            await client.delete(KEY)
            await lease._ask()
            assert lease.held
            assert lease.epoch > epoch
        await lease._redis.aclose()
    waiting = "waiting for the lease: another keeper has it, or may have"
    ours = "this keeper may send"
    assert [line["event"] for line in logs] == [ours, waiting, ours]


async def test_its_life_counts_from_before_the_request(server: RedisServer) -> None:
    """However late the answer comes: so it ends here before it ends in Redis."""
    now = 1000.0
    async with slow_line(server.port) as line, server.client() as client:
        lease = RedisLease(f"redis://127.0.0.1:{line.port}", KEY, LONG, lambda: now)
        await lease._ask()
        assert lease.held
        await client.pexpire(KEY, 1000)
        line.answers.clear()
        asking = asyncio.create_task(lease._ask())
        async with asyncio.timeout(PATIENCE):
            while await client.pttl(KEY) <= 1000:
                await asyncio.sleep(0.005)
        now += 100  # while the answer is on its way
        line.answers.set()
        await asking
        now += LONG - 101
        assert lease.held
        now += 1
        assert not lease.held
        await lease._redis.aclose()


async def test_two_never_hold_it_whatever_happens_to_either(server: RedisServer) -> None:
    """Three keepers; who holds it is cut off, delayed, frozen, stopped or killed, again and again.

    Looked at after every few milliseconds, and at each turn of who holds it: one at most, and an
    epoch that grows.
    """
    seed = int(os.environ.get("LOTTOCHAIN_SEED", random.randrange(10**6)))
    print(f"LOTTOCHAIN_SEED={seed}")
    chance = random.Random(seed)
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(slow_line(server.port)) for _ in range(3)]
        leases = [RedisLease(f"redis://127.0.0.1:{line.port}", KEY, SHORT) for line in lines]
        tasks = [asyncio.create_task(lease.run()) for lease in leases]
        turns: list[tuple[int, int]] = []  # (epoch, who)

        def one_holder() -> int | None:
            held = [i for i in range(3) if leases[i].held]
            assert len(held) <= 1, f"{held} all hold it, after {turns}"
            if not held:
                return None
            turn = leases[held[0]].epoch, held[0]
            if turns[-1:] != [turn]:
                assert not turns or turn[0] > turns[-1][0], (turns, turn)
                turns.append(turn)
            return held[0]

        while len(turns) < 25:
            await until(lambda: one_holder() is not None)
            victim = one_holder()
            if victim is None:
                continue
            line, before = lines[victim], turns[-1]
            match what := chance.choice(["asks", "answers", "both", "stop", "kill"]):
                case "asks":
                    line.asks.clear()
                case "answers":
                    line.answers.clear()
                case "both":
                    line.asks.clear()
                    line.answers.clear()
                case "stop":
                    tasks[victim].cancel()
                case "kill":  # it cannot give it back
                    line.asks.clear()
                    tasks[victim].cancel()
            await until(lambda before=before: one_holder() is not None and turns[-1] != before)
            # What was held back arrives, late.
            line.asks.set()
            line.answers.set()
            if what in ("stop", "kill"):  # `cancelling` is also who is late with a request
                await asyncio.wait([tasks[victim]])
                leases[victim] = RedisLease(f"redis://127.0.0.1:{line.port}", KEY, SHORT)
                tasks[victim] = asyncio.create_task(leases[victim].run())
        assert len({who for _, who in turns}) == 3
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)


async def test_a_redis_that_hangs_lets_nobody_send_and_is_told_of_once(server: RedisServer) -> None:
    now = 1000.0
    lease = RedisLease(server.url, KEY, 2.0, lambda: now)

    async def taken() -> bool:
        await lease._ask()
        return lease.held

    with capture_logs() as logs:
        await until(taken)
        before = len(logs)
        server.freeze()
        assert await taken()
        now += 2  # its life is over, though nobody said so
        for _ in range(3):
            assert not lease.held
            assert not await taken()
        epoch, faults = lease.epoch, logs[before:]
        server.thaw()
        await until(taken)
        assert lease.epoch >= epoch
    await lease._redis.aclose()
    (fault,) = faults
    why = {"event": "Redis does not say who may send", "why": "no answer in time"}
    assert fault == {**why, "log_level": "warning"}


@pytest.mark.parametrize("kept", [False, True])
async def test_a_redis_that_was_killed_and_comes_back(tmp_path: Path, kept: bool) -> None:
    """Whatever it remembers, the second does not get in while the first still has its life."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_redis(tmp_path, kept=kept))
        one = await stack.enter_async_context(keeping(RedisLease(server.url, KEY, 2.0)))
        with capture_logs() as logs:
            await until(lambda: one.held)
            epoch = one.epoch
            await server.kill()
            gone = "it fails: ConnectionError"
            await until(lambda: any(line.get("why") == gone for line in logs))
            await server.start()
            two = await stack.enter_async_context(keeping(RedisLease(server.url, KEY, 2.0)))
            async with asyncio.timeout(PATIENCE):
                while not [x for x in (one, two) if x.held and x.epoch > epoch]:
                    assert not (one.held and two.held)
                    await asyncio.sleep(0.005)
                assert not (one.held and two.held)


async def test_a_redis_that_forgot_lends_it_to_nobody_for_a_life(server: RedisServer) -> None:
    async with server.client() as client:
        for forget in (server.kill, client.flushall):
            await forget()
            if forget == server.kill:
                await server.start()
            async with keeping(RedisLease(server.url, KEY, LONG)) as lease:
                async with asyncio.timeout(PATIENCE):
                    while not (left := await client.pttl(KEY)) or left < 0:
                        await asyncio.sleep(0.01)
                assert left > (LONG - PATIENCE) * 1000
                assert not lease.held
            await client.delete(KEY)
            async with keeping(RedisLease(server.url, KEY, LONG)) as lease:
                await until(lambda lease=lease: lease.held)  # it forgot only once


async def test_a_wrong_password_is_one_line_without_it(tmp_path: Path) -> None:
    async with running_redis(tmp_path, password="right") as server:
        for given in ("hunter2", ""):
            with capture_logs() as logs:
                async with keeping(RedisLease(server.url_with(given), KEY, LONG)) as lease:
                    await until(lambda: bool(logs))
                    for _ in range(2):
                        await lease._ask()
                    assert not lease.held
            (line, *more) = logs
            assert line["why"] == "it does not accept the user or the password"
            assert [m["event"] for m in more] == ["the lease could not be given back"]
            said = str(logs)
            assert not [s for s in ("hunter2", "right", str(server.port), "redis:") if s in said]
        with capture_logs() as logs:
            async with keeping(RedisLease(server.url, KEY, SHORT)) as lease:
                await until(lambda: lease.held)


@pytest.mark.parametrize(
    "answer",
    [
        b"-ERR unknown command `AUTH`, with args beginning with: `hunter2`, \r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b":x\r\n",
        b"*-7\r\n",
        b"$99999999999999999999\r\n",
        b"\xff\xfe\r\n",
        b"+OK\r\n",
        b":0\r\n",
        b"$-1\r\n",
        b"*1\r\n:7\r\n",
        b"",
    ],
)
async def test_what_is_no_redis_lends_nothing_and_is_no_fault_of_ours(answer: bytes) -> None:
    talks: set[asyncio.Task[None]] = set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            while answer and await reader.read(4096):
                writer.write(answer * 4)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as serving:
        port = serving.sockets[0].getsockname()[1]
        with capture_logs() as logs:
            lease = RedisLease(f"redis://:hunter2@127.0.0.1:{port}/0", KEY, SHORT)
            async with keeping(lease):
                await until(lambda: bool(logs))
                for _ in range(20):
                    assert not lease.held
                    await asyncio.sleep(0.02)
        assert talks
        await asyncio.wait(talks)
    assert "hunter2" not in str(logs)


async def test_each_chain_and_key_has_its_own(server: RedisServer) -> None:
    async with server.client() as client:
        await client.delete(KEY)
    names = [f"{KEY}{i}" for i in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        leases = [
            await stack.enter_async_context(keeping(RedisLease(server.url, name, SHORT)))
            for name in names
        ]
        await until(lambda: all(lease.held for lease in leases))
