"""What the audit's checks share: where things are, how a tool is run, what a check reports."""

from __future__ import annotations

import atexit
import dataclasses
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".cache" / "audit" / "bin"
LOGS = ROOT / ".cache" / "audit-logs"
SOLC = ROOT / ".solcx" / "solc-v0.8.30"


class Broken(Exception):
    """The audit itself does not work, and so says nothing of the contracts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What a check found, in one line, and whether that is good."""

    passed: bool
    found: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ran:
    """A tool that ran: its exit code and what it wrote, which the file holds too."""

    code: int
    output: str
    log: Path


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tools' environment: the checkout's own programs, and a home of their own for caches."""
    home = ROOT / ".cache" / "audit-home"
    home.mkdir(parents=True, exist_ok=True)
    path = f"{ROOT / '.venv' / 'bin'}:{ROOT / 'node_modules' / '.bin'}:{os.environ['PATH']}"
    ours = {
        "PATH": path,
        "HOME": str(home),
        "FOUNDRY_SOLC": str(SOLC),
        "SOLCX_BINARY_PATH": str(SOLC.parent),
        "APE_DATA_FOLDER": str(ROOT / ".cache" / "ape"),
    }
    return {**os.environ, **ours, **(extra or {})}


def forge_places(name: str) -> dict[str, str]:
    """Where forge builds for a tool: settings of its own would clear what the others built."""
    return {
        "FOUNDRY_OUT": f".cache/forge/{name}",
        "FOUNDRY_CACHE_PATH": f".cache/forge/{name}-cache",
    }


def run(
    name: str,
    command: Sequence[str],
    extra: Mapping[str, str] | None = None,
    *,
    show: bool = False,
) -> Ran:
    """Run a tool in the checkout with its input closed; `show` passes its output on as it comes."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        atexit.register(process.terminate)  # whoever stops the audit stops the tool
        for line in process.stdout or ():
            file.write(line)
            file.flush()
            if show:
                print(line.decode(errors="replace"), end="", flush=True)
        code = process.wait()
        atexit.unregister(process.terminate)
    return Ran(code, log.read_text(errors="replace"), log)


def clock(seconds: float) -> str:
    """A time as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def read(self) -> float:
        return time.monotonic() - self._start
