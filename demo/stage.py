"""What a run needs around it: a chain, deployed markets and a keeper, each its own process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
CHAIN_ID = 31337
FEE_BPS = 200
PATIENCE = 30.0  # seconds; a wait that takes as long has failed
SOURCE_PATIENCE = 6.0  # seconds for a publisher
_TAIL = 12  # lines of a log shown when its process fails

# Accounts of every anvil, and of Ape, by number. The bettors' begin with the last of these.
ADMIN, KEEPER, GUARDIAN, FEES, BETTORS = range(5)
# Known to everybody: it belongs to the mnemonic "test test ... junk".
KEEPER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


class DemoFailed(Exception):
    """Something is not as it should be; the message says what."""


@dataclass
class Child:
    """A process of ours, and the file that holds all that it says."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def lines(self) -> list[str]:
        """What it said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()

    def logged(self, event: str, **values: object) -> Iterator[dict[str, Any]]:
        """Those of its lines that are JSON and hold this event and these values."""
        wanted = {"event": event, **values}
        for line in self.lines():
            if event in line:
                with contextlib.suppress(ValueError):
                    told = json.loads(line)
                    if wanted.items() <= told.items():
                        yield told

    def failed(self, why: str) -> DemoFailed:
        """The error that shows the end of the log."""
        tail = "\n".join(f"  | {line[:400]}" for line in self.lines()[-_TAIL:])
        return DemoFailed(f"{self.name} {why}; the end of {self.log}:\n{tail}")

    async def until(self, condition: Callable[[], Awaitable[T]], what: str) -> T:
        """Waits, while it runs, for something that it does: the true result. Raises DemoFailed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    if self.process.returncode is not None:
                        raise self.failed(f"ended with exit code {self.process.returncode}")
                    if result := await condition():
                        return result
                    await asyncio.sleep(0.02)
        raise self.failed(f"did not get there in {PATIENCE:.0f} s: {what}")

    async def until_logged(self, event: str, **values: object) -> dict[str, Any]:
        """Waits for a line of its log."""

        async def found() -> dict[str, Any] | None:
            return next(self.logged(event, **values), None)

        return await self.until(found, event) or {}

    async def ended(self, seconds: float) -> int:
        """Its exit code, once it ends by itself."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            raise self.failed(f"did not end in {seconds:.0f} s") from None


@contextlib.asynccontextmanager
async def child(
    name: str, args: list[str], log: Path, cwd: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """A process that is gone at the end, however that comes. Raises DemoFailed: not there."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("LOTTOCHAIN_")}
    with log.open("wb") as file:
        try:
            process = await asyncio.create_subprocess_exec(
                *args,
                cwd=cwd,
                env=ours | dict(env or {}),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C comes to us alone, who then end it
            )
        except FileNotFoundError:
            raise DemoFailed(f"{args[0]} is missing: run `make setup`") from None
    try:
        yield Child(name, process, log)
    finally:
        for end in (process.terminate, process.kill):
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 3)
                break


@contextlib.asynccontextmanager
async def chain(out: Path, start: int, accounts: int) -> AsyncIterator[tuple[Child, str]]:
    """An anvil on a free port and its URL; its time begins at `start`, unix seconds UTC."""
    args = ["anvil", "--port", "0", "--chain-id", str(CHAIN_ID), "--timestamp", str(start)]
    args += ["--accounts", str(accounts), "--balance", "1000000"]
    async with child("anvil", args, out / "anvil.log", out) as anvil:

        async def listening() -> str:
            lines = (line for line in anvil.lines() if line.startswith("Listening on "))
            return next(lines, "")

        line = await anvil.until(listening, "listening")
        yield anvil, f"http://{line.split()[-1]}"


async def deploy(out: Path, url: str, limits: tuple[int, int]) -> None:
    """Both markets, by `ape run deploy`; the record is in out/deployments. Raises DemoFailed."""
    args = ["ape", "run", "deploy", "--game", "both", "--network", f"ethereum:local:{url}"]
    args += ["--account", f"TEST::{ADMIN}", "--yes", "--fee", str(FEE_BPS)]
    args += ["--min-bet", str(limits[0]), "--max-bet", str(limits[1])]
    for role, number in (
        ("operator", KEEPER),
        ("oracle", KEEPER),
        ("guardian", GUARDIAN),
        ("fee-recipient", FEES),
    ):
        args += [f"--{role}", f"TEST::{number}"]
    env = {"LOTTOCHAIN_DEPLOYMENTS": str(out / "deployments")}
    if "APE_DATA_FOLDER" not in os.environ:
        env["APE_DATA_FOLDER"] = str(ROOT / ".cache" / "ape")
    async with child("ape run deploy", args, out / "deploy.log", ROOT, env) as ape:
        if code := await ape.ended(180):
            errors = [line for line in ape.lines() if line.startswith("Error: ")]
            if errors:
                raise DemoFailed(f"ape run deploy: {errors[-1].removeprefix('Error: ')}")
            raise ape.failed(f"ended with exit code {code}")


@contextlib.asynccontextmanager
async def keeper(
    out: Path, url: str, key: Path, sources: Mapping[str, str]
) -> AsyncIterator[Child]:
    """A keeper that sends, its log in out/keeper.log, its evidence in out/evidence."""
    _write_key(key)
    settings = {
        "RPC_URL": url,
        "CHAIN_ID": str(CHAIN_ID),
        "DEPLOYMENTS": str(out / "deployments"),
        "KEY_FILE": str(key),
        "DATA_DIR": str(out),
        "POLL_SECONDS": "0.1",
        "RETRY_SECONDS": "0.5",
        "ROUNDS_AHEAD": "1",
        "HTTP_PORT": "0",
        "LOG_FORMAT": "json",
        "SOURCE_TIMEOUT": str(SOURCE_PATIENCE),
        **{f"SOURCES__{name.upper()}": where for name, where in sources.items()},
    }
    env = {f"LOTTOCHAIN_{name}": value for name, value in settings.items()}
    args = [sys.executable, "-m", "keeper", "run", "--send"]
    async with child("keeper", args, out / "keeper.log", out, env) as running:
        yield running


def _write_key(file: Path) -> None:
    """Nobody else may read it at any moment."""
    file.touch(mode=0o600)
    file.write_text(KEEPER_KEY + "\n")
