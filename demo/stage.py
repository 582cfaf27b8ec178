"""What a run needs around it: a chain, deployed markets and a keeper, each its own process."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
CHAIN_ID = 31337
FEE_BPS = 200
PATIENCE = 30.0  # seconds; a wait that takes as long has failed
SOURCE_PATIENCE = 6.0  # seconds for a publisher's answer
_TAIL = 12  # lines of a log that are shown when its process fails

# Accounts of anvil, and of Ape, by number; the bettors' begin with the last of these.
ADMIN, KEEPER, GUARDIAN, FEES, BETTORS = range(5)
# Known to everybody: of the mnemonic "test test ... junk".
_KEEPER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


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

    def logged(self, event: str, **values: object) -> dict[str, Any] | None:
        """The first of its lines that is JSON and holds this event and these values."""
        wanted = {"event": event, **values}
        for line in self.lines():
            with suppress(ValueError):
                told: dict[str, Any] = json.loads(line)
                if wanted.items() <= told.items():
                    return told
        return None

    def failed(self, why: str) -> DemoFailed:
        """The error that shows the end of the log."""
        tail = "\n".join(f"  | {line[:400]}" for line in self.lines()[-_TAIL:])
        return DemoFailed(f"{self.name} {why}; the end of {self.log}:\n{tail}")

    async def until(self, condition: Callable[[], object], what: str) -> Any:
        """Waits, while it runs, for what it does: the first result that is true.

        The condition may be a coroutine function. Raises DemoFailed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    if self.process.returncode is not None:
                        raise self.failed(f"ended with exit code {self.process.returncode}")
                    found = condition()
                    if inspect.isawaitable(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(0.02)
        raise self.failed(f"is awaited in vain for {PATIENCE:.0f} s ({what})")

    async def ended(self, seconds: float) -> int:
        """Its exit code, once it ends by itself. Raises DemoFailed."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            raise self.failed(f"did not end in {seconds:.0f} s") from None


@asynccontextmanager
async def _child(
    name: str, args: list[str], log: Path, cwd: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """A process, gone at the end with all that it started. Raises DemoFailed: not there."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOTTOCHAIN_")}
    with log.open("wb") as file:
        try:
            process = await asyncio.create_subprocess_exec(
                *args,
                cwd=cwd,
                env={**inherited, **(env or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end it
            )
        except FileNotFoundError:
            raise DemoFailed(f"{args[0]} is missing: run `make setup`") from None
    try:
        yield Child(name, process, log)
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                os.killpg(process.pid, number)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 3)


@asynccontextmanager
async def chain(out: Path, start: int, accounts: int) -> AsyncIterator[tuple[Child, str]]:
    """An anvil on a free port and its URL; its time begins at `start`, unix seconds UTC."""
    args = ["anvil", "--port", "0", "--chain-id", str(CHAIN_ID), "--timestamp", str(start)]
    args += ["--accounts", str(accounts), "--balance", "1000000"]
    async with _child("anvil", args, out / "anvil.log", out) as anvil:
        line = await anvil.until(
            lambda: next((x for x in anvil.lines() if x.startswith("Listening on ")), ""),
            "listening",
        )
        yield anvil, f"http://{line.split()[-1]}"


async def deploy(out: Path, url: str, least: int, most: int) -> None:
    """Both markets with these bet limits, recorded in out/deployments. Raises DemoFailed."""
    args = ["ape", "run", "deploy", "--game", "both", "--network", f"ethereum:local:{url}"]
    args += ["--account", f"TEST::{ADMIN}", "--yes", "--fee", str(FEE_BPS)]
    args += ["--min-bet", str(least), "--max-bet", str(most)]
    args += ["--operator", f"TEST::{KEEPER}", "--oracle", f"TEST::{KEEPER}"]
    args += ["--guardian", f"TEST::{GUARDIAN}", "--fee-recipient", f"TEST::{FEES}"]
    env = {
        "LOTTOCHAIN_DEPLOYMENTS": str(out / "deployments"),
        "APE_DATA_FOLDER": os.environ.get("APE_DATA_FOLDER", str(ROOT / ".cache" / "ape")),
    }
    async with _child("ape run deploy", args, out / "deploy.log", ROOT, env) as ape:
        if code := await ape.ended(180):
            errors = [line for line in ape.lines() if line.startswith("Error: ")]
            if errors:
                why = errors[-1].removeprefix("Error: ")
                raise DemoFailed(f"ape run deploy: {why} (all of it: {ape.log})")
            raise ape.failed(f"ended with exit code {code}")


@asynccontextmanager
async def keeper(out: Path, url: str, sources: Mapping[str, str]) -> AsyncIterator[Child]:
    """A keeper that sends, its log in out/keeper.log, its evidence in out/evidence."""
    with TemporaryDirectory() as folder:
        settings = {
            "RPC_URL": url,
            "CHAIN_ID": str(CHAIN_ID),
            "DEPLOYMENTS": str(out / "deployments"),
            "KEY_FILE": _key_file(folder),
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
        async with _child("keeper", args, out / "keeper.log", out, env) as running:
            yield running


def _key_file(folder: str) -> str:
    """The keeper's key in a file that nobody else may read at any moment."""
    file = Path(folder) / "key"
    file.touch(mode=0o600)
    file.write_text(_KEEPER_KEY + "\n")
    return str(file)
