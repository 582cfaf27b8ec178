"""Whatever can be read of the contracts, compared with the model after every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keeper.domain.lines import Prediction, RoundStatus
from tests.contracts.support.committee import told
from tests.contracts.support.desk import Round

if TYPE_CHECKING:
    from tests.contracts.support.play import Play

PREDICTIONS = range(len(Prediction))
NO_DRAW = (0, (0,) * 5, 0)


class Agreement:
    """Compares, and remembers what must never fall: every bet's matched amount."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self._matched: dict[tuple[int, str], list[int]] = {}
        self._closed: set[int] = set()  # paid out: nothing of them can change any more

    def check(self) -> None:
        """Both contracts agree with the model, and the money adds up to the wei."""
        live = [one for one in self.play.rounds.values() if one.id not in self._closed]
        self._check_market(live)
        self._check_oracle(live)
        self._check_balances()

    # ---- the market

    def _check_market(self, live: list[Round]) -> None:
        users = self.play.users
        questions: list[tuple[Any, ...]] = []
        for one in live:
            questions.append(("getRoundInfo", one.id))
            questions += [("getPredictionPool", one.id, side) for side in PREDICTIONS]
            questions += [("claimable", one.id, user) for user in users]
            questions += [("getUserBets", one.id, user) for user in users]
            questions += [("getUserBet", one.id, user) for user in users]
        answers = iter(self.play.desk.ask_all(questions))
        for one in live:
            self._check_info(one, next(answers))
            pools = [next(answers) for _ in PREDICTIONS]
            due = [next(answers) for _ in users]
            bets = [next(answers) for _ in users]
            sums = [next(answers) for _ in users]
            self._check_lines(one, pools, bets)
            self._check_sums(one, bets, sums)
            self._check_due(one, due)

    def _shown(self, one: Round) -> RoundStatus:
        """The status at the latest block, a second before `now`."""
        status = self.play.books[one.id].status
        just_locked = status is RoundStatus.LOCKED and self.play.now == one.lock
        return RoundStatus.OPEN if just_locked else status

    def _check_info(self, one: Round, info: Any) -> None:
        book = self.play.books[one.id]
        assert (info.drawTime, info.lockTime) == (one.draw, one.lock)
        assert info.status == self._shown(one)
        assert (info.winningNumber, info.feeBps) == (book.winning_number or 0, book.fee_bps)
        assert (info.totalStaked, info.totalMatched) == (book.staked, book.total_matched)
        assert info.finalizedAt == self.play.finalized_at.get(one.id, 0)
        assert info.oracle == self.play.committee.address

    def _check_lines(self, one: Round, pools: list[Any], bets: list[list[Any]]) -> None:
        book = self.play.books[one.id]
        assert pools == [
            (book.line_total(side), book.matched_total(side), book.bet_count(side))
            for side in map(Prediction, PREDICTIONS)
        ]
        matched = [0] * len(PREDICTIONS)
        for user, found in zip(self.play.users, bets, strict=True):
            assert [
                (bet.prediction, bet.amount, bet.offset, bet.placedAt, bet.refunded)
                for bet in found
            ] == [
                (bet.prediction, bet.amount, bet.offset, bet.placed_at, book.refunded(bet))
                for bet in book.bets_of(user)
            ]
            for bet in found:
                matched[bet.prediction] += bet.matchedAmount
            self._check_growth(one, user, [bet.matchedAmount for bet in found])
        # Equal on both sides of a pair, and what the line says.
        assert matched == [matched[side ^ 1] for side in PREDICTIONS]
        assert matched == [level for _, level, _ in pools]

    def _check_growth(self, one: Round, user: str, amounts: list[int]) -> None:
        """Nobody's matched amount falls, bet by bet, whatever anybody does."""
        before = self._matched.get((one.id, user), [])
        assert len(amounts) >= len(before)
        assert all(now >= then for now, then in zip(amounts, before, strict=False)), "fell"
        self._matched[one.id, user] = amounts

    def _check_sums(self, one: Round, bets: list[list[Any]], sums: list[Any]) -> None:
        book = self.play.books[one.id]
        for user, found, sum_ in zip(self.play.users, bets, sums, strict=True):
            settled = book.settled(user)
            assert settled == (bool(found) and all(bet.settled for bet in found))
            staked = sum(bet.amount for bet in found)
            matched = sum(bet.matchedAmount for bet in found)
            assert sum_ == (staked, matched, len(found), settled)

    def _check_due(self, one: Round, due: list[tuple[int, int]]) -> None:
        """What is due agrees with the model; in a finished round it is all that is left."""
        play, book = self.play, self.play.books[one.id]
        open_ = self._shown(one) is RoundStatus.OPEN
        assert due == [(0, 0) if open_ else book.claimable(user) for user in play.users]
        if book.finished:
            fees_left = book.fees() - play.earned[one.id]
            left = book.staked - play.paid[one.id] - play.earned[one.id]
            assert sum(map(sum, due)) + fees_left == left
            if not left:
                self._closed.add(one.id)

    # ---- the oracle

    def _check_oracle(self, live: list[Round]) -> None:
        committee = self.play.committee
        questions: list[tuple[Any, ...]] = []
        for one in live:
            about = (self.play.desk.address, one.id)
            questions += [("proposal", *about), ("ballot", *about)]
            questions += [("voteOf", *about, reporter) for reporter in committee.reporters]
        answers = iter(committee.ask_all(questions))
        for one in live:
            poll = self.play.polls[one.id]
            assert next(answers) == (poll.number, poll.proposed_at, poll.finalizable_at)
            assert next(answers) == (poll.ballot, len(poll.votes))
            for reporter in committee.reporters:
                vote = poll.votes.get(reporter)
                assert next(answers) == (vote is not None, told(vote or NO_DRAW))

    # ---- the money

    def _check_balances(self) -> None:
        play = self.play
        owed = sum(
            book.staked - play.paid[id_] - play.earned[id_] for id_, book in play.books.items()
        )
        expected = {play.desk.address: owed + play.forced} | play.wallets
        assert play.desk.node.balances(list(expected)) == list(expected.values())
        assert play.desk.node.now == play.now - 1
