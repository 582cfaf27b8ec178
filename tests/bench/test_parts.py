"""What of the measuring needs no time: counting frames, making figures, judging."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from feed.protocol import frame
from tests.bench.figures import Figures, Verdict, percentile
from tests.bench.frames import MARK, PONG, TEXT, Frames, is_one_message, masked, sent_at, stamp
from tests.bench.load import Load, Reader, Tally
from tests.bench.ours import Fed, sample
from tests.feed.world import POWER

PING = 9
SIZES = (0, 1, 125, 126, 300, 65_535, 65_536)
LEN, MASK = 0x7F, 0x80


@pytest.mark.parametrize(("step", "count"), [(1, 5), (3, 5), (1000, 7), (10**6, 7)])
def test_frames_are_the_same_wherever_the_network_cuts(step: int, count: int) -> None:
    sent = [(TEXT if size % 2 else PING, b"x" * size) for size in SIZES[:count]]
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
    said = masked(b"y" * size, PONG)
    head = frame(b"y" * size, PONG)
    assert said[0] == head[0]
    assert said[1] & MASK
    assert said[1] & LEN == head[1]
    assert said.endswith(b"\0\0\0\0" + b"y" * size)  # the mask: nothing is changed


def test_one_whole_message_is_told_from_everything_else() -> None:
    whole = frame(b"z" * 300)
    assert is_one_message(whole)
    others = (whole[:-1], whole + b"\x89", whole * 2, frame(b"z"), frame(b"z" * 300, PING), b"")
    assert not any(map(is_one_message, others))


class _Wire:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


async def test_every_delivery_is_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    """However deliveries are cut or come together; a message is told when all have it."""
    told, tally = json.dumps(sample(), separators=(",", ":")).encode(), Tally()
    tally.readers = 2
    readers = [Reader("keeper", tally), Reader("keeper", tally)]
    for reader in readers:
        reader.connection_made(_Wire())
        reader.data_received(
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(b'{"type":"hello"')
        )
        assert b"subscribe" in reader.transport.written
        reader.data_received(frame(b'{"type":"snapshot","channel":"' + b"c" * 200)[:150])
    one, two = readers
    one.data_received(frame(b'{"type":"snapshot","channel":"' + b"c" * 200)[150:])
    assert one.ready.done()
    assert not two.ready.done()
    two.data_received(frame(b'{"type":"snapshot","channel":"' + b"c" * 200)[150:] + frame(told))
    one.data_received(frame(told)[:10])
    assert capsys.readouterr().out == ""
    one.data_received(frame(told)[10:] + frame(told) + frame(b"?", PING))
    assert one.transport.written.endswith(masked(b"?", PONG))
    two.data_received(frame(told))
    assert [list(json.loads(line)) for line in capsys.readouterr().out.splitlines()] == [["ms"]] * 2


def test_the_keepers_own_message_can_be_counted_and_timed() -> None:
    told = json.dumps(sample(), separators=(",", ":")).encode()
    assert MARK in told
    assert is_one_message(frame(told))
    changed = json.dumps({**sample(), "txHash": stamp(12_345)}, separators=(",", ":"))
    assert sent_at(changed.encode()) == 12_345
    with pytest.raises(ValueError, match="no time"):
        sent_at(b"{}")


async def test_instances_told_the_same_moment_tell_the_same_event() -> None:
    told = []
    for fed in (Fed(), Fed()):
        fed.tell(12_345)
        told.append(fed.hub.board._deltas[-1].frames(f"market:{POWER}", 0))
    assert told[0] == told[1]
    assert sent_at(told[0]) == 12_345


class _Doors:
    """Where connections come to, instead of a network; each is ready at once."""

    def __init__(self) -> None:
        self.came: list[int] = []

    async def create_connection(self, make: Callable[[], Reader], host: str, port: int) -> None:
        self.came.append(port)
        make().ready.set_result(None)


async def test_readers_are_split_evenly_between_instances() -> None:
    load, doors = Load("keeper", [1, 2]), _Doors()
    load._loop = doors
    await load.connect(readers=10)
    assert sorted(doors.came) == [1] * 5 + [2] * 5


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5], 99, 5), ([3, 1, 2], 50, 2), (range(1, 101), 99, 99), (range(1, 101), 50, 50)],
)
def test_a_percentile_is_one_of_the_values(values: list[int], share: int, expected: int) -> None:
    assert percentile(values, share) == expected


def test_of_rounds_the_median_counts_and_ratios_are_of_another_server() -> None:
    rounds = [Figures(p50, p50 * 2, 10, 20, 0.5) for p50 in (9.0, 1.0, 3.0)]
    ours = Figures.middle(rounds)
    assert ours == Figures(3.0, 6.0, 10, 20, 0.5)
    assert ours.over(Figures(6, 6, 20, 20, 0.5)) == Figures(0.5, 1, 0.5, 1, 1)
    assert math.isnan(ours.over(Figures(0, 1, 1, 1, 1)).p50)


def test_a_verdict_holds_up_to_its_limit_and_never_for_want_of_a_figure() -> None:
    assert Verdict("p50", 0.6, 0.6).holds
    assert not Verdict("p50", 0.61, 0.6).holds
    assert not Verdict("p50", math.nan, 0.6).holds
    assert str(Verdict("p99", 120, 100, " ms")) == "FAILS  p99: 120 ms, at most 100 ms"
