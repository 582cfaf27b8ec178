"""Results: what must be refused of reporters, guardian, outsiders, and of the oracle itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.contracts.support.committee import EVIDENCE, SPECIAL, WHITES
from tests.contracts.support.desk import Round
from tests.contracts.support.play import Attempt, Play


def wrong_results(play: Play) -> Iterator[Attempt]:
    """Given to the market past the committee; or by the oracle, as if its code were another."""
    oracle = play.committee.address
    for one in play.rounds.values():
        for outsider in (play.committee.reporters[0], play.desk.people.guardian):
            foreign = ("NotRoundOracle", one.id, outsider, oracle)
            yield Attempt(foreign, "finalizeRound", (one.id, 1), outsider)
        if play.books[one.id].finished:
            error: tuple[Any, ...] = ("WrongStatus", one.id, play.books[one.id].status)
        elif play.now < one.draw:
            error = ("TooEarly", one.id, one.draw)
        elif play.now > one.over:
            error = ("TooLate", one.id, one.over)
        else:
            yield Attempt(("InvalidWinningNumber", 100), "finalizeRound", (one.id, 100), oracle)
            continue
        yield Attempt(error, "finalizeRound", (one.id, 5), oracle)


def _report(play: Play, one: Round, error: tuple[Any, ...], *draw: Any, by: str = "") -> Attempt:
    date, whites, special = play.committee.draw(one)
    arguments = (play.desk.address, one.id, draw or (date, whites, special), EVIDENCE)
    by = by or play.committee.reporters[1]
    return Attempt(error, "report", arguments, by, contract=play.committee)


def untimely_reports(play: Play) -> Iterator[Attempt]:
    for one in play.rounds.values():
        about = (play.desk.address, one.id)
        deadline = play.committee.deadline(one)
        if play.books[one.id].finished:
            yield _report(play, one, ("RoundDecided", *about, play.books[one.id].status))
        elif play.now < one.draw:
            yield _report(play, one, ("ReportTooEarly", *about, one.draw))
        elif play.now > deadline:
            yield _report(play, one, ("ReportTooLate", *about, deadline))


def wrong_reports(play: Play) -> Iterator[Attempt]:
    """In time, but not by a reporter, of that date, of balls of the game, or without need."""
    stranger = play.desk.people.stranger
    for one in play.unfinished:
        yield _report(play, one, ("NotReporter", stranger), by=stranger)
        nowhere = (stranger, one.id, play.committee.draw(one), EVIDENCE)
        reporter = play.committee.reporters[0]
        error: tuple[Any, ...] = ("NotAMarket", stranger)
        yield Attempt(error, "report", nowhere, reporter, contract=play.committee)
        if not one.draw <= play.now <= play.committee.deadline(one):
            continue
        date, *_ = play.committee.draw(one)
        for wrong in (date - 1, date + 1):
            yield _report(play, one, ("WrongDrawDate", wrong, date), wrong, WHITES, SPECIAL)
        for balls in (((1, 2, 3, 4, 70), 1), ((9, 8, 9, 7, 6), 26), ((1, 2, 3, 4, 5), 27)):
            yield _report(play, one, ("InvalidDraw", *balls, 69, 26), date, *balls)
        poll = play.polls[one.id]
        if poll.proposed_at:
            stands = ("ProposalStands", play.desk.address, one.id, poll.finalizable_at)
            yield _report(play, one, stands)


def wrong_vetoes(play: Play) -> Iterator[Attempt]:
    committee = play.committee
    for one in play.rounds.values():
        about, poll = (play.desk.address, one.id), play.polls[one.id]
        outsider = committee.reporters[2]
        foreign = ("NotGuardian", outsider, committee.guardian)
        yield Attempt(foreign, "veto", about, outsider, contract=committee)
        error: tuple[Any, ...] = ("NoProposal", *about)
        if poll.proposed_at:
            if play.now < poll.finalizable_at:
                continue
            error = ("DisputeWindowOver", *about, poll.finalizable_at)
        yield Attempt(error, "veto", about, committee.guardian, contract=committee)


def wrong_finalizes(play: Play) -> Iterator[Attempt]:
    for one in play.rounds.values():
        about, poll, book = (play.desk.address, one.id), play.polls[one.id], play.books[one.id]
        if not poll.proposed_at:
            error: tuple[Any, ...] = ("NoProposal", *about)
        elif play.now < poll.finalizable_at:
            error = ("DisputeWindowOpen", *about, poll.finalizable_at)
        elif book.finished:
            error = ("WrongStatus", one.id, book.status)
        elif play.now > one.over:
            error = ("TooLate", one.id, one.over)
        else:
            continue
        by = play.desk.people.stranger
        yield Attempt(error, "finalize", about, by, contract=play.committee)
