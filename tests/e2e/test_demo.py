"""The demo as a process: what it tells in JSON, held against rules written down here once more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 600  # seconds; nobody asserts that a run takes less
E = 10**18
PREDICTIONS = ["EVEN", "ODD", "HIGH", "LOW", "EVEN_LOW", "ODD_HIGH", "EVEN_HIGH", "ODD_LOW"]

# Two rounds of a game in summer and winter time; a lie told twice; nobody like another; a round
# without bets; publishers that cannot be read; a keeper that is lied to, and two of three.
OTHER = """
bettors = ["Xe", "Yan", "Zoe"]

[[rounds]]
game = "powerball"
date = 2024-03-11
whites = [69, 2, 3, 4, 5]
special = 1
faults.texas = "html"
lies.1 = { special = 2 }

[[rounds]]
game = "powerball"
date = 2024-03-09
whites = [1, 2, 3, 4, 5]
special = 6
faults.ny = { special = 5 }
faults.texas = { whites = [1, 2, 3, 4, 6] }
bets = [
    { bettor = "Xe", prediction = "EVEN_LOW", amount = 2 },
    { bettor = "Zoe", prediction = "ODD_HIGH", amount = "1.000000000000000001" },
    { bettor = "Yan", prediction = "ODD", amount = 3, cancel = true },
    { bettor = "Yan", prediction = "ODD_HIGH", amount = 5, matched = true },
    { bettor = "Yan", prediction = "ODD_HIGH", amount = 0.5, cancel = true },
    { bettor = "Xe", prediction = "EVEN_LOW", amount = 0.25 },
]

[[rounds]]
game = "mega-millions"
date = 2024-03-12
whites = [5, 19, 30, 38, 59]
special = 25
faults.texas = { special = 24 }
faults.california = { special = 24 }

