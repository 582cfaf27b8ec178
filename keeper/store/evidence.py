"""Evidence: what every source answered, byte for byte, on disk and hashed for the report.

A file is `<data_dir>/evidence/<game>/<date>/<unix seconds>-<digest>.json`. Its bytes are JSON
in one form only (sorted keys, no spaces, ASCII, bodies in base64), and the digest in its name
is keccak256 of exactly these bytes: what a report on the chain carries. So a file proves itself
by its name, and its name by the chain.
"""

import asyncio
import base64
import datetime as dt
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from keeper.domain import consensus as c
from keeper.domain.consensus import Answer, Verdict, decide
from keeper.domain.draw import Draw, Game, game_named
from keeper.errors import EvidenceError
from keeper.ports import EvidenceRef, Fetched

VERSION = 1

Read = Callable[[str, Game, dt.date, bytes], Answer]
"""What a source's body says of a draw: `keeper.sources.read`."""


class FileEvidence:
    """Keeps evidence in files below `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "evidence"

    async def save(
        self, game: Game, date: dt.date, fetched: Sequence[Fetched], verdict: Verdict
    ) -> EvidenceRef:
        """Writes a file that is whole and on the disk when this returns. Raises EvidenceError."""
        content = encode(game, date, fetched, verdict)
        digest = keccak(content)
        at = max((f.at for f in fetched), default=0)
        path = self._root / game.name / str(date) / f"{at}-{digest.hex()}.json"
        try:
            await asyncio.to_thread(_write, path, content)
        except OSError as e:
            raise EvidenceError(f"cannot keep evidence in {path.parent}: {e.strerror or e}") from e
        return EvidenceRef(path, digest)


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that holds: its digest, and what follows from its raw bodies once more."""

    game: Game
    date: dt.date
    digest: bytes
    answers: tuple[Answer, ...]
    verdict: Verdict


def verify(path: Path, read: Read) -> Verified:
    """Recomputes a file's digest, reads its raw bodies again and decides again.

    A failed answer stays failed: what broke on the way is not in the body, and it is no vote.
    Raises EvidenceError: unreadable, changed, or not what follows from its bodies.
    """
    try:
        content = path.read_bytes()
    except OSError as e:
        raise EvidenceError(f"cannot read {path}: {e.strerror or e}") from e
    digest = keccak(content)
    if path.stem.rpartition("-")[2] != digest.hex():
        raise EvidenceError(f"{path.name} was changed or renamed: its digest is {digest.hex()}")
    try:
        data = json.loads(content)
        game, date = game_named(data["game"]), dt.date.fromisoformat(data["date"])
        answers = tuple(_again(game, date, entry, read) for entry in data["answers"])
        verdict = decide(answers)
        stated, follows = data["verdict"], _recorded(verdict)
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        raise EvidenceError(f"{path.name} is no evidence: {type(e).__name__}: {e}") from e
    if _canonical({**data, "version": VERSION}) != content:
        raise EvidenceError(f"{path.name} is not in the form of version {VERSION}")
    if stated != follows:
        raise EvidenceError(f"{path.name} states {stated}, its bodies say {follows}")
    return Verified(game, date, digest, answers, verdict)


def encode(game: Game, date: dt.date, fetched: Sequence[Fetched], verdict: Verdict) -> bytes:
    """The canonical bytes of a piece of evidence."""
    told = {"version": VERSION, "game": game.name, "date": date}
    return _canonical({**told, "answers": fetched, "verdict": verdict})


def _canonical(data: Any) -> bytes:
    return json.dumps(data, default=_plain, sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """What stands in a file for a value that JSON does not know."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case dt.date():
            return str(value)
        case Draw(date):
            return {"date": date, **value.plain()}
        case c.Failed(_, kind, why):
            return {"kind": "failed", "failure": kind, "why": why}
        case c.Waiting(missing):
            return {"kind": "waiting", "missing": [answer.source for answer in missing]}
        case c.Disagreement(answers):
            return {"kind": "disagreement", "sources": [answer.source for answer in answers]}
    told = {f.name: getattr(value, f.name) for f in fields(value)}
    if not isinstance(value, Fetched):  # in which the source of an answer is named already
        told = {"kind": type(value).__name__.lower(), **told}
        told.pop("source", None)
    return told


def _recorded(value: Answer | Verdict) -> Any:
    """A value as a file that is read again has it."""
    return json.loads(_canonical(value))


def _again(game: Game, date: dt.date, entry: Any, read: Read) -> Answer:
    """An answer as its raw body gives it today, which must be the one that was recorded."""
    source, recorded = entry["source"], entry["answer"]
    body = base64.b64decode(entry["body"], validate=True)
    if recorded["kind"] == "failed":
        return c.Failed(source, c.Failure(recorded["failure"]), recorded["why"])
    if entry["status"] != 200:
        raise ValueError(f"{source} answered with status {entry['status']}")
    answer = read(source, game, date, body)
    again = _recorded(answer)
    if again["kind"] != recorded["kind"] or again.get("draw") != recorded.get("draw"):
        raise ValueError(f"{source} is recorded as {recorded}, its body says {again}")
    return answer


def _write(path: Path, content: bytes) -> None:
    """A reader sees no file or the whole file, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        finally:  # it has another name by now, unless that failed
            Path(file.name).unlink(missing_ok=True)
    sync_folders(path, 4)  # <date>, <game>, evidence, data_dir


def sync_folders(path: Path, levels: int) -> None:
    """Makes the names of a new file and of the folders that it lies in outlast a power cut."""
    for directory in list(path.parents)[:levels]:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
