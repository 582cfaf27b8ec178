"""What a bet would get, asked beforehand: equal to what then happens, refused as the bet is."""

from __future__ import annotations

import os
import random

import pytest

from tests.contracts.conftest import MAX_BET, MIN_BET
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, EVEN, FINALIZED, LOCKED, ODD, POL

UINT96_MAX = 2**96 - 1
GWEI = 10**9
WINNER = (2, 1, 50, 49, 0, 99, 98, 1)  # a number for which each prediction wins


def place_as_quoted(desk, round_, user, prediction, amount):
    """Asks, bets, and plays the round out on another branch: paid as quoted to the wei."""
    quoted = desk.ask("quote", round_.id, prediction, amount)
    matched_now, payout, fee = quoted
    index = len(desk.ask("getUserBets", round_.id, user))
    events = desk.bet(round_, user, prediction, amount)
    told = [event.matchedAmount for event in events if event.event == "BetMatched"]
    assert told == [matched_now] * bool(matched_now)
    bet = desk.ask("getUserBets", round_.id, user)[index]
    assert (bet.amount, bet.matchedAmount) == (amount, matched_now)

    snapshot = desk.node.snapshot()
    desk.finalize(round_, WINNER[prediction])
    if not index:  # nothing else is due to the user
        winnings, refund = desk.ask("claimable", round_.id, user)
        assert (winnings, refund) == (2 * matched_now - fee, amount - matched_now)
        assert winnings + refund == payout
        if payout:
            with desk.pays((user, payout)):
                desk.do("claimWinnings", round_.id, by=user)
    desk.node.restore(snapshot)
    return quoted


class TestEqualsWhatHappens:
    @pytest.mark.parametrize("prediction", range(8))
    def test_on_every_prediction(self, desk, round_, people, prediction):
        alice, bob, carol, *_ = people.bettors
        fee = POL // 50
        assert place_as_quoted(desk, round_, alice, prediction, 3 * POL) == (0, 3 * POL, 0)
        both = place_as_quoted(desk, round_, bob, prediction ^ 1, POL)
        assert both == (POL, 2 * POL - fee, fee)
        rest = place_as_quoted(desk, round_, carol, prediction ^ 1, 5 * POL)
        assert rest == (2 * POL, 7 * POL - 2 * fee, 2 * fee)

    def test_to_the_wei_by_the_place_on_the_line(self, deploy, people):
        seed = int(os.environ.get("LOTTOCHAIN_SEED") or random.SystemRandom().randrange(2**32))
        print(f"\nquotes: LOTTOCHAIN_SEED={seed}")
        rng = random.Random(seed)
        desk = deploy(feeBps=199, minBet=GWEI, maxBet=MAX_BET)
        round_ = desk.open()
        for user in people.bettors:
            amount = rng.choice([GWEI, GWEI + 1, rng.randrange(GWEI, 10**12), MAX_BET])
            place_as_quoted(desk, round_, user, rng.choice([EVEN, ODD]), amount)

    def test_at_the_end_of_the_line(self, deploy, alice, bob):
        desk = deploy(minBet=GWEI, maxBet=UINT96_MAX, feeBps=500)
        for user in (alice, bob):
            desk.node.set_balance(user, 2 * UINT96_MAX)
        round_ = desk.open()
        fee = UINT96_MAX * 500 // 10_000
        assert place_as_quoted(desk, round_, alice, EVEN, UINT96_MAX) == (0, UINT96_MAX, 0)
        expected = (UINT96_MAX, 2 * UINT96_MAX - fee, fee)
        assert place_as_quoted(desk, round_, bob, ODD, UINT96_MAX) == expected

    def test_the_fee_is_the_rounds(self, desk, round_, alice, bob, people):
        desk.bet(round_, alice, EVEN)
        desk.do("setFee", 500, by=people.admin)
        assert place_as_quoted(desk, round_, bob, ODD, POL)[2] == POL // 50

    def test_a_matched_bet_takes_what_was_quoted_as_matched(self, desk, round_, alice, bob):
        desk.bet(round_, alice, EVEN, 2 * POL)
        matched_now, *_ = desk.ask("quote", round_.id, ODD, 7 * POL)
        with desk.pays((bob, -matched_now)):
            desk.do("placeMatchedBet", round_.id, ODD, matched_now, by=bob, value=7 * POL)
        assert desk.ask("quote", round_.id, ODD, POL) == (0, POL, 0)

    def test_what_was_taken_back_is_not_quoted(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN, 2 * POL)
        desk.do("cancelUnmatched", round_.id, 0, by=alice)
        assert desk.ask("quote", round_.id, ODD, POL) == (0, POL, 0)

    def test_does_not_look_at_the_number_of_bets(self, desk, round_, alice):
        for _ in range(16):
            desk.bet(round_, alice, EVEN, MIN_BET)
        question = ("quote", round_.id, ODD, POL)
        for sender in (None, alice):
            (answer,) = desk.ask_all([question], sender=sender)
            assert answer[0] == 16 * MIN_BET


