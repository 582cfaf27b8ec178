"""Evidence on disk: whole or not there, and proof against change."""

import base64
import datetime as dt
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_utils.crypto import keccak

from demo.publishers import Fault, FaultKind, Publishers
from keeper.domain.consensus import (
    Agreed,
    Disagreement,
    Drawn,
    Failed,
    Failure,
    Pending,
    Verdict,
    Waiting,
    decide,
)
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from keeper.errors import ConfigError, EvidenceError
from keeper.ports import EvidenceRef, Fetched
from keeper.sources import Panel, build, read
from keeper.store.evidence import Evidence, FileEvidence, encode, verify

DAY = dt.date(2026, 8, 18)
LIE = Fault(FaultKind.LIE, special=13)


@pytest.fixture
async def fetched(publishers: Publishers, client: httpx.AsyncClient) -> list[Fetched]:
    """What three publishers really answered, texas lying."""
    publishers.faults["texas", "mega-millions"] = LIE
    sources = build(publishers.urls, client, clock=lambda: 1_787_108_400.5)
    return await Panel(sources, MEGA_MILLIONS, DAY).ask()


def verdict_of(fetched: list[Fetched]) -> Verdict:
    return decide([f.answer for f in fetched])


def files_below(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()]


async def save(root: Path, fetched: list[Fetched]) -> EvidenceRef:
    return await FileEvidence(root).save(MEGA_MILLIONS, DAY, fetched, verdict_of(fetched))


async def test_what_is_saved_verifies(tmp_path: Path, fetched: list[Fetched]) -> None:
    ref = await save(tmp_path / "data", fetched)
    assert ref.digest == keccak(ref.path.read_bytes())
    assert len(ref.digest) == 32
    folder = tmp_path / "data" / "evidence" / "mega-millions" / "2026-08-18"
    assert ref.path == folder / f"1787108400-{ref.digest.hex()}.json"
    found, digest = verify(ref.path, read)
    assert (found.game, found.date, digest) == (MEGA_MILLIONS.name, DAY, ref.digest)
    assert found.answers == tuple(fetched)
    assert found.verdict == verdict_of(fetched)
    assert isinstance(found.verdict, Agreed)
    assert found.verdict.dissenting == ("texas",)
    assert found.verdict.draw.winning_number == 51


async def test_the_file_holds_every_byte_and_where_it_came_from(
    tmp_path: Path, fetched: list[Fetched]
) -> None:
    ref = await save(tmp_path, fetched)
    data = json.loads(ref.path.read_bytes())
    bodies = [base64.urlsafe_b64decode(a["body"]) for a in data["answers"]]
    assert bodies == [f.body for f in fetched]
    assert [a["source"] for a in data["answers"]] == ["megamillions", "texas", "california"]
    for answer, raw in zip(data["answers"], fetched, strict=True):
        assert (answer["url"], answer["at"], answer["status"]) == (raw.url, 1_787_108_400, 200)
        assert answer["answer"]["kind"] == "drawn"
    assert data["verdict"]["draw"] == {
        "date": "2026-08-18",
        "special": 12,
        "whites": [5, 19, 30, 38, 59],
    }


async def test_the_same_answers_give_the_same_file(tmp_path: Path, fetched: list[Fetched]) -> None:
    one, other = await save(tmp_path, fetched), await save(tmp_path, fetched)
    assert one == other
    assert [p.name for p in files_below(tmp_path)] == [one.path.name]
    assert (await save(tmp_path, fetched[::-1])).digest != one.digest


async def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    body = bytes(range(256))
    failed = Fetched("ny", "http://x/", 200, 7, body, Failed("ny", Failure.ENCODING, "not UTF-8"))
    late = Fetched("texas", "http://y/", None, 9, b"", Failed("texas", Failure.TIMEOUT, "15 s"))
    store = FileEvidence(tmp_path)
    verdict = decide([failed.answer, late.answer])
    ref = await store.save(POWERBALL, dt.date(2026, 8, 19), [failed, late], verdict)
    assert ref.path.name.startswith("9-")
    found, _ = verify(ref.path, read)
    assert found.answers == (failed, late)
    assert isinstance(found.verdict, Waiting)
    stored = json.loads(ref.path.read_bytes())["answers"]
    assert base64.urlsafe_b64decode(stored[0]["body"]) == body
    assert [told["answer"]["kind"] for told in stored] == ["encoding", "timeout"]
    assert stored[1]["status"] is None


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ({"texas": LIE, "california": Fault(FaultKind.DOWN)}, Disagreement),
        ({"texas": Fault(FaultKind.DOWN), "california": Fault(FaultKind.STATUS)}, Waiting),
        ({"texas": Fault(FaultKind.HTML)}, Agreed),
    ],
)
async def test_every_verdict_verifies(
    tmp_path: Path,
    publishers: Publishers,
    client: httpx.AsyncClient,
    faults: dict[str, Fault],
    kind: type[Verdict],
) -> None:
    for name, fault in faults.items():
        publishers.faults[name, "mega-millions"] = fault
    fetched = await Panel(build(publishers.urls, client), MEGA_MILLIONS, DAY).ask()
    found, _ = verify((await save(tmp_path, fetched)).path, read)
    assert isinstance(found.verdict, kind)
    assert found.verdict == verdict_of(fetched)


