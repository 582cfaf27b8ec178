"""The deployed contracts: markets with their events, and the oracles that decide their rounds.

Every method raises ChainError when the chain cannot be asked, or refuses.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, Literal

from hexbytes import HexBytes

from keeper.chain import abi
from keeper.chain.rpc import Faulty, Rpc
from keeper.domain.draw import Draw, Game
from keeper.errors import ChainError, Reverted, RpcRefused, TooLong, WrongContract
from keeper.ports import (
    LOGS,
    ChainEvent,
    Committee,
    Head,
    Report,
    RoundInfo,
    RoundStatus,
    Standing,
)

At = int | Literal["latest"]
"""A block by its number, or the newest that the node has."""
_EPOCH = dt.date(1970, 1, 1)
_SEATS = 15  # reporters of a committee at most
_REPORTS = 2**20  # bytes of JSON in which a node tells reports: some 700
_ANSWER = 4096  # bytes of JSON: no view that is asked has half as much to tell
_MOST = 2**63 - 1  # of a number that a committee may tell: JSON holds no more
# What the contract gives a recipient when it settles, the stipend of a call with value, and the
# cost of any transaction.
_RECIPIENT_GAS = 50_000 + 2_300 + 21_000


class Contract:
    """What stands at an address, taken for what the ABI says.

    Attributes:
        address: with its checksum.
        rpc: the endpoint that it is seen through.
    """

    def __init__(self, rpc: Rpc, address: str, interface: abi.Abi) -> None:
        self.rpc, self.address = rpc, rpc.w3.to_checksum_address(address)
        self._contract = rpc.w3.eth.contract(self.address, abi=interface)

    def encode(self, function: str, *args: Any) -> str:
        """The data of a call."""
        return str(self._contract.encode_abi(function, args))

    async def call(self, function: str, *args: Any, at: At = "latest") -> Any:
        """What a view returns after the block `at`; several values as a list.

        Raises ChainError, also when the node does not have that block; WrongContract when what
        stands at the address has no such view.
        """
        view = self._contract.functions[function](*args)
        try:
            return await self.rpc.ask(view.call(block_identifier=at), _ANSWER)
        except TooLong as exc:
            raise WrongContract(f"{self.address} has too much to tell") from exc


class ContractMarket(Contract):
    """A market on a chain.

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
            why = f"{self.address} is no market, but recorded as that of {self.game.name}"
            raise WrongContract(f"{why}: look at the record, LOTTOCHAIN_DEPLOYMENTS") from exc
        if rules != self.game:
            raise WrongContract(f"{self.address} is a market of {rules}, not of {self.game}")

    async def round_count(self, at: At = "latest") -> int:
        """How many rounds there are after the block `at`; ids run from 1 to this."""
        return int(await self.call("roundCount", at=at))

    async def round_info(self, round_id: int, at: At = "latest") -> RoundInfo:
        """A round after the block `at`. Raises Reverted("UnknownRound") when there is none."""
        draw_time, lock_time, status, *others = await self.call("getRoundInfo", round_id, at=at)
        return RoundInfo(draw_time, lock_time, RoundStatus(status), *others)

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
        except (Reverted, RpcRefused):  # out of gas is an error of the endpoint's own
            return False
        return True


