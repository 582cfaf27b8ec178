"""What a run needs around it: a chain, contracts and keepers, each process its own."""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eth_account import Account

from keeper.chain.records import record_path

ROOT = Path(__file__).parents[1]
CHAIN_ID = 31337
FEE_BPS = 200
REPORTERS = ("keeper1", "keeper2", "keeper3")  # the committee, each a process
QUORUM = 2
DISPUTE_WINDOW = 3600  # seconds
PATIENCE = 120.0  # seconds; a wait that takes as long has failed, whatever the machine does
SOURCE_PATIENCE = 20.0  # seconds for a publisher's answer
_TAIL = 12  # lines of a log that are shown when its process fails

# Accounts of anvil, and of Ape, by number: the reporters' and the bettors' begin with the last.
ADMIN, GUARDIAN, FEES, FIRST_REPORTER = range(4)
BETTORS = FIRST_REPORTER + len(REPORTERS)
_LIBC, _PDEATHSIG = ctypes.CDLL(None), 1  # prctl(2)
_MNEMONIC = "test test test test test test test test test test test junk"  # known to everybody


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

    async def ended(self, seconds: float) -> int:
        """Its exit code, once it ends by itself. Raises DemoFailed."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            raise self.failed(f"did not end in {seconds:.0f} s") from None


async def until(children: Sequence[Child], condition: Callable[[], object], what: str) -> Any:
    """Waits, while they run, for what they do: the first result that is true.

    The condition may be a coroutine function. Raises DemoFailed.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while True:
                for child in children:
                    if child.process.returncode is not None:
                        raise child.failed(f"ended with exit code {child.process.returncode}")
                found = condition()
                if inspect.isawaitable(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.05)
    raise children[0].failed(f"is awaited in vain for {PATIENCE:.0f} s ({what})")


def _end_with_us() -> None:
    """In a child on Linux: it does not outlive us, even when we are killed."""
    if sys.platform == "linux":
        _LIBC.prctl(_PDEATHSIG, signal.SIGKILL)


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
                preexec_fn=_end_with_us,
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
        line = await until(
            [anvil],
            lambda: next((x for x in anvil.lines() if x.startswith("Listening on ")), ""),
            "listening",
        )
        yield anvil, f"http://{line.split()[-1]}"


async def deploy(out: Path, url: str, least: int, most: int) -> str:
    """A committee, and both markets with these bet limits; the committee's address.

    Recorded in out/deployments. Raises DemoFailed.
    """
    committee = ["--quorum", str(QUORUM), "--dispute-window", f"{DISPUTE_WINDOW}s"]
    for i, _ in enumerate(REPORTERS, FIRST_REPORTER):
        committee += ["--reporter", f"TEST::{i}"]
    await _deploy(out, url, "oracle", *committee)
    record = json.loads(record_path(CHAIN_ID, out / "deployments").read_text())
    (oracle,) = record["oracles"]
    market = ["--game", "both", "--fee", str(FEE_BPS), "--fee-recipient", f"TEST::{FEES}"]
    market += ["--min-bet", str(least), "--max-bet", str(most)]
    market += ["--operator", f"TEST::{FIRST_REPORTER}", "--oracle", oracle]
    await _deploy(out, url, "market", *market)
    return str(oracle)


async def _deploy(out: Path, url: str, what: str, *options: str) -> None:
    args = ["ape", "run", "deploy", what, *options, "--guardian", f"TEST::{GUARDIAN}"]
    args += ["--network", f"ethereum:local:{url}", "--account", f"TEST::{ADMIN}", "--yes"]
    env = {
        "LOTTOCHAIN_DEPLOYMENTS": str(out / "deployments"),
        "APE_DATA_FOLDER": os.environ.get("APE_DATA_FOLDER", str(ROOT / ".cache" / "ape")),
    }
    name = f"ape run deploy {what}"
    async with _child(name, args, out / f"deploy-{what}.log", ROOT, env) as ape:
        if code := await ape.ended(180):
            errors = [line for line in ape.lines() if line.startswith("Error: ")]
            if errors:
                why = errors[-1].removeprefix("Error: ")
                raise DemoFailed(f"{name}: {why} (all of it: {ape.log})")
            raise ape.failed(f"ended with exit code {code}")


@asynccontextmanager
async def keeper(
    out: Path, url: str, name: str, sources: Mapping[str, str]
) -> AsyncIterator[Child]:
    """A reporter's keeper that sends, its log in out/NAME.log, its evidence in out/NAME."""
    with TemporaryDirectory() as folder:
        settings = {
            "RPC_URL": url,
            "CHAIN_ID": str(CHAIN_ID),
            "DEPLOYMENTS": str(out / "deployments"),
            "KEY_FILE": _key_file(folder, FIRST_REPORTER + REPORTERS.index(name)),
            "DATA_DIR": str(out / name),
            "POLL_SECONDS": "0.1",
            "RETRY_SECONDS": "0.5",
            "ROUNDS_AHEAD": "1",
            "CONFIRMATIONS": "0",
            "HTTP_PORT": "0",
            "LOG_FORMAT": "json",
            "SOURCE_TIMEOUT": str(SOURCE_PATIENCE),
            **{f"SOURCES__{source.upper()}": where for source, where in sources.items()},
        }
        env = {f"LOTTOCHAIN_{key}": value for key, value in settings.items()}
        args = [sys.executable, "-m", "keeper", "run", "--send"]
        async with _child(name, args, out / f"{name}.log", out, env) as running:
            yield running


def _key_file(folder: str, account: int) -> str:
    """The key of an account in a file that nobody else may read at any moment."""
    Account.enable_unaudited_hdwallet_features()
    path = f"m/44'/60'/0'/0/{account}"
    file = Path(folder) / "key"
    file.touch(mode=0o600)
    file.write_text(Account.from_mnemonic(_MNEMONIC, account_path=path).key.to_0x_hex() + "\n")
    return str(file)
