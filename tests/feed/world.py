"""A small chain made by hand, a real server that tells of it, and real clients."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from feed.api import Api
from feed.client import Limits
from feed.decisions import Decisions, Results
from feed.history import History
from feed.http import Gate
from feed.hub import Hub
from feed.server import Server
from feed.store import MemoryStore
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from keeper.domain.lines import Prediction
from keeper.errors import WrongContract
from keeper.ports import ChainEvent, Head, Report, Store
from keeper.projection import MarketView
from tests.feed.described import Checked
from tests.keeper.chain.waiting import PATIENCE, UNHURRIED

POWER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
MEGA = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
ANN = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
BOB = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ORACLE = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
PAGE = "https://lotto.example"
DRAW, LOCK = 1_787_194_740, 1_787_193_840
START = LOCK - 10_000
E = 10**18


class World:
    """Two markets and their chain; every `mine` is a block, told as the app tells it.

    Nobody is sent away for want of time, nor hears a heartbeat, unless a test is about that: else
    both would come on a machine that is busy.
    """

    def __init__(self, **limits: Any) -> None:
        self.views = [MarketView(POWER, POWERBALL), MarketView(MEGA, MEGA_MILLIONS)]
        self.hub = Hub(31337, self.views, Limits(**UNHURRIED | limits))
        self.events: list[ChainEvent] = []
        self.number, self.time, self.salt = 100, START, 0
        self.silently = False  # mine without telling the hub
        self.url = ""
        self.history: History | None = None  # while it is served
        self.settled = 0  # how many of the events can be void no more
        self.deep = Head(0, "0x00", 0)  # up to where

    @property
    def head(self) -> Head:
        return Head(self.number, f"0x{self.number:060x}{self.salt:04x}", self.time)

    def mine(self, *logs: tuple[str, str, dict[str, Any]], finalized: int | None = None) -> None:
        self.number, self.time = self.number + 1, self.time + 2
        by_market = {view.address: view for view in self.views}
        events = []
        for index, (market, name, args) in enumerate(logs):
            tx, head = f"0x{self.number:032x}{index:032x}", self.head
            at = (head.number, head.hash, tx, index, head.timestamp)
            events.append(ChainEvent(market, name, args, *at))
            by_market[market].apply(events[-1])
        self.events += events
        if self.history:
            self.history.take((), self.events[self.settled :], self.deep)
        if not self.silently:
            by_market_first = sorted(events, key=lambda e: e.market, reverse=True)
            self.hub.publish(by_market_first, self.head, finalized)

    def settle(self) -> None:
        """What happened up to now is void no more."""
        assert self.history
        self.deep = self.head
        self.history.take(self.events[self.settled :], (), self.deep)
        self.settled = len(self.events)


class Known:
    """What is known of results, as who reads a chain knows it.

    Attributes:
        latest: by market and round, what is known all the time.
        older: by market and round, what the chain has when it is asked.
        cast: all reports, in log order.
        times: of the blocks, by number.
        asked: every question to the chain, by its name.
        fails: what each of them raises; none while it is None.
        at_once: how many reports are told in one answer; of others than `flooding` any number.
    """

    def __init__(self) -> None:
        self.latest: dict[tuple[str, int], dict[str, Any]] = {}
        self.older: dict[tuple[str, int], dict[str, Any]] = {}
        self.cast: list[Report] = []
        self.times: Callable[[int], int] = lambda number: START + 2 * number
        self.asked: Counter[str] = Counter()
        self.fails: Exception | None = None
        self.at_once, self.flooding = 10**6, BOB

    def of(self, market: str, round_id: int) -> dict[str, Any] | None:
        return self.latest.get((market, round_id))

    async def read(self, market: str, round_id: int) -> dict[str, Any] | None:
        self._count("read")
        return self.older.get((market, round_id))

    async def reports(
        self, market: str, oracle: str, round_id: int, first: int, last: int, who: str | None
    ) -> list[Report]:
        self._count("reports")
        assert oracle == ORACLE
        found = [report for report in self.cast if first <= report.block <= last]
        if len(found) > self.at_once and who in (None, self.flooding):
            raise WrongContract("too many")
        return [report for report in found if who in (None, report.reporter)]

    async def block(self, number: int) -> Head:
        self._count("block")
        return Head(number, f"0x{number:064x}", self.times(number))

    def _count(self, what: str) -> None:
        self.asked[what] += 1
        if self.fails:
            raise self.fails


def decision(round_id: int = 1, **changed: Any) -> dict[str, Any]:
    """What is known of how a round is decided, of a round of the market POWER."""
    return {
        "market": POWER,
        "game": "powerball",
        "roundId": round_id,
        "drawTime": DRAW,
        "status": "LOCKED",
        "winningNumber": None,
        "oracle": ORACLE,
        "voting": None,
        "asked": None,
        "evidenceHash": None,
        "stale": False,
        **changed,
    }


def stranger(number: int) -> str:
    """Somebody else's address."""
    return f"0x{number:040x}"


def created(round_id: int = 1, market: str = POWER) -> tuple[str, str, dict[str, Any]]:
    terms = {"drawTime": DRAW, "lockTime": LOCK, "feeBps": 200, "oracle": ORACLE}
    return market, "RoundCreated", {"roundId": round_id, **terms}


def bet(
    user: str, prediction: Prediction, amount: int, round_id: int = 1, market: str = POWER
) -> tuple[str, str, dict[str, Any]]:
    args = {"roundId": round_id, "user": user, "prediction": int(prediction), "amount": amount}
    return market, "BetPlaced", args


