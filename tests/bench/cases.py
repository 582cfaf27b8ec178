"""What is measured: each case yields lines to print and verdicts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from keeper.domain.draw import POWERBALL
from tests.bench.figures import Figures, Verdict, percentile
from tests.bench.processes import SERVERS, Broken, Process, instances, measured, started
from tests.bench.steady import Steadiness
from tests.feed.world import POWER
from tests.keeper.chain.conftest import DRAW, START
from tests.keeper.chain.process import Home
from tests.keeper.chainfixtures import BETTORS, KEEPER, E, running_chain

NAMES = {"keeper": "this server", "socketio": "Socket.io", "ws": "ws, plain loop"}
ALLOWANCE = 0.05  # seconds beyond the poll interval for a bet to be told
# To the first 16 messages after a pause of 200 ms the readers' kernel acknowledges each delivery at
# once (TCP_MAX_QUICKACKS in Linux's include/net/tcp.h), which within one machine takes time of the
# server's core; later they do it as they read, on their own. So more are told before it is
# measured, and those after a pause are measured by themselves.
_WARM_UP = 20  # messages
_RESTED, _REST = 10, 0.3  # messages, and the seconds before each
_STALLED_BYTES = 256 * 1024  # as much as server and kernel hold back for who does not read


@dataclass(frozen=True, slots=True)
class Bench:
    """How much is measured.

    Attributes:
        cores: of server and client.
        message: what is told, but for the time of sending.
        sizes: numbers of subscribers, the last is the one that is judged.
        rounds: of which the median is taken.
        messages: told in a round.
        stalls: how often two readers stop, and how often they do not.
        asking: seconds of requests.
        bets: sent to the chain.
        patience: seconds that may be spent until the machine is steady.
    """

    console: Console
    cores: Sequence[int]
    message: dict[str, Any]
    sizes: Sequence[int]
    rounds: int
    messages: int
    stalls: int
    asking: float
    bets: int
    patience: float

    # ---- everybody is told

    async def fanout(self) -> AsyncIterator[Verdict]:
        """Many subscribers, beside Socket.io and ws."""
        steadiness = Steadiness(self.cores, self.patience, self.console.print)
        for size in reversed(self.sizes):
            found: dict[str, list[Figures]] = {server: [] for server in SERVERS}
            for number in range(self.rounds):
                turn = number % len(SERVERS)
                for server in (*SERVERS[turn:], *SERVERS[:turn]):
                    told = partial(self._told, server, size)
                    figures, disturbed = await steadiness.undisturbed(told)
                    found[server].append(figures)
                    self.console.print(
                        f"{size:,} subscribers, round {number + 1}: {server}, p50 {figures.p50:.1f}"
                        f" and p99 {figures.p99:.1f} ms; others disturbed {disturbed:.0%}"
                    )
            middle = {server: Figures.middle(rounds) for server, rounds in found.items()}
            self.console.print(_table(f"{size:,} subscribers", middle))
            if size == self.sizes[-1]:
                for verdict in _compared(f"of Socket.io's at {size:,}", middle):
                    yield verdict

    async def _told(self, server: str, size: int) -> Figures:
        async with measured(server, self.cores, self.message) as (serving, load):
            await serving.ask("collected", "collect")
            before = serving.memory
            await load.ask("connected", "connect", readers=size)
            await asyncio.sleep(0.5)  # whatever is still to be done for them
            await serving.ask("collected", "collect")
            grown = serving.memory - before
            idle = await _cpu_of(asyncio.sleep(1), serving)
            for _ in range(_WARM_UP):
                await _tell(load, serving)
            client, busy, start = load.cpu, serving.cpu, time.monotonic()
            took = []
            for _ in range(self.messages):
                took.append(await _tell(load, serving))
                await asyncio.sleep(0.02)
            seconds = time.monotonic() - start
            busy, client = serving.cpu - busy - idle * seconds, load.cpu - client
            rested = []
            for _ in range(_RESTED):
                await asyncio.sleep(_REST)
                rested.append(await _tell(load, serving))
        return Figures(
            p50=percentile(took, 50),
            p99=percentile(took, 99),
            rested=percentile(rested, 50),
            cpu=busy / (self.messages * size) * 1e6,
            memory=grown / size,
            client=client / (self.messages * size) * 1e6,
        )

    # ---- by two instances

    async def two(self) -> AsyncIterator[Verdict]:
        """Two web instances, one a core, carry the subscribers that one carries alone."""
        size, found = self.sizes[-1], dict[int, list[float]]({1: [], 2: []})
        self.console.print(
            f"two: {size // 2:,} readers at each, and the second shares core {self.cores[-1]} with "
            f"the client; one: all {size:,} at it, and core {self.cores[-1]} is the client's alone"
        )
        for number in range(self.rounds):
            for count in (1, 2) if number % 2 == 0 else (2, 1):
                found[count].append(await self._told_by(count, size))
        p50 = {count: statistics.median(rounds) for count, rounds in found.items()}
        self.console.print(
            f"the last of {size:,} has it after {p50[1]:.1f} ms from one instance, "
            f"{p50[2]:.1f} ms from two"
        )
        yield Verdict(f"p50 of two instances at {size:,}", p50[2] / p50[1], 0.85, " of one's")

    async def _told_by(self, count: int, size: int) -> float:
        """Milliseconds (p50) from telling all instances to the last reader of any having it."""
        took = list[float]()
        async with instances(count, "keeper", self.cores, self.message) as (servings, load):
            await load.ask("connected", "connect", readers=size)
            await asyncio.sleep(0.5)  # whatever is still to be done for them
            for _ in range(_WARM_UP):
                await _tell(load, *servings)
            before = [process.cpu for process in (load, *servings)]
            for _ in range(self.messages):
                took.append(await _tell(load, *servings))
                await asyncio.sleep(0.02)
            client, *servers = (
                (process.cpu - had) / self.messages * 1000
                for process, had in zip((load, *servings), before, strict=True)
            )
        p50 = percentile(took, 50)
        self.console.print(
            f"{size:,} subscribers, instances: {count}; p50 {p50:.1f} ms; processor ms a message: "
            f"client {client:.1f}, servers {' + '.join(f'{ms:.1f}' for ms in servers)}"
        )
        return p50

    # ---- readers who stop

    async def stalled(self) -> AsyncIterator[Verdict]:
        """Two of 200 readers stop reading: what do the others notice?"""
        found: dict[bool, list[float]] = {False: [], True: []}
        filling = _STALLED_BYTES // message_bytes(self.message)
        async with measured("keeper", self.cores, self.message, "patient") as (serving, load):
            await load.ask("connected", "connect", readers=198, apart=2)
            for number in range(2 * self.stalls):
                on = number % 4 in (1, 2)  # without, with, with, without
                await load.ask("stalled", "stall", on=on)
                await asyncio.sleep(0.3)
                for _ in range(filling if on else 20):  # until nothing more goes to who stalls
                    await _tell(load, serving)
                took = [await _tell(load, serving) for _ in range(400)]
                found[on].append(percentile(took, 99))
        p99 = {on: statistics.median(values) for on, values in found.items()}
        self.console.print(
            f"p99 of 198 readers: {p99[False]:.2f} ms, {p99[True]:.2f} ms while two others stall"
        )
        yield Verdict(
            "p99 with two of 200 stalled", p99[True] / p99[False], 1.1, " of that without"
        )

    # ---- REST meanwhile

    async def rest(self) -> AsyncIterator[Verdict]:
        """500 requests a second while all subscribers are told something every second."""
        size, seconds = self.sizes[-1], self.asking
        paths = ["/api/round", f"/api/round/{POWER}/1"]
        async with (
            measured("keeper", self.cores, self.message) as (serving, load),
            started(
                self.cores[-1], sys.executable, "-m", "tests.bench.ask", str(serving.port)
            ) as asking,
        ):
            await load.ask("connected", "connect", readers=size)
            client, busy = load.cpu + asking.cpu, serving.cpu
            asking.order("rest", connections=200, rate=500, seconds=seconds, paths=paths)
            told = list[float]()
            for _ in range(int(seconds)):
                await asyncio.sleep(1 - (told[-1] / 1000 if told else 0))
                told.append(await _tell(load, serving))
            rest = await asking.answer("rest")
            client = (load.cpu + asking.cpu - client) / seconds
            busy = (serving.cpu - busy) / seconds
        took, errors = rest["took"], rest["errors"]
        self.console.print(
            f"{len(took)} requests at 500 a second beside {size:,} subscribers: "
            f"p50 {percentile(took, 50):.1f} ms, p99 {percentile(took, 99):.1f} ms, "
            f"longest {max(took):.1f} ms; a message reaches the last subscriber in "
            f"{percentile(told, 50):.0f} ms (p50). Of a core the server used {busy:.0%}, "
            f"readers and askers {client:.0%}."
        )
        for error in sorted(set(errors)):
            self.console.print(f"  {errors.count(error)} times: {error}")
        yield Verdict("failed requests", len(errors), 0)
        yield Verdict("p99 of a request", percentile(took, 99), 100, " ms")

    # ---- from the chain

    async def chain(self) -> AsyncIterator[Verdict]:
        """From a bet being mined to a subscriber having it: a real node, a real keeper."""
        poll, took = 0.5, list[float]()
        async with contextlib.AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            chain = await stack.enter_async_context(running_chain(START))
            market = await chain.deploy(POWERBALL)
            await market.do(KEEPER, "createRound", DRAW)
            nobody: Any = SimpleNamespace(urls={})
            home = Home.make(folder, chain, [market], nobody)
            home.settings["POLL_SECONDS"] = str(poll)
            keeper = await stack.enter_async_context(home.keeper())
            url = (await keeper.until_logged("serving"))["url"]
            await keeper.until_logged("the chain is read")
            session = await stack.enter_async_context(aiohttp.ClientSession())
            ws = await stack.enter_async_context(session.ws_connect(f"{url}/ws"))
            await ws.send_json({"op": "subscribe", "channels": [f"market:{market.address}"]})
            await _heard(ws, "snapshot")
            for i in range(self.bets):
                await asyncio.sleep(i / self.bets * poll)  # at any moment between two looks
                mined = time.monotonic()
                await market.bet(BETTORS[i % 4], 1, 0, E)  # mined at once, matches nothing
                await _heard(ws, "event")
                took.append(time.monotonic() - mined)
        self.console.print(
            f"{len(took)} bets, from before it is sent to the frame at a subscriber, with "
            f"a look at the chain every {poll} s: p50 {percentile(took, 50) * 1000:.0f} ms, "
            f"longest {max(took) * 1000:.0f} ms"
        )
        yield Verdict("from bet to subscriber", max(took), poll + ALLOWANCE, " s")


CASES = ("chain", "stalled", "rest", "two", "fanout")


def _compared(to: str, middle: dict[str, Figures]) -> Iterator[Verdict]:
    ratio = middle["keeper"].over(middle["socketio"])
    yield Verdict(f"p50 {to}", ratio.p50, 0.6)
    yield Verdict(f"p99 {to}", ratio.p99, 0.5)
    yield Verdict(f"processor a delivery {to}", ratio.cpu, 0.65)
    yield Verdict(f"memory a connection {to}", ratio.memory, 0.7)


def _table(title: str, middle: dict[str, Figures]) -> Table:
    """Of each server its figures, and in brackets what they are of Socket.io's."""
    table = Table(title=title, title_justify="left")
    table.add_column("server")
    times = "p50 ms", "p99 ms", "after a pause"
    for heading in (*times, "µs a delivery", "KiB a connection", "client µs"):
        table.add_column(heading, justify="right")
    for server, f in middle.items():
        r = f.over(middle["socketio"])
        pairs = list(zip(astuple(f), astuple(r), strict=True))[:-1]  # the client's is no result
        row = (f"{value:.1f} ({ratio:.2f})" for value, ratio in pairs)
        table.add_row(NAMES[server], *row, f"{f.client:.1f}")
    return table


def message_bytes(message: dict[str, Any]) -> int:
    """How long it is as JSON."""
    return len(json.dumps(message, separators=(",", ":")))


async def _tell(load: Process, *servings: Process) -> float:
    """Milliseconds from telling all these servers to the last reader having it. Raises Broken."""
    at = time.monotonic_ns()
    for serving in servings:
        serving.order("tell", at=at)
    sent, ms = await load.answer("told")
    if sent != at:
        raise Broken("the readers were told what nobody ordered")
    return float(ms)


async def _cpu_of(waiting: Any, process: Process) -> float:
    before = process.cpu
    await waiting
    return process.cpu - before


async def _heard(ws: aiohttp.ClientWebSocketResponse, type_: str) -> None:
    async with asyncio.timeout(30):
        while (await ws.receive_json())["type"] != type_:
            pass
