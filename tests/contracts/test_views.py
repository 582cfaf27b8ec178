"""What can be read: in each status, as time has it, bet by bet; and unknown rounds refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.contracts.conftest import FEE_BPS
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import (
    CANCELLED,
    EVEN,
    EVEN_LOW,
    FINALIZED,
    HIGH,
    LOCKED,
    LOW,
    ODD,
    OPEN,
    POL,
)


@pytest.fixture
def round_(desk, alice, bob):
    """Alice: 3 on EVEN (2 matched), 1 on HIGH (none). Bob: 2 on ODD (2). In POL."""
    round_ = desk.open()
    desk.bet(round_, alice, EVEN, 3 * POL)
    desk.bet(round_, bob, ODD, 2 * POL)
    desk.bet(round_, alice, HIGH, POL)
    return round_


class TestRoundInfo:
    def test_of_an_open_round(self, desk, round_, people):
        assert desk.ask("getRoundInfo", round_.id) == SimpleNamespace(
            drawTime=round_.draw,
            lockTime=round_.draw - 900,
            status=OPEN,
            winningNumber=0,
            feeBps=FEE_BPS,
            finalizedAt=0,
            totalStaked=6 * POL,
            totalMatched=2 * POL,
            oracle=people.oracle,
        )

    def test_sums_up_the_four_pairs(self, desk, people):
        round_ = desk.open()
        for prediction in range(8):
            desk.bet(round_, people.bettors[prediction], prediction, (prediction + 1) * POL)
        info = desk.ask("getRoundInfo", round_.id)
        assert info.totalStaked == 36 * POL
        assert info.totalMatched == (1 + 3 + 5 + 7) * POL

    def test_of_a_finalized_round(self, desk, round_):
        desk.finalize(round_, 42, at=round_.draw + 77)
        info = desk.ask("getRoundInfo", round_.id)
        assert (info.status, info.winningNumber) == (FINALIZED, 42)
        assert info.finalizedAt == round_.draw + 77

    def test_of_a_cancelled_round(self, desk, round_):
        desk.bring_to(round_, CANCELLED)
        info = desk.ask("getRoundInfo", round_.id)
        assert (info.status, info.winningNumber, info.finalizedAt) == (CANCELLED, 0, 0)
        assert (info.totalStaked, info.totalMatched) == (6 * POL, 2 * POL)

    @pytest.mark.parametrize("view", ["getRoundInfo", "resultTerms"])
    def test_status_is_as_time_has_it(self, desk, round_, view):
        def status(at):
            answer = desk.ask(view, round_.id, at=at)
            return answer.status if view == "getRoundInfo" else answer[1]

        assert status(round_.lock - 1) == OPEN
        assert status(round_.lock) == LOCKED
        assert status(round_.over + 1) == LOCKED
        desk.do("lockRound", round_.id, by=desk.people.stranger)
        assert status(round_.over + 9) == LOCKED
        desk.do("voidRound", round_.id, by=desk.people.stranger)
        assert status(round_.over + 99) == CANCELLED


class TestOtherViewsOfRounds:
    def test_pools_count_all_bets_of_a_line(self, desk, round_, bob):
        desk.bet(round_, bob, EVEN, 5 * POL)
        pools = desk.ask_all([("getPredictionPool", round_.id, p) for p in range(8)])
        assert pools == [
            (8 * POL, 2 * POL, 2),
            (2 * POL, 2 * POL, 1),
            (POL, 0, 1),
            *[(0, 0, 0)] * 5,
        ]

    @pytest.mark.parametrize("prediction", [8, 255])
    def test_there_are_eight_pools(self, desk, round_, prediction):
        with refused("InvalidPrediction", prediction):
            desk.ask("getPredictionPool", round_.id, prediction)

    def test_round_of_a_draw(self, desk, round_):
        assert desk.ask("roundOf", round_.draw) == round_.id
        assert desk.ask("roundOf", round_.draw + 1) == 0
        desk.finalize(round_, 1)
        assert desk.ask("roundOf", round_.draw) == round_.id

    def test_result_terms(self, desk, mega_desk, round_, people):
        assert desk.ask("resultTerms", round_.id) == (round_.draw, OPEN, people.oracle, 69, 26)
        other = mega_desk.open()
        assert mega_desk.ask("resultTerms", other.id) == (other.draw, OPEN, people.oracle, 70, 24)


class TestClaimable:
    @pytest.mark.parametrize(
        ("status", "number", "expected"),
        [
            (OPEN, 0, (0, 0)),
            (LOCKED, 0, (0, 2 * POL)),
            (CANCELLED, 0, (0, 4 * POL)),
            (FINALIZED, 48, (4 * POL - 2 * POL // 50, 2 * POL)),
            (FINALIZED, 51, (0, 2 * POL)),
        ],
    )
    def test_in_each_status(self, desk, round_, alice, people, status, number, expected):
        desk.bring_to(round_, status, number)
        assert desk.ask("claimable", round_.id, alice) == expected
        assert desk.ask("claimable", round_.id, people.stranger) == (0, 0)

    def test_begins_at_lock_time_to_the_second(self, desk, round_, alice):
        assert desk.ask("claimable", round_.id, alice, at=round_.lock - 1) == (0, 0)
        assert desk.ask("claimable", round_.id, alice, at=round_.lock) == (0, 2 * POL)


class TestUserBets:
    def test_in_the_order_placed(self, desk, round_, alice, bob):
        desk.bet(round_, bob, LOW, 7 * POL)
        bets = desk.ask("getUserBets", round_.id, alice)
        assert [(bet.prediction, bet.amount, bet.offset) for bet in bets] == [
            (EVEN, 3 * POL, 0),
            (HIGH, POL, 0),
        ]
        assert [bet.matchedAmount for bet in bets] == [2 * POL, POL]
        assert bets[1].placedAt - bets[0].placedAt == 2
        bets = desk.ask("getUserBets", round_.id, bob)
        assert [bet.prediction for bet in bets] == [ODD, LOW]

    def test_of_a_stranger(self, desk, round_, people):
        assert desk.ask("getUserBets", round_.id, people.stranger) == []
        assert desk.ask("getUserBet", round_.id, people.stranger) == (0, 0, 0, False)

    def flags(self, desk, round_, user):
        """(refunded, settled) of each bet, and settled of all together."""
        bets = desk.ask("getUserBets", round_.id, user)
        *_, settled = desk.ask("getUserBet", round_.id, user)
        return [(bet.refunded, bet.settled) for bet in bets], settled

    def test_flags_until_the_result(self, desk, round_, alice, bob):
        open_ = [(False, False)] * 2
        assert self.flags(desk, round_, alice) == (open_, False)
        desk.bring_to(round_, LOCKED)
        assert self.flags(desk, round_, alice) == (open_, False)
        desk.do("claimRefund", round_.id, by=alice)
        # Of HIGH nothing is left; EVEN waits for the result with what is matched.
        assert self.flags(desk, round_, alice) == ([(True, False), (True, True)], False)
        assert self.flags(desk, round_, bob) == ([(False, False)], False)

    def test_flags_of_a_bettor_refunded_in_full(self, desk, round_, people):
        carol = people.bettors[2]
        desk.bet(round_, carol, EVEN_LOW)
        desk.bring_to(round_, LOCKED)
        desk.do("claimRefund", round_.id, by=carol)
        assert self.flags(desk, round_, carol) == ([(True, True)], True)
        desk.finalize(round_, 2)
        assert self.flags(desk, round_, carol) == ([(True, True)], True)

    def test_flags_of_a_winner(self, desk, round_, alice):
        desk.finalize(round_, 2)
        assert self.flags(desk, round_, alice) == ([(False, False)] * 2, False)
        desk.do("claimWinnings", round_.id, by=alice)
        assert self.flags(desk, round_, alice) == ([(True, True)] * 2, True)

    def test_flags_of_a_loser_who_was_matched_in_full(self, desk, round_, bob):
        """Nothing is or will be due, without a claim; no unmatched part was paid."""
        desk.finalize(round_, 2)
        assert self.flags(desk, round_, bob) == ([(False, True)], True)

    def test_flags_of_a_loser_with_an_unmatched_part(self, desk, round_, alice):
        desk.finalize(round_, 51)  # EVEN loses, HIGH has no opponent
        assert self.flags(desk, round_, alice) == ([(False, False)] * 2, False)
        desk.do("settle", round_.id, [alice], by=alice)
        assert self.flags(desk, round_, alice) == ([(True, True)] * 2, True)

    def test_flags_of_a_loser_refunded_before_the_result(self, desk, round_, alice):
        desk.do("claimRefund", round_.id, by=alice, at=round_.lock)
        desk.finalize(round_, 51)
        assert self.flags(desk, round_, alice) == ([(True, True)] * 2, True)

    def test_flags_of_a_cancelled_round(self, desk, round_, alice, bob):
        desk.bring_to(round_, CANCELLED)
        for user, count in ((alice, 2), (bob, 1)):
            assert self.flags(desk, round_, user) == ([(False, False)] * count, False)
        desk.do("claimRefund", round_.id, by=alice)
        desk.do("claimRefund", round_.id, by=bob)
        assert self.flags(desk, round_, alice) == ([(True, True)] * 2, True)
        # Bob's bet had no unmatched part that could have been paid.
        assert self.flags(desk, round_, bob) == ([(False, True)], True)


class TestUnknownRounds:
    UNKNOWN = (0, 2, 2**256 - 1)

    def test_are_an_error_in_every_function_that_takes_a_round(self, desk, people):
        """Found in the ABI, so that no function can be forgotten."""
        desk.open()
        values = {"uint8": 0, "address": people.stranger, "address[]": [], "uint256": 0}
        checked = set()
        for entry in desk.abi.entries:
            names = [one["name"] for one in entry.get("inputs", ())]
            if entry["type"] != "function" or not {"roundId", "roundIds"} & set(names):
                continue
            for unknown in self.UNKNOWN:
                known = values | {"uint256[]": [unknown]}
                arguments = [
                    unknown if one["name"] == "roundId" else known[one["type"]]
                    for one in entry["inputs"]
                ]
                for caller in (people.operator, people.guardian, people.oracle, people.stranger):
                    with refused("UnknownRound", unknown):
                        desk.ask_all([(entry["name"], *arguments)], sender=caller)
            checked.add(entry["name"])
        assert len(checked) >= 15

    def test_the_first_unknown_id_of_several_is_named(self, desk, people):
        round_ = desk.open()
        desk.finalize(round_, 1)
        with refused("UnknownRound", 5):
            desk.do("withdrawFees", [round_.id, 5, 6], by=people.stranger)
