"""`make mutate`: how many mutants of the contracts the tests notice, and which they do not.

Mutants that do not compile, whose code is the original's or another mutant's do not count. Of the
others 95 % must be noticed, and every one that is not must stand in docs/mutants.md with the reason
why nobody can tell it from the original. Verdicts are kept in .cache/mutation: what was interrupted
goes on where it was, as long as no source and no test has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import queue
import re
import threading
from collections import Counter
from concurrent import futures
from pathlib import Path

from tools.audit.common import ROOT, Broken, Report, Stopwatch, clock
from tools.audit.mutation import STAGES, Mutant, Worker, generate, suite_digest

FOLDER = ROOT / ".cache" / "mutation"
EXPLAINED = ROOT / "docs" / "mutants.md"
BAR = 95  # percent
SECTION = re.compile(r"^###? .*\n", re.MULTILINE)
ENTRY = re.compile(r"^- `([0-9a-f]{10})` .*\n?", re.MULTILINE)
SHORTEST_REASON = 40  # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--files", default="", help="only sources whose path matches")
    parser.add_argument("--limit", type=int, help="only so many mutants, spread evenly")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--survivors", action="store_true", help="only those that survived before")


class Campaign:
    """The verdicts on the mutants, kept in a file, and the threads that find them."""

    def __init__(self, mutants: list[Mutant]) -> None:
        self._suite = suite_digest()
        self._file = FOLDER / "verdicts.jsonl"
        self._lock = threading.Lock()
        self._kept: dict[str, str] = {}
        self._codes: dict[str, str] = {}  # digest of code -> the first mutant that has it
        self._queue: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._watch = Stopwatch()
        self._mutants = mutants
        if self._file.exists():
            for line in self._file.read_text().splitlines():
                kept = json.loads(line)
                if kept["suite"] == self._suite:
                    self._kept[kept["id"]] = kept["verdict"]
                    if kept["code"] and kept["verdict"] != "twin":
                        self._codes[kept["code"]] = kept["id"]

    def run(self, workers: int) -> dict[str, str]:
        """Judge all; the verdict of each by its id.

        "invalid", "same" and "twin" do not count; "units" and "walks" name the tests that noticed,
        "survived" tells that none did.
        """
        todo = [mutant for mutant in self._mutants if mutant.id not in self._kept]
        print(f"mutate: {len(todo)} mutants to judge, {len(self._mutants) - len(todo)} were before")
        for mutant in todo:
            self._queue.put(mutant)
        if todo:
            with Worker(FOLDER / "worker-0") as worker:
                for stage in STAGES:
                    if worker.fails(stage):
                        raise Broken(f"the tests ({stage}) fail without any mutant")
            print(f"mutate: the tests pass without a mutant, {clock(self._watch.read())}")
        with futures.ThreadPoolExecutor() as pool:
            works = [pool.submit(self._work, FOLDER / f"worker-{n}") for n in range(workers)]
            try:
                futures.wait(works, return_when=futures.FIRST_EXCEPTION)
            finally:
                self._stopped.set()  # after an error, or when told to stop, no further mutant
        for work in works:
            work.result()
        return {mutant.id: self._kept[mutant.id] for mutant in self._mutants}

    def _work(self, folder: Path) -> None:
        if self._queue.empty():
            return
        with Worker(folder) as worker:
            while not self._stopped.is_set():
                try:
                    mutant = self._queue.get_nowait()
                except queue.Empty:
                    return
                self._keep(mutant, *self._judge(worker, mutant))

    def _judge(self, worker: Worker, mutant: Mutant) -> tuple[str, str]:
        """The verdict and the digest of the mutant's code."""
        codes = worker.changed(mutant)
        if codes is None:
            return "invalid", ""
        if not codes:
            return "same", ""
        code = hashlib.sha256(json.dumps(codes, sort_keys=True).encode()).hexdigest()
        with self._lock:
            if self._codes.setdefault(code, mutant.id) != mutant.id:
                return "twin", code
        worker.install(codes)
        if worker.fails("units"):
            return "units", code
        # Asked now, for it takes less time than a walk.
        if worker.optimized_the_same(mutant):
            return "same", code
        return ("walks" if worker.fails("walks") else "survived"), code

    def _keep(self, mutant: Mutant, verdict: str, code: str) -> None:
        kept = {"suite": self._suite, "id": mutant.id, "verdict": verdict, "code": code}
        with self._lock:
            self._kept[mutant.id] = verdict
            with self._file.open("a") as file:
                file.write(json.dumps(kept) + "\n")
            if verdict == "survived":
                print(f"mutate: survived: {mutant.id} {mutant.file}:{mutant.line} {mutant.after}")
            done = sum(one.id in self._kept for one in self._mutants)
            if done % 100 == 0:
                print(f"mutate: {done} of {len(self._mutants)}, {clock(self._watch.read())}")