[[rounds]]
game = "mega-millions"
date = 2024-03-15
whites = [70, 69, 68, 67, 66]
special = 24
faults.texas = "oversize"
faults.california = { delay = 0.5 }
lies.keeper2 = { special = 23 }
lies.1 = { special = 23 }
bets = []
"""


@dataclass
class Demo:
    """A run of the demo, and where it writes."""

    process: subprocess.Popen[str]
    out: Path

    @classmethod
    def start(cls, out: Path, *args: str) -> Demo:
        out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "demo", "--out", str(out), *args]
        with (out / "stdout").open("w") as stdout, (out / "stderr").open("w") as stderr:
            process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=stderr, text=True)
        return cls(process, out)

    @property
    def told(self) -> str:
        return (self.out / "stdout").read_text()

    @property
    def complaint(self) -> str:
        return (self.out / "stderr").read_text()

    def code(self) -> int:
        return self.process.wait(PATIENCE)

    def facts(self) -> dict[str, Any]:
        """What a run that succeeded tells."""
        assert self.code() == 0, self.told + self.complaint
        assert self.complaint == ""
        facts: dict[str, Any] = json.loads((self.out / "demo.json").read_text())
        return facts

    def children(self) -> dict[str, int]:
        """Pids of what runs for it: keepers by their folders, others by the command's word."""
        found = {}
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                if (proc / "cwd").readlink() != self.out / "demo":
                    continue  # of others, such as browsers, anything may stand in the environment
                command = (proc / "cmdline").read_text().split("\0")
                environment = dict(
                    line.split("=", 1)
                    for line in (proc / "environ").read_text().split("\0")
                    if line
                )
            except OSError:
                continue
            name = environment.get("LOTTOCHAIN_DATA_DIR") or command[0]
            found[Path(name).name] = int(proc.name)
        return found

    def until(self, text: str) -> None:
        """Waits until it has printed a text."""
        end = time.monotonic() + PATIENCE
        while text not in self.told:
            assert self.process.poll() is None, self.told + self.complaint
            assert time.monotonic() < end, f"no {text!r}: {self.told}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Demo]]:
    """The demo on its own fixtures, and on others, side by side."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "fixtures.toml").write_text(OTHER)
    both = (
        Demo.start(folder / "default"),
        Demo.start(folder / "other", "--fixtures", str(folder), "--seed", "77"),
    )
    yield both
    for demo in both:
        demo.process.kill()


# ---- the rules, written down once more


def holds(prediction: str, n: int) -> bool:
    return all(
        {"EVEN": n % 2 == 0, "ODD": n % 2 == 1, "HIGH": n >= 50, "LOW": n < 50}[word]
        for word in prediction.split("_")
    )


def opposite(prediction: str) -> str:
    return PREDICTIONS[PREDICTIONS.index(prediction) ^ 1]


def settled(bets: list[dict[str, str]], n: int | None, bps: int) -> tuple[Any, int, Counter[str]]:
    """(stake, matched, winnings, refund) by bettor, the fees, and how many bets came out how."""
    lines = dict.fromkeys(PREDICTIONS, 0)
    placed = []
    for bet in bets:
        p, amount = bet["prediction"], int(bet["amount"])
        placed.append((bet["bettor"], p, amount, lines[p]))
        lines[p] += amount
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    fees, outcomes = 0, Counter[str]()
    for bettor, p, amount, offset in placed:
        top = min(lines[p], lines[opposite(p)])
        m = min(max(top - offset, 0), amount)
        if n is None or not (holds(p, n) or holds(opposite(p), n)):
            winnings, refund, how = 0, amount, "void" if n is None else "push"
        elif holds(p, n):
            fee = (offset + m) * bps // 10_000 - offset * bps // 10_000
            fees += fee if m else 0
            winnings, refund, how = (2 * m - fee if m else 0), amount - m, "won"
        else:
            winnings, refund, how = 0, amount - m, "lost"
        rows[bettor] = [
            a + b for a, b in zip(rows[bettor], (amount, m, winnings, refund), strict=True)
        ]
        outcomes[how] += 1 if m or (n is None and amount) else 0
        outcomes["partly matched" if m else "not matched"] += m < amount
    return rows, fees, +outcomes


def check_books(facts: dict[str, Any], numbers: list[int | None], claimed: int) -> None:
    """The ledger follows from the bets and from what these rounds must come to.

    `claimed` is the index of the round in which one bettor is faster than the keepers.
    """
    due: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    all_fees, outcomes = 0, Counter[str]()
    for r, n in zip(facts["rounds"], numbers, strict=True):
        assert r["winningNumber"] == n
        assert r["status"] == ("cancelled" if n is None else "finalized")
        assert r["feeBps"] == 200
        rows, fees, counted = settled(r["bets"], n, r["feeBps"])
        assert int(r["fees"]) == fees
        all_fees += fees
        outcomes += counted
        if r is facts["rounds"][claimed]:
            check_claim(facts["claim"], r, rows)
        for bettor, row in rows.items():
            due[bettor] = [a + b for a, b in zip(due[bettor], row, strict=True)]
    for row in facts["bettors"]:
        told = [row[key] for key in ("stake", "matched", "winnings", "refund")]
        assert told == [str(wei) for wei in due[row["name"]]]
        assert row["net"] == str(int(told[2]) + int(told[3]) - int(told[0]))
    assert facts["fees"] == str(all_fees)
    assert sum(int(row["net"]) for row in facts["bettors"]) == -all_fees
    assert facts["conservation"] == "0"
    assert facts["outcomes"] == outcomes


def check_claim(claim: dict[str, Any], r: dict[str, Any], rows: dict[str, list[int]]) -> None:
    """Whoever is due most in the round had it paid to another address."""
    left = {
        bettor: winnings + refund - (stake - matched)  # what was unmatched came back at the lock
        for bettor, (stake, matched, winnings, refund) in rows.items()
    }
    assert claim["amount"] == str(left[claim["bettor"]]) == str(max(left.values()))
    assert claim["market"] == r["market"]
    assert claim["rounds"][-1] == r["roundId"]


def votes(facts: dict[str, Any], r: dict[str, Any]) -> list[tuple[int, bool] | None]:
    """(number, whether it is what was drawn) of each reporter, in the committee's order."""
    assert list(r["votes"]) == facts["oracle"]["reporters"]
    return [vote and (vote["winningNumber"], vote["right"]) for vote in r["votes"].values()]


