"""Keepers that report to a committee, as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from demo.publishers import REAL_DRAWS, Fault, FaultKind, Publishers
from keeper.chain.contracts import report
from keeper.domain.draw import POWERBALL, Draw
from keeper.projection import OPERATOR_ROLE
from tests.keeper.chain.committee import DATE, DRAWN, LIE, vote
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import Home, Running
from tests.keeper.chainfixtures import (
    ADMIN,
    BETTORS,
    FEES,
    FINALIZED,
    KEEPER,
    REPORTER_KEYS,
    REPORTERS,
    Chain,
    Deployed,
    DeployedOracle,
    E,
)

ANN, BOB, CY = BETTORS[:3]
GUARDIAN_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # ADMIN's
LIES = Fault(FaultKind.LIE, special=LIE.special)


@pytest.fixture
async def liars() -> AsyncIterator[Publishers]:
    """Two of three print the same wrong ball."""
    async with Publishers(REAL_DRAWS) as running:
        for name in ("ny", "california"):
            running.faults[name, POWERBALL.name] = LIES
        yield running


def kept(folder: Path) -> int:
    """How many pieces of evidence."""
    return len(list(folder.rglob("evidence/*/*/*.json")))


async def until_proposed(
    keeper: Running, oracle: DeployedOracle, market: Deployed
) -> tuple[int, int]:
    """(winning number, from when on it can be finalized) of the proposal, once it stands."""

    async def stands() -> bool:
        return bool((await oracle.read("proposal", market.address, 1))[2])

    await keeper.until(stands)
    number, _, finalizable_at = await oracle.read("proposal", market.address, 1)
    return number, finalizable_at


@pytest.mark.parametrize("seconds_a_block", [0, 1])  # 0: each transaction is mined at once
async def test_three_keepers_one_of_them_lied_to_end_the_round_right(
    seconds_a_block: int,
    tmp_path: Path,
    chain: Chain,
    oracle: DeployedOracle,
    publishers: Publishers,
    liars: Publishers,
) -> None:
    """Each with its own key, disk and publishers, racing for all that anybody may do."""
    market = await chain.deploy(POWERBALL, oracle=oracle.address)
    for reporter in REPORTERS:
        await market.do(ADMIN, "grantRole", bytes.fromhex(OPERATOR_ROLE[2:]), reporter)
    homes = [
        Home.make(tmp_path / f"keeper{i}", chain, [market], told, key)
        for i, (key, told) in enumerate(
            zip(REPORTER_KEYS, (publishers, publishers, liars), strict=True)
        )
    ]

    async def has(event: str) -> bool:
        return bool(await market.logs(event))

    if seconds_a_block:  # what several send at a time meets in a block
        await chain.rpc("evm_setAutomine", False)
        await chain.rpc("evm_setIntervalMining", seconds_a_block)
    async with contextlib.AsyncExitStack() as stack:
        keepers = [await stack.enter_async_context(home.keeper("--send")) for home in homes]
        keeper = keepers[0]
        await keeper.until(lambda: has("RoundCreated"))
        await market.bet(ANN, 1, 0, 3 * E)
        await market.bet(BOB, 1, 1, 2 * E)
        await chain.move_to(DRAW - 900)
        await keeper.until(lambda: has("RefundIssued"))
        await chain.move_to(DRAW + 300)
        number, finalizable_at = await until_proposed(keeper, oracle, market)
        assert number == 64
        assert await market.status(1) != FINALIZED
        await chain.move_to(finalizable_at)
        await keeper.until(lambda: has("WinningsClaimed"))
        ends = await asyncio.gather(*(keeper.terminate() for keeper in keepers))
        assert ends == [0, 0, 0]

    assert await market.status(1) == FINALIZED
    assert (await market.read("getRoundInfo", 1))[3] == 64
    for event, times in (
        ("RoundCreated", 2),
        ("RoundLocked", 1),
        ("RoundFinalized", 1),
        ("RefundIssued", 1),
        ("WinningsClaimed", 1),
    ):
        assert len(await market.logs(event)) == times, event
    before = await chain.balance(FEES)
    await market.do(ADMIN, "withdrawFees", [1])
    assert await chain.balance(FEES) - before == 2 * E // 50
    assert await chain.balance(market.address) == 0

    # One vote each, the liar's only when it came before the proposal; each with its own evidence.
    reports = await oracle.reports()
    assert len(reports) == len(dict(reports)) >= 2
    for reporter, home in zip(REPORTERS, homes, strict=True):
        kept = (home.folder / "data" / "evidence" / "powerball" / str(DATE)).glob("*.json")
        digests = {"0x" + file.stem.split("-")[1] for file in kept}
        assert reporter not in dict(reports) or dict(reports)[reporter] in digests
    # Whoever lost a race says so calmly; only who was lied to has something to complain of.
    complaints = [line for k in keepers[:2] for line in k.lines if line["level"] == "error"]
    assert {line["event"] for line in complaints} <= {"a source gives another draw"}
    lost_races = ("WrongStatus", "ProposalStands", "DrawTimeTaken", "RoundDecided")
    put_off = [line["why"] for k in keepers for line in k.logged("put off")]
    assert not [why for why in put_off if any(name in why for name in lost_races)]
    assert not [raw for k in keepers for raw in k.raw if "Traceback" in raw]


async def test_a_vote_changes_until_a_proposal_stands_and_again_after_a_veto(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, liars: Publishers
) -> None:
    me, other, third = REPORTERS
    home = Home.make(tmp_path, chain, [decided], liars, REPORTER_KEYS[0])

    async def says(draw: Draw) -> bool:
        voted, told = await oracle.read("voteOf", decided.address, 1, me)
        return bool(voted) and told[1:] == (draw.whites, draw.special)

    await chain.move_to(DRAW + 300)
    async with home.keeper("--send") as keeper:
        await keeper.until(lambda: says(LIE))
        await keeper.until_logged("the vote stands")  # it looks again, and sends nothing
        liars.faults.clear()
        await keeper.until(lambda: says(DRAWN))
        changed = await keeper.until_logged("the vote changes")
        assert (changed["was"], changed["draw"]) == (str(LIE), str(DRAWN))

        # The others see it otherwise: the keeper can only complain, the guardian can act.
        await vote(oracle, decided, other, LIE)
        await vote(oracle, decided, third, LIE)
        other_number = await keeper.until_logged("the committee proposes another number")
        assert (other_number["number"], other_number["level"]) == (14, "error")
        count = len(await oracle.reports())
        await oracle.do(ADMIN, "veto", decided.address, 1)
        await keeper.until(lambda: says(DRAWN))
        await vote(oracle, decided, third, DRAWN)
        number, finalizable_at = await until_proposed(keeper, oracle, decided)
        assert number == 64
        assert len(await oracle.reports()) == count + 2
        await chain.move_to(finalizable_at - 1)
        assert await decided.status(1) != FINALIZED
        await chain.move_to(finalizable_at)
        await keeper.until_logged("done", duty="finalize")
        assert (await decided.read("getRoundInfo", 1))[3] == 64
        assert await keeper.terminate() == 0
    sent = [line["duty"] for line in keeper.logged("done")]
    assert (sent.count("report"), sent.count("finalize")) == (3, 1)


async def test_the_guardians_keeper_vetoes_once_a_ballot_what_sources_no_longer_say(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, liars: Publishers
) -> None:
    """The sources are asked until the window closes; a number that two of them took back falls."""
    me, other, _ = REPORTERS
    home = Home.make(tmp_path, chain, [decided], liars, GUARDIAN_KEY)
    await chain.move_to(DRAW + 300)
    await vote(oracle, decided, me, LIE)
    await vote(oracle, decided, other, LIE)
    async with home.keeper("--send") as keeper:
        await keeper.until_logged("the proposal stands", draw=str(LIE))
        assert not await oracle.logs("ResultVetoed")
        assert kept(tmp_path) == 0  # nothing is said with it
        liars.faults.clear()
        told = await keeper.until_logged("the sources now agree on another number")
        assert (told["draw"], told["proposed"]) == (str(DRAWN), 14)
        await keeper.until_logged("done", duty="watch")
        assert kept(tmp_path) == 1
        await vote(oracle, decided, me, DRAWN)
        await vote(oracle, decided, other, DRAWN)
        number, finalizable_at = await until_proposed(keeper, oracle, decided)
        asked = len(liars.requests)
        await keeper.until(lambda: len(liars.requests) > asked + 3)  # it looks on, and is content
        await chain.move_to(finalizable_at)
        await keeper.until_logged("done", duty="finalize")
        assert await keeper.terminate() == 0
    # It may have asked one of them just before that one changed.
    changed = {line["source"]: line for line in keeper.logged("a source changed its answer")}
    assert changed.keys() == {"ny", "california"}
    assert all(line["level"] == "error" for line in changed.values())
    assert (changed["ny"]["was"], changed["ny"]["now"]) == (str(LIE), str(DRAWN))
    assert number == 64
    assert len(await oracle.logs("ResultVetoed")) == 1
    assert (await decided.read("getRoundInfo", 1))[3] == 64


async def test_who_is_no_guardian_can_only_raise_an_alarm(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, publishers: Publishers
) -> None:
    me, other, third = REPORTERS
    home = Home.make(tmp_path, chain, [decided], publishers, REPORTER_KEYS[0])
    await chain.move_to(DRAW + 300)
    await vote(oracle, decided, other, LIE)
    await vote(oracle, decided, third, LIE)
    async with home.keeper("--send") as keeper:
        told = await keeper.until_logged("the sources now agree on another number")
        assert (told["level"], told["proposed"]) == ("error", 14)
        assert await keeper.terminate() == 0
    assert not await oracle.logs("ResultVetoed")
    assert me not in dict(await oracle.reports())


async def test_killed_at_every_step_it_votes_once_and_finalizes_once(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, publishers: Publishers
) -> None:
    home = Home.make(tmp_path, chain, [decided], publishers, REPORTER_KEYS[0])
    await chain.move_to(DRAW + 300)

    async def reported() -> bool:
        return bool(await oracle.reports())

    async def finalized() -> bool:
        return await decided.status(1) == FINALIZED

    async with home.keeper("--send") as keeper:
        await keeper.until(reported)
        await keeper.kill()
    async with home.keeper("--send") as keeper:
        await keeper.until_logged("the vote stands")
        await keeper.kill()
    await vote(oracle, decided, REPORTERS[1], DRAWN)
    async with home.keeper("--send") as keeper:
        told = await keeper.until_logged("the committee proposes a number")
        await keeper.kill()
    await chain.move_to(told["finalizable_at"])
    async with home.keeper("--send") as keeper:
        await keeper.until(finalized)
        await keeper.kill()
    async with home.keeper("--send") as keeper:
        await keeper.until_logged("the chain is read")
        assert await keeper.terminate() == 0
    assert [reporter for reporter, _ in await oracle.reports()] == REPORTERS[:2]
    assert len(await decided.logs("RoundFinalized")) == 1


async def test_a_vote_that_a_proposal_outruns_is_no_failure(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, publishers: Publishers
) -> None:
    """The others' votes come before it in the same block, so no simulation saw them."""
    home = Home.make(tmp_path, chain, [decided], publishers, REPORTER_KEYS[0])

    async def waiting() -> bool:
        return int((await chain.rpc("txpool_status"))["pending"], 16) == 3

    async with home.keeper("--send") as keeper:
        await chain.move_to(DRAW - 900)
        await keeper.until_logged("done", duty="settle")
        await chain.rpc("evm_setAutomine", False)
        await chain.move_to(DRAW + 300)
        data = oracle.encode("report", *report(decided.address, 1, DRAWN, b"\7" * 32))
        fees = {"maxFeePerGas": hex(400 * 10**9), "maxPriorityFeePerGas": hex(300 * 10**9)}
        for other in REPORTERS[1:]:
            tx = {"from": other, "to": oracle.address, "data": data, "gas": hex(300_000)}
            await chain.rpc("eth_sendTransaction", tx | fees)
        await keeper.until(waiting)
        await chain.rpc("evm_mine")
        lost = await keeper.until_logged("already done", duty="report")
        assert "ProposalStands" in lost["why"]
        assert await keeper.terminate() == 0
    assert [reporter for reporter, _ in await oracle.reports()] == REPORTERS[1:]
    assert not keeper.logged("put off")


