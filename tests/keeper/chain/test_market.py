"""The contract wrapper: views, refusals decoded, events, and the faults of an endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from eth_abi.abi import encode

from keeper.chain import abi
from keeper.chain.contracts import ContractMarket, events
from keeper.chain.rpc import Rpc
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from keeper.domain.lines import Book, Prediction, fee_of, matched, opposite
from keeper.errors import ChainError, Reverted, RpcDown, RpcRefused, WrongContract
from keeper.ports import RoundStatus
from keeper.projection import OPERATOR_ROLE, MarketView
from tests.keeper.chain.conftest import DRAW, START
from tests.keeper.chainfixtures import (
    BETTORS,
    BURNS,
    FEES,
    KEEPER,
    REFUSES,
    Chain,
    Deployed,
    E,
    code_of,
)

ANN, BOB, CY = BETTORS[:3]


def test_the_abi_in_the_package_is_the_compiled_one() -> None:
    assert abi.market_abi() == code_of()["abi"]
    assert abi.oracle_abi() == code_of("ResultOracle")["abi"]


async def test_views(rpc: Rpc, market: ContractMarket, deployed: Deployed) -> None:
    await market.check()
    await deployed.bet(ANN, 1, 0, 3 * E)
    await deployed.bet(BOB, 1, 1, E)
    assert await market.round_count() == 1
    assert await market.call("roundOf", DRAW) == 1
    assert await market.call("roundOf", DRAW + 1) == 0
    info = await market.round_info(1)
    assert (info.draw_time, info.lock_time) == (DRAW, DRAW - 900)
    assert (info.status, info.oracle) == (RoundStatus.OPEN, KEEPER)
    assert (info.total_staked, info.total_matched) == (4 * E, E)
    assert (info.fee_bps, info.finalized_at, info.winning_number) == (200, 0, 0)
    assert await market.claimable(1, ANN) == (0, 0)
    await deployed.chain.move_to(DRAW - 900)
    assert (await market.round_info(1)).status is RoundStatus.LOCKED
    assert await market.claimable(1, ANN) == (0, 2 * E)
    assert (await rpc.head()).timestamp == DRAW - 900


async def test_a_refusal_is_decoded(market: ContractMarket) -> None:
    with pytest.raises(Reverted) as told:
        await market.round_info(7)
    assert (told.value.name, told.value.args_) == ("UnknownRound", {"roundId": 7})
    assert str(told.value) == "the contract refuses: UnknownRound(roundId=7)"


@pytest.mark.parametrize(
    ("data", "name", "values"),
    [
        (b"", "", {}),
        (b"\x08\xc3\x79\xa0" + encode(["string"], ["no"]), "Error", {"message": "no"}),
        (b"\x4e\x48\x7b\x71" + encode(["uint256"], [17]), "Panic", {"code": 17}),
        (b"\x4e\x48\x7b\x71" + b"\x01", "", {"data": "0x4e487b7101"}),
        (b"\xde\xad\xbe\xef", "", {"data": "0xdeadbeef"}),
    ],
)
def test_other_refusals(data: bytes, name: str, values: dict[str, object]) -> None:
    told = abi.revert(data)
    assert (told.name, told.args_) == (name, values)


async def test_another_contract_is_refused(rpc: Rpc, deployed: Deployed) -> None:
    other_game = ContractMarket(rpc, deployed.address, MEGA_MILLIONS, deployed.block)
    with pytest.raises(WrongContract, match="powerball"):
        await other_game.check()
    with pytest.raises(WrongContract):
        await ContractMarket(rpc, ANN, POWERBALL, 0).check()
    receiver = await deployed.chain.deploy_code(REFUSES)
    with pytest.raises(WrongContract):
        await ContractMarket(rpc, receiver, POWERBALL, 0).check()


async def test_events_rebuild_the_market(
    rpc: Rpc, market: ContractMarket, deployed: Deployed
) -> None:
    await deployed.bet(ANN, 1, 0, 3 * E)
    await deployed.bet(BOB, 1, 1, E)
    await deployed.chain.move_to(DRAW - 900)
    await deployed.do(CY, "lockRound", 1)
    await deployed.do(CY, "settle", 1, [ANN])
    await deployed.chain.move_to(DRAW)
    await deployed.do(KEEPER, "finalizeRound", 1, 64)
    await deployed.do(CY, "settle", 1, [ANN, BOB])
    await deployed.do(CY, "withdrawFees", [1])
    found = await events(rpc, [market.address], market.deployed_block, (await rpc.head()).number)
    assert [e.name for e in found if "roundId" in e.args] == [
        "RoundCreated",
        "BetPlaced",
        "BetPlaced",
        "BetMatched",
        "RoundLocked",
        "RefundIssued",
        "RoundFinalized",
        "WinningsClaimed",
        "FeesWithdrawn",
    ]
    placed = next(e for e in found if e.name == "BetPlaced")
    assert placed.args == {"roundId": 1, "user": ANN, "prediction": 0, "amount": 3 * E}
    block = await deployed.chain.rpc("eth_getBlockByNumber", hex(placed.block_number), False)
    assert placed.block_hash == block["hash"]
    assert placed.timestamp == int(block["timestamp"], 16) >= START
    assert placed.tx_hash == block["transactions"][0]
    assert placed.market == deployed.address

    view = MarketView(market.address, market.game)
    for event in found:
        view.apply(event)
    r = view.rounds[1]
    assert r.paid_out
    assert r.winning_number == 64
    assert r.book.fees() == await deployed.chain.balance(FEES) - 10_000 * E == E // 50
    assert (OPERATOR_ROLE, KEEPER) in view.roles
    # Positions are those of the chain, so that nothing is taken twice.
    assert not any(view.apply(event) for event in found)


async def test_the_book_follows_matched_bets_cancellations_and_batch_claims(
    rpc: Rpc, market: ContractMarket, deployed: Deployed
) -> None:
    """After each of them it holds what the contract says, quotes included."""

    async def book() -> Book:
        view, head = MarketView(market.address, market.game), (await rpc.head()).number
        for event in await events(rpc, [market.address], market.deployed_block, head):
            view.apply(event)
        return view.rounds[1].book

    async def agrees() -> Book:
        told = await book()
        for p in Prediction:
            pool = await deployed.read("getPredictionPool", 1, int(p))
            assert pool == (told.line_total(p), told.matched_total(p), told.bet_count(p))
            if told.status is RoundStatus.OPEN:
                offset, other = told.line_total(p), told.line_total(opposite(p))
                at_once = matched(offset, E, offset + E, other)
                fee = fee_of(offset, at_once, told.fee_bps)
                quoted = at_once, E + at_once - fee, fee
                assert await deployed.read("quote", 1, int(p), E) == quoted
        for user in (ANN, BOB, CY):
            bets = await deployed.read("getUserBets", 1, user)
            assert [(b[0], b[1], b[2], b[3]) for b in bets] == [
                (b.prediction, b.amount, b.offset, told.matched_of(b)) for b in told.bets_of(user)
            ]
            assert (await deployed.read("getUserBet", 1, user))[3] == told.settled(user)
        return told

    await deployed.bet(ANN, 1, 0, 3 * E)
    await deployed.do(BOB, "placeMatchedBet", 1, 1, 1, value=2 * E)
    await deployed.bet(CY, 1, 0, E)
    await deployed.bet(CY, 1, 2, E)
    await agrees()
    await deployed.do(CY, "cancelUnmatched", 1, 0)
    await agrees()
    await deployed.do(ANN, "cancelUnmatched", 1, 0)
    await deployed.do(CY, "cancelUnmatched", 1, 1)
    told = await agrees()
    assert (told.staked, told.settled(CY)) == (4 * E, True)
    await deployed.bet(CY, 1, 0, E)
    await deployed.do(BOB, "placeMatchedBet", 1, 1, 0, value=5 * E)
    told = await agrees()
    assert told.bets_of(BOB)[1].amount == E
    await deployed.chain.move_to(DRAW)
    await deployed.do(KEEPER, "finalizeRound", 1, 64)
    await deployed.do(ANN, "claimWinningsBatch", [1, 1], ANN)
    told = await agrees()
    assert (told.settled(ANN), told.paid) == (True, 4 * E - 2 * E // 50)


async def test_a_recipient_that_refuses_is_seen_before(
    market: ContractMarket, deployed: Deployed
) -> None:
    refuses = await deployed.chain.deploy_code(REFUSES)
    burns = await deployed.chain.deploy_code(BURNS)
    await deployed.bet(ANN, 1, 0, E)
    assert await market.accepts(BOB, E)
    assert not await market.accepts(refuses, E)
    assert not await market.accepts(burns, E)
    assert not await market.accepts(BOB, 2 * E)  # more than there is


# ---- endpoints that fail

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "s3cr3t-key"


@pytest.fixture
async def endpoint() -> AsyncIterator[Callable[[Answer], Awaitable[Rpc]]]:
    """Starts an endpoint that answers as told, behind a URL with secrets in it."""
    runners: list[web.AppRunner] = []
    opened: list[Rpc] = []

    async def start(answer: Answer) -> Rpc:
        looked = False

        async def sound_at_first(request: web.Request) -> web.StreamResponse:
            """A node is looked at before it is used."""
            nonlocal looked
            method, result = (await request.json())["method"], {"timestamp": "0x1"}
            if method == "eth_chainId":
                return web.json_response({"jsonrpc": "2.0", "id": 0, "result": "0x1"})
            if not looked and method == "eth_getBlockByNumber":
                looked = True
                return web.json_response({"jsonrpc": "2.0", "id": 0, "result": result})
            return await answer(request)

        app = web.Application()
        app.router.add_post("/{path:.*}", sound_at_first)
        runner = web.AppRunner(app, shutdown_timeout=0)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        url = f"http://user:{SECRET}@127.0.0.1:{port}/v2/{SECRET}?k={SECRET}"
        rpc = Rpc([url], 1, timeout=0.5 if answer is slow else 60)
        opened.append(rpc)
        return rpc

    yield start
    for rpc in opened:
        await rpc.close()
    for runner in runners:
        await runner.cleanup()


def text(body: str, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status)

    return answer


def error(message: str) -> Answer:
    body = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": message}}
    return text(json.dumps(body), 400)


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(1.5)
    return web.Response()


async def elsewhere(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://127.0.0.1:1/")


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"{" + b" " * (1 << 20))
    return response


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (text("<html>", 200), RpcDown, "makes no sense"),
        (text("no", 401), RpcDown, "HTTP 401"),
        (text("[]"), RpcDown, "makes no sense"),
        (text('{"jsonrpc":"2.0","id":0,"result":{"number":"0x1"}}'), RpcDown, "makes no sense"),
        (text('{"jsonrpc":"2.0","id":0,"result":null}'), RpcDown, "does not have the block"),
        (error(f"bad key {SECRET}\nx\x1b[31m" + "y" * 999), RpcRefused, "bad key *** x[31my"),
        (slow, RpcDown, "does not answer (TimeoutError)"),
        (elsewhere, RpcDown, "HTTP 302"),
        (endless, RpcDown, "makes no sense"),
    ],
)
async def test_faults_of_an_endpoint_become_one_line_without_secrets(
    endpoint: Callable[[Answer], Awaitable[Rpc]], answer: Answer, kind: type, says: str
) -> None:
    rpc = await endpoint(answer)
    with pytest.raises(kind) as told:
        await rpc.head()
    assert says in str(told.value)
    assert SECRET not in str(told.value)
    assert len(str(told.value)) < 300
    assert "\n" not in str(told.value)


async def test_nobody_listens() -> None:
    rpc = Rpc(["http://127.0.0.1:1"], 1)
    with pytest.raises(RpcDown, match=r"^http://127\.0\.0\.1:1 does not answer"):
        await rpc.head()
    await rpc.close()


async def test_a_request_that_is_cancelled_while_it_waits_for_its_turn_was_never_begun(
    endpoint: Callable[[Answer], Awaitable[Rpc]],
) -> None:
    """Python would warn of what was begun and not awaited, and a warning fails a test."""
    busy, asked = asyncio.Event(), 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await busy.wait()
        told = {"jsonrpc": "2.0", "id": (await request.json())["id"], "result": "0x1"}
        return web.json_response(told)

    rpc = await endpoint(answer)
    *asking, waiting = (asyncio.create_task(rpc.balance(ANN)) for _ in range(9))
    while asked < 8:
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    busy.set()
    await asyncio.gather(*asking)
    assert asked == 8


async def test_another_chain_is_refused(chain: Chain) -> None:
    rpc = Rpc([chain.url], 137)
    with pytest.raises(RpcDown, match="serves chain 31337, not 137"):
        await rpc.head()
    await rpc.close()


async def test_logs_that_were_not_asked_for_are_refused(
    endpoint: Callable[[Answer], Awaitable[Rpc]], rpc: Rpc, deployed: Deployed
) -> None:
    """An endpoint that mixes another contract's logs in, or logs of other blocks."""
    real = await deployed.chain.rpc("eth_getLogs", {"fromBlock": "0x0"})

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["method"] == "eth_getLogs":
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": real})
        params = asked["params"]
        result = await deployed.chain.rpc(asked["method"], *params)
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    other = await endpoint(answer)
    assert await events(other, [deployed.address], 0, 100) == await events(
        rpc, [deployed.address], 0, await deployed.chain.number()
    )
    with pytest.raises(RpcDown, match="not asked for"):
        await events(other, [deployed.address], deployed.block + 1, 100)
    with pytest.raises(RpcDown, match="not asked for"):
        await events(other, [ANN], 0, 100)


def test_an_event_of_another_kind_is_refused() -> None:
    with pytest.raises(ChainError, match="no event of the contracts"):
        abi.event([b"\1" * 32], b"")
    with pytest.raises(ChainError, match="no event of the contracts"):
        abi.event([], b"")
