"""The client's side of a websocket, as little of it as counting takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

# What every server sends: the keeper's own message of a bet. Its transaction's hash is when it
# was sent, by the machine's monotonic clock.
MARK = b'"BetPlaced"'
_SENT = re.compile(rb'"txHash":"0x([0-9a-f]{64})"')


def stamp(nanoseconds: int) -> str:
    """A transaction's hash that tells when it was sent."""
    return f"0x{nanoseconds:064x}"


def sent_at(data: bytes) -> int:
    """The time that `stamp` wrote, nanoseconds. Raises ValueError."""
    if not (found := _SENT.search(data)):
        raise ValueError("no time of sending in it")
    return int(found[1], 16)


def masked(payload: bytes, opcode: int = TEXT) -> bytes:
    """One frame as a client sends it, under a mask that changes nothing; up to 65,535 bytes."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size, 0, 0, 0, 0)) + payload
    return bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2) + bytes(4) + payload


def is_one_message(data: bytes) -> bool:
    """Whether this is one whole text frame of 126 to 65,535 bytes and nothing else."""
    return data[:2] == b"\x81\x7e" and len(data) == 4 + int.from_bytes(data[2:4])


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
