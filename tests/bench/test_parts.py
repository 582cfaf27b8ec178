"""What of the measuring needs no time: counting frames, making figures, judging."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from websockets.frames import Frame, Opcode

from tests.bench import load
from tests.bench.cases import message_bytes
from tests.bench.figures import Figures, Verdict, percentile
from tests.bench.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frames,
    masked,
    sent_at,
    stamp,
    whole,
)
from tests.bench.load import Load, Lost, Reader
from tests.bench.ours import CHANNELS, sample
from tests.bench.steady import Steadiness
from tests.keeper.chain.waiting import PATIENCE
from tests.keeper.chainfixtures import ROOT

SIZES = (0, 1, 125, 126, 300, 65_535, 65_536)
LEN, MASK = 0x7F, 0x80
BINARY = 2


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """As a server sends it."""
    return Frame(Opcode(opcode), payload).serialize(mask=False)


@pytest.mark.parametrize(("step", "count"), [(1, 5), (3, 5), (1000, 7), (10**6, 7)])
def test_frames_are_the_same_wherever_the_network_cuts(step: int, count: int) -> None:
    sent = [(TEXT if size % 2 else BINARY, b"x" * size) for size in SIZES[:count]]
    wire = b"".join(frame(payload, opcode) for opcode, payload in sent)
    frames, heard = Frames(), list[tuple[int, bytes]]()
    for at in range(0, len(wire), step):
        heard += frames.feed(wire[at : at + step])
    assert heard == sent
    assert frames.idle


def test_part_of_a_frame_is_waited_for() -> None:
    frames = Frames()
    assert list(frames.feed(frame(b"hello")[:-1])) == []
    assert not frames.idle
    assert list(frames.feed(b"o")) == [(TEXT, b"hello")]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535])
def test_what_a_client_says_is_masked(size: int) -> None:
    said = masked(b"y" * size, BINARY)
    head = frame(b"y" * size, BINARY)
    assert said[0] == head[0]
    assert said[1] & MASK
    assert said[1] & LEN == head[1]
    assert said.endswith(b"\0\0\0\0" + b"y" * size)  # the mask: nothing is changed


@pytest.mark.parametrize("payload", CHANNELS)
def test_every_server_can_be_told_a_message_like_the_keepers_own(payload: str) -> None:
    """Its time can be read, its frame be foretold, and its length does not depend on the time."""
    lengths = set()
    for at in (0, 12_345, 2**63):
        told = json.dumps(sample(payload, at), separators=(",", ":")).encode()
        assert sent_at(told) == at
        assert whole(told) == frame(told)
        lengths.add(len(told))
    assert len(lengths) == 1
    assert sent_at(b'{"volume":"1000000000000"}') is None


@pytest.mark.parametrize("size", [0, 125, 126, 65_535])
def test_a_whole_frame_is_as_servers_send_it(size: int) -> None:
    assert whole(b"w" * size) == frame(b"w" * size)


def test_the_message_of_figures_has_some_300_bytes() -> None:
    assert 250 < message_bytes(sample("stats")) < 400


@pytest.mark.parametrize("payload", CHANNELS)
def test_instances_told_the_same_moment_tell_the_same(payload: str) -> None:
    assert sample(payload, 12_345) == sample(payload, 12_345) != sample(payload, 12_346)


# ---- the load client, by sockets without a server


def message(at: int) -> bytes:
    return frame(b'{"type":"snapshot","of":"%s","volume":"%s"}' % (b"x" * 200, stamp(at).encode()))


class Room:
    """A load client, and of each of its readers the server's side."""

    def __init__(self, readers: int = 2, apart: int = 0) -> None:
        self.load = Load("keeper", "stats", [])
        self.sides: list[socket.socket] = []
        for number in range(readers + apart):
            own, side = socket.socketpair()
            reader = Reader(own, "keeper", "stats", counts=number < readers)
            side.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(b'{"type":"hello"'))
            side.sendall(frame(b'{"type":"snapshot","data":null}'))
            reader.open()
            assert b"GET /ws " in (said := side.recv(2**16))
            assert b'{"op":"subscribe","id":1,"channels":["stats"]}' in said
            self.load.join(reader)
            self.sides.append(side)

    def close(self) -> None:
        for own in (*self.sides, *(reader.socket for reader in self.load._readers.values())):
            own.close()
        self.load._poll.close()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Room]]:
    """Makes rooms. The orders come from a pipe; patience is short where it is in vain."""
    orders, order = os.pipe()
    monkeypatch.setattr(load, "_ORDERS", orders)
    rooms: list[Room] = []

    def make(*args: int, patience: float = PATIENCE, **kwargs: int) -> Room:
        monkeypatch.setattr(load, "_PATIENCE", patience)
        rooms.append(Room(*args, **kwargs))
        return rooms[-1]

    yield make
    for made in rooms:
        made.close()
    os.close(orders)
    os.close(order)


