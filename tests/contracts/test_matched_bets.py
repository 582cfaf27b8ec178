"""Bets that take only what is matched at once: how much, for whom, until when; the rest returns."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import FEE_BPS, MAX_BET, MIN_BET
from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, EVEN, FINALIZED, LOCKED, LOW, ODD, POL

UINT96_MAX = 2**96 - 1


@pytest.fixture
def round_(desk, alice):
    """Alice waits with 3 POL on EVEN."""
    round_ = desk.open()
    desk.bet(round_, alice, EVEN, 3 * POL)
    return round_


def match(desk, round_, user, value, least=0, prediction=ODD, **kwargs):
    arguments = (round_.id, prediction, least)
    return desk.do("placeMatchedBet", *arguments, by=user, value=value, **kwargs)


def matched_bet(round_, user, taken, prediction=ODD):
    about = {"roundId": round_.id, "user": user}
    return [
        Event("BetPlaced", **about, prediction=prediction, amount=taken),
        Event("BetMatched", **about, matchedAmount=taken),
    ]


class TestTaken:
    @pytest.mark.parametrize(
        ("value", "taken"),
        [
            (MIN_BET, MIN_BET),
            (2 * POL, 2 * POL),
            (3 * POL - 1, 3 * POL - 1),
            (3 * POL, 3 * POL),
            (3 * POL + 1, 3 * POL),
            (MAX_BET, 3 * POL),
        ],
    )
    def test_is_what_waits_and_the_rest_returns(self, desk, round_, bob, value, taken):
        with desk.pays((bob, -taken)):
            assert match(desk, round_, bob, value) == matched_bet(round_, bob, taken)
        (bet,) = desk.ask("getUserBets", round_.id, bob)
        assert (bet.prediction, bet.amount, bet.offset, bet.matchedAmount) == (ODD, taken, 0, taken)
        assert bet.placedAt == desk.node.now
        assert desk.ask("getPredictionPool", round_.id, ODD) == (taken, taken, 1)

    @pytest.mark.parametrize("prediction", range(8))
    def test_on_every_prediction(self, desk, alice, bob, prediction):
        round_ = desk.open()
        desk.bet(round_, alice, prediction ^ 1, POL)
        expected = matched_bet(round_, bob, POL, prediction)
        assert match(desk, round_, bob, 2 * POL, prediction=prediction) == expected

    def test_is_what_waits_above_the_own_line(self, desk, round_, alice, bob):
        desk.bet(round_, bob, ODD, 2 * POL)
        assert match(desk, round_, bob, 2 * POL) == matched_bet(round_, bob, POL)
        bets = desk.ask("getUserBets", round_.id, bob)
        assert [(bet.amount, bet.offset) for bet in bets] == [(2 * POL, 0), (POL, 2 * POL)]
        assert desk.ask("getUserBet", round_.id, alice) == (3 * POL, 3 * POL, 1, False)

    def test_is_paid_like_any_bet(self, desk, round_, alice, bob, people):
        match(desk, round_, bob, 5 * POL, least=3 * POL)
        desk.finalize(round_, 1)
        fee = 3 * POL * FEE_BPS // 10_000
        with desk.pays((bob, 6 * POL - fee), (alice, 0)):
            desk.do("settle", round_.id, [alice, bob], by=alice)
        with desk.pays((people.fee_recipient, fee)):
            desk.do("withdrawFees", [round_.id], by=alice)
        assert desk.balance() == 0

    def test_closes_a_line_that_is_full(self, deploy, alice, bob):
        desk = deploy(minBet=10**9, maxBet=UINT96_MAX)
        for user in (alice, bob):
            desk.node.set_balance(user, 2 * UINT96_MAX)
        round_ = desk.open()
        desk.bet(round_, alice, EVEN, UINT96_MAX)
        match(desk, round_, bob, UINT96_MAX - 10**9)
        with desk.pays((bob, -(10**9))):
            match(desk, round_, bob, UINT96_MAX)
        with refused("NotEnoughMatched", round_.id, 0, 10**9):
            match(desk, round_, bob, UINT96_MAX)
        assert desk.ask("getPredictionPool", round_.id, ODD) == (UINT96_MAX, UINT96_MAX, 2)


class TestRefused:
    @pytest.mark.parametrize(("value", "matchable"), [(3 * POL, 3 * POL), (2 * POL, 2 * POL)])
    def test_a_wei_below_what_the_bettor_wants(self, desk, round_, bob, value, matchable):
        with refused("NotEnoughMatched", round_.id, matchable, matchable + 1):
            match(desk, round_, bob, value, least=matchable + 1)
        assert match(desk, round_, bob, value, least=matchable)

    @pytest.mark.parametrize("value", [0, 1, MIN_BET - 1])
    @pytest.mark.parametrize("least", [0, MIN_BET])
    def test_below_the_smallest_bet(self, desk, round_, bob, value, least):
        with refused("NotEnoughMatched", round_.id, value, MIN_BET):
            match(desk, round_, bob, value, least=least)

    def test_when_less_than_the_smallest_bet_waits(self, desk, round_, bob):
        desk.bet(round_, bob, ODD, 3 * POL - MIN_BET + 1)
        with refused("NotEnoughMatched", round_.id, MIN_BET - 1, MIN_BET):
            match(desk, round_, bob, POL)
        with refused("NotEnoughMatched", round_.id, MIN_BET - 1, MIN_BET + 1):
            match(desk, round_, bob, POL, least=MIN_BET + 1)

    def test_but_not_when_just_the_smallest_bet_waits(self, desk, round_, bob):
        desk.bet(round_, bob, ODD, 3 * POL - MIN_BET)
        assert match(desk, round_, bob, POL) == matched_bet(round_, bob, MIN_BET)

    def test_when_nobody_waits(self, desk, round_, alice, bob):
        for prediction in (LOW, EVEN):  # nobody on the pair; nobody opposite
            with refused("NotEnoughMatched", round_.id, 0, MIN_BET):
                match(desk, round_, bob, POL, prediction=prediction)
        desk.bet(round_, bob, ODD, 4 * POL)  # now EVEN is the shorter line
        with refused("NotEnoughMatched", round_.id, 0, 2**256 - 1):
            match(desk, round_, bob, POL, least=2**256 - 1)
        assert match(desk, round_, bob, 2 * POL, prediction=EVEN)

    @pytest.mark.parametrize("least", [0, 4 * POL])
    def test_when_more_than_the_largest_bet_is_sent(self, desk, round_, bob, least):
        with refused("BetOutOfLimits", MAX_BET + 1, MIN_BET, MAX_BET):
            match(desk, round_, bob, MAX_BET + 1, least=least)

    def test_from_lock_time_on(self, desk, round_, bob):
        match(desk, round_, bob, POL, at=round_.lock - 1)
        with refused("BettingClosed", round_.id, round_.lock):
            match(desk, round_, bob, POL, at=round_.lock)

    @pytest.mark.parametrize("status", [LOCKED, FINALIZED])
    def test_when_betting_is_over(self, desk, round_, bob, status):
        desk.bring_to(round_, status)
        with refused("BettingClosed", round_.id, round_.lock):
            match(desk, round_, bob, POL)

    def test_in_a_cancelled_round(self, desk, round_, bob):
        desk.bring_to(round_, CANCELLED)
        with refused("WrongStatus", round_.id, CANCELLED):
            match(desk, round_, bob, POL)

    @pytest.mark.parametrize("prediction", [8, 255])
    def test_on_a_prediction_that_is_none(self, desk, round_, bob, prediction):
        with refused("InvalidPrediction", prediction):
            match(desk, round_, bob, POL, prediction=prediction)

    def test_while_paused(self, desk, round_, bob, people):
        desk.do("pause", by=people.guardian)
        with refused("EnforcedPause"):
            match(desk, round_, bob, POL)
        desk.do("unpause", by=people.admin)
        assert match(desk, round_, bob, POL)

    def test_from_the_seventeenth_on(self, desk, round_, bob):
        for _ in range(16):
            match(desk, round_, bob, MIN_BET)
        with refused("TooManyBets", round_.id, bob, 16):
            match(desk, round_, bob, MIN_BET)


class TestRecipients:
    """A contract that bets must accept what returns."""

    def test_a_refuser_can_bet_without_a_rest_only(self, desk, helpers, round_):
        refuser = desk.puppet(*helpers("Refuser"))
        with refused("PaymentRefused", refuser.address, 1):
            refuser.do("placeMatchedBet", round_.id, ODD, 0, value=3 * POL + 1)
        assert desk.ask("getUserBets", round_.id, refuser.address) == []
        assert desk.ask("getPredictionPool", round_.id, ODD) == (0, 0, 0)
        with desk.pays((refuser.address, -3 * POL)):
            refuser.do("placeMatchedBet", round_.id, ODD, 0, value=3 * POL)

    @pytest.mark.parametrize(
        ("function", "arguments"),
        [
            ("placeMatchedBet", (ODD, 0)),
            ("cancelUnmatched", (0,)),
            ("claimWinnings", ()),
            ("claimRefund", ()),
            ("cancelRound", ()),
        ],
    )
    def test_nothing_that_pays_or_ends_a_round_goes_on_inside(
        self, desk, helpers, round_, function, arguments
    ):
        reentrant = desk.puppet(*helpers("Reentrant"))
        data = bytes.fromhex(desk.abi.call(function, round_.id, *arguments)[2:])
        reentrant.set("arm", desk.address, 0, data)
        with desk.pays((reentrant.address, -3 * POL)):
            reentrant.do("placeMatchedBet", round_.id, ODD, 0, value=5 * POL)
        assert (reentrant.ask("attempts"), reentrant.ask("succeeded")) == (1, False)
        guarded = desk.abi.selector_of_error("ReentrancyGuardReentrantCall")
        assert reentrant.ask("failure") == guarded

    def test_who_is_being_paid_may_bet_behind_the_bet_just_placed(self, desk, helpers, round_):
        reentrant = desk.puppet(*helpers("Reentrant"))
        data = bytes.fromhex(desk.abi.call("placeBet", round_.id, ODD)[2:])
        reentrant.set("arm", desk.address, POL, data)
        reentrant.do("placeMatchedBet", round_.id, ODD, 0, value=5 * POL)
        bets = desk.ask("getUserBets", round_.id, reentrant.address)
        assert [(bet.amount, bet.offset, bet.matchedAmount) for bet in bets] == [
            (3 * POL, 0, 3 * POL),
            (POL, 3 * POL, 0),
        ]
