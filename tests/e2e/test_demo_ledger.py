"""The demo's ledger finds whatever does not fit, be it one wei."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.ledger import Account, Claim, Facts, Played, differences, table
from demo.load import load
from keeper.domain.consensus import Drawn
from keeper.domain.lines import RoundStatus
from keeper.ports import ChainEvent, Committee, RoundInfo

FIXTURES = """
bettors = 8
[[rounds]]
game = "powerball"
date = 2026-08-19
whites = [10, 21, 58, 61, 64]
special = 17
"""
START = 10**24
CLAIMANT = "Cleo"  # with these bets


def event(name: str, amount: int, **args: Any) -> ChainEvent:
    return ChainEvent("0xM", name, {"roundId": 1, "amount": amount, **args}, 1, "0x", "0x", 0, 0)


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """A run as the rules have it, for a bettor's name also being the address."""
    (tmp_path / "fixtures.toml").write_text(FIXTURES)
    plan = load(tmp_path, 3)
    (planned,) = plan.rounds
    book = planned.book()
    bets = {name: book.bets_of(name) for name in plan.bettors}
    due = {name: [sum(book.payout(bet)[i] for bet in bets[name]) for i in (0, 1)] for name in bets}
    events = [
        *(
            event("BetPlaced", b.amount, user=name, prediction=b.prediction)
            for name in bets
            for b in bets[name]
        ),
        # What was taken back: as if it had been placed once more than it stands.
        event("BetPlaced", 7, user="Ann", prediction=0),
        event("BetCancelled", 7, user="Ann", betIndex=0),
        *(event("WinningsClaimed", won, user=name) for name, (won, _) in due.items() if won),
        *(event("RefundIssued", back, user=name) for name, (_, back) in due.items() if back),
        event("FeesWithdrawn", book.fees()),
    ]
    info = RoundInfo(
        planned.draw_time, 0, RoundStatus.FINALIZED, 64, 200, 1, book.staked, book.total_matched, ""
    )
    answers = [Drawn(source, planned.draw) for source in ("ny", "texas", "california")]
    matched = {name: sum(map(book.matched_of, bets[name])) for name in bets}
    claim = Claim(CLAIMANT, "0xM", [1], "0xS", sum(book.claimable(CLAIMANT)))
    paid = {name: sum(due[name]) - claim.gained * (name == CLAIMANT) for name in bets}
    accounts = [
        Account(name, name, START, START + paid[name] - sum(b.amount for b in bets[name]) - 5, 5)
        for name in bets
    ]
    votes = {"keeper1": planned.draw, "keeper2": planned.draw, "keeper3": None}
    proposal = {"winningNumber": 64}
    played = Played(planned, "0xM", 1, info, matched, events, answers, votes, proposal)
    committee = Committee(("0x1", "0x2", "0x3"), 2, 3600, "0xG")
    return Facts(plan, "0xO", committee, [played], accounts, claim, {"powerball": 0}, book.fees())


def with_round(facts: Facts, **changed: Any) -> Facts:
    return replace(facts, rounds=[replace(facts.rounds[0], **changed)])


def info(**changed: Any) -> Callable[[Facts], Facts]:
    return lambda facts: with_round(facts, info=replace(facts.rounds[0].info, **changed))


def one_wei_less(name: str) -> Callable[[Facts], Facts]:
    def change(facts: Facts) -> Facts:
        events = list(facts.rounds[0].events)
        at = next(i for i, e in enumerate(events) if e.name == name)
        events[at] = replace(
            events[at], args=events[at].args | {"amount": events[at].args["amount"] - 1}
        )
        return with_round(facts, events=events)

    return change


def a_wei_matched_elsewhere(facts: Facts) -> Facts:
    matched = dict(facts.rounds[0].matched)
    matched["Ann"] -= 1
    return with_round(facts, matched=matched)


def a_poorer_bettor(facts: Facts) -> Facts:
    first, *others = facts.accounts
    return replace(facts, accounts=[replace(first, after=first.after - 1), *others])


def another_vote(facts: Facts) -> Facts:
    r = facts.rounds[0]
    lie = replace(r.planned.draw, special=16)
    return with_round(facts, votes={**r.votes, "keeper2": lie})


def a_late_vote(facts: Facts) -> Facts:
    r = facts.rounds[0]
    return with_round(facts, votes=dict.fromkeys(r.votes, r.planned.draw))


def less_claimed(facts: Facts) -> Facts:
    assert facts.claim
    return replace(facts, claim=replace(facts.claim, gained=facts.claim.gained - 1))


def another_answer(facts: Facts) -> Facts:
    r = facts.rounds[0]
    lie = replace(r.planned.draw, special=16)
    return with_round(facts, answers=[*r.answers[:2], Drawn("california", lie)])


def test_a_run_by_the_rules(facts: Facts) -> None:
    assert differences(facts) == []
    assert list(table(facts))[-1] == "  conservation: 0 wei"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (info(winning_number=65), "winning number: is 65, must be 64"),
        (info(status=RoundStatus.CANCELLED), "status: is CANCELLED, must be FINALIZED"),
        (info(total_staked=1), "staked: is 1, must be"),
        (info(total_matched=1), "matched: is 1, must be"),
        (one_wei_less("BetPlaced"), "conservation: is -1, must be 0"),
        (one_wei_less("BetPlaced"), ", staked: is"),
        (one_wei_less("BetCancelled"), "conservation: is 1, must be 0"),
        (one_wei_less("BetCancelled"), "Ann, staked: is"),
        (
            another_vote,
            "keeper2's vote: is for 10 21 58 61 64 + 16, must be for 10 21 58 61 64 + 1",
        ),
        (a_late_vote, "keeper3's vote: is for 10 21 58 61 64 + 17, must be none"),
        (
            lambda facts: with_round(facts, proposal={"winningNumber": 14}),
            "proposal: is 14, must",
        ),
        (lambda facts: with_round(facts, proposal=None), "proposal: is None, must be"),
        (less_claimed, "the claim: is ('Cleo'"),
        (less_claimed, "Cleo's balance less gas: is"),
        (lambda facts: replace(facts, claim=None), "the claim: is None, must be ('Cleo'"),
        (one_wei_less("WinningsClaimed"), ", winnings: is"),
        (one_wei_less("RefundIssued"), ", refund: is"),
        (one_wei_less("FeesWithdrawn"), ", fees: is"),
        (a_wei_matched_elsewhere, "Ann, matched: is"),
        (a_poorer_bettor, "Ann's balance less gas: is"),
        (another_answer, "california says otherwise, must be agreed by ny, texas, california"),
        (lambda facts: replace(facts, held={"powerball": 1}), "left in the powerball market: is 1"),
        (lambda facts: replace(facts, earned=1), "the fee recipient's gain: is 1"),
    ],
)
def test_what_is_off_is_found(facts: Facts, change: Callable[[Facts], Facts], found: str) -> None:
    assert any(found in line for line in differences(change(facts)))
