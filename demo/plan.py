"""A run as data: draws, lies and bets, and what must follow from them by the rules."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from demo.publishers import NO_FAULT, Fault, FaultKind, Published, printed
from demo.rules import StrictBook
from demo.stage import FEE_BPS, QUORUM, REPORTERS
from keeper.domain.calendar import draw_time
from keeper.domain.consensus import Agreed, Answer, Drawn, Failed, Failure, Verdict, decide
from keeper.domain.draw import Draw, Game, InvalidDraw, game_named, make_draw
from keeper.domain.lines import Prediction, RuleBroken
from keeper.show import balls
from keeper.sources import VOTERS

COIN = 10**18
MIN_BET, MAX_BET = COIN // 100, 1000 * COIN
_PLAIN_FAULTS = ("down", "status", "html", "truncated", "oversize", "bad-utf8")


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Whites = Annotated[tuple[int, ...], Field(min_length=5, max_length=5, strict=False)]


class _Fault(Table):
    special: int | None = None
    whites: _Whites | None = None
    delay: Annotated[float, Field(ge=0, le=3)] = 0


def _prediction(name: Any) -> Prediction:
    if str(name) not in Prediction.__members__:
        raise ValueError(f"{name!r:.40} is none of {', '.join(Prediction.__members__)}")
    return Prediction[name]


def _wei(coins: Any) -> int:
    with suppress(InvalidOperation):
        wei = Decimal(str(coins)) * COIN
        if MIN_BET <= wei <= MAX_BET and not wei % 1:
            return int(wei)
    raise ValueError(f"{coins!r:.40} is not from 0.01 to 1000 with 18 decimals at most")


def _fault(written: Any) -> Fault:
    if written in _PLAIN_FAULTS:
        return Fault(FaultKind(written))
    fault = _Fault.model_validate(written if isinstance(written, dict) else {})
    lies = fault.special is not None or fault.whites is not None
    if lies == bool(fault.delay):
        known = ", ".join(_PLAIN_FAULTS)
        raise ValueError(f"{written!r:.40} is neither a delay, nor special and whites, nor {known}")
    kind = FaultKind.LIE if lies else FaultKind.SLOW
    return Fault(kind, special=fault.special, whites=fault.whites, seconds=fault.delay)


def _lie(written: Any) -> Fault:
    lie = _fault(written)
    if lie.kind is not FaultKind.LIE:
        raise ValueError(f"{written!r:.40} is no lie: it has neither special nor whites")
    return lie


def _by_reporter(written: Any) -> Any:
    """A table whose keys are the reporters' names, or their numbers."""
    if not isinstance(written, dict):
        return written
    lies: dict[str, Any] = {}
    for name, told in written.items():
        reporter = name if name in REPORTERS else f"keeper{name}"
        if reporter not in REPORTERS:
            raise ValueError(f"{name!r:.40} is none of {', '.join(REPORTERS)}")
        if reporter in lies:
            raise ValueError(f"{reporter} is lied to twice")
        lies[reporter] = told
    return lies


class Wager(Table):
    """A bet that somebody is going to place.

    Attributes:
        amount: wei; of a bet that takes only what is matched, what is offered.
        matched: takes only what is matched at once.
        cancel: what is unmatched of it, the last of its line, is taken back later.
    """

    bettor: str
    prediction: Annotated[Prediction, BeforeValidator(_prediction)]
    amount: Annotated[int, BeforeValidator(_wei)]
    matched: bool = False
    cancel: bool = False