async def test_a_pending_answer_verifies_whatever_its_words(
    tmp_path: Path, fetched: list[Fetched]
) -> None:
    day = dt.date(2026, 8, 21)
    pending = [
        Fetched(f.source, f.url, f.status, f.at, b"null", Pending(f.source, "in other words"))
        for f in fetched
        if f.source == "california"
    ]
    ref = await FileEvidence(tmp_path).save(
        MEGA_MILLIONS, day, pending, decide([f.answer for f in pending])
    )
    found, _ = verify(ref.path, read)
    assert found.answers == tuple(pending)
    stored = json.loads(ref.path.read_bytes())["answers"]
    assert stored[0]["answer"] == {
        "kind": "pending",
        "source": "california",
        "why": "in other words",
    }


# ---- what does not verify


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file changed and renamed to fit, as somebody would who knows how it is made."""
    data = json.loads(path.read_bytes())
    change(data)
    content = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    forged = path.with_name(f"1-{keccak(content).hex()}.json")
    forged.write_bytes(content)
    return forged


def pending(source: str) -> dict[str, str]:
    return {"kind": "pending", "source": source, "why": ""}


def failed(source: str) -> dict[str, str]:
    return {"kind": "timeout", "source": source, "why": ""}


async def test_a_changed_byte_is_seen(tmp_path: Path, fetched: list[Fetched]) -> None:
    path = (await save(tmp_path, fetched)).path
    content = path.read_bytes()
    for position in range(0, len(content), 97):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(EvidenceError, match="was changed or renamed"):
            verify(path, read)
    path.write_bytes(content[:-1])
    with pytest.raises(EvidenceError, match="was changed or renamed"):
        verify(path, read)


async def test_a_renamed_file_is_seen(tmp_path: Path, fetched: list[Fetched]) -> None:
    path = (await save(tmp_path, fetched)).path
    with pytest.raises(EvidenceError, match="was changed or renamed"):
        verify(path.rename(path.with_name("1-00.json")), read)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d["answers"][0]["answer"]["draw"].update(special=13), "say: .*megamillions"),
        (lambda d: d["answers"][1]["answer"]["draw"].update(special=12), "say: .*texas"),
        (lambda d: d["answers"][1]["answer"]["draw"].update(date="2026-08-14"), "say: .*texas"),
        (lambda d: d["answers"][1]["answer"]["draw"].update(special="13"), "the form"),
        (lambda d: d["answers"][1]["answer"]["draw"]["whites"].reverse(), "the form"),
        (lambda d: d["answers"][1]["answer"]["draw"]["whites"].pop(), "is no evidence: .*whites"),
        (lambda d: d["answers"][0].update(answer=pending("megamillions")), "say: .*megamillions"),
        (lambda d: d["answers"][0].update(body=""), "say: .*megamillions"),
        (lambda d: d["answers"][0].update(status=500), "answered with status 500"),
        (lambda d: d["answers"][0].update(status=None), "answered with status None"),
        (lambda d: d["answers"][0].update(source="texas"), "one vote a source"),
        (lambda d: d["answers"][0].update(source="ny"), "say: .*ny"),
        (lambda d: d["answers"][0].update(source="idaho"), "no such source"),
        (lambda d: d["answers"][0]["answer"].update(source="ny"), "say: .*megamillions"),
        (lambda d: d["answers"][0]["answer"].update(kind="pending"), "is no evidence"),
        (lambda d: d["answers"][0]["answer"].update(kind="timeout"), "is no evidence"),
        (lambda d: d["answers"][0]["answer"].pop("kind"), "the form"),
        (lambda d: d["answers"].append(d["answers"][0]), "one vote a source"),
        (lambda d: d["answers"].pop(0), "the verdict"),
        (lambda d: d["answers"].reverse(), "the verdict"),
        (lambda d: d["verdict"].update(dissenting=[]), "the verdict"),
        (lambda d: d["verdict"]["draw"].update(special=1), "the verdict"),
        (lambda d: d.update(verdict={"missing": []}), "the verdict"),
        (lambda d: d.update(date="2026-08-14"), "say: .*megamillions"),
        (lambda d: d.update(date="yesterday"), "is no evidence"),
        (lambda d: d.update(game="keno"), "unknown game"),
        (lambda d: d.update(game="keno", answers=[]), "unknown game"),
        (lambda d: d.update(version=1), "is no evidence: .* version .* should be 2"),
        (lambda d: d.pop("version"), "the form"),
        (lambda d: d.update(more=1), "the form"),
        (lambda d: d["answers"][0].update(more=1), "the form"),
        (lambda d: d["answers"][0].update(at="1787108400"), "the form"),
        (lambda d: d.pop("verdict"), "is no evidence"),
        (lambda d: d.update(answers=7), "is no evidence"),
        (lambda d: d["answers"][0].update(body="%"), "is no evidence"),
        (lambda d: d["answers"][0].update(answer=failed("texas")), "say: .*megamillions"),
    ],
)
async def test_a_forgery_with_a_fitting_name_is_seen(
    tmp_path: Path, fetched: list[Fetched], change: Callable[[dict[str, Any]], object], why: str
) -> None:
    path = rewritten((await save(tmp_path, fetched)).path, change)
    with pytest.raises(EvidenceError, match=why) as told:
        verify(path, read)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 500


async def test_one_content_has_one_form(tmp_path: Path, fetched: list[Fetched]) -> None:
    data = json.loads((await save(tmp_path, fetched)).path.read_bytes())
    content = json.dumps(data, indent=1).encode()
    path = tmp_path / f"1-{keccak(content).hex()}.json"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match="not what its bodies say: the verdict, or the form"):
        verify(path, read)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"{", b"7", b"[" * 9999])
def test_what_is_no_evidence_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{keccak(content).hex()}.json"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match="is no evidence") as told:
        verify(path, read)
    assert str(told.value).isprintable()


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"cannot read .*: No such file"):
        verify(tmp_path / "1-00.json", read)
    with pytest.raises(EvidenceError, match=r"cannot read .*: Is a directory"):
        verify(tmp_path, read)


# ---- disks that fail


async def test_a_place_that_cannot_be_written(tmp_path: Path, fetched: list[Fetched]) -> None:
    kept = FileEvidence(tmp_path)
    (tmp_path / "evidence").rmdir()
    (tmp_path / "evidence").write_text("a file where the directory should be")
    with pytest.raises(EvidenceError, match=r"cannot keep evidence in .*: Not a directory") as e:
        await kept.save(MEGA_MILLIONS, DAY, fetched, verdict_of(fetched))
    assert "\n" not in str(e.value)
    with pytest.raises(ConfigError, match=r"LOTTOCHAIN_DATA_DIR: cannot write in .*/evidence: "):
        FileEvidence(tmp_path)  # one that starts says so at once


# A process that may write no more than some bytes to a file: what a full disk is to it.
_FULL = """
import asyncio, datetime, pathlib, sys
from keeper.domain.consensus import Pending, decide
from keeper.domain.draw import POWERBALL
from keeper.errors import EvidenceError
from keeper.ports import Fetched
from keeper.store.evidence import FileEvidence

