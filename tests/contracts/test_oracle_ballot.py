"""Votes and what comes of them: quorum, proposal, veto, result; and what can be read of it."""

from __future__ import annotations

import itertools

import pytest

from tests.contracts.support.codec import Event
from tests.contracts.support.committee import (
    NUMBER,
    OTHER_NUMBER,
    OTHER_SPECIAL,
    OTHER_WHITES,
    SPECIAL,
    WHITES,
    told,
)
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, DAY, FINALIZED, HOUR, Round

QUORUMS = [(1, 1), (2, 2), (3, 2), (3, 3), (5, 3), (15, 8), (15, 15)]
OTHER = {"whites": OTHER_WHITES, "special": OTHER_SPECIAL}
NO_PROPOSAL = (0, 0, 0)
NO_VOTE = (False, told((0, (0,) * 5, 0)))


@pytest.fixture
def round_(committee) -> Round:
    """An open round that the committee decides, its draw just now."""
    return opened(committee)


def opened(committee) -> Round:
    round_ = committee.desk.open()
    committee.node.mine_at(round_.draw)
    return round_


def about(committee, round_, **values):
    return {"market": committee.desk.address, "roundId": round_.id} | values


def proposed(committee, round_, at, ballot=1, whites=WHITES, special=SPECIAL, number=NUMBER):
    """What the report that reached the quorum announced last."""
    draw = told(committee.draw(round_, whites, special))
    about_it = about(committee, round_, ballot=ballot, draw=draw, winningNumber=number)
    return Event("ResultProposed", **about_it, finalizableAt=at + committee.window)


def vote(committee, round_, seat):
    voted, draw = committee.about("voteOf", round_, committee.reporters[seat])
    return voted, draw


