"""The load client: thousands of websocket readers that only count, and people who ask over HTTP.

`python -m tests.bench.load SERVER PORT...`, the same for every server; of several instances each
gets its share of the readers. Obeys lines of JSON on its input, answers with lines of JSON, and
ends with its input. The whole of it is one thread with as little Python for each message as there
can be, so that it is the server that is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import uvloop

from tests.bench.frames import (
    CLOSE,
    MARK,
    PING,
    PONG,
    TEXT,
    Frames,
    is_one_message,
    masked,
    sent_at,
)
from tests.feed.world import POWER

_AT_ONCE = 100  # connections that are being opened
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_SUBSCRIBE = json.dumps({"op": "subscribe", "id": 1, "channels": [f"market:{POWER}"]}).encode()
# Of each server: where its websocket is; whether it is followed once connected; what it says and
# what it is answered; and what it says when all that was asked for is there.
_PATHS = {"keeper": "/ws", "socketio": "/socket.io/?EIO=4&transport=websocket", "ws": "/"}
_ANSWERS = {
    "keeper": {b'{"type":"hello"': _SUBSCRIBE},
    "socketio": {b"0{": b"40", b"2": b"3"},  # engine.io: opened, are you there
    "ws": {},
}
_READY = {"keeper": b'{"type":"snapshot"', "socketio": b"40", "ws": None}


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


class Tally:
    """Counts deliveries, one message after the other, and tells when each has reached all."""

    def __init__(self) -> None:
        self.readers = 0
        self._count = 0

    def take(self, data: bytes) -> None:
        self._count += 1
        if self._count == self.readers:
            self._count = 0
            say(ms=(time.monotonic_ns() - sent_at(data)) / 1e6)


class Reader(asyncio.Protocol):
    """A websocket client that is subscribed and reads.

    Attributes:
        ready: done when it is subscribed.
    """

    def __init__(self, server: str, tally: Tally | None) -> None:
        self._server, self._tally = server, tally
        self._head = b""  # of the answer to the handshake, as far as it is there
        self._frames: Frames | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(_HANDSHAKE.format(path=_PATHS[self._server]).encode())

    def data_received(self, data: bytes) -> None:
        frames = self._frames
        if frames is None:
            self._greeted(data)
        elif frames.idle and is_one_message(data) and MARK in data:
            if self._tally:
                self._tally.take(data)
        else:
            for opcode, payload in frames.feed(data):
                self._heard(opcode, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        say(lost=str(exc or "the server closed a connection"))

    def _greeted(self, data: bytes) -> None:
        self._head += data
        head, ended, rest = self._head.partition(b"\r\n\r\n")
        if not ended:
            return
        if not head.startswith(b"HTTP/1.1 101"):
            say(lost=head[:80].decode())
            self.transport.abort()
            return
        self._frames = Frames()
        if _READY[self._server] is None:
            self.ready.set_result(None)
        if rest:
            self.data_received(rest)

    def _heard(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.transport.write(masked(payload, PONG))
        elif opcode == CLOSE:
            self.transport.close()
        elif opcode == TEXT and MARK in payload:
            if self._tally:
                self._tally.take(payload)
        elif opcode == TEXT:
            for start, answer in _ANSWERS[self._server].items():
                if payload.startswith(start):
                    self.transport.write(masked(answer))
            ready = _READY[self._server]
            if ready and payload.startswith(ready) and not self.ready.done():
                self.ready.set_result(None)

    def read(self, *, on: bool) -> None:
        """Reads nothing more, or again; the kernel, too, takes little meanwhile."""
        own = self.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20 if on else 4096)
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()


class Asker(asyncio.Protocol):
    """A kept HTTP connection, on which one request is answered after the other.

    Attributes:
        took: milliseconds from when each was due to the end of its answer, due or not.
        errors: what else came.
    """

    def __init__(self, took: list[float], errors: list[str]) -> None:
        self.took, self.errors = took, errors
        self._due: deque[tuple[bytes, float]] = deque()
        self._got = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self, path: str, due: float) -> None:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._due.append((request, due))
        if len(self._due) == 1:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, ended, body = self._got.partition(b"\r\n\r\n")
        if not ended:
            return
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < size:
            return
        self._got = b""
        _, due = self._due.popleft()
        self.took.append((time.monotonic() - due) * 1e3)
        if not head.startswith(b"HTTP/1.1 200"):
            self.errors.append(head.split(b"\r\n")[0].decode())
        if self._due:
            self.transport.write(self._due[0][0])

    def connection_lost(self, exc: Exception | None) -> None:
        if self._due:
            self.errors.append(f"not answered: {exc or 'closed'}")


class Load:
    """What is connected to a server, or to its instances in turn."""

    def __init__(self, server: str, ports: Sequence[int]) -> None:
        self._server, self._ports = server, itertools.cycle(ports)
        self._loop = asyncio.get_running_loop()
        self._tally = Tally()
        self._apart: list[Reader] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, readers: int, apart: int = 0) -> None:
        """So many readers that count, and some apart that need not read."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(tally: Tally | None) -> Reader:
            async with places:
                reader = Reader(self._server, tally)
                await self._loop.create_connection(lambda: reader, "127.0.0.1", next(self._ports))
                await asyncio.wait_for(reader.ready, 30)
                return reader

        self._tally.readers = readers
        await asyncio.gather(*(one(self._tally) for _ in range(readers)))
        self._apart = list(await asyncio.gather(*(one(None) for _ in range(apart))))
        say(connected=readers + apart)

    def stall(self, *, on: bool) -> None:
        """Whether those apart read nothing."""
        for reader in self._apart:
            reader.read(on=not on)
        say(stalled=on)

    def ask(self, **how: Any) -> None:
        """Starts to ask; tells in the end."""
        task = asyncio.create_task(self._ask(**how))
        self._tasks.add(task)

    async def _ask(self, connections: int, rate: int, seconds: float, paths: Sequence[str]) -> None:
        """At this rate, however long answers take."""
        took, errors = list[float](), list[str]()
        askers = []
        for _ in range(connections):
            asker = Asker(took, errors)
            port = next(self._ports)
            await self._loop.create_connection(lambda a=asker: a, "127.0.0.1", port)  # type: ignore[misc]
            askers.append(asker)
        start, count = time.monotonic() + 0.1, int(rate * seconds)
        for i in range(count):
            due = start + i / rate
            while (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            askers[i % connections].ask(paths[i % len(paths)], due)
        patience = time.monotonic() + 5
        while len(took) < count and time.monotonic() < patience:
            await asyncio.sleep(0.05)
        errors += ["not answered"] * (count - len(took))
        say(rest={"took": took, "errors": errors})


async def main(server: str, *ports: int) -> None:
    load = Load(server, ports)
    said = asyncio.StreamReader()
    pipe = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(said), sys.stdin
    )
    while line := await said.readline():
        wish = json.loads(line)
        done = getattr(load, wish.pop("do"))(**wish)
        if asyncio.iscoroutine(done):
            await done
    pipe[0].close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:])))
