"""The table of docs/operations.md: `python -m tests.faults.matrix REPORT`, of all cases or none.

REPORT is what pytest wrote with --junitxml when it ran tests/faults.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.keeper.chainfixtures import ROOT

PAGE = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- matrix -->", "<!-- /matrix -->"
HEADER = "| Case | What is done | What was seen | Verdict |\n|---|---|---|---|\n"


def named(test: str) -> str:
    """A case by its test: `tests/...::test_a_bettor[burns]` is "a bettor: burns"."""
    name = test.rpartition("::")[2].removeprefix("test_")
    return name.replace("_", " ").replace("[", ": ").removesuffix("]")


def existing() -> list[str]:
    """All cases that there are."""
    asked = ["-m", "pytest", "-p", "no:ape_test", "-p", "no:cacheprovider", "--collect-only", "-q"]
    done = subprocess.run(
        [sys.executable, *asked, ROOT / "tests" / "faults"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [named(line) for line in done.stdout.splitlines() if "::" in line]


def rows(report: Path) -> dict[str, str]:
    """Of each case that ran and passed, by its name."""
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        told = {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
        if "seen" in told and not [*case.iter("failure"), *case.iter("error")]:
            name = named(case.attrib["name"])
            found[name] = f"| {name} | {told['fault']} | {told['seen']} | holds |\n"
    return found


def listed(page: str) -> list[str]:
    """The cases that the table on a page names."""
    table = page.partition(BEGIN)[2].partition(END)[0].strip()
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def write(report: Path) -> None:
    """Puts the table into the page. Exits when a case is missing."""
    seen, cases = rows(report), existing()
    if missing := [case for case in cases if case not in seen]:
        sys.exit(f"the matrix stays as it is, for {len(missing)} did not pass: {missing}")
    page = PAGE.read_text() if PAGE.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = HEADER + "".join(seen[case] for case in cases)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
