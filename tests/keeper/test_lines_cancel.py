"""Bets that take only what is matched, unmatched stakes taken back, and quotes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo import rules
from demo.rules import StrictBook
from keeper.domain.lines import Book, Prediction, RoundStatus, RuleBroken, apply, fee_at

EVEN, ODD, HIGH, LOW, EVEN_LOW, ODD_HIGH, EVEN_HIGH, ODD_LOW = Prediction
USERS = ("ann", "bob", "cyd")


def refused(step: Callable[[], object]) -> str:
    with pytest.raises(RuleBroken) as caught:
        step()
    return str(caught.value)


def book_of(*bets: tuple[str, Prediction, int]) -> StrictBook:
    book = StrictBook(200)
    for bet in bets:
        book.place(*bet)
    return book


# ---- only what is matched


def test_takes_what_the_opposite_line_has_more_and_no_wei_else() -> None:
    book = book_of(("ann", EVEN, 100), ("bob", ODD, 30))
    assert book.place_matched("cyd", ODD, 50, 0, at=9) == 50
    assert book.place_matched("cyd", ODD, 10**9, 20) == 20
    assert [(b.amount, b.offset) for b in book.bets_of("cyd")] == [(50, 30), (20, 80)]
    assert book.bets_of("cyd")[0].placed_at == 9
    assert (book.line_total(ODD), book.staked, book.total_matched) == (100, 200, 100)


@pytest.mark.parametrize(
    ("prediction", "value", "least"), [(ODD, 100, 71), (ODD, 69, 70), (EVEN, 100, 0), (LOW, 9, 0)]
)
def test_too_little_matched_is_refused(prediction: Prediction, value: int, least: int) -> None:
    book = book_of(("ann", EVEN, 100), ("bob", ODD, 30))
    tried = refused(lambda: book.place_matched("cyd", prediction, value, least))
    assert tried == rules.NOT_ENOUGH_MATCHED
    assert (book.users, book.staked) == (("ann", "bob"), 130)


def test_a_matched_bet_counts_towards_the_sixteen() -> None:
    book = book_of(("bob", EVEN, 100), *[("ann", ODD, 1)] * 16)
    assert refused(lambda: book.place_matched("ann", ODD, 1, 1)) == rules.TOO_MANY_BETS


# ---- taking back


def test_the_tail_of_a_line_gets_its_unmatched_part_back() -> None:
    book = book_of(("ann", EVEN, 100), ("bob", ODD, 30))
    assert book.cancel_unmatched("ann", 0) == 70
    (bet,) = book.bets_of("ann")
    assert (bet.amount, bet.offset, book.matched_of(bet)) == (30, 0, 30)
    assert (book.line_total(EVEN), book.bet_count(EVEN), book.staked) == (30, 1, 60)
    assert refused(lambda: book.cancel_unmatched("ann", 0)) == rules.NOTHING_UNMATCHED
    assert not book.settled("ann")
    book.place("cyd", EVEN, 5)
    assert book.bets_of("cyd")[0].offset == 30


def test_what_lies_below_another_bet_waits_for_it() -> None:
    book = book_of(("ann", EVEN, 100), ("bob", EVEN, 7))
    assert refused(lambda: book.cancel_unmatched("ann", 0)) == rules.NOT_AT_TAIL
    assert book.cancel_unmatched("bob", 0) == 7
    assert book.cancel_unmatched("ann", 0) == 100
    assert (book.line_total(EVEN), book.staked, book.bet_count(EVEN)) == (0, 0, 2)


def test_a_bet_cancelled_whole_stays_empty_settled_and_counted() -> None:
    book = book_of(*[("ann", EVEN, 2)] * 16)
    for index in reversed(range(16)):
        assert not book.settled("ann")
        assert book.cancel_unmatched("ann", index) == 2
    assert {(b.amount, book.matched_of(b), book.refunded(b)) for b in book.bets_of("ann")} == {
        (0, 0, False)
    }
    assert book.settled("ann")
    assert refused(lambda: book.place("ann", EVEN, 1)) == rules.TOO_MANY_BETS
    assert refused(lambda: book.cancel_unmatched("ann", 0)) == rules.NOTHING_UNMATCHED
    book.place("bob", EVEN, 3)
    book.place("cyd", ODD, 3)
    book.finalize(2)
    assert [book.claimable(user) for user in USERS] == [(0, 0), (6, 0), (0, 0)]
    assert book.settled("ann")


def test_beside_an_empty_bet_the_others_decide_whether_all_is_settled() -> None:
    book = book_of(("ann", EVEN, 2), ("ann", LOW, 3))
    book.cancel_unmatched("ann", 0)
    assert not book.settled("ann")
    book.lock()
    assert not book.settled("ann")
    assert book.pay("ann") == (0, 3)
    assert book.settled("ann")


@pytest.mark.parametrize(("user", "index"), [("ann", 1), ("ann", -1), ("nobody", 0)])
def test_a_bet_that_does_not_exist(user: str, index: int) -> None:
    book = book_of(("ann", EVEN, 100))
    assert refused(lambda: book.cancel_unmatched(user, index)) == rules.UNKNOWN_BET


@pytest.mark.parametrize("end", [StrictBook.lock, StrictBook.cancel, lambda book: book.finalize(1)])
def test_nothing_of_this_after_the_lock(end: Callable[[StrictBook], None]) -> None:
    book = book_of(("ann", EVEN, 100))
    end(book)
    for step in (
        lambda: book.cancel_unmatched("ann", 0),
        lambda: book.place_matched("bob", ODD, 1, 1),
        lambda: book.quote(ODD, 1),
    ):
        assert refused(step) == rules.BETTING_CLOSED


# ---- quotes


def test_a_quote_by_hand() -> None:
    book = book_of(("ann", EVEN, 10_000), ("bob", ODD, 4_950))
    assert book.quote(ODD, 100) == (100, 198, 2)  # 99 at 4,950, 101 at 5,050
    assert book.quote(ODD, 50) == (50, 99, 1)
    assert book.quote(ODD, 6_050) == (5_050, 1_000 + 2 * 5_050 - 101, 101)
    assert book.quote(EVEN, 7) == (0, 7, 0)
    assert refused(lambda: book.quote(EVEN, 0)) == rules.BAD_STAKE


# ---- from events


def test_events_of_matched_bets_and_cancellations_rebuild_the_round() -> None:
    book = book_of(("ann", EVEN, 100), ("bob", ODD, 30))
    apply(book, "BetCancelled", {"roundId": 1, "user": "ann", "betIndex": 0, "amount": 70})
    assert (book.line_total(EVEN), book.staked, book.paid) == (30, 60, 0)
    apply(book, "RoundFinalized", {"winningNumber": 0})
    apply(book, "WinningsClaimed", {"user": "ann", "amount": 60})
    assert book.paid + book.fees() == book.staked


def test_a_cancellation_before_which_an_event_was_left_out_is_noticed() -> None:
    """By the keeper's book, too: what the contract cannot have done is not rebuilt."""

    def placed(user: str, side: Prediction, amount: int) -> tuple[str, dict[str, object]]:
        return "BetPlaced", {"user": user, "prediction": side, "amount": amount}

    def rebuilt(*events: tuple[str, dict[str, object]]) -> int:
        book = Book(200)
        for name, args in events:
            apply(book, name, args)
        return book.line_total(EVEN)

    ann, bob, cyd = placed("ann", EVEN, 10), placed("bob", ODD, 4), placed("cyd", EVEN, 10)
    ann_goes, cyd_goes = (("BetCancelled", {"user": u, "betIndex": 0}) for u in ("ann", "cyd"))
    assert rebuilt(ann, bob, cyd, cyd_goes, ann_goes) == 4
    with pytest.raises(RuleBroken):  # cyd's bet still stands above it
        rebuilt(ann, bob, cyd, ann_goes)
    with pytest.raises(RuleBroken):  # all of it is matched
        rebuilt(ann, placed("bob", ODD, 10), ann_goes)
    for late in (bob, ann_goes):
        with pytest.raises(RuleBroken, match="betting is closed"):
            rebuilt(ann, ("RoundLocked", {}), late)


