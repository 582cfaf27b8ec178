"""What a real keeper tells those who look after it: the service manager, load balancers."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest

from demo.publishers import Publishers
from keeper.domain.draw import POWERBALL
from tests.keeper.chain.process import Home, asking
from tests.keeper.chainfixtures import running_chain

DAY = 86_400


async def test_ready_once_the_chain_is_read_and_its_head_is_new(
    tmp_path: Path, publishers: Publishers
) -> None:
    async with running_chain(int(time.time()) - DAY) as chain, asking() as http:
        home = Home.make(tmp_path, chain, [await chain.deploy(POWERBALL)], publishers)
        async with home.keeper(HEAD_AGE="3600") as keeper:
            url = (await keeper.until_logged("serving"))["url"]
            await keeper.until_logged("the chain is read")
            answer = await http.get(f"{url}/readyz")
            assert answer.status_code == 503
            age = re.search(r"the newest block is (\d+) s old", answer.json()["detail"])
            assert age
            assert DAY - 600 < int(age[1]) < DAY + 600
            assert (await http.get(f"{url}/healthz")).status_code == 200

            await chain.move_to(int(time.time()))

            async def ready() -> bool:
                return (await http.get(f"{url}/readyz")).status_code == 200

            await keeper.until(ready)


async def test_the_service_manager_hears_that_it_is_ready_lives_and_stops(
    tmp_path: Path, publishers: Publishers, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")

        def hears(what: bytes, times: int = 1) -> bool:
            try:
                while True:
                    heard.append(manager.recv(4096))
            except BlockingIOError:
                return heard.count(what) >= times

        async with running_chain(int(time.time())) as chain:
            home = Home.make(tmp_path, chain, [await chain.deploy(POWERBALL)], publishers)
            async with home.keeper() as keeper:
                await keeper.until(lambda: hears(b"READY=1"))
                await keeper.until_logged("serving")
                await keeper.until(lambda: hears(b"WATCHDOG=1", 3))
                assert await keeper.terminate() == 0
                assert hears(b"STOPPING=1")
    assert heard.count(b"READY=1") == heard.count(b"STOPPING=1") == 1
    assert set(heard) == {b"READY=1", b"WATCHDOG=1", b"STOPPING=1"}
