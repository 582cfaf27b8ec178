"""Gas by the receipts, always the same to the unit: fixed addresses, times and amounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keeper.domain.calendar import next_draw_times
from keeper.domain.draw import POWERBALL
from tests.contracts.support.codec import Abi, checksummed
from tests.contracts.support.contract import Contract
from tests.contracts.support.desk import DAY, HOUR, POL, Round
from tests.contracts.support.node import Node

BALANCE = 1_000 * POL


def address(number: int) -> str:
    """The same addresses in every run, without a zero byte, which would cost less."""
    return checksummed("0x" + "a5" * 16 + f"{number * 257 + 0x11111111:08x}".replace("00", "5a"))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        bar: the most that it may cost.
        pancake: the nearest action of PancakeSwap Prediction V2, measured on anvil.
        estimate: what was first thought that it would cost.
    """

    bar: int | None = None
    pancake: int | None = None
    estimate: int | None = None


@dataclass
class Table:
    """Gas used, by what was done."""

    rows: Mapping[str, Row]
    gas: dict[str, int] = field(default_factory=dict)

    def note(self, what: str, gas: int) -> int:
        """Keeps the dearest of several measurements of one row."""
        assert what in self.rows, what
        self.gas[what] = max(gas, self.gas.get(what, 0))
        return gas

    def over(self) -> dict[str, int]:
        """What costs more than its bar."""
        return {what: gas for what, gas in self.gas.items() if gas > (self.rows[what].bar or gas)}

    def __str__(self) -> str:
        head = ("gas", "bar", "spare", "Pancake V2", "estimate")
        lines = ["".join([f"{'':<52}", *(f"{name:>12}" for name in head)])]
        for what, row in self.rows.items():
            if what in self.gas:
                gas = self.gas[what]
                spare = f"{(row.bar - gas) / row.bar:.1%}" if row.bar else ""
                numbers = [gas, row.bar, spare, row.pancake, row.estimate]
                cells = (f"{one:,}" if isinstance(one, int) else one or "" for one in numbers)
                lines.append("".join([f"{what:<52}", *(f"{cell:>12}" for cell in cells)]))
        return "\n".join(lines)


class Bench:
    """A market on the Powerball calendar, decided by a committee of three and by an account.

    Attributes:
        decider: the account, for rounds that were created with it as their oracle.
    """

    def __init__(self, node: Node, launch: Callable[..., Contract]) -> None:
        self.node = node
        node.request("anvil_autoImpersonateAccount", True)
        self.staff = address(1)
        self.decider = address(2)
        self.fee_recipient = address(3)
        self.reporters = [address(10 + seat) for seat in range(15)]
        for someone in (self.staff, self.decider, self.fee_recipient, *self.reporters):
            node.set_balance(someone, BALANCE)
        self.launch = launch
        self.convene(3, 2)
        game = (POWERBALL.name, POWERBALL.white_max, POWERBALL.special_max)
        schedule = (POWERBALL.draw_days, POWERBALL.draw_second)
        keys = (self.staff, self.staff, self.staff, self.oracle.address, self.fee_recipient)
        limits = (200, POL // 100, 100 * POL)
        params = ((*game, *schedule), 0, *keys, *limits)
        self.market = launch(self.staff, "P2PLotteryBetting", params)
        self.draws = iter(next_draw_times(POWERBALL, node.now + DAY, node.now + 50 * DAY))

    def convene(self, seats: int, quorum: int) -> None:
        """An oracle of so many seats."""
        terms = (self.reporters[:seats], quorum, HOUR, self.staff)
        self.oracle = self.launch(self.staff, "ResultOracle", *terms)

    def close(self) -> None:
        self.node.request("anvil_autoImpersonateAccount", False)

    def gas(self, contract: Contract, function: str, *args: Any, by: str, **kwargs: Any) -> int:
        return contract.transact(function, *args, by=by, **kwargs).gas_used

    def do(self, function: str, *args: Any, by: str | None = None, **kwargs: Any) -> int:
        """On the market, by its staff unless told: the gas."""
        return self.gas(self.market, function, *args, by=by or self.staff, **kwargs)

    def users(self, first: int, count: int = 1) -> list[str]:
        """Addresses that never acted, with coins."""
        users = [address(1_000 + first + index) for index in range(count)]
        for user in users:
            self.node.set_balance(user, BALANCE)
        return users

    def create(self) -> tuple[Round, int]:
        """A new round, and the gas."""
        draw = next(self.draws)
        gas = self.do("createRound", draw)
        return Round(self.market.ask("roundCount"), draw, draw - 900), gas

    def bet(self, user: str, round_: Round, prediction: int, amount: int = POL) -> int:
        return self.do("placeBet", round_.id, prediction, by=user, value=amount)

    def a_crowd(
        self, round_: Round, prediction: int, users: list[str], which: tuple[int, ...]
    ) -> list[int]:
        """One bet each, many to a block: the gas of some, by their places."""
        self.node.request("evm_setAutomine", False)  # a block a bet would take a minute
        data = self.market.abi.call("placeBet", round_.id, prediction)
        bet = {"to": self.market.address, "data": data, "value": hex(POL), "gas": hex(100_000)}
        hashes = [
            self.node.request("eth_sendTransaction", {**bet, "from": user, "gasPrice": "0x0"})
            for user in users
        ]
        while self.node.request("eth_getTransactionReceipt", hashes[-1]) is None:
            self.node.request("evm_mine")
        self.node.request("evm_setAutomine", True)
        receipts = [
            self.node.request("eth_getTransactionReceipt", hashes[index]) for index in which
        ]
        assert {receipt["status"] for receipt in receipts} == {"0x1"}
        return [int(receipt["gasUsed"], 16) for receipt in receipts]

    def report(
        self, round_: Round, seat: int, whites: tuple[int, ...], at: int | None = None
    ) -> int:
        # 22:59 in New York: the date there is the day before it is in UTC.
        draw = (round_.draw // DAY - 1, whites, 9)
        arguments = (self.market.address, round_.id, draw, b"\xa5" * 32)
        return self.gas(self.oracle, "report", *arguments, by=self.reporters[seat], at=at)


def launcher(node: Node, contracts: Mapping[str, tuple[Abi, str]]) -> Callable[..., Contract]:
    """Deploys by name from an address of its own: the same contract addresses in every run."""

    def launch(by: str, name: str, *args: Any) -> Contract:
        abi, code = contracts[name]
        receipt = node.send(by, None, abi.deployment(code, *args))
        return Contract(node, abi, checksummed(receipt.contract))

    return launch
