"""What the server says on the websocket, as bytes that are ready for the wire.

A message is encoded once and its frame built once; every client gets the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import orjson

PROTOCOL = 1
TEXT, PONG = 0x1, 0xA
_WHOLE_BLOCK = 2**32 - 1  # no log has so high an index


class Close(IntEnum):
    """Why the server ends a connection: its close code, its name in lower case the error code.

    From 4000 on a client must not try the same again; from 4200 on it may, after a while.

    Attributes:
        text: the same for people.
    """

    text: str

    MESSAGE_TOO_BIG = 4000, "a message is too big"
    TOO_MANY_CHANNELS = 4001, "too many channels on one connection"
    STARTING = 4200, "the server is still reading the chain"
    SHUTDOWN = 4201, "the server is shutting down"
    TOO_MANY_CONNECTIONS = 4202, "the server is full"
    TOO_MANY_FROM_ADDRESS = 4203, "too many connections from this address"
    TOO_MANY_MESSAGES = 4204, "too many messages a second"
    NO_SUBSCRIPTION = 4205, "nothing was subscribed to in time"
    INTERNAL = 4206, "something went wrong here"

    def __new__(cls, value: int, text: str) -> Self:
        """A close code with its text."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    @property
    def code(self) -> str:
        """The error code that is sent before the connection ends."""
        return self.name.lower()

    @property
    def retryable(self) -> bool:
        """Whether a client may come back."""
        return self >= 4200


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the chain's log: everything up to here is known.

    Attributes:
        index: of the log within its block; by default the whole block is meant.
        hash: of the block.
    """

    block: int
    index: int = _WHOLE_BLOCK
    hash: str = ""

    @property
    def place(self) -> tuple[int, int]:
        """What orders cursors of one chain."""
        return self.block, self.index

    def __str__(self) -> str:
        return f"{self.block}:{self.hash}:{self.index}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str` wrote. Raises ValueError."""
        block, hash_, index = text.split(":")
        if not (text.isascii() and block.isdigit() and index.isdigit() and len(text) < 120):
            raise ValueError(text)
        return cls(int(block), int(index), hash_)


@dataclass(frozen=True, slots=True)
class Delta:
    """One event of the chain as its channels tell it.

    Attributes:
        data: the event's values as JSON, encoded once for all channels.
        block_time: unix seconds UTC.
    """

    cursor: Cursor
    channels: tuple[str, ...]
    name: str
    data: bytes
    tx_hash: str
    block_time: int

    def frame(self, channel: str, finalized: int | None) -> bytes:
        """The event for one channel, `finalized` being the newest block that cannot change."""
        return message(
            {
                "type": "event",
                "channel": channel,
                "cursor": str(self.cursor),
                "event": self.name,
                "data": orjson.Fragment(self.data),
                "blockNumber": self.cursor.block,
                "blockHash": self.cursor.hash,
                "blockTime": self.block_time,
                "txHash": self.tx_hash,
                "logIndex": self.cursor.index,
                "final": finalized is not None and self.cursor.block <= finalized,
                "removed": False,
            }
        )


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


def error(
    code: str, text: str, *, retryable: bool, id_: int | str | None = None, channel: str = ""
) -> bytes:
    """What went wrong with a message, with a channel or with the connection."""
    fields = {"type": "error", "id": id_, "code": code, "message": text, "retryable": retryable}
    return message(fields | {"channel": channel} if channel else fields)
