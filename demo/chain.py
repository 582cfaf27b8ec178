"""The local chain, as people use it who are not the keeper: time, bets, balances, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web3.types import RPCEndpoint

from demo.stage import DemoFailed
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
            await self._request("evm_setNextBlockTimestamp", time)
            await self._request("evm_mine")

    async def send(self, sender: str, game: str, function: str, *args: Any, value: int = 0) -> int:
        """Calls a market in a transaction; what its gas cost, wei."""
        call = self._function(game, function, *args)
        sent = await self.rpc.ask(call.transact({"from": sender, "value": value}))
        receipt = await self.rpc.ask(
            self.rpc.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        )
        if not receipt["status"]:
            raise DemoFailed(f"{function}{args} was refused")
        return int(receipt["gasUsed"] * receipt["effectiveGasPrice"])

    async def matched(self, game: str, round_id: int, user: str) -> int:
        """What of a user's bets is matched, by the contract's own view, wei."""
        _, matched, *_ = await self.rpc.ask(
            self._function(game, "getUserBet", round_id, user).call()
        )
        return int(matched)

    async def events(self) -> list[ChainEvent]:
        """All events of all markets so far, in log order."""
        addresses = [market.address for market in self.markets.values()]
        return await events(self.rpc, addresses, 0, (await self.rpc.head()).number)

    def _function(self, game: str, name: str, *args: Any) -> Any:
        address = self.rpc.w3.to_checksum_address(self.markets[game].address)
        contract = self.rpc.w3.eth.contract(address, abi=market_abi())
        return contract.functions[name](*args)

    async def _request(self, method: str, *params: Any) -> None:
        request = self.rpc.w3.provider.make_request(RPCEndpoint(method), list(params))
        answer = await self.rpc.ask(request)
        if "error" in answer:
            raise DemoFailed(f"{method}: {answer['error']}")