async def test_an_oracle_that_cannot_be_asked_holds_up_nothing_else(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, publishers: Publishers
) -> None:
    """Behind a node that refuses calls to it for a while."""
    home, broken = Home.make(tmp_path, chain, [decided], publishers, REPORTER_KEYS[0]), True

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        if broken and oracle.address.lower() in json.dumps(asked).lower():
            error = {"code": -32005, "message": "limit exceeded"}
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        told = await chain.http.post(chain.url, json=asked)
        return web.Response(body=told.content, content_type="application/json")

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await chain.move_to(DRAW + 300)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        keeper = await stack.enter_async_context(home.keeper("--send", RPC_URL=url))
        trouble = await keeper.until_logged("cannot ask the oracle", oracle=oracle.address)
        assert "limit exceeded" in trouble["why"]
        await keeper.until_logged("done", duty="lockRound")
        await keeper.until_logged("done", duty="settle")
        assert publishers.requests == []
        broken = False
        await keeper.until_logged("done", duty="report")
        assert await keeper.terminate() == 0


async def test_a_keeper_that_is_no_reporter_reports_nothing_and_carries_a_proposal_on(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, publishers: Publishers
) -> None:
    home = Home.make(tmp_path, chain, [decided], publishers)
    await chain.move_to(DRAW + 300)
    async with home.keeper("--send") as keeper:
        await keeper.until_logged("done", duty="settle")
        await vote(oracle, decided, REPORTERS[1], DRAWN)
        await vote(oracle, decided, REPORTERS[2], DRAWN)
        _, finalizable_at = await until_proposed(keeper, oracle, decided)
        await chain.move_to(finalizable_at)
        await keeper.until_logged("done", duty="finalize")
        assert await keeper.terminate() == 0
    assert publishers.requests == []
    assert [reporter for reporter, _ in await oracle.reports()] == REPORTERS[1:]


