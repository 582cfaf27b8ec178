"""The right to send with one key on one chain, lent by a Redis to one keeper at a time.

It spares two keepers of one key the losing of each other's transactions. What keeps them from doing
anything twice is the nonce and the contract.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from keeper import metrics

log = structlog.get_logger()

# KEYS: the lease, and what is remembered of it; ARGV: who asks, and for how many milliseconds.
# Gives the epoch to the holder, old or new, and 0 to others. A Redis that was started anew may have
# forgotten who held it, so for one life nobody does. An epoch is a second of the Unix time or more,
# so that it grows over such a loss, too.
_CLAIM = """
local run, life = redis.call('INFO', 'server'):match('run_id:(%w+)') or '', ARGV[2]
if redis.call('HGET', KEYS[2], 'run') ~= run then
    redis.call('HSET', KEYS[2], 'run', run)
    redis.call('SET', KEYS[1], '', 'PX', life)
end
local epoch = tonumber(redis.call('HGET', KEYS[2], 'epoch') or 0)
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', life) then
    epoch = math.max(epoch + 1, tonumber(redis.call('TIME')[1]))
    redis.call('HSET', KEYS[2], 'epoch', epoch)
elseif redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('PEXPIRE', KEYS[1], life) == 0 then
    return 0
end
return epoch
"""
_RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
_FAULTS = (RedisError, OSError, TypeError, ValueError)  # the last two: what answers is no Redis


class RedisLease:
    """One that keepers with the same key share.

    Args:
        url: of the Redis. It and its password are never shown.
        key: the lease's name, of chain and account.
        life: seconds for which it is lent; the same for all who share it.
        clock: monotonic seconds.

    Attributes:
        epoch: grows whenever anybody takes it; that of our last time, 0 before.
    """

    def __init__(
        self, url: str, key: str, life: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._life, self._clock = life, clock
        self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self._claim = self._redis.register_script(_CLAIM)
        self._release = self._redis.register_script(_RELEASE)
        self._keys = [key, f"{{{key}}}:epochs"]  # in braces: on one node of a cluster
        self._me = secrets.token_hex(16)
        self._until, self.epoch, self._told = -math.inf, 0, ""
        metrics.LEASE.set_function(lambda: self.held)

    @property
    def held(self) -> bool:
        """Whether it is ours: it ends here before it ends in Redis."""
        return self._clock() < self._until

    async def run(self) -> None:
        """For ever takes or renews it, at every quarter of its life; gives it back at the end."""
        try:
            while True:
                asked = self._clock()
                await self._ask()
                await asyncio.sleep(asked + self._life / 4 - self._clock())
        finally:
            self._until = -math.inf
            try:
                async with self._redis, asyncio.timeout(self._life / 4):
                    await self._release(self._keys, [self._me])
            except _FAULTS as exc:
                self._tell("the lease could not be given back", why=_reason(exc))

    async def _ask(self) -> None:
        asked = self._clock()  # its life begins later in Redis than here
        try:
            async with asyncio.timeout(self._life / 4):
                epoch = await self._claim(self._keys, [self._me, math.ceil(self._life * 1000)])
        except _FAULTS as exc:
            self._tell("Redis does not say who may send", why=_reason(exc))
            return
        if isinstance(epoch, int) and epoch:
            self._until, self.epoch = asked + self._life, epoch
            metrics.EPOCH.set(epoch)
            self._tell("this keeper may send", epoch=epoch)
        else:
            self._until = -math.inf
            self._tell("waiting for the lease: another keeper has it, or may have")

    def _tell(self, event: str, **values: object) -> None:
        """Logs it, unless it was the last that was told."""
        if self._told != (told := f"{event} {values}"):
            self._told = told
            (log.warning if "why" in values else log.info)(event, **values)


def _reason(exc: Exception) -> str:
    """In our words: a server's own may repeat the password."""
    if isinstance(exc, AuthenticationError | NoPermissionError):
        return "it does not accept the user or the password"
    late = isinstance(exc, TimeoutError)
    return "no answer in time" if late else f"it fails: {type(exc).__name__}"
