"""Mutants: which there are, what each compiles to, and whether a test notices.

A worker keeps one compiler process and one folder with forge's tests, already compiled: the tests
know the contracts by their interfaces and deploy them from a file, so a mutant costs a compilation
of one contract, without the optimizer, and a run of the tests.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, Self

from tools.audit.common import ROOT, SOLC, TOOLS, Broken, environment

CONTRACTS = ("contracts/P2PLotteryBetting.sol", "contracts/ResultOracle.sol")
FAST = {"optimizer": {"enabled": False}}
# Sources of which one of these makes the same code mean the same. The first is the quicker; the
# second is what is deployed, as in ape-config.yaml.
OPTIMIZER = {"enabled": True, "runs": 10_000}
OPTIMIZED: tuple[dict[str, Any], ...] = (
    {"optimizer": OPTIMIZER},
    {"optimizer": OPTIMIZER, "viaIR": True},
)
# What the tests notice at once, and what takes a walk.
STAGES = {
    "units": ["--no-match-contract", "Campaign|Orders"],
    "walks": ["--match-contract", "Campaign|Orders"],
}
PATIENCE = {"units": 120, "walks": 900}  # seconds; a mutant that takes longer is noticed


@dataclasses.dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one source file."""

    id: str  # from the file and the lines before and after, so that it outlives other changes
    file: str
    line: int
    mutator: str
    before: str
    after: str
    text: str = dataclasses.field(repr=False)


