"""The journal: every transaction of a key, written down before it is sent.

A file is `<data_dir>/journal/<chain id>-<account>.jsonl`: a JSON object a line, sorted keys, no
spaces, each with the keccak256 of the line before, so that no line can be changed or left out
without all later ones telling. Lines are only ever added. What they tell, by `event`:

intent   a transaction was signed and may be sent from now on; with its bytes, so that a keeper
         that comes back can send the very same again, or another with the same nonce
mined    one of the nonce's transactions is in a block
lost     the nonce was used by a transaction that is not in here, or can no longer do anything
refused  no node took it
"""

import asyncio
import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from keeper.errors import ConfigError, JournalError
from keeper.ports import Intent
from keeper.store.evidence import sync_folders

_START = "0x" + "00" * 32
_TOLD = {"seq": int, "prev": str, "at": int, "event": str, "nonce": int}
_INTENT = _TOLD | {field.name: field.type for field in fields(Intent)}


@dataclass(slots=True)
class Story:
    """What the lines tell.

    Attributes:
        entries: all of them, in order.
        live: the signed transactions of the nonce whose end is not told yet.
        last: the hash of the last line, which the next one names.
        size: bytes of all of them.
        torn: bytes after them that were not written to their end, and do not count.
    """

    entries: list[dict[str, Any]]
    live: list[Intent]
    last: str
    size: int = 0
    torn: int = 0

    def take(self, line: bytes) -> None:
        """The next line, without its end. Raises ValueError when it is not the next one."""
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or _line(entry) != line:
            raise ValueError("it is not in the form that is written")
        told = _INTENT if entry.get("event") == "intent" else _TOLD
        if wrong := [name for name, kind in told.items() if type(entry.get(name)) is not kind]:
            raise ValueError(f"{wrong[0]} is missing, or of another type")
        if (entry["seq"], entry["prev"]) != (len(self.entries), self.last):
            raise ValueError("it does not follow from the one before")
        if not 0 <= entry["at"] < 1 << 33:  # the year 2242
            raise ValueError("it is of no time")
        if self.live and entry["nonce"] != self.live[0].nonce:
            raise ValueError(f"nonce {self.live[0].nonce} was still open")
        if entry["event"] == "intent":
            self.live.append(Intent(**{name: entry[name] for name in Intent.__slots__}))
        elif entry["event"] in ("mined", "lost", "refused") and self.live:
            self.live.clear()
        else:
            raise ValueError(f"nothing was open that could be {entry['event']!r:.20}")
        self.entries.append(entry)
        self.last = f"0x{keccak(line).hex()}"
        self.size += len(line) + 1


class FileJournal:
    """The journal of one key on one chain, open for one keeper alone."""

    def __init__(self, data_dir: Path, chain_id: int, account: str) -> None:
        """Raises ConfigError: it cannot be opened; JournalError: it was changed, or is in use."""
        self.path = data_dir / "journal" / f"{chain_id}-{account}.jsonl"
        with contextlib.ExitStack() as on_failure:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = on_failure.enter_context(self.path.open("a+b", buffering=0))
                sync_folders(self.path, 2)
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._story = _read(self.path)
                # What was not written to its end was not acted upon either.
                self._file.truncate(self._story.size)
            except BlockingIOError:
                why = f"another keeper with the same key writes {self.path}"
                raise JournalError(f"{why}: each needs a data folder of its own") from None
            except OSError as exc:
                why = f"cannot open {self.path}: {exc.strerror}"
                raise ConfigError(f"LOTTOCHAIN_DATA_DIR: {why}") from exc
            on_failure.pop_all()

    @property
    def live(self) -> tuple[Intent, ...]:
        """The transactions of the nonce whose end is not known yet, oldest first."""
        return tuple(self._story.live)

    async def intend(self, intent: Intent) -> None:
        """Once this returns the transaction may be sent. Raises JournalError."""
        await self._add("intent", **asdict(intent))

    async def end(self, event: str, **what: Any) -> None:
        """What became of the live nonce: "mined", "lost" or "refused". Raises JournalError."""
        await self._add(event, nonce=self._story.live[0].nonce, **what)

    def close(self) -> None:
        """Lets another keeper have it."""
        self._file.close()

    async def _add(self, event: str, **what: Any) -> None:
        chained = {"seq": len(self._story.entries), "prev": self._story.last}
        line = _line({**chained, "at": int(time.time()), "event": event, **what})
        try:
            await asyncio.to_thread(self._write, line)
        except OSError as exc:
            raise JournalError(f"cannot write {self.path}: {exc.strerror}") from exc

    def _write(self, line: bytes) -> None:
        """In a thread, which goes on to its end whoever stops waiting for it."""
        left = memoryview(line + b"\n")
        try:
            self._file.truncate(self._story.size)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(self._story.size)
            raise
        self._story.take(line)


def verify(path: Path) -> Story:
    """Reads a journal and checks that each line follows from the one before.

    A keeper that has sent nothing has an empty one. Raises JournalError, which names the first
    line that does not follow, or says that no line is whole.
    """
    try:
        story = _read(path)
    except OSError as exc:
        raise JournalError(f"cannot read {path}: {exc.strerror}") from exc
    if story.torn and not story.entries:
        raise JournalError(f"{path} is no journal, or one without a whole line")
    return story


def _read(path: Path) -> Story:
    """What a file tells."""
    if not path.is_file():
        raise JournalError(f"{path} is no file")
    *lines, torn = path.read_bytes().split(b"\n")
    story = Story([], [], _START, torn=len(torn))
    for number, line in enumerate(lines, 1):
        try:
            story.take(line)
        except ValueError as exc:
            raise JournalError(f"{path} was changed at line {number}: {exc}") from exc
    return story


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