class TestQuorum:
    @pytest.mark.parametrize(("seats", "quorum"), QUORUMS)
    def test_so_many_equal_votes_make_a_proposal(self, convene, seats, quorum):
        committee = convene(seats, quorum)
        round_ = opened(committee)
        # The last seats, so that every slot of votes is read and written.
        for count, seat in enumerate(range(seats - quorum, seats), start=1):
            assert committee.about("proposal", round_) == NO_PROPOSAL
            reported, *more = committee.report(round_, seat)
            assert (reported.event, reported.reporter) == (
                "ResultReported",
                committee.reporters[seat],
            )
            assert committee.about("ballot", round_) == (1, count)
            assert len(more) == (count == quorum)
        at = committee.node.now
        assert more == [proposed(committee, round_, at)]
        assert committee.about("proposal", round_) == (NUMBER, at, at + HOUR)

    @pytest.mark.parametrize(("seats", "quorum"), [(3, 2), (5, 3), (15, 8)])
    def test_scattered_votes_make_none(self, convene, seats, quorum):
        """One less than a quorum for each of several draws; then one vote decides."""
        committee = convene(seats, quorum)
        round_ = opened(committee)
        for seat in range(seats):
            whites = (*WHITES[:4], WHITES[4] + seat // (quorum - 1))
            (_,) = committee.report(round_, seat, whites)
        assert committee.about("ballot", round_) == (1, seats)
        assert committee.about("proposal", round_) == NO_PROPOSAL
        *_, last = committee.report(round_, seats - 1)
        assert (last.event, last.winningNumber) == ("ResultProposed", NUMBER)

    @pytest.mark.parametrize("order", [*itertools.permutations(WHITES)][::7])
    def test_the_order_of_the_whites_does_not_matter(self, committee, round_, order):
        committee.report(round_, 0)
        *_, last = committee.report(round_, 2, order)
        assert last == proposed(committee, round_, committee.node.now, whites=order)

    @pytest.mark.parametrize(
        ("whites", "special"),
        [
            (WHITES, SPECIAL - 2),  # the same number
            (WHITES, SPECIAL + 1),
            ((6, 12, 23, 44, 60), SPECIAL),  # the same sum
            ((5, 12, 23, 44, 62), SPECIAL),
            ((4, 12, 23, 44, 61), SPECIAL),
            ((5, 8, 12, 23, 44), 61 - 40),
        ],
    )
    def test_every_ball_does(self, committee, round_, whites, special):
        committee.report(round_, 0)
        (only,) = committee.report(round_, 1, whites, special)
        assert only.event == "ResultReported"
        assert committee.about("proposal", round_) == NO_PROPOSAL
        assert committee.about("ballot", round_) == (1, 2)

    def test_the_evidence_does_not(self, committee, round_):
        (first,) = committee.report(round_, 0, evidence=bytes(32))
        second, last = committee.report(round_, 1, evidence=b"\xff" * 32)
        assert (first.evidence, second.evidence) == (bytes(32), b"\xff" * 32)
        assert last.event == "ResultProposed"

    def test_a_vote_counts_once_however_often_it_is_given(self, committee, round_):
        for _ in range(3):
            (only,) = committee.report(round_, 0)
            assert only.event == "ResultReported"
        assert committee.about("ballot", round_) == (1, 1)

    def test_rounds_and_markets_have_ballots_of_their_own(self, committee, round_, deploy):
        desk = committee.desk
        other = desk.open(desk.draws()[0])
        twin = deploy(oracle=committee.address)  # its round has the same id
        again = twin.open(other.draw)
        committee.report(round_, 0)
        committee.report(other, 1, at=other.draw)
        arguments = (twin.address, again.id, committee.draw(again), bytes(32))
        (only,) = committee.do("report", *arguments, by=committee.reporters[2])
        assert (only.market, only.ballot) == (twin.address, 1)
        for seat, (market, one) in enumerate(((desk, round_), (desk, other), (twin, again))):
            assert committee.ask("ballot", market.address, one.id) == (1, 1)
            for reporter in range(3):
                voter = committee.reporters[reporter]
                voted, _ = committee.ask("voteOf", market.address, one.id, voter)
                assert voted == (reporter == seat)


class TestReplacedVotes:
    def test_the_last_one_counts(self, committee, round_):
        committee.report(round_, 0, **OTHER)
        other = told(committee.draw(round_, OTHER_WHITES, OTHER_SPECIAL))
        assert vote(committee, round_, 0) == (True, other)
        committee.report(round_, 0)
        assert vote(committee, round_, 0) == (True, told(committee.draw(round_)))
        (only,) = committee.report(round_, 1, **OTHER)
        assert only.event == "ResultReported"
        assert committee.about("ballot", round_) == (1, 2)
        *_, last = committee.report(round_, 1)
        assert last == proposed(committee, round_, committee.node.now)

    def test_it_may_take_a_vote_from_a_draw_that_lacked_but_one(self, convene):
        committee = convene(5, 3)
        round_ = opened(committee)
        for seat in (0, 1):
            committee.report(round_, seat, **OTHER)
        committee.report(round_, 1)
        (only,) = committee.report(round_, 2, **OTHER)
        assert only.event == "ResultReported"
        committee.report(round_, 3)
        *_, last = committee.report(round_, 4)
        assert last.winningNumber == NUMBER

    def test_not_once_a_proposal_stands(self, committee, round_):
        at = committee.propose(round_)
        about_it = (committee.desk.address, round_.id, at + HOUR)
        for seat in range(3):
            for draw in ({}, OTHER):
                with refused("ProposalStands", *about_it):
                    committee.report(round_, seat, **draw)
        for late in (at + HOUR, at + 10 * HOUR):
            with refused("ProposalStands", *about_it):
                committee.report(round_, 2, at=late)


class TestVeto:
    def test_clears_all_votes_and_begins_a_new_ballot(self, convene):
        committee = convene(15, 15)
        round_ = opened(committee)
        committee.propose(round_, at=committee.node.now + 15)
        events = committee.veto(round_)
        vetoed = about(committee, round_, ballot=1, winningNumber=NUMBER)
        assert events == [Event("ResultVetoed", **vetoed)]
        assert committee.about("ballot", round_) == (2, 0)
        assert committee.about("proposal", round_) == NO_PROPOSAL
        for seat in range(15):
            assert vote(committee, round_, seat) == NO_VOTE
        (reported,) = committee.report(round_, 3)
        assert reported.ballot == 2
        assert committee.about("ballot", round_) == (2, 1)

    def test_the_next_ballot_may_propose_the_same_or_another(self, committee, round_):
        for ballot in (1, 2, 3, 4):
            draw = (OTHER, {})[ballot % 2]
            at = committee.propose(round_, at=committee.node.now + 10, **draw)
            number = (OTHER_NUMBER, NUMBER)[ballot % 2]
            assert committee.about("proposal", round_) == (number, at, at + HOUR)
            (event,) = committee.veto(round_)
            assert (event.ballot, event.winningNumber) == (ballot, number)
        assert committee.about("ballot", round_) == (5, 0)
        at = committee.propose(round_, at=committee.node.now + 10)
        committee.finalize(round_, at=at + HOUR)
        assert committee.about("ballot", round_) == (5, 2)

    @pytest.mark.parametrize("window", [1, HOUR, DAY])
    def test_as_long_as_the_window_is_open(self, convene, window):
        committee = convene(window=window)
        round_ = opened(committee)
        at = committee.propose(round_)
        snapshot = committee.node.snapshot()
        if window > 1:  # the next block comes a second later
            committee.veto(round_, at=at + window - 1)
        committee.node.restore(snapshot)
        with refused("DisputeWindowOver", committee.desk.address, round_.id, at + window):
            committee.veto(round_, at=at + window)

    def test_not_without_a_window(self, convene):
        committee = convene(window=0)
        round_ = opened(committee)
        at = committee.propose(round_)
        with refused("DisputeWindowOver", committee.desk.address, round_.id, at):
            committee.veto(round_)
        committee.finalize(round_)
        assert committee.desk.ask("getRoundInfo", round_.id).winningNumber == NUMBER

    def test_of_a_proposal_only(self, committee, round_):
        error = ("NoProposal", committee.desk.address, round_.id)
        with refused(*error):
            committee.veto(round_)
        committee.report(round_)
        with refused(*error):
            committee.veto(round_)
        committee.report(round_, 1)
        committee.veto(round_)
        with refused(*error):
            committee.veto(round_)

    def test_by_the_guardian_only(self, committee, round_, people):
        committee.propose(round_)
        for caller in (people.admin, people.operator, people.stranger, committee.reporters[0]):
            with refused("NotGuardian", caller, committee.guardian):
                committee.veto(round_, by=caller)

    def test_not_after_the_result(self, committee, round_):
        at = committee.propose(round_)
        committee.finalize(round_, at=at + HOUR)
        with refused("DisputeWindowOver", committee.desk.address, round_.id, at + HOUR):
            committee.veto(round_)


class TestFinalize:
    def test_by_anyone_from_the_end_of_the_window_on(self, committee, round_, people):
        at = committee.propose(round_)
        market = committee.desk.address
        with refused("DisputeWindowOpen", market, round_.id, at + HOUR):
            committee.finalize(round_, at=at + HOUR - 1)
        receipt = committee.transact("finalize", market, round_.id, by=people.stranger)
        assert receipt.timestamp == at + HOUR
        finalized = about(committee, round_, winningNumber=NUMBER)
        assert committee.own(receipt) == [Event("ResultFinalized", **finalized)]
        assert committee.desk.own(receipt) == [
            Event("RoundFinalized", roundId=round_.id, winningNumber=NUMBER, timestamp=at + HOUR)
        ]
        info = committee.desk.ask("getRoundInfo", round_.id)
        assert (info.status, info.winningNumber) == (FINALIZED, NUMBER)

    def test_once(self, committee, round_):
        at = committee.propose(round_)
        committee.finalize(round_, at=at + HOUR)
        with refused("WrongStatus", round_.id, FINALIZED):
            committee.finalize(round_)

    def test_of_a_proposal_only(self, committee, round_):
        error = ("NoProposal", committee.desk.address, round_.id)
        with refused(*error):
            committee.finalize(round_)
        committee.report(round_)
        with refused(*error):
            committee.finalize(round_, at=round_.draw + 2 * HOUR)
        committee.report(round_, 1)
        committee.veto(round_)
        with refused(*error):
            committee.finalize(round_, at=round_.draw + 5 * HOUR)

    @pytest.mark.parametrize("window", [0, HOUR, DAY])
    def test_the_latest_proposal_leaves_an_hour_to_carry_it(self, convene, window):
        committee = convene(window=window)
        round_ = opened(committee)
        at = committee.propose(round_, at=committee.deadline(round_))
        assert at + window == round_.draw + 71 * HOUR
        snapshot = committee.node.snapshot()
        assert committee.finalize(round_, at=round_.over)
        committee.node.restore(snapshot)
        with refused("TooLate", round_.id, round_.over):
            committee.finalize(round_, at=round_.over + 1)

    def test_not_when_the_round_was_voided(self, committee, round_, people):
        committee.propose(round_)
        committee.desk.do("voidRound", round_.id, by=people.stranger, at=round_.over + 1)
        with refused("WrongStatus", round_.id, CANCELLED):
            committee.finalize(round_)

    def test_what_can_be_read_stays(self, committee, round_):
        committee.report(round_, 2, **OTHER)
        at = committee.propose(round_, at=round_.draw + 99)
        committee.finalize(round_, at=at + HOUR)
        assert committee.about("proposal", round_) == (NUMBER, at, at + HOUR)
        assert committee.about("ballot", round_) == (1, 3)
        assert vote(committee, round_, 0) == (True, told(committee.draw(round_)))
        other = told(committee.draw(round_, OTHER_WHITES, OTHER_SPECIAL))
        assert vote(committee, round_, 2) == (True, other)


class TestViews:
    def test_of_a_round_nobody_voted_in(self, committee, round_, people):
        assert committee.about("proposal", round_) == NO_PROPOSAL
        assert committee.about("ballot", round_) == (1, 0)
        for reporter in (committee.reporters[0], people.stranger):
            voted, draw = committee.about("voteOf", round_, reporter)
            assert (voted, draw) == NO_VOTE

    def test_of_a_round_that_is_none(self, committee, people):
        for market in (committee.desk.address, people.stranger):
            assert committee.ask("proposal", market, 99) == NO_PROPOSAL
            assert committee.ask("ballot", market, 99) == (1, 0)
            voted, _ = committee.ask("voteOf", market, 99, committee.reporters[0])
            assert voted is False

    def test_a_vote_is_told_in_ascending_order_by_its_seat_alone(self, convene, people):
        committee = convene(15, 8)
        round_ = opened(committee)
        for seat in range(0, 15, 3):
            committee.report(round_, seat, (69 - seat, 2, 68 - seat, 30, 1), 26 - seat)
        for seat in range(15):
            expected = NO_VOTE
            if seat % 3 == 0:
                whites = (1, 2, 30, 68 - seat, 69 - seat)
                expected = (True, told(committee.draw(round_, whites, 26 - seat)))
            assert vote(committee, round_, seat) == expected
        assert committee.about("ballot", round_) == (1, 5)
        assert committee.about("voteOf", round_, people.stranger)[0] is False
