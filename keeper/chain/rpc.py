"""The chain through its nodes. Every fault of theirs, every refusal of the contract is our error.

No message carries an endpoint's URL: providers put their keys into it.
"""

import contextlib
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, TypeVar

from eth_utils.crypto import keccak
from web3 import AsyncWeb3
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import BlockData

from keeper.chain import abi
from keeper.chain.nodes import Nodes, message
from keeper.errors import ChainError, RpcDown, RpcRefused, Unfunded, WrongContract
from keeper.ports import Head

T = TypeVar("T")
# What nodes say of a transaction that they have already.
_KNOWN = ("already known", "alreadyknown", "already imported", "known transaction")


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

    async def check(self) -> None:
        """Raises WrongChain when every node serves another chain, RpcDown when none answers."""
        await self.ask(self.w3.eth.chain_id)

    async def broadcast(self, raw: bytes) -> str:
        """Sends a signed transaction to every node; its hash.

        It is sent when one node takes it or has it already. Raises the first refusal, RpcRefused
        or Unfunded, when none does; RpcDown when none answers.
        """
        answers = await self._nodes.everywhere("eth_sendRawTransaction", "0x" + raw.hex())
        errors = [told for told in map(message, answers) if told]
        refusals = [e for e in errors if not any(known in e.lower() for known in _KNOWN)]
        if len(refusals) == len(answers):
            raise self._refusal(refusals[0])
        return "0x" + keccak(raw).hex()

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

    def _told(self, exc: Exception) -> ChainError:
        match exc:
            case ContractLogicError(data=data):
                return abi.revert(data)
            case BadFunctionCallOutput():
                return WrongContract("no contract of that kind answers at the address")
            case BlockNotFound():
                return RpcDown(f"{self.where} does not have the block asked for")
            case Web3RPCError(rpc_response=answer) if answer:
                return self._refusal(message(answer))
            case _:
                return self._nodes.used.fail(exc)

    def _refusal(self, why: str) -> RpcRefused:
        unfunded = "insufficient funds" in why.lower()
        return Unfunded(why) if unfunded else RpcRefused(f"{self.where} refuses: {why}")
