"""The compiled contracts, never stale.

Ape compiles a file anew only when that very file has changed: it overlooks changes of what the
file imports, of the compiler's settings and of OpenZeppelin's version, and would test and deploy
the bytes of before.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path

from ape.managers.project import ProjectManager
from ethpm_types.contract_type import ContractType


def contract_type(project: ProjectManager, name: str) -> ContractType:
    """What the compiler makes of a contract as it stands now."""
    stamp = Path(project.path) / ".cache" / "compiled"
    stamp.parent.mkdir(exist_ok=True)
    with stamp.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several commands at once, one compilation
        if not stamp.exists() or stamp.read_text() != _digest(project):
            project.load_contracts(use_cache=False)
            stamp.write_text(_digest(project))
    found: ContractType = project.get_contract(name).contract_type
    return found


def _digest(project: ProjectManager) -> str:
    """Of all that decides the bytes, and of what Ape has kept: it may be from other sources."""
    digest = hashlib.sha256()
    for path in _inputs(Path(project.path)):
        digest.update(f"{path} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _inputs(root: Path) -> Iterator[Path]:
    # A checkout below the temporary folder gets a .cache of dependencies in there.
    yield from sorted(p for p in root.glob("contracts/**/*.sol") if ".cache" not in p.parts)
    yield from (root / name for name in ("ape-config.yaml", "package-lock.json"))
    kept = root / ".build" / "__local__.json"
    if kept.exists():
        yield kept
