"""The proofs in tests/foundry/proofs, by Halmos, on the bytecode that the contracts' settings give.

A proof holds for every value of its arguments. It fails with a counterexample, without an answer in
time, and where a loop was not followed to its end; and every `check_` function there must have run.
"""

from __future__ import annotations

import re
import sys

from tools.audit.common import ROOT, TOOLS, Report, forge_places, run

PROOFS = ROOT / "tests" / "foundry" / "proofs"
RESULT = re.compile(r"^\[(\w+)\] (check_\w+)\(.*?\) \(paths: (\d+), time: ([\d.]+)s", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[\d;]*m")
LOOP = "due to the loop unrolling bound"
OPTIONS = [
    "--no-status",
    "--loop=16",  # a user's bets and a committee's seats
    "--solver-timeout-branching=20ms",
    "--solver-timeout-assertion=5m",
]


def settings() -> dict[str, str]:
    """Forge's: the proofs are compiled as the contracts are, not as the tests are."""
    return {
        **forge_places("halmos"),
        "FOUNDRY_TEST": str(PROOFS.relative_to(ROOT)),
        "FOUNDRY_SKIP": "[]",
        "FOUNDRY_COMPILATION_RESTRICTIONS": "[]",
        "FOUNDRY_ADDITIONAL_COMPILER_PROFILES": "[]",
    }


def written() -> set[str]:
    """The proofs that stand in the sources, each as contract and function."""
    found = set()
    for source in PROOFS.glob("*.sol"):
        for name in re.findall(r"\bfunction (check_\w+)\(", source.read_text()):
            found.add(f"{source.stem}.{name}")
    return found


def proved(output: str) -> dict[str, tuple[str, float]]:
    """Of each proof that ran, the verdict and the seconds."""
    found = {}
    plain = COLOUR.sub("", output)
    for part in re.split(r"^Running \d+ tests for .*:", plain, flags=re.MULTILINE)[1:]:
        contract = part.split("\n", 1)[0].strip()
        for verdict, name, _, seconds in RESULT.findall(part):
            found[f"{contract}.{name}"] = (verdict, float(seconds))
    return found


def check(*, show: bool = False, match: str = "Proofs$") -> Report:
    """Run those whose contract matches, and count."""
    command = [str(TOOLS / "halmos"), *OPTIONS, "--match-contract", match]
    command += ["--forge-build-out", forge_places("halmos")["FOUNDRY_OUT"]]
    command += ["--solver-command", f"{TOOLS / 'python'} {ROOT / 'tools' / 'audit' / 'solver.py'}"]
    ran = run("halmos", command, settings(), show=show)
    results = proved(ran.output)
    expected = {name for name in written() if re.search(match, name.split(".")[0])}
    bad = sorted(name for name, (verdict, _) in results.items() if verdict != "PASS")
    missing = sorted(expected - set(results))
    seconds = sum(time for _, time in results.values())
    found = f"{len(results) - len(bad)} of {len(expected)} proofs hold ({seconds:.0f} s of proving)"
    if bad:
        found += f", not {', '.join(bad)}"
    if missing:
        found += f", not run: {', '.join(missing)}"
    if LOOP in ran.output:
        found += ", a loop was cut short"
    passed = ran.code == 0 and bool(results) and not bad and not missing and LOOP not in ran.output
    if not passed and not show:
        print(ran.output[-4000:], file=sys.stderr)
    return Report(passed=passed, found=found if results else f"no proof ran, see {ran.log}")
