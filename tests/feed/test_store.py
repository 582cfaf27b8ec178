"""What instances share: the same by a real Redis and in memory, and what is left without it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from redis.asyncio import Redis
from structlog.testing import capture_logs

from feed.store import Limiter, MemoryStore, RedisStore, Shared, connect
from keeper.errors import StoreDown
from keeper.ports import Store
from tests.feed.world import World, connected, created, serving
from tests.keeper.chain.waiting import PATIENCE, until
from tests.keeper.redisfixture import RedisServer, running_redis

RATES = {"rest": RateLimitItemPerMinute(3), "connect": RateLimitItemPerMinute(2)}
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with running_redis(tmp_path) as running:
        yield running


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    async with connect(server.url) as opened:
        yield opened


@pytest.fixture(params=["memory", "redis"])
def shared(request: pytest.FixtureRequest) -> Redis | None:
    """The Redis, or None where everything is kept in memory."""
    return request.getfixturevalue("redis") if request.param == "redis" else None


@pytest.fixture
def store(shared: Redis | None) -> Store:
    return RedisStore(shared) if shared else MemoryStore()


async def allowed(limiter: Limiter, kind: str, address: str, times: int = 10) -> int:
    """How many of so many tries at once."""
    return [await limiter.hit(kind, address) for _ in range(times)].count(None)


# ---- values


async def test_a_value_is_kept_until_it_is_replaced_or_its_time_is_over(store: Store) -> None:
    assert await store.get("a") is None
    await store.put("a", b"\x00\xff", 60)
    await store.put("b", b"other", 60)
    assert await store.get("a") == b"\x00\xff"
    await store.put("a", b"", 60)
    assert await store.get("a") == b""
    await store.put("a", b"", 0.2)

    async def over() -> bool:
        return await store.get("a") is None

    await until(over)
    assert await store.get("b") == b"other"


async def test_what_is_over_takes_no_memory() -> None:
    now = 0.0
    store = MemoryStore(lambda: now)
    for i in range(1000):
        now += 1
        await store.put(str(i), b"value", 10)
    assert len(store._kept) == 10


async def test_a_process_keeps_so_many_values_of_so_many_bytes_and_the_latest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("feed.store._MOST", 5)
    monkeypatch.setattr("feed.store._MOST_BYTES", 100)
    store = MemoryStore()

    async def kept() -> str:
        return "".join([key for key in "abcdefgh" if await store.get(key) is not None])

    for key in "abcdef":
        await store.put(key, b"1", 60)
    assert await kept() == "bcdef"
    await store.put("b", b"12", 60)  # now it is the latest
    await store.put("g", b"1", 60)
    assert await kept() == "bdefg"
    await store.put("h", b"1" * 97, 60)
    assert await kept() == "bgh"
    await store.put("h", b"1" * 98, 60)  # in its own place
    assert await kept() == "gh"
    await store.put("a", b"1" * 101, 60)
    assert await kept() == ""


async def test_what_was_put_or_got_is_at_hand_when_the_redis_is_gone(
    server: RedisServer, redis: Redis
) -> None:
    far = RedisStore(redis)
    one, other, third = (Shared(far, seconds) for seconds in (60, 60, 0.1))
    await one.put("a", "value")
    assert await other.get("a", bool) == await third.get("a", bool) == "value"
    assert await other.get("b", bool) is None
    await server.kill()
    await asyncio.sleep(0.2)
    for shared in (one, other):
        assert await shared.get("a", bool) == "value"
    assert await third.get("a", bool) is None
    await one.put("b", "value")
    assert await one.get("b", bool) == "value"


async def test_what_is_for_one_process_alone_no_other_gets() -> None:
    now, far = 0.0, MemoryStore()
    one, other = (Shared(far, 60) for _ in range(2))
    one._near = MemoryStore(lambda: now)
    await one.put("a", "value", 60)
    await one.put("b", "value", 0.1)
    assert [await one.get(key, bool) for key in "ab"] == ["value"] * 2
    assert [await other.get(key, bool) for key in "ab"] == [None] * 2
    now = 0.1
    assert [await one.get(key, bool) for key in "ab"] == ["value", None]


async def test_what_is_too_long_or_unsound_is_not_kept_at_hand() -> None:
    """Others may have written it; a big one would put out what is there."""
    far = MemoryStore()
    shared = Shared(far, 60)
    for kept in (b'"' + b"x" * 2**16 + b'"', b"\xff", b"0"):
        await far.put("a", kept, 60)
        assert await shared.get("a", bool) is None
    assert not shared._near._kept


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_a_redis_that_is_gone_is_one_error_soon(
    server: RedisServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feed.store._PATIENCE", 0.5)
    async with connect(server.url) as redis:
        store = RedisStore(redis)

        async def answered() -> bool:
            with contextlib.suppress(StoreDown):  # it is there, but the machine may be busy
                await store.put("a", b"value", 60)
                return True
            return False

        await until(answered)
        await server.kill() if how == "killed" else server.freeze()
        async with asyncio.timeout(PATIENCE):
            for asked in (store.get("a"), store.put("a", b"", 1)):
                with pytest.raises(StoreDown, match="Redis fails: ") as told:
                    await asked
                assert str(server.port) not in str(told.value)


async def test_who_gives_up_as_something_is_sent_has_given_up(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cancels it then is a time that is over, or the server's end."""
    asking = asyncio.create_task(RedisStore(redis).get("a"))
    drain = asyncio.StreamWriter.drain

    async def sent(writer: asyncio.StreamWriter) -> None:
        await drain(writer)
        asking.cancel()

    monkeypatch.setattr(asyncio.StreamWriter, "drain", sent)
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("answer", [b":1000", b":9223372036854775807", b",inf", b"*0"])
async def test_an_answer_that_is_no_value_is_an_error(answer: bytes) -> None:
    """A number is not so many bytes; and whoever counts raises nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.read(65536):
            greetings = asked.count(b"CLIENT")  # which may come together
            writer.write(b"+OK\r\n" * greetings or answer + b"\r\n")
        writer.close()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = serving.sockets[0].getsockname()[1]
    async with connect(f"redis://127.0.0.1:{port}/0") as redis:
        with pytest.raises(StoreDown, match="Redis fails: "):
            await RedisStore(redis).get("a")
        await Limiter(RATES, redis).hit("rest", HERE)
    serving.close()


async def test_many_at_once_wait_for_one_of_few_connections(server: RedisServer) -> None:
    async with connect(server.url) as redis:
        store = RedisStore(redis)
        await asyncio.gather(*(store.put(f"{i}", b"value", 60) for i in range(300)))
        found = await asyncio.gather(*(store.get(f"{i}") for i in range(300)))
        assert found == [b"value"] * 300
        assert int((await redis.info("clients"))["connected_clients"]) <= 16


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="max_connections"):
        connect("redis://127.0.0.1/0?max_connections=none")


# ---- limits


async def test_an_address_may_do_each_so_often_and_hears_how_long_to_wait(
    shared: Redis | None,
) -> None:
    limiter = Limiter(RATES, shared)
    assert await allowed(limiter, "rest", HERE) == 3
    wait = await limiter.hit("rest", HERE)
    assert wait is not None
    assert 0 <= wait <= 61
    assert await allowed(limiter, "connect", HERE) == 2
    assert await allowed(limiter, "rest", THERE) == 3


async def test_after_the_wait_it_may_again(shared: Redis | None) -> None:
    limiter = Limiter({"rest": RateLimitItemPerSecond(2, 2)}, shared)
    while (wait := await limiter.hit("rest", HERE)) is None:
        pass
    await asyncio.sleep(wait + 0.5)
    assert await limiter.hit("rest", HERE) is None


async def test_instances_count_together_only_by_a_redis(shared: Redis | None) -> None:
    one, other = Limiter(RATES, shared), Limiter(RATES, shared)
    assert await allowed(one, "rest", HERE, 2) == 2
    assert await allowed(other, "rest", HERE) == (1 if shared else 3)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
async def test_an_ipv6_customer_is_a_network(first: str, second: str, same: bool) -> None:
    limiter = Limiter(RATES)
    assert await allowed(limiter, "rest", first) == 3
    assert await allowed(limiter, "rest", second) == (0 if same else 3)


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_without_its_redis_each_counts_alone_and_nobody_waits_long(
    server: RedisServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now, time=time.time)
    monkeypatch.setattr("feed.store.time", clock)
    async with connect(server.url) as redis:
        limiter = Limiter(RATES, redis)
        assert await allowed(limiter, "rest", HERE, 2) == 2
        with capture_logs() as logs:
            await server.kill() if how == "killed" else server.freeze()
            async with asyncio.timeout(PATIENCE):
                with monkeypatch.context() as patch:
                    patch.setattr("feed.store._HURRY", 0.2)
                    at_once = await asyncio.gather(*(limiter.hit("rest", HERE) for _ in range(50)))
                assert at_once.count(None) == 3
                assert await allowed(limiter, "rest", HERE, 100) == 0
            await (server.start() if how == "killed" else asyncio.to_thread(server.thaw))
            clock.now += 10
            await limiter.hit("connect", HERE)
        assert [line["event"] for line in logs] == ["limits are counted by this instance alone"]
        assert str(server.port) not in str(logs)
        assert await allowed(Limiter(RATES, redis), "connect", HERE) == 1


# ---- what is served


async def test_too_many_connections_a_minute_are_refused_before_the_upgrade() -> None:
    world = World()
    world.mine(created())
    limiter = Limiter(RATES)
    async with serving(world, limiter=limiter) as session, connected(session), connected(session):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect("/ws")
        assert refusal.value.status == 429
        assert refusal.value.headers is not None
        assert 0 <= int(refusal.value.headers["Retry-After"]) <= 61


async def test_an_operator_shows_its_health_and_nothing_else() -> None:
    async with serving(World(), public=False) as session:
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200)):
            assert (await session.get(path)).status == status
        for path in ("/ws", "/api/round", "/api/round/powerball/1"):
            assert (await session.get(path)).status == 404
