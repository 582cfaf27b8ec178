"""Several nodes that serve one chain: which of them is asked, and who takes over when it fails.

A node is looked at before it is first used, every few seconds while any is asked, and, longer
apart each time, while it does not answer. When no other is left it is looked at again at once.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
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
_LOOKS = tuple(
    orjson.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
    for method, params in (("eth_chainId", ()), ("eth_getBlockByNumber", ("latest", False)))
)


class Senseless(ValueError):
    """A node answers what does not fit; the message goes on from its name."""


# The last four are what reading nonsense raises.
_FAULTS = (
    RpcDown,
    aiohttp.ClientError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


class Node:
    """One endpoint.

    Attributes:
        where: it, without its secrets, for messages.
        head: its newest block's timestamp when it was last looked at.
        fault: why it cannot be used, "" when it can.
        look_at: when it is due to be looked at, by the monotonic clock.
    """

    def __init__(self, url: str, timeout: float, chain_id: int) -> None:
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        secrets = [url, *parts.path.split("/"), parts.query, parts.username, parts.password]
        self._secrets = [secret for secret in secrets if secret and len(secret) > 3]
        self.head, self.fault, self.look_at = 0, "was not asked yet", 0.0
        self._chain_id, self._strange, self._failures = chain_id, False, 0
        self._few, self._looking = asyncio.Semaphore(_AT_ONCE), asyncio.Future[None]()
        self._looking.cancel()  # none is under way
        headers, limit = {"Content-Type": "application/json"}, aiohttp.ClientTimeout(total=timeout)
        self._session = aiohttp.ClientSession(timeout=limit, headers=headers)
        self._send = partial(self._session.post, url, allow_redirects=False)

    async def ask(self, request: bytes) -> Any:
        """What it answers, be it an error. One that has a fault is looked at before.

        Raises RpcDown when what comes is no answer, WrongChain.
        """
        if self.fault:
            await asyncio.wait([self.look()])
        if self.fault:
            wrong = self._strange and not self._failures
            raise (WrongChain if wrong else RpcDown)(f"{self.where} {self.fault}")
        try:
            return await self._post(request)
        except _FAULTS as exc:
            raise self.fail(exc) from exc

    def look(self) -> asyncio.Future[None]:
        """Has a look at it, unless one is under way."""
        if self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return self._looking

    def fail(self, exc: Exception) -> RpcDown:
        """It is left alone for a while, longer each time."""
        rest = LOOK_EVERY * 2 ** min(self._failures, 16)
        self.look_at = time.monotonic() + min(rest, LONGEST_REST)
        self._failures += 1
        self.fault = _fault(exc)
        metrics.NODE_UP.labels(self.where).set(0)
        return RpcDown(f"{self.where} {self.fault}")

    async def close(self) -> None:
        """Ends whatever is under way."""
        self._looking.cancel()
        await self._session.close()

    async def _look(self) -> None:
        self.look_at, failures = time.monotonic() + LOOK_EVERY, self._failures
        try:
            answers = [await self._post(look) for look in _LOOKS]
            if refusal := "".join(map(message, answers)):
                raise RpcDown(f"refuses: {refusal}")
            chain, block = (answer["result"] for answer in answers)
            chain, self.head = int(chain, 16), int(block["timestamp"], 16)
        except _FAULTS as exc:
            self.fail(exc)
            return
        if self._failures != failures:
            return  # it failed otherwise meanwhile
        known, self._strange, self._failures = self._strange, chain != self._chain_id, 0
        self.fault = f"serves chain {chain}, not {self._chain_id}" if self._strange else ""
        if self._strange and not known:
            log.error("a node of another chain is not used", node=self.where, chain=chain)

    async def _post(self, request: bytes) -> Any:
        """What it answers; an error's message is one short line without what must not be told."""
        body = bytearray()
        # Begun only when its turn has come.
        async with self._few, self._send(data=request) as response:
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ValueError("too long an answer")
        # Nodes tell of errors with any status: what matters is whether JSON came.
        no_json = response.status != 200 and not body.lstrip().startswith(b"{")
        if no_json or response.status in _TURNED_AWAY:
            raise RpcDown(f"answers with HTTP {response.status}")
        answer = orjson.loads(body)
        if error := answer.get("error"):
            told = error if isinstance(error, dict) else {"message": error}
            answer["error"] = {**told, "message": self._clean(str(told.get("message")))}
        elif "result" not in answer:
            raise ValueError("no answer")
        return answer

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        line = "".join(c for c in " ".join(text.split()) if c.isprintable())
        return line[:200] or "no reason given"


class Nodes(AsyncHTTPProvider):
    """web3's provider over nodes, the preferred first: kept connections, bounded answers.

    Attributes:
        used: the node that answered last.
    """

    def __init__(self, urls: Sequence[str], chain_id: int, timeout: float, head_age: int) -> None:
        super().__init__(urls[0])
        # Off: it lets a contract's error make this process fetch any URL.
        self.global_ccip_read_enabled = False
        self._nodes = [Node(url, timeout, chain_id) for url in urls]
        self.used, self._head_age = self._nodes[0], head_age

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The answer of the first node that gives one.

        Raises RpcDown or, when all serve others, WrongChain.
        """
        request, failed = self.encode_rpc_request(method, params), list[Exception]()
        for node in self._ranked():
            try:
                answer: RPCResponse = await node.ask(request)
            except (RpcDown, WrongChain) as exc:
                failed.append(exc)
                continue
            if node is not self.used:
                why, before = self.used.fault or "it is the better one", self.used.where
                log.warning("another node is asked", node=node.where, before=before, why=why)
                self.used = node
            return answer
        wrong = all(isinstance(exc, WrongChain) for exc in failed)
        raise (WrongChain if wrong else RpcDown)("; ".join(map(str, failed)))

    async def everywhere(self, method: str, *params: Any) -> list[RPCResponse]:
        """What every node that can be asked answers. Raises RpcDown when none does."""
        request, nodes = self.encode_rpc_request(RPCEndpoint(method), params), self._ranked()
        nodes = [node for node in nodes if not node.fault] or nodes
        told = await asyncio.gather(*(n.ask(request) for n in nodes), return_exceptions=True)
        if answers := [answer for answer in told if not isinstance(answer, BaseException)]:
            return answers
        raise RpcDown("; ".join(map(str, told)))

    async def disconnect(self) -> None:
        for node in self._nodes:
            await node.close()
        await asyncio.sleep(0)  # lets the transports go

    def _ranked(self) -> list[Node]:
        """In the order given, but who stands far behind comes later, and who has a fault last."""
        late = max((n.head for n in self._nodes if not n.fault), default=0) - self._head_age
        ranks = {node: (bool(node.fault), node.head < late) for node in self._nodes}
        for node, rank in ranks.items():
            metrics.NODE_UP.labels(node.where).set(not any(rank))
            if time.monotonic() >= node.look_at:
                node.look()
        return sorted(self._nodes, key=lambda node: ranks[node])


def message(answer: Any) -> str:
    """What an error answer says; "" for another."""
    return str(answer["error"]["message"]) if answer.get("error") else ""


def _fault(exc: Exception) -> str:
    """What a node does that fails like this."""
    if isinstance(exc, RpcDown | Senseless):
        return str(exc)
    if isinstance(exc, TimeoutError):
        return "does not answer in time"
    silent = isinstance(exc, aiohttp.ClientError | OSError)
    what = "does not answer" if silent else "answers what makes no sense"
    return f"{what} ({type(exc).__name__})"
