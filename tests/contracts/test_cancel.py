"""Unmatched stakes taken back: from the tail of a line only, before the lock, and no wei more."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import FEE_BPS, MIN_BET
from tests.contracts.support.codec import Event, Refused
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import (
    CANCELLED,
    EVEN,
    FINALIZED,
    HIGH,
    LOCKED,
    LOW,
    ODD,
    POL,
)

UINT256_MAX = 2**256 - 1


def cancel(desk, round_, user, index=0, **kwargs):
    return desk.do("cancelUnmatched", round_.id, index, by=user, **kwargs)


def cancelled(round_, user, amount, index=0):
    about = {"roundId": round_.id, "user": user, "betIndex": index}
    return [Event("BetCancelled", **about, amount=amount)]


def bets_of(desk, round_, user):
    """(amount, offset, matched) of each."""
    bets = desk.ask("getUserBets", round_.id, user)
    return [(bet.amount, bet.offset, bet.matchedAmount) for bet in bets]


class TestWhole:
    @pytest.mark.parametrize("prediction", range(8))
    def test_goes_back_and_leaves_an_empty_entry(self, desk, round_, alice, prediction):
        desk.bet(round_, alice, prediction, 3 * POL)
        placed_at = desk.node.now
        with desk.pays((alice, 3 * POL)):
            assert cancel(desk, round_, alice) == cancelled(round_, alice, 3 * POL)
        (bet,) = desk.ask("getUserBets", round_.id, alice)
        assert (bet.prediction, bet.amount, bet.offset, bet.matchedAmount) == (prediction, 0, 0, 0)
        assert (bet.placedAt, bet.refunded, bet.settled) == (placed_at, False, True)
        assert desk.ask("getUserBet", round_.id, alice) == (0, 0, 1, True)
        assert desk.ask("getPredictionPool", round_.id, prediction) == (0, 0, 1)
        assert desk.ask("getRoundInfo", round_.id).totalStaked == 0

    def test_once(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN)
        cancel(desk, round_, alice)
        with refused("NothingUnmatched", round_.id, 0):
            cancel(desk, round_, alice)

    def test_leaves_the_line_to_who_comes_next(self, desk, round_, alice, bob):
        desk.bet(round_, alice, EVEN, 3 * POL)
        cancel(desk, round_, alice)
        desk.bet(round_, bob, EVEN, POL)
        desk.bet(round_, alice, ODD, 2 * POL)
        assert bets_of(desk, round_, bob) == [(POL, 0, POL)]
        assert bets_of(desk, round_, alice) == [(0, 0, 0), (2 * POL, 0, POL)]

    def test_whoever_stands_below_becomes_the_tail(self, desk, round_, people):
        users = people.bettors[:4]
        for user in users:
            desk.bet(round_, user, EVEN)
        for index, user in enumerate(users[:-1]):
            with refused("NotAtTail", round_.id, 0):
                cancel(desk, round_, user)
            assert bets_of(desk, round_, user) == [(POL, index * POL, 0)]
        for user in reversed(users):
            with desk.pays((user, POL)):
                cancel(desk, round_, user)
        assert desk.balance() == 0


class TestPartly:
    @pytest.mark.parametrize("kept", [MIN_BET, POL, 3 * POL - 1])
    def test_what_is_matched_stays(self, desk, round_, alice, bob, kept):
        desk.bet(round_, alice, EVEN, 3 * POL)
        desk.bet(round_, bob, ODD, kept)
        with desk.pays((alice, 3 * POL - kept), (bob, 0)):
            assert cancel(desk, round_, alice) == cancelled(round_, alice, 3 * POL - kept)
        assert bets_of(desk, round_, alice) == [(kept, 0, kept)]
        assert bets_of(desk, round_, bob) == [(kept, 0, kept)]
        for prediction in (EVEN, ODD):
            assert desk.ask("getPredictionPool", round_.id, prediction) == (kept, kept, 1)
        assert desk.ask("getUserBet", round_.id, alice) == (kept, kept, 1, False)
        with refused("NothingUnmatched", round_.id, 0):
            cancel(desk, round_, alice)

    def test_it_is_paid_by_what_stayed(self, desk, round_, alice, bob, people):
        desk.bet(round_, alice, EVEN, 3 * POL)
        desk.bet(round_, bob, ODD)
        cancel(desk, round_, alice)
        desk.bring_to(round_, LOCKED)
        with refused("NothingDue", round_.id, alice):
            desk.do("claimRefund", round_.id, by=alice)
        desk.finalize(round_, 2)
        fee = POL * FEE_BPS // 10_000
        with desk.pays((alice, 2 * POL - fee)):
            desk.do("claimWinnings", round_.id, by=alice)
        desk.do("withdrawFees", [round_.id], by=bob)
        assert desk.balance() == 0

    def test_later_bets_match_in_the_order_of_the_line(self, desk, round_, people):
        alice, bob, carol, dave, *_ = people.bettors
        desk.bet(round_, alice, EVEN, 3 * POL)
        desk.bet(round_, bob, ODD, 2 * POL)
        cancel(desk, round_, alice)  # 2 stay
        desk.bet(round_, carol, EVEN, 5 * POL)
        desk.bet(round_, dave, ODD, 4 * POL)
        assert bets_of(desk, round_, alice) == [(2 * POL, 0, 2 * POL)]
        assert bets_of(desk, round_, carol) == [(5 * POL, 2 * POL, 4 * POL)]
        assert bets_of(desk, round_, dave) == [(4 * POL, 2 * POL, 4 * POL)]

    def test_nobodys_matched_stake_falls(self, desk, round_, people):
        """All that can be taken back, by everybody, and again."""
        users = people.bettors
        stakes = [(EVEN, 5), (ODD, 2), (EVEN, 4), (ODD, 1), (HIGH, 3), (LOW, 7), (EVEN, 1)]
        for user, (prediction, stake) in zip(users, stakes, strict=False):
            desk.bet(round_, user, prediction, stake * POL)
        before = {user: bets_of(desk, round_, user) for user in users}
        taken = []
        for user in [*reversed(users), *users]:
            try:
                taken += cancel(desk, round_, user)
            except Refused:
                continue
        assert [event.amount // POL for event in taken] == [1, 4, 4, 2]
        for user, bets in before.items():
            matched = [(amount, offset, amount) for _, offset, amount in bets]
            kept = [bet for bet in matched if bet[0]]
            assert [bet for bet in bets_of(desk, round_, user) if bet[0]] == kept
        assert desk.ask("getRoundInfo", round_.id).totalStaked == 2 * 6 * POL


class TestSeveralBets:
    def test_one_of_them_by_its_index(self, desk, round_, alice):
        for prediction, stake in ((EVEN, 1), (HIGH, 2), (ODD, 4), (LOW, 8)):
            desk.bet(round_, alice, prediction, stake * POL)
        # EVEN and HIGH are matched, ODD has 3 too many, LOW 6.
        for index in (0, 1):
            with refused("NothingUnmatched", round_.id, index):
                cancel(desk, round_, alice, index)
        with desk.pays((alice, 6 * POL)):
            assert cancel(desk, round_, alice, 3) == cancelled(round_, alice, 6 * POL, 3)
        assert [bet[0] // POL for bet in bets_of(desk, round_, alice)] == [1, 2, 4, 2]
        assert cancel(desk, round_, alice, 2) == cancelled(round_, alice, 3 * POL, 2)
        assert [bet[0] // POL for bet in bets_of(desk, round_, alice)] == [1, 2, 1, 2]

    def test_the_first_hides_no_later_one(self, desk, round_, alice, bob):
        desk.bet(round_, alice, HIGH)
        desk.bet(round_, alice, EVEN, 2 * POL)
        cancel(desk, round_, alice, 0)
        desk.bet(round_, bob, ODD)
        assert bets_of(desk, round_, alice) == [(0, 0, 0), (2 * POL, 0, POL)]
        assert desk.ask("getUserBet", round_.id, alice) == (2 * POL, POL, 2, False)
        desk.bring_to(round_, LOCKED)
        with desk.pays((alice, POL)):
            desk.do("claimRefund", round_.id, by=alice)
        desk.finalize(round_, 2)
        with desk.pays((alice, 2 * POL - POL * FEE_BPS // 10_000)):
            desk.do("claimWinnings", round_.id, by=alice)

    def test_own_bets_stand_above_own_bets(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN)
        desk.bet(round_, alice, EVEN, 2 * POL)
        with refused("NotAtTail", round_.id, 0):
            cancel(desk, round_, alice, 0)
        cancel(desk, round_, alice, 1)
        with desk.pays((alice, POL)):
            cancel(desk, round_, alice, 0)

    def test_an_empty_entry_is_not_above_anything(self, desk, round_, alice, bob):
        desk.bet(round_, alice, EVEN)
        desk.bet(round_, bob, EVEN)
        cancel(desk, round_, bob)
        cancel(desk, round_, alice)
        desk.bet(round_, bob, EVEN)
        for user in (alice, bob):
            with refused("NothingUnmatched", round_.id, 0):
                cancel(desk, round_, user, 0)
        cancel(desk, round_, bob, 1)

    def test_entries_count_towards_the_sixteen(self, desk, round_, alice):
        for index in range(16):
            desk.bet(round_, alice, EVEN)
            cancel(desk, round_, alice, index)
        with refused("TooManyBets", round_.id, alice, 16):
            desk.bet(round_, alice, EVEN)
        assert desk.ask("getUserBet", round_.id, alice) == (0, 0, 16, True)
        assert desk.ask("getPredictionPool", round_.id, EVEN) == (0, 0, 16)
        with refused("UnknownBet", round_.id, alice, 16):
            cancel(desk, round_, alice, 16)

    def test_the_sixteenth_can_be_taken_back(self, desk, round_, alice):
        for _ in range(16):
            desk.bet(round_, alice, EVEN)
        with desk.pays((alice, POL)):
            assert cancel(desk, round_, alice, 15) == cancelled(round_, alice, POL, 15)


class TestEmptyEntries:
    """Whatever becomes of the round, nothing more is due for them."""

    @pytest.mark.parametrize("status", [LOCKED, FINALIZED, CANCELLED])
    def test_alone_nothing_is_due(self, desk, round_, alice, bob, status):
        desk.bet(round_, alice, EVEN, 3 * POL)
        cancel(desk, round_, alice)
        desk.bet(round_, bob, EVEN)
        desk.bring_to(round_, status)
        assert desk.ask("claimable", round_.id, alice) == (0, 0)
        claim = "claimWinnings" if status == FINALIZED else "claimRefund"
        with refused("NothingDue", round_.id, alice):
            desk.do(claim, round_.id, by=alice)
        assert desk.ask("getUserBet", round_.id, alice) == (0, 0, 1, True)
        with desk.pays((bob, POL), (alice, 0)):
            desk.do("settle", round_.id, [alice, bob], by=bob)

    @pytest.mark.parametrize("status", [LOCKED, CANCELLED])
    def test_beside_others_they_add_nothing(self, desk, round_, alice, status):
        desk.bet(round_, alice, EVEN, 3 * POL)
        cancel(desk, round_, alice)
        desk.bet(round_, alice, HIGH)
        flags = [(bet.refunded, bet.settled) for bet in desk.ask("getUserBets", round_.id, alice)]
        assert flags == [(False, True), (False, False)]
        desk.bring_to(round_, status)
        assert desk.ask("claimable", round_.id, alice) == (0, POL)
        with desk.pays((alice, POL)):
            desk.do("claimRefund", round_.id, by=alice)
        flags = [(bet.refunded, bet.settled) for bet in desk.ask("getUserBets", round_.id, alice)]
        assert flags == [(False, True), (True, True)]


class TestRefused:
    def test_from_lock_time_on(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN)
        with refused("BettingClosed", round_.id, round_.lock):
            cancel(desk, round_, alice, at=round_.lock)

    def test_but_not_a_second_earlier(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN)
        desk.node.next_block_at(round_.lock - 1)
        with desk.pays((alice, POL)):
            cancel(desk, round_, alice)

    @pytest.mark.parametrize("status", [LOCKED, FINALIZED])
    def test_when_betting_is_over(self, desk, round_, alice, status):
        desk.bet(round_, alice, EVEN)
        desk.bring_to(round_, status)
        with refused("BettingClosed", round_.id, round_.lock):
            cancel(desk, round_, alice)

    def test_in_a_cancelled_round(self, desk, round_, alice):
        desk.bet(round_, alice, EVEN)
        desk.bring_to(round_, CANCELLED)
        with refused("WrongStatus", round_.id, CANCELLED):
            cancel(desk, round_, alice)

    @pytest.mark.parametrize("index", [1, 15, 16, UINT256_MAX])
    def test_of_a_bet_that_is_none(self, desk, round_, alice, bob, index):
        desk.bet(round_, alice, EVEN)
        with refused("UnknownBet", round_.id, alice, index):
            cancel(desk, round_, alice, index)
        with refused("UnknownBet", round_.id, bob, 0):  # another's is none of one's own
            cancel(desk, round_, bob)

    def test_when_all_is_matched_wherever_it_stands(self, desk, round_, alice, bob):
        desk.bet(round_, alice, EVEN)
        desk.bet(round_, bob, ODD)
        for user in (alice, bob):
            with refused("NothingUnmatched", round_.id, 0):
                cancel(desk, round_, user)
        desk.bet(round_, bob, EVEN)
        with refused("NothingUnmatched", round_.id, 0):
            cancel(desk, round_, alice)

    def test_below_the_tail_even_when_partly_matched(self, desk, round_, alice, bob):
        desk.bet(round_, alice, EVEN, 3 * POL)
        desk.bet(round_, bob, ODD)
        desk.bet(round_, bob, EVEN, MIN_BET)
        with refused("NotAtTail", round_.id, 0):
            cancel(desk, round_, alice)

    def test_not_by_a_pause(self, desk, round_, alice, people):
        desk.bet(round_, alice, EVEN)
        desk.do("pause", by=people.guardian)
        with desk.pays((alice, POL)):
            cancel(desk, round_, alice)


class TestRecipients:
    def test_a_refuser_loses_nothing(self, desk, helpers, round_):
        refuser = desk.puppet(*helpers("Refuser"))
        refuser.do("placeBet", round_.id, EVEN, value=POL)
        with refused("PaymentRefused", refuser.address, POL):
            refuser.do("cancelUnmatched", round_.id, 0)
        assert bets_of(desk, round_, refuser.address) == [(POL, 0, 0)]
        assert desk.ask("getPredictionPool", round_.id, EVEN) == (POL, 0, 1)
        refuser.set("accept", True)
        with desk.pays((refuser.address, POL)):
            refuser.do("cancelUnmatched", round_.id, 0)

    @pytest.mark.parametrize(
        ("function", "arguments"),
        [
            ("cancelUnmatched", (0,)),
            ("cancelUnmatched", (1,)),
            ("placeMatchedBet", (ODD, 0)),
            ("cancelRound", ()),
        ],
    )
    def test_is_paid_once(self, desk, helpers, round_, alice, function, arguments):
        reentrant = desk.puppet(*helpers("Reentrant"))
        reentrant.do("placeBet", round_.id, HIGH, value=POL)
        reentrant.do("placeBet", round_.id, EVEN, value=POL)
        desk.bet(round_, alice, LOW, 5 * POL)
        data = bytes.fromhex(desk.abi.call(function, round_.id, *arguments)[2:])
        reentrant.set("arm", desk.address, 0, data)
        with desk.pays((reentrant.address, POL)):
            reentrant.do("cancelUnmatched", round_.id, 1)
        assert (reentrant.ask("attempts"), reentrant.ask("succeeded")) == (1, False)
        guarded = desk.abi.selector_of_error("ReentrancyGuardReentrantCall")
        assert reentrant.ask("failure") == guarded

    def test_who_is_being_paid_may_bet_anew(self, desk, helpers, round_):
        reentrant = desk.puppet(*helpers("Reentrant"))
        reentrant.do("placeBet", round_.id, EVEN, value=3 * POL)
        data = bytes.fromhex(desk.abi.call("placeBet", round_.id, EVEN)[2:])
        reentrant.set("arm", desk.address, POL, data)
        reentrant.do("cancelUnmatched", round_.id, 0)
        assert bets_of(desk, round_, reentrant.address) == [(0, 0, 0), (POL, 0, 0)]
        assert desk.balance() == POL
