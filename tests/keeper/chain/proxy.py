"""A node that misbehaves as told: a real HTTP proxy for JSON-RPC before a real node."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web

Hook = Callable[[str, list[Any]], Awaitable[None] | None]

# Where each method names the block whose state or whose data it wants.
_BLOCK_PARAMETER = {
    "eth_getBlockByNumber": 0,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getTransactionCount": 1,
    "eth_getCode": 1,
    "eth_feeHistory": 1,
}
_TAGS = ("latest", "pending", "safe")


@dataclass
class Proxy:
    """What stands before the node at `target`, and how it behaves. All of it may change any time.

    Attributes:
        url: its own.
        dead: it takes connections and ends them without an answer.
        delay: seconds before it forwards anything.
        http: it answers everything with this HTTP status and a JSON-RPC error.
        error: it answers everything with this JSON-RPC error message.
        frozen: number of the block at which its head stands; it knows nothing newer.
        lies: methods to what becomes of their params and true result.
        before, after: called with method and params around each forwarding; may be coroutines.
            `dead` set by `before` drops the request, by `after` only its answer.
        seen: (method, params) of all that was asked.
    """

    target: str
    session: ClientSession
    url: str = ""
    dead: bool = False
    delay: float = 0.0
    http: int = 0
    error: str = ""
    frozen: int | None = None
    lies: dict[str, Callable[[list[Any], Any], Any]] = field(default_factory=dict)
    before: Hook | None = None
    after: Hook | None = None
    seen: list[tuple[str, list[Any]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        method, params = asked["method"], asked.get("params", [])
        self.seen.append((method, params))
        await _call(self.before, method, params)
        if self.delay:
            await asyncio.sleep(self.delay)
        self._drop(request)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
        if self.http:
            answer["error"] = {"code": -32000, "message": "no"}
            return web.json_response(answer, status=self.http)
        if self.error:
            answer["error"] = {"code": -32000, "message": self.error}
        else:
            answer |= await self._forward(method, list(params))
        await _call(self.after, method, params)
        self._drop(request)
        if method in self.lies and "result" in answer:
            answer["result"] = self.lies[method](params, answer["result"])
        return web.json_response(answer)

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        """The node's own answer: {"result": ...} or {"error": ...}."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.target, json=asked) as response:
            answer: dict[str, Any] = await response.json()
        return {key: answer[key] for key in ("result", "error") if key in answer}

    def _drop(self, request: web.Request) -> None:
        if self.dead and request.transport:
            request.transport.abort()
            raise asyncio.CancelledError

    async def _forward(self, method: str, params: list[Any]) -> dict[str, Any]:
        head = self.frozen
        if head is None:
            return await self.ask(method, *params)
        if method == "eth_blockNumber":
            return {"result": hex(head)}
        at = _BLOCK_PARAMETER.get(method, len(params))
        if at < len(params):
            if params[at] in _TAGS:
                params[at] = hex(head)
            elif str(params[at]).startswith("0x") and int(params[at], 16) > head:
                if method != "eth_getBlockByNumber":
                    return {"error": {"code": -32000, "message": "header not found"}}
                return {"result": None}
        if method == "eth_getLogs":
            query = params[0] = dict(params[0])
            if block_hash := query.get("blockHash"):
                block = (await self.ask("eth_getBlockByHash", block_hash, False))["result"]
                if block is None or int(block["number"], 16) > head:
                    return {"error": {"code": -32000, "message": "unknown block"}}
            else:
                end = query.get("toBlock", "latest")
                query["toBlock"] = hex(min(head, head if end in _TAGS else int(end, 16)))
                if int(query.get("fromBlock", "0x0"), 16) > head:
                    return {"result": []}
        answer = await self.ask(method, *params)
        if isinstance(found := answer.get("result"), dict):  # a block, a receipt, a transaction
            number = found.get("number") or found.get("blockNumber")
            if isinstance(number, str) and int(number, 16) > head:
                return {"result": None}
        return answer


async def _call(hook: Hook | None, method: str, params: list[Any]) -> None:
    if hook and inspect.isawaitable(waiting := hook(method, params)):
        await waiting


@contextlib.asynccontextmanager
async def proxied(target: str) -> AsyncIterator[Proxy]:
    """A proxy on a port of its own, well-behaved at first."""
    async with ClientSession() as session:
        proxy = Proxy(target, session)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)  # 0: for ever
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