# ---- whatever is done

STEP = st.one_of(
    st.tuples(st.just("place"), st.sampled_from(USERS), st.sampled_from([EVEN, ODD]),
              st.integers(1, 300)),
    st.tuples(st.just("match"), st.sampled_from(USERS), st.sampled_from([EVEN, ODD]),
              st.integers(1, 300)),
    st.tuples(st.just("cancel"), st.sampled_from(USERS), st.integers(0, 15), st.just(0)),
)  # fmt: skip


def take(book: StrictBook, step: tuple[str, str, int, int]) -> int:
    """What a step puts in, or takes out as a negative number; 0 when it was refused."""
    kind, user, which, amount = step
    try:
        if kind == "cancel":
            return -book.cancel_unmatched(user, which)
        if kind == "match":
            return book.place_matched(user, Prediction(which), amount, 1)
        book.place(user, Prediction(which), amount)
    except RuleBroken:
        return 0
    return amount


@settings(deadline=None)
@given(st.lists(STEP, max_size=40), st.integers(0, 99), st.sampled_from([0, 1, 200, 500]))
def test_nobody_loses_by_what_others_take_back(
    steps: list[tuple[str, str, int, int]], n: int, bps: int
) -> None:
    """Matched parts never shrink, lines have no gaps, and every wei comes out where it should."""
    book, stakes = StrictBook(bps), 0
    for step in steps:
        before = {u: [book.matched_of(b) for b in book.bets_of(u)] for u in USERS}
        level = book.total_matched
        stakes += take(book, step)
        assert book.total_matched >= level
        for user, amounts in before.items():
            bets = book.bets_of(user)
            now = [book.matched_of(b) for b in bets]
            assert all(m >= was for m, was in zip(now, amounts, strict=False))
            assert len(bets) >= len(amounts)
        assert book.staked == stakes
        for side in (EVEN, ODD):
            line = sorted(
                (b for u in USERS for b in book.bets_of(u) if b.prediction is side and b.amount),
                key=lambda b: b.offset,
            )
            ends = [0, *(b.offset + b.amount for b in line)]
            assert [b.offset for b in line] == ends[:-1]
            assert ends[-1] == book.line_total(side)
            assert sum(map(book.matched_of, line)) == book.matched_total(side)
    book.finalize(n)
    paid = sum(sum(book.pay(u)) for u in USERS if any(book.claimable(u)))
    assert paid + book.fees() == stakes


