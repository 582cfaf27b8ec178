"""Several nodes that serve one chain: which of them is asked, and who takes over when it fails.

A node is looked at before it is first used, every few seconds while any is asked, and, longer
apart each time, while it does not answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from keeper import metrics
from keeper.errors import RpcDown, WrongChain

log = structlog.get_logger()

MAX_ANSWER = 32 << 20  # bytes; a full chunk of logs is far below
LOOK_EVERY = 3.0  # seconds
LONGEST_REST = 60.0  # seconds without a look at a node that is down
_AT_ONCE = 8  # requests; nodes refuse those who ask too much
# HTTP: the node, or what stands before it, did not look at the request.
_TURNED_AWAY = frozenset({401, 403, 429, 502, 503, 504})
_SENSELESS = (ValueError, TypeError, LookupError, AttributeError)  # what reading nonsense raises
_FAULTS = (RpcDown, aiohttp.ClientError, OSError, *_SENSELESS)


class Node:
    """One endpoint.

    Attributes:
        where: it, without its secrets, for messages.
        chain: the id of the chain that it was last seen to serve.
        head: its newest block's timestamp when it was last looked at.
        fault: why it cannot be used, "" when it can.
        look_at: when it is due to be looked at, by the monotonic clock.
        failures: since it last answered.
    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        secrets = [*parts.path.split("/"), parts.query, parts.username, parts.password]
        self._url, self.secrets = url, [url, *(s for s in secrets if s and len(s) > 3)]
        self.chain: int | None = None
        self.look: asyncio.Task[None] | None = None
        self.head, self.fault, self.look_at, self.failures = 0, "was not asked yet", 0.0, 0
        self._few = asyncio.Semaphore(_AT_ONCE)
        headers, limit = {"Content-Type": "application/json"}, aiohttp.ClientTimeout(total=timeout)
        self.session = aiohttp.ClientSession(timeout=limit, headers=headers)

    async def ask(self, request: bytes) -> RPCResponse:
        """What it answers, be it an error. Raises RpcDown when what comes is no answer."""
        try:
            async with self._few:
                return await self._post(request)
        except _FAULTS as exc:
            raise self.fail(exc) from exc

    def fail(self, exc: Exception) -> RpcDown:
        """It is left alone for a while, longer each time."""
        rest = LOOK_EVERY * 2 ** min(self.failures, 16)
        self.look_at = time.monotonic() + min(rest, LONGEST_REST)
        self.failures += 1
        self.fault = fault(exc)
        metrics.NODE_UP.labels(self.where).set(0)
        return RpcDown(f"{self.where} {self.fault}")

    async def _post(self, request: bytes) -> RPCResponse:
        send = self.session.post(self._url, data=request, allow_redirects=False)
        async with send as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ValueError("too long an answer")
        # Nodes tell of errors with any status: what matters is whether JSON came.
        no_json = response.status != 200 and not body.lstrip().startswith(b"{")
        if no_json or response.status in _TURNED_AWAY:
            raise RpcDown(f"answers with HTTP {response.status}")
        answer: RPCResponse = orjson.loads(body)
        if not answer.keys() & {"result", "error"}:
            raise ValueError("no answer")
        return answer


