"""Claims, refunds and fees: who is paid when, by which function, and what is announced."""

from __future__ import annotations

import pytest

from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import (
    CANCELLED,
    EVEN,
    FINALIZED,
    HIGH,
    LOCKED,
    ODD,
    OPEN,
    POL,
)

WIN = 2 * POL - POL // 50  # a matched POL that won, less 2 % of the profit


@pytest.fixture
def round_(desk, alice, bob):
    """Alice has 3 POL on EVEN, 1 of them matched by Bob's POL on ODD."""
    round_ = desk.open()
    desk.bet(round_, alice, EVEN, 3 * POL)
    desk.bet(round_, bob, ODD)
    return round_


def winnings_of(round_, user, amount):
    return Event("WinningsClaimed", roundId=round_.id, user=user, amount=amount)


def refund_of(round_, user, amount):
    return Event("RefundIssued", roundId=round_.id, user=user, amount=amount)


class TestClaimWinnings:
    def test_pays_winnings_and_refund_each_announced(self, desk, round_, alice):
        desk.finalize(round_, 2)
        with desk.pays((alice, WIN + 2 * POL)):
            events = desk.do("claimWinnings", round_.id, by=alice)
        assert events == [
            winnings_of(round_, alice, WIN),
            refund_of(round_, alice, 2 * POL),
        ]

    def test_winnings_alone(self, desk, round_, bob):
        desk.finalize(round_, 1)
        assert desk.do("claimWinnings", round_.id, by=bob) == [winnings_of(round_, bob, WIN)]

    def test_a_refund_alone(self, desk, round_, alice):
        desk.finalize(round_, 1)
        with desk.pays((alice, 2 * POL)):
            events = desk.do("claimWinnings", round_.id, by=alice)
        assert events == [refund_of(round_, alice, 2 * POL)]

    @pytest.mark.parametrize("status", [OPEN, LOCKED, CANCELLED])
    def test_only_of_a_finalized_round(self, desk, round_, alice, status):
        desk.bring_to(round_, status)
        with refused("WrongStatus", round_.id, status):
            desk.do("claimWinnings", round_.id, by=alice)

    def test_once(self, desk, round_, alice):
        desk.finalize(round_, 2)
        desk.do("claimWinnings", round_.id, by=alice)
        with refused("NothingDue", round_.id, alice):
            desk.do("claimWinnings", round_.id, by=alice)

    def test_not_by_losers_or_strangers(self, desk, round_, bob, people):
        desk.finalize(round_, 2)
        for user in (bob, people.stranger):
            with refused("NothingDue", round_.id, user):
                desk.do("claimWinnings", round_.id, by=user)

    def test_however_late(self, desk, round_, alice):
        desk.finalize(round_, 2)
        desk.node.mine_at(round_.draw + 10 * 365 * 86_400)
        with desk.pays((alice, WIN + 2 * POL)):
            desk.do("claimWinnings", round_.id, by=alice)


