"""Who reported what with which evidence, from an oracle's logs; whatever stands at its address."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from eth_abi.abi import encode

from keeper.chain.contracts import ContractMarket, ContractOracle
from keeper.chain.rpc import Rpc
from keeper.domain.calendar import draw_time
from keeper.domain.draw import POWERBALL, Draw
from keeper.errors import ChainError, RpcDown, RpcRefused, WrongContract
from keeper.ports import Report
from tests.keeper.chain.committee import DRAWN, LIE, hash_of, vote
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.following import seen_through
from tests.keeper.chain.proxy import proxied
from tests.keeper.chainfixtures import ADMIN, KEEPER, REPORTERS, Chain, Deployed, DeployedOracle

ONE, TWO, THREE = REPORTERS
# A contract that emits what it is called with: four topics, and the data after them.
EMITS = "0x" + "6060356040356020355f35608036038060805f375fa400"
KINDS = ["uint256", "(uint32,uint8[5],uint8)", "uint8", "bytes32"]


@pytest.fixture
def market(rpc: Rpc, decided: Deployed) -> ContractMarket:
    return ContractMarket(rpc, decided.address, decided.game, decided.block)


@pytest.fixture
def seen(market: ContractMarket, oracle: DeployedOracle) -> ContractOracle:
    """The committee, as the keeper sees it."""
    return ContractOracle(market, oracle.address)


async def everything(chain: Chain, seen: ContractOracle, round_id: int = 1) -> list[Any]:
    """(reporter, ballot, draw, evidence) of all reports."""
    told = await seen.reports(round_id, 0, await chain.number())
    return [(r.reporter, r.ballot, r.draw, r.evidence) for r in told]


async def emit(chain: Chain, oracle: DeployedOracle, *topics: str, data: bytes) -> None:
    """What is no report, from the oracle's own address."""
    own = await chain.rpc("eth_getCode", oracle.address, "latest")
    await chain.rpc("anvil_setCode", oracle.address, EMITS)
    words = "".join(topic.removeprefix("0x").rjust(64, "0") for topic in topics)
    await chain.send(ADMIN, oracle.address, f"0x{words}{data.hex()}")
    await chain.rpc("anvil_setCode", oracle.address, own)


async def test_every_vote_is_told_in_order_with_its_ballot_and_evidence(
    chain: Chain, decided: Deployed, oracle: DeployedOracle, seen: ContractOracle
) -> None:
    await decided.do(KEEPER, "createRound", draw_time(POWERBALL, dt.date(2026, 8, 22)))
    await chain.move_to(DRAW)
    await vote(oracle, decided, ONE, LIE, 1)
    await vote(oracle, decided, TWO, LIE, 2)
    await oracle.do(ADMIN, "veto", decided.address, 1)
    shuffled = Draw(DRAWN.date, (64, 10, 58, 21, 61), DRAWN.special)
    await vote(oracle, decided, TWO, shuffled, 3)
    await vote(oracle, decided, TWO, DRAWN, 4)
    await vote(oracle, decided, ONE, DRAWN, 5)
    assert await everything(chain, seen) == [
        (ONE, 1, LIE, hash_of(1)),
        (TWO, 1, LIE, hash_of(2)),
        (TWO, 2, DRAWN, hash_of(3)),
        (TWO, 2, DRAWN, hash_of(4)),
        (ONE, 2, DRAWN, hash_of(5)),
    ]
    assert await everything(chain, seen, 2) == []
    mine = await seen.reports(1, 0, await chain.number(), ONE)
    assert [(r.reporter, r.evidence) for r in mine] == [(ONE, hash_of(1)), (ONE, hash_of(5))]
    last = await chain.number()
    (only,) = await seen.reports(1, last, last)
    assert only == Report(last, ONE, 2, DRAWN, hash_of(5))


