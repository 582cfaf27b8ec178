"""Writes deployment records, whose markets keeper.chain.records reads; reads their oracles."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from keeper.chain import records
from keeper.chain.records import RecordError

MARKET, ORACLE = "P2PLotteryBetting", "ResultOracle"

_ROOM = 64 * 1024  # bytes: more than any record takes


def check_writable(chain_id: int, folder: Path | None = None) -> None:
    """Tries whether an entry could be saved, before it is deployed. Raises RecordError."""
    _document(chain_id, folder)
    path = records.record_path(chain_id, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(_ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise RecordError(f"cannot write deployment record {path}: {exc.strerror}") from exc


def oracles(chain_id: int, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """The entries of the oracles deployed on a chain, by address. Raises RecordError."""
    return dict(_document(chain_id, folder).get("oracles", {}))


def save(chain_id: int, entry: dict[str, Any], folder: Path | None = None) -> Path:
    """Adds an entry to a chain's record; the file.

    A market takes the place of an earlier one of its game; an oracle stands by its address, for
    earlier ones serve the rounds that were opened with them. The file is replaced at once: a
    reader sees the old one or the new. Raises RecordError.
    """
    document = _document(chain_id, folder)
    if entry["contract"] == ORACLE:
        table, key = "oracles", entry["address"]
    else:
        table, key = "markets", entry["arguments"]["game"]["name"]
    document[table] = dict(sorted((document.get(table, {}) | {key: entry}).items()))
    path = records.record_path(chain_id, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, json.dumps(document, indent=2) + "\n")
    except OSError as exc:
        raise RecordError(f"cannot write deployment record {path}: {exc.strerror}") from exc
    return path


def _document(chain_id: int, folder: Path | None) -> dict[str, Any]:
    """A chain's whole record. What is malformed is left alone: RecordError."""
    path = records.record_path(chain_id, folder)
    if not path.exists():
        return {"chainId": chain_id, "markets": {}}
    records.load(chain_id, folder)
    document: dict[str, Any] = json.loads(path.read_bytes())
    found = document.get("oracles", {})
    if not isinstance(found, dict) or not all(isinstance(e, dict) for e in found.values()):
        raise RecordError(f"deployment record {path} is malformed: oracles: not a table of entries")
    return document


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
