"""How rounds were decided, asked of a server: the votes, and their evidence from the chain."""

from __future__ import annotations

from typing import Any

import pytest

from feed.decisions import Decisions
from feed.store import MemoryStore
from keeper.errors import RpcDown, WrongContract
from keeper.ports import Report
from tests.feed.decided import (
    CAT,
    HOURS,
    LIE,
    ONE,
    ROUND,
    TRUE,
    Story,
    cast,
    evidence,
    get,
    report,
    voting,
)
from tests.feed.test_rest import problem
from tests.feed.world import (
    ANN,
    BOB,
    POWER,
    Known,
    created,
    decision,
    serving,
    stranger,
)

# ---- what is told


async def test_each_vote_has_its_evidence_and_the_round_that_of_the_first_for_its_draw(
    story: Story,
) -> None:
    """Of the standing ballot, and of the last report where somebody voted anew."""
    story.decided()
    async with serving(story, results=story.known) as session:
        told = await get(session)
        assert cast(told) == [evidence(6), None, evidence(5)]
        assert told["evidenceHash"] == told["voting"]["proposal"]["evidenceHash"] == evidence(5)
        assert (await get(session, ROUND))["evidenceHash"] == evidence(5)
        async with session.get("/api/rounds") as response:  # nobody asks the chain for a list
            assert [r["evidenceHash"] for r in (await response.json())["rounds"]] == [None]


async def test_what_the_operator_has_kept_is_the_rounds_evidence(story: Story) -> None:
    story.decided()
    story.known.older[POWER, 1] |= {"evidenceHash": evidence(9)}
    async with serving(story, results=story.known) as session:
        told = await get(session)
        assert (told["evidenceHash"], cast(told)[2]) == (evidence(9), evidence(5))
    story.known.latest[POWER, 1] = story.known.older[POWER, 1]
    story.known.asked.clear()
    async with serving(story, results=story.known) as session:
        assert (await get(session, ROUND))["evidenceHash"] == evidence(9)
        assert not story.known.asked
        async with session.get("/api/rounds") as response:
            assert [r["evidenceHash"] for r in (await response.json())["rounds"]] == [evidence(9)]


@pytest.mark.parametrize(
    ("draws", "number", "result", "first"),
    [
        ((TRUE, TRUE, LIE), 64, 64, 1),
        ((LIE, TRUE, TRUE), 64, 64, 2),
        ((LIE, TRUE, TRUE), 64, 14, None),  # the market was told otherwise
        ((TRUE, LIE, None), None, 64, None),
        ((TRUE, LIE, None), 64, 64, None),  # no quorum: it is no ResultOracle
        ((LIE, LIE, None), 64, 64, None),  # nor is this
    ],
)
async def test_the_rounds_evidence_is_of_its_result(
    story: Story, draws: Any, number: int | None, result: int, first: int | None
) -> None:
    who = ANN, BOB, CAT
    story.known.cast = [report(10_100 + n, who[n], d, n + 1) for n, d in enumerate(draws) if d]
    told = {"status": "FINALIZED", "winningNumber": result}
    story.known.older[POWER, 1] = decision(voting=voting(*draws, number=number), **told)
    story.end(10_200, result)
    async with serving(story, results=story.known) as session:
        expected = None if first is None else evidence(first)
        for path in (ONE, ROUND):
            assert (await get(session, path))["evidenceHash"] == expected
        assert cast(await get(session)) == [d and evidence(n + 1) for n, d in enumerate(draws)]


async def test_while_a_report_is_missing_nobody_is_the_first(story: Story) -> None:
    story.decided()
    del story.known.cast[4]
    async with serving(story, results=story.known) as session:
        told = await get(session)
        assert (cast(told), told["evidenceHash"]) == ([evidence(6), None, None], None)


async def test_the_same_vote_in_a_ballot_that_was_vetoed_is_another(story: Story) -> None:
    story.decided()
    story.known.cast = [report(10_100, ANN, TRUE, 7), story.known.cast[4]]
    async with serving(story, results=story.known) as session:
        assert cast(await get(session)) == [None, None, evidence(5)]


