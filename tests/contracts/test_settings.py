"""Deployment, keys and settings: what is checked, who may change what, what a change reaches."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from tests.contracts.conftest import FEE_BPS, MAX_BET, MIN_BET
from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import DAY, EVEN, ODD, POL

ZERO = "0x" + "00" * 20
ADMIN_ROLE = bytes(32)
GWEI = 10**9
UINT96_MAX = 2**96 - 1


class TestDeployment:
    @pytest.mark.parametrize("game", [POWERBALL, MEGA_MILLIONS], ids=lambda game: game.name)
    def test_keeps_what_it_was_given(self, deploy, people, game):
        desk = deploy(game)
        rules = desk.ask("gameRules")
        assert (rules.name, rules.whiteMax, rules.specialMax) == (
            game.name,
            game.white_max,
            game.special_max,
        )
        assert (rules.drawDays, rules.drawSecond) == (game.draw_days, game.draw_second)
        names = ["oracle", "feeRecipient", "feeBps", "minBet", "maxBet", "paused", "roundCount"]
        assert desk.ask_all([(name,) for name in names]) == [
            people.oracle,
            people.fee_recipient,
            FEE_BPS,
            MIN_BET,
            MAX_BET,
            False,
            0,
        ]
        assert desk.ask("defaultAdmin") == people.admin
        assert desk.ask("hasRole", desk.ask("OPERATOR_ROLE"), people.operator)
        assert desk.ask("hasRole", desk.ask("GUARDIAN_ROLE"), people.guardian)

    def test_announces_the_settings_it_starts_with(self, desk, people):
        settings = [event for event in desk.birth if event.event != "RoleGranted"]
        assert settings == [
            Event("OracleChanged", oracle=people.oracle),
            Event("FeeRecipientChanged", feeRecipient=people.fee_recipient),
            Event("FeeChanged", feeBps=FEE_BPS),
            Event("BetLimitsChanged", minBet=MIN_BET, maxBet=MAX_BET),
        ]

    def test_has_the_constants_of_the_rules(self, desk):
        constants = {
            "MAX_FEE_BPS": 500,
            "MAX_BETS_PER_USER": 16,
            "LOCK_LEAD": 15 * 60,
            "MAX_HORIZON": 60 * DAY,
            "RESULT_WINDOW": 72 * 3600,
            "SETTLE_GAS": 50_000,
        }
        assert {name: desk.ask(name) for name in constants} == constants

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": ""},
            {"name": "m" * 32},
            {"white_max": 0},
            {"white_max": 4},
            {"special_max": 0},
            {"special_max": 1},
            {"special_max": 25},
            {"draw_days": 128},
            {"draw_second": 86_400},
        ],
        ids=str,
    )
    def test_refuses_an_impossible_game(self, deploy, wrong):
        game = replace(POWERBALL, **wrong)
        told = SimpleNamespace(
            name=game.name,
            whiteMax=game.white_max,
            specialMax=game.special_max,
            drawDays=game.draw_days,
            drawSecond=game.draw_second,
        )
        with refused("InvalidGame", told):
            deploy(game)

    @pytest.mark.parametrize(
        "edge",
        [
            {"name": "m"},
            {"name": "m" * 31},
            {"white_max": 5},
            {"white_max": 255},
            {"special_max": 2},
            {"special_max": 254},
            {"draw_days": 127},
            {"draw_days": 0},
            {"draw_second": 0},
            {"draw_second": 86_399},
        ],
        ids=str,
    )
    def test_takes_a_game_at_the_edge(self, deploy, edge):
        game = replace(POWERBALL, **edge)
        rules = deploy(game).ask("gameRules")
        assert (rules.name, rules.whiteMax, rules.specialMax, rules.drawDays) == (
            game.name,
            game.white_max,
            game.special_max,
            game.draw_days,
        )

    @pytest.mark.parametrize("role", ["operator", "guardian", "oracle", "feeRecipient"])
    def test_needs_every_address(self, deploy, role):
        with refused("ZeroAddress", role):
            deploy(**{role: ZERO})

    def test_takes_no_admin_delay_that_would_never_end(self, deploy):
        deploy(adminDelay=30 * 86_400)
        with refused("AdminDelayTooLong", 30 * 86_400 + 1, 30 * 86_400):
            deploy(adminDelay=30 * 86_400 + 1)

    def test_needs_an_admin(self, deploy):
        with refused("AccessControlInvalidDefaultAdmin", ZERO):
            deploy(admin=ZERO)

    def test_refuses_a_fee_above_the_highest(self, deploy):
        with refused("FeeTooHigh", 501, 500):
            deploy(feeBps=501)
        assert deploy(feeBps=500).ask("feeBps") == 500

    @pytest.mark.parametrize(
        "limits", [(GWEI - 1, POL), (0, POL), (POL, POL - 1), (POL, UINT96_MAX + 1), (POL, 0)]
    )
    def test_refuses_impossible_limits(self, deploy, limits):
        with refused("InvalidBetLimits", *limits):
            deploy(minBet=limits[0], maxBet=limits[1])

    @pytest.mark.parametrize("limits", [(GWEI, GWEI), (POL, UINT96_MAX)])
    def test_takes_limits_at_the_edge(self, deploy, limits):
        desk = deploy(minBet=limits[0], maxBet=limits[1])
        assert (desk.ask("minBet"), desk.ask("maxBet")) == limits


# function: (its arguments, the event it emits)
SETTERS = {
    "setFee": ((500,), Event("FeeChanged", feeBps=500)),
    "setOracle": (("0x" + "11" * 20,), Event("OracleChanged", oracle="0x" + "11" * 20)),
    "setBetLimits": (
        (GWEI, UINT96_MAX),
        Event("BetLimitsChanged", minBet=GWEI, maxBet=UINT96_MAX),
    ),
    "setFeeRecipient": (
        ("0x" + "22" * 20,),
        Event("FeeRecipientChanged", feeRecipient="0x" + "22" * 20),
    ),
}


class TestSetters:
    @pytest.mark.parametrize("setter", SETTERS)
    def test_by_the_admin_with_an_event(self, desk, people, setter):
        arguments, event = SETTERS[setter]
        assert desk.do(setter, *arguments, by=people.admin) == [event]

    @pytest.mark.parametrize("setter", SETTERS)
    def test_by_nobody_else(self, desk, people, setter):
        others = (people.operator, people.guardian, people.oracle, people.fee_recipient)
        for caller in (*others, people.stranger):
            with refused("AccessControlUnauthorizedAccount", caller, ADMIN_ROLE):
                desk.do(setter, *SETTERS[setter][0], by=caller)

    def test_refuse_what_the_constructor_refuses(self, desk, people):
        with refused("FeeTooHigh", 501, 500):
            desk.do("setFee", 501, by=people.admin)
        for setter, what in (("setOracle", "oracle"), ("setFeeRecipient", "feeRecipient")):
            with refused("ZeroAddress", what):
                desk.do(setter, ZERO, by=people.admin)
        for limits in ((GWEI - 1, POL), (POL, POL - 1), (POL, UINT96_MAX + 1)):
            with refused("InvalidBetLimits", *limits):
                desk.do("setBetLimits", *limits, by=people.admin)


class TestReach:
    """Settings bind what comes later; a round keeps what it opened with."""

    def test_a_fee_binds_later_rounds(self, desk, people):
        alice, bob, *_ = people.bettors
        old = desk.open()
        desk.do("setFee", 500, by=people.admin)
        new = desk.open(desk.draws(2)[1])
        for round_ in (old, new):
            desk.bet(round_, alice, EVEN)
            desk.bet(round_, bob, ODD)
            desk.finalize(round_, 0)
        fees = [desk.ask("getRoundInfo", round_.id).feeBps for round_ in (old, new)]
        assert fees == [FEE_BPS, 500]
        due = [desk.ask("claimable", round_.id, alice)[0] for round_ in (old, new)]
        assert due == [2 * POL - POL // 50, 2 * POL - POL // 20]

    def test_an_oracle_decides_later_rounds_only(self, desk, people):
        old = desk.open()
        desk.do("setOracle", people.stranger, by=people.admin)
        new = desk.open(desk.draws(2)[1])
        with refused("NotRoundOracle", old.id, people.stranger, people.oracle):
            desk.do("finalizeRound", old.id, 1, by=people.stranger, at=old.draw)
        desk.do("finalizeRound", old.id, 1, by=people.oracle)
        with refused("NotRoundOracle", new.id, people.oracle, people.stranger):
            desk.do("finalizeRound", new.id, 1, by=people.oracle, at=new.draw)
        desk.do("finalizeRound", new.id, 1, by=people.stranger)

    def test_limits_bind_later_bets_of_open_rounds_too(self, desk, people):
        alice = people.bettors[0]
        round_ = desk.open()
        desk.bet(round_, alice, EVEN, MIN_BET)
        desk.do("setBetLimits", MIN_BET + 1, MAX_BET - 1, by=people.admin)
        for amount in (MIN_BET, MAX_BET):
            with refused("BetOutOfLimits", amount, MIN_BET + 1, MAX_BET - 1):
                desk.bet(round_, alice, EVEN, amount)
        desk.bet(round_, alice, EVEN, MIN_BET + 1)
        assert desk.ask("getUserBet", round_.id, alice)[2] == 2

    def test_a_fee_recipient_gets_what_is_withdrawn_later(self, desk, people):
        alice, bob, *_ = people.bettors
        round_ = desk.open()
        desk.bet(round_, alice, EVEN)
        desk.bet(round_, bob, ODD)
        desk.finalize(round_, 0)
        desk.do("setFeeRecipient", people.stranger, by=people.admin)
        with desk.pays((people.stranger, POL // 50), (people.fee_recipient, 0)):
            desk.do("withdrawFees", [round_.id], by=alice)


class TestKeys:
    def test_the_admin_hands_over_in_two_steps_with_a_delay(self, deploy, people):
        desk = deploy(adminDelay=3 * DAY)
        assert desk.ask("defaultAdminDelay") == 3 * DAY
        heir = people.stranger
        desk.do("beginDefaultAdminTransfer", heir, by=people.admin)
        due = desk.node.now + 3 * DAY
        with refused("AccessControlEnforcedDefaultAdminDelay", due):
            desk.do("acceptDefaultAdminTransfer", by=heir, at=due)
        desk.do("setFee", 1, by=people.admin)
        desk.do("acceptDefaultAdminTransfer", by=heir, at=due + 1)
        desk.do("setFee", 2, by=heir)
        with refused("AccessControlUnauthorizedAccount", people.admin, ADMIN_ROLE):
            desk.do("setFee", 3, by=people.admin)

    @pytest.mark.parametrize("role", ["OPERATOR_ROLE", "GUARDIAN_ROLE"])
    def test_the_admin_grants_and_revokes(self, desk, people, role):
        key, newcomer = desk.ask(role), people.stranger
        with refused("AccessControlUnauthorizedAccount", people.guardian, ADMIN_ROLE):
            desk.do("grantRole", key, newcomer, by=people.guardian)
        desk.do("grantRole", key, newcomer, by=people.admin)
        round_ = desk.open()
        desk.do("cancelRound", round_.id, by=newcomer)
        desk.do("revokeRole", key, newcomer, by=people.admin)
        round_ = desk.open()
        with refused("NotAllowedToCancel", round_.id, newcomer):
            desk.do("cancelRound", round_.id, by=newcomer)