class ContractOracle(Contract):
    """The oracle at an address for the rounds of a market. Every method raises ChainError."""

    def __init__(self, market: Contract, address: str) -> None:
        super().__init__(market.rpc, address, abi.oracle_abi())
        self._market = market.address
        self._committee: Committee | None = None

    async def committee(self, at: At = "latest") -> Committee:
        """Who decides, and how; asked once, for it never changes.

        Raises WrongContract when there is an ordinary account or another contract, or one whose
        numbers make no sense.
        """
        if self._committee is None:
            views = ("reporters", "quorum", "disputeWindow", "guardian")
            try:
                asking = (self.call(view, at=at) for view in views)
                reporters, *terms = await asyncio.gather(*asking)
            except Reverted as exc:
                raise WrongContract(f"{self.address} is no ResultOracle") from exc
            self._check(*terms[:2])
            if len(reporters) > _SEATS:
                raise WrongContract(f"{self.address} names {len(reporters)} reporters")
            self._committee = Committee(tuple(reporters), *terms)
        return self._committee

    async def standing(self, round_id: int, account: str | None, at: At = "latest") -> Standing:
        """How far the committee has come with a round; with the vote of one of its reporters.

        After the block `at`. Raises WrongContract as `committee` does.
        """
        committee = await self.committee(at)
        (ballot, _), (number, _, finalizable_at) = await asyncio.gather(
            *(self.call(view, self._market, round_id, at=at) for view in ("ballot", "proposal"))
        )
        self._check(ballot, finalizable_at)
        reporter = account if account in committee.reporters else None
        vote = await self.vote_of(round_id, reporter, at) if reporter else None
        return Standing(committee, ballot, vote, number, finalizable_at)

    def _check(self, *numbers: int) -> None:
        if any(number > _MOST for number in numbers):
            raise WrongContract(f"{self.address} tells a number that makes no sense")

    async def vote_of(self, round_id: int, reporter: str, at: At = "latest") -> Draw | None:
        """What a reporter says was drawn, in the ballot that stands after a block."""
        of = self._market, round_id, reporter
        voted, (days, whites, special) = await self.call("voteOf", *of, at=at)
        try:
            return _draw(days, whites, special) if voted else None
        except OverflowError as exc:
            raise WrongContract(f"{self.address} tells a vote on no date") from exc

    async def reports(
        self, round_id: int, first: int, last: int, who: str | None = None
    ) -> list[Report]:
        """The votes cast on a round in these blocks, both included, in log order.

        By everybody, or by one reporter. A log that no ResultOracle emits is passed over. Raises
        WrongContract when there are more than any committee needs.
        """
        topics = [
            abi.topic("ResultReported"),
            *(f"0x{n:064x}" for n in (int(self._market, 16), round_id)),
            *([f"0x{int(who, 16):064x}"] if who else ()),
        ]
        blocks = {"fromBlock": hex(first), "toBlock": hex(last)}
        query = {"address": self.address, "topics": topics, **blocks}
        try:
            logs = await self.rpc.logs(query, _REPORTS)
        except TooLong as exc:
            raise WrongContract(f"{self.address} tells of too many votes") from exc
        found = []
        with self.rpc.asking():
            for log in logs:
                at = int(log["blockNumber"], 16), int(log["logIndex"], 16)
                asked = log["topics"][: len(topics)] == topics and first <= at[0] <= last
                if not asked or log["address"].lower() != self.address.lower():
                    raise Faulty("answers with logs that were not asked for")
                with contextlib.suppress(ChainError, OverflowError):
                    _, args = abi.event([*map(HexBytes, log["topics"])], HexBytes(log["data"]))
                    what = args["reporter"], args["ballot"], _draw(*args["draw"]), args["evidence"]
                    found.append((at, Report(at[0], *what)))
        return [report for _, report in sorted(found, key=lambda each: each[0])]


def _draw(days: int, whites: Sequence[int], special: int) -> Draw:
    """Raises OverflowError when there is no such date."""
    a, b, c, d, e = whites
    return Draw(_EPOCH + dt.timedelta(days), (a, b, c, d, e), special)


def report(market: str, round_id: int, draw: Draw, evidence: bytes) -> tuple[Any, ...]:
    """The arguments of `report`."""
    return market, round_id, ((draw.date - _EPOCH).days, draw.whites, draw.special), evidence


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
        missing = {log["blockNumber"] for log in logs} - on_chain.keys()
        on_chain |= zip(missing, await asyncio.gather(*map(rpc.block, missing)), strict=True)
        for log in logs:
            block = on_chain[log["blockNumber"]]
            asked = log["address"] in markets and first <= block.number <= last
            if not asked or block.hash != "0x" + log["blockHash"].hex():
                raise Faulty("answers with logs that were not asked for")
            name, args = abi.event(log["topics"], log["data"])
            place = block.number, block.hash, "0x" + log["transactionHash"].hex(), log["logIndex"]
            found.append(ChainEvent(log["address"], name, args, *place, block.timestamp))
        places = {(e.block_number, e.log_index): e for e in found}
        if len(places) < len(found) or any(not 0 <= index < LOGS for _, index in places):
            raise Faulty("answers with logs in places where there are none")
    return [places[place] for place in sorted(places)]
