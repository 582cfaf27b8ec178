"""The keeper as a real process, through whole rounds on a real chain with real publishers."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.publishers import Fault, FaultKind, Published, Publishers
from keeper.domain.calendar import draw_time
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import Home, asking, cut_line
from tests.keeper.chain.waiting import PATIENCE
from tests.keeper.chainfixtures import (
    ADMIN,
    BETTORS,
    BURNS,
    CANCELLED,
    FEES,
    FINALIZED,
    KEEPER,
    REFUSES,
    TRICKS,
    Chain,
    Deployed,
    E,
)

ANN, BOB, CY, DEE = BETTORS[:4]
LOCK = DRAW - 900
HOURS = 3600
EVEN, ODD, HIGH, LOW, EVEN_LOW, ODD_HIGH, EVEN_HIGH, ODD_LOW = range(8)
GAS = E // 100  # more than a few transactions cost


@pytest.fixture
async def empty(chain: Chain) -> Deployed:
    """A market without rounds."""
    return await chain.deploy(POWERBALL)


@pytest.fixture
def home(tmp_path: Path, chain: Chain, empty: Deployed, publishers: Publishers) -> Home:
    return Home.make(tmp_path, chain, [empty], publishers)


async def sent_by_keeper(chain: Chain) -> int:
    return int(await chain.rpc("eth_getTransactionCount", KEEPER, "latest"), 16)


async def has_round(market: Deployed, round_id: int = 1) -> bool:
    return int(await market.read("roundCount")) >= round_id


async def nothing_due(market: Deployed, *users: str) -> bool:
    due = [await market.read("claimable", 1, user) for user in users]
    return all(d == (0, 0) for d in due)


async def only_fees_are_left(market: Deployed) -> None:
    """Conservation: what is still there is the fees, to the wei, and they can be withdrawn."""
    before = await market.chain.balance(FEES)
    left = await market.chain.balance(market.address)
    await market.do(ADMIN, "withdrawFees", [1])
    assert await market.chain.balance(FEES) - before == left
    assert await market.chain.balance(market.address) == 0


async def test_a_whole_round(
    chain: Chain, empty: Deployed, home: Home, publishers: Publishers
) -> None:
    """Created, bet on, locked, refunded, reported although a source lies, paid, to the wei."""
    market = empty
    publishers.faults["texas", "powerball"] = Fault(FaultKind.LIE, special=16)
    async with home.keeper("--send") as keeper:
        served = (await keeper.until_logged("serving"))["url"]
        await keeper.until(lambda: has_round(market))
        there = asyncio.Event()
        watching = asyncio.create_task(watch(served, f"market:{market.address}", there))
        await there.wait()
        before = {user: await chain.balance(user) for user in (BOB, CY)}
        await market.bet(ANN, 1, EVEN, 3 * E)
        await market.bet(ANN, 1, LOW, E)
        await market.bet(BOB, 1, ODD, 2 * E)
        await market.bet(CY, 1, HIGH, E // 2)
        await market.bet(DEE, 1, EVEN_LOW, E)
        await market.bet(BOB, 1, ODD_HIGH, E)

        await chain.move_to(LOCK)
        await keeper.until_logged("done", duty="lockRound")
        await keeper.until(lambda: nothing_due(market, ANN, BOB, CY, DEE))
        assert await market.status(1) == 2
        unmatched = E + E // 2  # of Ann's EVEN and LOW
        assert await chain.balance(market.address) == 8 * E + E // 2 - unmatched
        publishers.requests.clear()

        await chain.move_to(DRAW + 299)
        await keeper.until(lambda: knows_head(served, chain))
        assert publishers.requests == []
        await chain.move_to(DRAW + 300)
        await keeper.until_logged("done", duty="report")
        assert (await market.read("getRoundInfo", 1))[3] == 64
        await keeper.until(lambda: nothing_due(market, ANN, BOB, CY, DEE))
        # Bob's ODD lost, his ODD_HIGH against Dee's EVEN_LOW is a push.
        assert 0 <= before[BOB] - 2 * E - await chain.balance(BOB) < GAS
        won = E // 2 - E // 2 * 200 // 10_000
        assert 0 <= before[CY] + won - await chain.balance(CY) < GAS
        await keeper.until(lambda: has_round(market, 2))  # the next draw's
        await keeper.until(lambda: len(keeper.logged("done", duty="settle")) == 2)
        await keeper.until(lambda: knows_head(served, chain))  # and has told of it
        assert await keeper.terminate() == 0

    seen = await asyncio.wait_for(watching, PATIENCE)
    assert [told["event"] for told in seen if told["type"] == "event"][-8:] == [
        "RoundLocked",
        "RoundCreated",  # the next draw's
        "RefundIssued",  # Ann
        "RoundFinalized",
        *("WinningsClaimed", "RefundIssued", "WinningsClaimed", "RefundIssued"),
    ]
    assert seen[-1]["type"] == "shutdown"
    await only_fees_are_left(market)
    assert keeper.logged("a source gives another draw", source="texas")
    agreed = keeper.logged("sources agree")[0]
    assert agreed["sources"] == ["ny", "california"]
    (file,) = (home.folder / "data" / "evidence" / "powerball" / "2026-08-19").iterdir()
    assert str(file) == agreed["file"]
    code, out, _ = await home.command("evidence", "verify", str(file))
    assert code == 0
    assert agreed["evidence"] in out
    assert "texas says otherwise" in out
    sent = Counter(line["duty"] for line in keeper.logged("done"))
    assert sent == {"createRound": 2, "lockRound": 1, "settle": 2, "report": 1}
    assert await sent_by_keeper(chain) == 6
    assert keeper.process.returncode == 0


async def watch(served: str, channel: str, there: asyncio.Event) -> list[dict[str, Any]]:
    """Everything that a channel tells until the keeper says goodbye; `there`: it listens."""
    told: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{served}/ws") as socket:
        await socket.send_json({"op": "subscribe", "id": 1, "channels": [channel]})
        async for message in socket:
            told.append(message.json())
            if told[-1]["type"] == "snapshot":
                there.set()
    return told


async def knows_head(served: str, chain: Chain) -> bool:
    async with asking() as http:
        health = (await http.get(f"{served}/healthz")).json()
    return bool(health["head"] == await chain.number())


async def test_killed_at_every_step_nothing_happens_twice(
    chain: Chain, empty: Deployed, home: Home
) -> None:
    """SIGKILL as soon as a step shows on the chain, then another keeper on the same chain."""
    market = empty

    async with home.keeper("--send") as keeper:
        await keeper.until(lambda: has_round(market))
        await keeper.kill()
    await market.bet(ANN, 1, EVEN, 3 * E)
    await market.bet(BOB, 1, ODD, E)
    await market.bet(CY, 1, LOW, E)
    await chain.move_to(LOCK)

    async def locked() -> bool:
        return bool(await market.logs("RoundLocked"))

    async with home.keeper("--send") as keeper:
        await keeper.until(locked)
        await keeper.kill()
    await chain.move_to(DRAW + 300)

    async def decided() -> bool:
        return await market.status(1) == FINALIZED

    async with home.keeper("--send") as keeper:
        await keeper.until(decided)
        await keeper.kill()
    async with home.keeper("--send") as keeper:
        await keeper.until(lambda: nothing_due(market, ANN, BOB, CY))
        await keeper.kill()
    count = await sent_by_keeper(chain)
    async with home.keeper("--send") as keeper:
        await keeper.until_logged("the chain is read")
        await keeper.until(lambda: has_round(market, 2))
        assert await keeper.terminate() == 0
    assert await sent_by_keeper(chain) - count <= 1  # the next round, if it was not there yet

    for event, times in (
        ("RoundCreated", 2),
        ("RoundLocked", 1),
        ("RoundFinalized", 1),
        ("WinningsClaimed", 1),
        ("RefundIssued", 2),
    ):
        assert len(await market.logs(event)) == times, event
    await only_fees_are_left(market)


async def test_a_round_without_a_result_is_voided_and_paid_back(
    chain: Chain, empty: Deployed, home: Home, publishers: Publishers
) -> None:
    market = empty
    publishers.faults["ny", "powerball"] = Fault(FaultKind.LIE, special=16)
    publishers.faults["texas", "powerball"] = Fault(FaultKind.LIE, special=15)
    async with home.keeper("--send") as keeper:
        await keeper.until(lambda: has_round(market))
        await market.bet(ANN, 1, EVEN, 3 * E)
        await market.bet(BOB, 1, ODD, E)
        await chain.move_to(DRAW + 300)
        await keeper.until(lambda: len(keeper.logged("sources disagree")) > 3)
        folder = home.folder / "data" / "evidence" / "powerball" / "2026-08-19"
        assert len(list(folder.iterdir())) == 1  # of the disagreement, once
        publishers.faults["california", "powerball"] = Fault(FaultKind.DOWN)
        publishers.faults["texas", "powerball"] = Fault(FaultKind.HTML)
        missing = await keeper.until_logged("no result yet")
        assert missing["missing"].keys() == {"texas", "california"}
        assert await market.status(1) == 2
        await chain.move_to(DRAW + 72 * HOURS + 1)
        await keeper.until_logged("done", duty="voidRound")
        await keeper.until(lambda: nothing_due(market, ANN, BOB))
        assert await keeper.terminate() == 0
    assert await market.status(1) == CANCELLED
    assert await chain.balance(market.address) == 0


async def test_a_dry_run_sends_nothing(chain: Chain, empty: Deployed, home: Home) -> None:
    market = empty
    async with home.keeper() as keeper:
        await keeper.until_logged("would send", function="createRound")
        assert await keeper.terminate() == 0
    assert not await has_round(market)
    await market.do(KEEPER, "createRound", DRAW)
    await market.bet(ANN, 1, EVEN, E)
    await chain.move_to(DRAW + 300)
    count = await sent_by_keeper(chain)
    async with home.keeper() as keeper:
        for function in ("lockRound", "settle", "finalizeRound"):
            await keeper.until_logged("would send", function=function)
        assert await keeper.terminate() == 0
    # Without a key it shows what anybody may do.
    async with home.keeper(KEY_FILE="", LOG_FORMAT="console") as keeper:
        await keeper.until(lambda: any("function=settle" in line for line in keeper.raw))
        assert await keeper.terminate() == 0
    assert not any("function=finalizeRound" in line for line in keeper.raw)
    assert "stopped" in keeper.raw[-1]
    assert await sent_by_keeper(chain) == count


async def test_bettors_that_refuse_stop_nobody_and_are_left_to_claim(
    chain: Chain, empty: Deployed, home: Home
) -> None:
    market = empty
    refusers = [await chain.deploy_code(code) for code in (REFUSES, BURNS, TRICKS)]
    await market.do(KEEPER, "createRound", DRAW)
    for user in refusers:
        await market.bet_through(user, 1, EVEN, E)
    for user in BETTORS[:5]:
        await market.bet(user, 1, EVEN, E)
    await chain.move_to(LOCK)
    async with home.keeper("--send", SETTLE_BATCH="2", RETRY_SECONDS="0.02") as keeper:
        for user in refusers:
            await keeper.until_logged("left to claim", bettor=user)
            assert len(keeper.logged("refuses its payment", bettor=user)) == 5
        await keeper.until(lambda: nothing_due(market, *BETTORS[:5]))
        assert await keeper.terminate() == 0
    assert len(await market.logs("RefundIssued")) == 5
    # Two bettors at a time; six more when only the one that tricks simulations was left.
    assert 3 <= len(keeper.logged("done", duty="settle")) <= 5 + 6
    assert await chain.balance(market.address) == 3 * E


async def test_a_round_has_only_so_much_gas_for_payments(
    chain: Chain, empty: Deployed, home: Home
) -> None:
    market = empty
    await market.do(KEEPER, "createRound", DRAW)
    for user in (ANN, BOB, CY):
        await market.bet(user, 1, EVEN, E)
    await chain.move_to(LOCK)
    limits = {"SETTLE_BATCH": "1", "SETTLE_GAS": "60000"}  # one payment takes less, two more
    async with home.keeper("--send", **limits) as keeper:
        left = await keeper.until_logged("the others are left to claim")
        assert 60_000 <= left["spent"] < 120_000
        await keeper.until(lambda: has_round(market, 2))
        assert await keeper.terminate() == 0
    assert len(keeper.logged("done", duty="settle")) == 2
    assert await chain.balance(market.address) == E


async def test_two_games_at_once(
    tmp_path: Path, chain: Chain, empty: Deployed, publishers: Publishers
) -> None:
    """Each round on its own draw; a publisher that is slow or down in one game."""
    mega = await chain.deploy(MEGA_MILLIONS)
    date = dt.date(2026, 8, 21)
    publishers.draws.append(Published(MEGA_MILLIONS, date, (5, 19, 30, 38, 59), 12))  # n = 51
    publishers.faults["california", "mega-millions"] = Fault(FaultKind.SLOW, seconds=5)
    publishers.faults["ny", "powerball"] = Fault(FaultKind.DOWN)
    home = Home.make(tmp_path, chain, [empty, mega], publishers)
    async with home.keeper("--send", SOURCE_TIMEOUT="1") as keeper:
        await keeper.until(lambda: has_round(empty))
        await keeper.until(lambda: has_round(mega))
        await chain.move_to(draw_time(MEGA_MILLIONS, date) + 300)
        for market, number in ((empty, 64), (mega, 51)):
            game = market.game.name
            await keeper.until_logged("done", duty="report", game=game)
            assert (await market.read("getRoundInfo", 1))[3] == number
        assert await keeper.terminate() == 0


async def test_a_chain_that_goes_away_and_comes_back_changed(
    chain: Chain, empty: Deployed, home: Home
) -> None:
    """A reorganization below what was read: the projection is built anew, and acted upon."""
    market = empty
    snapshot = await chain.rpc("evm_snapshot")
    async with home.keeper("--send") as keeper:
        served = (await keeper.until_logged("serving"))["url"]
        await keeper.until_logged("done", duty="createRound")
        await market.bet(ANN, 1, EVEN, E)
        await keeper.until(lambda: shows_stake(served, market, E))
        await chain.rpc("evm_revert", snapshot)
        await keeper.until_logged("cannot follow the chain")
        for _ in range(3):
            await chain.rpc("evm_mine")
        await keeper.until_logged("the chain was reorganized")
        await keeper.until(lambda: has_round(market))
        await keeper.until(lambda: shows_stake(served, market, 0))
        assert await keeper.terminate() == 0


async def test_clients_resume_at_another_keeper(chain: Chain, empty: Deployed, home: Home) -> None:
    """What was missed is told by a keeper that had not started when it happened."""
    market, channel = empty, f"market:{empty.address}"
    await market.do(KEEPER, "createRound", DRAW)
    await market.bet(ANN, 1, EVEN, E)

    async def hear(since: dict[str, str]) -> list[dict[str, Any]]:
        """What a client of a new keeper is told up to its snapshot."""
        told: list[dict[str, Any]] = []
        async with home.keeper() as keeper, aiohttp.ClientSession() as http:
            served = (await keeper.until_logged("serving"))["url"]
            await keeper.until_logged("the chain is read")
            async with http.ws_connect(f"{served}/ws") as socket:
                wish = {"op": "subscribe", "id": 1, "channels": [channel], "since": since}
                await socket.send_json(wish)
                while not told or told[-1]["type"] != "snapshot":
                    told.append(await socket.receive_json())
            assert await keeper.terminate() == 0
        return told

    *_, snapshot = await hear({})
    assert not snapshot["recovered"]
    await market.bet(BOB, 1, LOW, E)
    *_, missed, snapshot = await hear({channel: snapshot["cursor"]})
    assert (missed["event"], missed["data"]["user"]) == ("BetPlaced", BOB)
    assert snapshot["recovered"]


async def shows_stake(served: str, market: Deployed, stake: int) -> bool:
    async with asking() as http:
        answer = await http.get(f"{served}/api/round/{market.address}/1")
    return answer.status_code == 200 and json.loads(answer.content)["totalStaked"] == str(stake)


async def test_the_node_goes_away_for_a_while(chain: Chain, empty: Deployed, home: Home) -> None:
    """A proxy that is cut: the keeper waits, says so once, and goes on."""
    async with cut_line(chain.url) as line, home.keeper("--send", RPC_URL=line.url) as keeper:
        await keeper.until(lambda: has_round(empty))
        line.cut = True
        trouble = await keeper.until_logged("cannot follow the chain")
        assert "does not answer" in trouble["why"]
        await chain.move_to(LOCK)
        line.cut = False
        await keeper.until_logged("following the chain again")
        await keeper.until_logged("done", duty="lockRound")
        assert await keeper.terminate() == 0
