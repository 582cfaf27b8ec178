"""Evidence: what every source answered, byte for byte, on disk and hashed for the report.

A file is `<data_dir>/evidence/<game>/<date>/<unix seconds>-<digest>.json`. Its bytes are JSON
in one form only (sorted keys, no spaces, ASCII, bodies in the base64 of URLs), and the digest in
its name is keccak256 of exactly these bytes: what a report on the chain carries. So a file proves
itself by its name, and its name by the chain.
"""

import asyncio
import datetime as dt
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from eth_utils.crypto import keccak
from pydantic import ConfigDict, TypeAdapter

from keeper.domain.consensus import Answer, Failed, Verdict, decide
from keeper.domain.draw import Game, game_named
from keeper.errors import ConfigError, EvidenceError
from keeper.ports import EvidenceRef, Fetched

Read = Callable[[str, Game, dt.date, bytes], Answer]
"""What a source's body says of a draw: `keeper.sources.read`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a file holds, by these names and those of the records in it.

    An answer's `kind` is "drawn", "pending", or that of the failure.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    game: str
    date: dt.date
    answers: tuple[Fetched, ...]
    verdict: Verdict
    version: Literal[2] = 2


_FORM = TypeAdapter(Evidence)


class FileEvidence:
    """Keeps evidence in files below `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        """Raises ConfigError now, not after a draw, when nothing can be kept there."""
        self._root = data_dir / "evidence"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root):
                pass
        except OSError as e:
            why = f"LOTTOCHAIN_DATA_DIR: cannot write in {self._root}: {e.strerror}"
            raise ConfigError(why) from e

    async def save(
        self, game: Game, date: dt.date, fetched: Sequence[Fetched], verdict: Verdict
    ) -> EvidenceRef:
        """Writes a file that is whole and on the disk when this returns. Raises EvidenceError."""
        content = encode(Evidence(game.name, date, tuple(fetched), verdict))
        digest = keccak(content)
        at = max((f.at for f in fetched), default=0)
        path = self._root / game.name / str(date) / f"{at}-{digest.hex()}.json"
        try:
            await asyncio.to_thread(_write, path, content)
        except OSError as e:
            raise EvidenceError(f"cannot keep evidence in {path.parent}: {e.strerror or e}") from e
        return EvidenceRef(path, digest)


def verify(path: Path, read: Read) -> tuple[Evidence, bytes]:
    """Recomputes a file's digest, reads its raw bodies again and decides again. Gives both.

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
        told = _FORM.validate_json(content)
        game = game_named(told.game)
        answers = tuple(_again(game, told.date, fetched, read) for fetched in told.answers)
        again = replace(told, answers=answers, verdict=decide([f.answer for f in answers]))
        written = encode(again)
    except ValueError as e:
        why = " ".join(str(e).splitlines()[:3])  # pydantic tells what, where and why in three
        raise EvidenceError(f"{path.name} is no evidence: {why}") from e
    if written != content:  # something was forged, or was read leniently
        wrong = [f.source for f in answers if f not in told.answers] or "the verdict, or the form"
        raise EvidenceError(f"{path.name} is not what its bodies say: {wrong}")
    return again, digest


def encode(evidence: Evidence) -> bytes:
    """The canonical bytes of a piece of evidence."""
    plain = _FORM.dump_python(evidence, mode="json")
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def _again(game: Game, date: dt.date, fetched: Fetched, read: Read) -> Fetched:
    """With what the raw body says today; the words of a pending answer may be others."""
    answer = replace(fetched.answer, source=fetched.source)
    if not isinstance(answer, Failed):
        if fetched.status != 200:
            raise ValueError(f"{answer.source!r:.40} answered with status {fetched.status}")
        today = read(answer.source, game, date, fetched.body)
        answer = answer if today.kind == answer.kind == "pending" else today
    return replace(fetched, answer=answer)


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
