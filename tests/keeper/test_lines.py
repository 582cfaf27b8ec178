"""Matching and paying, against the tables of the rules, and rebuilt from events."""

from collections.abc import Callable

import pytest

from demo import rules
from demo.rules import StrictBook
from keeper.domain.lines import (
    Outcome,
    Prediction,
    RoundStatus,
    RuleBroken,
    apply,
    fee_at,
    matched,
    opposite,
    outcome,
)

E = 10**18
EVEN, ODD, HIGH, LOW, EVEN_LOW, ODD_HIGH, EVEN_HIGH, ODD_LOW = Prediction


def refused(step: Callable[[], object]) -> str:
    with pytest.raises(RuleBroken) as caught:
        step()
    return str(caught.value)


# ---- predictions


def test_predictions_are_numbered_as_on_chain() -> None:
    assert [p.name for p in Prediction] == [
        "EVEN", "ODD", "HIGH", "LOW", "EVEN_LOW", "ODD_HIGH", "EVEN_HIGH", "ODD_LOW",
    ]  # fmt: skip
    assert [int(p) for p in Prediction] == list(range(8))
    assert [opposite(p) for p in Prediction] == [
        ODD, EVEN, LOW, HIGH, ODD_HIGH, EVEN_LOW, ODD_LOW, EVEN_HIGH,
    ]  # fmt: skip


@pytest.mark.parametrize("n", range(100))
def test_every_prediction_at_every_number(n: int) -> None:
    wins = {
        EVEN: n in range(0, 100, 2),
        ODD: n in range(1, 100, 2),
        HIGH: n in range(50, 100),
        LOW: n in range(50),
        EVEN_LOW: n in range(0, 50, 2),
        ODD_HIGH: n in range(51, 100, 2),
        EVEN_HIGH: n in range(50, 100, 2),
        ODD_LOW: n in range(1, 50, 2),
    }
    for p in Prediction:
        expected = Outcome.WON if wins[p] else Outcome.LOST if wins[opposite(p)] else Outcome.PUSH
        assert outcome(p, n) is expected
    assert [outcome(p, n) for p in (EVEN_LOW, EVEN_HIGH)].count(Outcome.PUSH) == 1


# ---- formulas


@pytest.mark.parametrize(
    ("offset", "amount", "a", "b", "m"),
    [
        (0, 10, 10, 0, 0),
        (0, 10, 10, 4, 4),
        (0, 10, 10, 10, 10),
        (0, 10, 10, 99, 10),
        (4, 6, 10, 4, 0),
        (4, 6, 10, 5, 1),
        (7, 3, 10, 3, 0),
    ],
)
def test_matched(offset: int, amount: int, a: int, b: int, m: int) -> None:
    assert matched(offset, amount, a, b) == m


def test_the_fee_is_rounded_down_once_for_the_line() -> None:
    assert [fee_at(x, 200) for x in (0, 49, 50, 99, 100, 10_000)] == [0, 0, 1, 1, 2, 200]
    assert fee_at(E + 1, 200) == E // 50
    assert fee_at(E, 0) == 0


# ---- placing


def test_first_come_first_matched() -> None:
    book = StrictBook(200)
    assert book.place("ann", EVEN, 30) == 0
    assert book.place("bob", EVEN, 30) == 0
    assert book.place("cyd", ODD, 40) == 40
    ann, bob, cyd = (book.bets_of(u)[0] for u in ("ann", "bob", "cyd"))
    assert [book.matched_of(b) for b in (ann, bob, cyd)] == [30, 10, 40]
    assert (ann.offset, bob.offset, cyd.offset) == (0, 30, 0)
    assert book.place("dan", ODD, 10**6) == 20
    assert [book.matched_of(b) for b in (ann, bob, cyd)] == [30, 30, 40]
    assert book.line_total(EVEN) == 60
    assert book.line_total(ODD) == 10**6 + 40
    assert book.matched_total(EVEN) == book.matched_total(ODD) == book.total_matched == 60
    assert (book.bet_count(EVEN), book.bet_count(ODD), book.bet_count(HIGH)) == (2, 2, 0)
    assert book.staked == 10**6 + 100
    assert book.users == ("ann", "bob", "cyd", "dan")


def test_pairs_do_not_mix() -> None:
    book = StrictBook(200)
    for p in (EVEN, HIGH, EVEN_LOW, EVEN_HIGH):
        assert book.place("ann", p, 5) == 0
    assert book.total_matched == 0
    for p in (ODD, LOW, ODD_HIGH, ODD_LOW):
        assert book.place("bob", p, 5) == 5
    assert book.total_matched == 20


