"""The chain through its nodes. Every fault of theirs, every refusal of the contract is our error.

No message carries an endpoint's URL: providers put their keys into it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from eth_utils.crypto import keccak
from web3 import AsyncWeb3
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import BlockData, RPCResponse

from keeper.chain import abi
from keeper.chain.nodes import Nodes, fault, message
from keeper.errors import ChainError, RpcDown, RpcRefused, Unfunded, WrongContract
from keeper.ports import Head

T = TypeVar("T")
# What nodes say of a transaction that they have already.
_KNOWN = ("already known", "alreadyknown", "already imported", "known transaction")


class Senseless(RpcDown):
    """A node's answer does not fit what was asked: another should be asked."""


class Rpc:
    """The nodes behind HTTP URLs, the preferred first, for one chain.

    A request that a node does not answer goes to the next. Nodes of another chain are never used;
    one whose head is `head_age` seconds older than the newest head only when there is no other.

    Attributes:
        w3: web3 on these nodes; await what it gives through `ask`.
        chain_id: of the chain that they must serve.
    """

    def __init__(
        self, urls: Sequence[str], chain_id: int, timeout: float = 10.0, head_age: int = 60
    ) -> None:
        self.chain_id = chain_id
        self._nodes = Nodes(urls, chain_id, timeout, head_age)
        # Polygon's blocks carry its validators' signatures where Ethereum allows 32 bytes.
        middleware: Any = [(ExtraDataToPOAMiddleware, "poa")]
        self.w3 = AsyncWeb3(self._nodes, middleware=middleware)

    @property
    def where(self) -> str:
        """The node that answered last, without its secrets, for messages."""
        return self._nodes.used.where

    async def close(self) -> None:
        """Closes its connections."""
        await self._nodes.disconnect()

    async def ask(self, request: Awaitable[T]) -> T:
        """The answer to a request made with `w3`. Raises ChainError and nothing else."""
        try:
            return await request
        except Exception as exc:  # web3 and what is below it fail in any way on a bad answer
            told = exc if isinstance(exc, ChainError) else self._told(exc)
            if isinstance(told, Senseless):
                self._nodes.used.fail(RpcDown("answers what makes no sense"))
            if told is exc:
                raise
            raise told from exc

    async def check(self) -> None:
        """Raises WrongChain when every node serves another chain, RpcDown when none answers."""
        await self._nodes.ready()

    async def broadcast(self, raw: bytes) -> str:
        """Sends a signed transaction to every node; its hash.

        It is sent when one node takes it or has it already. Raises the first refusal, RpcRefused
        or Unfunded, when none does; RpcDown when none answers.
        """
        answers = await self._nodes.everywhere("eth_sendRawTransaction", "0x" + raw.hex())
        refusals = [self._refusal(answer) for answer in answers if _refused(answer)]
        if len(refusals) == len(answers):
            raise refusals[0]
        return "0x" + keccak(raw).hex()

    async def head(self) -> Head:
        """The newest block."""
        return await self.block("latest")

    async def block(self, at: int | str) -> Head:
        """A block by number or hash. Raises RpcDown when the endpoint does not have it."""
        return await self.ask(self._block(at))

    async def balance(self, account: str) -> int:
        """Wei."""
        return await self.ask(self.w3.eth.get_balance(self.w3.to_checksum_address(account)))

    async def _block(self, at: int | str) -> Head:
        block: BlockData = await self.w3.eth.get_block(at)  # type: ignore[arg-type]  # its NewTypes
        own, parent = ("0x" + block[key].hex() for key in ("hash", "parentHash"))
        return Head(int(block["number"]), own, int(block["timestamp"]), parent)

    def _told(self, exc: Exception) -> ChainError:
        match exc:
            case ContractLogicError(data=data):
                return abi.revert(data)
            case BadFunctionCallOutput():
                return WrongContract("no contract of that kind answers at the address")
            case BlockNotFound():
                return RpcDown(f"{self.where} does not have the block asked for")
            case Web3RPCError(rpc_response=answer) if answer:
                return self._refusal(answer)
            case _:
                return Senseless(f"{self.where} {fault(exc)}")

    def _refusal(self, answer: RPCResponse) -> RpcRefused | Unfunded:
        why = self._nodes.clean(message(answer))
        if "insufficient funds" in why.lower():
            return Unfunded(why)
        return RpcRefused(f"{self.where} refuses: {why}")


def _refused(answer: RPCResponse) -> bool:
    return "error" in answer and not any(known in message(answer).lower() for known in _KNOWN)
