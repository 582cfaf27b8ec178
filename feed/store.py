"""What several instances share by a Redis, or one keeps to itself: answers, and counts.

Redis may be gone at any time. Then each instance goes on alone, and nobody waits for it long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson
import structlog
from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from keeper.errors import StoreDown
from keeper.ports import Store

log = structlog.get_logger()

_CONNECTIONS = 16  # to a Redis at a time; who finds none free waits
_PATIENCE = 1.0  # seconds for an answer
_HURRY = 0.5  # seconds for what somebody waits for
_LONGEST = 2**16  # bytes of what is kept for all that are looked at
_ALONE = 10.0  # seconds for which a Redis that failed is not asked for counts
_MOST, _MOST_BYTES = 4096, 32 * 2**20  # values in the memory of a process
_IPV6_NETWORK = 64  # bits of an address that tell one customer from another


class MemoryStore:
    """A `keeper.ports.Store` of one process. What was kept first goes when there is no room.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, bytes]] = {}  # until when, and what

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        now = self._clock()
        self._kept = {k: kept for k, kept in self._kept.items() if now < kept[0] and k != key}
        self._kept[key] = now + seconds, value
        size = sum(len(kept) for _, kept in self._kept.values())
        while len(self._kept) > _MOST or size > _MOST_BYTES:
            size -= len(self._kept.pop(next(iter(self._kept)))[1])

    async def get(self, key: str) -> bytes | None:
        until, value = self._kept.get(key, (0.0, b""))
        return value if self._clock() < until else None


class RedisStore:
    """A `keeper.ports.Store` that is shared. It never shows the Redis's URL or its words."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        async with _asking(_PATIENCE):
            await self._redis.set(key, value, px=round(seconds * 1000))

    async def get(self, key: str) -> bytes | None:
        async with _asking(_PATIENCE):
            value = await self._redis.get(key)
            if value is None or isinstance(value, bytes):
                return value
            raise TypeError("a value is bytes")


class Shared:
    """Values that never change, as JSON. What this process put or got is at hand for it.

    A store that is down, or slow, is passed over.
    """

    def __init__(self, far: Store, seconds: float) -> None:
        """Each value is kept for so long."""
        self._near, self._far, self._seconds = MemoryStore(), far, seconds

    async def get(self, key: str, sound: Callable[[Any], bool]) -> Any:
        """What is kept and sound, for others may have written it, or a part of it; else None."""
        for store in (self._near, self._far):
            with contextlib.suppress(StoreDown, TimeoutError, ValueError):
                async with asyncio.timeout(_HURRY):
                    kept = await store.get(key)
                if kept and len(kept) <= _LONGEST and sound(value := orjson.loads(kept)):
                    if store is self._far:
                        await self._near.put(key, kept, self._seconds)
                    return value
        return None

    async def put(self, key: str, value: Any, alone: float | None = None) -> None:
        """Keeps it for all; or, where `alone` is given, for this process, for so many seconds."""
        kept = orjson.dumps(value)
        await self._near.put(key, kept, alone or self._seconds)
        if alone is None:
            with contextlib.suppress(StoreDown, TimeoutError):
                async with asyncio.timeout(_HURRY):
                    await self._far.put(key, kept, self._seconds)


def connect(url: str) -> Redis:
    """A Redis behind few connections. Raises TypeError or ValueError for a wrong option.

    Who asks says how long. The client's own timeouts are by `asyncio.wait_for`, which up to Python
    3.11 may lose a cancellation, and with it every timeout around.
    """
    pool = BlockingConnectionPool.from_url(
        url, max_connections=_CONNECTIONS, timeout=None, retry=Retry(NoBackoff(), 0)
    )
    pool.connection_class(**pool.connection_kwargs)  # not opened: it takes the options, or raises
    return Redis.from_pool(pool)


@contextlib.asynccontextmanager
async def _asking(seconds: float) -> AsyncIterator[None]:
    """Whatever goes wrong with the Redis inside, or takes longer, is raised as StoreDown."""
    try:
        async with asyncio.timeout(seconds):
            yield
    # The last three: it is no Redis.
    except (RedisError, OSError, TypeError, ValueError, OverflowError) as exc:
        raise StoreDown(f"Redis fails: {type(exc).__name__}") from exc


class Limiter:
    """How often a network address may do what, counted by all who share the Redis.

    An IPv6 address counts as its network of 64 bits. While the Redis is gone each counts alone.

    Args:
        rates: by kind: "rest" for requests, "connect" for websockets.
        redis: None: this process counts alone.
    """

    def __init__(self, rates: Mapping[str, RateLimitItem], redis: Redis | None = None) -> None:
        self._rates = rates
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._shared: FixedWindowRateLimiter | None = None
        if redis:
            options: dict[str, Any] = {"connection_pool": redis.connection_pool}
            storage = RedisStorage("redis://", implementation="redispy", **options)
            self._shared = FixedWindowRateLimiter(storage)
        self._alone_until = 0.0

    async def hit(self, kind: str, address: str) -> float | None:
        """Counts one; None when it is allowed, else the seconds to wait. Never raises."""
        what = self._rates[kind], "lottochain", kind, network(address)
        begun = time.monotonic()
        if self._shared and begun >= self._alone_until:
            try:
                async with _asking(_HURRY):
                    return await _hit(self._shared, *what)
            except StoreDown as exc:
                if begun >= self._alone_until:  # the first that found out
                    log.warning("limits are counted by this instance alone", why=str(exc))
                self._alone_until = time.monotonic() + _ALONE
        return await _hit(self._own, *what)


async def _hit(counts: FixedWindowRateLimiter, rate: RateLimitItem, *who: str) -> float | None:
    if await counts.hit(rate, *who):
        return None
    return max(0.0, (await counts.get_window_stats(rate, *who)).reset_time - time.time())


def network(address: str) -> str:
    """By what a client is told from others: an address of IPv4, of IPv6 its network of 64 bits."""
    try:
        found = ipaddress.ip_network((address.partition("%")[0], _IPV6_NETWORK), strict=False)
    except ValueError:  # IPv4, in which no network has so many bits; or no address
        return address
    return str(found)
