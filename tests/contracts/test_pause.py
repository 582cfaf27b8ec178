"""A pause stops new rounds and bets, and nothing else."""

from __future__ import annotations

from tests.contracts.support.codec import Event
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, EVEN, ODD, POL, Desk

STOPPED = {"createRound", "placeBet", "placeMatchedBet", "pause"}
OF_OPENZEPPELIN = {
    "acceptDefaultAdminTransfer",
    "beginDefaultAdminTransfer",
    "cancelDefaultAdminTransfer",
    "changeDefaultAdminDelay",
    "rollbackDefaultAdminDelay",
    "grantRole",
    "renounceRole",
    "revokeRole",
}


def test_by_the_guardian_and_unpaused_by_the_admin(desk, people):
    guardian, admin = people.guardian, people.admin
    with refused("AccessControlUnauthorizedAccount", admin, desk.ask("GUARDIAN_ROLE")):
        desk.do("pause", by=admin)
    with refused("ExpectedPause"):
        desk.do("unpause", by=admin)
    assert desk.do("pause", by=guardian) == [Event("Paused", account=guardian)]
    with refused("EnforcedPause"):
        desk.do("pause", by=guardian)
    with refused("AccessControlUnauthorizedAccount", guardian, bytes(32)):
        desk.do("unpause", by=guardian)
    assert desk.do("unpause", by=admin) == [Event("Unpaused", account=admin)]
    desk.bet(desk.open(), people.bettors[0], EVEN)


def test_stops_new_rounds_and_bets(desk, people):
    first, second = desk.draws(2)
    round_ = desk.open(first)
    desk.do("pause", by=people.guardian)
    with refused("EnforcedPause"):
        desk.do("createRound", second, by=people.operator)
    with refused("EnforcedPause"):
        desk.bet(round_, people.bettors[0], EVEN)
    with refused("EnforcedPause"):
        desk.do("placeMatchedBet", round_.id, ODD, 0, by=people.bettors[0], value=POL)


def test_stops_nothing_else(desk, people):
    running = _everything_while_paused(desk)
    writes = {name for name, function in desk.abi.functions.items() if function.writes}
    assert writes == STOPPED | OF_OPENZEPPELIN | running


def _everything_while_paused(desk: Desk) -> set[str]:
    """Does under a pause all that must go on, and names it."""
    people = desk.people
    alice, bob, carol, *_ = people.bettors
    called, by_operator, decided, void = rounds = [desk.open(draw) for draw in desk.draws(4)]
    for round_ in rounds:
        desk.bet(round_, alice, EVEN, 2 * POL)
        desk.bet(round_, bob, ODD)
        desk.bet(round_, carol, EVEN)
    steps = [
        ("pause", (), people.guardian, None),
        ("cancelUnmatched", (void.id, 0), carol, None),
        ("cancelRound", (called.id,), people.guardian, None),
        ("cancelRound", (by_operator.id,), people.operator, None),
        ("claimRefund", (called.id,), alice, None),
        ("settle", (called.id, [alice, bob]), people.stranger, None),
        ("lockRound", (decided.id,), people.stranger, decided.lock),
        ("claimRefund", (decided.id,), alice, None),
        ("finalizeRound", (decided.id, 0), people.oracle, decided.draw),
        ("claimWinnings", (decided.id,), alice, None),
        ("settle", (decided.id, [alice, bob, carol]), people.stranger, None),
        ("claimWinningsBatch", ([called.id], bob), carol, None),
        ("withdrawFees", ([decided.id],), people.stranger, None),
        ("voidRound", (void.id,), people.stranger, void.over + 1),
        ("settle", (void.id, [alice, bob, carol]), people.stranger, None),
        ("setFee", (1,), people.admin, None),
        ("setOracle", (people.stranger,), people.admin, None),
        ("setBetLimits", (POL, POL), people.admin, None),
        ("setFeeRecipient", (people.stranger,), people.admin, None),
        ("unpause", (), people.admin, None),
    ]
    for name, arguments, caller, at in steps:
        assert desk.do(name, *arguments, by=caller, at=at), name
    assert desk.ask("getRoundInfo", called.id).status == CANCELLED
    return {name for name, *_ in steps} - STOPPED
