"""What the contracts must refuse in a given state, each with the error they owe."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.contracts.support import forbidden_bets as bets
from tests.contracts.support import forbidden_money as money
from tests.contracts.support import forbidden_results as results
from tests.contracts.support import forbidden_rounds as rounds
from tests.contracts.support.play import Attempt, Play

Attempts = Callable[[Play], Iterator[Attempt]]

# By subject, so that no subject hides another that has more to try.
FORBIDDEN: dict[str, tuple[Attempts, ...]] = {
    "late_bets": (bets.late_bets, bets.late_takings),
    "wrong_bets": (bets.wrong_bets, bets.unmatched_bets),
    "full_lines": (bets.full_lines,),
    "wrong_takings": (bets.wrong_takings,),
    "wrong_rounds_or_settings": (rounds.wrong_rounds, rounds.wrong_settings),
    "wrong_locks": (rounds.wrong_locks,),
    "wrong_cancels_or_voids": (rounds.wrong_cancels, rounds.wrong_voids),
    "unknown_rounds": (rounds.unknown_rounds,),
    "wrong_results": (results.wrong_results,),
    "wrong_reports": (results.untimely_reports, results.wrong_reports),
    "wrong_vetoes": (results.wrong_vetoes,),
    "wrong_finalizes": (results.wrong_finalizes,),
    "wrong_claims": (money.wrong_claims, money.wrong_refunds),
    "wrong_batches": (money.wrong_batches,),
    "wrong_settles_or_withdrawals": (money.early_settles, money.wrong_withdrawals),
}

# What is allowed a second earlier or later.
TIMED: tuple[Attempts, ...] = (
    bets.late_bets,
    bets.late_takings,
    rounds.wrong_locks,
    rounds.wrong_cancels,
    rounds.wrong_voids,
    results.wrong_results,
    results.untimely_reports,
    results.wrong_vetoes,
    results.wrong_finalizes,
    money.wrong_refunds,
    money.early_settles,
)


def forbidden(play: Play, subject: str) -> list[Attempt]:
    """Everything on this subject that must be refused now."""
    return [attempt for attempts in FORBIDDEN[subject] for attempt in attempts(play)]


def forbidden_by_time(play: Play, round_id: int) -> list[Attempt]:
    """Everything about a round that must be refused at this second for the time that it is."""
    return [
        attempt
        for attempts in TIMED
        for attempt in attempts(play)
        if attempt.arguments[attempt.contract is not None] == round_id
        and attempt.error[0] in UNTIMELY
    ]


UNTIMELY = {
    "BettingClosed",
    "TooEarly",
    "TooLate",
    "ReportTooEarly",
    "ReportTooLate",
    "DisputeWindowOpen",
    "DisputeWindowOver",
}