class Planned(Table):
    """A round: a draw, who misbehaves how, who is lied to, and the bets in order, if given."""

    game: Annotated[Game, BeforeValidator(lambda name: game_named(str(name)))]
    date: dt.date
    whites: _Whites
    special: int
    faults: dict[str, Annotated[Fault, BeforeValidator(_fault)]] = {}
    lies: Annotated[
        dict[str, Annotated[Fault, BeforeValidator(_lie)]], BeforeValidator(_by_reporter)
    ] = {}
    bets: list[Wager] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        draw_time(self.game, self.date)
        drawn = self.draw
        if strangers := self.faults.keys() - set(VOTERS[self.game.name]):
            known = ", ".join(VOTERS[self.game.name])
            raise ValueError(f"{min(strangers)} is none of {known}")
        for reporter, lie in self.lies.items():
            try:
                told = self._told(lie)
            except InvalidDraw as exc:
                raise ValueError(f"lies.{reporter}: {exc}") from None
            if told == drawn:
                raise ValueError(f"lies.{reporter}: that was drawn, it is no lie")
        self.book()
        return self

    @property
    def wagers(self) -> Sequence[Wager]:
        """The bets in the order in which they are placed."""
        return self.bets or ()

    @property
    def cancels(self) -> Sequence[tuple[str, int]]:
        """(bettor, which of their bets) of what is taken back, the last bet first."""
        count, found = Counter[str](), []
        for bet in self.wagers:
            if bet.cancel:
                found.append((bet.bettor, count[bet.bettor]))
            count[bet.bettor] += 1
        return found[::-1]

    @property
    def draw(self) -> Draw:
        """What is drawn."""
        return self._told(NO_FAULT)

    @property
    def published(self) -> Published:
        """The same as honest publishers have it."""
        return Published(self.game, self.date, self.whites, self.special)

    @property
    def draw_time(self) -> int:
        """Unix seconds UTC."""
        return draw_time(self.game, self.date)

    @property
    def title(self) -> str:
        """ "powerball of 2026-08-19" """
        return f"{self.game.name} of {self.date}"

    # ---- what follows

    @property
    def witness(self) -> str:
        """The first keeper that is not lied to."""
        return next((name for name in REPORTERS if name not in self.lies), REPORTERS[0])

    def faults_of(self, reporter: str) -> Mapping[str, Fault]:
        """How the publishers that this keeper asks misbehave."""
        if reporter not in self.lies:
            return self.faults
        return {**self.faults, **dict.fromkeys(VOTERS[self.game.name][::2], self.lies[reporter])}

    def verdict(self, reporter: str) -> Verdict:
        """What follows for a keeper from what its publishers are made to print."""
        faults, sources = self.faults_of(reporter), VOTERS[self.game.name]
        return decide([self._answer(name, faults.get(name, NO_FAULT)) for name in sources])

    @property
    def votes(self) -> Mapping[str, Draw | None]:
        """By keeper, in the order in which they vote: those that are lied to first.

        None where it finds nothing to vote for, or too late, when a proposal stands.
        """
        votes: dict[str, Draw | None] = {}
        for reporter in sorted(REPORTERS, key=lambda name: name not in self.lies):
            verdict, late = self.verdict(reporter), _quorum(votes.values())
            votes[reporter] = verdict.draw if isinstance(verdict, Agreed) and not late else None
        return votes

    @property
    def result(self) -> Draw | None:
        """What the committee decides; None: nothing, and the round is void."""
        return _quorum(self.votes.values())

    def book(self) -> StrictBook:
        """The round by the rules, decided; what was unmatched at the lock is paid, no more.

        Raises ValueError when they refuse a bet.
        """
        book = StrictBook(FEE_BPS)
        for i, bet in enumerate(self.wagers):
            try:
                if bet.matched:
                    book.place_matched(bet.bettor, bet.prediction, bet.amount, MIN_BET)
                else:
                    book.place(bet.bettor, bet.prediction, bet.amount)
            except RuleBroken as exc:
                raise ValueError(f"bets.{i} of {bet.bettor}: {exc}") from None
        for bettor, index in self.cancels:
            try:
                book.cancel_unmatched(bettor, index)
            except RuleBroken as exc:
                raise ValueError(f"cancel bet {index + 1} of {bettor}: {exc}") from None
        book.lock()
        for user in book.users:
            if any(book.claimable(user)):
                book.pay(user)
        if self.result:
            book.finalize(self.result.winning_number)
        else:
            book.cancel()
        return book

    def misbehaviour(self) -> Iterator[str]:
        """What the publishers are made to do, a line each."""
        for source, fault in self.faults.items():
            match fault.kind, self._answer(source, fault):
                case FaultKind.SLOW, _:
                    yield f"{source} takes {fault.seconds:g} s to answer"
                case FaultKind.LIE, Drawn(_, lie):
                    yield f"{source} prints {balls(lie)}, n = {lie.winning_number}"
                case kind, _:
                    yield f"{source} misbehaves: {kind}"
        for reporter, told in self.lies.items():
            lie = self._told(told)
            yield f"two publishers tell {reporter} {balls(lie)}, n = {lie.winning_number}"

    def _told(self, fault: Fault) -> Draw:
        """The draw, or what a lie makes of it. Raises InvalidDraw."""
        told = printed(self.published, fault)
        return make_draw(told.game, told.date, told.whites, told.special)

    def _answer(self, source: str, fault: Fault) -> Answer:
        if fault.kind in _PLAIN_FAULTS:
            return Failed(source, Failure.FORMAT, fault.kind)
        try:
            return Drawn(source, self._told(fault))
        except InvalidDraw as exc:
            return Failed(source, Failure.NUMBER, str(exc))


def _quorum(votes: Iterable[Draw | None]) -> Draw | None:
    """What enough of them are for."""
    counts = Counter(vote for vote in votes if vote)
    return next((draw for draw, count in counts.items() if count >= QUORUM), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run does, the rounds in the order of their draws."""

    bettors: tuple[str, ...]
    rounds: tuple[Planned, ...]
    seed: int

    @property
    def claim(self) -> tuple[Planned, str] | None:
        """After which round who claims, faster than the keepers pay.

        Whoever is due most, in the last round that is decided and leaves anything due.
        """
        for r in reversed([r for r in self.rounds if r.result]):
            book = r.book()
            due = {user: sum(book.claimable(user)) for user in book.users}
            name = max(due, key=lambda user: due[user], default="")
            if due.get(name):
                return r, name
        return None
