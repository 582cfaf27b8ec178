"""Measure what forge's tests reach of contracts/, and fail under every line, branch and function.

Forge compiles without the optimizer here, since it cannot tell optimized code's places in the
source. What it calls a branch: each side of an `if` with an `else`, the body of one without, and no
part of `&&`, `||` and `?:`.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / ".cache" / "forge" / "lcov.info"
# The campaign would take long without the optimizer, and what a random walk happens to reach is not
# what these figures are for.
LEFT_OUT = "Campaign|Orders"


@dataclasses.dataclass
class File:
    """What the report says of one source file: how often each part of it was reached."""

    lines: dict[int, int] = dataclasses.field(default_factory=dict)
    branches: dict[tuple[int, str], int] = dataclasses.field(default_factory=dict)
    functions: dict[str, int] = dataclasses.field(default_factory=dict)
    starts: dict[str, int] = dataclasses.field(default_factory=dict)

    def missed(self) -> list[str]:
        """Say what was not reached, in the order of the source."""
        found = [(n, "line") for n, hits in self.lines.items() if not hits]
        found += [(n, f"branch {b}") for (n, b), hits in self.branches.items() if not hits]
        found += [
            (self.starts[f], f"function {f}") for f, hits in self.functions.items() if not hits
        ]
        return [f"{number}: {what}" for number, what in sorted(found)]


def parse(report: str) -> dict[str, File]:
    """Read an LCOV tracefile; a line or branch told more than once counts by the sum.

    Raises ValueError for what is not one.
    """
    files: dict[str, File] = {}
    file = File()
    for record in report.splitlines():
        kind, _, rest = record.partition(":")
        if kind == "SF":
            file = files.setdefault(rest, File())
        elif kind == "DA":
            line, hits = rest.split(",")[:2]
            file.lines[int(line)] = file.lines.get(int(line), 0) + int(hits)
        elif kind == "BRDA":
            line, block, branch, hits = rest.split(",")
            key = (int(line), f"{block}.{branch}")
            file.branches[key] = file.branches.get(key, 0) + (0 if hits == "-" else int(hits))
        elif kind == "FN":
            line, name = rest.split(",")
            file.starts[name] = int(line)
        elif kind == "FNDA":
            hits, name = rest.split(",")
            file.functions[name] = file.functions.get(name, 0) + int(hits)
    return files


def share(hits: dict[int, int] | dict[tuple[int, str], int] | dict[str, int]) -> str:
    """Say how many of these were reached."""
    return f"{sum(map(bool, hits.values()))}/{len(hits)}"


def show(files: dict[str, File]) -> bool:
    """Print the table and what is missing; tell whether all was reached."""
    row = "{:<40} {:>9} {:>9} {:>9}"
    print(row.format("", "lines", "branches", "functions"))
    for path, file in sorted(files.items()):
        print(row.format(path, share(file.lines), share(file.branches), share(file.functions)))
    gaps = [f"{path}:{gap}" for path, file in sorted(files.items()) for gap in file.missed()]
    print(f"{len(gaps)} not reached" if gaps else "every line, branch and function was reached")
    for gap in gaps:
        print(f"  {gap}")
    return not gaps


def measure(command: list[str], seed: str) -> str:
    """Run forge and return its report; exits as forge does when a test fails."""
    REPORT.unlink(missing_ok=True)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    # Its own build beside the other: the settings differ, and each would throw the other's away.
    # The quick profile leaves out what Halmos reads.
    places = {
        "FOUNDRY_PROFILE": "quick",
        "FOUNDRY_OUT": ".cache/forge/coverage",
        "FOUNDRY_CACHE_PATH": ".cache/forge/coverage-cache",
    }
    options = ["--report", "lcov", "--report-file", str(REPORT), "--no-match-contract", LEFT_OUT]
    run = subprocess.run(
        [*command, *options, "--fuzz-seed", seed],
        cwd=ROOT,
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        print(run.stdout, run.stderr, sep="\n", file=sys.stderr)
        sys.exit(run.returncode)
    return REPORT.read_text()


def main() -> None:
    """Measure, print, and exit with 1 when anything was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--forge", default="forge", help="the forge to run")
    parser.add_argument(
        "--solc", default=str(ROOT / ".solcx" / "solc-v0.8.30"), help="the solc for it"
    )
    parser.add_argument("--seed", default="0x10770", help="of the few random tests among them")
    arguments = parser.parse_args()
    command = [arguments.forge, "coverage", "--use", arguments.solc, "--offline"]
    files = {
        path: file
        for path, file in parse(measure(command, arguments.seed)).items()
        if path.startswith("contracts/")
    }
    # An interface has nothing to reach, and forge leaves it out; any other source must be there.
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "contracts").rglob("*.sol")}
    unseen = {p for p in sources - set(files) if "/interfaces/" not in p and "/.cache/" not in p}
    if unseen:
        sys.exit(f"not measured: {', '.join(sorted(unseen))}")
    sys.exit(0 if show(files) else 1)


if __name__ == "__main__":
    main()
