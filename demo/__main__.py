"""python -m demo: whole rounds on a local chain, from the first bet to books that close."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from demo import ledger
from demo.plan import BadFixtures, Plan, load
from demo.play import play
from demo.stage import ROOT, DemoFailed
from demo.watch import say
from keeper.errors import KeeperError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--fixtures",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(__file__).parent / "fixtures",
    help="Folder whose fixtures.toml says what is drawn, who lies, who bets.",
)
@click.option("--seed", default=1, show_default=True, help="Deals the bets that it leaves open.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / ".build",
    help="Gets demo.json, and demo/ with logs and evidence.  [default: .build]",
)
def main(fixtures: Path, seed: int, out: Path) -> None:
    """Plays lottery rounds on a local chain with a real keeper and four local publishers.

    People bet on the winning number; the keeper locks the rounds, asks the publishers, reports
    and pays; at the end the books must close to the wei.

    Exit codes: 0 all is well, 1 something is off, 2 bad fixtures, 130 interrupted.
    """
    try:
        plan = load(fixtures, seed)
        out = out.absolute()
        with _own(out / "demo"):
            asyncio.run(_run(plan, out))
    except BadFixtures as exc:
        _end(str(exc), BAD_INPUT)
    except (DemoFailed, KeeperError) as exc:
        _end(str(exc), FAILED)
    except OSError as exc:
        _end(f"{exc.filename or out}: {exc.strerror}", FAILED)
    except asyncio.CancelledError:
        _end("interrupted", INTERRUPTED)


async def _run(plan: Plan, out: Path) -> None:
    """Ends everything that it started when it is told to stop."""
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task and task.cancel())
    began = time.monotonic()
    facts = await play(plan, out / "demo")
    (out / "demo.json").write_text(json.dumps(ledger.as_json(facts), indent=2) + "\n")
    counts = ", ".join(f"{count} {word}" for word, count in ledger.outcomes(plan).most_common())
    say(f"What became of the bets: {counts}\n\nThe ledger, in coins\n")
    for line in ledger.table(facts):
        say(line)
    say(f"\nAfter {time.monotonic() - began:.0f} s; the same facts are in {out / 'demo.json'}")
    if wrong := ledger.differences(facts):
        raise DemoFailed("\n  ".join(["this is not as it must be:", *wrong]))


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[None]:
    """The folder without what an earlier run left, for one run at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"another demo is running in {folder}: give --out") from None
        for name in ("evidence", "deployments"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder.parent / "demo.json").unlink(missing_ok=True)
        yield


def _end(why: str, code: int) -> None:
    click.echo(f"demo: {why}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main(prog_name="python -m demo")
