"""Many rounds claimed in one payment, to any address: what is paid, once, and what is an error."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import FEE_BPS
from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, EVEN, LOCKED, ODD, OPEN, POL

ZERO = "0x" + "00" * 20
WIN = 2 * POL - POL * FEE_BPS // 10_000


@pytest.fixture
def rounds(desk, alice, bob):
    """Alice has 3 POL on EVEN in each of four, 1 of them matched by Bob. The first two: EVEN wins.

    The third is cancelled, the fourth takes bets.
    """
    won, won_too, called, _ = rounds = [desk.open(draw) for draw in desk.draws(4)]
    for round_ in rounds:
        desk.bet(round_, alice, EVEN, 3 * POL)
        desk.bet(round_, bob, ODD)
    desk.bring_to(called, CANCELLED)
    desk.finalize(won, 2)
    desk.finalize(won_too, 2)
    return rounds


def batch(desk, rounds, user, to=None):
    ids = [round_.id for round_ in rounds]
    return desk.do("claimWinningsBatch", ids, to or user, by=user)


def announced(round_, user, winnings, refund):
    about = {"roundId": round_.id, "user": user}
    return [
        Event(name, **about, amount=amount)
        for name, amount in (("WinningsClaimed", winnings), ("RefundIssued", refund))
        if amount
    ]


def of_a_win(round_, user):
    return announced(round_, user, WIN, 2 * POL)


class TestPaid:
    def test_finalized_and_cancelled_rounds_together(self, desk, rounds, alice):
        won, won_too, called, _ = rounds
        with desk.pays((alice, 2 * (WIN + 2 * POL) + 3 * POL)):
            events = batch(desk, [won_too, called, won], alice)
        assert events == [
            *of_a_win(won_too, alice),
            *announced(called, alice, 0, 3 * POL),
            *of_a_win(won, alice),
        ]
        for round_ in (won, won_too, called):
            assert desk.ask("claimable", round_.id, alice) == (0, 0)
            assert desk.ask("getUserBet", round_.id, alice)[3] is True

    @pytest.mark.parametrize("which", [0, 2], ids=["finalized", "cancelled"])
    def test_one_round_pays_what_its_claim_would(self, desk, rounds, alice, which):
        round_ = rounds[which]
        claim = ("claimRefund" if which else "claimWinnings", round_.id)
        snapshot = desk.node.snapshot()
        expected, before = desk.do(*claim, by=alice), desk.balance(alice)
        desk.node.restore(snapshot)
        assert batch(desk, [round_], alice) == expected
        assert desk.balance(alice) == before

    def test_to_another_address_in_the_name_of_the_bettor(self, desk, rounds, alice, people):
        won, won_too, *_ = rounds
        with desk.pays((people.stranger, 2 * (WIN + 2 * POL)), (alice, 0)):
            events = batch(desk, [won, won_too], alice, to=people.stranger)
        assert events == of_a_win(won, alice) + of_a_win(won_too, alice)
        with refused("NothingDue", 0, people.stranger):
            batch(desk, [won], people.stranger)

    def test_in_a_single_payment(self, desk, helpers, rounds, alice):
        counter = desk.puppet(*helpers("Reentrant"))  # counts what comes
        won, won_too, called, _ = rounds
        counter.set("arm", desk.address, 0, b"")
        batch(desk, [won, won_too, called], alice, to=counter.address)
        assert counter.ask("attempts") == 1

    def test_repeated_ids_once(self, desk, rounds, alice):
        won, won_too, called, _ = rounds
        with desk.pays((alice, 2 * (WIN + 2 * POL) + 3 * POL)):
            events = batch(desk, [won, called, won, won_too, called, won, won], alice)
        assert events == [
            *of_a_win(won, alice),
            *announced(called, alice, 0, 3 * POL),
            *of_a_win(won_too, alice),
        ]

    def test_passes_over_rounds_with_nothing_due(self, desk, rounds, alice, bob):
        won, won_too, called, _ = rounds
        with desk.pays((bob, POL)):  # the other two are lost
            events = batch(desk, [won, called, won_too], bob)
        assert events == announced(called, bob, 0, POL)
        desk.do("settle", won.id, [alice], by=bob)
        with desk.pays((alice, WIN + 2 * POL)):
            assert batch(desk, [won, won_too], alice) == of_a_win(won_too, alice)

    def test_only_the_rest_after_a_refund(self, desk, rounds, alice, people):
        round_ = rounds[3]
        desk.do("claimRefund", round_.id, by=alice, at=round_.lock)
        desk.finalize(round_, 2)
        with desk.pays((people.stranger, WIN)):
            events = batch(desk, [round_], alice, to=people.stranger)
        assert events == announced(round_, alice, WIN, 0)

    def test_under_a_pause(self, desk, rounds, alice, people):
        desk.do("pause", by=people.guardian)
        with desk.pays((alice, WIN + 2 * POL)):
            batch(desk, rounds[:1], alice)

    def test_a_void_round(self, desk, rounds, alice, bob):
        void = rounds[3]
        desk.do("voidRound", void.id, by=bob, at=void.over + 1)
        with desk.pays((alice, WIN + 5 * POL)):
            assert batch(desk, [void, rounds[0]], alice) == [
                *announced(void, alice, 0, 3 * POL),
                *of_a_win(rounds[0], alice),
            ]


class TestRefused:
    @pytest.mark.parametrize("status", [OPEN, LOCKED])
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_an_unfinished_round_is_named(self, desk, rounds, alice, status, place):
        *finished, unfinished = rounds
        desk.bring_to(unfinished, status)
        named = [*finished[:place], unfinished, *finished[place:]]
        with refused("WrongStatus", unfinished.id, status):
            batch(desk, named, alice)
        assert desk.ask("claimable", finished[0].id, alice) == (WIN, 2 * POL)
        with desk.pays((alice, 2 * (WIN + 2 * POL) + 3 * POL)):
            batch(desk, finished, alice)

    def test_nothing_of_no_round(self, desk, rounds, alice):
        with refused("NothingDue", 0, alice):
            batch(desk, [], alice)

    def test_nothing_at_all(self, desk, rounds, alice, bob, people):
        won, won_too, called, _ = rounds
        with refused("NothingDue", 0, bob):
            batch(desk, [won, won_too, won], bob, to=people.stranger)
        batch(desk, [won, called], alice)
        with refused("NothingDue", 0, alice):
            batch(desk, [called, won], alice)

    def test_an_unknown_round(self, desk, rounds, alice):
        with refused("UnknownRound", 99):
            desk.do("claimWinningsBatch", [rounds[0].id, 99], alice, by=alice)

    @pytest.mark.parametrize("which", [[], [0], [3]])
    def test_nobody_to_pay(self, desk, rounds, alice, which):
        with refused("ZeroAddress", "to"):
            batch(desk, [rounds[index] for index in which], alice, to=ZERO)

    def test_a_recipient_that_refuses(self, desk, helpers, rounds, alice):
        refuser = desk.puppet(*helpers("Refuser"))
        for to, amount in ((refuser.address, WIN + 5 * POL), (desk.address, WIN + 5 * POL)):
            with refused("PaymentRefused", to, amount):
                batch(desk, [rounds[0], rounds[2]], alice, to=to)
        assert desk.ask("claimable", rounds[0].id, alice) == (WIN, 2 * POL)
        refuser.set("accept", True)
        with desk.pays((refuser.address, WIN + 5 * POL)):
            batch(desk, [rounds[0], rounds[2]], alice, to=refuser.address)


@pytest.mark.parametrize("function", ["claimWinningsBatch", "claimWinnings", "settle"])
def test_a_recipient_gets_nothing_twice_by_calling_inside(desk, helpers, function, bob):
    reentrant = desk.puppet(*helpers("Reentrant"))
    first, second = [desk.open(draw) for draw in desk.draws(2)]
    for round_ in (first, second):
        reentrant.do("placeBet", round_.id, EVEN, value=POL)
        desk.bet(round_, bob, ODD)
    desk.finalize(first, 2)
    desk.finalize(second, 2)
    arguments = {
        "claimWinningsBatch": ([first.id, second.id], reentrant.address),
        "claimWinnings": (second.id,),
        "settle": (second.id, [reentrant.address]),
    }
    data = bytes.fromhex(desk.abi.call(function, *arguments[function])[2:])
    reentrant.set("arm", desk.address, 0, data)
    with desk.pays((reentrant.address, 2 * WIN)):
        reentrant.do("claimWinningsBatch", [first.id, second.id], reentrant.address)
    assert (reentrant.ask("attempts"), reentrant.ask("succeeded")) == (1, False)
    guarded = desk.abi.selector_of_error("ReentrancyGuardReentrantCall")
    assert reentrant.ask("failure") == guarded