def told(capsys: pytest.CaptureFixture[str]) -> list[int]:
    """The messages that are said to have reached all, by when they were sent."""
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [line["told"][0] for line in lines if "told" in line]


def test_a_message_is_told_when_every_reader_has_it(
    room: Callable[..., Room], capsys: pytest.CaptureFixture[str]
) -> None:
    r = room(3)
    for at in (5, 6, 7):
        for side in r.sides:
            assert told(capsys) == []
            side.sendall(message(at))
            r.load.turn(0)
        assert told(capsys) == [at]


def test_a_message_may_come_in_parts_and_with_other_frames(
    room: Callable[..., Room], capsys: pytest.CaptureFixture[str]
) -> None:
    r = room(2)
    one, two = r.sides
    one.sendall(message(5)[:10])
    rest = threading.Timer(0.05, one.sendall, [message(5)[10:] + frame(b"?", PING)])
    rest.start()  # while it is being waited for
    r.load.turn(0)
    rest.join()
    assert told(capsys) == []
    two.sendall(frame(b'{"type":"heartbeat"}') + message(5))
    while not (at := told(capsys)):
        r.load.turn(0)
    assert at == [5]
    assert one.recv(100) == masked(b"?", PONG)
    filling = frame(b"h" * (len(message(5)) - 3))  # just what is read at once
    for side in r.sides:
        side.sendall(filling + message(6))
    r.load.turn(0)
    assert told(capsys) == [6]


def test_whatever_is_not_one_message_to_each_breaks_the_measurement(
    room: Callable[..., Room], capsys: pytest.CaptureFixture[str]
) -> None:
    def after(word: str, first: bytes, second: bytes, **how: float) -> None:
        r = room(2, **how)
        r.sides[0].sendall(message(5) + first)

        def turns() -> None:
            r.load.turn(0)
            r.sides[1].sendall(second)
            r.load.turn(0)
            r.load.turn(0)

        with pytest.raises(Lost, match=word):
            turns()

    after("twice", message(5), b"")
    after("twice", b"", message(5) * 2)
    after("another message", message(6), b"")
    after("another message", b"", message(6))
    after("another message", b"", message(5)[:-1] + b"!")
    after("another message", b"", message(5) + message(4) * 2)
    after("1 of 2 readers lack", b"", frame(b"x" * 300), patience=0.01)
    after("part of a frame", b"", message(5)[:-1], patience=0.01)
    after("closed", b"", frame(b"", CLOSE))
    assert told(capsys) == []


def test_a_message_that_comes_again_after_all_have_it_breaks_the_measurement(
    room: Callable[..., Room], capsys: pytest.CaptureFixture[str]
) -> None:
    r = room(2)
    for side in r.sides:
        side.sendall(message(5))
    r.load.turn(0)
    assert told(capsys) == [5]
    r.sides[1].sendall(message(5))
    with pytest.raises(Lost, match="twice"):
        r.load.turn(0)


def test_a_connection_that_ends_breaks_the_measurement(room: Callable[..., Room]) -> None:
    r = room(2)
    r.sides[1].close()
    with pytest.raises(Lost, match="closed"):
        r.load.turn(0)


def test_who_is_apart_need_not_read_and_is_not_counted(
    room: Callable[..., Room], capsys: pytest.CaptureFixture[str]
) -> None:
    r = room(2, apart=1)
    r.load.stall(on=True)
    for at in (5, 6):
        for side in r.sides:
            side.sendall(message(at))
        r.load.turn(0)
        assert told(capsys) == [at]
    r.load.stall(on=False)
    r.load.turn(0)  # takes what waited: two at once
    assert told(capsys) == []
    for side in r.sides:
        side.sendall(message(7))
    r.load.turn(0)
    assert told(capsys) == [7]
    r.sides[2].close()
    with pytest.raises(Lost, match="closed"):
        r.load.turn(0)