def answers(r: dict[str, Any]) -> dict[str, Any]:
    """By source: the number that follows, or what kind of answer it was."""
    return {s["source"]: s.get("winningNumber", s["answer"]) for s in r["sources"]}


# ---- runs that succeed


def test_two_real_rounds(runs: tuple[Demo, Demo]) -> None:
    facts = runs[0].facts()
    mega, powerball = facts["rounds"]
    assert (mega["game"], mega["date"]) == ("mega-millions", "2026-08-18")
    assert (mega["whites"], mega["special"]) == ([5, 19, 30, 38, 59], 12)
    assert answers(mega) == {"megamillions": 51, "texas": 1, "california": 51}
    assert mega["dissenting"] == ["texas"]
    assert (powerball["game"], powerball["date"]) == ("powerball", "2026-08-19")
    assert (powerball["whites"], powerball["special"]) == ([10, 21, 58, 61, 64], 17)
    assert answers(powerball) == {"ny": "failed", "texas": 64, "california": 64}
    assert powerball["dissenting"] == []
    check_books(facts, [51, 64], claimed=1)
    assert len(facts["bettors"]) == 12
    for r in (mega, powerball):
        assert {bet["prediction"] for bet in r["bets"]} == set(PREDICTIONS)
        assert max(Counter(bet["bettor"] for bet in r["bets"]).values()) > 1
    assert facts["outcomes"].keys() == {"won", "lost", "push", "partly matched", "not matched"}


def test_a_committee_decides(runs: tuple[Demo, Demo]) -> None:
    facts = runs[0].facts()
    oracle = facts["oracle"]
    assert (oracle["quorum"], oracle["disputeWindow"]) == (2, 3600)
    assert len({*oracle["reporters"], oracle["guardian"], oracle["address"]}) == 5
    mega, powerball = facts["rounds"]
    assert votes(facts, mega) == [(51, True), (51, True), (1, False)]
    assert votes(facts, powerball) == [(64, True), (64, True), None]
    liar = mega["votes"][oracle["reporters"][2]]
    assert (liar["whites"], liar["special"]) == ([5, 19, 30, 38, 59], 13)
    for r in (mega, powerball):
        assert r["proposal"]["winningNumber"] == r["winningNumber"]
        assert r["proposal"]["finalizableAt"] - r["proposal"]["proposedAt"] == 3600
    # In each round somebody took all that was left to match, and somebody a stake back.
    for r in (mega, powerball):
        assert sum(int(bet.get("change", 0)) > 0 for bet in r["bets"]) == 1
        assert sum(int(bet.get("cancelled", 0)) > 0 for bet in r["bets"]) == 1


def test_what_a_reader_sees(runs: tuple[Demo, Demo]) -> None:
    """Every event as it comes, who was out-voted, the ledger; nothing that only terminals like."""
    demo = runs[0]
    facts = demo.facts()
    assert demo.told.isascii()
    assert all(line.isprintable() for line in demo.told.splitlines())
    assert [line for line in demo.told.splitlines() if len(line) > 80 and "/" not in line] == []
    assert "texas         5 19 30 38 59 + 13, n = 1 (out-voted)" in demo.told
    assert "keeper3 hears\n    megamillions  5 19 30 38 59 + 13, n = 1\n" in demo.told
    assert "keeper1 hears\n    megamillions  5 19 30 38 59 + 12, n = 51\n" in demo.told
    assert "keeper3 votes for 5 19 30 38 59 + 13, n = 1 (out-voted)" in demo.told
    assert "keeper1 votes for 5 19 30 38 59 + 12, n = 51\n" in demo.told
    assert "conservation: 0 wei\n" in demo.told
    assert demo.told.count(" comes back as change\n") == 2
    assert demo.told.count(" takes back 3.8108\n") == 1
    assert demo.told.count(" bets ") == sum(len(r["bets"]) for r in facts["rounds"])
    for row in facts["bettors"]:
        assert f"\n  {row['name']} " in demo.told
    assert list((demo.out / "demo" / "keeper3" / "evidence" / "powerball").glob("2026-08-19/*"))
    assert demo.children() == {}


