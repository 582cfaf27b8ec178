"""Lists the mutants that Slither's mutators make of our contracts, as JSON on standard output.

Run by the audit tools' own Python, in the folder of foundry.toml. Everything else about mutation is
in mutate.py; slither-mutate itself would run the whole of the tests for each mutant, one by one.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

from slither import Slither
from slither.tools.mutator.mutators import all_mutators
from slither.tools.mutator.mutators.abstract_mutator import AbstractMutator

MUTATORS = sorted(
    (
        one
        for _, one in inspect.getmembers(all_mutators, inspect.isclass)
        if issubclass(one, AbstractMutator) and one is not AbstractMutator
    ),
    key=lambda one: one.NAME,
)


def mutants(root: Path) -> list[dict[str, object]]:
    """Every replacement, with its place in bytes; the same text may come from several mutators."""
    found: list[dict[str, object]] = []
    slither = Slither(str(root))
    for unit in slither.compilation_units:
        for contract in unit.contracts:
            file = Path(contract.source_mapping.filename.absolute)
            if root / "contracts" not in file.parents or contract.is_interface:
                continue
            for mutator in MUTATORS:
                maker = mutator(unit, 0, "", None, contract, None, False, root, [])
                made = maker._mutate()  # noqa: SLF001 - its only public way runs the tests as well
                for patches in made.get("patches", {}).values():
                    found += [
                        {
                            "file": str(file.relative_to(root)),
                            "mutator": mutator.NAME,
                            "start": patch["start"],
                            "end": patch["end"],
                            "new": patch["new_string"],
                        }
                        for patch in patches
                    ]
    return found


if __name__ == "__main__":
    json.dump(mutants(Path.cwd()), sys.stdout)
