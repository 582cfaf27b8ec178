"""What a bet pays in each outcome, to the wei, and that a round's books close at zero."""

from __future__ import annotations

import pytest

from tests.contracts.support.contract import refused
from tests.contracts.support.desk import (
    CANCELLED,
    EVEN,
    EVEN_LOW,
    HIGH,
    LOW,
    ODD,
    ODD_HIGH,
    POL,
    Desk,
    Round,
)

# When each prediction wins, as the table of predictions words it.
WINS = [
    lambda n: n % 2 == 0,
    lambda n: n % 2 == 1,
    lambda n: n >= 50,
    lambda n: n < 50,
    lambda n: n % 2 == 0 and n < 50,
    lambda n: n % 2 == 1 and n >= 50,
    lambda n: n % 2 == 0 and n >= 50,
    lambda n: n % 2 == 1 and n < 50,
]


def fee_below(height, bps=200):
    """F(x), as the design words it."""
    return height * bps // 10_000


def close(desk: Desk, round_: Round, users: tuple[str, ...]) -> int:
    """Pays everybody and the fees; what the market keeps, of all its rounds."""
    desk.do("settle", round_.id, list(users), by=desk.people.stranger)
    desk.do("withdrawFees", [round_.id], by=desk.people.stranger)
    return desk.balance()


def test_every_prediction_by_every_number(desk, round_, people):
    """All 100 numbers: who wins, who loses, and whose pair is a push."""
    for prediction in range(8):
        desk.bet(round_, people.bettors[prediction], prediction)
    won, lost, push = (2 * POL - fee_below(POL), 0), (0, 0), (0, POL)
    for number in range(100):
        snapshot = desk.node.snapshot()
        desk.finalize(round_, number)
        found = desk.ask_all([("claimable", round_.id, people.bettors[p]) for p in range(8)])
        holds = [wins(number) for wins in WINS]
        assert found == [won if holds[p] else lost if holds[p ^ 1] else push for p in range(8)], (
            number
        )
        desk.node.restore(snapshot)


