"""The keeper as a real process, for the tests."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from demo.publishers import Publishers
from keeper.__main__ import main
from tests.keeper.chain.waiting import PATIENCE, Condition, holds, until
from tests.keeper.chainfixtures import KEEPER_KEY, ROOT, Chain, Deployed, write_record

NO_KEY = {"KEY_FILE": ""}
PATIENT = ("-m", "tests.keeper.chain.patient")  # a program for a home
LONG = str(PATIENCE)  # of what a test is not about
OLD = {"HEAD_AGE": str(10**9)}  # the chain's clock is not ours


@dataclass
class Home:
    """A folder with a key, records and settings, from which keepers are started.

    Attributes:
        program: what is given to Python before the keeper's own arguments.
    """

    folder: Path
    settings: dict[str, str]
    program: Sequence[str] = ("-m", "keeper")

    @classmethod
    def make(
        cls,
        folder: Path,
        chain: Chain,
        markets: list[Deployed],
        publishers: Publishers,
        key_text: str = KEEPER_KEY,
    ) -> Home:
        write_record(folder / "deployments", chain.chain_id, markets)
        key = folder / "key"
        key.write_text(key_text + "\n")
        key.chmod(0o600)
        settings = {
            "RPC_URL": chain.url,
            "CHAIN_ID": str(chain.chain_id),
            "DEPLOYMENTS": str(folder / "deployments"),
            "GAMES": ",".join(m.game.name for m in markets),
            "KEY_FILE": str(key),
            "DATA_DIR": str(folder / "data"),
            "POLL_SECONDS": "0.05",
            "RETRY_SECONDS": "0.2",
            "ROUNDS_AHEAD": "1",
            "CONFIRMATIONS": "0",
            "HTTP_PORT": "0",
            "LOG_FORMAT": "json",
            "SOURCE_TIMEOUT": LONG,
            "RPC_TIMEOUT": LONG,
            **{f"SOURCES__{n.upper()}": url for n, url in publishers.urls.items()},
        }
        return cls(folder, settings)

    def env(self, **changed: str) -> Mapping[str, str]:
        """The process's environment: these settings and nothing else of ours."""
        settings = self.settings | changed
        usual = {k: v for k, v in os.environ.items() if not k.startswith("LOTTOCHAIN_")}
        return usual | {f"LOTTOCHAIN_{k}": v for k, v in settings.items()}

    @contextlib.asynccontextmanager
    async def keeper(self, *args: str, **changed: str) -> AsyncIterator[Running]:
        """A running `python -m keeper run`; killed at the end if it still is."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *self.program, "run", *args),
            cwd=ROOT,
            env=self.env(**changed),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        running = Running(process)
        try:
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await running.end()

    async def command(self, *args: str, **changed: str) -> tuple[int, str, str]:
        """A command within this process, which is faster: (exit code, stdout, stderr)."""
        out, err, before = io.StringIO(), io.StringIO(), dict(os.environ)

        def run() -> int:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main.main(args, prog_name="keeper")
                except SystemExit as end:
                    return int(end.code or 0)
            raise AssertionError("click ends with SystemExit")

        os.environ.clear()
        os.environ.update(self.env(**changed))
        try:
            code = await asyncio.to_thread(run)
        finally:
            os.environ.clear()
            os.environ.update(before)
        return code, out.getvalue(), err.getvalue()

    async def process(self, *args: str, **changed: str) -> tuple[int, str, str]:
        """A command as a process of its own, to its end: (exit code, stdout, stderr)."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "keeper", *args),
            cwd=ROOT,
            env=self.env(**changed),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@dataclass
class Running:
    """A keeper and what it has logged so far: all of it, once it was awaited to its end."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reading = asyncio.create_task(self._read())

    async def end(self) -> int:
        """Waits for it, and for its last line; the exit code."""
        code = await self.process.wait()
        await asyncio.wait([self._reading])
        return code

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.raw.append(line.decode().rstrip())
            with contextlib.suppress(ValueError):
                self.lines.append(json.loads(line))

    def logged(self, event: str, **values: Any) -> list[dict[str, Any]]:
        """The lines of that event with these values."""
        wanted = {"event": event, **values}
        return [line for line in self.lines if wanted.items() <= line.items()]

    async def until(self, condition: Condition) -> None:
        """Waits for something to come true while the keeper runs."""

        async def holds_while_it_runs() -> bool:
            if not (held := await holds(condition)):
                assert self.process.returncode is None, "\n".join(self.raw)
            return held

        await until(holds_while_it_runs, lambda: self.raw)

    async def until_logged(self, event: str, **values: Any) -> dict[str, Any]:
        await self.until(lambda: bool(self.logged(event, **values)))
        return self.logged(event, **values)[0]

    async def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await self.end()

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        await self.end()


def asking() -> httpx.AsyncClient:
    """Who asks a keeper, and waits for its answer."""
    return httpx.AsyncClient(timeout=PATIENCE)


@dataclass
class Web:
    """A web instance, which has read the chain."""

    running: Running
    session: aiohttp.ClientSession

    async def status(self, path: str) -> int:
        async with self.session.get(path) as answer:
            return answer.status


@contextlib.asynccontextmanager
async def web(home: Home, **changed: str) -> AsyncIterator[Web]:
    settings = {**NO_KEY, **OLD, "DATA_DIR": str(home.folder / "web"), **changed}
    async with home.keeper("--role", "web", **settings) as running:
        await running.until_logged("the chain is read")
        url = (await running.until_logged("serving"))["url"]
        async with aiohttp.ClientSession(url) as session:
            yield Web(running, session)


@dataclass
class Line:
    """A TCP line to a server, which can be cut.

    Attributes:
        cut: whether it is; connections that stand then end, new ones are closed at once.
    """

    url: str = ""
    cut: bool = False


@contextlib.asynccontextmanager
async def cut_line(url: str) -> AsyncIterator[Line]:
    """A line to the server at `url`, behind a port of its own."""
    host, port = url.removeprefix("http://").split(":")
    line = Line()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await reader.read(1 << 16)) and not line.cut:
            writer.write(data)
            await writer.drain()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not line.cut:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            ways = [
                asyncio.create_task(pass_on(reader, far_writer)),
                asyncio.create_task(pass_on(far_reader, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.close()
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield line
    line.cut = True
    server.close()
    await server.wait_closed()
