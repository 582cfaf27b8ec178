"""Rounds: opened, locked, decided, cancelled and void, each to the second and by the right hand."""

from __future__ import annotations

import pytest

from keeper.domain.draw import Game
from tests.contracts.conftest import FEE_BPS
from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import (
    CANCELLED,
    DAY,
    EVEN,
    FINALIZED,
    LOCK_LEAD,
    LOCKED,
    OPEN,
    POL,
)

ANY_TIME = Game("powerball", 69, 26, 0, 0)


class TestCreate:
    def test_announces_times_fee_and_oracle(self, desk):
        draw = desk.draws()[0]
        assert desk.do("createRound", draw, by=desk.people.operator) == [
            Event(
                "RoundCreated",
                roundId=1,
                drawTime=draw,
                lockTime=draw - 900,
                feeBps=FEE_BPS,
                oracle=desk.people.oracle,
            )
        ]

    def test_ids_count_from_one(self, desk):
        assert desk.ask("roundCount") == 0
        assert [desk.open(draw).id for draw in desk.draws(3)] == [1, 2, 3]
        assert desk.ask("roundCount") == 3

    def test_by_the_operator_only(self, desk):
        draw = desk.draws()[0]
        role = desk.ask("OPERATOR_ROLE")
        people = desk.people
        for caller in (people.admin, people.guardian, people.oracle, people.stranger):
            with refused("AccessControlUnauthorizedAccount", caller, role):
                desk.do("createRound", draw, by=caller)

    def test_more_than_fifteen_minutes_before_the_draw(self, desk):
        draw = desk.draws()[0]
        at = draw - LOCK_LEAD
        with refused("DrawTimeOutOfRange", draw, draw + 1, at + 60 * DAY):
            desk.do("createRound", draw, by=desk.people.operator, at=at)

    def test_up_to_fifteen_minutes_and_a_second_before_the_draw(self, desk):
        draw = desk.draws()[0]
        desk.do("createRound", draw, by=desk.people.operator, at=draw - LOCK_LEAD - 1)
        assert desk.ask("getRoundInfo", 1).status == OPEN

    def test_not_for_a_draw_of_the_past(self, desk):
        draw = desk.draws()[0]
        at = draw + 1
        with refused("DrawTimeOutOfRange", draw, at + 901, at + 60 * DAY):
            desk.do("createRound", draw, by=desk.people.operator, at=at)

    def test_sixty_days_before_the_draw(self, desk):
        draw = desk.draws(after=desk.node.now + 60 * DAY)[0]
        desk.do("createRound", draw, by=desk.people.operator, at=draw - 60 * DAY)
        assert desk.ask("getRoundInfo", 1).drawTime == draw

    def test_not_a_second_earlier(self, desk):
        draw = desk.draws(after=desk.node.now + 60 * DAY)[0]
        at = draw - 60 * DAY - 1
        with refused("DrawTimeOutOfRange", draw, at + 901, draw - 1):
            desk.do("createRound", draw, by=desk.people.operator, at=at)

    @pytest.mark.parametrize("off", [-3600, -1, 1, 60, 3600, DAY])
    def test_only_at_a_scheduled_instant(self, desk, off):
        # The first draw is on a Wednesday: a day later is no draw.
        time = desk.draws()[0] + off
        with refused("NotADrawTime", time):
            desk.do("createRound", time, by=desk.people.operator)

    def test_at_any_instant_when_the_game_has_no_schedule(self, deploy):
        desk = deploy(ANY_TIME)
        for draw in (desk.node.now + 5_000, desk.node.now + 7_777):
            assert desk.ask("getRoundInfo", desk.open(draw).id).drawTime == draw

    def test_one_round_a_draw(self, desk):
        round_ = desk.open()
        with refused("DrawTimeTaken", round_.draw, round_.id):
            desk.do("createRound", round_.draw, by=desk.people.operator)

    def test_again_after_a_cancellation(self, desk):
        first = desk.open()
        desk.bring_to(first, CANCELLED)
        assert desk.ask("roundOf", first.draw) == 0
        second = desk.open(first.draw)
        assert (second.id, desk.ask("roundOf", first.draw)) == (2, 2)
        assert desk.ask("getRoundInfo", first.id).status == CANCELLED