async def test_an_account_that_decides_alone_gives_no_evidence(story: Story) -> None:
    story.end(10_200)
    told = decision(status="FINALIZED", winningNumber=64)
    story.known.older[POWER, 1] = told
    async with serving(story, results=story.known) as session:
        assert await get(session) == told
        assert story.known.asked == {"read": 1}


async def test_before_the_draw_nothing_is_asked(story: Story) -> None:
    story.decided()
    story.at(9_990)
    async with serving(story, results=story.known) as session:
        async with session.get(ONE) as response:
            await problem(response, 404)
            assert (await response.json())["code"] == "unknown_decision"
        assert not story.known.asked


# ---- how the chain is read


@pytest.mark.parametrize("days", [0, 5])
async def test_a_round_decided_within_hours_costs_a_few_requests(story: Story, days: int) -> None:
    """Whenever somebody asks."""
    story.decided()
    story.at(story.number + days * 43_200)
    async with serving(story, results=story.known) as session:
        await get(session)
        steps = story.known.asked["reports"]
        assert HOURS / 10 < steps <= HOURS / 10 + 2  # chunks of ten blocks here, up to the votes
        assert story.known.asked == {"read": 1, "reports": steps, "block": steps}


async def test_what_lies_further_back_is_found_when_it_is_asked_for_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feed.reports._STEPS", 100)
    story.decided()
    async with serving(story, results=story.known) as session:
        assert cast(await get(session)) == [None] * 3
        assert story.known.asked["reports"] == 100
        story.mine()
        assert cast(await get(session)) == [evidence(6), None, evidence(5)]


async def test_a_round_cancelled_long_after_is_read_from_when_votes_no_longer_counted(
    story: Story,
) -> None:
    deadline = 10_000 + 36 * 3600
    story.known.cast = [report(deadline, ANN, TRUE, 1), report(deadline + 1, ANN, TRUE, 2)]
    told = voting(TRUE, None, None, number=None)
    story.known.older[POWER, 1] = decision(voting=told, status="CANCELLED")
    story.end(deadline + 10**6, None)
    async with serving(story, results=story.known) as session:
        assert cast(await get(session)) == [evidence(1), None, None]
        assert story.known.asked["reports"] <= 5
        assert story.known.asked["block"] <= 5 + 21


async def test_votes_that_nobody_reported_end_at_the_draw_and_are_not_sought_again(
    story: Story,
) -> None:
    told = voting(TRUE, LIE, None, number=None)
    story.known.older[POWER, 1] = decision(voting=told, status="CANCELLED")
    story.end(10_200, None)
    async with serving(story, results=story.known) as session:
        assert cast(await get(session)) == [None, None, None]
        asked = story.known.asked["reports"]
        assert 20 <= asked <= 22
        story.mine()
        assert cast(await get(session)) == [None, None, None]
        assert story.known.asked["reports"] - asked <= 7  # the newest might have been left out


@pytest.mark.parametrize("most", [10**6, 200])
async def test_more_votes_than_anybody_casts_are_the_loss_of_who_cast_them(
    story: Story, most: int
) -> None:
    """Be they told, or too long for an answer of a node."""
    story.decided()
    story.known.at_once = most
    in_order = report(10_318, CAT, TRUE, 5, ballot=2), report(10_319, ANN, TRUE, 6, ballot=2)
    story.known.cast[-2:] = in_order
    flood = [report(10_315, BOB, LIE, 7, ballot=2)] * 1001
    story.known.cast[4:4] = flood
    story.known.older[POWER, 1]["voting"] = voting(TRUE, LIE, TRUE, ballot=2)
    async with serving(story, results=story.known) as session:
        told = await get(session)
        assert cast(told) == [evidence(6), None, evidence(5)]
        assert told["evidenceHash"] == evidence(5)
        assert story.known.asked["reports"] < HOURS / 10 + 10  # not as far as the draw
        story.mine()
        assert await get(session) == told
    story.known.cast[4:-2] = flood[:100]
    async with serving(story, results=story.known) as session:
        assert cast(await get(session)) == [evidence(6), evidence(7), evidence(5)]