def explained() -> dict[str, str]:
    """The survivors that docs/mutants.md speaks of, each with its reason."""
    if not EXPLAINED.exists():
        return {}
    return {
        name: " ".join(ENTRY.sub("", section).split())
        for section in SECTION.split(EXPLAINED.read_text())
        for name in ENTRY.findall(section)
    }


def entry(mutant: Mutant) -> str:
    """A survivor's line in docs/mutants.md, to go under the reason that it shares with others."""
    name = Path(mutant.file).name
    return f"- `{mutant.id}` {name}: `{mutant.before}` became `{mutant.after}`"


def known_survivors() -> set[str]:
    """Those that survived the last time, whatever has changed since."""
    file = FOLDER / "verdicts.jsonl"
    last = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        kept = json.loads(line)
        last[kept["id"]] = kept["verdict"]
    return {name for name, verdict in last.items() if verdict == "survived"}


def chosen(options: argparse.Namespace) -> tuple[list[Mutant], bool]:
    """The mutants asked for, and whether they are all there are."""
    every = generate(FOLDER)
    some = [mutant for mutant in every if re.search(options.files, mutant.file)]
    if options.survivors:
        before = known_survivors()
        some = [mutant for mutant in some if mutant.id in before]
    if options.limit and options.limit < len(some):
        some = [some[i * len(some) // options.limit] for i in range(options.limit)]
    return some, len(some) == len(every)


def check(options: argparse.Namespace) -> Report:
    """Judge the mutants and say what was found."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    mutants, whole = chosen(options)
    verdicts = Campaign(mutants).run(options.workers)
    counts = Counter(verdicts.values())
    noticed = counts["units"] + counts["walks"]
    survivors = [mutant for mutant in mutants if verdicts[mutant.id] == "survived"]
    reasons = explained()
    unexplained = [
        mutant for mutant in survivors if len(reasons.get(mutant.id, "")) < SHORTEST_REASON
    ]
    stale = sorted(set(reasons) - {mutant.id for mutant in survivors}) if whole else []
    score = 100 * noticed / max(1, noticed + len(survivors))

    print(f"mutate: {len(mutants)} mutants{'' if whole else ', a part of all'}")
    for text, number in (
        ("do not compile", counts["invalid"]),
        ("have the original's code", counts["same"]),
        ("have another mutant's code", counts["twin"]),
        ("are noticed by the units", counts["units"]),
        ("are noticed by random orders and walks", counts["walks"]),
        ("survive", len(survivors)),
    ):
        print(f"  {number:>5} {text}")
    if unexplained:
        print("not explained in docs/mutants.md:")
    for mutant in unexplained:
        print(entry(mutant))
    if stale:
        print(f"explained, but no survivors: {', '.join(stale)}")
    passed = bool(noticed) and score >= BAR and not unexplained and not stale
    found = f"{noticed} of {noticed + len(survivors)} noticed ({score:.1f} %, bar {BAR} %), "
    return Report(passed=passed, found=found + f"{len(unexplained)} survivors unexplained")