class TestClaimRefund:
    def test_of_what_found_no_opponent_from_lock_time_on(self, desk, round_, alice):
        desk.node.next_block_at(round_.lock)
        with desk.pays((alice, 2 * POL)):
            events = desk.do("claimRefund", round_.id, by=alice)
        assert events == [refund_of(round_, alice, 2 * POL)]

    def test_not_a_second_earlier(self, desk, round_, alice):
        with refused("TooEarly", round_.id, round_.lock):
            desk.do("claimRefund", round_.id, by=alice, at=round_.lock - 1)

    @pytest.mark.parametrize("after_the_draw", [0, 72 * 3600, 90 * 86_400])
    def test_until_the_result_or_the_void(self, desk, round_, alice, after_the_draw):
        desk.node.next_block_at(round_.draw + after_the_draw)
        with desk.pays((alice, 2 * POL)):
            desk.do("claimRefund", round_.id, by=alice)

    def test_after_a_result_the_error_points_to_claim_winnings(self, desk, round_, alice):
        desk.finalize(round_, 2)
        with refused("UseClaimWinnings", round_.id):
            desk.do("claimRefund", round_.id, by=alice)

    def test_of_everything_when_cancelled(self, desk, round_, alice):
        desk.bring_to(round_, CANCELLED)
        with desk.pays((alice, 3 * POL)):
            events = desk.do("claimRefund", round_.id, by=alice)
        assert events == [refund_of(round_, alice, 3 * POL)]

    def test_of_the_rest_when_cancelled_after_a_refund(self, desk, round_, alice):
        desk.do("claimRefund", round_.id, by=alice, at=round_.lock)
        desk.do("cancelRound", round_.id, by=desk.people.guardian)
        with desk.pays((alice, POL)):
            desk.do("claimRefund", round_.id, by=alice)

    @pytest.mark.parametrize("status", [LOCKED, CANCELLED])
    def test_once(self, desk, round_, alice, status):
        desk.bring_to(round_, status)
        desk.do("claimRefund", round_.id, by=alice)
        with refused("NothingDue", round_.id, alice):
            desk.do("claimRefund", round_.id, by=alice)

    def test_not_of_what_is_matched_nor_by_strangers(self, desk, round_, bob, people):
        desk.bring_to(round_, LOCKED)
        for user in (bob, people.stranger):
            with refused("NothingDue", round_.id, user):
                desk.do("claimRefund", round_.id, by=user)

    def test_of_all_bets_of_a_person_at_once(self, desk, round_, alice):
        desk.bet(round_, alice, HIGH, 4 * POL)
        desk.bring_to(round_, LOCKED)
        with desk.pays((alice, 6 * POL)):
            desk.do("claimRefund", round_.id, by=alice)


