"""The keeper's own server and hub, told of bets that were never placed.

Obeys `tell` on its input: tells one bet to everybody, sent now or `at` a given moment: several
servers that are given the same one tell the same event. Ends with its input. With the argument
`patient` it does not cut off those who stop reading.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from feed.api import Api
from feed.history import History
from feed.http import Gate
from feed.server import Server
from keeper import app
from keeper.domain.lines import Prediction
from keeper.ports import ChainEvent
from tests.bench.frames import stamp
from tests.feed.world import ANN, POWER, E, World, bet, created, spelled


class Fed(World):
    """A market with an open round, as the chain would make it.

    Readers of one address are as many as ours have to be.
    """

    def __init__(self, *, patient: bool = False) -> None:
        patience: dict[str, float] = {"stall_seconds": 3600, "heartbeat": 3600} if patient else {}
        super().__init__(connections=20_000, per_address=20_000, **patience)
        self.mine(created())

    def tell(self, at: int | None = None) -> None:
        """A bet in a block of its own, its transaction's hash being the time: `at`, or now."""
        tx = stamp(time.monotonic_ns() if at is None else at)
        self.number, self.time = self.number + 1, self.time + 2
        market, name, args = bet(ANN, Prediction(self.number % 8), E)
        head = self.head
        event = ChainEvent(market, name, args, head.number, head.hash, tx, 0, head.timestamp)
        self.views[0].apply(event)
        self.hub.publish([event], head, None)  # no word of what is final: one message a bet


def sample() -> dict[str, Any]:
    """The message of a bet, which the other servers send too."""
    fed = Fed()
    fed.tell()
    told: dict[str, Any] = json.loads(fed.hub.board._deltas[-1].frames(f"market:{POWER}", 0)[4:])
    return told


async def serve() -> None:
    """Until the input ends."""
    fed = Fed(patient="patient" in sys.argv)
    encode = {market.address: partial(spelled, market.address) for market in fed.views}
    api = Api(fed.hub, History(Path(":memory:")), 31337, encode)
    server = Server(fed.hub, dict, list, Gate(), api)
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running = asyncio.create_task(fed.hub.run())
    said = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(said), sys.stdin)
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    while line := await said.readline():
        fed.tell(json.loads(line).get("at"))
    running.cancel()


if __name__ == "__main__":
    app.start(serve())
