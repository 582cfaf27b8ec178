"""The processes of a measurement: started on a core of their own, watched, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.keeper.chainfixtures import ROOT

PACKAGES = ROOT / ".cache" / "bench"
HERE = Path(__file__).parent
SERVERS = ("keeper", "socketio", "ws")
_PATIENCE = 60.0  # seconds for any single answer
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Broken(Exception):
    """Nothing could be measured."""


def prepare(connections: int) -> tuple[int, int]:
    """Makes room for so many connections; the cores of server and client. Raises Broken."""
    need = connections + 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < need:
        raise Broken(
            f"{connections} connections take {need} open files, this machine allows a process "
            f"{hard}: raise the hard limit (ulimit -Hn), or measure with --quick"
        )
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Broken("server and client need a processor core each")
    os.sched_setaffinity(0, cores[-1:])
    return cores[0], cores[-1]


def install() -> None:
    """Node's packages, as locked, where git does not look. Raises Broken."""
    stamp = PACKAGES / "stamp"
    files = [HERE / "package.json", HERE / "package-lock.json"]
    key = "".join(file.read_text() for file in files)
    if stamp.exists() and stamp.read_text() == key:
        return
    PACKAGES.mkdir(parents=True, exist_ok=True)
    for file in files:
        (PACKAGES / file.name).write_text(file.read_text())
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"npm cannot install Socket.io and ws: {done.stderr.strip()}")
    stamp.write_text(key)


@dataclass(slots=True)
class Process:
    """One that obeys lines on its input and answers with lines of JSON, each with one key.

    Attributes:
        port: where it serves, if it does.
        early: answers that nobody has asked for yet.
    """

    of: asyncio.subprocess.Process
    port: int = 0
    early: dict[str, Any] = field(default_factory=dict)

    def order(self, do: str, **how: Any) -> None:
        assert self.of.stdin
        self.of.stdin.write(json.dumps({"do": do, **how}).encode() + b"\n")

    async def answer(self, key: str) -> Any:
        """What it tells under this key. Raises Broken."""
        assert self.of.stdout
        while key not in self.early:
            try:
                line = await asyncio.wait_for(self.of.stdout.readline(), _PATIENCE)
            except TimeoutError:
                raise Broken(f"no answer ({key}) within {_PATIENCE:.0f} s") from None
            self.early.update(json.loads(line or '{"lost": "a process ended"}'))
            if "lost" in self.early:
                raise Broken(self.early["lost"])
        return self.early.pop(key)

    async def ask(self, key: str, do: str, **how: Any) -> Any:
        """Orders and waits for the answer."""
        self.order(do, **how)
        return await self.answer(key)

    @property
    def cpu(self) -> float:
        """Seconds of processor that it has had in user and system mode, all threads."""
        clock = (~self.of.pid << 3) | 2  # clock_getcpuclockid(3): CPUCLOCK_SCHED of a process
        return time.clock_gettime(clock)

    @property
    def memory(self) -> float:
        """KiB of it that are in memory."""
        pages = Path(f"/proc/{self.of.pid}/statm").read_text().split()[1]
        return int(pages) * _PAGE / 1024


@contextlib.asynccontextmanager
async def started(core: int, *command: str | Path) -> AsyncIterator[Process]:
    """A process on that core; ended with this. It ends by itself when we are killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, "NODE_PATH": str(PACKAGES / "node_modules")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**22,
        preexec_fn=lambda: os.sched_setaffinity(0, [core]),
        start_new_session=True,  # Ctrl-C is for us, who end it
    )
    try:
        yield Process(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def instances(
    count: int, server: str, cores: Sequence[int], message: dict[str, Any], *options: str
) -> AsyncIterator[tuple[list[Process], Process]]:
    """So many of a server, each on a core of its own, and the load client on the last core.

    With as many instances as cores, the client shares its core with the last of them.
    """
    channel = message["channel"]
    command: list[str | Path] = [sys.executable, "-m", "tests.bench.ours", channel, *options]
    if server != "keeper":
        command = ["node", "--expose-gc", HERE / "others.js", server, json.dumps(message)]
    async with contextlib.AsyncExitStack() as stack:
        servings = [
            await stack.enter_async_context(started(core, *command)) for core in cores[:count]
        ]
        for serving in servings:
            serving.port = await serving.answer("port")
        ports = [str(serving.port) for serving in servings]
        client = sys.executable, "-m", "tests.bench.load", server, channel, *ports
        load = await stack.enter_async_context(started(cores[-1], *client))
        yield servings, load


@contextlib.asynccontextmanager
async def measured(
    server: str, cores: Sequence[int], message: dict[str, Any], *options: str
) -> AsyncIterator[tuple[Process, Process]]:
    """A server and the load client that is to connect to it."""
    async with instances(1, server, cores, message, *options) as ([serving], load):
        yield serving, load
