"""A deployed market and its people, with short ways to act on it and to see what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from keeper.domain.calendar import next_draw_times
from keeper.domain.draw import Game
from tests.contracts.support.codec import Abi, Event
from tests.contracts.support.contract import Contract
from tests.contracts.support.node import GAS, Receipt, Reverted

POL = 10**18
MINUTE, HOUR, DAY = 60, 3600, 86_400
LOCK_LEAD = 15 * MINUTE
RESULT_WINDOW = 72 * HOUR
NONE, OPEN, LOCKED, FINALIZED, CANCELLED = range(5)
EVEN, ODD, HIGH, LOW, EVEN_LOW, ODD_HIGH, EVEN_HIGH, ODD_LOW = range(8)


@dataclass(frozen=True, slots=True)
class Round:
    """A round that was created."""

    id: int
    draw: int
    lock: int

    @property
    def over(self) -> int:
        """The last second for a result."""
        return self.draw + RESULT_WINDOW


@dataclass(frozen=True, slots=True)
class People:
    """Addresses by role; nobody has two roles. `bettors` have none."""

    admin: str
    operator: str
    guardian: str
    oracle: str
    fee_recipient: str
    stranger: str
    bettors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Desk(Contract):
    """One market.

    Attributes:
        birth: the events of its deployment.
    """

    game: Game
    people: People
    birth: list[Event]

    # ---- rounds

    def draws(self, count: int = 1, after: int | None = None) -> list[int]:
        """The next scheduled draw times, from a day after `after` (now) on."""
        start = (after or self.node.now) + DAY
        return next_draw_times(self.game, start, start + 30 * DAY)[:count]

    def open(self, draw: int | None = None) -> Round:
        """A new round for a draw, the next one unless told."""
        draw = draw or self.draws()[0]
        (created,) = self.do("createRound", draw, by=self.people.operator)
        return Round(created.roundId, draw, draw - LOCK_LEAD)

    def bet(self, round_: Round, user: str, prediction: int, amount: int = POL) -> list[Event]:
        return self.do("placeBet", round_.id, prediction, by=user, value=amount)

    def finalize(self, round_: Round, number: int, at: int | None = None) -> list[Event]:
        """By its oracle, at the time of the draw unless told."""
        oracle = self.people.oracle
        return self.do("finalizeRound", round_.id, number, by=oracle, at=at or round_.draw)

    def bring_to(self, round_: Round, status: int, number: int = 0) -> None:
        """Brings an open round to a status, in the plainest way."""
        if status == LOCKED:
            self.node.mine_at(round_.lock)
        elif status == FINALIZED:
            self.finalize(round_, number)
        elif status == CANCELLED:
            self.do("cancelRound", round_.id, by=self.people.operator)

    def puppet(self, abi: Abi, address: str) -> Puppet:
        """A contract that acts on this market, with coins to bet."""
        self.node.set_balance(address, 1_000 * POL)
        return Puppet(self, abi, address)

    # ---- money

    def balance(self, account: str | None = None) -> int:
        """Of the market itself unless told."""
        return self.node.balance(account or self.address)

    @contextmanager
    def pays(self, *payments: tuple[str, int]) -> Iterator[None]:
        """Inside, the market must pay exactly these: (account, wei) each."""
        accounts = [self.address, *(account for account, _ in payments)]
        before = [self.balance(account) for account in accounts]
        yield
        after = [self.balance(account) for account in accounts]
        amounts = [amount for _, amount in payments]
        moved = [now - then for now, then in zip(after, before, strict=True)]
        assert moved == [-sum(amounts), *amounts]


@dataclass(frozen=True, slots=True)
class Puppet:
    """A test's own contract, see Puppet.sol."""

    desk: Desk
    abi: Abi
    address: str

    def set(self, function: str, *args: Any) -> None:
        """Calls one of its own functions."""
        desk = self.desk
        desk.node.send(desk.people.stranger, self.address, self.abi.call(function, *args))

    def ask(self, function: str) -> Any:
        """Reads one of its own values."""
        (answer,) = self.desk.node.calls(self.address, [self.abi.call(function)])
        return self.abi.answer(function, answer)

    def do(self, function: str, *args: Any, value: int = 0, gas: int = GAS) -> Receipt:
        """Has it call the market. Raises Refused."""
        desk = self.desk
        data = bytes.fromhex(desk.abi.call(function, *args)[2:])
        act = self.abi.call("act", desk.address, value, data)
        try:
            return desk.node.send(desk.people.stranger, self.address, act, gas=gas)
        except Reverted as reverted:
            raise desk.abi.refusal(reverted.data) from None