async def test_a_dry_run_shows_what_it_would_vote_and_carry_on(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, publishers: Publishers
) -> None:
    home = Home.make(tmp_path, chain, [decided], publishers, REPORTER_KEYS[0])
    await chain.move_to(DRAW + 300)
    async with home.keeper() as keeper:
        await keeper.until_logged("would send", duty="report", function="report")
        for other in REPORTERS[1:]:
            await vote(oracle, decided, other, DRAWN)
        _, finalizable_at = await until_proposed(keeper, oracle, decided)
        await chain.move_to(finalizable_at)
        await keeper.until_logged("would send", duty="finalize", function="finalize")
        assert await keeper.terminate() == 0
    assert [reporter for reporter, _ in await oracle.reports()] == REPORTERS[1:]
    assert await decided.status(1) != FINALIZED


async def test_a_round_that_another_account_decides_is_left_to_it(
    tmp_path: Path, chain: Chain, publishers: Publishers
) -> None:
    market = await chain.deploy(POWERBALL, oracle=CY)
    await market.do(KEEPER, "createRound", DRAW)
    home = Home.make(tmp_path, chain, [market], publishers)
    await chain.move_to(DRAW + 300)
    async with home.keeper("--send") as keeper:
        await keeper.until_logged("the result is for one account to give", oracle=CY)
        assert await keeper.terminate() == 0
    assert publishers.requests == []
    _, out, _ = await home.command("status")
    assert out.splitlines()[-1] == f"1      {CY}  decides alone"