async def test_who_casts_too_many_votes_later_is_not_told_of_by_an_earlier_one(
    story: Story,
) -> None:
    story.known.latest[POWER, 1] = decision(voting=voting(TRUE, TRUE, None))
    story.known.cast = [report(10_400, ANN, TRUE, 1), report(10_401, BOB, TRUE, 2)]
    async with serving(story, results=story.known) as session:
        story.at(10_500)
        assert cast(await get(session)) == [evidence(1), evidence(2), None]
        story.known.cast += [report(10_502, BOB, TRUE, 3)] * 101
        story.at(10_503)
        assert cast(await get(session)) == [evidence(1), None, None]


async def test_of_who_is_no_reporter_nothing_is_kept(story: Story) -> None:
    """No ResultOracle tells of such votes, but another contract may."""
    story.known.latest[POWER, 1] = decision(voting=voting(TRUE, None, None, number=None))
    story.known.cast = [report(10_400, stranger(n), TRUE, 2) for n in range(100, 3000)]
    story.known.cast.append(report(10_400, ANN, TRUE, 1))
    story.at(10_500)
    decisions = Decisions(story.known, MemoryStore(), 31337)
    told = await decisions.of(story.views[0], story.views[0].rounds[1], story.hub.board)
    assert told is not None
    assert cast({**told}) == [evidence(1), None, None]
    assert [len(reports._found) for reports in decisions._reports.values()] == [1]


async def test_an_oracle_that_says_too_much_is_told_of_without_evidence(story: Story) -> None:
    story.decided()

    class Endless(Known):
        async def reports(self, *_: Any) -> list[Report]:
            raise WrongContract("too many")

    endless = Endless()
    endless.older = story.known.older
    async with serving(story, results=endless) as session:
        assert cast(await get(session)) == [None] * 3


async def test_while_votes_are_cast_only_what_is_new_is_read_again(story: Story) -> None:
    known = story.known
    known.latest[POWER, 1] = decision(voting=voting(None, None, None, number=None))
    async with serving(story, results=known) as session:
        story.at(10_500)
        assert cast(await get(session)) == [None] * 3
        known.cast = [report(10_490, ANN, TRUE, 1)]
        known.latest[POWER, 1] = decision(voting=voting(TRUE, None, None, number=None))
        story.at(10_501)
        assert cast(await get(session)) == [evidence(1), None, None]
        known.cast = [report(10_491, ANN, TRUE, 2), report(10_502, BOB, TRUE, 3)]  # another chain
        known.latest[POWER, 1] = decision(voting=voting(TRUE, TRUE, None))
        story.at(10_502)
        before = known.asked["reports"]
        told = await get(session)
        assert cast(told) == [evidence(2), evidence(3), None]
        assert told["evidenceHash"] == evidence(2)
        assert known.asked["reports"] - before <= 3
        assert not known.asked["read"]
        known.cast.append(report(10_510, CAT, TRUE, 4))
        story.at(10_600)
        assert cast(await get(session))[2] is None  # that vote is not known yet
        known.latest[POWER, 1] = decision(voting=voting(TRUE, TRUE, TRUE))
        story.at(10_700)
        assert cast(await get(session))[2] == evidence(4)


async def test_only_so_many_rounds_are_remembered(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feed.decisions._REMEMBERED", 3)
    story.mine(*(created(n) for n in range(2, 8)))
    story.at(10_500)
    decisions = Decisions(story.known, MemoryStore(), 31337)
    market = story.views[0]
    for number, r in market.rounds.items():
        story.known.latest[POWER, number] = decision(voting=voting(TRUE, None, None, number=None))
        await decisions.of(market, r, story.hub.board)
    assert len(decisions._reports) == 3


async def test_a_round_that_goes_on_is_told_of_though_the_chain_is_silent(story: Story) -> None:
    known = story.known
    known.latest[POWER, 1] = decision(voting=voting(TRUE, None, None, number=None))
    known.fails = RpcDown("gone")
    story.at(10_500)
    async with serving(story, results=known) as session:
        assert cast(await get(session)) == [None] * 3
