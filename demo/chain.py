"""The local chain, as people use it who are not the keeper: time, transactions, balances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web3.types import RPCEndpoint

from demo.stage import CHAIN_ID, DemoFailed
from keeper.chain import records
from keeper.chain.abi import market_abi
from keeper.chain.market import ContractMarket, events
from keeper.chain.rpc import Rpc
from keeper.ports import ChainEvent


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

    async def move_to(self, time: int) -> None:
        """Mines a block of that time, unless it has come already."""
        if time > (await self.rpc.head()).timestamp:
            self.now = time
            request = self.rpc.w3.provider.make_request(RPCEndpoint("evm_mine"), [time])
            if "error" in (answer := await self.rpc.ask(request)):
                raise DemoFailed(f"the chain does not go to {time}: {answer['error']}")

    async def send(self, sender: str, game: str, function: str, *args: Any, value: int = 0) -> int:
        """Calls a market in a transaction; what its gas cost, wei. Raises ChainError."""
        call, ask = self._function(game, function, *args), self.rpc.ask
        sent = await ask(call.transact({"from": sender, "value": value}))
        receipt = await ask(self.rpc.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01))
        if not receipt["status"]:
            raise DemoFailed(f"{function}{args} was mined and failed")
        return int(receipt["gasUsed"] * receipt["effectiveGasPrice"])

    async def matched(self, game: str, round_id: int, user: str) -> int:
        """What of a user's bets is matched by the contract's own view, wei."""
        view = self._function(game, "getUserBet", round_id, user)
        return int((await self.rpc.ask(view.call()))[1])

    async def events(self) -> list[ChainEvent]:
        """All events of all markets so far, in log order."""
        addresses = [market.address for market in self.markets.values()]
        return await events(self.rpc, addresses, 0, (await self.rpc.head()).number)

    def _function(self, game: str, name: str, *args: Any) -> Any:
        address = self.rpc.w3.to_checksum_address(self.markets[game].address)
        return self.rpc.w3.eth.contract(address, abi=market_abi()).functions[name](*args)


@asynccontextmanager
async def connect(url: str, deployments: Path, now: int) -> AsyncIterator[Chain]:
    """The chain at `url` with the markets that are recorded for it."""
    rpc = Rpc(url, CHAIN_ID)
    try:
        markets = {
            game: ContractMarket(rpc, found.address, found.game, found.block_number)
            for game, found in records.load(CHAIN_ID, deployments).items()
        }
        yield Chain(rpc, now, tuple(await rpc.ask(rpc.w3.eth.accounts)), markets)
    finally:
        await rpc.close()
