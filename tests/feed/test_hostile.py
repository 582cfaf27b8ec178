"""Messages and frames that make no sense: typed errors or an end, and a server as it was."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from typing import Any

import orjson
import pytest
from websockets.frames import Close

from keeper.domain.lines import Prediction
from tests.feed.described import check
from tests.feed.world import (
    MEGA,
    POWER,
    bet,
    channel,
    connected,
    opened,
    raw,
    serving,
    stranger,
)
from tests.keeper.chain.waiting import until


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_message"),
        ("{", "bad_message"),
        ("NaN", "bad_message"),
        ("[]", "bad_message"),
        ('"ping"', "bad_message"),
        ("[" * 5000, "bad_message"),
        ("{}", "bad_op"),
        ('{"op":["subscribe"]}', "bad_op"),
        ('{"op":"Ping"}', "bad_op"),
        ('{"op":"ping","id":true}', "bad_message"),
        ('{"op":"ping","id":1.5}', "bad_message"),
        ('{"op":"ping","id":{}}', "bad_message"),
        ('{"op":"ping","id":9007199254740992}', "bad_message"),
        ('{"op":"ping","id":"' + "x" * 65 + '"}', "bad_message"),
        ('{"op":"subscribe"}', "bad_message"),
        ('{"op":"subscribe","channels":[]}', "bad_message"),
        ('{"op":"subscribe","channels":"market"}', "bad_message"),
        ('{"op":"subscribe","channels":[1]}', "bad_message"),
        ('{"op":"unsubscribe","channels":[null]}', "bad_message"),
        ('{"op":"subscribe","channels":["x"],"since":1}', "bad_cursor"),
        ('{"op":"subscribe","channels":["x"],"since":"1:2"}', "bad_cursor"),
        ('{"op":"subscribe","channels":["x"],"since":"-1:0x:0"}', "bad_cursor"),
        ('{"op":"subscribe","channels":["x"],"since":"²:0x:0"}', "bad_cursor"),
        ('{"op":"subscribe","channels":["x"],"since":{"x":[]}}', "bad_cursor"),
        ('{"op":"subscribe","channels":["x"],"since":"%s:0x:0"}' % ("9" * 5000), "bad_cursor"),
    ],
)
async def test_a_message_that_cannot_be_obeyed_is_answered_with_a_typed_error(
    text: str, code: str
) -> None:
    async with serving(opened()) as session, connected(session) as client:
        await client.ws.send_str(text)
        told = await client.hear()
        assert (told["type"], told["code"], told["retryable"]) == ("error", code, False)
        assert await client.silent()
        said = told["message"]
        assert "Input" not in said, "that is what a library says"
        assert said == "this is not JSON" or re.match("(message|op|id|channels|since): .", said)


async def test_channels_that_do_not_exist_do_not_spoil_those_that_do() -> None:
    names = {
        "user:" + POWER + ":1": "bad_channel",
        "user:" + POWER[:-1]: "bad_channel",
        "stats:1": "bad_channel",
        "market:" + POWER + "\n": "bad_channel",
        "market:" + POWER + ":1": "bad_channel",
        "round:" + POWER + ":01": "bad_channel",
        "round:" + POWER + ":\u0661": "bad_channel",
        "Market:0x" + "0" * 40: "unknown_market",
        "round:" + MEGA + ":1": "unknown_round",
        "x" * 200: "bad_channel",
    }
    async with serving(opened()) as session, connected(session) as client:
        await client.say(op="subscribe", id="a", channels=[*names, channel().upper(), channel()])
        ack = await client.hear()
        assert {e["channel"]: e["code"] for e in ack["errors"]} == {
            name[:80]: code for name, code in names.items()
        }
        assert (ack["id"], ack["subscribed"]) == ("a", [channel()])
        assert (await client.hear())["type"] == "snapshot"
        assert await client.silent()


def nonsense(rng: random.Random) -> Any:
    """JSON that is nearly a message."""
    bits = [
        None,
        True,
        -1,
        1e308,
        "",
        "subscribe",
        "\N{GRINNING FACE}",
        "0:0x:0",
        channel(),
        f"market:{POWER}",
        [channel()],
        {},
        {channel(): "101:0x:0"},
        2**60,
        [[]],
    ]
    keys = ["op", "id", "channels", "since", "x"]
    made = {rng.choice(keys): rng.choice(bits) for _ in range(rng.randrange(6))}
    if rng.random() < 0.7:
        made["op"] = rng.choice(["subscribe", "unsubscribe", "ping", "shout"])
    if rng.random() < 0.5:
        made["channels"] = [rng.choice([channel(), f"market:{MEGA}", "x", 5]) for _ in range(3)]
    return made


def frame_of(rng: random.Random) -> bytes:
    """A masked frame, mostly sound, whose content is nonsense."""
    payload = rng.choice(
        [
            lambda: orjson.dumps(nonsense(rng), default=str, option=orjson.OPT_NON_STR_KEYS),
            lambda: rng.randbytes(rng.randrange(200)),
            lambda: orjson.dumps({"op": "ping"})[: rng.randrange(12)],
        ]
    )()
    # Mostly sound, for what is not ends the connection: messages have to be read, too.
    opcode = rng.choice([1] * 20 + [2, 9, 10, 0, 3, 8])
    first = rng.choice([0x80] * 20 + [0, 0xC0]) | opcode
    size = len(payload)
    head = bytes([first, 0x80 | size]) if size < 126 else bytes([first, 0xFE]) + size.to_bytes(2)
    if rng.random() < 0.03:
        return rng.choice([rng.randbytes(50), bytes([0x81, 0xFF]) + b"\xff" * 8, head[:1]])
    mask = rng.randbytes(4)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


async def test_a_storm_of_nonsense_leaves_the_server_as_it_was() -> None:
    """5,000 frames on 500 connections, each answered by messages of known types or a close."""
    rng = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    world = opened(messages_per_second=10**6)
    kinds: set[str] = set()

    def take(data: bytes) -> None:
        """Reads the server's frames: whole messages, pongs, at last a close."""
        upgrade, _, data = data.partition(b"\r\n\r\n")
        assert upgrade.startswith(b"HTTP/1.1 101 ")
        while len(data) >= 2:
            opcode, size, start = data[0] & 15, data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4]), 4
            payload, data = data[start : start + size], data[start + size :]
            if opcode == 1:
                told = orjson.loads(payload)
                check(told)
                kinds.add(told["type"] if told["type"] != "error" else told["code"])
            else:
                kinds.add({8: "close", 10: "pong frame"}[opcode])
                if opcode == 8:
                    Close.parse(payload)  # raises for what nobody may send; or it is the client's

    async def one() -> None:
        async with raw(world) as (reader, writer):
            for _ in range(10):
                writer.write(frame_of(rng))
            writer.write(bytes([0x88, 0x80, 0, 0, 0, 0]))  # a close, where that is still heard
            data = b""
            try:
                data = await reader.readuntil(b"\r\n\r\n")
                with contextlib.suppress(OSError):  # where it was cut off
                    writer.write_eof()  # a frame cut short may have swallowed the close
                while chunk := await reader.read(65536):
                    data += chunk
            except ConnectionResetError:
                kinds.add("reset")
            take(data)

    async with serving(world) as session, connected(session) as witness:
        await witness.follow(channel())
        for _ in range(10):
            await asyncio.gather(*(one() for _ in range(50)))
            world.mine(bet(stranger(world.number), Prediction.EVEN, 1))
            assert (await witness.hear())["type"] == "event"
        assert {"hello", "ack", "pong", "bad_message", "bad_op", "pong frame", "close"} <= kinds
        print(sorted(kinds))
        assert await witness.silent()
        await until(lambda: len(world.hub._clients) == 1)
        assert sum(map(len, world.hub._subscribers.values())) == 1
        assert sum(world.hub._addresses.values()) == 1
