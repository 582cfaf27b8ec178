"""The keeper's own server and hub: `python -m tests.bench.ours CHANNEL`, a market or "stats".

Obeys lines of JSON on its input: tells everybody of a bet that was never placed, or figures that
never were, sent `at` a given moment: several servers that are given the same one tell the same; or
collects what is garbage. Ends with its input. With the argument `patient` it does not cut off those
who stop reading.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from feed.api import Api
from feed.client import Limits
from feed.history import History
from feed.http import Gate
from feed.server import Server
from keeper import app
from keeper.domain.lines import Prediction
from keeper.ports import ChainEvent
from tests.bench.frames import stamp
from tests.feed.world import ANN, POWER, E, World, bet, created, spelled

CHANNELS = {"stats": "stats", "event": f"market:{POWER}"}  # by the payload's name
FIGURES = {
    "rounds": 214,
    "volume": "",
    "matched": "98304250000000000000",
    "fees": "1966085000000000000",
    "bettors": 1873,
    "biggestWin": None,
    "games": [],
}


class Fed(World):
    """A market with an open round, as the chain would make it.

    Readers of one address are as many as ours have to be.
    """

    def __init__(self, channel: str, *, patient: bool = False) -> None:
        usual = {} if patient else asdict(Limits())
        super().__init__(**usual | {"connections": 20_000, "per_address": 20_000})
        self.mine(created())
        self.tell = self._figures if channel == "stats" else self._bet

    def _figures(self, at: int) -> None:
        """Those of all markets together; the volume is the time."""
        self.hub.replace("stats", {**FIGURES, "volume": stamp(at)})

    def _bet(self, at: int) -> None:
        """In a block of its own; its transaction's hash is the time."""
        tx = f"0x{stamp(at):0>64}"
        self.number, self.time = self.number + 1, self.time + 2
        market, name, args = bet(ANN, Prediction(self.number % 8), E)
        head = self.head
        event = ChainEvent(market, name, args, head.number, head.hash, tx, 0, head.timestamp)
        self.views[0].apply(event)
        self.hub.publish([event], head, None)  # no word of what is final: one message a bet


def sample(payload: str, at: int = 0) -> dict[str, Any]:
    """What is told of it, which the other servers send too."""
    fed = Fed(channel := CHANNELS[payload])
    fed.tell(at)
    board = fed.hub.board
    frame = (
        board.snapshot(channel, None)
        if payload == "stats"
        else board._deltas.all[-1].frames(channel, None)
    )
    told: dict[str, Any] = json.loads(frame[4:])
    return told


async def serve() -> None:
    """Until the input ends."""
    fed = Fed(sys.argv[1], patient="patient" in sys.argv)
    encode = {market.address: partial(spelled, market.address) for market in fed.views}
    api = Api(fed.hub, History(Path(":memory:")), 31337, encode)
    server = Server(fed.hub, dict, list, Gate(), api)
    runner = server.runner(shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running = asyncio.create_task(fed.hub.run())
    said = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(said), sys.stdin)
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    while line := await said.readline():
        wish = json.loads(line)
        if wish["do"] == "collect":
            gc.collect()
            print(json.dumps({"collected": True}), flush=True)
        else:
            fed.tell(wish["at"])
    running.cancel()


if __name__ == "__main__":
    app.start(serve())