async def test_what_no_committee_emits_is_passed_over(
    chain: Chain, decided: Deployed, oracle: DeployedOracle, seen: ContractOracle
) -> None:
    await chain.move_to(DRAW)
    await vote(oracle, decided, ONE, DRAWN, 1)
    (log,) = await oracle.logs("ResultReported")
    signature, *others = log["topics"]
    good = (1, (20_000, (1, 2, 3, 4, 5), 6), 7, b"\1" * 32)
    wrong = [
        b"",
        b"\1" * 31,
        encode(KINDS, good)[:-32],
        b"\xff" * 320,
        encode(KINDS, (1, (2**32 - 1, (1, 2, 3, 4, 5), 6), 7, b"\1" * 32)),  # a date that is none
    ]
    for data in wrong:
        await emit(chain, oracle, signature, *others, data=data)
    await emit(chain, oracle, signature, *others[:2], "ff" * 32, data=encode(KINDS, good))
    await emit(chain, oracle, others[2], *others[:2], signature, data=encode(KINDS, good))
    assert len(await oracle.logs("ResultReported")) == 7
    whole = 2**256 - 1, (20_000, (255,) * 5, 255), 255, b"\xff" * 32
    await emit(chain, oracle, signature, *others, data=encode(KINDS, whole))
    found = await everything(chain, seen)
    assert found[0] == (ONE, 1, DRAWN, hash_of(1))
    assert [ballot for _, ballot, _, _ in found[1:]] == [2**256 - 1]


async def test_endless_logs_are_the_oracles_fault_and_not_the_nodes(
    chain: Chain, decided: Deployed, oracle: DeployedOracle, seen: ContractOracle, rpc: Rpc
) -> None:
    await chain.move_to(DRAW)
    await vote(oracle, decided, ONE, DRAWN, 1)
    last = await chain.number()
    (log,) = await oracle.logs("ResultReported")
    for _ in range(3):
        await emit(chain, oracle, *log["topics"], data=b"\1" * 200_000)
    with pytest.raises(WrongContract, match="too many votes"):
        await everything(chain, seen)
    assert [node.fault for node in rpc._nodes] == [""]
    assert len(await seen.reports(1, 0, last)) == 1
    assert await rpc.head()


@pytest.mark.parametrize(
    "changed",
    [
        {"address": ADMIN},
        {"topics": ["0x" + "00" * 32]},
        {"topics": None},
        {"blockNumber": "0x0"},
        {"blockNumber": "x"},
        {"logIndex": None},
        {"data": "x"},
    ],
)
async def test_a_node_that_answers_another_question_is_at_fault(
    chain: Chain, decided: Deployed, oracle: DeployedOracle, changed: dict[str, Any]
) -> None:
    await chain.move_to(DRAW)
    await vote(oracle, decided, ONE, DRAWN, 1)
    last = await chain.number()

    def lie(_: list[Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log | changed for log in logs]

    async with proxied(chain.url) as node, seen_through(decided, node.url) as (_, market):
        seen = ContractOracle(market, oracle.address)
        assert len(await seen.reports(1, last, last)) == 1
        node.lies["eth_getLogs"] = lie
        with pytest.raises(RpcDown):
            await seen.reports(1, last, last)
        del node.lies["eth_getLogs"]
        assert len(await seen.reports(1, last, last)) == 1


@pytest.mark.parametrize("answer", [None, 5, "logs", [5]])
async def test_a_node_whose_logs_are_none_is_at_fault(
    chain: Chain, decided: Deployed, oracle: DeployedOracle, answer: Any
) -> None:
    async with proxied(chain.url) as node, seen_through(decided, node.url) as (_, market):
        seen = ContractOracle(market, oracle.address)
        node.lies["eth_getLogs"] = lambda *_: answer
        with pytest.raises(RpcDown):
            await seen.reports(1, 0, 1)


async def test_a_node_that_refuses_or_is_gone_says_so(
    chain: Chain, decided: Deployed, oracle: DeployedOracle
) -> None:
    async with proxied(chain.url) as node, seen_through(decided, node.url) as (rpc, market):
        seen = ContractOracle(market, oracle.address)
        await rpc.head()

        async def fails(kind: type[ChainError]) -> None:
            with pytest.raises(kind):
                await seen.reports(1, 0, 1)

        node.error = "block range is too large"
        await fails(RpcRefused)
        node.error, node.dead = "", True
        await fails(RpcDown)


async def test_more_reporters_than_a_committee_has_are_none(
    seen: ContractOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ContractOracle.call

    async def call(self: ContractOracle, function: str, *args: Any, **at: Any) -> Any:
        told = await own(self, function, *args, **at)
        return told * 6 if function == "reporters" else told

    monkeypatch.setattr(ContractOracle, "call", call)
    with pytest.raises(WrongContract, match="18 reporters"):
        await seen.committee()
