"""Writes deployment records, which keeper.chain.records reads."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from keeper.chain import records
from keeper.chain.records import RecordError

_ROOM = 64 * 1024  # bytes: more than any record takes


def check_writable(chain_id: int, folder: Path | None = None) -> None:
    """Tries whether a market could be saved, before it is deployed. Raises RecordError."""
    path = records.record_path(chain_id, folder)
    if path.exists():
        records.load(chain_id, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(_ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise RecordError(f"cannot write deployment record {path}: {exc.strerror}") from exc


def save(chain_id: int, entry: dict[str, Any], folder: Path | None = None) -> Path:
    """Adds a market's entry to a chain's record, in place of an earlier one of its game; the file.

    The file is replaced at once: a reader sees the old one or the new. Raises RecordError.
    """
    path = records.record_path(chain_id, folder)
    markets: dict[str, Any] = {}
    if path.exists():
        records.load(chain_id, folder)  # what is malformed is left alone
        markets = json.loads(path.read_bytes())["markets"]
    markets[entry["arguments"]["game"]["name"]] = entry
    document = {"chainId": chain_id, "markets": dict(sorted(markets.items()))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, json.dumps(document, indent=2) + "\n")
    except OSError as exc:
        raise RecordError(f"cannot write deployment record {path}: {exc.strerror}") from exc
    return path


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