class TestLock:
    def test_from_lock_time_on_by_anyone(self, desk):
        round_ = desk.open()
        assert desk.do("lockRound", round_.id, by=desk.people.stranger, at=round_.lock) == [
            Event("RoundLocked", roundId=round_.id, timestamp=round_.lock)
        ]
        assert desk.ask("getRoundInfo", round_.id).status == LOCKED

    def test_not_a_second_earlier(self, desk):
        round_ = desk.open()
        with refused("TooEarly", round_.id, round_.lock):
            desk.do("lockRound", round_.id, by=desk.people.operator, at=round_.lock - 1)

    def test_once(self, desk):
        round_ = desk.open()
        desk.do("lockRound", round_.id, by=desk.people.stranger, at=round_.lock)
        with refused("WrongStatus", round_.id, LOCKED):
            desk.do("lockRound", round_.id, by=desk.people.stranger)

    def test_even_long_after_the_draw(self, desk):
        round_ = desk.open()
        at = round_.over + 1
        (event,) = desk.do("lockRound", round_.id, by=desk.people.stranger, at=at)
        assert event.timestamp == at

    @pytest.mark.parametrize("status", [FINALIZED, CANCELLED])
    def test_not_a_finished_round(self, desk, status):
        round_ = desk.open()
        desk.bring_to(round_, status)
        with refused("WrongStatus", round_.id, status):
            desk.do("lockRound", round_.id, by=desk.people.stranger)

    def test_nothing_depends_on_it(self, desk):
        """A round that nobody locked refuses bets, gives refunds and takes its result."""
        round_ = desk.open()
        bettor = desk.people.bettors[0]
        desk.bet(round_, bettor, EVEN)
        with refused("BettingClosed", round_.id, round_.lock):
            desk.do("placeBet", round_.id, EVEN, by=bettor, value=POL, at=round_.lock)
        with desk.pays((bettor, POL)):
            desk.do("claimRefund", round_.id, by=bettor)
        desk.finalize(round_, 4)
        assert desk.ask("getRoundInfo", round_.id).status == FINALIZED


class TestFinalize:
    def test_announces_the_number(self, desk):
        round_ = desk.open()
        assert desk.finalize(round_, 99) == [
            Event("RoundFinalized", roundId=1, winningNumber=99, timestamp=round_.draw)
        ]
        info = desk.ask("getRoundInfo", 1)
        assert (info.status, info.winningNumber) == (FINALIZED, 99)
        assert info.finalizedAt == round_.draw

    def test_not_a_second_before_the_draw(self, desk):
        round_ = desk.open()
        with refused("TooEarly", round_.id, round_.draw):
            desk.finalize(round_, 7, at=round_.draw - 1)

    def test_up_to_72_hours_after_the_draw(self, desk):
        round_ = desk.open()
        desk.finalize(round_, 7, at=round_.draw + 72 * 3600)
        assert desk.ask("getRoundInfo", round_.id).finalizedAt == round_.draw + 72 * 3600

    def test_not_a_second_later(self, desk):
        round_ = desk.open()
        with refused("TooLate", round_.id, round_.draw + 72 * 3600):
            desk.finalize(round_, 7, at=round_.draw + 72 * 3600 + 1)

    @pytest.mark.parametrize("number", [100, 255])
    def test_numbers_end_at_99(self, desk, number):
        round_ = desk.open()
        with refused("InvalidWinningNumber", number):
            desk.finalize(round_, number)

    def test_by_the_oracle_of_the_round_only(self, desk):
        round_ = desk.open()
        people = desk.people
        desk.node.mine_at(round_.draw)
        for caller in (people.admin, people.operator, people.guardian, people.stranger):
            with refused("NotRoundOracle", round_.id, caller, people.oracle):
                desk.do("finalizeRound", round_.id, 1, by=caller)

    @pytest.mark.parametrize("status", [FINALIZED, CANCELLED])
    def test_once(self, desk, status):
        round_ = desk.open()
        desk.bring_to(round_, status, number=12)
        with refused("WrongStatus", round_.id, status):
            desk.finalize(round_, 13, at=round_.draw + 60)

    def test_a_locked_round(self, desk):
        round_ = desk.open()
        desk.do("lockRound", round_.id, by=desk.people.stranger, at=round_.lock)
        desk.finalize(round_, 50)
        assert desk.ask("getRoundInfo", round_.id).winningNumber == 50