class Nodes(AsyncHTTPProvider):
    """web3's provider over nodes, the preferred first: kept connections, bounded answers.

    Attributes:
        used: the node that answered last.
    """

    def __init__(self, urls: Sequence[str], chain_id: int, timeout: float, head_age: int) -> None:
        super().__init__(urls[0])
        # Off: it lets a contract's error make this process fetch any URL.
        self.global_ccip_read_enabled = False
        self._nodes = [Node(url, timeout) for url in urls]
        self.used, self._chain_id, self._head_age = self._nodes[0], chain_id, head_age

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The answer of the first node that gives one. Raises RpcDown, WrongChain."""
        request, failed = self.encode_rpc_request(method, params), dict[Node, RpcDown]()
        for _ in range(2):  # then those that were down before are asked, too
            for node in await self.ready(failed):
                try:
                    answer = await node.ask(request)
                except RpcDown as exc:
                    failed[node] = exc
                else:
                    self._use(node)
                    return answer
        raise RpcDown("; ".join(map(str, failed.values())))

    async def everywhere(self, method: str, *params: Any) -> list[RPCResponse]:
        """What every node that can be asked answers. Raises RpcDown when none does."""
        request, nodes = self.encode_rpc_request(RPCEndpoint(method), params), await self.ready()
        told = await asyncio.gather(*(n.ask(request) for n in nodes), return_exceptions=True)
        if answers := [answer for answer in told if not isinstance(answer, BaseException)]:
            return answers
        raise RpcDown("; ".join(map(str, told)))

    async def ready(self, but: Collection[Node] = ()) -> list[Node]:
        """The nodes that can be asked, the best first, without those that just failed.

        Raises RpcDown or, when all serve others, WrongChain, if there is none and none failed.
        """
        now = time.monotonic()
        self._look(node for node in self._nodes if now >= node.look_at)
        if not self._order(but) and (left := [n for n in self._nodes if n not in but]):
            await asyncio.wait(self._look(left))
        if not (found := self._order(but)) and not but:
            wrong = all(node.chain and not node.failures for node in self._nodes)
            told = "; ".join(f"{node.where} {node.fault}" for node in self._nodes)
            raise (WrongChain if wrong else RpcDown)(told)
        return found

    def clean(self, text: str) -> str:
        """One short line of what a node says, without what must not be told."""
        for secret in (secret for node in self._nodes for secret in node.secrets):
            text = text.replace(secret, "***")
        return "".join(c for c in " ".join(text.split()) if c.isprintable())[:200]

    async def disconnect(self) -> None:
        for node in self._nodes:
            if node.look:
                node.look.cancel()
            await node.session.close()
        await asyncio.sleep(0)  # lets the transports go

    def _order(self, but: Collection[Node]) -> list[Node]:
        """Those that can be used, in the order given, but who stands far behind comes last."""
        fit = [node for node in self._nodes if not node.fault]
        late = max((node.head for node in fit), default=0) - self._head_age
        for node in self._nodes:
            metrics.NODE_UP.labels(node.where).set(node in fit and node.head >= late)
        return sorted((node for node in fit if node not in but), key=lambda n: n.head < late)

    def _use(self, node: Node) -> None:
        if node is not self.used:
            why = self.used.fault or "it is the better one"
            log.warning("another node is asked", node=node.where, before=self.used.where, why=why)
            self.used = node

    def _look(self, nodes: Iterable[Node]) -> list[asyncio.Task[None]]:
        """Has a look at each, unless one is under way."""
        looks = []
        for node in nodes:
            if not node.look or node.look.done():
                node.look = asyncio.create_task(self._look_at(node))
            looks.append(node.look)
        return looks

    async def _look_at(self, node: Node) -> None:
        node.look_at = time.monotonic() + LOOK_EVERY
        encode, method = self.encode_rpc_request, RPCEndpoint
        looks = (
            encode(method("eth_chainId"), []),
            encode(method("eth_getBlockByNumber"), ["latest", False]),
        )
        try:
            answers: list[Any] = [await node.ask(look) for look in looks]
        except RpcDown:
            return  # it has been marked
        if refusal := "".join(map(message, answers)):
            node.fail(RpcDown(f"refuses: {self.clean(refusal)}"))
            return
        try:
            chain, block = (answer["result"] for answer in answers)
            chain, node.head = int(chain, 16), int(block["timestamp"], 16)
        except _SENSELESS as exc:
            node.fail(exc)
            return
        node.failures, wrong = 0, chain != self._chain_id
        node.fault = f"serves chain {chain}, not {self._chain_id}" if wrong else ""
        if wrong and chain != node.chain:
            log.error("a node of another chain is not used", node=node.where, chain=chain)
        node.chain = chain


def message(answer: RPCResponse) -> str:
    """What an error answer says; "" for another."""
    error: Any = answer.get("error", "")
    return str(error.get("message") if isinstance(error, dict) else error)


def fault(exc: Exception) -> str:
    """What a node does that fails like this."""
    match exc:
        case RpcDown():
            return str(exc)
        case TimeoutError():
            return "does not answer in time"
        case aiohttp.ClientError() | OSError():
            return f"does not answer ({type(exc).__name__})"
        case _:
            return f"answers what makes no sense ({type(exc).__name__})"
