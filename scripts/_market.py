"""A deployed market as the commands read it: its record, its contract, its rounds, its logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ape.api.providers import ProviderAPI
from eth_utils.abi import event_abi_to_log_topic
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import Web3RPCError
from web3.types import FilterParams, LogReceipt, TxReceipt

from keeper.chain import abi, records
from keeper.chain.records import Deployment
from keeper.domain.draw import Game, game_named
from keeper.domain.lines import RoundStatus
from scripts._deployment import records_folder, web3_of
from scripts._errors import UserError
from scripts._text import draw_day, utc

_FEWEST_BLOCKS = 8  # a range that every node accepts
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Round:
    """A round as `getRoundInfo` tells it.

    Attributes:
        draw_time, lock_time: unix seconds.
        total_staked, total_matched: wei.
    """

    id: int
    draw_time: int
    lock_time: int
    status: RoundStatus
    winning_number: int
    fee_bps: int
    finalized_at: int
    total_staked: int
    total_matched: int
    oracle: str

    @property
    def state(self) -> str:
        """ "OPEN", "FINALIZED: number 35" """
        if self.status is RoundStatus.FINALIZED:
            return f"{self.status.name}: number {self.winning_number}"
        return self.status.name

    @property
    def title(self) -> str:
        """ "3, the draw of 2026-08-18 (Tuesday), 2026-08-19 03:00:00 UTC, OPEN" """
        day = draw_day(self.draw_time)
        return f"{self.id}, the draw of {day}, {utc(self.draw_time)}, {self.state}"


class Market:
    """One deployed market.

    Attributes:
        where: the network as the user named it, with its chain id.
        symbol: of the chain's coin.
        contract: web3's, for calls; a struct comes back as a named tuple.
    """

    def __init__(self, web3: Web3, deployment: Deployment, network: str, symbol: str) -> None:
        self.web3, self.deployment, self.symbol = web3, deployment, symbol
        self.where = f"{network} (chain {web3.eth.chain_id})"
        self.address = Web3.to_checksum_address(deployment.address)
        self.contract = self.web3.eth.contract(
            self.address, abi=abi.market_abi(), decode_tuples=True
        )

    @property
    def game(self) -> Game:
        """The lottery game that it serves."""
        return self.deployment.game

    def view(self, function: str, *args: Any, block: int | None = None) -> Any:
        """Calls a view, at a block or at the newest."""
        bound = self.contract.functions[function](*args)
        return bound.call(block_identifier="latest" if block is None else block)

    def now(self) -> int:
        """The newest block's time, unix seconds: what the contract goes by."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def round(self, round_id: int, block: int | None = None) -> Round:
        """A round. The contract refuses an unknown one."""
        info = self.view("getRoundInfo", round_id, block=block)
        return Round(round_id, info[0], info[1], RoundStatus(info[2]), *info[3:])

    def rounds(self, last: int | None = None, block: int | None = None) -> list[Round]:
        """The newest `last` rounds, or all, oldest first."""
        count = self.view("roundCount", block=block)
        first = 1 if last is None else max(1, count - last + 1)
        return [self.round(i, block) for i in range(first, count + 1)]

    def logs(self, topics: Sequence[Any], until: int | None = None) -> list[LogReceipt]:
        """The market's logs with these topics, from its deployment to block `until`, in order."""
        last = self.web3.eth.block_number if until is None else until

        def fetch(start: int, end: int) -> list[LogReceipt]:
            wanted: FilterParams = {"address": self.address, "topics": topics}
            return self.web3.eth.get_logs(FilterParams(**wanted, fromBlock=start, toBlock=end))

        return in_ranges(fetch, self.deployment.block_number, last)

    def events(self, *names: str, until: int | None = None) -> list[tuple[str, dict[str, Any]]]:
        """The market's events of these names as (name, values by name), in log order."""
        topics = [_topic(name) for name in names]
        logs = self.logs([topics], until)
        return [_read(log) for log in logs]

    def told(self, receipt: TxReceipt, *names: str) -> list[dict[str, Any]]:
        """The values of the market's events of these names in a transaction, in order."""
        logs = [log for log in receipt["logs"] if log["address"] == self.address]
        read = [_read(log) for log in logs]
        return [args for name, args in read if name in names]

    def bettors(self, round_id: int) -> list[str]:
        """Everybody who bet in a round, in the order of their first bets."""
        placed = self.logs([_topic("BetPlaced"), HexBytes(round_id.to_bytes(32, "big"))])
        users = (Web3.to_checksum_address(bytes(log["topics"][2])[-20:]) for log in placed)
        return list(dict.fromkeys(users))


def in_ranges(fetch: Callable[[int, int], list[T]], first: int, last: int) -> list[T]:
    """What `fetch(start, end)` gives for the blocks first..last, in ranges that the node takes.

    Nodes limit a range of logs by its blocks or by the size of its answer, each in its own way.
    """
    found: list[T] = []
    start, size = first, max(last - first + 1, 1)
    while start <= last:
        try:
            found += fetch(start, min(start + size - 1, last))
        except Web3RPCError:
            if size <= _FEWEST_BLOCKS:
                raise
            size = max(size // 4, _FEWEST_BLOCKS)
        else:
            start += size
    return found


def _read(log: LogReceipt) -> tuple[str, dict[str, Any]]:
    return abi.event([bytes(t) for t in log["topics"]], bytes(log["data"]))


def _topic(event: str) -> HexBytes:
    entry: Any = next(
        dict(e) for e in abi.market_abi() if e["type"] == "event" and e["name"] == event
    )
    return HexBytes(event_abi_to_log_topic(entry))


def open_markets(provider: ProviderAPI, game: str | None = None) -> list[Market]:
    """The markets of the chain's deployment record, or the one of a game.

    Raises UserError or RecordError when there is none, or the chain has no contract there.
    """
    web3 = web3_of(provider)
    chain_id = web3.eth.chain_id
    deployed = records.load(chain_id, records_folder())
    if not deployed:
        raise UserError(f"no market is deployed on chain {chain_id}: `ape run deploy market`")
    if game is not None and game_named(game).name not in deployed:
        raise UserError(
            f"no {game} market is deployed on chain {chain_id}: "
            f"{records.record_path(chain_id, records_folder())} has {', '.join(deployed)}"
        )
    ecosystem = provider.network.ecosystem
    named = f"{ecosystem.name}:{provider.network.name}", ecosystem.fee_token_symbol
    markets = [Market(web3, deployed[name], *named) for name in ([game] if game else deployed)]
    for market in markets:
        if not web3.eth.get_code(market.address):
            raise UserError(
                f"the record says that {market.game.name} is at {market.address}, but chain "
                f"{chain_id} has no contract there: a local chain forgets when it stops"
            )
    return markets


def open_market(provider: ProviderAPI, game: str | None = None) -> Market:
    """The market of a game; without one, the only market there is. Raises as `open_markets`."""
    markets = open_markets(provider, game)
    if len(markets) != 1:
        raise UserError(f"say which: --game {' or '.join(m.game.name for m in markets)}")
    return markets[0]
