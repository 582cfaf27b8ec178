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
from contextlib import AsyncExitStack
from pathlib import Path

import click

from demo import ledger, stage
from demo.chain import connect
from demo.ledger import Facts
from demo.load import BadFixtures, load
from demo.plan import MAX_BET, MIN_BET, Plan
from demo.play import EARLY, Keeper, Run
from demo.publishers import Publishers
from demo.stage import FIRST_REPORTER, QUORUM, REPORTERS, ROOT, DemoFailed
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
    """Plays lottery rounds on a local chain with three real keepers and local publishers.

    People bet on the winning number; the keepers lock the rounds, ask the publishers, vote on
    the result and pay; at the end the books must close to the wei.

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
    start, savings = plan.rounds[0].draw_time - EARLY, 1
    accounts = stage.BETTORS + len(plan.bettors) + savings
    async with stage.chain(out, start, accounts) as (anvil, url), AsyncExitStack() as stack:
        try:
            who = f"{len(plan.bettors)} bettors, {len(plan.rounds)} rounds, seed {plan.seed}"
            say(f"A chain of its own, {who}; times are New York's")
            say("A committee and two markets are compiled and deployed: ape run deploy")
            oracle = await stage.deploy(out, url, MIN_BET, MAX_BET)
            chain = await stack.enter_async_context(connect(url, out / "deployments", start))
            keepers = {}
            for name, address in zip(REPORTERS, chain.accounts[FIRST_REPORTER:], strict=False):
                publishers = Publishers([r.published for r in plan.rounds], lambda: chain.now)
                await stack.enter_async_context(publishers)
                process = stage.keeper(out, url, name, publishers.urls)
                running = await stack.enter_async_context(process)
                keepers[name] = Keeper(name, address, running, publishers)
            run = Run(plan, out, chain, oracle, keepers)
            served = await run.ready()
            say(f"{QUORUM} of {len(keepers)} keepers decide a result; the first serves {served}/ws")
            say(f"Their logs and evidence are in {out}")
            facts = await _watched(run, served)
            await run.end()
        except ChainError as exc:
            if anvil.process.returncode is not None:
                raise anvil.failed(f"ended with exit code {anvil.process.returncode}") from exc
            raise DemoFailed(f"the chain: {exc}") from exc
        return facts


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
        for name in (*REPORTERS, "deployments"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder.parent / "demo.json").unlink(missing_ok=True)
        yield


def _end(why: str, code: int) -> None:
    click.echo(f"demo: {why}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main(prog_name="python -m demo")