# (number, what Alice gets on EVEN_LOW: 5 POL, 3 of them matched): winnings and refund in POL.
OUTCOMES = {
    "won": (48, 6 * POL - 3 * POL // 50, 2 * POL),
    "lost": (51, 0, 2 * POL),
    "push": (49, 0, 5 * POL),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_partly_matched_bet(desk, round_, alice, bob, outcome):
    number, winnings, refund = OUTCOMES[outcome]
    desk.bet(round_, alice, EVEN_LOW, 5 * POL)
    desk.bet(round_, bob, ODD_HIGH, 3 * POL)
    desk.finalize(round_, number)
    assert desk.ask("claimable", round_.id, alice) == (winnings, refund)
    with desk.pays((alice, winnings + refund)):
        desk.do("claimWinnings", round_.id, by=alice)
    assert close(desk, round_, (alice, bob)) == 0


@pytest.mark.parametrize("void", [False, True], ids=["cancelled", "void"])
def test_a_cancelled_or_void_round_gives_everything_back(desk, round_, alice, bob, void):
    desk.bet(round_, alice, EVEN, 5 * POL)
    desk.bet(round_, bob, ODD, 3 * POL)
    if void:
        desk.do("voidRound", round_.id, by=bob, at=round_.over + 1)
    else:
        desk.bring_to(round_, CANCELLED)
    for user, stake in ((alice, 5 * POL), (bob, 3 * POL)):
        assert desk.ask("claimable", round_.id, user) == (0, stake)
        with desk.pays((user, stake)):
            desk.do("claimRefund", round_.id, by=user)
    assert desk.balance() == 0


@pytest.mark.parametrize(
    ("number", "winnings", "rest"),
    [(48, 6 * POL - 3 * POL // 50, 0), (51, 0, 0), (49, 0, 3 * POL), (None, 0, 3 * POL)],
    ids=["won", "lost", "push", "void"],
)
def test_after_a_refund_only_the_rest_is_due(desk, round_, alice, bob, number, winnings, rest):
    desk.bet(round_, alice, EVEN_LOW, 5 * POL)
    desk.bet(round_, bob, ODD_HIGH, 3 * POL)
    desk.node.mine_at(round_.lock)
    with desk.pays((alice, 2 * POL)):
        desk.do("claimRefund", round_.id, by=alice)
    if number is None:
        desk.do("voidRound", round_.id, by=bob, at=round_.over + 1)
    else:
        desk.finalize(round_, number)
    assert desk.ask("claimable", round_.id, alice) == (winnings, rest)
    if winnings + rest:
        with desk.pays((alice, winnings + rest)):
            claim = "claimRefund" if number is None else "claimWinnings"
            desk.do(claim, round_.id, by=alice)
    with refused("NothingDue", round_.id, alice):
        desk.do("claimRefund" if number is None else "claimWinnings", round_.id, by=alice)
    desk.do("settle", round_.id, [bob], by=bob)
    if number is not None:
        desk.do("withdrawFees", [round_.id], by=bob)
    assert desk.balance() == 0


def test_a_winner_without_an_opponent_gets_the_stake_back(desk, round_, alice):
    """A one-sided round strands nothing and earns nothing."""
    desk.bet(round_, alice, EVEN, 7 * POL)
    desk.finalize(round_, 2)
    assert desk.ask("claimable", round_.id, alice) == (0, 7 * POL)
    assert close(desk, round_, (alice,)) == 0


def test_several_bets_of_one_person_are_paid_together(desk, round_, alice, bob):
    desk.bet(round_, alice, EVEN, 2 * POL)  # wins, matched 1
    desk.bet(round_, bob, ODD)
    desk.bet(round_, alice, HIGH, 3 * POL)  # loses, matched 2
    desk.bet(round_, bob, LOW, 2 * POL)
    desk.bet(round_, alice, ODD_HIGH, 4 * POL)  # a push, matched 4 by herself
    desk.bet(round_, alice, EVEN_LOW, 4 * POL)
    desk.finalize(round_, 12)
    # EVEN: 2 - fee, 1 back; HIGH: 1 back; ODD_HIGH lost to EVEN_LOW, both hers.
    winnings = (2 * POL - fee_below(POL)) + (8 * POL - fee_below(4 * POL))
    assert desk.ask("claimable", round_.id, alice) == (winnings, 2 * POL)
    assert close(desk, round_, (alice, bob)) == 0


@pytest.mark.parametrize("bps", [0, 1, 199, 500])
@pytest.mark.parametrize("number", [3, 52])
def test_fees_of_a_pair_add_up_to_the_fee_of_its_height(deploy, people, bps, number):
    """Charged by position: however the line is cut, F(M) and not a wei more or less."""
    desk = deploy(feeBps=bps, minBet=10**9, maxBet=100 * POL)
    round_ = desk.open()
    users = people.bettors[:9]
    cuts = [10**9 + 1, 10**9 + 49, 3 * 10**9 + 7, 10**10 + 3, 2 * 10**9 + 11]
    totals = {EVEN: 0, ODD: 0}
    for index, amount in enumerate(cuts + cuts[::-1]):
        side = index % 2
        desk.bet(round_, users[index % 9], side, amount)
        totals[side] += amount
    height = min(totals.values())
    desk.finalize(round_, number)

    side = EVEN if number % 2 == 0 else ODD
    due = desk.ask_all([("claimable", round_.id, user) for user in users])
    winnings = sum(won for won, _ in due)
    assert winnings == 2 * height - fee_below(height, bps)

    # Each winner's fee, by position.
    bets = [bet for user in users for bet in desk.ask("getUserBets", round_.id, user)]
    expected = sum(
        2 * bet.matchedAmount
        - fee_below(bet.offset + bet.matchedAmount, bps)
        + fee_below(bet.offset, bps)
        for bet in bets
        if bet.prediction == side
    )
    assert winnings == expected

    before = desk.balance(people.fee_recipient)
    assert close(desk, round_, users) == 0
    assert desk.balance(people.fee_recipient) - before == fee_below(height, bps)


def test_a_push_and_a_cancelled_round_earn_nothing(desk, round_, alice, bob):
    desk.bet(round_, alice, EVEN_LOW)
    desk.bet(round_, bob, ODD_HIGH)
    desk.finalize(round_, 1)
    with desk.pays((desk.people.fee_recipient, 0)):
        assert desk.do("withdrawFees", [round_.id], by=bob) == []
    assert close(desk, round_, (alice, bob)) == 0
