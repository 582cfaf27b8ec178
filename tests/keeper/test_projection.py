"""A market's view, built from events alone."""

from __future__ import annotations

from typing import Any

from eth_utils import keccak

from keeper.domain.draw import POWERBALL
from keeper.domain.lines import Prediction
from keeper.ports import ChainEvent, RoundStatus
from keeper.projection import OPERATOR_ROLE, MarketView

MARKET, ANN, BOB, ORACLE = ("0x" + c * 40 for c in "1ab2")
DRAW, LOCK = 1_787_194_740, 1_787_193_840
E = 10**18


class Log:
    """Writes the events of one market, a block each unless told otherwise."""

    def __init__(self) -> None:
        self.events: list[ChainEvent] = []

    def __call__(self, name: str, at: int = LOCK - 1000, **args: Any) -> ChainEvent:
        n = len(self.events)
        event = ChainEvent(MARKET, name, args, 100 + n // 2, f"0xb{n // 2}", f"0xt{n}", n % 2, at)
        self.events.append(event)
        return event

    def view(self) -> MarketView:
        view = MarketView(MARKET, POWERBALL)
        for event in self.events:
            assert view.apply(event)
        return view


def opened() -> Log:
    log = Log()
    log("RoundCreated", roundId=1, drawTime=DRAW, lockTime=LOCK, feeBps=200, oracle=ORACLE)
    return log


def bet(log: Log, user: str, prediction: Prediction, amount: int) -> None:
    log("BetPlaced", roundId=1, user=user, prediction=int(prediction), amount=amount)


def test_operator_role_is_the_hash_of_its_name() -> None:
    assert "0x" + keccak(text="OPERATOR_ROLE").hex() == OPERATOR_ROLE


def test_a_round_from_its_creation_to_its_last_payment() -> None:
    log = opened()
    bet(log, ANN, Prediction.EVEN, 3 * E)
    log("BetMatched", roundId=1, user=ANN, matchedAmount=0)
    bet(log, BOB, Prediction.ODD, E)
    r = log.view().rounds[1]
    assert (r.draw_time, r.lock_time, r.fee_bps, r.oracle) == (DRAW, LOCK, 200, ORACLE)
    assert r.book.matched_total(Prediction.EVEN) == E
    assert (r.locked_at, r.winning_number, r.finalized_at) == (0, None, 0)

    log("RoundLocked", LOCK + 5, roundId=1, timestamp=LOCK + 5)
    r = log.view().rounds[1]
    assert r.locked_at == LOCK + 5
    assert r.book.claimable(ANN) == (0, 2 * E)

    log("RefundIssued", LOCK + 6, roundId=1, user=ANN, amount=2 * E)
    log("RoundFinalized", DRAW + 9, roundId=1, winningNumber=64, timestamp=DRAW + 9)
    r = log.view().rounds[1]
    assert (r.winning_number, r.finalized_at) == (64, DRAW + 9)
    assert r.book.claimable(ANN) == (2 * E - E // 50, 0)
    assert not r.paid_out

    assert r.ended_in == log.events[-1].block_number
    log("WinningsClaimed", DRAW + 10, roundId=1, user=ANN, amount=2 * E - E // 50)
    log("FeesWithdrawn", DRAW + 11, roundId=1, amount=E // 50)
    log("Paused", account=BOB)
    assert log.view().rounds[1].ended_in == r.ended_in < log.events[-1].block_number
    r = log.view().rounds[1]
    assert r.paid_out
    assert r.book.fees() == E // 50


def test_a_cancelled_round_owes_every_stake() -> None:
    log = opened()
    bet(log, ANN, Prediction.LOW, E)
    assert log.view().rounds[1].ended_in == 0
    log("RoundCancelled", roundId=1)
    r = log.view().rounds[1]
    assert r.ended_in == log.events[-1].block_number
    assert r.status_at(0) is RoundStatus.CANCELLED
    assert r.book.claimable(ANN) == (0, E)
    assert not r.paid_out


def test_a_stake_taken_back_is_owed_no_more() -> None:
    log = opened()
    bet(log, ANN, Prediction.EVEN, 3 * E)
    bet(log, BOB, Prediction.ODD, E)
    log("BetCancelled", roundId=1, user=ANN, betIndex=0, amount=2 * E)
    bet(log, ANN, Prediction.LOW, E)
    log("BetCancelled", roundId=1, user=ANN, betIndex=1, amount=E)
    log("RoundFinalized", DRAW + 9, roundId=1, winningNumber=1, timestamp=DRAW + 9)
    r = log.view().rounds[1]
    assert (r.book.staked, r.book.claimable(ANN)) == (2 * E, (0, 0))
    log("WinningsClaimed", DRAW + 10, roundId=1, user=BOB, amount=2 * E - E // 50)
    assert log.view().rounds[1].paid_out


def test_betting_ends_at_lock_time_announced_or_not() -> None:
    log = opened()
    bet(log, ANN, Prediction.LOW, E)
    view = log.view()
    r = view.rounds[1]
    assert r.status_at(LOCK - 1) is RoundStatus.OPEN
    assert r.status_at(LOCK) is RoundStatus.LOCKED
    view.advance(LOCK - 1)
    assert r.book.claimable(ANN) == (0, 0)
    view.advance(LOCK)
    assert r.book.claimable(ANN) == (0, E)
    assert r.locked_at == 0


def test_an_event_seen_before_changes_nothing() -> None:
    log = opened()
    bet(log, ANN, Prediction.EVEN, E)
    view = log.view()
    assert not any(view.apply(event) for event in log.events)
    assert view.rounds[1].book.staked == E


def test_roles_and_the_pause_follow_their_events() -> None:
    log = Log()
    log("RoleGranted", role=OPERATOR_ROLE, account=ANN, sender=BOB)
    log("RoleGranted", role=OPERATOR_ROLE, account=BOB, sender=BOB)
    log("RoleRevoked", role=OPERATOR_ROLE, account=BOB, sender=BOB)
    log("FeeChanged", feeBps=150)  # of later rounds: each tells its own
    log("Paused", account=BOB)
    view = log.view()
    assert (OPERATOR_ROLE, ANN) in view.roles
    assert (OPERATOR_ROLE, BOB) not in view.roles
    assert view.paused
    log("Unpaused", account=BOB)
    assert not log.view().paused