class TestRefused:
    """As the bet is that was asked about, with the same values."""

    def both(self, desk, round_, alice, error, prediction=EVEN, amount=POL, at=None):
        with refused(*error):
            desk.ask("quote", round_.id, prediction, amount, at=at)
        if at is not None:
            return
        with refused(*error):
            desk.bet(round_, alice, prediction, amount)

    @pytest.mark.parametrize("status", [LOCKED, FINALIZED])
    def test_when_betting_is_over(self, desk, round_, alice, status):
        desk.bring_to(round_, status)
        self.both(desk, round_, alice, ("BettingClosed", round_.id, round_.lock))

    def test_from_lock_time_on(self, desk, round_, alice):
        assert desk.ask("quote", round_.id, EVEN, POL, at=round_.lock - 1) == (0, POL, 0)
        self.both(desk, round_, alice, ("BettingClosed", round_.id, round_.lock), at=round_.lock)

    def test_in_a_cancelled_round(self, desk, round_, alice):
        desk.bring_to(round_, CANCELLED)
        self.both(desk, round_, alice, ("WrongStatus", round_.id, CANCELLED))

    def test_while_paused(self, desk, round_, alice, people):
        desk.do("pause", by=people.guardian)
        self.both(desk, round_, alice, ("EnforcedPause",))
        desk.do("unpause", by=people.admin)
        assert desk.ask("quote", round_.id, EVEN, POL) == (0, POL, 0)

    @pytest.mark.parametrize("prediction", [8, 255])
    def test_on_a_prediction_that_is_none(self, desk, round_, alice, prediction):
        self.both(desk, round_, alice, ("InvalidPrediction", prediction), prediction)

    @pytest.mark.parametrize("amount", [0, MIN_BET - 1, MAX_BET + 1])
    def test_out_of_the_limits(self, desk, round_, alice, amount):
        error = ("BetOutOfLimits", amount, MIN_BET, MAX_BET)
        self.both(desk, round_, alice, error, amount=amount)

    def test_but_not_at_the_limits(self, desk, round_, alice):
        for amount in (MIN_BET, MAX_BET):
            assert desk.ask("quote", round_.id, EVEN, amount) == (0, amount, 0)

    def test_of_an_amount_beyond_any_coin(self, desk, round_):
        with refused("BetOutOfLimits", 2**256 - 1, MIN_BET, MAX_BET):
            desk.ask("quote", round_.id, EVEN, 2**256 - 1)

    def test_when_the_line_is_full(self, deploy, alice, bob):
        desk = deploy(minBet=GWEI, maxBet=UINT96_MAX)
        desk.node.set_balance(alice, 2 * UINT96_MAX)
        round_ = desk.open()
        desk.bet(round_, alice, EVEN, UINT96_MAX - GWEI)
        error = ("LineFull", round_.id, EVEN, UINT96_MAX - GWEI)
        self.both(desk, round_, bob, error, amount=GWEI + 1)
        assert desk.ask("quote", round_.id, EVEN, GWEI) == (0, GWEI, 0)

    def test_in_the_order_in_which_a_bet_is_checked(self, desk, round_, alice, people):
        """Every fault together; each is mended after it was told."""
        unknown = type(round_)(round_.id + 1, round_.draw, round_.lock)
        desk.do("pause", by=people.guardian)
        wrong = (200, MAX_BET + 1)
        self.both(desk, unknown, alice, ("EnforcedPause",), *wrong)
        desk.do("unpause", by=people.admin)
        self.both(desk, unknown, alice, ("UnknownRound", unknown.id), *wrong)
        self.both(desk, round_, alice, ("InvalidPrediction", 200), *wrong)
        limits = ("BetOutOfLimits", MAX_BET + 1, MIN_BET, MAX_BET)
        self.both(desk, round_, alice, limits, 0, MAX_BET + 1)
