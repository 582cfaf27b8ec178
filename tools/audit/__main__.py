"""The audit: `python -m tools.audit slither|halmos|mutate|all`, as the Makefile calls it."""

from __future__ import annotations

import argparse
import io
import re
import signal
import sys
import threading
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tools.audit import halmos, mutate, slither
from tools.audit.common import SOLC, Broken, Report, Stopwatch, clock, forge_places, run

STEPS = "5000"


def forge(*, show: bool = False) -> Report:
    """Forge's tests with the auditors' numbers of runs: units, fuzz and the invariant campaign."""
    command = ["forge", "test", "--use", str(SOLC), "--offline", "-vv"]
    places = {**forge_places("out"), "FOUNDRY_PROFILE": "audit"}
    ran = run("forge", command, places, show=show)
    total = re.search(r"(\d+) tests passed, (\d+) failed, (\d+) skipped", ran.output)
    if total is None:
        return Report(passed=False, found=f"did not run to its end, see {ran.log}")
    calls = sum(int(n) for n in re.findall(r"runs: \d+, calls: (\d+)", ran.output))
    fuzz = sum(int(n) for n in re.findall(r"\(runs: (\d+), μ", ran.output))
    found = f"{total[1]} tests passed, {total[2]} failed; {calls:,} calls, {fuzz:,} fuzz runs"
    clean = ran.code == 0 and total[2] == "0" and total[3] == "0" and total[1] != "0"
    return Report(passed=clean, found=found)


def coverage(*, show: bool = False) -> Report:
    """What forge's tests reach of the contracts."""
    ran = run("coverage", [sys.executable, "tools/coverage.py"], show=show)
    lines = ran.output.strip().splitlines()
    verdict = [line for line in lines if "not reached" in line or "was reached" in line]
    return Report(passed=ran.code == 0, found=verdict[0] if verdict else f"failed, see {ran.log}")


def play(*, show: bool = False) -> Report:
    """Random play of the contracts beside their model, and what of it took effect."""
    command = ["ape", "test", "tests/contracts/test_state_machine.py", "-s"]
    ran = run("play", command, {"LOTTOCHAIN_STEPS": STEPS}, show=show)
    steps = re.findall(r"^\s*steps\s+([\d,]+)\s*$", ran.output, re.MULTILINE)
    seed = re.search(r"LOTTOCHAIN_SEED=(\d+)", ran.output)
    passed = re.search(r"(\d+) passed", ran.output)
    found = f"{', '.join(steps) or 'no'} steps, seed {seed[1] if seed else 'unknown'}"
    return Report(passed=ran.code == 0 and bool(steps) and passed is not None, found=found)


CHECKS: dict[str, tuple[str, Callable[..., Report]]] = {
    "slither": ("Slither", slither.check),
    "coverage": ("coverage", coverage),
    "forge": ("forge: units, fuzz, invariants", forge),
    "halmos": ("Halmos", halmos.check),
    "play": ("random play (Hypothesis)", play),
}


# What runs one after the other, and what beside it: two cores.
LANES = (("halmos",), ("slither", "coverage", "forge", "play"))


def everything() -> bool:
    """Run every check but mutation, go on after a failure, and show what each found."""
    console = Console()
    whole = Stopwatch()
    done: dict[str, tuple[Report, str]] = {}

    def run_lane(names: tuple[str, ...]) -> None:
        for name in names:
            title, check = CHECKS[name]
            console.print(f"audit: {title} ...", highlight=False)
            watch = Stopwatch()
            try:
                report = check()
            except Exception as error:  # noqa: BLE001 - the other checks go on
                report = Report(passed=False, found=f"{type(error).__name__}: {error}")
            time = clock(watch.read())
            done[name] = (report, time)
            console.print(f"audit: {title}: {verdict(report)} in {time}", highlight=False)

    lanes = [threading.Thread(target=run_lane, args=(names,), daemon=True) for names in LANES]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()

    table = Table(title="make audit", title_justify="left")
    for heading in ("check", "what it found", "time", "verdict"):
        table.add_column(heading, overflow="fold")
    for name, (title, _) in CHECKS.items():
        report, time = done[name]
        table.add_row(title, report.found, time, verdict(report))
    good = all(report.passed for report, _ in done.values())
    table.add_section()
    table.add_row("", "", clock(whole.read()), "passed" if good else "FAILED")
    console.print(table)
    return good


def verdict(report: Report) -> str:
    """The word for it."""
    return "passed" if report.passed else "FAILED"


def one(options: argparse.Namespace) -> Report:
    """Run one check by itself, its output as it comes."""
    if options.command == "mutate":
        return mutate.check(options)
    if options.command == "halmos":
        return halmos.check(show=True, match=options.match)
    return CHECKS[options.command][1](show=True)


def main() -> None:
    """Exit with 0 when what was asked for passed, else with 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (title, _) in CHECKS.items():
        commands.add_parser(name, help=title)
    commands.add_parser("all", help="all of these")
    mutate.add_arguments(commands.add_parser("mutate", help="mutants of the contracts"))
    commands.choices["halmos"].add_argument(
        "--match", default="Proofs$", help="only contracts whose name matches"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes the tools along
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # whoever follows a log sees where it is
    if options.command == "all":
        sys.exit(0 if everything() else 1)
    try:
        report = one(options)
    except Broken as error:
        report = Report(passed=False, found=str(error))
    print(f"{options.command}: {verdict(report)}: {report.found}")
    sys.exit(0 if report.passed else 1)


if __name__ == "__main__":
    main()