def bet_cancelled(user: str, index: int, amount: int) -> tuple[str, str, dict[str, Any]]:
    return POWER, "BetCancelled", {"roundId": 1, "user": user, "betIndex": index, "amount": amount}


def paid(name: str, user: str, amount: int) -> tuple[str, str, dict[str, Any]]:
    return POWER, name, {"roundId": 1, "user": user, "amount": amount}


def finalized(number: int, at: int = DRAW + 5) -> tuple[str, str, dict[str, Any]]:
    return POWER, "RoundFinalized", {"roundId": 1, "winningNumber": number, "timestamp": at}


def channel(round_id: int = 1, market: str = POWER) -> str:
    return f"round:{market}:{round_id}"


def spelled(market: str, function: str, *args: Any) -> str:
    """In the place of a call's data: what it would say."""
    return "0x" + f"{market} {function} {args}".encode().hex()


class Errors(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@dataclass
class Clock:
    """It stands, but where a test moves it."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


class Served(Protocol):
    """Whose hub is served, and who hears where."""

    hub: Hub
    url: str


@asynccontextmanager
async def serving(
    world: Served,
    health: Mapping[str, Any] | None = None,
    faults: tuple[str, ...] = (),
    troubles: Sequence[str] = (),
    public: bool = True,
    history: Path = Path(":memory:"),
    results: Results | None = None,
    store: Store | None = None,
    **gate: Any,
) -> AsyncIterator[aiohttp.ClientSession]:
    """The world's server on a free port, and a session whose base it is.

    Whatever its clients do, it logs no errors but `faults`.
    """
    errors = Errors(logging.ERROR)
    logging.getLogger().addHandler(errors)
    kept = History(history)
    if isinstance(world, World):
        world.history = kept
        kept.take((), world.events, world.deep)
    encode = {address: partial(spelled, address) for address in (POWER, MEGA)}
    decisions = Decisions(results, store or MemoryStore(), 31337, 10) if results else None
    api = Api(world.hub, kept, 31337, encode, decisions) if public else None
    server = Server(world.hub, lambda: health or {}, lambda: troubles, Gate([PAGE], **gate), api)
    runner = server.runner(shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running = asyncio.create_task(world.hub.run())
    world.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession(world.url, ws_response_class=Checked) as session:
            yield session
    finally:
        running.cancel()
        await runner.cleanup()
        kept.close()
        logging.getLogger().removeHandler(errors)
    assert errors.messages == list(faults)


def opened(**limits: Any) -> World:
    """With an open round."""
    world = World(**limits)
    world.mine(created())
    return world


def beat(world: Served) -> None:
    """Looks after everybody as the hub does it when their next heartbeats are due."""
    for client in [*world.hub._clients]:
        world.hub._look_after(client, client.beat_at)


class Socket:
    """A websocket client that expects answers."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.final: list[dict[str, Any]] = []

    @property
    def transport(self) -> Any:
        return self.ws._conn and self.ws._conn.transport

    def stop_reading(self) -> None:
        """Reads nothing more; the kernel, too, takes little."""
        self._take_at_once(4096)
        self.transport.pause_reading()

    def read_again(self) -> None:
        self._take_at_once(2**20)
        self.transport.resume_reading()

    def _take_at_once(self, size: int) -> None:
        own = self.ws.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    async def say(self, **fields: Any) -> None:
        await self.ws.send_json(fields)

    async def hear(self) -> dict[str, Any]:
        """The next message; one that ends the connection as {"closed": code}."""
        async with asyncio.timeout(PATIENCE):
            said = await self.ws.receive()
        if said.type is aiohttp.WSMsgType.TEXT:
            told: dict[str, Any] = said.json()
            return told
        assert said.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), said
        return {"type": "closed", "closed": self.ws.close_code}

    async def hear_until(self, type_: str) -> list[dict[str, Any]]:
        """All messages up to the first of this type, it included."""
        heard = [await self.hear()]
        while heard[-1]["type"] != type_:
            assert heard[-1]["type"] != "closed", heard[-1]
            heard.append(await self.hear())
        return heard

    async def follow(self, *channels: str, since: Any = None) -> list[dict[str, Any]]:
        """Subscribes; what comes up to and with the last snapshot, without the ack.

        Who resumes is told first what is final: that is put aside.
        """
        await self.say(op="subscribe", id=1, channels=channels, since=since)
        while (ack := await self.hear())["type"] == "heartbeat":
            pass  # which comes at any time, where it comes at all
        assert ack["type"] == "ack", ack
        assert not ack["errors"]
        heard: list[dict[str, Any]] = []
        for _ in ack["subscribed"]:
            heard += await self.hear_until("snapshot")
        self.final = [m for m in heard if m["type"] == "final"]
        return [m for m in heard if m["type"] != "final"]

    async def silent(self) -> bool:
        """Whether all that was told has been heard."""
        await self.say(op="ping", id="silent?")
        return await self.hear() == {"type": "pong", "id": "silent?"}


@asynccontextmanager
async def connected(session: aiohttp.ClientSession, **options: Any) -> AsyncIterator[Socket]:
    """A greeted websocket client."""
    async with session.ws_connect("/ws", **options) as ws:
        client = Socket(ws)
        assert (await client.hear())["type"] == "hello"
        try:
            yield client
        finally:
            transport = client.transport
            if transport and not transport.is_reading():  # would not hear that it is over
                transport.abort()


@asynccontextmanager
async def raw(world: Served, **headers: str) -> AsyncIterator[tuple[Any, Any]]:
    """A websocket connection of which every byte can be chosen, its handshake being sent."""
    host, port = world.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        yield reader, writer
    finally:
        writer.close()
