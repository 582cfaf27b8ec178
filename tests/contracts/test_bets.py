"""Bets: who may place them, until when, how large, how many; and what of them is matched."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import MAX_BET, MIN_BET
from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import (
    CANCELLED,
    EVEN,
    FINALIZED,
    LOCKED,
    LOW,
    ODD,
    POL,
)
from tests.contracts.support.node import Reverted

UINT96_MAX = 2**96 - 1
GWEI = 10**9


def matched(desk, round_, user):
    return [bet.matchedAmount for bet in desk.ask("getUserBets", round_.id, user)]


class TestPlaced:
    @pytest.mark.parametrize("prediction", range(8))
    def test_announced_and_kept(self, desk, round_, alice, prediction):
        with desk.pays((alice, -POL)):
            events = desk.bet(round_, alice, prediction)
        assert events == [
            Event("BetPlaced", roundId=round_.id, user=alice, prediction=prediction, amount=POL)
        ]
        (bet,) = desk.ask("getUserBets", round_.id, alice)
        assert (bet.prediction, bet.amount, bet.offset) == (prediction, POL, 0)
        assert bet.placedAt == desk.node.now
        assert desk.ask("getPredictionPool", round_.id, prediction) == (POL, 0, 1)

    @pytest.mark.parametrize("prediction", range(8))
    def test_what_is_matched_at_once_is_announced(self, desk, round_, alice, bob, prediction):
        desk.bet(round_, alice, prediction ^ 1, 3 * POL)
        first, second = (desk.bet(round_, bob, prediction, 2 * POL) for _ in range(2))
        assert first[1:] == [
            Event("BetMatched", roundId=round_.id, user=bob, matchedAmount=2 * POL)
        ]
        assert second[1:] == [Event("BetMatched", roundId=round_.id, user=bob, matchedAmount=POL)]
        assert len(desk.bet(round_, bob, prediction)) == 1

    def test_by_the_people_who_run_it_too(self, desk, round_, people):
        for person in (people.admin, people.operator, people.guardian, people.oracle):
            desk.bet(round_, person, EVEN)
        assert desk.ask("getPredictionPool", round_.id, EVEN) == (4 * POL, 0, 4)


class TestRefused:
    def test_from_lock_time_on(self, desk, round_, alice):
        with refused("BettingClosed", round_.id, round_.lock):
            desk.do("placeBet", round_.id, EVEN, by=alice, value=POL, at=round_.lock)

    def test_but_not_a_second_earlier(self, desk, round_, alice):
        desk.do("placeBet", round_.id, EVEN, by=alice, value=POL, at=round_.lock - 1)
        assert desk.ask("getUserBet", round_.id, alice) == (POL, 0, 1, False)

    def test_in_a_cancelled_round(self, desk, round_, alice):
        desk.bring_to(round_, CANCELLED)
        with refused("WrongStatus", round_.id, CANCELLED):
            desk.bet(round_, alice, EVEN)

    @pytest.mark.parametrize("status", [LOCKED, FINALIZED])
    def test_when_betting_is_over(self, desk, round_, alice, status):
        desk.bring_to(round_, status)
        with refused("BettingClosed", round_.id, round_.lock):
            desk.bet(round_, alice, EVEN)

    @pytest.mark.parametrize("prediction", [8, 9, 255])
    def test_on_a_prediction_that_is_none(self, desk, round_, alice, prediction):
        with refused("InvalidPrediction", prediction):
            desk.bet(round_, alice, prediction)

    @pytest.mark.parametrize("amount", [0, 1, MIN_BET - 1, MAX_BET + 1])
    def test_out_of_the_limits(self, desk, round_, alice, amount):
        with refused("BetOutOfLimits", amount, MIN_BET, MAX_BET):
            desk.bet(round_, alice, EVEN, amount)

    def test_but_not_at_the_limits(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN, MIN_BET)
        desk.bet(round_, alice, EVEN, MAX_BET)
        assert desk.ask("getUserBet", round_.id, alice) == (MIN_BET + MAX_BET, 0, 2, False)

    def test_from_the_seventeenth_on(self, desk, round_, alice, bob):
        for index in range(16):
            desk.bet(round_, alice, index % 8, MIN_BET + index)
        with refused("TooManyBets", round_.id, alice, 16):
            desk.bet(round_, alice, EVEN)
        bets = desk.ask("getUserBets", round_.id, alice)
        assert [bet.amount for bet in bets] == [MIN_BET + index for index in range(16)]
        assert [bet.prediction for bet in bets] == [index % 8 for index in range(16)]
        desk.bet(round_, bob, EVEN)  # others may
        other = desk.open(desk.draws(2)[1])
        desk.bet(other, alice, EVEN)  # and in another round too

    def test_when_coins_come_without_a_bet(self, desk, alice):
        with pytest.raises(Reverted):
            desk.node.send(alice, desk.address, value=POL)
        with refused("no custom error", "0x"):
            desk.do("lockRound", 1, by=alice, value=POL)


class TestLineFull:
    def test_a_line_holds_two_to_the_96_less_one(self, deploy, alice, bob):
        desk = deploy(minBet=GWEI, maxBet=UINT96_MAX)
        for user in (alice, bob):
            desk.node.set_balance(user, 2 * UINT96_MAX)
        round_ = desk.open()
        desk.bet(round_, alice, EVEN, UINT96_MAX - GWEI)
        with refused("LineFull", round_.id, EVEN, UINT96_MAX - GWEI):
            desk.bet(round_, alice, EVEN, GWEI + 1)
        desk.bet(round_, alice, EVEN, GWEI)
        with refused("LineFull", round_.id, EVEN, UINT96_MAX):
            desk.bet(round_, bob, EVEN, GWEI)

        # Nothing overflows when such sums are counted and paid.
        desk.bet(round_, bob, ODD, UINT96_MAX)
        info = desk.ask("getRoundInfo", round_.id)
        assert (info.totalStaked, info.totalMatched) == (2 * UINT96_MAX, UINT96_MAX)
        desk.finalize(round_, 1)
        fee = UINT96_MAX * 200 // 10_000
        with desk.pays((bob, 2 * UINT96_MAX - fee)):
            desk.do("claimWinnings", round_.id, by=bob)
        with desk.pays((desk.people.fee_recipient, fee)):
            desk.do("withdrawFees", [round_.id], by=bob)


class TestMatching:
    def test_first_come_first_matched(self, desk, round_, people):
        """In POL: what each bet has matched after each bet, by hand."""
        steps = [  # (bettor, prediction, stake), what each bet so far has matched
            ((0, EVEN, 3), [0]),
            ((1, EVEN, 2), [0, 0]),
            ((2, ODD, 2), [2, 0, 2]),
            ((3, ODD, 2), [3, 1, 2, 2]),
            ((4, EVEN, 90), [3, 1, 2, 2, 0]),  # a whale behind two waiting bets dilutes nobody
            ((5, ODD, 10), [3, 2, 2, 2, 9, 10]),
        ]
        for index, ((bettor, prediction, stake), expected) in enumerate(steps):
            desk.bet(round_, people.bettors[bettor], prediction, stake * POL)
            users = people.bettors[: index + 1]
            found = [matched(desk, round_, user)[0] for user in users]
            assert found == [amount * POL for amount in expected]
            level = min(
                sum(stake for (_, side, stake), _ in steps[: index + 1] if side == prediction)
                for prediction in (EVEN, ODD)
            )
            for side in (EVEN, ODD):
                assert desk.ask("getPredictionPool", round_.id, side)[1] == level * POL

    def test_to_the_wei(self, desk, round_, alice, bob):
        desk.bet(round_, alice, EVEN, POL + 1)
        desk.bet(round_, bob, ODD, POL)
        desk.bet(round_, bob, ODD, POL)
        assert matched(desk, round_, alice) == [POL + 1]
        assert matched(desk, round_, bob) == [POL, 1]

    def test_one_person_may_stand_on_both_sides(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN, 2 * POL)
        desk.bet(round_, alice, ODD, POL)
        assert matched(desk, round_, alice) == [POL, POL]

    def test_pairs_and_rounds_do_not_mix(self, desk, round_, alice, bob):
        other = desk.open(desk.draws(2)[1])
        desk.bet(round_, alice, EVEN)
        desk.bet(round_, bob, LOW)
        desk.bet(other, bob, ODD)
        for one, user in ((round_, alice), (round_, bob), (other, bob)):
            assert matched(desk, one, user) == [0]