class TestCancel:
    def test_by_the_operator_until_lock_time(self, desk):
        round_ = desk.open()
        operator = desk.people.operator
        assert desk.do("cancelRound", round_.id, by=operator, at=round_.lock - 1) == [
            Event("RoundCancelled", roundId=round_.id)
        ]
        assert desk.ask("getRoundInfo", round_.id).status == CANCELLED

    def test_not_by_the_operator_at_lock_time(self, desk):
        round_ = desk.open()
        with refused("TooLate", round_.id, round_.lock - 1):
            desk.do("cancelRound", round_.id, by=desk.people.operator, at=round_.lock)

    def test_by_the_guardian_until_the_draw(self, desk):
        round_ = desk.open()
        guardian = desk.people.guardian
        desk.do("lockRound", round_.id, by=guardian, at=round_.lock)
        assert desk.do("cancelRound", round_.id, by=guardian, at=round_.draw - 1) == [
            Event("RoundCancelled", roundId=round_.id)
        ]

    def test_by_the_guardian_while_open(self, desk):
        round_ = desk.open()
        desk.do("cancelRound", round_.id, by=desk.people.guardian)
        assert desk.ask("getRoundInfo", round_.id).status == CANCELLED

    def test_by_nobody_from_the_draw_on(self, desk):
        round_ = desk.open()
        with refused("TooLate", round_.id, round_.draw - 1):
            desk.do("cancelRound", round_.id, by=desk.people.guardian, at=round_.draw)
        with refused("TooLate", round_.id, round_.lock - 1):
            desk.do("cancelRound", round_.id, by=desk.people.operator)

    def test_who_is_both_has_the_guardians_time(self, desk):
        round_ = desk.open()
        people = desk.people
        role = desk.ask("GUARDIAN_ROLE")
        desk.do("grantRole", role, people.operator, by=people.admin)
        desk.do("cancelRound", round_.id, by=people.operator, at=round_.draw - 1)
        assert desk.ask("getRoundInfo", round_.id).status == CANCELLED

    def test_by_nobody_else(self, desk):
        round_ = desk.open()
        people = desk.people
        for caller in (people.admin, people.oracle, people.stranger):
            with refused("NotAllowedToCancel", round_.id, caller):
                desk.do("cancelRound", round_.id, by=caller)

    @pytest.mark.parametrize("status", [FINALIZED, CANCELLED])
    def test_not_a_finished_round(self, desk, status):
        round_ = desk.open()
        desk.bring_to(round_, status)
        for caller in (desk.people.operator, desk.people.guardian):
            with refused("WrongStatus", round_.id, status):
                desk.do("cancelRound", round_.id, by=caller)


class TestVoid:
    @pytest.mark.parametrize("locked", [False, True])
    def test_by_anyone_after_72_hours(self, desk, locked):
        round_ = desk.open()
        stranger = desk.people.stranger
        if locked:
            desk.do("lockRound", round_.id, by=stranger, at=round_.lock)
        at = round_.draw + 72 * 3600 + 1
        assert desk.do("voidRound", round_.id, by=stranger, at=at) == [
            Event("RoundCancelled", roundId=round_.id)
        ]
        assert desk.ask("getRoundInfo", round_.id).status == CANCELLED
        assert desk.ask("roundOf", round_.draw) == 0

    def test_not_at_72_hours(self, desk):
        round_ = desk.open()
        deadline = round_.draw + 72 * 3600
        with refused("TooEarly", round_.id, deadline + 1):
            desk.do("voidRound", round_.id, by=desk.people.guardian, at=deadline)

    @pytest.mark.parametrize("status", [FINALIZED, CANCELLED])
    def test_not_a_finished_round(self, desk, status):
        round_ = desk.open()
        desk.bring_to(round_, status)
        with refused("WrongStatus", round_.id, status):
            desk.do("voidRound", round_.id, by=desk.people.stranger, at=round_.over + 1)
