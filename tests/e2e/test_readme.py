"""The README is true: its commands that need no outer network run, its tables and links fit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from keeper.config import Settings
from keeper.sources import HOMES
from tests.keeper.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Not run here. A new command of the README must go into one of these, or it is run.
ELSEWHERE = {  # by whoever runs this test, by other tests, or by CI
    "make demo",
    "make test",
    "make setup && . .venv/bin/activate",
    "make gas",
    "make audit",
    "make bench",
    "make mutate",
    "make lint",
}
NETWORK = re.compile(
    r"polygon:amoy( |$)|polygon:mainnet|https://\.\.\.|accounts generate|pip install"
    r"|LOTTOCHAIN_KEYSTORE=|keeper draw|keeper run"
)


def commands() -> list[str]:
    """Every line of the README's shell blocks, without its comment."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", README, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and line not in ELSEWHERE and not NETWORK.search(line)]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def shell(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A shell in the checkout, as after `. .venv/bin/activate`; what it started ends with it."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "APE_DATA_FOLDER": str(tmp_path / "ape"),
    }
    with subprocess.Popen(
        ["bash", "-eo", "pipefail"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        with suppress(ProcessLookupError):  # it may have ended with all that it started
            os.killpg(process.pid, signal.SIGKILL)


def test_its_commands(shell: subprocess.Popen[str], port: int, tmp_path: Path) -> None:
    script = []
    for command in commands():
        # Another port, for 8545 may be taken, and a folder that is this test's own.
        here = command.replace(":node", f":http://127.0.0.1:{port}").replace("8545", str(port))
        here = here.replace(".build/rehearsal", str(tmp_path / "rehearsal"))
        if command.startswith("anvil"):
            listening = f"until (: >/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done"
            here = (
                f"{here.removesuffix('&')} --port {port} >{tmp_path}/anvil.log 2>&1 &\n{listening}"
            )
        elif "--account" in command:
            here = f"echo y | {here}"  # it asks before it sends
        script += [f"echo '$ {command}'", here]
    script += ["echo ALL DONE", "kill %1"]
    output, _ = shell.communicate("\n".join(script), timeout=900)  # all of them: 50 s at rest
    assert "ALL DONE" in output, output
    assert "powerball deployed at" in output
    assert "oracle deployed at 0x5FbDB2315678afecb367f032d93F642f64180aa3" in output
    assert "round 1 is open" in output
    assert "0.3 POL found no opponent and came back" in output
    assert re.search(r"balance - owed\W+0 POL", output), output
    assert "Usage: python -m keeper" in output


def test_its_settings_are_those_of_the_keeper() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `") and "…`" not in line]
    named = {name for row in rows for name in re.findall(r"`([A-Z_…]+)`", row.split("|")[1])}
    sources = {name.rpartition("__")[2] for name in named if "__" in name}
    assert sources == {name.upper() for name in HOMES}
    assert {name for name in named if "__" not in name} == {
        name.upper() for name in Settings.model_fields if name != "sources"
    }


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for path in re.findall(r"`((?:keeper|tests|docs|requirements|contracts)/[\w/.-]+)`", README):
        assert (ROOT / path).exists() or path == "keeper/deployments/80002.json", path