def test_sixteen_bets_a_user_and_no_more() -> None:
    book = StrictBook(200)
    for n in range(16):
        book.place("ann", Prediction(n % 8), 1)
    assert refused(lambda: book.place("ann", EVEN, 1)) == rules.TOO_MANY_BETS
    assert book.place("bob", EVEN, 1) == 0
    assert len(book.bets_of("ann")) == 16
    assert book.staked == 17


@pytest.mark.parametrize("amount", [0, -1])
def test_no_bet_without_a_stake(amount: int) -> None:
    book = StrictBook(200)
    assert refused(lambda: book.place("ann", EVEN, amount)) == rules.BAD_STAKE
    assert book.users == ()


def test_a_bet_keeps_its_time() -> None:
    book = StrictBook(200)
    book.place("ann", EVEN, 1, at=1_787_000_000)
    assert book.bets_of("ann")[0].placed_at == 1_787_000_000
    assert book.bets_of("nobody") == ()


# ---- status


def lock(book: StrictBook) -> None:
    book.lock()


def finalize(book: StrictBook) -> None:
    book.finalize(7)


def cancel(book: StrictBook) -> None:
    book.cancel()


@pytest.mark.parametrize("end", [finalize, cancel])
def test_a_finished_round_stays_as_it_is(end: Callable[[StrictBook], None]) -> None:
    book = StrictBook(200)
    end(book)
    status = book.status
    for step in (lock, finalize, cancel):
        assert refused(lambda step=step: step(book)) == rules.FINISHED  # type: ignore[misc]
    assert refused(lambda: book.place("ann", EVEN, 1)) == rules.BETTING_CLOSED
    assert book.status is status


def test_locking_ends_betting_and_may_be_told_twice() -> None:
    book = StrictBook(200)
    statuses = [book.status]
    for _ in range(2):
        book.lock()
        statuses.append(book.status)
    assert statuses == [RoundStatus.OPEN, RoundStatus.LOCKED, RoundStatus.LOCKED]
    assert refused(lambda: book.place("ann", EVEN, 1)) == rules.BETTING_CLOSED


@pytest.mark.parametrize("n", [-1, 100])
def test_a_winning_number_is_0_to_99(n: int) -> None:
    book = StrictBook(200)
    assert refused(lambda: book.finalize(n)) == rules.BAD_NUMBER
    assert book.status is RoundStatus.OPEN
    assert book.winning_number is None


# ---- what is due


def partly_matched() -> StrictBook:
    """ann has 100 on EVEN of which 60 are matched by bob; cyd's 7 on HIGH found nobody."""
    book = StrictBook(200)
    book.place("ann", EVEN, 100)
    book.place("bob", ODD, 60)
    book.place("cyd", HIGH, 7)
    return book


def due(book: StrictBook) -> list[tuple[int, int]]:
    return [book.claimable(user) for user in ("ann", "bob", "cyd", "nobody")]


def test_nothing_is_due_while_open() -> None:
    book = partly_matched()
    assert due(book) == [(0, 0)] * 4
    assert refused(lambda: book.pay("ann")) == rules.NOTHING_DUE


def test_the_unmatched_is_due_once_locked_and_once_only() -> None:
    book = partly_matched()
    book.lock()
    assert due(book) == [(0, 40), (0, 0), (0, 7), (0, 0)]
    assert book.pay("ann") == (0, 40)
    assert book.pay("cyd") == (0, 7)
    assert due(book) == [(0, 0)] * 4
    assert refused(lambda: book.pay("ann")) == rules.NOTHING_DUE
    assert book.paid == 47
    assert [book.refunded(book.bets_of(u)[0]) for u in ("ann", "bob", "cyd")] == [
        True, False, True,
    ]  # fmt: skip
    assert [book.settled(u) for u in ("ann", "bob", "cyd", "nobody")] == [
        False, False, True, False,
    ]  # fmt: skip


def test_won_lost_and_not_matched() -> None:
    book = partly_matched()
    book.finalize(0)  # straight from open: nobody need announce the lock
    assert due(book) == [(119, 40), (0, 0), (0, 7), (0, 0)]  # 2 * 60 less 2 % of 60
    assert book.fees() == 1
    assert [book.settled(u) for u in ("ann", "bob", "cyd")] == [False, True, False]
    assert book.pay("ann") == (119, 40)
    assert book.pay("cyd") == (0, 7)
    assert book.paid + book.fees() == book.staked
    assert book.settled("ann")


def test_lost_with_an_unmatched_part() -> None:
    book = partly_matched()
    book.finalize(51)
    assert due(book) == [(0, 40), (119, 0), (0, 7), (0, 0)]


