"""One deployed P2PLotteryBetting: its views, its calls, its events."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from keeper.chain import abi
from keeper.chain.contract import Contract
from keeper.chain.nodes import Senseless
from keeper.chain.rpc import Rpc
from keeper.domain.draw import Game
from keeper.errors import Reverted, RpcRefused, Unfunded, WrongContract
from keeper.ports import ChainEvent, Head, RoundInfo, RoundStatus

# What the contract gives a recipient when it settles, the stipend of a call with value, and the
# cost of any transaction.
_RECIPIENT_GAS = 50_000 + 2_300 + 21_000


class ContractMarket(Contract):
    """A market on a chain. Every method raises ChainError.

    Attributes:
        deployed_block: no event of it is older.
    """

    def __init__(self, rpc: Rpc, address: str, game: Game, deployed_block: int) -> None:
        super().__init__(rpc, address, abi.market_abi())
        self.game, self.deployed_block = game, deployed_block

    async def check(self) -> None:
        """Raises WrongContract unless a market of this game stands at the address."""
        try:
            rules = Game(*await self.call("gameRules"))
        except (Reverted, WrongContract) as exc:
            raise WrongContract(f"{self.address} is no market") from exc
        if rules != self.game:
            raise WrongContract(f"{self.address} is a market of {rules}, not of {self.game}")

    async def round_count(self) -> int:
        """How many rounds there are; ids run from 1 to this."""
        return int(await self.call("roundCount"))

    async def round_info(self, round_id: int) -> RoundInfo:
        """A round. Raises Reverted("UnknownRound") when there is none."""
        draw_time, lock_time, status, *others = await self.call("getRoundInfo", round_id)
        return RoundInfo(draw_time, lock_time, RoundStatus(status), *others)

    async def round_of(self, draw_time: int) -> int:
        """The round that stands for a draw time; 0 when none does."""
        return int(await self.call("roundOf", draw_time))

    async def claimable(self, round_id: int, user: str) -> tuple[int, int]:
        """(winnings, refund) due now, wei."""
        winnings, refund = await self.call("claimable", round_id, user)
        return winnings, refund

    async def accepts(self, user: str, amount: int) -> bool:
        """Whether a payment as `settle` makes it would be accepted: `amount` wei, 50,000 gas."""
        payment: Any = {"from": self.address, "to": user, "value": amount}
        payment |= {"gas": _RECIPIENT_GAS, "gasPrice": 0}
        try:
            await self.rpc.ask(self.rpc.w3.eth.call(payment))
        except (Reverted, RpcRefused, Unfunded):  # out of gas is an error of the endpoint's own
            return False
        return True


async def events(
    rpc: Rpc, markets: Collection[str], first: int, last: int, heads: Sequence[Head] = ()
) -> list[ChainEvent]:
    """Every event of the markets in these blocks, both included, in log order.

    `heads` are blocks that are known. One such block alone is asked for by its hash: an endpoint
    that does not have it says so. Raises ChainError, also when the endpoint's logs do not fit
    what was asked or what is known.
    """
    on_chain = {head.number: head for head in heads}
    one = on_chain.get(first) if first == last else None
    blocks = {"blockHash": one.hash} if one else {"fromBlock": first, "toBlock": last}
    query: Any = {"address": sorted(markets), **blocks}
    found = []
    with rpc.asking():
        logs = await rpc.w3.eth.get_logs(query)
        known = {head.hash: head for head in heads}
        hashes = {"0x" + log["blockHash"].hex() for log in logs} - known.keys()
        known |= {head.hash: head for head in await asyncio.gather(*map(rpc.block, hashes))}
        for log in logs:
            number, block = log["blockNumber"], known["0x" + log["blockHash"].hex()]
            asked = log["address"] in markets and first <= number <= last
            if not asked or number != block.number or on_chain.get(number, block) != block:
                raise Senseless("answers with logs that were not asked for")
            name, args = abi.event(log["topics"], log["data"])
            place = block.number, block.hash, "0x" + log["transactionHash"].hex(), log["logIndex"]
            found.append(ChainEvent(log["address"], name, args, *place, block.timestamp))
    return sorted(found, key=lambda e: (e.block_number, e.log_index))
