"""The journal: chained, whole or not at all, and one live nonce at most."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_utils.crypto import keccak

from keeper.__main__ import main
from keeper.errors import ConfigError, JournalError, KeeperError
from keeper.ports import Intent
from keeper.store.journal import FileJournal, verify
from tests.keeper.chainfixtures import KEEPER, ROOT

ONE = Intent(7, "lockRound", "0xAA", "0x01", 50_000, 9, 2, "0x11", "0x02ff")
DEARER = replace(ONE, max_fee=11, tip=3, hash="0x12", raw="0x02fe")
NEXT = replace(ONE, nonce=8, function="settle", hash="0x13")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[FileJournal]:
    with contextlib.closing(FileJournal(folder, 31337, KEEPER)) as journal:
        yield journal


def handle(path: Path) -> int:
    """Under which number this process has the file open."""
    (found,) = (int(fd.name) for fd in Path("/proc/self/fd").iterdir() if fd.resolve() == path)
    return found


async def written(folder: Path) -> Path:
    """A nonce replaced and mined, one refused, one that is live."""
    with opened(folder) as journal:
        await journal.intend(ONE)
        await journal.intend(DEARER)
        await journal.end("mined", hash=DEARER.hash, block=5, status=1)
        await journal.intend(NEXT)
        await journal.end("refused", why="no room")
        await journal.intend(NEXT)
    return journal.path


async def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    path = await written(tmp_path)
    assert path == tmp_path / "journal" / f"31337-{KEEPER}.jsonl"
    told = [(e["event"], e["nonce"]) for e in verify(path).entries]
    ends = [("mined", 7), ("intent", 8), ("refused", 8), ("intent", 8)]
    assert told == [("intent", 7), ("intent", 7), *ends]
    with opened(tmp_path) as again:
        assert again.live == (NEXT,)
        await again.end("lost", why="another")
        assert again.live == ()


async def test_each_line_names_the_hash_of_the_one_before(tmp_path: Path) -> None:
    lines = (await written(tmp_path)).read_bytes().split(b"\n")[:-1]
    before = "0x" + "00" * 32
    for number, line in enumerate(lines):
        assert (json.loads(line)["seq"], json.loads(line)["prev"]) == (number, before)
        before = f"0x{keccak(line).hex()}"


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("how", ["changed", "left out", "spaced", "twice"])
async def test_a_change_is_found(tmp_path: Path, number: int, how: str) -> None:
    path = await written(tmp_path)
    lines = path.read_bytes().split(b"\n")[:-1]
    match how:
        case "changed":
            lines[number] = lines[number].replace(b'"at":1', b'"at":2')
        case "left out":
            del lines[number]
        case "spaced":
            lines[number] = lines[number].replace(b",", b", ", 1)
        case "twice":
            lines.insert(number, lines[number])
    path.write_bytes(b"\n".join(lines) + b"\n")
    if how in ("changed", "left out") and number == 5:
        # Nothing follows the last line: whoever can write the file can write its end anew.
        assert len(verify(path).entries) == len(lines)
        return
    first = number + 1 + (how in ("changed", "twice"))
    with pytest.raises(JournalError, match=f"was changed at line {first}: "):
        verify(path)
    with pytest.raises(JournalError, match="was changed at line"), opened(tmp_path):
        pass


@pytest.mark.parametrize("left", [1, 40, -1])
async def test_a_line_that_was_not_written_to_its_end_never_was(tmp_path: Path, left: int) -> None:
    path = await written(tmp_path)
    whole = path.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    path.write_bytes(whole[:last] + whole[last:][:left])
    with opened(tmp_path) as again:
        assert again.live == ()
        assert path.read_bytes() == whole[:last]
        await again.intend(NEXT)
    assert len(verify(path).entries) == 6


async def test_the_command_tells_the_story_or_what_was_changed(tmp_path: Path) -> None:
    path = await written(tmp_path)
    told = CliRunner().invoke(main, ["journal", "verify", str(path)])
    assert told.exit_code == 0
    lines = told.output.splitlines()
    whats = [re.split("  +", line)[-1] for line in lines[1:-1]]
    assert whats[0] == "function lockRound, gas 50000, hash 0x11, max_fee 9, tip 2, to 0xAA"
    assert whats[2] == "block 5, hash 0x12, status 1"
    assert whats[4] == "why no room"
    digest = keccak(path.read_bytes().split(b"\n")[-2]).hex()
    assert lines[-1] == f"holds: 6 lines, keccak256 of the last 0x{digest}; nonce 8 is still open"
    path.write_bytes(path.read_bytes().replace(b"lockRound", b"voidRound", 1))
    told = CliRunner().invoke(main, ["journal", "verify", str(path)])
    assert told.exit_code == 1
    assert told.output == (
        f"keeper: {path} was changed at line 2: it does not follow from the one before\n"
    )


@pytest.mark.parametrize(
    ("event", "nonce", "why"),
    [
        ("intent", 9, "nonce 8 was still open"),
        ("mined", 7, "nonce 8 was still open"),
        ("won", 8, "nothing was open that could be 'won'"),
    ],
)
async def test_what_cannot_come_next_is_told(
    tmp_path: Path, event: str, nonce: int, why: str
) -> None:
    """Two nonces are never live, and one ends in one of three ways."""
    path = await written(tmp_path)
    content = path.read_bytes()
    last = content.split(b"\n")[-2]
    told = json.loads(last) | {"seq": 6, "prev": f"0x{keccak(last).hex()}"}
    told |= {"event": event, "nonce": nonce}
    line = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    path.write_bytes(content + line + b"\n")
    with pytest.raises(JournalError, match=f"line 7: {why}"):
        verify(path)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("max_fee", "much", "max_fee is missing, or of another type"),
        ("nonce", True, "nonce is missing, or of another type"),
        ("function", 1, "function is missing, or of another type"),
        ("at", "soon", "at is missing, or of another type"),
        ("at", -1, "it is of no time"),
        ("at", 10**30, "it is of no time"),
        ("event", "mined", "nothing was open that could be 'mined'"),
    ],
)
async def test_a_chain_of_nonsense_is_told_in_one_line(
    tmp_path: Path, name: str, value: object, why: str
) -> None:
    """Whoever writes a file anew can chain its lines, too."""
    path = await written(tmp_path)
    first = json.loads(path.read_bytes().split(b"\n")[0]) | {name: value}
    line = json.dumps(first, sort_keys=True, separators=(",", ":")).encode()
    path.write_bytes(line + b"\n")
    told = CliRunner().invoke(main, ["journal", "verify", str(path)])
    assert (told.exit_code, told.output) == (
        1,
        f"keeper: {path} was changed at line 1: {why}\n",
    )


def test_the_journal_of_a_keeper_that_has_sent_nothing_is_empty(tmp_path: Path) -> None:
    FileJournal(tmp_path, 1, "0xabc").close()
    told = CliRunner().invoke(main, ["journal", "verify", *map(str, tmp_path.rglob("*.jsonl"))])
    assert told.exit_code == 0
    assert re.search(r"holds: 0 lines, .* nothing is open\n$", told.output)


@pytest.mark.parametrize("content", [b"half a line", b"{}"])
def test_what_has_no_whole_line_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="is no journal, or one without a whole line"):
        verify(path)


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b"1", b"\xff", b'{"event":"intent"}'])
def test_what_is_no_line_of_a_journal_is_told_in_our_words(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(line + b"\n")
    with pytest.raises(JournalError) as told:
        verify(path)
    ours = "it is not in the form that is written", "seq is missing, or of another type"
    assert str(told.value) in [f"{path} was changed at line 1: {why}" for why in ours]


async def test_a_torn_end_is_told(tmp_path: Path) -> None:
    path = await written(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    told = CliRunner().invoke(main, ["journal", "verify", str(path)])
    assert told.exit_code == 0
    assert re.search(
        r"holds: 5 lines, .* nothing is open; \d+ bytes after it were not", told.output
    )


def test_one_keeper_a_journal(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from keeper.store.journal import FileJournal;"
        f"FileJournal(Path({str(tmp_path)!r}), 31337, {KEEPER!r}).close()"
    )
    start = partial(subprocess.run, [sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    with opened(tmp_path):
        assert b"another keeper with the same key writes" in start().stderr
    start(check=True)


async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    path = await written(tmp_path)
    before = path.read_bytes()
    with opened(tmp_path) as journal:
        number = handle(path)
        kept, full = os.dup(number), os.open("/dev/full", os.O_RDWR)
        os.dup2(full, number)
        with pytest.raises(JournalError, match="cannot write"):
            await journal.end("lost", why="whatever")
        assert journal.live == (NEXT,)
        os.dup2(kept, number)
        os.close(kept)
        os.close(full)
        assert path.read_bytes() == before
        await journal.end("lost", why="now there is room")
    assert verify(path).entries[-1]["event"] == "lost"


@pytest.mark.parametrize(
    ("place", "error", "why"),
    [
        ("/dev/full", JournalError, "is no file"),
        ("/proc/nowhere", ConfigError, "LOTTOCHAIN_DATA_DIR: cannot open"),
    ],
)
def test_what_is_no_file_is_no_journal(
    tmp_path: Path, place: str, error: type[KeeperError], why: str
) -> None:
    path = tmp_path / "journal" / f"31337-{KEEPER}.jsonl"
    path.parent.mkdir()
    path.symlink_to(place)
    with pytest.raises(error, match=why), opened(tmp_path):
        pass
