"""The chain through its nodes. Every fault of theirs, every refusal of the contract is our error.

A node is looked at before it is first used, every few seconds while any is asked, and, longer
apart each time, while it does not answer. When no other is left it is looked at again at once.
No message carries an endpoint's URL: providers put their keys into it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog
from web3 import AsyncWeb3
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import BlockData, RPCEndpoint, RPCResponse

from keeper import metrics
from keeper.chain import abi
from keeper.errors import ChainError, RpcDown, RpcRefused, TooLong, WrongContract
from keeper.ports import BLOCKS, Head

log = structlog.get_logger()

T = TypeVar("T")
MAX_ANSWER = 32 << 20  # bytes; a full chunk of logs is far below
LOOK_EVERY = 3.0  # seconds
LONGEST_REST = 60.0  # seconds without a look at a node that is down
_most = ContextVar("most", default=MAX_ANSWER)  # bytes of the answers that are asked for
_UNASKED = "was not asked yet"
_NEVER = 2**53  # seconds: later than any block, and JSON holds no more
_AT_ONCE = 8  # requests; nodes refuse those who ask too much
# HTTP: the node, or what stands before it, did not look at the request.
_TURNED_AWAY = frozenset({401, 403, 429, 502, 503, 504})
_LOOKS = tuple(
    orjson.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
    for method, params in (("eth_chainId", ()), ("eth_getBlockByNumber", ("latest", False)))
)
# What nodes say of a transaction that they have already.
_KNOWN = ("already known", "alreadyknown", "already imported", "known transaction")


class Faulty(Exception):
    """What a node does wrong; the message goes on from its name."""


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
        self.head, self.fault, self.look_at = 0, _UNASKED, 0.0
        self._chain_id, self._rest = chain_id, LOOK_EVERY
        self._few, self._looking = asyncio.Semaphore(_AT_ONCE), asyncio.Future[None]()
        self._looking.cancel()  # none is under way
        headers, limit = {"Content-Type": "application/json"}, aiohttp.ClientTimeout(total=timeout)
        self._session = aiohttp.ClientSession(timeout=limit, headers=headers)
        self._send = partial(self._session.post, url, allow_redirects=False)

    async def ask(self, request: bytes, most: int = MAX_ANSWER) -> Any:
        """What it answers, be it an error. One that has a fault is looked at before.

        Raises RpcDown when what comes is no answer, or the node cannot be used; TooLong when it
        is of more than `most` bytes, a number below that of any answer.
        """
        if self.fault:
            await asyncio.wait([self.look()])
        if self.fault:
            raise RpcDown(f"{self.where} {self.fault}")
        with self._judged():
            return await self._post(request, most)

    def look(self) -> asyncio.Future[None]:
        """Has a look at it, unless one is under way."""
        if self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return self._looking

    def fail(self, exc: Exception) -> RpcDown:
        """It is left alone for a while, longer each time."""
        self.look_at = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)
        silent = isinstance(exc, aiohttp.ClientError | OSError)  # TimeoutError is one, too
        what = "does not answer" if silent else "answers what makes no sense"
        self.fault = str(exc) if isinstance(exc, Faulty) else f"{what} ({type(exc).__name__})"
        metrics.NODE_UP.labels(self.where).set(0)
        return RpcDown(f"{self.where} {self.fault}")

    async def close(self) -> None:
        """Ends whatever is under way."""
        self._looking.cancel()
        await self._session.close()

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        """Whatever goes wrong inside is a fault of the node's, and raised as RpcDown."""
        try:
            yield
        except TooLong:
            raise
        except Exception as exc:  # bad answers are found in any way
            raise self.fail(exc) from exc

    async def _look(self) -> None:
        self.look_at = due = time.monotonic() + LOOK_EVERY
        with contextlib.suppress(RpcDown), self._judged():
            answers = [await self._post(look) for look in _LOOKS]
            if refusal := "".join(map(_message, answers)):
                raise Faulty(f"refuses: {refusal}")
            chain, block = (answer["result"] for answer in answers)
            if (chain := int(chain, 16)) != self._chain_id:
                why = f"serves chain {chain}, not {self._chain_id}"
                if self.fault != why:
                    log.error("a node of another chain is not used", node=self.where, chain=chain)
                raise Faulty(why)
            self.head = int(block["timestamp"], 16)
            if self.look_at == due:  # else it failed otherwise meanwhile
                self.fault, self._rest = "", LOOK_EVERY

    async def _post(self, request: bytes, most: int = MAX_ANSWER) -> Any:
        """What it answers; an error's message is one short line without what must not be told."""
        body = bytearray()
        # Begun only when its turn has come.
        async with self._few, self._send(data=request) as response:
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ValueError("too long an answer")
                if len(body) > most:
                    raise TooLong(f"{self.where} has more to tell than {most} bytes")
        # Nodes tell of errors with any status: what matters is whether JSON came.
        no_json = response.status != 200 and not body.lstrip().startswith(b"{")
        if no_json or response.status in _TURNED_AWAY:
            raise Faulty(f"answers with HTTP {response.status}")
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


