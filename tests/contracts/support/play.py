"""The real market beside its model: every step is taken in both, and both must agree.

The model goes first and says what the contract must announce. Time: `now` is when the next
transaction will be mined, one second after the latest block, by which views go.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from keeper.domain.lines import Book, Prediction, RoundStatus
from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import LOCK_LEAD, Desk, Round

PREDICTIONS = range(len(Prediction))


class Play:
    """Rounds, books and wallets of one market from a certain moment on.

    Attributes:
        limits: the least and the most that a bet may be, wei.
        wallets: what every user and the fee recipient must have, wei.
        forced: what was forced upon the market, wei.
        announced: rounds whose lock was recorded.
        withdrawn: rounds whose fees are out.
        paid, earned: what each round has paid to bettors and as fees, wei, by the events.
    """

    def __init__(self, desk: Desk, users: tuple[str, ...], limits: tuple[int, int]) -> None:
        self.desk = desk
        self.users = users
        self.limits = limits
        self.now = desk.node.now + 1
        self.rounds: dict[int, Round] = {}
        self.books: dict[int, Book] = {}
        self.forced = 0
        self.announced: set[int] = set()
        self.withdrawn: set[int] = set()
        self.paid: Counter[int] = Counter()
        self.earned: Counter[int] = Counter()
        self.fee_bps = desk.ask("feeBps")
        people = (*users, desk.people.fee_recipient)
        self.wallets = {account: desk.balance(account) for account in people}
        self._matched: dict[tuple[int, str], list[int]] = {}
        self._closed: set[int] = set()  # paid out: nothing of them can change any more

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
        self, expected: list[Event], function: str, *args: Any, by: str, value: int = 0
    ) -> None:
        if value:
            self.wallets[by] -= value
        assert self.desk.do(function, *args, by=by, value=value) == expected
        self._pass_to(self.now + 1)

    def refuse(
        self, error: tuple[Any, ...], function: str, *args: Any, by: str, value: int = 0
    ) -> None:
        """The contract must refuse with this error, and nothing changes but the time."""
        with refused(*error):
            self.desk.do(function, *args, by=by, value=value)
        self._pass_to(self.now + 1)

    def create(self, draw: int) -> None:
        one = Round(len(self.rounds) + 1, draw, draw - LOCK_LEAD)
        self.rounds[one.id] = one
        self.books[one.id] = Book(self.fee_bps)
        created = Event(
            "RoundCreated",
            roundId=one.id,
            drawTime=draw,
            lockTime=one.lock,
            feeBps=self.fee_bps,
            oracle=self.desk.people.oracle,
        )
        self.act([created], "createRound", draw, by=self.desk.people.operator)

    def bet(self, one: Round, user: str, prediction: int, amount: int) -> None:
        about = {"roundId": one.id, "user": user}
        matched = self.books[one.id].place(user, Prediction(prediction), amount, self.now)
        expected = [Event("BetPlaced", **about, prediction=prediction, amount=amount)]
        if matched:
            expected.append(Event("BetMatched", **about, matchedAmount=matched))
        self.act(expected, "placeBet", one.id, prediction, by=user, value=amount)

    def lock(self, one: Round) -> None:
        self.announced.add(one.id)
        locked = Event("RoundLocked", roundId=one.id, timestamp=self.now)
        self.act([locked], "lockRound", one.id, by=self.desk.people.stranger)

    def finalize(self, one: Round, number: int) -> None:
        self.books[one.id].finalize(number)
        about = {"roundId": one.id, "winningNumber": number, "timestamp": self.now}
        oracle = self.desk.people.oracle
        self.act([Event("RoundFinalized", **about)], "finalizeRound", one.id, number, by=oracle)

    def cancel(self, one: Round, function: str, by: str) -> None:
        """By cancelRound or voidRound."""
        self.books[one.id].cancel()
        self.act([Event("RoundCancelled", roundId=one.id)], function, one.id, by=by)

    def claim(self, one: Round, user: str) -> None:
        finalized = self.books[one.id].status is RoundStatus.FINALIZED
        function = "claimWinnings" if finalized else "claimRefund"
        self.act(self._pay(one, user), function, one.id, by=user)

    def settle(self, one: Round, crowd: list[str]) -> None:
        """Whoever in the crowd has something due gets it, once."""
        book = self.books[one.id]
        expected: list[Event] = []
        for user in crowd:
            if any(book.claimable(user)):
                expected += self._pay(one, user)
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

    def set_fee(self, bps: int) -> None:
        self.fee_bps = bps
        self.act([Event("FeeChanged", feeBps=bps)], "setFee", bps, by=self.desk.people.admin)

    def force(self, forcer: str, amount: int) -> None:
        """Deploys what forces ether upon the market."""
        self.forced += amount
        self.desk.node.send(self.desk.people.stranger, None, forcer, amount)
        self._pass_to(self.now + 1)

    def _pay(self, one: Round, user: str) -> list[Event]:
        winnings, refund = self.books[one.id].pay(user)
        self.wallets[user] += winnings + refund
        self.paid[one.id] += winnings + refund
        about = {"roundId": one.id, "user": user}
        amounts = {"WinningsClaimed": winnings, "RefundIssued": refund}
        return [Event(name, **about, amount=amount) for name, amount in amounts.items() if amount]

    # ---- agreement

    def check(self) -> None:
        """Whatever can be read agrees with the model, and the money adds up to the wei."""
        live = [one for one in self.rounds.values() if one.id not in self._closed]
        questions: list[tuple[Any, ...]] = []
        for one in live:
            questions.append(("getRoundInfo", one.id))
            questions += [("getPredictionPool", one.id, side) for side in PREDICTIONS]
            questions += [("claimable", one.id, user) for user in self.users]
            questions += [("getUserBets", one.id, user) for user in self.users]
            questions += [("getUserBet", one.id, user) for user in self.users]
        answers = iter(self.desk.ask_all(questions))
        for one in live:
            self._check_info(one, next(answers))
            pools = [next(answers) for _ in PREDICTIONS]
            due = [next(answers) for _ in self.users]
            bets = [next(answers) for _ in self.users]
            sums = [next(answers) for _ in self.users]
            self._check_lines(one, pools, bets)
            self._check_sums(one, bets, sums)
            self._check_due(one, due)
        self._check_balances()

    def _shown(self, one: Round) -> RoundStatus:
        """The status at the latest block, a second before `now`."""
        status = self.books[one.id].status
        just_locked = status is RoundStatus.LOCKED and self.now == one.lock
        return RoundStatus.OPEN if just_locked else status

    def _check_info(self, one: Round, info: Any) -> None:
        book = self.books[one.id]
        assert (info.drawTime, info.lockTime) == (one.draw, one.lock)
        assert info.status == self._shown(one)
        assert (info.winningNumber, info.feeBps) == (book.winning_number or 0, book.fee_bps)
        assert (info.totalStaked, info.totalMatched) == (book.staked, book.total_matched)

    def _check_lines(self, one: Round, pools: list[Any], bets: list[list[Any]]) -> None:
        book = self.books[one.id]
        assert pools == [
            (book.line_total(side), book.matched_total(side), book.bet_count(side))
            for side in map(Prediction, PREDICTIONS)
        ]
        matched = [0] * len(PREDICTIONS)
        for user, found in zip(self.users, bets, strict=True):
            assert [
                (bet.prediction, bet.amount, bet.offset, bet.placedAt, bet.refunded)
                for bet in found
            ] == [
                (bet.prediction, bet.amount, bet.offset, bet.placed_at, book.refunded(bet))
                for bet in book.bets_of(user)
            ]
            for bet in found:
                matched[bet.prediction] += bet.matchedAmount
            amounts = [bet.matchedAmount for bet in found]
            before = self._matched.get((one.id, user), [])
            assert all(now >= then for now, then in zip(amounts, before, strict=False)), "fell"
            self._matched[one.id, user] = amounts
        # Equal on both sides of a pair, and what the line says.
        assert matched == [matched[side ^ 1] for side in PREDICTIONS]
        assert matched == [level for _, level, _ in pools]

    def _check_sums(self, one: Round, bets: list[list[Any]], sums: list[Any]) -> None:
        book = self.books[one.id]
        for user, found, sum_ in zip(self.users, bets, sums, strict=True):
            settled = book.settled(user)
            assert settled == (bool(found) and all(bet.settled for bet in found))
            staked = sum(bet.amount for bet in found)
            matched = sum(bet.matchedAmount for bet in found)
            assert sum_ == (staked, matched, len(found), settled)

    def _check_due(self, one: Round, due: list[tuple[int, int]]) -> None:
        """What is due agrees with the model; in a finished round it is all that is left."""
        book = self.books[one.id]
        open_ = self._shown(one) is RoundStatus.OPEN
        assert due == [(0, 0) if open_ else book.claimable(user) for user in self.users]
        if book.finished:
            fees_left = book.fees() - self.earned[one.id]
            left = book.staked - self.paid[one.id] - self.earned[one.id]
            assert sum(map(sum, due)) + fees_left == left
            if not left:
                self._closed.add(one.id)

    def _check_balances(self) -> None:
        owed = sum(
            book.staked - self.paid[id_] - self.earned[id_] for id_, book in self.books.items()
        )
        expected = {self.desk.address: owed + self.forced} | self.wallets
        assert self.desk.node.balances(list(expected)) == list(expected.values())
        assert self.desk.node.now == self.now - 1

    def close(self, number: int) -> None:
        """Finishes every round and pays everybody; then the market has nothing of its own."""
        stranger = self.desk.people.stranger
        for one in sorted(self.unfinished, key=lambda one: one.draw):
            self.jump(one.draw - 1)
            if self.now > one.over:
                self.cancel(one, "voidRound", stranger)
            else:
                self.finalize(one, (number + 37 * one.id) % 100)
        self.check()
        for index, (one, user) in enumerate(self.due(RoundStatus.FINALIZED, RoundStatus.CANCELLED)):
            if index % 2:
                self.settle(one, [user, user])
            else:
                self.claim(one, user)
        self.withdraw([one.id for one in self.having(RoundStatus.FINALIZED)])
        self.check()
        for id_, book in self.books.items():
            assert self.paid[id_] + self.earned[id_] == book.staked, id_
        assert self.desk.balance() == self.forced
