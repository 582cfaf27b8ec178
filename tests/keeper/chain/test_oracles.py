"""What is told of results to come: by committees on a chain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from feed.decisions import Decisions
from feed.http import Problem
from feed.hub import Hub
from feed.store import MemoryStore, RedisStore, connect
from keeper.chain.contracts import ContractMarket, ContractOracle
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError, Reverted
from keeper.oracles import Oracles
from keeper.ports import Standing, Store
from tests.keeper.chain.committee import DRAWN, LIE, hash_of, vote
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.following import Fork, caught_up, following
from tests.keeper.chain.telling import DAY, draws, telling
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import (
    ADMIN,
    KEEPER,
    REPORTERS,
    Chain,
    Deployed,
    DeployedOracle,
)
from tests.keeper.redisfixture import RedisServer


@pytest.fixture
def market(rpc: Rpc, decided: Deployed) -> ContractMarket:
    """The one that the committee decides, as the keeper sees it."""
    return ContractMarket(rpc, decided.address, decided.game, decided.block)


# ---- the committee, from the chain


async def test_a_round_is_told_of_from_its_draw_on_with_votes_proposal_and_result(
    chain: Chain, market: ContractMarket, decided: Deployed, oracle: DeployedOracle, store: Store
) -> None:
    async with telling(market, store) as told:
        await until(lambda: bool(told.data))
        assert told.data == {"rounds": []}
        assert told.oracles.of(market.address, 1) is None
        await chain.move_to(DRAW)
        await told.until(status="LOCKED")
        assert told.round == {
            "market": market.address,
            "game": "powerball",
            "roundId": 1,
            "drawTime": DRAW,
            "status": "LOCKED",
            "winningNumber": None,
            "oracle": oracle.address,
            "voting": {
                "quorum": 2,
                "disputeWindow": 3600,
                "guardian": ADMIN,
                "ballot": 1,
                "votes": [{"reporter": reporter, "draw": None} for reporter in REPORTERS],
                "proposal": None,
            },
            "asked": None,
            "evidenceHash": None,
            "stale": False,
        }
        await vote(oracle, decided, REPORTERS[0], LIE)
        await until(lambda: draws(told) == [LIE.plain(), None, None])
        fork = await Fork(chain).remember()
        for reporter in REPORTERS[1:]:
            await vote(oracle, decided, reporter, DRAWN)
        at = await chain.now() + 3600
        proposal = {"winningNumber": 64, "finalizableAt": at}
        await until(lambda: told.round["voting"]["proposal"] == proposal)
        assert draws(told) == [LIE.plain(), DRAWN.plain(), DRAWN.plain()]

        await fork.back()  # what was voted there is no more
        await chain.rpc("evm_mine")
        await until(lambda: told.round["voting"]["proposal"] is None)
        assert draws(told) == [LIE.plain(), None, None]
        await vote(oracle, decided, REPORTERS[1], LIE)
        await oracle.do(ADMIN, "veto", market.address, 1)
        await until(lambda: told.round["voting"]["ballot"] == 2)
        assert draws(told) == [None, None, None]

        for reporter in REPORTERS[1:]:
            await vote(oracle, decided, reporter, DRAWN)
        await chain.move_to(await chain.now() + 3600)
        await oracle.do(KEEPER, "finalize", market.address, 1)
        await told.until(status="FINALIZED", winningNumber=64)
        assert told.round["voting"]["proposal"]["winningNumber"] == 64
        assert draws(told) == [None, DRAWN.plain(), DRAWN.plain()]
        await chain.move_to(DRAW + 5 * DAY)
        await until(lambda: told.data == {"rounds": []})
        assert told.oracles.of(market.address, 1) is None


async def test_a_round_that_one_account_decides_has_no_committee(
    chain: Chain, rpc: Rpc, deployed: Deployed
) -> None:
    market = ContractMarket(rpc, deployed.address, deployed.game, deployed.block)
    async with telling(market, MemoryStore()) as told:
        await chain.move_to(DRAW)
        await told.until(oracle=KEEPER, voting=None)


async def test_an_account_is_seldom_asked_whether_it_is_a_committee(
    chain: Chain, rpc: Rpc, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, own = 0, ContractOracle.call

    async def call(self: ContractOracle, function: str, *args: Any, **at: Any) -> Any:
        nonlocal asked
        asked += 1
        return await own(self, function, *args, **at)

    monkeypatch.setattr(ContractOracle, "call", call)
    market = ContractMarket(rpc, deployed.address, deployed.game, deployed.block)
    async with telling(market, MemoryStore()) as told:
        await chain.move_to(DRAW)
        await told.until(oracle=KEEPER, voting=None)
        await asyncio.sleep(0.2)
        assert asked == 4  # in many looks
        await deployed.do(KEEPER, "finalizeRound", 1, 14)
        await told.until(status="FINALIZED", voting=None)
        await asyncio.sleep(0.2)
        assert asked == 4


async def test_an_oracle_that_tells_nonsense_ends_nothing(
    chain: Chain, market: ContractMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any contract may be named as one."""
    own = ContractOracle.call
    nonsense: Any = 2**200

    async def call(self: ContractOracle, function: str, *args: Any, **at: Any) -> Any:
        return nonsense if function == "disputeWindow" else await own(self, function, *args, **at)

    monkeypatch.setattr(ContractOracle, "call", call)
    async with telling(market, MemoryStore()) as told:
        await chain.move_to(DRAW)
        await told.until(status="LOCKED", voting=None)
    nonsense = "no number"
    with capture_logs() as logs:
        async with telling(market, MemoryStore()) as told:
            await until(lambda: bool(told.data))
            await asyncio.sleep(0.2)
            assert told.data == {"rounds": []}
            nonsense = 3600
            await told.until(status="LOCKED")
            assert told.round["voting"]["disputeWindow"] == 3600
    wrong = [line["event"] for line in logs if line["log_level"] == "error"]
    assert wrong == ["cannot tell of a round's oracle"]  # once