def test_a_refund_before_the_result_is_not_paid_again() -> None:
    book = partly_matched()
    book.lock()
    book.pay("ann")
    book.finalize(0)
    assert book.claimable("ann") == (119, 0)
    book.pay("ann")
    assert book.claimable("ann") == (0, 0)


def test_a_refund_before_a_void_is_not_paid_again() -> None:
    book = partly_matched()
    book.lock()
    book.pay("ann")
    book.cancel()
    assert due(book) == [(0, 60), (0, 60), (0, 7), (0, 0)]
    for user in ("ann", "bob", "cyd"):
        book.pay(user)
    assert book.paid == book.staked
    assert book.fees() == 0


def test_a_cancelled_round_gives_everything_back() -> None:
    book = partly_matched()
    book.cancel()
    assert due(book) == [(0, 100), (0, 60), (0, 7), (0, 0)]


def test_a_push_gives_matched_stakes_back_without_a_fee() -> None:
    book = StrictBook(200)
    book.place("ann", EVEN_LOW, 100)
    book.place("bob", ODD_HIGH, 60)
    book.lock()
    book.pay("ann")
    book.finalize(50)
    assert due(book)[:2] == [(0, 60), (0, 60)]
    assert book.fees() == 0


def test_the_fee_goes_by_the_position_on_the_line() -> None:
    book = StrictBook(200)
    for n in range(10):  # 10 bets of 10 wei: each fee alone would round to nothing
        book.place(f"u{n}", EVEN, 10)
    book.place("bob", ODD, 100)
    book.finalize(2)
    won = [book.claimable(f"u{n}")[0] for n in range(10)]
    assert won == [20, 20, 20, 20, 19, 20, 20, 20, 20, 19]
    assert book.fees() == fee_at(100, 200) == 2
    assert sum(won) + book.fees() == book.staked


def test_both_sides_by_one_user_and_several_bets() -> None:
    book = StrictBook(500)
    book.place("ann", EVEN, 1_000)
    book.place("ann", ODD, 400)
    book.place("ann", ODD, 600)
    book.finalize(3)
    assert book.claimable("ann") == (2_000 - 50, 0)
    assert [book.payout(b) for b in book.bets_of("ann")] == [(0, 0), (780, 0), (1_170, 0)]


def test_payouts_of_single_bets() -> None:
    book = partly_matched()
    book.lock()
    assert book.payout(book.bets_of("ann")[0]) == (0, 40)
    book.finalize(0)
    assert book.payout(book.bets_of("ann")[0]) == (119, 40)
    book.pay("ann")
    assert book.payout(book.bets_of("ann")[0]) == (119, 40)


# ---- rebuilt from events


def test_events_in_log_order_rebuild_the_round() -> None:
    book = StrictBook(200)

    def told(name: str, **args: object) -> None:
        apply(book, name, {"roundId": 1, **args}, at=99)

    told("RoundCreated", drawTime=1, lockTime=1, feeBps=200, oracle="0x")
    told("BetPlaced", user="ann", prediction=0, amount=100)
    told("BetMatched", user="ann", matchedAmount=0)
    told("BetPlaced", user="bob", prediction=1, amount=60)
    told("BetPlaced", user="cyd", prediction=2, amount=7)
    assert book.bets_of("ann")[0].placed_at == 99
    told("RefundIssued", user="ann", amount=40)  # after lockTime, before anybody locked
    told("RoundLocked", timestamp=1)
    assert due(book) == [(0, 0), (0, 0), (0, 7), (0, 0)]
    told("RoundFinalized", winningNumber=0, timestamp=2)
    assert due(book) == [(119, 0), (0, 0), (0, 7), (0, 0)]
    told("WinningsClaimed", user="ann", amount=119)
    told("RefundIssued", user="cyd", amount=7)
    told("FeesWithdrawn", amount=1)
    assert due(book) == [(0, 0)] * 4
    assert book.paid + book.fees() == book.staked == 167


def test_both_events_of_one_payment_count_once() -> None:
    book = partly_matched()
    apply(book, "RoundFinalized", {"winningNumber": 0})
    apply(book, "WinningsClaimed", {"user": "ann", "amount": 119})
    apply(book, "RefundIssued", {"user": "ann", "amount": 40})
    assert book.claimable("ann") == (0, 0)
    assert book.paid == 159


def test_cancelled_by_event() -> None:
    book = partly_matched()
    apply(book, "RoundCancelled", {})
    assert book.status is RoundStatus.CANCELLED
    apply(book, "RefundIssued", {"user": "bob", "amount": 60})
    assert due(book) == [(0, 100), (0, 0), (0, 7), (0, 0)]
