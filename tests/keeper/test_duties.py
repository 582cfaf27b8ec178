"""What is due, derived from events and the head's time alone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.calendar import draw_time
from keeper.domain.draw import POWERBALL, Draw
from keeper.domain.lines import Prediction
from keeper.duties import Duty, Terms, due, undecided
from keeper.ports import ChainEvent, Committee, Standing
from keeper.projection import OPERATOR_ROLE, MarketView

MARKET, ME, OTHER, ANN, BOB, CY, DEE = ("0x" + c * 40 for c in "123abcd")
DATE = dt.date(2026, 8, 19)
DRAW = draw_time(POWERBALL, DATE)
LOCK = DRAW - 900
NEXT = [draw_time(POWERBALL, dt.date(2026, 8, d)) for d in (22, 24, 26)]
HOURS = 3600
TERMS = Terms(rounds_ahead=1)
E = 10**18


class Market:
    """A market to which things happen."""

    def __init__(self) -> None:
        self.view = MarketView(MARKET, POWERBALL)
        self.n = 0

    def happens(self, name: str, **args: Any) -> None:
        self.n += 1
        self.view.apply(ChainEvent(MARKET, name, args, self.n, f"0x{self.n}", "0x", 0, 1))

    def round(self, round_id: int = 1, draw: int = DRAW, oracle: str = ME) -> None:
        lock = draw - 900
        args = {"drawTime": draw, "lockTime": lock, "feeBps": 200, "oracle": oracle}
        self.happens("RoundCreated", roundId=round_id, **args)

    def bet(self, user: str, prediction: Prediction, amount: int) -> None:
        self.happens("BetPlaced", roundId=1, user=user, prediction=prediction, amount=amount)

    def at(self, now: int, account: str | None = ME, terms: Terms = TERMS, **kw: Any) -> list[Any]:
        self.view.advance(now)
        return due(self.view, now, account, terms, **kw)


@pytest.fixture
def market() -> Market:
    return Market()


# ---- create


def test_opens_the_next_draws_for_an_operator(market: Market) -> None:
    market.happens("RoleGranted", role=OPERATOR_ROLE, account=ME, sender=OTHER)
    terms = Terms(rounds_ahead=3)
    wanted = [Duty("createRound", t) for t in (DRAW, NEXT[0], NEXT[1])]
    assert market.at(DRAW - 10 * HOURS, terms=terms) == wanted
    market.round(1, NEXT[0])
    assert market.at(DRAW - 10 * HOURS, terms=terms) == [wanted[0], wanted[2]]
    assert market.at(DRAW - 10 * HOURS, account=OTHER, terms=terms) == []
    assert market.at(DRAW - 10 * HOURS, account=None, terms=terms) == []
    market.happens("RoleRevoked", role=OPERATOR_ROLE, account=ME, sender=OTHER)
    assert market.at(DRAW - 10 * HOURS, terms=terms) == []


def test_opens_no_round_that_would_lock_at_once(market: Market) -> None:
    market.happens("RoleGranted", role=OPERATOR_ROLE, account=ME, sender=OTHER)
    assert market.at(LOCK - 61) == [Duty("createRound", DRAW)]
    assert market.at(LOCK - 60) == [Duty("createRound", NEXT[0])]


def test_opens_nothing_while_paused(market: Market) -> None:
    market.happens("RoleGranted", role=OPERATOR_ROLE, account=ME, sender=OTHER)
    market.happens("Paused", account=OTHER)
    assert market.at(LOCK - HOURS) == []
    market.happens("Unpaused", account=OTHER)
    assert market.at(LOCK - HOURS) == [Duty("createRound", DRAW)]


def test_a_draw_whose_round_was_cancelled_gets_no_other(market: Market) -> None:
    market.happens("RoleGranted", role=OPERATOR_ROLE, account=ME, sender=OTHER)
    market.round()
    market.happens("RoundCancelled", roundId=1)
    assert market.at(LOCK - HOURS) == []


def test_a_test_chain_without_a_schedule_gets_no_rounds(market: Market) -> None:
    market.view.game = replace(POWERBALL, draw_days=0)
    market.happens("RoleGranted", role=OPERATOR_ROLE, account=ME, sender=OTHER)
    assert market.at(LOCK - HOURS) == []


# ---- lock, refund


def test_locks_from_lock_time_on_once(market: Market) -> None:
    market.round(oracle=OTHER)
    assert market.at(LOCK - 1) == []
    assert market.at(LOCK, account=None) == [Duty("lockRound", 1)]
    market.happens("RoundLocked", roundId=1, timestamp=LOCK)
    assert market.at(LOCK) == []


def test_refunds_the_unmatched_between_lock_and_result(market: Market) -> None:
    market.round(oracle=OTHER)
    market.bet(ANN, Prediction.EVEN, 3 * E)
    market.bet(BOB, Prediction.ODD, E)
    market.bet(CY, Prediction.LOW, E)
    assert market.at(LOCK - 1) == []
    # Whether the lock was announced or not.
    assert market.at(LOCK) == [Duty("lockRound", 1), Duty("settle", 1, (ANN, CY))]
    market.happens("RoundLocked", roundId=1, timestamp=LOCK)
    assert market.at(LOCK) == [Duty("settle", 1, (ANN, CY))]
    market.happens("RefundIssued", roundId=1, user=ANN, amount=2 * E)
    assert market.at(LOCK) == [Duty("settle", 1, (CY,))]
    market.happens("RefundIssued", roundId=1, user=CY, amount=E)
    assert market.at(LOCK) == []


def test_settles_in_batches_and_leaves_alone_who_refused(market: Market) -> None:
    market.round(oracle=OTHER)
    users = [f"0x{i:040x}" for i in range(120)]
    for i, user in enumerate(users):
        market.bet(user, Prediction.EVEN, E + i)
    market.happens("RoundLocked", roundId=1, timestamp=LOCK)
    assert market.at(LOCK) == [Duty("settle", 1, tuple(users[:50]))]
    resting = {(1, users[0]), (1, users[1]), (2, users[2])}
    assert market.at(LOCK, resting=resting) == [Duty("settle", 1, tuple(users[2:52]))]
    terms = replace(TERMS, settle_batch=200, least_due=E + 100)
    assert market.at(LOCK, terms=terms) == [Duty("settle", 1, tuple(users[100:]))]


def test_a_round_whose_gas_is_spent_is_settled_no_more(market: Market) -> None:
    market.round(oracle=OTHER)
    market.bet(ANN, Prediction.EVEN, E)
    market.happens("RoundLocked", roundId=1, timestamp=LOCK)
    terms = replace(TERMS, settle_gas=100)
    assert market.at(LOCK, terms=terms, gas={1: 99, 2: 100}) == [Duty("settle", 1, (ANN,))]
    assert market.at(LOCK, terms=terms, gas={1: 100}) == []
    assert market.at(LOCK, gas={1: 10**12}) == [Duty("settle", 1, (ANN,))]  # without a limit


# ---- report


def test_reports_its_own_rounds_within_the_window(market: Market) -> None:
    market.round()
    market.round(2, NEXT[0], OTHER)
    market.happens("RoundLocked", roundId=1, timestamp=LOCK)
    assert market.at(DRAW + 299) == []
    report = Duty("report", 1)
    assert market.at(DRAW + 300) == [report]
    assert market.at(DRAW + 300, account=OTHER) == []
    assert market.at(DRAW + 300, account=None) == []
    assert report in market.at(DRAW + 72 * HOURS)
    assert report not in market.at(DRAW + 72 * HOURS + 1)
    assert market.at(DRAW, terms=replace(TERMS, report_delay=0)) == [report]


# ---- committees

COMMITTEE = Committee((ME, OTHER, ANN), 2, HOURS, BOB)
VOTE, OTHER_VOTE = (Draw(DATE, (10, 21, 58, 61, 64), special) for special in (17, 16))
LAST = DRAW + 70 * HOURS  # when the dispute must begin


def standing(vote: Draw | None = None, finalizable_at: int = 0, ballot: int = 1) -> Standing:
    return Standing(COMMITTEE, ballot, vote, 64 if finalizable_at else 0, finalizable_at)


@pytest.mark.parametrize(
    ("account", "now", "stands", "wanted"),
    [
        (ME, DRAW + 299, standing(), None),
        (ME, DRAW + 300, standing(), "report"),
        (ME, DRAW + 300, None, None),  # not known how far they are
        (BOB, DRAW + 300, standing(), None),  # no reporter
        (None, DRAW + 300, standing(), None),
        (ME, LAST, standing(), "report"),
        (ME, LAST + 1, standing(), None),
        # A vote is looked at again as long as nothing is proposed; a new ballot begins anew.
        (ME, DRAW + 900, standing(VOTE), "report"),
        (ME, DRAW + 900, standing(ballot=2), "report"),
        # A proposal takes no votes: it is watched by those who have a say until anybody carries
        # it on.
        (ME, DRAW + 299, standing(VOTE, DRAW + 901), None),
        (ME, DRAW + 900, standing(VOTE, DRAW + 901), "watch"),
        (ME, DRAW + 900, standing(None, DRAW + 901, 2), "watch"),
        (BOB, DRAW + 900, standing(None, DRAW + 901), "watch"),  # the guardian
        (DEE, DRAW + 900, standing(None, DRAW + 901), None),
        (None, DRAW + 900, standing(None, DRAW + 901), None),
        (ME, DRAW + 901, standing(VOTE, DRAW + 901), "finalize"),
        (BOB, DRAW + 901, standing(None, DRAW + 901), "finalize"),
        (None, DRAW + 901, standing(None, DRAW + 901), "finalize"),
        (ME, DRAW + 72 * HOURS, standing(VOTE, LAST + 1), "finalize"),
        (ME, DRAW + 72 * HOURS + 1, standing(VOTE, LAST + 1), "voidRound"),
        (ME, DRAW + 1, standing(None, DRAW + 1), "finalize"),  # the delay is for reports only
    ],
)
def test_what_a_committee_still_wants(
    market: Market, account: str | None, now: int, stands: Standing | None, wanted: str | None
) -> None:
    market.round(oracle=CY)
    market.happens("RoundLocked", roundId=1, timestamp=LOCK)
    standings = {1: stands} if stands else {}
    found = market.at(now, account, standings=standings)
    told = stands if wanted in ("report", "watch") else None  # what the keeper compares with
    assert found == ([Duty(wanted, 1, standing=told)] if wanted else [])


def test_what_rests_together() -> None:
    """Any batch of a round; any vote in a ballot; neither another round nor another ballot."""
    first, again = Duty("settle", 1, (ANN,)), Duty("settle", 1, (BOB,))
    assert first.key == again.key != Duty("settle", 2, (ANN,)).key
    assert first.key != Duty("lockRound", 1).key
    voted, anew = standing(VOTE), standing(ballot=2)
    keys = [Duty("report", 1, standing=s).key for s in (standing(), voted, anew)]
    assert keys[0] == keys[1] != keys[2]


def test_a_committee_whose_rounds_are_decided_wants_nothing(market: Market) -> None:
    market.round(oracle=CY)
    market.happens("RoundFinalized", roundId=1, winningNumber=64, timestamp=DRAW + 400)
    market.round(2, NEXT[0], CY)
    market.happens("RoundCancelled", roundId=2)
    for now in (DRAW + 300, NEXT[0] + 300):
        standings = {1: standing(VOTE, DRAW + 1), 2: standing()}
        assert market.at(now, standings=standings) == []


def test_rounds_are_undecided_from_the_draw_until_the_result_or_72_hours(market: Market) -> None:
    market.round(oracle=CY)
    market.round(2, NEXT[0], CY)

    def ids(now: int) -> list[int]:
        return [r.id for r in undecided(market.view, now)]

    assert [ids(t) for t in (DRAW - 1, DRAW, NEXT[0])] == [[], [1], [1, 2]]
    assert [ids(DRAW + 72 * HOURS + s) for s in (0, 1)] == [[1, 2], [2]]
    market.happens("RoundFinalized", roundId=1, winningNumber=64, timestamp=DRAW + 400)
    assert ids(NEXT[0]) == [2]


def test_settles_everybody_with_something_due_after_the_result(market: Market) -> None:
    market.round()
    market.bet(ANN, Prediction.EVEN, 3 * E)
    market.bet(BOB, Prediction.ODD, E)
    market.bet(CY, Prediction.LOW, E)
    market.happens("RoundFinalized", roundId=1, winningNumber=64, timestamp=DRAW + 400)
    assert market.at(DRAW + 400) == [Duty("settle", 1, (ANN, CY))]
    market.happens("WinningsClaimed", roundId=1, user=ANN, amount=2 * E - E // 50)
    market.happens("RefundIssued", roundId=1, user=ANN, amount=2 * E)
    assert market.at(DRAW + 400) == [Duty("settle", 1, (CY,))]
    market.happens("RefundIssued", roundId=1, user=CY, amount=E)
    assert market.at(DRAW + 100 * HOURS) == []


# ---- void, cancel


def test_voids_what_got_no_result_in_72_hours_then_pays_everybody_back(market: Market) -> None:
    market.round()
    market.bet(ANN, Prediction.EVEN, 3 * E)
    market.bet(BOB, Prediction.ODD, E)
    assert Duty("voidRound", 1) not in market.at(DRAW + 72 * HOURS)
    assert market.at(DRAW + 72 * HOURS + 1, account=None) == [Duty("voidRound", 1)]
    market.happens("RoundCancelled", roundId=1)
    assert market.at(DRAW + 72 * HOURS + 1) == [Duty("settle", 1, (ANN, BOB))]


def test_a_round_cancelled_early_is_paid_back_at_once(market: Market) -> None:
    market.round()
    market.bet(ANN, Prediction.EVEN, E)
    market.happens("RoundCancelled", roundId=1)
    assert market.at(LOCK - HOURS) == [Duty("settle", 1, (ANN,))]
    market.happens("RefundIssued", roundId=1, user=ANN, amount=E)
    assert market.at(LOCK - HOURS) == []


def test_a_result_that_may_still_change_is_not_paid_out(market: Market) -> None:
    """Refunds of the unmatched wait for nothing: the chain's time alone decides them."""
    market.round()
    market.bet(ANN, Prediction.EVEN, 3 * E)
    market.bet(BOB, Prediction.ODD, 2 * E)
    market.happens("RoundLocked", roundId=1, timestamp=LOCK)
    assert market.at(LOCK, confirmed=0) == [Duty("settle", 1, (ANN,))]
    market.happens("RoundFinalized", roundId=1, winningNumber=64, timestamp=DRAW + 400)
    block = market.n
    assert market.at(DRAW + 500, confirmed=block - 1) == []
    assert market.at(DRAW + 500, confirmed=block) == [Duty("settle", 1, (ANN,))]