@settings(deadline=None)
@given(
    st.lists(STEP, max_size=20),
    st.sampled_from([EVEN, ODD]),
    st.integers(1, 500),
    st.sampled_from([0, 1, 200, 500]),
)
def test_a_quote_is_what_follows(
    steps: list[tuple[str, str, int, int]], side: Prediction, amount: int, bps: int
) -> None:
    book = StrictBook(bps)
    for step in steps:
        take(book, step)
    m, payout, fee = book.quote(side, amount)
    offset = book.line_total(side)
    assert book.place("dan", side, amount) == m
    assert fee == fee_at(offset + m, bps) - fee_at(offset, bps)
    book.lock()
    assert book.status is RoundStatus.LOCKED
    book.finalize(0 if side is EVEN else 1)
    assert sum(book.claimable("dan")) == payout


@settings(deadline=None)
@given(st.lists(STEP, max_size=20), st.sampled_from([EVEN, ODD]), st.integers(1, 500))
def test_a_matched_bet_takes_what_its_quote_says(
    steps: list[tuple[str, str, int, int]], side: Prediction, value: int
) -> None:
    book = StrictBook(200)
    for step in steps:
        take(book, step)
    quoted, _, _ = book.quote(side, value)
    if quoted:
        assert book.place_matched("dan", side, value, quoted) == quoted
        (bet,) = book.bets_of("dan")
        assert bet.amount == book.matched_of(bet) == quoted
    else:
        tried = refused(lambda: book.place_matched("dan", side, value, 0))
        assert tried == rules.NOT_ENOUGH_MATCHED


# ---- where on a line a bet stands


steps = st.lists(
    st.tuples(st.sampled_from(USERS), st.sampled_from([EVEN, ODD]), st.integers(0, 9)), max_size=40
)


@given(steps, st.integers(0, 60), st.integers(1, 60))
def test_the_bets_within_a_part_of_a_line_are_found(
    taken: list[tuple[str, Prediction, int]], low: int, size: int
) -> None:
    """Also where stakes were taken back; amount 0 stands for that here."""
    book, high = Book(200), low + size
    for user, prediction, amount in taken:
        last = [b for b in book.bets_of(user) if b.end == book.line_total(b.prediction)]
        if amount:
            book.place(user, prediction, amount)
        elif last and book.matched_of(last[-1]) < last[-1].amount:
            book.cancel_unmatched(user, last[-1].index)
    every = [b for user in USERS for b in book.bets_of(user)]
    assert [b.index for b in every if b.user == "ann"] == [*range(len(book.bets_of("ann")))]
    for line in (EVEN, ODD):
        own = [b for b in every if b.prediction is line and b.offset < high and b.end > low]
        standing = sorted((b for b in own if b.amount), key=lambda b: b.offset)
        assert book.bets_within(line, low, high) == standing
