"""How rounds were decided, asked of a server: evidence from the chain, final answers shared."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from feed.decisions import Decisions
from feed.store import MemoryStore, RedisStore, connect
from keeper.domain.draw import Draw
from keeper.errors import RpcDown, RpcRefused, StoreDown, WrongContract
from keeper.ports import Report, Store
from tests.feed.described import answer
from tests.feed.test_rest import problem
from tests.feed.world import (
    ANN,
    BOB,
    DRAW,
    ORACLE,
    POWER,
    Known,
    World,
    created,
    decision,
    finalized,
    serving,
    stranger,
)
from tests.keeper.chain.waiting import until
from tests.keeper.redisfixture import running_redis

ONE, ROUND = f"/api/oracle/{POWER}/1", f"/api/round/{POWER}/1"
CAT = stranger(12)
TRUE = Draw(dt.date(2026, 8, 19), (10, 21, 58, 61, 64), 17)  # n = 64
LIE = Draw(TRUE.date, TRUE.whites, 16)  # n = 14
HOURS = 1800  # blocks


def voting(*votes: Draw | None, ballot: int = 1, number: int | None = 64) -> dict[str, Any]:
    """Of ANN, BOB and CAT, as who reads the chain tells it."""
    proposal = {"winningNumber": number, "finalizableAt": DRAW + 3600}
    return {
        "quorum": 2,
        "disputeWindow": 3600,
        "guardian": ORACLE,
        "ballot": ballot,
        "votes": [
            {"reporter": who, "draw": vote and vote.plain()}
            for who, vote in zip((ANN, BOB, CAT), votes, strict=True)
        ],
        "proposal": None if number is None else proposal,
    }


def evidence(word: int) -> str:
    return f"0x{word:064x}"


def report(block: int, who: str, draw: Draw, word: int, ballot: int = 1) -> Report:
    return Report(block, who, ballot, draw, evidence(word))


class Story(World):
    """A round whose draw was in block 10,000, and what a chain knows of its votes."""

    def __init__(self) -> None:
        super().__init__()
        self.known = Known()
        self.known.times = lambda number: DRAW + 2 * (number - 10_000)
        self.mine(created())

    def at(self, block: int) -> None:
        """That block is the newest."""
        self.number, self.time = block - 1, self.known.times(block - 1)
        self.mine()

    def end(self, block: int, number: int | None = 64, after: int = 100) -> None:
        """The round gets its result in that block, or is cancelled; that is final."""
        self.number, self.time = block - 1, self.known.times(block - 1)
        self.mine(
            (POWER, "RoundCancelled", {"roundId": 1}) if number is None else finalized(number)
        )
        self.at(block + after)
        self.mine(finalized=block + after)

    def decided(self) -> None:
        """Two of three agree, after a lie in a ballot that was vetoed."""
        self.known.cast = [
            report(10_100, BOB, LIE, 1),
            report(10_110, CAT, LIE, 2),
            report(10_300, CAT, LIE, 3, ballot=2),
            report(10_310, ANN, LIE, 4, ballot=2),
            report(10_320, CAT, TRUE, 5, ballot=2),
            report(10_330, ANN, TRUE, 6, ballot=2),
        ]
        told = voting(TRUE, None, TRUE, ballot=2)
        self.end(10_330 + HOURS)
        result = {"status": "FINALIZED", "winningNumber": 64}
        self.known.older[POWER, 1] = decision(voting=told, **result)


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with running_redis(tmp_path) as server, connect(server.url) as redis:
        yield RedisStore(redis)


class Down(MemoryStore):
    """A store that is gone."""

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        raise StoreDown("gone")

    async def get(self, key: str) -> bytes | None:
        raise StoreDown("gone")


async def get(session: aiohttp.ClientSession, path: str = ONE) -> dict[str, Any]:
    """An answer, which is as described."""
    async with session.get(path) as response:
        assert response.status == 200, await response.text()
        told: dict[str, Any] = await response.json()
    answer("Round" if "round" in path else "Decision", told)
    return told


def cast(told: dict[str, Any]) -> list[str | None]:
    return [vote["evidence"] for vote in told["voting"]["votes"]]


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


# ---- what is shared


async def test_what_is_final_is_read_by_one_instance_for_all(story: Story, store: Store) -> None:
    story.decided()
    async with serving(story, results=story.known, store=store) as session:
        told = await get(session)
    for shared in (store, Down()):
        silent = Known()
        silent.fails = RpcDown("gone")
        async with serving(story, results=silent, store=shared) as session:
            if shared is store:
                assert await get(session) == told
                assert (await get(session, ROUND))["evidenceHash"] == evidence(5)
                assert not silent.asked
                continue
            async with session.get(ONE) as response:
                await problem(response, 503)
                assert (await response.json())["code"] == "no_chain"
                assert response.headers["Retry-After"] == "10"


async def test_without_what_is_shared_it_comes_from_the_chain_once(story: Story) -> None:
    story.decided()
    story.known.older[POWER, 1] |= {"stale": True}  # who reads it has no store either
    async with serving(story, results=story.known, store=Down()) as session:
        told = await get(session)
        story.mine()
        assert await get(session) == told
        assert story.known.asked["read"] == 1


def undecided(told: dict[str, Any]) -> None:
    told["voting"] = voting(None, None, None, number=None)


def partly(told: dict[str, Any]) -> None:
    told["voting"] = voting(None, None, TRUE, ballot=2, number=None)


def otherwise(told: dict[str, Any]) -> None:
    told["voting"]["proposal"]["winningNumber"] = 14


@pytest.mark.parametrize("change", [undecided, partly, otherwise])
async def test_a_committee_that_has_not_come_to_the_result_is_not_kept(
    story: Story, change: Callable[[dict[str, Any]], None]
) -> None:
    """A node that is behind would tell so of a round that has one."""
    story.decided()
    change(story.known.older[POWER, 1])
    store = MemoryStore()
    async with serving(story, results=story.known, store=store) as session:
        await get(session)
    assert not store._kept


@pytest.mark.parametrize("what", ["final", "recent", "not final", "incomplete", "stale"])
async def test_only_what_is_final_and_whole_is_shared(story: Story, what: str) -> None:
    story.decided()
    if what == "recent":
        story.number = 10_330 + HOURS
        story.at(10_330 + HOURS + 63)
    elif what == "not final":
        story.hub.board.finalized = 10_330 + HOURS - 1
    elif what == "incomplete":
        story.known.cast.pop()
    elif what == "stale":
        story.known.older[POWER, 1] |= {"stale": True}
    store = MemoryStore()
    async with serving(story, results=story.known, store=store) as session:
        await get(session)
    assert len(store._kept) == (what == "final")


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"market":',
        "too long",
        {"evidenceHash": "0x12"},
        {"evidenceHash": 5},
        {"winningNumber": 14},
        {"oracle": ANN},
        {"roundId": 2},
        {"roundId": "1"},
        {"status": "LOCKED"},
        {"more": 1},
        {"voting": {}},
        {"voting": None},
        {"asked": []},
    ],
)
async def test_what_no_instance_kept_is_passed_over(story: Story, kept: Any) -> None:
    story.decided()
    store = MemoryStore()
    async with serving(story, results=story.known, store=store) as session:
        told = await get(session)
    (key,) = store._kept
    assert key == f"lottochain:31337:decision:{POWER}:1:{10_330 + HOURS}"
    if kept == "too long":
        kept = orjson.dumps(told) + b" " * 2**16
    value = kept if isinstance(kept, bytes) else orjson.dumps(told | kept)
    await store.put(key, value, 60)
    async with serving(story, results=story.known, store=store) as session:
        assert await get(session) == told
    assert story.known.asked["read"] == 2
    assert orjson.loads(await store.get(key) or b"") == told  # and put right


# ---- many who ask


async def test_a_round_is_read_once_for_all_who_ask_and_few_at_a_time(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feed.decisions._WAITING", 12)
    monkeypatch.setattr("feed.decisions._PATIENCE", 1.0)
    story.mine(*(created(n) for n in range(2, 31)))
    story.at(20_000)

    class Slow(Known):
        now, most, let = 0, 0, asyncio.Event()

        async def read(self, market: str, round_id: int) -> dict[str, Any] | None:
            self.asked[str(round_id)] += 1
            self.now += 1
            self.most = max(self.most, self.now)
            await self.let.wait()
            self.now -= 1
            return decision(round_id)

    slow = Slow()

    async def ask(session: aiohttp.ClientSession, number: int) -> tuple[int, str]:
        async with session.get(f"/api/oracle/{POWER}/{number}") as response:
            told = await response.json()
            if response.status == 503:
                assert response.headers["Retry-After"] == "10"
            return response.status, told.get("code", "")

    async with serving(story, results=slow) as session:
        numbers = [*range(1, 21)] * 2
        told = await asyncio.gather(*(ask(session, number) for number in numbers))
        assert set(told) == {(503, "busy")}
        assert slow.most == 4
        async with session.get(ROUND) as response:  # nothing else waits
            assert response.status == 200
        slow.let.set()
        assert await ask(session, 1) == (200, "")
        assert len(slow.asked) <= 13  # those that were not let in are forgotten
        for number in range(2, 13):
            assert await ask(session, number) == (200, "")
        assert slow.most == 4


async def test_a_round_that_takes_too_long_leaves_its_place_to_others(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feed.decisions._LONGEST", 0.05)
    story.mine(*(created(n) for n in range(2, 7)))
    story.at(20_000)

    class Partly(Known):
        async def read(self, market: str, round_id: int) -> dict[str, Any] | None:
            if round_id < 6:
                await asyncio.Event().wait()
            return decision(round_id)

    async with serving(story, results=Partly()) as session:

        async def status(number: int) -> int:
            async with session.get(f"/api/oracle/{POWER}/{number}") as response:
                return response.status

        assert await asyncio.gather(*map(status, range(1, 6))) == [503] * 5
        assert await status(6) == 200


class Hanging(Known):
    """A chain that says nothing of a result."""

    async def read(self, market: str, round_id: int) -> dict[str, Any] | None:
        self._count("read")
        await asyncio.Event().wait()
        return None


async def test_what_is_at_hand_is_told_while_too_many_others_are_read(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feed.decisions._WAITING", 1)
    story.decided()
    story.mine(created(2))
    store = MemoryStore()
    async with serving(story, results=story.known, store=store) as session:
        told = await get(session)
    hanging = Hanging()
    async with serving(story, results=hanging, store=store) as session:
        asking = asyncio.create_task(get(session, f"/api/oracle/{POWER}/2"))
        await until(lambda: hanging.asked["read"] == 1)
        assert await get(session) == told
        asking.cancel()


async def test_a_round_does_not_wait_for_its_evidence(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is known; who asks again soon is told more."""
    monkeypatch.setattr("feed.decisions._PATIENCE", 10**6)
    story.decided()
    async with asyncio.timeout(100), serving(story, results=Hanging()) as session:
        assert (await get(session, ROUND))["evidenceHash"] is None