def test_other_draws_lies_bettors_and_a_seed(runs: tuple[Demo, Demo]) -> None:
    facts = runs[1].facts()
    assert [r["date"] for r in facts["rounds"]] == [
        *("2024-03-09", "2024-03-11", "2024-03-12", "2024-03-15")
    ]
    differ, html, same_lie, empty = facts["rounds"]
    assert answers(differ) == {"ny": 65, "texas": 16, "california": 15}
    assert (differ["verdict"], differ["dissenting"]) == ("differ", [])
    assert answers(html) == {"ny": 33, "texas": "failed", "california": 33}
    assert answers(same_lie) == {"megamillions": 1, "texas": 51, "california": 51}
    assert (same_lie["special"], same_lie["dissenting"]) == (24, ["megamillions"])
    assert answers(empty) == {"megamillions": 40, "texas": "failed", "california": 40}
    assert differ["bets"] == [
        {"bettor": "Xe", "prediction": "EVEN_LOW", "amount": str(2 * E)},
        {"bettor": "Zoe", "prediction": "ODD_HIGH", "amount": str(E + 1)},
        {"bettor": "Yan", "prediction": "ODD", "amount": "0", "cancelled": str(3 * E)},
        {
            "bettor": "Yan",
            "prediction": "ODD_HIGH",
            "amount": str(E - 1),
            "change": str(4 * E + 1),
        },
        {
            "bettor": "Yan",
            "prediction": "ODD_HIGH",
            "amount": str(E // 4),
            "cancelled": str(E // 4),
        },
        {"bettor": "Xe", "prediction": "EVEN_LOW", "amount": str(E // 4)},
    ]
    assert empty["bets"] == []
    check_books(facts, [None, 33, 51, 90], claimed=2)
    assert votes(facts, differ) == [None, None, None]
    assert differ["proposal"] is None
    assert votes(facts, html) == [(83, False), (33, True), (33, True)]
    assert votes(facts, same_lie) == [(51, False), (51, False), None]
    assert votes(facts, empty) == [(90, False), (90, False), None]
    assert [row["name"] for row in facts["bettors"]] == ["Xe", "Yan", "Zoe"]
    assert facts["seed"] == 77


# ---- runs that do not


def test_a_dead_keeper_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    demo = Demo.start(tmp_path)
    demo.until(" bets ")
    os.kill(demo.children()["keeper2"], signal.SIGKILL)
    assert demo.code() == 1
    log = tmp_path / "demo" / "keeper2.log"
    first, *tail = demo.complaint.splitlines()
    assert first == f"demo: keeper2 ended with exit code -9; the end of {log}:"
    assert [line[4:] for line in tail] == [
        line[:400] for line in log.read_text().splitlines()[-12:]
    ]
    assert demo.children() == {}
    assert not (tmp_path / "demo.json").exists()


def test_interrupted_it_leaves_nothing_running(tmp_path: Path) -> None:
    demos = {
        number: Demo.start(tmp_path / number.name)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    }
    for number, demo in demos.items():
        demo.until(" bets ")
        assert demo.children().keys() == {"anvil", "keeper1", "keeper2", "keeper3"}
        demo.process.send_signal(number)
    killed = demos.pop(signal.SIGKILL)
    for demo in demos.values():
        assert demo.code() == 130
        assert demo.complaint == "demo: interrupted\n"
        assert demo.children() == {}
    assert killed.code() == -signal.SIGKILL
    end = time.monotonic() + PATIENCE
    while killed.children():  # without a last word from the demo it takes a moment
        assert time.monotonic() < end, killed.children()
        time.sleep(0.02)


def test_bad_fixtures_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "fixtures.toml").write_text(OTHER.replace("2024-03-11", "2024-03-12"))
    demo = Demo.start(tmp_path / "out", "--fixtures", str(tmp_path))
    assert demo.code() == 2
    why = "rounds.0: powerball has no draw on 2024-03-12 (Tuesday)"
    assert demo.complaint == f"demo: {tmp_path / 'fixtures.toml'}: {why}\n"
    assert demo.told == ""