def test_readers_are_split_evenly_between_instances() -> None:
    """By the process itself: lines of JSON in and out, and two servers, each a listening socket."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    came: list[list[socket.socket]] = [[], []]

    def serve(number: int) -> None:
        for _ in range(5):
            own, _ = servers[number].accept()
            assert own.recv(2**16).endswith(b"\r\n\r\n")
            came[number].append(own)
            own.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")

    serving = [threading.Thread(target=serve, args=[number], daemon=True) for number in range(2)]
    for thread in serving:
        thread.start()
    ports = [str(server.getsockname()[1]) for server in servers]
    command = [sys.executable, "-m", "tests.bench.load", "ws", "stats", *ports]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write('{"do":"connect","readers":10}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"connected": 10}
        assert [len(own) for own in came] == [5, 5]
        for own in (*came[0], *came[1]):
            own.sendall(message(5))
        assert json.loads(process.stdout.readline())["told"][0] == 5
        came[0][0].close()
        assert json.loads(process.stdout.readline()) == {"lost": "the server closed a connection"}
        assert process.wait(PATIENCE) == 0
    for own in (*servers, *came[0], *came[1]):
        own.close()


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5], 99, 5), ([3, 1, 2], 50, 2), (range(1, 101), 99, 99), (range(1, 101), 50, 50)],
)
def test_a_percentile_is_one_of_the_values(values: list[int], share: int, expected: int) -> None:
    assert percentile(values, share) == expected


def test_of_rounds_the_median_counts_and_ratios_are_of_another_server() -> None:
    rounds = [Figures(p50, p50 * 2, 5, 10, 20, 0.5) for p50 in (9.0, 1.0, 3.0)]
    ours = Figures.middle(rounds)
    assert ours == Figures(3.0, 6.0, 5, 10, 20, 0.5)
    assert ours.over(Figures(6, 6, 4, 20, 20, 0.5)) == Figures(0.5, 1, 1.25, 0.5, 1, 1)
    assert math.isnan(ours.over(Figures(0, 1, 1, 1, 1, 1)).p50)


def test_a_verdict_holds_up_to_its_limit_and_never_for_want_of_a_figure() -> None:
    assert Verdict("p50", 0.6, 0.6).holds
    assert not Verdict("p50", 0.61, 0.6).holds
    assert not Verdict("p50", math.nan, 0.6).holds
    assert str(Verdict("p99", 120, 100, " ms")) == "FAILS  p99: 120 ms, at most 100 ms"


@pytest.mark.parametrize(
    ("patience", "shares", "measured", "told"),
    [
        (60, [0.0, 0.05], 1, 0.05),
        (60, [0.9, 0.9, 0.0, 0.0], 1, 0.0),  # it waits
        (60, [0.0, 0.06, 0.0, 0.01], 2, 0.01),  # it measures again
        (0, [0.9], 1, 0.9),
    ],
)
async def test_what_others_disturb_is_measured_again_with_patience(
    monkeypatch: pytest.MonkeyPatch,
    patience: float,
    shares: list[float],
    measured: int,
    told: float,
) -> None:
    rest, calls, said = iter(shares), itertools.count(1), list[str]()

    async def measure() -> int:
        return next(calls)

    monkeypatch.setattr(Steadiness, "disturbed", lambda _: next(rest))
    monkeypatch.setattr("tests.bench.steady._PAUSE", 0)
    steadiness = Steadiness((0,), patience, said.append)
    assert await steadiness.undisturbed(measure) == (measured, told)
    assert not list(rest)
    assert len(said) == (shares[0] > 0 and patience > 0)
    assert steadiness.patience <= patience


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Steadiness, "disturbed", lambda _: 0.9)
    steadiness = Steadiness((0,), 0.01, print)
    assert await steadiness.undisturbed(partial(asyncio.sleep, 0, "measured")) == ("measured", 0.9)
    assert steadiness.patience <= 0


def test_looking_at_a_core_is_over_when_it_is_over() -> None:
    before = os.sched_getaffinity(0)
    assert 0 <= Steadiness(sorted(before), 0, print).disturbed() < 1
    assert os.sched_getaffinity(0) == before
