"""What a client may say on the websocket, checked field by field: all of it is hostile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from keeper.web.frames import Cursor

_CHANNEL = re.compile(
    r"market:(0x[\da-f]{40})|round:(0x[\da-f]{40}):([1-9]\d{0,17})", re.ASCII | re.IGNORECASE
)
_MAX_ID = 2**53  # what a JavaScript number can carry

Id = int | str | None


class Malformed(ValueError):
    """A message that cannot be obeyed.

    Attributes:
        code: what is wrong, for programs.
        id: of the message, when it had a sound one.
    """

    def __init__(self, code: str, why: str, id_: Id = None) -> None:
        super().__init__(why)
        self.code, self.id = code, id_


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Wants channels, each from a cursor on where `since` has one for it."""

    id: Id
    channels: tuple[str, ...]
    since: Mapping[str, Cursor]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Wants channels no more."""

    id: Id
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """Wants an answer."""

    id: Id


def parse(text: str) -> Subscribe | Unsubscribe | Ping:
    """Reads one message; fields that it does not know are passed over. Raises Malformed."""
    try:
        fields = orjson.loads(text)
    except ValueError:
        raise Malformed("bad_message", "this is not JSON") from None
    if not isinstance(fields, dict):
        raise Malformed("bad_message", "a message is a JSON object")
    id_ = _id(fields)
    match fields.get("op"):
        case "subscribe":
            channels = _channels(fields, id_)
            return Subscribe(id_, channels, _since(fields, channels, id_))
        case "unsubscribe":
            return Unsubscribe(id_, _channels(fields, id_))
        case "ping":
            return Ping(id_)
    raise Malformed("bad_op", "op is one of subscribe, unsubscribe, ping", id_)


def channel_parts(text: str) -> tuple[str, int | None]:
    """The market and, for a round's channel, the round that it names. Raises Malformed."""
    found = _CHANNEL.fullmatch(text)
    if not found:
        raise Malformed("bad_channel", "a channel is market:<address> or round:<address>:<id>")
    market, of_round, round_id = found.groups()
    return (market, None) if market else (of_round, int(round_id))


def same_channel(text: str) -> str:
    """One spelling for a channel however its address was capitalized."""
    return text.lower()


def _id(fields: dict[str, Any]) -> Id:
    id_ = fields.get("id")
    sound = (
        id_ is None
        or (isinstance(id_, str) and len(id_) <= 64)
        or (type(id_) is int and abs(id_) < _MAX_ID)
    )
    if not sound:
        raise Malformed("bad_message", "id is an integer or a string of at most 64 characters")
    return id_


def _channels(fields: dict[str, Any], id_: Id) -> tuple[str, ...]:
    channels = fields.get("channels")
    if not isinstance(channels, list) or not channels:
        raise Malformed("bad_message", "channels is a list of one name or more", id_)
    if not all(isinstance(channel, str) for channel in channels):
        raise Malformed("bad_message", "a channel is a string", id_)
    return tuple(dict.fromkeys(channels))


def _since(fields: dict[str, Any], channels: tuple[str, ...], id_: Id) -> dict[str, Cursor]:
    """Keyed by `same_channel`; one cursor given for the connection counts for each channel."""
    since = fields.get("since")
    if isinstance(since, str):
        since = dict.fromkeys(channels, since)
    try:
        cursors = {} if since is None else dict(since.items())
        return {same_channel(channel): Cursor.parse(text) for channel, text in cursors.items()}
    except (AttributeError, ValueError):
        raise Malformed("bad_cursor", "since is a cursor or an object of them", id_) from None