class TestWithdrawFees:
    def test_goes_to_the_recipient_whoever_calls(self, desk, round_, people):
        desk.finalize(round_, 2)
        with desk.pays((people.fee_recipient, POL // 50)):
            events = desk.do("withdrawFees", [round_.id], by=people.stranger)
        assert events == [Event("FeesWithdrawn", roundId=round_.id, amount=POL // 50)]

    def test_once_a_round_repeated_ids_too(self, desk, round_, people):
        desk.finalize(round_, 2)
        ids = [round_.id] * 3
        with desk.pays((people.fee_recipient, POL // 50)):
            assert len(desk.do("withdrawFees", ids, by=people.stranger)) == 1
        with desk.pays((people.fee_recipient, 0)):
            assert desk.do("withdrawFees", ids, by=people.stranger) == []

    def test_of_several_rounds_at_once(self, desk, round_, alice, bob, people):
        other = desk.open(desk.draws(2)[1])
        desk.bet(other, alice, HIGH, 2 * POL)
        desk.bet(other, bob, HIGH ^ 1, 2 * POL)
        desk.finalize(round_, 2)
        desk.finalize(other, 99)
        ids = [other.id, round_.id, other.id]
        with desk.pays((people.fee_recipient, 3 * POL // 50)):
            events = desk.do("withdrawFees", ids, by=people.stranger)
        assert events == [
            Event("FeesWithdrawn", roundId=other.id, amount=2 * POL // 50),
            Event("FeesWithdrawn", roundId=round_.id, amount=POL // 50),
        ]

    @pytest.mark.parametrize("status", [OPEN, LOCKED, CANCELLED])
    def test_an_unfinished_round_stops_all(self, desk, round_, people, status):
        other = desk.open(desk.draws(3)[2])
        desk.finalize(round_, 2)
        desk.bring_to(other, status)
        with refused("WrongStatus", other.id, status):
            desk.do("withdrawFees", [round_.id, other.id], by=people.stranger)
        with desk.pays((people.fee_recipient, POL // 50)):
            desk.do("withdrawFees", [round_.id], by=people.stranger)

    def test_nothing_of_no_round_and_of_a_round_without_fees(self, desk, round_, people):
        empty = desk.open(desk.draws(2)[1])
        desk.finalize(empty, 2)
        with desk.pays((people.fee_recipient, 0)):
            assert desk.do("withdrawFees", [], by=people.stranger) == []
            assert desk.do("withdrawFees", [empty.id], by=people.stranger) == []

    def test_before_and_after_the_bettors_are_paid(self, desk, round_, alice, people):
        desk.finalize(round_, 2)
        desk.do("withdrawFees", [round_.id], by=people.stranger)
        with desk.pays((alice, WIN + 2 * POL)):
            desk.do("claimWinnings", round_.id, by=alice)
        assert desk.balance() == 0


class TestSettle:
    def test_pays_each_what_is_due_to_the_bettor_only(self, desk, round_, alice, bob, people):
        desk.bet(round_, bob, HIGH, 5 * POL)
        desk.finalize(round_, 2)
        with desk.pays((alice, WIN + 2 * POL), (bob, 5 * POL), (people.stranger, 0)):
            events = desk.do("settle", round_.id, [bob, alice], by=people.stranger)
        assert events == [
            refund_of(round_, bob, 5 * POL),
            winnings_of(round_, alice, WIN),
            refund_of(round_, alice, 2 * POL),
        ]

    @pytest.mark.parametrize("by_lock", [False, True])
    def test_the_unmatched_part_from_lock_time_on(self, desk, round_, alice, bob, by_lock):
        if by_lock:
            desk.do("lockRound", round_.id, by=bob, at=round_.lock)
        desk.node.next_block_at(round_.lock + by_lock)
        with desk.pays((alice, 2 * POL), (bob, 0)):
            events = desk.do("settle", round_.id, [bob, alice], by=bob)
        assert events == [refund_of(round_, alice, 2 * POL)]

    @pytest.mark.parametrize("bettors", [0, 1])
    def test_not_a_second_earlier(self, desk, round_, alice, bettors):
        with refused("TooEarly", round_.id, round_.lock):
            desk.do("settle", round_.id, [alice] * bettors, by=alice, at=round_.lock - 1)

    def test_everything_when_cancelled(self, desk, round_, alice, bob):
        desk.bring_to(round_, CANCELLED)
        with desk.pays((alice, 3 * POL), (bob, POL)):
            desk.do("settle", round_.id, [alice, bob], by=bob)
        assert desk.balance() == 0

    def test_passes_over_the_repeated_the_unknown_and_those_without_due(
        self, desk, round_, alice, bob, people
    ):
        desk.finalize(round_, 2)
        zero = "0x" + "00" * 20
        crowd = [alice, people.stranger, alice, bob, zero, desk.address, alice]
        with desk.pays((alice, WIN + 2 * POL), (bob, 0), (people.stranger, 0), (zero, 0)):
            events = desk.do("settle", round_.id, crowd, by=people.stranger)
        assert [event.user for event in events] == [alice, alice]
        with desk.pays((alice, 0)):
            assert desk.do("settle", round_.id, crowd, by=people.stranger) == []

    def test_nobody(self, desk, round_, bob):
        desk.finalize(round_, 2)
        assert desk.do("settle", round_.id, [], by=bob) == []

    @pytest.mark.parametrize("first", ["settle", "claim"])
    def test_and_a_claim_pay_once_together(self, desk, round_, alice, bob, first):
        desk.finalize(round_, 2)
        if first == "claim":
            desk.do("claimWinnings", round_.id, by=alice)
            assert desk.do("settle", round_.id, [alice], by=bob) == []
        else:
            desk.do("settle", round_.id, [alice], by=bob)
            with refused("NothingDue", round_.id, alice):
                desk.do("claimWinnings", round_.id, by=alice)
        assert desk.balance() == POL // 50

    def test_a_refund_first_and_the_winnings_later(self, desk, round_, alice, bob):
        desk.do("settle", round_.id, [alice, bob], by=bob, at=round_.lock)
        desk.finalize(round_, 2)
        with desk.pays((alice, WIN)):
            events = desk.do("settle", round_.id, [alice, bob], by=bob)
        assert events == [winnings_of(round_, alice, WIN)]


def test_status_numbers_are_those_of_the_contract(desk, round_):
    """The names that these tests use for statuses."""
    assert desk.ask("getRoundInfo", round_.id).status == OPEN
    assert desk.ask("getRoundInfo", round_.id, at=round_.lock).status == LOCKED
    desk.finalize(round_, 2)
    assert desk.ask("getRoundInfo", round_.id).status == FINALIZED
