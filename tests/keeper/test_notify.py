"""Word to the service manager, over the sockets that it opens."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper import notify


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """A service manager's socket, of either kind."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


def test_each_state_is_a_datagram(manager: socket.socket) -> None:
    for state in (notify.READY, notify.ALIVE, notify.STOPPING):
        notify.tell(state)
    heard = [manager.recv(100) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


async def test_pings_while_the_loop_turns(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    manager.setblocking(False)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        task = asyncio.create_task(notify.watchdog())
        for _ in range(5):
            assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
        with contextlib.suppress(BlockingIOError):
            while True:  # what was due before
                manager.recv(100)
        time.sleep(0.2)  # noqa: ASYNC251 - the loop hangs: ten pings are due and none is told
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
    task.cancel()
    await asyncio.wait([task])


async def test_the_interval_is_half_of_what_the_manager_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for usec in ("60000000", "", "0", "soon", "-5"):
        monkeypatch.setenv("WATCHDOG_USEC", usec)
        with pytest.raises(asyncio.CancelledError):
            await notify.watchdog()
    assert asked == [30, 10, 10, 10, 10]


@pytest.mark.parametrize("name", ["", "/nowhere/at/all", "@nobody", "/" + "x" * 200, "rel", "@"])
def test_nobody_listens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify.tell(notify.READY)
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify.tell(notify.READY)


def test_a_manager_that_does_not_read_is_not_waited_for(manager: socket.socket) -> None:
    for _ in range(5000):
        notify.tell(notify.ALIVE)
