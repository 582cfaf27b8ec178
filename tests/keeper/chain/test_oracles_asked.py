"""What is told of results to come: by the sources, through the store."""

from __future__ import annotations

import time

import orjson
import pytest
from structlog.testing import capture_logs

from feed.store import MemoryStore, RedisStore, connect
from keeper.chain.contracts import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.domain.consensus import Drawn
from keeper.oracles import Asked
from keeper.ports import Store
from tests.keeper.chain.committee import DATE, DRAWN, LIE
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.following import Fork
from tests.keeper.chain.telling import AGREED, WAITING, fetched, telling
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import (
    KEEPER,
    Chain,
    Deployed,
)
from tests.keeper.redisfixture import RedisServer


@pytest.fixture
def market(rpc: Rpc, decided: Deployed) -> ContractMarket:
    """The one that the committee decides, as the keeper sees it."""
    return ContractMarket(rpc, decided.address, decided.game, decided.block)


# ---- the sources, through the store


async def test_what_each_source_said_is_told_with_consensus_and_evidence(
    chain: Chain, market: ContractMarket, store: Store
) -> None:
    now = int(time.time())
    await chain.move_to(DRAW)
    async with telling(market, store) as told:
        await Asked(store).note(market, 1, DATE, fetched(*WAITING, at=now - 60))
        await until(lambda: told.round.get("asked") is not None)
        assert told.round["asked"] == {
            "game": "powerball",
            "date": str(DATE),
            "sources": [
                {"source": "ny", "answer": "drawn", "at": now - 60, **DRAWN.plain()},
                {"source": "texas", "answer": "pending", "at": now - 60, "why": "not yet"},
                {
                    "source": "california",
                    "answer": "failed",
                    "at": now - 60,
                    "kind": "timeout",
                    "why": "15 s",
                },
            ],
            "verdict": "pending",
            "askedAt": now - 60,
            "evidenceHash": None,
        }
        assert told.round["stale"] is False
        await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now))
        await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now), b"\7" * 32)
        await until(lambda: told.round["asked"]["evidenceHash"] is not None)
        agreed = told.round["asked"]
        assert (agreed["verdict"], agreed["winningNumber"]) == ("agreed", 64)
        assert agreed["evidenceHash"] == told.round["evidenceHash"] == "0x" + "07" * 32
        # Asked again without evidence of its own: that of the same draw counts on.
        await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now + 1))
        await until(lambda: told.round["asked"]["askedAt"] == now + 1)
        assert told.round["asked"]["evidenceHash"] == "0x" + "07" * 32
        await Asked(store).note(market, 1, DATE, fetched(*WAITING, at=now + 2))
        await until(lambda: told.round["asked"]["askedAt"] == now + 2)
        assert told.round["asked"]["evidenceHash"] is None


async def test_evidence_of_another_number_than_the_result_is_not_the_rounds(
    chain: Chain, deployed: Deployed, rpc: Rpc
) -> None:
    market = ContractMarket(rpc, deployed.address, deployed.game, deployed.block)
    store, now = MemoryStore(), int(time.time())
    await chain.move_to(DRAW)
    await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now), b"\7" * 32)
    async with telling(market, store) as told:
        await told.until(evidenceHash="0x" + "07" * 32, winningNumber=None)
        fork = await Fork(chain).remember()
        await deployed.do(KEEPER, "finalizeRound", 1, 14)
        await told.until(evidenceHash=None, winningNumber=14)
        await fork.back()
        await deployed.do(KEEPER, "finalizeRound", 1, 64)
        await told.until(evidenceHash="0x" + "07" * 32, winningNumber=64)


async def test_what_another_keeper_or_the_same_one_before_kept_counts_on(
    chain: Chain, market: ContractMarket, store: Store
) -> None:
    """As evidence, and only of the same draw."""
    now = int(time.time())
    other = Drawn("ny", LIE), Drawn("texas", LIE)
    for answers, digest, evidence in (
        (AGREED, b"\7" * 32, "0x" + "07" * 32),
        (AGREED, None, "0x" + "07" * 32),
        (other, None, None),
        (other, b"\x08" * 32, "0x" + "08" * 32),
        (AGREED, None, None),
    ):
        now += 1
        await Asked(store).note(market, 1, DATE, fetched(*answers, at=now), digest)
        kept = await store.get(f"lottochain:31337:asked:{market.address}:1")
        said = orjson.loads(kept or b"")
        assert (said["askedAt"], said["evidenceHash"]) == (now, evidence)


@pytest.mark.parametrize("ago", [60, 1300])
async def test_sources_that_nobody_asks_any_more_are_stale(
    chain: Chain, market: ContractMarket, ago: int
) -> None:
    store, now = MemoryStore(), int(time.time())
    async with telling(market, store) as told:
        await chain.move_to(DRAW + ago)
        await told.until(asked=None, stale=ago > 1200)
        await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now - ago))
        await until(lambda: told.round["asked"] is not None)
        await told.until(stale=ago > 1200)


async def test_without_its_redis_what_is_known_stays_and_is_stale_until_it_is_back(
    chain: Chain, market: ContractMarket, redis: RedisServer
) -> None:
    now = int(time.time())
    await chain.move_to(DRAW)
    async with connect(redis.url) as client:
        store = RedisStore(client)
        async with telling(market, store) as told:
            await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now))
            await until(lambda: told.round.get("asked") is not None)
            await redis.kill()
            await told.until(stale=True)
            assert told.round["asked"]["askedAt"] == now
            with capture_logs() as logs:  # of the keeper, which goes on
                await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now))
            assert [line["event"] for line in logs] == ["what the sources say is not shared"]
            await redis.start()  # it has forgotten everything
            await told.until(stale=False)
            assert told.round["asked"]["askedAt"] == now
            await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=now + 1))
            await until(lambda: told.round["asked"]["askedAt"] == now + 1)


# Everybody would be told it.
LONG = pytest.param(b'{"askedAt":1%s}' % (b" " * 2**16), id="long")


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"{}", b'{"askedAt":"x"}', LONG])
async def test_what_no_keeper_wrote_is_passed_over(
    chain: Chain, market: ContractMarket, value: bytes
) -> None:
    store = MemoryStore()
    await store.put(f"lottochain:31337:asked:{market.address}:1", value, 60)
    await chain.move_to(DRAW)
    async with telling(market, store) as told:
        await told.until(asked=None)
        await Asked(store).note(market, 1, DATE, fetched(*AGREED, at=int(time.time())))
        await until(lambda: told.round["asked"] is not None)