class Rpc(AsyncJSONBaseProvider):
    """The nodes behind HTTP URLs, the preferred first, for one chain: web3's provider.

    A request that a node does not answer goes to the next. Nodes of another chain are never used;
    one whose head is `head_age` seconds older than the newest head only when there is no other.

    Attributes:
        w3: web3 on these nodes; await what it gives through `ask`.
        chain_id: of the chain that they must serve.
    """

    def __init__(
        self, urls: Sequence[str], chain_id: int, timeout: float = 10.0, head_age: int = 60
    ) -> None:
        super().__init__()
        # Off: it lets a contract's error make this process fetch any URL.
        self.global_ccip_read_enabled = False
        self.chain_id, self._head_age = chain_id, head_age
        self._nodes = [Node(url, timeout, chain_id) for url in urls]
        self._used = self._nodes[0]  # the one that answered last
        # Polygon's blocks carry its validators' signatures where Ethereum allows 32 bytes.
        middleware: Any = [(ExtraDataToPOAMiddleware, "poa")]
        self.w3 = AsyncWeb3(self, middleware=middleware)

    @property
    def where(self) -> str:
        """The node that answered last, without its secrets, for messages."""
        return self._used.where

    async def close(self) -> None:
        """Closes its connections."""
        for node in self._nodes:
            await node.close()
        await asyncio.sleep(0)  # lets the transports go

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Whatever goes wrong inside with a node's answer is raised as a ChainError."""
        try:
            yield
        except ChainError:
            raise
        except Exception as exc:  # web3 and what is below it fail in any way on a bad answer
            raise self._told(exc) from exc

    async def ask(self, request: Awaitable[T], most: int = MAX_ANSWER) -> T:
        """The answer to a request made with `w3`. Raises ChainError and nothing else.

        TooLong when it is one of more than `most` bytes of JSON.
        """
        before = _most.set(most)
        try:
            with self.asking():
                return await request
        finally:
            _most.reset(before)

    async def broadcast(self, raw: str) -> None:
        """Sends a signed transaction to every node.

        It is sent when one node takes it or has it already. Raises RpcRefused, the first, when
        each refuses it; RpcDown when one does not answer: it may have it.
        """
        request = self.encode_rpc_request(RPCEndpoint("eth_sendRawTransaction"), [raw])
        nodes = self._ranked()
        nodes = [node for node in nodes if not node.fault] or nodes
        told = await asyncio.gather(*(n.ask(request) for n in nodes), return_exceptions=True)
        silent = [str(exc) for exc in told if isinstance(exc, BaseException)]
        answers = [_message(answer) for answer in told if not isinstance(answer, BaseException)]
        if any(not why or any(known in why.lower() for known in _KNOWN) for why in answers):
            return
        if silent:
            raise RpcDown("; ".join(silent))
        raise RpcRefused(f"every node refuses: {answers[0]}")

    async def head(self) -> Head:
        """The newest block."""
        return await self.block("latest")

    async def block(self, at: int | str) -> Head:
        """A block by number or hash. Raises RpcDown when the endpoint does not have it."""
        with self.asking():
            block: BlockData = await self.w3.eth.get_block(at)  # type: ignore[arg-type]  # NewTypes
            own, parent = ("0x" + block[key].hex() for key in ("hash", "parentHash"))
            number, timestamp = int(block["number"]), int(block["timestamp"])
            if not (0 <= number < BLOCKS and 0 <= timestamp < _NEVER):
                raise Faulty("tells of a block that there cannot be")
            return Head(number, own, timestamp, parent)

    async def balance(self, account: str) -> int:
        """Wei."""
        return await self.ask(self.w3.eth.get_balance(self.w3.to_checksum_address(account)))

    async def logs(self, query: Mapping[str, Any], most: int) -> Any:
        """Logs as the node tells them, in JSON of `most` bytes. Raises ChainError, TooLong."""
        answer = await self.ask(self.make_request(RPCEndpoint("eth_getLogs"), [query]), most)
        if why := _message(answer):
            raise RpcRefused(f"{self.where} refuses: {why}")
        return answer["result"]

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """For web3: the answer of the first node that gives one. Raises RpcDown, TooLong."""
        request, failed = self.encode_rpc_request(method, params), list[str]()
        for node in self._ranked():
            try:
                answer: RPCResponse = await node.ask(request, _most.get())
            except RpcDown as exc:
                failed.append(str(exc))
                continue
            if node is not self._used:
                why, before = self._used.fault or "it is the better one", self.where
                log.warning("another node is asked", node=node.where, before=before, why=why)
                self._used = node
            return answer
        raise RpcDown("; ".join(failed))

    def _ranked(self) -> list[Node]:
        """In the order given, but who stands far behind comes later, and who has a fault last.

        Who was not asked yet comes before who is known to have one.
        """
        late = max((n.head for n in self._nodes if not n.fault), default=0) - self._head_age
        ranks = {n: (n.fault != "", n.fault != _UNASKED, n.head < late) for n in self._nodes}
        for node, rank in ranks.items():
            metrics.NODE_UP.labels(node.where).set(not (rank[0] or rank[2]))
            if time.monotonic() >= node.look_at:
                node.look()
        return sorted(self._nodes, key=lambda node: ranks[node])

    def _told(self, exc: Exception) -> ChainError:
        match exc:
            case ContractLogicError(data=data):
                return abi.revert(data)
            case BadFunctionCallOutput():
                return WrongContract("no contract of that kind answers at the address")
            case BlockNotFound():
                return RpcDown(f"{self.where} does not have the block asked for")
            case Web3RPCError(rpc_response=answer) if answer:
                return RpcRefused(f"{self.where} refuses: {_message(answer)}")
            case _:
                return self._used.fail(exc)


def _message(answer: Any) -> str:
    """What an error answer says; "" for another."""
    return str(answer["error"]["message"]) if answer.get("error") else ""
