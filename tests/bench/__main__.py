"""Measures this server beside Socket.io and ws, on this machine, and judges: `make bench`.

Exits with 1 when a verdict fails, with 2 when nothing could be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import sys

from rich.console import Console

from tests.bench.cases import CASES, Bench, message_bytes
from tests.bench.figures import Verdict
from tests.bench.ours import CHANNELS, sample
from tests.bench.processes import Broken, install, prepare

_LIMIT = 45 * 60  # seconds for everything


async def measure(options: argparse.Namespace) -> bool:
    """Whether every verdict holds. Raises Broken, TimeoutError."""
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    sizes = (200, 1000) if options.quick else (1000, 5000, 10_000)
    cores = prepare(sizes[-1])
    install()
    console = Console(highlight=False, width=110)
    message = sample(options.payload)
    bench = Bench(
        console,
        cores,
        message,
        sizes,
        rounds=1 if options.quick else options.rounds,
        messages=10 if options.quick else 200,  # of 100 the p99 would be all but the longest
        stalls=2 if options.quick else 12,
        asking=5 if options.quick else 20,
        bets=5 if options.quick else 20,
        patience=0 if options.quick else 600,
    )
    load = os.getloadavg()[0]
    console.print(
        f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; server on core {cores[0]}, client on {cores[1]}; "
        f"load before: {load:.1f}; told is the keeper's {options.payload} message, "
        f"{message_bytes(message)} bytes of JSON"
    )
    verdicts: list[Verdict] = []
    async with asyncio.timeout(_LIMIT):
        for name in options.only or CASES:
            console.rule(f"{name}: {getattr(Bench, name).__doc__}", align="left")
            verdicts += [verdict async for verdict in getattr(bench, name)()]
    if options.quick:
        console.print("the limits are for 10,000 subscribers: of this nothing is judged")
        return True
    console.rule("verdicts", align="left")
    for verdict in verdicts:
        console.print(str(verdict))
    return all(verdict.holds for verdict in verdicts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few subscribers, for trying it; judges nothing"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken: 5")
    parser.add_argument(
        "--payload", choices=CHANNELS, default="stats", help="what is told: figures, or a bet"
    )
    parser.add_argument("--only", action="append", choices=CASES, help="this case; repeatable")
    options = parser.parse_args()
    try:
        sys.exit(0 if asyncio.run(measure(options)) else 1)
    except (Broken, TimeoutError, asyncio.CancelledError, KeyboardInterrupt) as exc:
        print(f"bench: {exc if isinstance(exc, Broken) else repr(exc)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
