"""The load client: thousands of websocket readers that only count.

`python -m tests.bench.load SERVER CHANNEL PORT...`, the same for every server; of several
instances each gets its share of the readers. Obeys lines of JSON on its input, answers with lines
of JSON, and ends with its input.

The whole of it is one loop over what the kernel says is ready, with as little Python for each
delivery as there can be, so that it is the server that is measured. A message has reached a reader
when there is something to read for it; that is read a little later, first come first read, and
compared with the message byte by byte. If it is another, the reader goes on lacking it.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from tests.bench.frames import CLOSE, PING, PONG, TEXT, Frames, masked, sent_at, whole

_AT_ONCE = 100  # connections that are being opened
_PATIENCE = 50  # seconds in which something must come that is owed: less than who asks us has
_MANY = 256  # readers for which is read before another look; if more had come, looking is first
_PAUSE = 50e-9  # seconds a reader, see `turn`
_MOST = 2**16  # bytes of one read
_COMES = select.EPOLLIN | select.EPOLLET  # told of once, which spares the kernel a second look
_ORDERS = 0  # the input, among the readers' sockets
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Of each server: where its websocket is; what it says and what it is answered; and what it says
# when all that was asked for is there.
_PATHS = {"keeper": "/ws", "socketio": "/socket.io/?EIO=4&transport=websocket", "ws": "/"}
_ANSWERS = {
    "keeper": {b'{"type":"hello"': b'{"op":"subscribe","id":1,"channels":["%s"]}'},
    "socketio": {b"0{": b"40", b"2": b"3"},  # engine.io: opened, are you there
    "ws": {},
}
_READY = {"keeper": b'{"type":"snapshot"', "socketio": b"40", "ws": None}


class Lost(Exception):
    """Not every reader has just what was told: nothing can be measured."""


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


class Reader:
    """A websocket client that is subscribed and reads.

    Attributes:
        socket: connected. By its methods what is owed is waited for, with patience.
        counts: whether it is to have every message; else it need not read.
        ready: whether it is subscribed.
    """

    __slots__ = ("_channel", "_frames", "_server", "counts", "ready", "socket")

    def __init__(
        self, own: socket.socket, server: str, channel: str, *, counts: bool = True
    ) -> None:
        self.socket, self.counts, self.ready = own, counts, _READY[server] is None
        self._server, self._channel, self._frames = server, channel.encode(), Frames()
        own.settimeout(_PATIENCE)  # so `turn` never waits, which reads by the number alone
        own.sendall(_HANDSHAKE.format(path=_PATHS[server]).encode())

    def open(self) -> None:
        """Waits until it is subscribed. Raises Lost."""
        head, ended, rest = b"", b"", b""
        while not ended:
            if not (data := self._read()):
                raise Lost("the server closed a connection")
            head, ended, rest = (head + data).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise Lost(head[:80].decode())
        while rest or not self.ready:
            if any(self.hear(rest or self._read())):
                raise Lost("a message came before there was one")
            rest = b""

    def hear(self, data: bytes) -> Iterator[bytes]:
        """Of what came the messages that were told; what is cut is waited for. Raises Lost."""
        while True:
            if not data:
                raise Lost("the server closed a connection")
            for opcode, payload in self._frames.feed(data):
                if opcode == TEXT and sent_at(payload) is not None:
                    yield payload
                else:
                    self._answer(opcode, payload)
            if self._frames.idle:
                return
            data = self._read()

    def stall(self, *, on: bool) -> None:
        """Whether the kernel, too, takes little."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096 if on else 2**20)

    def _answer(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.socket.sendall(masked(payload, PONG))
        elif opcode == CLOSE:
            raise Lost("the server closed a connection")
        elif opcode == TEXT:
            for start, answer in _ANSWERS[self._server].items():
                if payload.startswith(start):
                    self.socket.sendall(masked(answer.replace(b"%s", self._channel)))
            ready = _READY[self._server]
            self.ready = self.ready or bool(ready and payload.startswith(ready))

    def _read(self) -> bytes:
        try:
            return self.socket.recv(_MOST)
        except TimeoutError:
            raise Lost(f"part of a frame did not come within {_PATIENCE} s") from None


class Tally:
    """Who has the message that is being told.

    Attributes:
        readers: all who are to have every message, by their sockets' numbers.
        missing: those of them who do not have it yet.
        frame: the message as it is on the wire.
        sent: when it was sent (nanoseconds), 0 once all have it.
    """

    def __init__(self) -> None:
        self.readers: set[int] = set()
        self.missing: set[int] = set()
        self.frame, self.sent = bytes(_MOST), 0  # at first nothing that a server sends

    def take(self, reader: int, payload: bytes) -> None:
        """One delivery; the first to any reader is what all others must be like. Raises Lost."""
        frame = whole(payload)
        if not self.sent and frame != self.frame:
            self.frame, self.sent = frame, sent_at(payload) or 0
            self.missing |= self.readers
        if frame != self.frame:
            raise Lost("a reader has another message than the others")
        if reader not in self.missing:
            raise Lost("a reader has a message twice")
        self.missing.remove(reader)


class Load:
    """What is connected to a server, or to its instances in turn.

    Attributes:
        orders: lines of the input that are to be obeyed.
        ended: whether no more will come.
    """

    def __init__(self, server: str, channel: str, ports: Sequence[int]) -> None:
        self.tally, self.orders, self.ended = Tally(), list[bytes](), False
        self._server, self._channel, self._ports = server, channel, itertools.cycle(ports)
        self._readers: dict[int, Reader] = {}
        self._arrived: dict[int, None] = {}  # readers that have something to read, first come first
        self._poll, self._pause, self._line = select.epoll(), 0.0, b""
        self._poll.register(_ORDERS, select.EPOLLIN)

    def turn(self, wait: float | None = None) -> None:
        """Notes to whom something has come; tells when all have the message. Raises Lost, OSError.

        While it is on its way to some, what comes is left to gather for a moment, so that not every
        delivery has to wake this process: a hundredth, or less, of what telling all takes.
        """
        tally, arrived = self.tally, self._arrived
        missing = tally.missing
        if missing:
            time.sleep(self._pause)
        ready = self._poll.poll(0 if arrived else _PATIENCE if missing else wait)
        if missing and not ready and not arrived:
            raise Lost(f"{len(missing)} of {len(tally.readers)} readers lack a message")
        for fd, _ in ready:
            if fd in missing:
                missing.remove(fd)
                arrived[fd] = None
            elif fd not in arrived:
                self._unusual(fd)
        if missing and len(ready) >= _MANY:
            return
        at = time.monotonic_ns()
        for fd in [*itertools.islice(arrived, _MANY if missing else None)]:
            self._compare(fd)
        if tally.sent and not missing:
            say(told=[tally.sent, (at - tally.sent) / 1e6])
            tally.sent = 0

    def join(self, reader: Reader) -> None:
        """From now on it is read from."""
        fd = reader.socket.fileno()
        self._readers[fd] = reader
        if reader.counts:
            self.tally.readers.add(fd)
        self._poll.register(fd, _COMES)

    # ---- what is ordered

    def connect(self, readers: int, apart: int = 0) -> None:
        """So many readers that count, and some apart that need not read. Raises Lost, OSError."""
        for begun in range(0, readers + apart, _AT_ONCE):
            opened = [
                self._opened(counts=number < readers)
                for number in range(begun, min(begun + _AT_ONCE, readers + apart))
            ]
            for reader in opened:
                reader.open()
                self.join(reader)
            self.turn(0)  # for those who are asked meanwhile whether they are there
        self._pause = readers * _PAUSE
        say(connected=readers + apart)

    def stall(self, *, on: bool) -> None:
        """Whether those apart read nothing."""
        for fd, reader in self._readers.items():
            if not reader.counts:
                reader.stall(on=on)
                self._poll.modify(fd, 0 if on else _COMES)
        say(stalled=on)

    # ---- inside

    def _opened(self, *, counts: bool) -> Reader:
        own = socket.create_connection(("127.0.0.1", next(self._ports)))
        return Reader(own, self._server, self._channel, counts=counts)

    def _compare(self, fd: int) -> None:
        """Reads what has arrived: the message that is being told, or the reader lacks it still."""
        del self._arrived[fd]
        frame = self.tally.frame
        if (data := os.read(fd, len(frame) + 1)) != frame:
            self.tally.missing.add(fd)
            self._unusual(fd, data)

    def _unusual(self, fd: int, data: bytes = b"") -> None:
        """Anything but the message that is being told, to one who lacks it."""
        if not data:
            try:
                data = os.read(fd, _MOST)
            except BlockingIOError:  # it was read already
                return
        if fd == _ORDERS:
            *lines, self._line = (self._line + data).split(b"\n")
            self.orders += lines
            self.ended = not data
            return
        reader = self._readers[fd]
        with suppress(BlockingIOError):
            while True:  # to the end of what is there, or it would not be told of again
                for payload in reader.hear(data):
                    if reader.counts:
                        self.tally.take(fd, payload)
                data = os.read(fd, _MOST)


def main(server: str, channel: str, *ports: int) -> None:
    """Until the input ends, or nothing can be measured any more."""
    load = Load(server, channel, ports)
    try:
        while not load.ended:
            load.turn()
            for order in load.orders:
                wish = json.loads(order)
                getattr(load, wish.pop("do"))(**wish)
            load.orders.clear()
    except (Lost, OSError) as exc:
        say(lost=str(exc))


if __name__ == "__main__":
    gc.disable()  # nothing here goes in circles
    # Where it shares a processor with a server, that comes first.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
