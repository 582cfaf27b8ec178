"""What the server says on the websocket, as bytes that are ready for the wire.

A message is encoded once and its frame built once; every client gets the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple, Self

import orjson

PROTOCOL = 1
TEXT, PONG = 0x1, 0xA
_WHOLE_BLOCK = 2**32 - 1  # no log has so high an index
_CURSOR = re.compile(r"(\d{1,15}):([^:]{0,80}):(\d{1,15})", re.ASCII)


class Close(IntEnum):
    """Why the server ends a connection: its close code, its name in lower case the error code.

    From 4000 on a client must not try the same again; from 4200 on it may, after a while.
    """

    MESSAGE_TOO_BIG = 4000
    TOO_MANY_CHANNELS = 4001
    STARTING = 4200  # the chain is still being read
    SHUTDOWN = 4201
    TOO_MANY_CONNECTIONS = 4202
    TOO_MANY_FROM_ADDRESS = 4203
    TOO_MANY_MESSAGES = 4204
    NO_SUBSCRIPTION = 4205
    INTERNAL = 4206


class Cursor(NamedTuple):
    """A place in the chain's log: everything up to here is known. Those of one chain compare.

    Attributes:
        log_index: of the log within its block; by default the whole block is meant.
        hash: of the block.
    """

    block: int
    log_index: int = _WHOLE_BLOCK
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.block}:{self.hash}:{self.log_index}"

    @classmethod
    def parse(cls, text: object) -> Self:
        """Reads what `str` wrote. Raises ValueError."""
        found = _CURSOR.fullmatch(str(text))
        if not found:
            raise ValueError("not a cursor of this server")
        return cls(int(found[1]), int(found[3]), found[2])


class Delta(NamedTuple):
    """One event of the chain as its channels tell it.

    Attributes:
        told: the message, but for what differs from channel to channel and from time to time.
    """

    cursor: Cursor
    channels: list[str]
    told: Mapping[str, Any]

    def frame(self, channel: str, finalized: int | None) -> bytes:
        """The event for one channel, `finalized` being the newest block that cannot change."""
        final = finalized is not None and self.cursor.block <= finalized
        return message({**self.told, "channel": channel, "final": final})


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One whole unmasked websocket frame, as a server sends it (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8) + payload


def message(fields: Mapping[str, Any]) -> bytes:
    """A JSON message as a frame."""
    return frame(orjson.dumps(fields))


def error(code: str, text: str, *, retryable: bool = False, **about: Any) -> bytes:
    """What went wrong: with a message (`id`), with a `channel` or with the connection."""
    told = {"type": "error", "id": None, "code": code, "message": text, "retryable": retryable}
    return message(told | about)
