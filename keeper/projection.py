"""A market as its events tell it: its rounds with every bet, and who may do what.

Built only from events in log order, so every keeper that reads the same chain holds the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from keeper.domain.draw import Game
from keeper.domain.lines import Book, apply
from keeper.ports import ChainEvent, Head, RoundStatus

# keccak256("OPERATOR_ROLE"), as the contract has it.
OPERATOR_ROLE = "0x97667070c54ef182b0f5858b034beac1b6f3089aa2d3188bb1e8929f4fa9b929"


@dataclass(slots=True)
class RoundView:
    """One round.

    Attributes:
        draw_time, lock_time: unix seconds UTC.
        fee_bps, oracle: fixed when the round was created.
        book: every bet, what is matched, what was paid and what is due.
        locked_at: when RoundLocked announced the lock; 0 before. Betting ends at lock_time anyway.
        finalized_at: when the result came; 0 before.
        ended_in: number of the block that finalized or cancelled it; 0 before.
    """

    id: int
    draw_time: int
    lock_time: int
    fee_bps: int
    oracle: str
    book: Book
    locked_at: int = 0
    finalized_at: int = 0
    ended_in: int = 0

    @property
    def winning_number(self) -> int | None:
        """0..99; None until finalized."""
        return self.book.winning_number

    def status_at(self, now: int) -> RoundStatus:
        """The status as time has it: past lock_time an open round is LOCKED."""
        if self.book.status is RoundStatus.OPEN and now >= self.lock_time:
            return RoundStatus.LOCKED
        return self.book.status

    @property
    def paid_out(self) -> bool:
        """Whether a finished round owes no bettor anything."""
        return self.book.finished and self.book.paid + self.book.fees() == self.book.staked


class Win(NamedTuple):
    """What somebody was paid for a round's winning bets.

    Attributes:
        amount: wei.
        tx_hash: of the payment.
    """

    amount: int
    round_id: int
    user: str
    tx_hash: str


class Betting(dict[str, tuple[int, ...]]):
    """By account the ids of the rounds in which it has bet, in the order of its first bets."""

    def __deepcopy__(self, _: object) -> Self:
        return type(self)(self)  # what is in it never changes

    def add(self, user: str, round_id: int) -> None:
        """Takes down a bet."""
        if round_id not in (known := self.get(user, ())):
            self[user] = (*known, round_id)


@dataclass(slots=True)
class MarketView:
    """One market.

    Attributes:
        rounds: every round by id, in the order created.
        betting: who has bet in which of them.
        biggest_win: the first of the biggest; None before any.
        roles: (role, account) pairs that hold; a role is 0x-prefixed, 32 bytes.
        paused: whether new rounds and bets are stopped.
        bet_limits: the smallest and the largest bet, wei.
        position: (block number, log index) of the last event applied.
    """

    address: str
    game: Game
    rounds: dict[int, RoundView] = field(default_factory=dict)
    betting: Betting = field(default_factory=Betting)
    biggest_win: Win | None = None
    roles: set[tuple[str, str]] = field(default_factory=set)
    paused: bool = False
    bet_limits: tuple[int, int] = (0, 2**96 - 1)
    position: tuple[int, int] = (-1, -1)

    def apply(self, event: ChainEvent) -> bool:
        """Takes the next event. One that is not past `position` was taken before: False then."""
        at = (event.block_number, event.log_index)
        if at <= self.position:
            return False
        self.position = at
        args = event.args
        match event.name:
            case "RoundCreated":
                number, fee = args["roundId"], args["feeBps"]
                times = args["drawTime"], args["lockTime"]
                self.rounds[number] = RoundView(number, *times, fee, args["oracle"], Book(fee))
            case "RoleGranted":
                self.roles.add((args["role"], args["account"]))
            case "RoleRevoked":
                self.roles.discard((args["role"], args["account"]))
            case "Paused" | "Unpaused":
                self.paused = event.name == "Paused"
            case "BetLimitsChanged":
                self.bet_limits = args["minBet"], args["maxBet"]
            case _ if "roundId" in args:
                self._apply_to_round(event)
        return True

    def _apply_to_round(self, event: ChainEvent) -> None:
        name, args = event.name, event.args
        r = self.rounds[args["roundId"]]
        apply(r.book, name, args, event.timestamp)
        if name == "BetPlaced":
            self.betting.add(args["user"], r.id)
        elif name == "RoundLocked":
            r.locked_at = args["timestamp"]
        elif name == "RoundFinalized":
            r.finalized_at = args["timestamp"]
        elif name == "WinningsClaimed":
            win = Win(args["amount"], r.id, args["user"], event.tx_hash)
            if self.biggest_win is None or win.amount > self.biggest_win.amount:
                self.biggest_win = win
        if r.book.finished and not r.ended_in:
            r.ended_in = event.block_number

    def advance(self, now: int) -> None:
        """Closes the books whose lock_time has come, for which there may be no event.

        `now` is the timestamp of a block whose events were all applied.
        """
        for r in self.rounds.values():
            if r.book.status is RoundStatus.OPEN and now >= r.lock_time:
                r.book.lock()


class Audience(Protocol):
    """Who is told, in one step each time, what the views have taken."""

    def begin(self) -> None:
        """All is read anew: until `reset` nothing is to be said of the markets."""
        ...

    def publish(
        self,
        events: Sequence[ChainEvent],
        head: Head,
        finalized: int | None,
        blocks: Sequence[Head],
    ) -> None:
        """New events, up to the head; `finalized` is the newest block that cannot change.

        `blocks` are the newest ones up to the head, as far as they are remembered.
        """
        ...

    def fall_back(self, markets: Sequence[MarketView], survives: Head, lost: int) -> None:
        """The `lost` events after a block that survives are void: these views have none of them."""
        ...

    def reset(
        self,
        markets: Sequence[MarketView],
        head: Head,
        finalized: int | None,
        recent: Sequence[ChainEvent],
        blocks: Sequence[Head],
    ) -> None:
        """All was read anew; `recent` are the last events of whole blocks, in log order."""
        ...


class Archive(Protocol):
    """Who keeps what can be void no more."""

    def begin(self) -> None:
        """All is read anew, from the chain's first event."""
        ...

    async def restore(self, take: Callable[[Sequence[ChainEvent]], None]) -> Head | None:
        """Hands out all events that it keeps, in log order; the block up to which they are all.

        None when there are none. Asked before anything is taken; raises HistoryError.
        """
        ...

    def take(
        self, settled: Sequence[ChainEvent], unsettled: Sequence[ChainEvent], upto: Head
    ) -> None:
        """The next events that can be void no more, and all those that were read after them.

        The settled are all up to the block `upto`.
        """
        ...
