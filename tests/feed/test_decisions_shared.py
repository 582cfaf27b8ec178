"""How rounds were decided, asked by many of several servers: read once, and shared when final."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest

from feed.store import MemoryStore
from keeper.errors import RpcDown, RpcRefused
from keeper.ports import Report, Store
from tests.feed.decided import (
    HOURS,
    ONE,
    ROUND,
    TRUE,
    Down,
    Story,
    cast,
    evidence,
    get,
    voting,
)
from tests.feed.test_rest import problem
from tests.feed.world import (
    ANN,
    POWER,
    Known,
    created,
    decision,
    serving,
)
from tests.keeper.chain.waiting import PATIENCE, until

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


async def test_how_a_round_was_cancelled_is_kept_too(story: Story) -> None:
    told = voting(None, None, None, number=None)
    story.known.older[POWER, 1] = decision(voting=told, status="CANCELLED")
    story.end(10_200, None)
    async with serving(story, results=story.known) as session:
        for _ in range(2):
            await get(session)
            story.mine()
    assert story.known.asked == {"read": 1}


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
    monkeypatch.setattr("feed.api._HURRY", 0.1)
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
        monkeypatch.setattr("feed.decisions._PATIENCE", PATIENCE)
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
    monkeypatch.setattr("feed.api._HURRY", 0.1)
    story.decided()
    async with asyncio.timeout(PATIENCE), serving(story, results=Hanging()) as session:
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
