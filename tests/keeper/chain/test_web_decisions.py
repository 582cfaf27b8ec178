"""How rounds of long ago were decided, asked of web instances that saw nothing of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from keeper.domain.calendar import draw_time
from keeper.domain.draw import POWERBALL
from tests.feed.decided import get
from tests.feed.test_rest import problem
from tests.keeper.chain.committee import DRAWN, LIE, hash_of, vote
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import PATIENT, Home, web
from tests.keeper.chain.proxy import Proxy, proxied
from tests.keeper.chain.test_reports import emit
from tests.keeper.chainfixtures import (
    ADMIN,
    KEEPER,
    REPORTERS,
    Chain,
    Deployed,
    DeployedOracle,
)
from tests.keeper.redisfixture import RedisServer

ONE, TWO, THREE = REPORTERS
DECISION, ROUND = "/api/oracle/powerball/1", "/api/round/powerball/1"
FAKE = to_checksum_address("0x" + "fa" * 20)
# What stands there: it answers nothing, refuses, or answers 32 bytes of ones, whatever it is asked.
SILENT, REVERTS, ABSURD = "0x5f5ff3", "0x5f5ffd", "0x5f195f5260205ff3"


@pytest.fixture
def home(home: Home) -> Home:
    """Of keepers that wait long for their Redis."""
    return replace(home, program=PATIENT)


@pytest.fixture
async def node(chain: Chain) -> AsyncIterator[Proxy]:
    """What the instances ask."""
    async with proxied(chain.url) as running:
        yield running


async def decide(chain: Chain, decided: Deployed, oracle: DeployedOracle) -> None:
    """Two lie and are vetoed; then two of three tell the truth. It was five days ago."""
    await chain.move_to(DRAW)
    await vote(oracle, decided, ONE, LIE, 1)
    await vote(oracle, decided, TWO, LIE, 2)
    await oracle.do(ADMIN, "veto", decided.address, 1)
    await vote(oracle, decided, THREE, LIE, 3)
    await vote(oracle, decided, TWO, DRAWN, 4)
    await vote(oracle, decided, THREE, LIE, 5)
    await vote(oracle, decided, ONE, DRAWN, 6)
    await end(chain, decided, oracle)


async def end(chain: Chain, decided: Deployed, oracle: DeployedOracle) -> None:
    await chain.move_to(await chain.now() + 3600)
    await oracle.do(KEEPER, "finalize", decided.address, 1)
    await chain.rpc("anvil_mine", hex(150))
    await chain.move_to(DRAW + 5 * 86_400)


async def test_an_old_decision_comes_from_the_chain_and_once_it_was_read_from_redis(
    home: Home,
    chain: Chain,
    decided: Deployed,
    oracle: DeployedOracle,
    redis: RedisServer,
    node: Proxy,
) -> None:
    await decide(chain, decided, oracle)
    told = {
        "market": decided.address,
        "game": "powerball",
        "roundId": 1,
        "drawTime": DRAW,
        "status": "FINALIZED",
        "winningNumber": 64,
        "oracle": oracle.address,
        "voting": {
            "quorum": 2,
            "disputeWindow": 3600,
            "guardian": ADMIN,
            "ballot": 2,
            "votes": [
                {"reporter": ONE, "draw": DRAWN.plain(), "evidence": hash_of(6)},
                {"reporter": TWO, "draw": DRAWN.plain(), "evidence": hash_of(4)},
                {"reporter": THREE, "draw": LIE.plain(), "evidence": hash_of(5)},
            ],
            "proposal": {
                "winningNumber": 64,
                "finalizableAt": (await oracle.read("proposal", decided.address, 1))[2],
                "evidenceHash": hash_of(4),
            },
        },
        "asked": None,
        "evidenceHash": hash_of(4),
        "stale": False,
    }

    def no_logs(params: list[Any], logs: Any) -> Any:
        """Those of the market alone are to be had."""
        return None if params[0]["address"] == oracle.address else logs

    shared = {"REDIS_URL": redis.url, "RPC_URL": node.url, "LOG_BLOCKS": "100"}
    async with web(home, **shared) as one:
        assert await get(one.session, DECISION) == told
        assert (await get(one.session, ROUND))["evidenceHash"] == hash_of(4)
        queries = [params[0] for method, params in node.seen if method == "eth_getLogs"]
        asked = [query for query in queries if query["address"] == oracle.address]
        assert len(asked) == 1  # up to where the votes are
    node.lies["eth_getLogs"] = no_logs
    async with web(home, **shared) as other:
        assert await get(other.session, DECISION) == told
        assert (await get(other.session, ROUND))["evidenceHash"] == hash_of(4)
        await redis.kill()
        await chain.rpc("evm_mine")
        assert await get(other.session, DECISION) == told  # it has it at hand
    async with web(home, **shared) as third:
        async with third.session.get(DECISION) as response:
            await problem(response, 503)
            assert (await response.json())["code"] == "no_chain"
            assert int(response.headers["Retry-After"]) == 10
        node.lies.clear()
        await chain.rpc("evm_mine")
        assert await get(third.session, DECISION) == told | {
            "stale": True
        }  # the operator is not heard
    async with web(home, **shared) as fourth:
        node.dead = True
        async with fourth.session.get(DECISION) as response:
            await problem(response, 503)
            assert (await response.json())["code"] == "no_chain"
        assert (await get(fourth.session, ROUND))["evidenceHash"] is None
        assert (await get(fourth.session, ROUND))["winningNumber"] == 64
        assert not [line for line in fourth.running.lines if line["level"] == "error"]


async def test_a_node_that_is_behind_does_not_say_how_a_round_was_decided(
    home: Home,
    chain: Chain,
    decided: Deployed,
    oracle: DeployedOracle,
    redis: RedisServer,
    node: Proxy,
) -> None:
    """It is asked while the other turns calls away, and what it had told would be kept."""
    await chain.move_to(DRAW)
    before = await chain.number()
    await decide(chain, decided, oracle)

    def turns_calls_away(method: str, _: list[Any]) -> None:
        node.http = 503 if method == "eth_call" else 0

    async with proxied(chain.url) as behind:
        behind.frozen = before
        urls = f"{node.url},{behind.url}"
        async with web(home, REDIS_URL=redis.url, RPC_URL=urls, LOG_BLOCKS="100") as one:
            node.before = turns_calls_away
            async with one.session.get(DECISION) as response:
                await problem(response, 503)
                assert (await response.json())["code"] == "no_chain"
            assert [method for method, _ in behind.seen].count("eth_call")
            node.before, node.http = None, 0
    async with web(home, REDIS_URL=redis.url, RPC_URL=node.url, LOG_BLOCKS="100") as other:
        told = await get(other.session, DECISION)
        assert (told["voting"]["ballot"], told["evidenceHash"]) == (2, hash_of(4))


@pytest.mark.parametrize("code", [SILENT, REVERTS, ABSURD])
async def test_a_hostile_oracle_is_told_of_as_none_and_others_stay_as_they_are(
    home: Home, chain: Chain, decided: Deployed, oracle: DeployedOracle, code: str
) -> None:
    await decided.do(ADMIN, "setOracle", FAKE)
    later = draw_time(POWERBALL, dt.date(2026, 8, 22))
    await decided.do(KEEPER, "createRound", later)
    await chain.rpc("anvil_setCode", FAKE, code)
    await decide(chain, decided, oracle)
    await chain.move_to(later + 5 * 86_400)
    async with web(home) as instance:
        hostile = await get(instance.session, "/api/oracle/powerball/2")
        assert (hostile["oracle"], hostile["voting"], hostile["evidenceHash"]) == (FAKE, None, None)
        told = await get(instance.session, DECISION)
        assert told["evidenceHash"] == hash_of(4)
        assert (await get(instance.session, "/api/round/powerball/2"))["evidenceHash"] is None
        assert not [line for line in instance.running.lines if line["level"] == "error"]


async def test_a_reporter_that_says_too_much_is_told_of_without_evidence(
    home: Home, chain: Chain, decided: Deployed, oracle: DeployedOracle
) -> None:
    await chain.move_to(DRAW)
    await vote(oracle, decided, ONE, DRAWN, 1)
    await vote(oracle, decided, TWO, DRAWN, 2)
    (log, _) = await oracle.logs("ResultReported")
    for _ in range(3):
        await emit(chain, oracle, *log["topics"], data=b"\1" * 200_000)
    await end(chain, decided, oracle)
    async with web(home) as instance:
        told = await get(instance.session, DECISION)
        votes = [(v["draw"], v["evidence"]) for v in told["voting"]["votes"]]
        assert votes == [(DRAWN.plain(), None), (DRAWN.plain(), hash_of(2)), (None, None)]
        assert (told["evidenceHash"], told["winningNumber"]) == (None, 64)
        assert await instance.status("/readyz") == 200
        wrong = [line for line in instance.running.lines if line["level"] != "info"]
        assert not wrong
