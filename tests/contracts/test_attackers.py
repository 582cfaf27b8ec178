"""Hostile recipients: they get what is theirs or nothing, and stop nobody else."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import FEE_BPS
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, EVEN, LOCKED, ODD, POL

WIN = 2 * POL - POL * FEE_BPS // 10_000
SETTLE_GAS = 50_000
STIPEND = 2_300  # comes with every call that sends coins, on top of the gas given
MEGABYTE = 1_000_000


def settle_around(desk, round_, attacker, alice):
    """Settles the attacker between two mentions of Alice: who was paid, and for how much gas."""
    crowd = [attacker, alice, attacker]
    data = desk.abi.call("settle", round_.id, crowd)
    receipt = desk.node.send(desk.people.stranger, desk.address, data)
    return [desk.abi.event(log).user for log in receipt.logs], receipt.gas_used


class TestRefuser:
    def test_is_skipped_stays_payable_and_stops_nobody(self, desk, round_, hostile, alice):
        refuser = hostile("Refuser")
        desk.finalize(round_, 2)
        with desk.pays((alice, WIN), (refuser.address, 0)):
            paid, _ = settle_around(desk, round_, refuser.address, alice)
        assert paid == [alice]
        assert desk.ask("claimable", round_.id, refuser.address) == (WIN, 0)
        assert desk.ask("getUserBet", round_.id, refuser.address)[3] is False

        refuser.set("accept", True)
        with desk.pays((refuser.address, WIN)):
            settle_around(desk, round_, refuser.address, alice)

    def test_can_be_skipped_before_the_result_and_paid_after(self, desk, round_, hostile, alice):
        refuser = hostile("Refuser")
        refuser.do("placeBet", round_.id, EVEN, value=5 * POL)
        desk.bring_to(round_, LOCKED)
        with desk.pays((refuser.address, 0)):
            settle_around(desk, round_, refuser.address, alice)
        bets = desk.ask("getUserBets", round_.id, refuser.address)
        assert not any(bet.refunded for bet in bets)
        desk.finalize(round_, 2)
        refuser.set("accept", True)
        with desk.pays((refuser.address, WIN + 5 * POL)):
            refuser.do("claimWinnings", round_.id)

    @pytest.mark.parametrize("claim", ["claimWinnings", "claimRefund"])
    def test_cannot_claim_and_loses_nothing(self, desk, round_, hostile, claim):
        refuser = hostile("Refuser")
        if claim == "claimWinnings":
            desk.finalize(round_, 2)
            due = WIN
        else:
            desk.bring_to(round_, CANCELLED)
            due = POL
        with refused("PaymentRefused", refuser.address, due):
            refuser.do(claim, round_.id)
        assert sum(desk.ask("claimable", round_.id, refuser.address)) == due
        refuser.set("accept", True)
        with desk.pays((refuser.address, due)):
            refuser.do(claim, round_.id)

    def test_as_fee_recipient_stops_nothing_but_the_fees(
        self, desk, round_, hostile, people, alice
    ):
        refuser = hostile("Refuser")
        desk.do("setFeeRecipient", refuser.address, by=people.admin)
        desk.finalize(round_, 2)
        fees = 2 * POL * FEE_BPS // 10_000
        with refused("PaymentRefused", refuser.address, fees):
            desk.do("withdrawFees", [round_.id], by=alice)
        with desk.pays((alice, WIN)):
            desk.do("claimWinnings", round_.id, by=alice)
        desk.do("setFeeRecipient", people.fee_recipient, by=people.admin)
        with desk.pays((people.fee_recipient, fees)):
            desk.do("withdrawFees", [round_.id], by=alice)


class TestGasBurner:
    def test_costs_its_share_of_gas_and_stops_nobody(self, desk, round_, hostile, alice):
        burner = hostile("GasBurner")
        desk.finalize(round_, 2)
        with desk.pays((alice, WIN), (burner.address, 0)):
            paid, gas = settle_around(desk, round_, burner.address, alice)
        assert paid == [alice]
        assert gas < 300_000  # it is mentioned twice
        assert desk.ask("claimable", round_.id, burner.address) == (WIN, 0)

    @pytest.mark.parametrize(
        ("appetite", "is_paid"), [(SETTLE_GAS - 500, True), (SETTLE_GAS + STIPEND, False)]
    )
    def test_gets_fifty_thousand_gas(self, desk, round_, hostile, alice, appetite, is_paid):
        burner = hostile("GasBurner")
        burner.set("want", appetite)
        desk.finalize(round_, 2)
        with desk.pays((burner.address, WIN * is_paid), (alice, WIN)):
            settle_around(desk, round_, burner.address, alice)

    def test_may_claim_with_as_much_gas_as_it_likes(self, desk, round_, hostile):
        burner = hostile("GasBurner")
        burner.set("want", 1_000_000)
        desk.finalize(round_, 2)
        with desk.pays((burner.address, WIN)):
            burner.do("claimWinnings", round_.id)


class TestReturnBomb:
    @pytest.mark.parametrize("refusing", [False, True])
    @pytest.mark.parametrize("size", [100_000, MEGABYTE])
    def test_is_not_copied(self, desk, round_, hostile, alice, refusing, size):
        """100 kB can be returned for 50,000 gas; to copy them would cost as much again."""
        bomb = hostile("ReturnBomb")
        bomb.set("load", size, refusing)
        desk.finalize(round_, 2)
        is_paid = not refusing and size < MEGABYTE
        with desk.pays((alice, WIN), (bomb.address, WIN * is_paid)):
            _, gas = settle_around(desk, round_, bomb.address, alice)
        assert gas < 220_000

    def test_may_claim_at_its_own_expense(self, desk, round_, hostile):
        bomb = hostile("ReturnBomb")
        bomb.set("load", MEGABYTE, False)
        desk.finalize(round_, 2)
        with desk.pays((bomb.address, WIN)):
            receipt = bomb.do("claimWinnings", round_.id)
        own = 3 * MEGABYTE // 32 + (MEGABYTE // 32) ** 2 // 512  # its memory, paid once
        assert receipt.gas_used < own + 200_000


class TestReentrant:
    """Whatever a recipient calls while it is paid, it gets its due once and ends no round."""

    ATTEMPTS = (
        "claimWinnings",
        "claimRefund",
        "settle",
        "withdrawFees",
        "finalizeRound",
        "cancelRound",
        "voidRound",
    )
    PAYMENTS = ("claimWinnings", "claimRefund", "refund", "settle", "withdrawFees")

    @pytest.fixture
    def reentrant(self, hostile):
        return hostile("Reentrant")

    def arm(self, desk, puppet, function, *args, value=0):
        data = bytes.fromhex(desk.abi.call(function, *args)[2:])
        puppet.set("arm", desk.address, value, data)

    def pay(self, desk, round_, reentrant, payment):
        """Has it paid in one of the ways, its attempt inside."""
        if payment == "claimRefund":
            desk.do("cancelRound", round_.id, by=desk.people.operator)
            due = POL
        elif payment == "refund":
            reentrant.do("placeBet", round_.id, EVEN, value=3 * POL)
            desk.bring_to(round_, LOCKED)
            due = 3 * POL
        else:
            desk.finalize(round_, 2)
            due = WIN
        if payment == "withdrawFees":
            due = 2 * POL * FEE_BPS // 10_000
            desk.do("setFeeRecipient", reentrant.address, by=desk.people.admin)
        market = desk.balance()
        match payment:
            case "settle":
                settle_around(desk, round_, reentrant.address, desk.people.stranger)
            case "withdrawFees":
                desk.do("withdrawFees", [round_.id] * 2, by=desk.people.stranger)
            case "refund":
                reentrant.do("claimRefund", round_.id)
            case _:
                reentrant.do(payment, round_.id)
        assert market - desk.balance() == due
        assert reentrant.ask("attempts") == 1

    @pytest.mark.parametrize("payment", PAYMENTS)
    @pytest.mark.parametrize("attempt", ATTEMPTS)
    def test_is_paid_once(self, desk, round_, reentrant, payment, attempt):
        arguments = {
            "settle": (round_.id, [reentrant.address]),
            "withdrawFees": ([round_.id],),
            "finalizeRound": (round_.id, 1),
        }
        self.arm(desk, reentrant, attempt, *arguments.get(attempt, (round_.id,)))
        self.pay(desk, round_, reentrant, payment)
        assert reentrant.ask("succeeded") is False
        guarded = desk.abi.selector_of_error("ReentrancyGuardReentrantCall")
        assert reentrant.ask("failure") == guarded

    @pytest.mark.parametrize("payment", PAYMENTS)
    def test_cannot_bet_in_the_round_it_is_paid_from(self, desk, round_, reentrant, payment):
        self.arm(desk, reentrant, "placeBet", round_.id, ODD, value=POL)
        self.pay(desk, round_, reentrant, payment)
        assert reentrant.ask("succeeded") is False
        error = "WrongStatus" if payment == "claimRefund" else "BettingClosed"
        assert reentrant.ask("failure") == desk.abi.selector_of_error(error)

    def test_may_bet_in_another_round(self, desk, round_, reentrant):
        other = desk.open(desk.draws(2)[1])
        self.arm(desk, reentrant, "placeBet", other.id, ODD, value=POL)
        desk.finalize(round_, 2)
        with desk.pays((reentrant.address, WIN - POL)):
            reentrant.do("claimWinnings", round_.id)
        assert desk.ask("getUserBet", other.id, reentrant.address) == (POL, 0, 1, False)


class TestForcedEther:
    def test_changes_neither_payouts_nor_fees(self, desk, helpers, round_, people, alice, bob):
        def force(wei):
            before = desk.balance()
            helpers("Forcer", desk.address, value=wei)
            assert desk.balance() == before + wei

        force(7 * POL)
        desk.bet(round_, alice, EVEN, 3 * POL)
        desk.bet(round_, bob, ODD)
        force(1)
        desk.finalize(round_, 2)
        assert desk.ask("getRoundInfo", round_.id).totalStaked == 4 * POL
        assert desk.ask("claimable", round_.id, alice) == (WIN, 2 * POL)
        with desk.pays((alice, WIN + 2 * POL), (bob, 0)):
            desk.do("settle", round_.id, [alice, bob], by=bob)
        with desk.pays((people.fee_recipient, POL * FEE_BPS // 10_000)):
            desk.do("withdrawFees", [round_.id], by=bob)
        assert desk.balance() == 7 * POL + 1
