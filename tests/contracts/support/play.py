"""The real contracts beside their models: every step is taken in both, and both must agree.

The model goes first and says what the contracts must announce. Time: `now` is when the next
transaction will be mined, one second after the latest block, by which views go.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from demo.rules import StrictBook
from keeper.domain.lines import Bet, Prediction, RoundStatus
from tests.contracts.support.agreement import Agreement
from tests.contracts.support.codec import Event
from tests.contracts.support.committee import EVIDENCE, Committee, told
from tests.contracts.support.contract import Contract, refused
from tests.contracts.support.desk import LOCK_LEAD, Round
from tests.contracts.support.polls import Draw, Poll, ascending, number_of

LINE_MAX = 2**96 - 1


class Attempt(NamedTuple):
    """A transaction that must fail; the market's unless told."""

    error: tuple[Any, ...]
    function: str
    arguments: tuple[Any, ...]
    by: str
    value: int = 0
    contract: Contract | None = None


class Quoted(NamedTuple):
    """What was promised for a bet, and what stood then."""

    user: str
    index: int
    bet: Bet
    matched: int
    payout: int


class Play:
    """Rounds, books, polls and wallets of one market and its oracle from a certain moment on.

    Attributes:
        limits: the least and the most that a bet may be, wei.
        wallets: what every user, the fee recipient and the stranger must have, wei.
        forced: what was forced upon the market, wei.
        announced: rounds whose lock was recorded.
        withdrawn: rounds whose fees are out.
        paid, earned: what each round has paid to bettors and as fees, wei, by the events.
        counts: transactions "allowed" and "refused", and quotes "kept".
    """

    def __init__(self, committee: Committee, users: tuple[str, ...]) -> None:
        self.committee = committee
        self.desk = desk = committee.desk
        self.users = users
        self.now = desk.node.now + 1
        self.rounds: dict[int, Round] = {}
        self.books: dict[int, StrictBook] = {}
        self.polls: dict[int, Poll] = {}
        self.finalized_at: dict[int, int] = {}
        self.forced = 0
        self.announced: set[int] = set()
        self.withdrawn: set[int] = set()
        self.paid: Counter[int] = Counter()
        self.earned: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()
        self.fee_bps = desk.ask("feeBps")
        self.limits: tuple[int, int] = (desk.ask("minBet"), desk.ask("maxBet"))
        people = (*users, desk.people.fee_recipient, desk.people.stranger)
        self.wallets = {account: desk.balance(account) for account in people}
        self._quotes: dict[int, list[Quoted]] = {}
        self._abis = {one.address.lower(): one.abi for one in (desk, committee)}
        self._agreement = Agreement(self)
        self.check = self._agreement.check

    # ---- what is where

    def having(self, *statuses: RoundStatus) -> list[Round]:
        """The rounds that are in one of these when the next transaction comes."""
        return [one for one in self.rounds.values() if self.books[one.id].status in statuses]

    @property
    def unfinished(self) -> list[Round]:
        return self.having(RoundStatus.OPEN, RoundStatus.LOCKED)

    def due(self, *statuses: RoundStatus) -> list[tuple[Round, str]]:
        """Whom a payment is due to in rounds of these statuses."""
        return [
            (one, user)
            for one in self.having(*statuses)
            for user in self.users
            if any(self.books[one.id].claimable(user))
        ]

    def gap(self, one: Round, side: int) -> int:
        """What waits on the opposite line above this one."""
        book = self.books[one.id]
        longer, shorter = Prediction(side ^ 1), Prediction(side)
        return max(0, book.line_total(longer) - book.line_total(shorter))

    def space(self, one: Round, side: int) -> int:
        """What the line can still hold."""
        return LINE_MAX - self.books[one.id].line_total(Prediction(side))

    def loose(self, one: Round) -> list[tuple[str, int, int, bool]]:
        """Every bet with an unmatched part: (user, index, matched, whether it is the tail)."""
        book = self.books[one.id]
        return [
            (user, index, book.matched_of(bet), at_tail)
            for user in self.users
            for index, bet in enumerate(book.bets_of(user))
            for at_tail in [bet.offset + bet.amount == book.line_total(bet.prediction)]
            if book.matched_of(bet) != bet.amount
        ]

    # ---- time

    def jump(self, time: int) -> None:
        """An empty block at this time, if it is later than the latest."""
        if time >= self.now:
            self.desk.node.mine_at(time)
            self._pass_to(time + 1)

    def wait_for(self, time: int) -> None:
        """The next transaction comes at this time, unless that is past."""
        if time > self.now:
            self.desk.node.next_block_at(time)
            self._pass_to(time)

    def _pass_to(self, time: int) -> None:
        self.now = time
        for one in self.having(RoundStatus.OPEN):
            if time >= one.lock:
                self.books[one.id].lock()

    # ---- steps: the model first, then the contract, which must announce the same

    def act(
        self,
        expected: list[Event],
        function: str,
        *args: Any,
        by: str,
        value: int = 0,
        contract: Contract | None = None,
    ) -> None:
        if value:
            self.wallets[by] -= value
        receipt = (contract or self.desk).transact(function, *args, by=by, value=value)
        assert [self._abis[log["address"]].event(log) for log in receipt.logs] == expected
        assert receipt.timestamp == self.now
        self.counts["allowed"] += 1
        self._pass_to(self.now + 1)

    def refuse(self, attempt: Attempt) -> None:
        """It must fail with its error. (That nothing changes is checked after every step.)"""
        error, function, arguments, by, value, contract = attempt
        with refused(*error):
            (contract or self.desk).transact(function, *arguments, by=by, value=value)
        if function == "placeBet" and error[0] != "TooManyBets":
            with refused(*error):  # at the time of that block
                self.desk.ask("quote", *arguments, value)
        self.counts["refused"] += 1
        self._pass_to(self.now + 1)

    def create(self, draw: int) -> Round:
        one = Round(len(self.rounds) + 1, draw, draw - LOCK_LEAD)
        self.rounds[one.id] = one
        self.books[one.id] = StrictBook(self.fee_bps)
        self.polls[one.id] = Poll(self.committee.quorum, self.committee.window)
        created = Event(
            "RoundCreated",
            roundId=one.id,
            drawTime=draw,
            lockTime=one.lock,
            feeBps=self.fee_bps,
            oracle=self.committee.address,
        )
        self.act([created], "createRound", draw, by=self.desk.people.operator)
        return one

    def bet(self, one: Round, user: str, side: int, amount: int) -> None:
        """Asked about beforehand."""
        book, prediction = self.books[one.id], Prediction(side)
        quoted = book.quote(prediction, amount)
        assert self.desk.ask("quote", one.id, side, amount) == quoted
        matched = book.place(user, prediction, amount, self.now)
        assert matched == quoted[0]
        index = len(book.bets_of(user)) - 1
        promise = Quoted(user, index, book.bets_of(user)[index], matched, quoted[1])
        self._quotes.setdefault(one.id, []).append(promise)
        expected = self._placed(one, user, side, amount, matched)
        self.act(expected, "placeBet", one.id, side, by=user, value=amount)

    def bet_matched(self, one: Round, user: str, side: int, value: int, least: int) -> None:
        """Asked about beforehand, as far as the line could hold it."""
        asked = min(value, self.space(one, side))
        matched_now, *_ = self.desk.ask("quote", one.id, side, asked)
        book = self.books[one.id]
        taken = book.place_matched(user, Prediction(side), value, least, self.now)
        assert taken == matched_now
        self.wallets[user] += value - taken
        expected = self._placed(one, user, side, taken, taken)
        self.act(expected, "placeMatchedBet", one.id, side, least, by=user, value=value)

    def _placed(self, one: Round, user: str, side: int, amount: int, matched: int) -> list[Event]:
        about = {"roundId": one.id, "user": user}
        placed = [Event("BetPlaced", **about, prediction=side, amount=amount)]
        return placed + [Event("BetMatched", **about, matchedAmount=matched)] * bool(matched)

    def take_back(self, one: Round, user: str, index: int) -> None:
        """The unmatched part of a bet at the tail of its line."""
        amount = self.books[one.id].cancel_unmatched(user, index)
        self.wallets[user] += amount
        about = {"roundId": one.id, "user": user, "betIndex": index}
        expected = [Event("BetCancelled", **about, amount=amount)]
        self.act(expected, "cancelUnmatched", one.id, index, by=user)

    def lock(self, one: Round) -> None:
        self.announced.add(one.id)
        locked = Event("RoundLocked", roundId=one.id, timestamp=self.now)
        self.act([locked], "lockRound", one.id, by=self.desk.people.stranger)

    def cancel(self, one: Round, function: str, by: str) -> None:
        """By cancelRound or voidRound."""
        self.books[one.id].cancel()
        self.act([Event("RoundCancelled", roundId=one.id)], function, one.id, by=by)

    def set_fee(self, bps: int) -> None:
        self.fee_bps = bps
        self.act([Event("FeeChanged", feeBps=bps)], "setFee", bps, by=self.desk.people.admin)

    def set_limits(self, least: int, most: int) -> None:
        self.limits = (least, most)
        changed = Event("BetLimitsChanged", minBet=least, maxBet=most)
        self.act([changed], "setBetLimits", least, most, by=self.desk.people.admin)

    def pause(self) -> None:
        guardian = self.desk.people.guardian
        self.act([Event("Paused", account=guardian)], "pause", by=guardian)

    def unpause(self) -> None:
        admin = self.desk.people.admin
        self.act([Event("Unpaused", account=admin)], "unpause", by=admin)

    def force(self, forcer: str, amount: int) -> None:
        """Deploys what forces ether upon the market."""
        stranger = self.desk.people.stranger
        self.forced += amount
        self.wallets[stranger] -= amount
        self.desk.node.send(stranger, None, forcer, amount)
        self._pass_to(self.now + 1)

    # ---- the committee's steps

    def draw(self, one: Round, balls: tuple[tuple[int, ...], int]) -> Draw:
        return self.committee.draw(one, *balls)

    def report(self, one: Round, reporter: str, draw: Draw) -> None:
        poll = self.polls[one.id]
        about = {"market": self.desk.address, "roundId": one.id}
        vote = {"ballot": poll.ballot, "draw": told(draw), "winningNumber": number_of(draw)}
        expected = [Event("ResultReported", **about, reporter=reporter, **vote, evidence=EVIDENCE)]
        if poll.report(reporter, draw, self.now):
            until = poll.finalizable_at
            expected.append(Event("ResultProposed", **about, **vote, finalizableAt=until))
        arguments = (self.desk.address, one.id, draw, EVIDENCE)
        self.act(expected, "report", *arguments, by=reporter, contract=self.committee)

    def voted(self, one: Round, reporter: str, draw: Draw) -> bool:
        """Whether this is the reporter's vote already."""
        return self.polls[one.id].votes.get(reporter) == ascending(draw)

    def veto(self, one: Round) -> None:
        poll, guardian = self.polls[one.id], self.committee.guardian
        about = {"market": self.desk.address, "roundId": one.id}
        told_ = {"ballot": poll.ballot, "winningNumber": poll.number}
        poll.veto()
        vetoed = Event("ResultVetoed", **about, **told_)
        arguments = (self.desk.address, one.id)
        self.act([vetoed], "veto", *arguments, by=guardian, contract=self.committee)

    def finalize(self, one: Round) -> None:
        """The standing proposal, by a stranger."""
        number = self.polls[one.id].number
        self.books[one.id].finalize(number)
        self.finalized_at[one.id] = self.now
        self._keep_promises(one)
        about = {"roundId": one.id, "winningNumber": number}
        expected = [
            Event("ResultFinalized", market=self.desk.address, **about),
            Event("RoundFinalized", **about, timestamp=self.now),
        ]
        arguments = (self.desk.address, one.id)
        stranger = self.desk.people.stranger
        self.act(expected, "finalize", *arguments, by=stranger, contract=self.committee)

    def _keep_promises(self, one: Round) -> None:
        """What was quoted for a bet that won, and of which no more was matched, comes true."""
        book = self.books[one.id]
        for user, index, placed, matched, payout in self._quotes.pop(one.id, ()):
            bet = book.bets_of(user)[index]
            winnings, refund = book.payout(bet)
            if winnings and bet == placed and book.matched_of(bet) == matched:
                assert winnings + refund == payout
                self.counts["kept"] += 1

    # ---- payments

    def claim(self, one: Round, user: str) -> None:
        finalized = self.books[one.id].status is RoundStatus.FINALIZED
        function = "claimWinnings" if finalized else "claimRefund"
        self.act(self._pay(one, user, user), function, one.id, by=user)

    def batch(self, ids: list[int], user: str, to: str) -> None:
        """Whatever is due to the user in these rounds, once."""
        expected: list[Event] = []
        for id_ in ids:
            if any(self.books[id_].claimable(user)):
                expected += self._pay(self.rounds[id_], user, to)
        assert expected
        self.act(expected, "claimWinningsBatch", ids, to, by=user)

    def settle(self, one: Round, crowd: list[str]) -> None:
        """Whoever in the crowd has something due gets it, once."""
        book = self.books[one.id]
        expected: list[Event] = []
        for user in crowd:
            if any(book.claimable(user)):
                expected += self._pay(one, user, user)
        self.act(expected, "settle", one.id, crowd, by=self.desk.people.stranger)

    def withdraw(self, ids: list[int]) -> None:
        expected = []
        for id_ in dict.fromkeys(ids):
            fees = self.books[id_].fees()
            if id_ not in self.withdrawn and fees:
                expected.append(Event("FeesWithdrawn", roundId=id_, amount=fees))
                self.wallets[self.desk.people.fee_recipient] += fees
                self.earned[id_] += fees
            self.withdrawn.add(id_)
        self.act(expected, "withdrawFees", ids, by=self.desk.people.stranger)

    def _pay(self, one: Round, user: str, to: str) -> list[Event]:
        winnings, refund = self.books[one.id].pay(user)
        self.wallets[to] += winnings + refund
        self.paid[one.id] += winnings + refund
        about = {"roundId": one.id, "user": user}
        amounts = {"WinningsClaimed": winnings, "RefundIssued": refund}
        return [Event(name, **about, amount=amount) for name, amount in amounts.items() if amount]
