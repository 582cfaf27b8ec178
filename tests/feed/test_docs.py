"""The example in docs/realtime.md, run as it stands there."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

from keeper.domain.lines import Prediction
from tests.feed.world import ANN, World, bet, created, serving

DOC = Path(__file__).parents[2] / "docs" / "realtime.md"


async def test_the_example_follows_a_round_and_comes_back(tmp_path: Path) -> None:
    (example,) = re.findall(r"```js\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert len(example.splitlines()) < 20
    world = World()
    world.mine(created())
    node = shutil.which("node")
    assert node, "Node 20 is part of the set-up"

    async def printed(process: asyncio.subprocess.Process, what: str) -> None:
        assert process.stdout
        async with asyncio.timeout(20):
            while what not in (line := (await process.stdout.readline()).decode()):
                assert line, f"ended before it printed {what}"

    async with serving(world):
        script = tmp_path / "example.mjs"
        here = world.url.replace("http", "ws", 1)
        assert "ws://127.0.0.1:8080" in example
        script.write_text(example.replace("ws://127.0.0.1:8080", here))
        process = await asyncio.create_subprocess_exec(
            node, "--experimental-websocket", str(script), stdout=asyncio.subprocess.PIPE
        )
        try:
            await printed(process, "[ 'EVEN_HIGH', 'ODD_LOW' ] [ '0', '0' ] 0")
            world.mine(bet(ANN, Prediction.EVEN, 5), bet(ANN, Prediction.ODD, 7))
            await printed(process, "[ 'EVEN', 'ODD' ] [ '5', '7' ] 5")
            for client in tuple(world.hub._clients):
                client.transport.abort()
            world.mine(bet(ANN, Prediction.EVEN, 4))
            await printed(process, "[ 'EVEN', 'ODD' ] [ '9', '7' ] 7")
        finally:
            process.kill()
            await process.wait()
