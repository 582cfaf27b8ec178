"""The local chain, as people use it who are not the keeper: time, transactions, balances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from web3.types import RPCEndpoint

from demo.stage import CHAIN_ID, DemoFailed
from keeper.chain import records
from keeper.chain.contracts import Contract, ContractMarket, events
from keeper.chain.rpc import Rpc
from keeper.ports import ChainEvent

_GAS = 1_000_000  # for a transaction that cannot be simulated yet


@dataclass
class Chain:
    """A chain whose time can be moved.

    Attributes:
        now: where its time was moved to, unix seconds UTC; publishers go by it.
        accounts: those that the node holds the keys of.
        markets: by game name.
    """

    rpc: Rpc
    now: float
    accounts: tuple[str, ...]
    markets: Mapping[str, ContractMarket]
    _events: list[ChainEvent] = field(default_factory=list)
    _read: int = -1

    async def move_to(self, time: int) -> None:
        """Mines a block of that time, unless it has come already."""
        if time > (await self.rpc.head()).timestamp:
            self.now = time
            await self._tell("evm_mine", time)

    async def send(
        self, sender: str, to: Contract, function: str, *args: Any, value: int = 0
    ) -> int:
        """Calls a contract in a transaction; what its gas cost, wei. Raises ChainError."""
        call = to.encode(function, *args)
        return await self._mined(function, await self._sent(sender, to, call, value=value))

    async def send_together(
        self, sender: str, time: int, *calls: tuple[Contract, str, *tuple[Any, ...]]
    ) -> int:
        """Calls contracts in one block of that time, in this order; what their gas cost, wei."""
        await self._tell("evm_setAutomine", False)
        sent = [
            (function, await self._sent(sender, to, to.encode(function, *args), gas=_GAS))
            for to, function, *args in calls
        ]
        await self.move_to(time)
        await self._tell("evm_setAutomine", True)
        await self._tell("evm_mine")  # what others sent meanwhile
        return sum([await self._mined(*one) for one in sent])

    async def events(self) -> list[ChainEvent]:
        """All events of all markets so far, in log order."""
        addresses, head = [m.address for m in self.markets.values()], await self.rpc.head()
        if head.number > self._read:
            self._events += await events(self.rpc, addresses, self._read + 1, head.number)
            self._read = head.number
        return self._events

    async def _sent(self, sender: str, to: Contract, data: str, **values: int) -> Any:
        """The transaction's hash."""
        call: Any = {"from": sender, "to": to.address, "data": data, **values}
        return await self.rpc.ask(self.rpc.w3.eth.send_transaction(call))

    async def _mined(self, function: str, sent: Any) -> int:
        waiting = self.rpc.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        receipt = await self.rpc.ask(waiting)
        if not receipt["status"]:
            raise DemoFailed(f"{function} was mined and failed")
        return int(receipt["gasUsed"] * receipt["effectiveGasPrice"])

    async def _tell(self, method: str, *params: Any) -> None:
        request = self.rpc.w3.provider.make_request(RPCEndpoint(method), list(params))
        if "error" in (answer := await self.rpc.ask(request)):
            raise DemoFailed(f"the chain refuses {method} {params}: {answer['error']}")


@asynccontextmanager
async def connect(url: str, deployments: Path, now: int) -> AsyncIterator[Chain]:
    """The chain at `url` with the markets that are recorded for it."""
    rpc = Rpc([url], CHAIN_ID)
    try:
        markets = {
            game: ContractMarket(rpc, found.address, found.game, found.block_number)
            for game, found in records.load(CHAIN_ID, deployments).items()
        }
        yield Chain(rpc, now, tuple(await rpc.ask(rpc.w3.eth.accounts)), markets)
    finally:
        await rpc.close()