answer = Pending("ny", "nothing yet")
said = Fetched("ny", "http://x/", 200, 1, b"x" * 100_000, answer)
store = FileEvidence(pathlib.Path(sys.argv[1]))
try:
    asyncio.run(store.save(POWERBALL, datetime.date(2026, 8, 19), [said], decide([answer])))
except EvidenceError as e:
    sys.exit(str(e))
"""


def test_a_full_disk_is_one_clear_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.returncode == 1
    assert run.stderr.startswith(f"cannot keep evidence in {tmp_path}/evidence/powerball/")
    assert run.stderr.rstrip().endswith(": File too large")
    assert run.stderr.count("\n") == 1
    assert files_below(tmp_path) == []


async def test_a_write_that_breaks_off_keeps_the_old_file(
    tmp_path: Path, fetched: list[Fetched], monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await save(tmp_path, fetched)

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(EvidenceError, match="Input/output error"):
        await save(tmp_path, fetched)
    assert verify(ref.path, read)[1] == ref.digest
    assert files_below(tmp_path) == [ref.path]


async def test_file_and_folders_are_synced_before_it_counts(
    tmp_path: Path, fetched: list[Fetched], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def watched(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    await save(tmp_path / "data", fetched)
    assert synced[0].endswith(".tmp")
    assert synced[1:] == ["2026-08-18", "mega-millions", "evidence", "data"]


async def test_the_encoding_is_the_documented_one(fetched: list[Fetched]) -> None:
    content = encode(Evidence("mega-millions", DAY, tuple(fetched), verdict_of(fetched)))
    assert content.isascii()
    again = json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"))
    assert again.encode() == content
    assert isinstance(fetched[0].answer, Drawn)
