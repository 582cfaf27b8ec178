"""A websocket client byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
from websockets.frames import Close as Parting
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side

from tests.feed.world import POWER, World, raw
from tests.keeper.chain.waiting import PATIENCE, until

MARKET = f"market:{POWER}"


class Peer:
    """A client that answers nothing by itself and hears every frame."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self.reader, self.writer = reader, writer
        self._wire, self._raw = Protocol(Side.CLIENT), b""
        self._heard: list[Frame | Request | Response] = []

    def send(self, payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> None:
        self.writer.write(Frame(opcode, payload, fin).serialize(mask=True))

    def say(self, **fields: Any) -> None:
        self.send(orjson.dumps(fields))

    async def hear(self) -> Frame:
        """The next frame. Raises EOFError."""
        while not self._heard:
            async with asyncio.timeout(PATIENCE):
                if not (data := await self.reader.read(65536)):
                    raise EOFError
            self._raw += data
            self._wire.receive_data(data)  # which passes over what comes after a close
            self._heard += self._wire.events_received()
        frame = self._heard.pop(0)
        assert isinstance(frame, Frame)
        return frame

    async def told(self, type_: str) -> dict[str, Any]:
        """The next message of this type; others are passed over, frames that are none are not."""
        while True:
            frame = await self.hear()
            assert frame.opcode is Opcode.TEXT, frame
            message: dict[str, Any] = orjson.loads(frame.data)
            if message["type"] == type_:
                return message

    async def parting(self) -> Parting:
        """The frame that ends it, after which nothing may come."""
        while (frame := await self.hear()).opcode is not Opcode.CLOSE:
            pass
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionResetError):
                self._raw += await self.reader.read()
        assert self._raw.endswith(frame.serialize(mask=False))
        return Parting.parse(bytes(frame.data))


@contextlib.asynccontextmanager
async def peer(world: World) -> AsyncIterator[Peer]:
    """A client whose handshake was answered."""
    async with raw(world) as (reader, writer):
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n" in answer
        yield Peer(reader, writer)


def ahead(world: World) -> str:
    """A cursor that the next block will have been read for."""
    return f"{world.number + 1}:0xabc:0"


async def forgotten(world: World) -> None:
    """Waits until nobody is connected."""
    await until(lambda: not world.hub._clients)
