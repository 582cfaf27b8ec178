"""What server and client say to each other on the websocket.

What the server says is bytes, ready for the wire: a message is encoded once and its frame built
once, every client gets the same. What a client says is checked field by field: all of it is
hostile.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Annotated, Any, Literal, NamedTuple, Self

import orjson
from pydantic import BaseModel, FailFast, Field, PlainValidator, ValidationError
from websockets.frames import Frame, Opcode

_CURSOR = re.compile(r"(\d{1,15}):([^:]{0,80}):(\d{1,15})(?::(\d{1,15}))?", re.ASCII)
_CODES: dict[int | str, str] = {"op": "bad_op", "since": "bad_cursor"}
_WANTED: dict[int | str, str] = {
    "message": "an object of JSON",
    "id": "a whole number of less than 2^53, or at most 64 characters",
    "op": "subscribe, unsubscribe or ping",
    "channels": "a list of one name or more",
    "since": "a cursor that was told, or an object with one for each channel; or leave it out",
}


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
        part: of what a channel is told of one log, counted from 0.
    """

    block: int
    log_index: int = 2**32 - 1  # no log has so high a one
    hash: str = ""
    part: int = 0

    def __str__(self) -> str:
        part = f":{self.part}" if self.part else ""
        return f"{self.block}:{self.hash}:{self.log_index}{part}"

    @classmethod
    def parse(cls, text: object) -> Self:
        """Reads what `str` wrote. Raises ValueError."""
        if not (found := _CURSOR.fullmatch(str(text))):
            raise ValueError("not a cursor of this server")
        return cls(int(found[1]), int(found[3]), found[2], int(found[4] or 0))


# ---- what the server says


PING = Frame(Opcode.PING, b"").serialize(mask=False)


def message(kind: str, **fields: Any) -> bytes:
    """A JSON message as a frame; a field may be a function of nothing that tells it."""
    data = orjson.dumps({"type": kind, **fields}, default=lambda tell: tell())
    return Frame(Opcode.TEXT, data).serialize(mask=False)


def error(code: str, text: str, *, retryable: bool = False, **about: Any) -> bytes:
    """What went wrong: with a message (`id`), with a `channel` or with the connection."""
    told = {"id": None, "code": code, "message": text, "retryable": retryable}
    return message("error", **told | about)


# ---- what a client says


class Refused(Exception):
    """The connection has to end, for the reason that is the only argument, a `Close`."""


class Malformed(ValueError):
    """What cannot be obeyed.

    Attributes:
        code: what is wrong, for programs.
        id: of the message, when it had a sound one.
    """

    def __init__(self, code: str, why: str, id_: Any = None) -> None:
        super().__init__(why)
        self.code, self.id = code, id_


_Number = Annotated[int, Field(gt=-(2**53), lt=2**53)]  # what JavaScript can carry


def _since(value: Any) -> dict[str, Cursor] | Cursor | None:
    """Stops at the first that is no cursor: there may be many."""
    if isinstance(value, dict):
        return {channel.lower(): Cursor.parse(text) for channel, text in value.items()}
    return None if value is None else Cursor.parse(value)


class Wish(BaseModel, strict=True, frozen=True):
    """What a client wants; fields that are not known are passed over.

    Attributes:
        id: comes first, so that errors in the other fields can name it.
        since: the cursor from which on it wants its channels, one for all or one for each.
    """

    id: _Number | Annotated[str, Field(max_length=64)] | None = None
    op: Literal["subscribe", "unsubscribe", "ping"]
    channels: Annotated[list[str], FailFast()] = []
    since: Annotated[dict[str, Cursor] | Cursor | None, PlainValidator(_since)] = None

    @property
    def cursors(self) -> list[Cursor]:
        """All that it gives."""
        if isinstance(self.since, dict):
            return list(self.since.values())
        return [self.since] if self.since else []

    def since_of(self, channel: str) -> Cursor | None:
        """The cursor for a channel, however its address was capitalized."""
        return self.since.get(channel.lower()) if isinstance(self.since, dict) else self.since


def parse(text: str | bytes) -> Wish:
    """Reads one message. Raises Malformed."""
    try:
        fields = orjson.loads(text)
        wish = Wish.model_validate(fields)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]  # in the order of the fields
        what = first["loc"][0] if first["loc"] else "message"
        id_ = None if what in ("message", "id") else fields.get("id")
        raise Malformed(_CODES.get(what, "bad_message"), f"{what}: {_WANTED[what]}", id_) from None
    except ValueError:
        raise Malformed("bad_message", "this is not JSON") from None
    if wish.op != "ping" and not wish.channels:
        raise Malformed("bad_message", f"channels: {_WANTED['channels']}", wish.id)
    return wish