def generate(folder: Path) -> list[Mutant]:
    """All mutants, in the order of the sources, those with the same text once."""
    made = subprocess.run(
        # -P: a folder with a slither.py in it would hide Slither itself.
        [str(TOOLS / "python"), "-P", str(ROOT / "tools" / "audit" / "mutants.py")],
        cwd=ROOT,
        env=environment({"FOUNDRY_OUT": str(folder / "out"), "FOUNDRY_CACHE_PATH": str(folder)}),
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        raise Broken(f"no mutants could be made:\n{made.stderr.decode()[-2000:]}")
    found: dict[tuple[str, bytes], Mutant] = {}
    same: Counter[tuple[str, str, str]] = Counter()
    patches = json.loads(made.stdout)
    for patch in sorted(patches, key=lambda p: (p["file"], p["start"], p["end"], p["new"])):
        source = (ROOT / patch["file"]).read_bytes()
        start, end, new = patch["start"], patch["end"], patch["new"].encode()
        text = source[:start] + new + source[end:]
        if text == source or (patch["file"], text) in found:
            continue
        first = source.rfind(b"\n", 0, start) + 1
        last = (source + b"\n").find(b"\n", end)
        before = " ".join(source[first:last].decode().split())
        after = " ".join((source[first:start] + new + source[end:last]).decode().split())
        same[patch["file"], before, after] += 1
        digest = f"{patch['file']}\n{before}\n{after}\n{same[patch['file'], before, after]}"
        found[patch["file"], text] = Mutant(
            id=hashlib.sha256(digest.encode()).hexdigest()[:10],
            file=patch["file"],
            line=source.count(b"\n", 0, start) + 1,
            mutator=patch["mutator"],
            before=before,
            after=after,
            text=text.decode(),
        )
    return list(found.values())


def reached(source: str) -> set[str]:
    """The sources of ours that a contract is made of, itself included."""
    found, ahead = set(), [source]
    while ahead:
        one = ahead.pop()
        if one in found:
            continue
        found.add(one)
        text = (ROOT / one).read_text()
        imported = re.findall(r'(?:from|import) "(\.[^"]+)"', text)
        ahead += [str(((ROOT / one).parent / p).resolve().relative_to(ROOT)) for p in imported]
    return found


def suite_digest() -> str:
    """Of all that a verdict depends on beside the mutant: the other sources and the tests."""
    digest = hashlib.sha256()
    folders = (ROOT / "contracts", ROOT / "tests" / "foundry", ROOT / "tests" / "contracts")
    files = [file for folder in folders for file in folder.rglob("*.sol")]
    for file in sorted([*files, ROOT / "foundry.toml"]):
        if ".cache" not in file.parts and "proofs" not in file.parts:
            digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


class Worker:
    """A compiler and a folder with the tests. To be closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reached = {contract: reached(contract) for contract in CONTRACTS}
        self._prepare()
        compiler = subprocess.Popen(
            ["node", str(ROOT / "tools" / "audit" / "compile.js")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if compiler.stdin is None or compiler.stdout is None:
            raise Broken("the compiler cannot be asked")
        self._compiler, self._questions, self._answers = compiler, compiler.stdin, compiler.stdout
        codes = self.compile("", "", FAST)
        if codes is None:
            raise Broken("the contracts do not compile")
        self._baseline = codes
        self._optimized: dict[int, dict[str, str]] = {}
        self.install(codes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._compiler.kill()
        self._compiler.wait()

    def compile(self, file: str, text: str, settings: dict[str, Any]) -> dict[str, str] | None:
        """The code of the contracts that this file is part of (of all for ""), None: error."""
        names = [
            f"{contract}:{Path(contract).stem}"
            for contract, sources in self._reached.items()
            if not file or file in sources
        ]
        request = {"file": file, "text": text, "contracts": names, "settings": settings}
        self._questions.write(json.dumps(request) + "\n")
        self._questions.flush()
        answer: dict[str, str] | None = json.loads(self._answers.readline())
        return answer

    def changed(self, mutant: Mutant) -> dict[str, str] | None:
        """The mutant's code of both contracts, {} when it is the same, None for an error."""
        codes = self.compile(mutant.file, mutant.text, FAST)
        if codes is None:
            return None
        return {} if codes.items() <= self._baseline.items() else {**self._baseline, **codes}

    def optimized_the_same(self, mutant: Mutant) -> bool:
        """Whether the optimizer makes the same code of both, byte for byte: no test can tell."""
        for way, settings in enumerate(OPTIMIZED):
            if way not in self._optimized:
                self._optimized[way] = self.compile("", "", settings) or {}
            codes = self.compile(mutant.file, mutant.text, settings)
            if codes and codes.items() <= self._optimized[way].items():
                return True
        return False

    def fails(self, stage: str) -> bool:
        """Whether a test of this stage fails with what is installed."""
        failed, output = self._test(stage)
        if not failed and not re.search(r"[1-9]\d* tests? passed, 0 failed, 0 skipped", output):
            raise Broken(f"forge ran no tests:\n{output[-2000:]}")
        return failed

    def _test(self, stage: str) -> tuple[bool, str]:
        command = ["forge", "test", "--use", str(SOLC), "--offline", "--fail-fast"]
        try:
            ran = subprocess.run(
                [*command, *STAGES[stage]],
                cwd=self._folder,
                env=environment({"FOUNDRY_PROFILE": "quick"}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE[stage],
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True, ""
        output = ran.stdout.decode(errors="replace")
        if ran.returncode != 0 and "[FAIL" not in output:
            raise Broken(f"forge did not run:\n{output[-2000:]}")
        return ran.returncode != 0, output

    def install(self, codes: dict[str, str]) -> None:
        """Have the tests deploy this code."""
        for contract, code in codes.items():
            empty = {"object": "0x", "linkReferences": {}, "sourceMap": ""}
            artifact = {"abi": [], "bytecode": {**empty, "object": f"0x{code}"}}
            file = self._folder / "mutant" / f"{contract.split(':')[1]}.json"
            file.write_text(json.dumps({**artifact, "deployedBytecode": empty}))

    def _prepare(self) -> None:
        """The tests and the interfaces, and the tests' one way to deploy led to our file."""
        folder = self._folder
        for name in ("contracts", "tests"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "mutant").mkdir(parents=True, exist_ok=True)
        for name in ("contracts/interfaces", "tests/foundry", "tests/contracts/solidity"):
            ignored = shutil.ignore_patterns("proofs")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        if not (folder / "node_modules").exists():
            (folder / "node_modules").symlink_to(ROOT / "node_modules")
        allowed = '[profile.default]\nfs_permissions = [{ access = "read", path = "mutant" }]'
        settings = (ROOT / "foundry.toml").read_text().replace("[profile.default]", allowed, 1)
        (folder / "foundry.toml").write_text(settings)
        deploy = folder / "tests" / "foundry" / "support" / "Deploy.sol"
        text, count = re.subn(r'"(\w+)\.sol:\1"', r'"mutant/\1.json"', deploy.read_text())
        if count != len(CONTRACTS):
            raise Broken(f"{deploy} deploys {count} contracts, not {len(CONTRACTS)}")
        deploy.write_text(text)
