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

from demo import ledger, stage
from demo.chain import connect
from demo.ledger import Facts
from demo.plan import MAX_BET, MIN_BET, BadFixtures, Plan, load
from demo.play import EARLY, Run
from demo.publishers import Publishers
from demo.stage import ROOT, DemoFailed
from demo.watch import say
from keeper.errors import ChainError, KeeperError

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
    facts = await _play(plan, out / "demo")
    (out / "demo.json").write_text(json.dumps(ledger.as_json(facts), indent=2) + "\n")
    counts = ", ".join(f"{count} {word}" for word, count in ledger.outcomes(plan).most_common())
    say(f"Of the bets: {counts}\n\nThe ledger, in coins\n")
    for line in ledger.table(facts):
        say(line)
    say(f"\nAfter {time.monotonic() - began:.0f} s; the same facts are in {out / 'demo.json'}")
    if wrong := ledger.differences(facts):
        raise DemoFailed("\n  ".join(["this is not as it must be:", *wrong]))


async def _play(plan: Plan, out: Path) -> Facts:
    """Builds everything, plays the plan, ends everything. Raises DemoFailed."""
    start = plan.rounds[0].draw_time - EARLY
    async with stage.chain(out, start, stage.BETTORS + len(plan.bettors)) as (anvil, url):
        try:
            who = f"{len(plan.bettors)} bettors, {len(plan.rounds)} rounds, seed {plan.seed}"
            say(f"A chain of its own, {who}; times are New York's")
            say("Two markets are compiled and deployed: ape run deploy")
            await stage.deploy(out, url, MIN_BET, MAX_BET)
            async with (
                connect(url, out / "deployments", start) as chain,
                Publishers([r.published for r in plan.rounds], lambda: chain.now) as publishers,
                stage.keeper(out, url, publishers.urls) as keeper,
            ):
                served = (await keeper.until(lambda: keeper.logged("serving"), "serving"))["url"]
                await keeper.until(lambda: keeper.logged("the chain is read"), "the chain read")
                say(f"The keeper serves {served}/ws, its log is {keeper.log}")
                facts = await _watched(Run(plan, out, chain, publishers, keeper), served)
                keeper.process.terminate()
                if code := await keeper.ended(10):
                    raise keeper.failed(f"ended with exit code {code} when told to stop")
                return facts
        except ChainError as exc:
            if anvil.process.returncode is not None:
                raise anvil.failed(f"ended with exit code {anvil.process.returncode}") from exc
            raise DemoFailed(f"the chain: {exc}") from exc


async def _watched(run: Run, served: str) -> Facts:
    """Plays while the websocket is followed; neither goes on without the other."""
    markets = [market.address for market in run.chain.markets.values()]
    watching = asyncio.create_task(run.watcher.follow(served, markets))
    playing = asyncio.create_task(run.play())
    try:
        await asyncio.wait((watching, playing), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        return await playing
    finally:
        for task in (playing, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, DemoFailed):
                await task


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
