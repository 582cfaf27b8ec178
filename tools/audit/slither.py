"""Slither over our contracts: no finding, and no exception without its reason.

An exception is a comment `// slither-disable-next-line DETECTOR - reason` (or -start, -end) where
the finding is. One that silences nothing any more is a finding itself.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.audit.common import LOGS, ROOT, TOOLS, Report, forge_places, run

EXCEPTION = re.compile(r"^\s*//\s*slither-disable-(next-line|start)\s+([a-z0-9,-]+)(.*)$")

UNUSED = "unused-ignore-directive"


def exceptions() -> tuple[int, list[str]]:
    """How many exceptions the contracts make, and the places of those that give no reason."""
    count, bare = 0, []
    for source in sorted((ROOT / "contracts").rglob("*.sol")):
        if ".cache" in source.parts:
            continue
        for number, line in enumerate(source.read_text().splitlines(), start=1):
            if match := EXCEPTION.match(line):
                count += 1
                if len(match[3].strip(" -")) < len("reason"):
                    bare.append(f"{source.relative_to(ROOT)}:{number}")
    return count, bare


def check(*, show: bool = False) -> Report:
    """Run it and count."""
    answer = LOGS / "slither.json"
    answer.unlink(missing_ok=True)
    command = [str(TOOLS / "slither"), ".", "--filter-paths", "node_modules"]
    command += ["--warn-unused-ignores", "--json", str(answer)]
    ran = run("slither", command, forge_places("slither"), show=show)
    analyzed = re.search(r"analyzed \((\d+) contracts with (\d+) detectors\)", ran.output)
    said = json.loads(answer.read_text()) if answer.exists() else {}
    if not said.get("success") or analyzed is None:
        return Report(passed=False, found=f"did not run to its end, see {ran.log}")
    findings = said["results"].get("detectors", [])
    faults = [finding["check"] for finding in findings if finding["check"] != UNUSED]
    places = {
        f"{Path(one['file']).relative_to(ROOT)}:{one['line']}"
        for finding in findings
        for one in finding.get("unused_ignores", [])
    }
    count, bare = exceptions()
    found = (
        f"{len(faults)} findings by {analyzed[2]} detectors in {analyzed[1]} contracts, "
        f"{count} exceptions"
    )
    unused = sorted(place for place in places if place.startswith("contracts/"))
    for title, bad in (
        ("findings", sorted(set(faults))),
        ("exceptions that silence nothing", unused),
        ("exceptions without a reason", bare),
    ):
        if bad:
            found += f"; {title}: {', '.join(bad)}"
    return Report(passed=not faults and not unused and not bare, found=found)
