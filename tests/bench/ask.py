"""People who ask over HTTP: `python -m tests.bench.ask PORT`, told by one line of JSON how."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import uvloop


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


async def ask(
    port: int, connections: int, rate: int, seconds: float, paths: Sequence[str]
) -> dict[str, Any]:
    """What came of asking at this rate, however long answers take."""
    loop = asyncio.get_running_loop()
    took, errors = list[float](), list[str]()
    askers = []
    for _ in range(connections):
        _, asker = await loop.create_connection(lambda: Asker(took, errors), "127.0.0.1", port)
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
    return {"took": took, "errors": errors + ["not answered"] * (count - len(took))}


if __name__ == "__main__":
    wish = json.loads(sys.stdin.readline())
    print(json.dumps({wish.pop("do"): uvloop.run(ask(int(sys.argv[1]), **wish))}))
