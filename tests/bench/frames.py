"""The client's side of a websocket, as little of it as counting takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

# In every message that is told there is when, by the machine's monotonic clock: as a sum of wei or
# as a transaction's hash, in digits that are always as many.
_SENT = re.compile(rb'"(?:volume":"|txHash":"0x0*)1([0-9]{20})"')


def stamp(nanoseconds: int) -> str:
    """A sum (wei) that tells when it was sent."""
    return f"1{nanoseconds:020}"


def sent_at(data: bytes) -> int | None:
    """The time that `stamp` wrote, nanoseconds; None where there is none."""
    found = _SENT.search(data)
    return int(found[1]) if found else None


def whole(payload: bytes) -> bytes:
    """One text frame as a server sends it; up to 65,535 bytes."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | TEXT, size)) + payload
    return bytes((0x80 | TEXT, 126)) + size.to_bytes(2) + payload


def masked(payload: bytes, opcode: int = TEXT) -> bytes:
    """One frame as a client sends it, under a mask that changes nothing; up to 65,535 bytes."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size, 0, 0, 0, 0)) + payload
    return bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2) + bytes(4) + payload


class Frames:
    """Cuts what a server sends into frames, wherever the network has cut it."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def idle(self) -> bool:
        """Whether the last frame was whole."""
        return not self._rest

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(opcode, payload) of every frame that is whole now."""
        data = self._rest + data
        at = 0
        while len(data) >= at + 2:
            size, head = data[at + 1], 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[at + 2 : at + head])
            if len(data) < at + head + size:
                break
            yield data[at] & 0x0F, data[at + head : at + head + size]
            at += head + size
        self._rest = data[at:]
