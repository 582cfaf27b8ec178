"""The wire between a keeper and its node: a real HTTP proxy that can cut in at any request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from aiohttp import web
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.abi import function_abi_to_4byte_selector
from hexbytes import HexBytes

from tests.keeper.chainfixtures import CONTRACTS, code_of

SEND, CALL = "eth_sendRawTransaction", "eth_call"


class HungUp(Exception):
    """Raised by whoever listens on the wire: the connection ends without an answer."""


async def _nothing(asked: Asked) -> None:
    """Before and after everything else."""


@dataclass
class Asked:
    """A request on the wire.

    Attributes:
        function: of a contract, which it calls or sends; "" in all other requests.
    """

    method: str
    params: list[Any]
    function: str


Listener = Callable[[Asked], Awaitable[None]]


@dataclass
class Wire:
    """A proxy in front of a node.

    Attributes:
        before, after: hear of each request, and once it was answered; HungUp of theirs ends it.
        node: the URL of the node behind; may change at any time.
    """

    node: str
    url: str = ""
    before: Listener = _nothing
    after: Listener = _nothing


@cache
def _functions() -> dict[bytes, str]:
    """Names by selector, of both contracts."""
    entries = [entry for name in CONTRACTS for entry in code_of(name)["abi"]]
    functions = [entry for entry in entries if entry["type"] == "function"]
    return {function_abi_to_4byte_selector(entry): entry["name"] for entry in functions}


def _function(method: str, params: list[Any]) -> str:
    match method:
        case "eth_sendRawTransaction":
            data = TypedTransaction.from_bytes(HexBytes(params[0])).as_dict()["data"]
        case "eth_call" | "eth_estimateGas":
            data = params[0].get("data") or params[0].get("input") or ""
        case _:
            return ""
    return _functions().get(bytes(HexBytes(data))[:4], "")


@contextlib.asynccontextmanager
async def wired(node: str) -> AsyncIterator[Wire]:
    """A wire to the node at that URL, behind a port of its own."""
    wire = Wire(node)

    async def answer(request: web.Request) -> web.Response:
        said = await request.json()
        asked = Asked(said["method"], said["params"], _function(said["method"], said["params"]))
        try:
            await wire.before(asked)
            told = await http.post(wire.node, json=said)
            await wire.after(asked)
        except (HungUp, httpx.TransportError):
            if request.transport is not None:  # the client may have died
                request.transport.abort()
            return web.Response()
        return web.Response(body=told.content, content_type="application/json")

    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        wire.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with httpx.AsyncClient(timeout=30) as http:
            yield wire
    finally:
        await runner.cleanup()
