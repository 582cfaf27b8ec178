"""The chain through its nodes. Every fault of theirs, every refusal of the contract is our error.

No message carries an endpoint's URL: providers put their keys into it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, TypeVar

import structlog
from web3 import AsyncWeb3
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import BlockData, RPCEndpoint, RPCResponse

from keeper import metrics
from keeper.chain import abi
from keeper.chain.nodes import Node, message
from keeper.errors import ChainError, RpcDown, RpcRefused, WrongContract
from keeper.ports import Head

log = structlog.get_logger()

T = TypeVar("T")
_SEND = RPCEndpoint("eth_sendRawTransaction")
# What nodes say of a transaction that they have already.
_KNOWN = ("already known", "alreadyknown", "already imported", "known transaction")


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

    async def ask(self, request: Awaitable[T]) -> T:
        """The answer to a request made with `w3`. Raises ChainError and nothing else."""
        with self.asking():
            return await request

    async def broadcast(self, raw: str) -> None:
        """Sends a signed transaction to every node.

        It is sent when one node takes it or has it already. Raises RpcRefused, the first, when
        each refuses it; RpcDown when one does not answer: it may have it.
        """
        request, nodes = self.encode_rpc_request(_SEND, [raw]), self._ranked()
        nodes = [node for node in nodes if not node.fault] or nodes
        told = await asyncio.gather(*(n.ask(request) for n in nodes), return_exceptions=True)
        silent = [str(exc) for exc in told if isinstance(exc, BaseException)]
        answers = [message(answer) for answer in told if not isinstance(answer, BaseException)]
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
            return Head(int(block["number"]), own, int(block["timestamp"]), parent)

    async def balance(self, account: str) -> int:
        """Wei."""
        return await self.ask(self.w3.eth.get_balance(self.w3.to_checksum_address(account)))

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """For web3: the answer of the first node that gives one. Raises RpcDown."""
        request, failed = self.encode_rpc_request(method, params), list[str]()
        for node in self._ranked():
            try:
                answer: RPCResponse = await node.ask(request)
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
        """In the order given, but who stands far behind comes later, and who has a fault last."""
        late = max((n.head for n in self._nodes if not n.fault), default=0) - self._head_age
        ranks = {node: (bool(node.fault), node.head < late) for node in self._nodes}
        for node, rank in ranks.items():
            metrics.NODE_UP.labels(node.where).set(not any(rank))
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
                return RpcRefused(f"{self.where} refuses: {message(answer)}")
            case _:
                return self._used.fail(exc)