async def test_what_cannot_be_read_stays_and_after_the_end_nothing_is_asked(
    chain: Chain,
    market: ContractMarket,
    decided: Deployed,
    oracle: DeployedOracle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, failing, own = 0, False, ContractOracle.standing

    async def standing(self: ContractOracle, *args: Any) -> Standing:
        nonlocal asked
        asked += 1
        if failing:
            raise ChainError("not now")
        return await own(self, *args)

    monkeypatch.setattr(ContractOracle, "standing", standing)
    async with telling(market, MemoryStore()) as told:
        await chain.move_to(DRAW)
        await until(lambda: bool(told.round))
        failing = True
        for reporter in REPORTERS[1:]:
            await vote(oracle, decided, reporter, DRAWN)
        await chain.move_to(await chain.now() + 3600)
        await oracle.do(KEEPER, "finalize", market.address, 1)
        await told.until(status="FINALIZED")
        assert draws(told) == [None, None, None]
        failing = False
        await until(lambda: draws(told) == [None, DRAWN.plain(), DRAWN.plain()])
        await asyncio.sleep(0.1)
        before = asked
        await asyncio.sleep(0.3)
        assert asked == before
    async with telling(market, MemoryStore()) as anew:  # of one that starts afterwards
        await anew.until(**told.round)


async def test_a_look_that_the_chain_begins_anew_in_is_seen_to_its_end(
    chain: Chain, market: ContractMarket, decided: Deployed
) -> None:
    await decided.do(KEEPER, "createRound", DRAW + 3 * DAY)
    await chain.move_to(DRAW + 3 * DAY)
    async with following(market.rpc, [market]) as follower:
        await caught_up(follower, chain)

    class Anew(MemoryStore):
        async def get(self, key: str) -> bytes | None:
            follower.head = None
            return await super().get(key)

    told: list[dict[str, Any]] = []
    with capture_logs() as logs:
        looking = asyncio.create_task(Oracles([market], follower, Anew(), told.append).run(3600))
        await until(lambda: bool(told))
        looking.cancel()
    assert [r["roundId"] for r in told[0]["rounds"]] == [1, 2]
    assert not logs


async def test_a_round_of_long_ago_is_read_when_somebody_asks(
    chain: Chain,
    market: ContractMarket,
    decided: Deployed,
    oracle: DeployedOracle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with following(market.rpc, [market]) as follower:
        oracles = Oracles([market], follower, MemoryStore(), lambda _: None)
        at = market.address, 1
        assert await oracles.read(*at) is None  # nothing was read yet
        await caught_up(follower, chain)
        assert await oracles.read(*at) is None  # it is not drawn yet
        assert await oracles.read(market.address, 2) is None
        await chain.move_to(DRAW)
        for reporter in REPORTERS[1:]:
            await vote(oracle, decided, reporter, DRAWN)
        await chain.move_to(await chain.now() + 3600)
        await oracle.do(KEEPER, "finalize", market.address, 1)
        await chain.move_to(DRAW + 30 * DAY)
        await caught_up(follower, chain)
        told = await oracles.read(*at)
        assert told is not None
        assert (told["status"], told["winningNumber"]) == ("FINALIZED", 64)
        assert [v["draw"] for v in told["voting"]["votes"]] == [None, *[DRAWN.plain()] * 2]

        async def fail(*_: Any, **__: Any) -> Any:
            raise fault

        monkeypatch.setattr(ContractOracle, "call", fail)
        fault: Exception = ChainError("not now")
        with pytest.raises(ChainError, match="not now"):
            await oracles.read(*at)
        fault = ValueError("nonsense")
        with capture_logs() as logs:
            assert await oracles.read(*at) is None
            assert await oracles.read(*at) is None
        assert [line["event"] for line in logs] == ["cannot tell of a round's oracle"]
        fault = Reverted("", {})
        told = await oracles.read(*at)
        assert told is not None
        assert told["voting"] is None


async def test_what_is_read_while_the_redis_is_gone_is_at_hand(
    chain: Chain,
    market: ContractMarket,
    decided: Deployed,
    oracle: DeployedOracle,
    redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For this process, and a while: what the sources said is not in it."""
    await chain.move_to(DRAW)
    for word, reporter in enumerate(REPORTERS[1:]):
        await vote(oracle, decided, reporter, DRAWN, word)
    await chain.move_to(await chain.now() + 3600)
    await oracle.do(KEEPER, "finalize", market.address, 1)
    await chain.rpc("anvil_mine", hex(150))
    async with connect(redis.url) as client, following(market.rpc, [market]) as follower:
        await caught_up(follower, chain)
        assert isinstance(follower.audience, Hub)
        view, board = follower.views[market.address], follower.audience.board
        store = RedisStore(client)
        oracles = Oracles([market], follower, store, lambda _: None)
        one, other = (Decisions(oracles, store, chain.chain_id) for _ in range(2))
        await redis.kill()
        told = await one.of(view, view.rounds[1], board)
        assert told is not None
        assert (told["stale"], told["evidenceHash"]) == (True, hash_of(0))

        async def fail(*_: Any, **__: Any) -> Any:
            raise ChainError("not now")

        monkeypatch.setattr(ContractOracle, "call", fail)
        await redis.start()
        assert await one.of(view, view.rounds[1], board) == told
        with pytest.raises(Problem):
            await other.of(view, view.rounds[1], board)
