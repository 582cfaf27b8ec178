"""One RPC endpoint. Every fault of it, and every refusal of the contract, becomes our error.

No message carries the endpoint's URL: providers put their keys into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import BlockData, RPCEndpoint

from keeper.chain import abi
from keeper.errors import ChainError, RpcDown, RpcRefused, Unfunded, WrongChain, WrongContract
from keeper.ports import Head

T = TypeVar("T")
MAX_ANSWER = 32 << 20  # bytes; a full chunk of logs is far below
_AT_ONCE = 8  # requests; nodes refuse those who ask too much


class Rpc:
    """A node behind an HTTP URL, for one chain.

    Attributes:
        w3: web3 on this endpoint; await what it gives through `ask`.
        chain_id: of the chain that it must serve.
        where: the endpoint without its secrets, for messages.
    """

    def __init__(self, url: str, chain_id: int, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self.chain_id = chain_id
        secrets = [*parts.path.split("/"), parts.query, parts.username, parts.password]
        self._secrets = [url, *(s for s in secrets if s and len(s) > 3)]
        # Polygon's blocks carry its validators' signatures where Ethereum allows 32 bytes.
        middleware: Any = [(ExtraDataToPOAMiddleware, "poa")]
        self.w3 = AsyncWeb3(_Provider(url, self.where, timeout), middleware=middleware)

    async def close(self) -> None:
        """Closes its connections."""
        await self.w3.provider.disconnect()

    async def ask(self, request: Awaitable[T]) -> T:
        """The answer to a request made with `w3`. Raises ChainError and nothing else."""
        try:
            return await request
        except ChainError:
            raise
        except Exception as exc:  # web3 and what is below it fail in any way on a bad answer
            raise self._told(exc) from exc

    async def check(self) -> None:
        """Raises WrongChain when the endpoint serves another chain."""
        if (actual := await self.ask(self.w3.eth.chain_id)) != self.chain_id:
            raise WrongChain(f"the RPC endpoint serves chain {actual}, not {self.chain_id}")

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
        return Head(int(block["number"]), "0x" + block["hash"].hex(), int(block["timestamp"]))

    def _told(self, exc: Exception) -> ChainError:
        match exc:
            case ContractLogicError(data=data):
                return abi.revert(data)
            case BadFunctionCallOutput():
                return WrongContract("no contract of that kind answers at the address")
            case BlockNotFound():
                return RpcDown(f"{self.where} does not have the block asked for")
            case Web3RPCError():
                why = self._clean(_message(exc))
                if "insufficient funds" in why.lower():
                    return Unfunded(why)
                return RpcRefused(f"{self.where} refuses: {why}")
            case TimeoutError():
                return RpcDown(f"{self.where} does not answer in time")
            case aiohttp.ClientError() | OSError():
                return RpcDown(f"{self.where} does not answer ({type(exc).__name__})")
            case _:
                return RpcDown(f"{self.where} answers what makes no sense ({type(exc).__name__})")

    def _clean(self, text: str) -> str:
        """One short line of what the endpoint says, without what must not be told."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return "".join(c for c in " ".join(text.split()) if c.isprintable())[:200]


class _Provider(AsyncHTTPProvider):
    """web3's provider with kept connections, bounded answers and no redirects."""

    def __init__(self, url: str, where: str, timeout: float) -> None:
        super().__init__(url)
        # Off: it lets a contract's error make this process fetch any URL.
        self.global_ccip_read_enabled = False
        self._url, self._where, self._few = url, where, asyncio.Semaphore(_AT_ONCE)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout),
            headers={"Content-Type": "application/json"},
        )

    async def _make_request(self, _method: RPCEndpoint, request_data: bytes) -> bytes:
        send = partial(self._session.post, self._url, data=request_data, allow_redirects=False)
        async with self._few, send() as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ValueError("too long an answer")
            # Nodes tell of errors with any status: what matters is whether JSON came.
            if response.status != 200 and not body.lstrip().startswith(b"{"):
                raise RpcDown(f"{self._where} answers with HTTP {response.status}")
            return bytes(body)

    async def disconnect(self) -> None:
        await self._session.close()
        await asyncio.sleep(0)  # lets the transports go


def _message(exc: Web3RPCError) -> str:
    error = (exc.rpc_response or {}).get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return str(message if message is not None else exc.message)