async def test_evidence_that_is_not_found_is_looked_for_again(story: Story) -> None:
    story.decided()
    late = story.known.older.pop((POWER, 1))
    async with serving(story, results=story.known) as session:
        for seconds, hash_ in ((10, None), (900, evidence(5))):
            async with session.get(ROUND) as response:
                assert response.headers["Cache-Control"] == f"public, max-age={seconds}"
                assert (await response.json())["evidenceHash"] == hash_
            story.known.older[POWER, 1] = late
            story.mine()


async def test_what_one_account_decided_has_no_evidence_and_is_kept_all_the_same(
    story: Story,
) -> None:
    story.decided()
    result = {"status": "FINALIZED", "winningNumber": 64}
    story.known.older[POWER, 1] = decision(voting=None, **result)
    async with serving(story, results=story.known) as session, session.get(ROUND) as response:
        assert response.headers["Cache-Control"] == "public, max-age=900"
        assert (await response.json())["evidenceHash"] is None


async def test_a_node_that_refuses_to_tell_of_votes_leaves_them_without_evidence(
    story: Story,
) -> None:
    """For it has a limit of its own."""
    story.decided()

    class Refusing(Known):
        async def reports(self, *_: Any) -> list[Report]:
            raise RpcRefused("more than 100 results")

    refusing = Refusing()
    refusing.older = story.known.older
    async with serving(story, results=refusing) as session:
        assert cast(await get(session)) == [None] * 3


async def test_a_round_is_told_though_its_evidence_cannot_be_had_and_then_not_kept_long(
    story: Story,
) -> None:
    story.decided()
    async with serving(story, results=story.known) as session:
        for fails, seconds, hash_ in ((RpcDown("gone"), 10, None), (None, 900, evidence(5))):
            story.known.fails = fails
            story.mine()
            async with session.get(ROUND) as response:
                assert response.headers["Cache-Control"] == f"public, max-age={seconds}"
                assert (await response.json())["evidenceHash"] == hash_
