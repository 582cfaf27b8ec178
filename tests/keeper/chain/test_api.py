"""What the API tells of a market on a real chain: the contract takes and refuses the same."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from demo.publishers import Publishers
from feed.api import Api
from feed.history import History
from feed.http import Gate
from feed.hub import Hub
from feed.server import Server
from keeper.chain.contracts import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.domain.lines import Prediction
from keeper.errors import Reverted
from keeper.follow import Follower
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.following import Fork, caught_up, following
from tests.keeper.chain.process import Home
from tests.keeper.chainfixtures import ADMIN, BETTORS, KEEPER, Chain, Deployed, E

ANN, BOB, CAT = BETTORS[:3]
EVEN, ODD = Prediction.EVEN, Prediction.ODD
MOST = 2**96 - 1
GAME = "powerball"
PURSE = "0x" + "ab" * 20


@contextlib.asynccontextmanager
async def asking(
    chain: Chain, rpc: Rpc, market: ContractMarket, history: History
) -> AsyncIterator[tuple[aiohttp.ClientSession, Follower]]:
    """A session with a server that tells of the market, and who follows it."""
    async with following(rpc, [market], archive=history) as follower:
        assert isinstance(follower.audience, Hub)
        encode = {market.address: market.encode}
        api = Api(follower.audience, history, rpc.chain_id, encode)
        server = Server(follower.audience, dict, list, Gate(), api)
        runner = server.runner()
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await caught_up(follower, chain)
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(url) as session:
                yield session, follower
        finally:
            await runner.cleanup()


@pytest.fixture
def history(tmp_path: Path) -> Any:
    """In a file."""
    kept = History(tmp_path / "history.sqlite")
    yield kept
    kept.close()


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def refusal(rpc: Rpc, sender: str, to: str, data: str, value: int) -> tuple[str, Any] | None:
    """The error with which the contract would refuse, and its values."""
    call: Any = {"from": sender, "to": to, "data": data, "value": value, "gasPrice": 0}
    try:
        await rpc.ask(rpc.w3.eth.call(call))
    except Reverted as exc:
        return exc.name, {name: str(value) for name, value in exc.args_.items()}
    return None


async def test_a_bet_is_quoted_and_refused_as_the_contract_does_it(
    chain: Chain, deployed: Deployed, market: ContractMarket, rpc: Rpc, history: History
) -> None:
    seed = int(os.environ.get("LOTTOCHAIN_SEED", random.randrange(10**6)))
    print(f"LOTTOCHAIN_SEED={seed}")
    rng = random.Random(seed)
    for user in (ANN, BOB, CAT):
        await chain.rpc("anvil_setBalance", user, hex(2**255))
    await deployed.do(KEEPER, "createRound", DRAW + 3 * 86_400)  # 2
    await deployed.do(KEEPER, "cancelRound", 2)
    seen: set[str] = set()
    taken = matched = 0
    async with asking(chain, rpc, market, history) as (session, follower):
        for step in range(130):
            match step:  # two thirds at usual limits, then at the widest; some of it paused; closed
                case 40:
                    await deployed.do(ADMIN, "pause")
                case 45:
                    await deployed.do(ADMIN, "unpause")
                    await deployed.do(ADMIN, "setBetLimits", 10**9, MOST)
                case 120:
                    await chain.move_to(DRAW - 900)
            number = rng.choice([1] * 12 + [0, 2, 3])
            side = rng.choice([*range(8), 0, 1, 0, 1, 8, 255] if step > 10 else [0, 1])
            amounts = [10**9, 10**9 - 1, E, 3 * E + 7, 1000 * E, 1000 * E + 1, MOST // 2]
            amount = rng.choice([*amounts, MOST, MOST + 1, rng.randrange(10**9, E)])
            user = rng.choice([ANN] * 5 + [BOB, CAT])
            data = deployed.encode("placeBet", number, side)
            asked = {"market": market.address, "roundId": number, "prediction": side}
            await caught_up(follower, chain)
            body = {**asked, "amount": str(amount), "user": user}
            async with session.post("/api/bet", json=body) as response:
                told = await response.json()
            refused = await refusal(rpc, user, market.address, data, amount)
            if refused:
                assert response.status == 409, (refused, told)
                values = {name: str(value) for name, value in told["args"].items()}
                assert (told["code"], values) == refused
                seen.add(told["code"])
                continue
            assert response.status == 200, (body, told)
            quoted = [int(told[name]) for name in ("matched", "payout", "fee")]
            assert quoted == await market.call("quote", number, side, amount)
            call = told["transaction"]
            assert call["chainId"] == chain.chain_id
            receipt = await chain.send(user, call["to"], call["data"], int(call["value"]))
            words = [int(log["data"][-64:], 16) for log in receipt["logs"]]
            assert words == [amount, quoted[0]][: 1 + bool(quoted[0])]  # BetPlaced, BetMatched
            taken, matched = taken + 1, matched + bool(quoted[0])
    assert taken > 20
    assert matched > 5
    assert seen == {
        "EnforcedPause",
        "UnknownRound",
        "WrongStatus",
        "BettingClosed",
        "InvalidPrediction",
        "BetOutOfLimits",
        "LineFull",
        "TooManyBets",
    }


async def test_what_is_claimed_is_paid_to_the_wei(
    chain: Chain, deployed: Deployed, market: ContractMarket, rpc: Rpc, history: History
) -> None:
    for draw in (DRAW + 3 * 86_400, DRAW + 5 * 86_400):
        await deployed.do(KEEPER, "createRound", draw)
    for number in (1, 2, 3):
        await deployed.bet(ANN, number, EVEN, 5 * E + 1)
        await deployed.bet(BOB, number, ODD, 3 * E)
    await deployed.do(KEEPER, "cancelRound", 3)
    await chain.rpc("evm_setNextBlockTimestamp", DRAW + 3 * 86_400 - 900)
    await deployed.do(KEEPER, "finalizeRound", 1, 0)
    async with asking(chain, rpc, market, history) as (session, follower):
        for body in ({"user": ANN, "to": PURSE}, {"user": ANN}):
            told = await get(session, f"/api/claim/{ANN}")
            for claim in told["claims"]:
                due = await market.claimable(claim["roundId"], ANN)
                assert due == (int(claim["winnings"]), int(claim["refund"]))
            async with session.post("/api/claim", json=body) as response:
                (claimed,) = (await response.json())["claims"]
            before = await chain.balance(PURSE)
            call = claimed["transaction"]
            receipt = await chain.send(ANN, call["to"], call["data"])
            paid = sum(int(log["data"], 16) for log in receipt["logs"])
            assert paid == int(claimed["amount"]) > 0
            got = await chain.balance(PURSE) - before
            assert got == (paid if "to" in body else 0)
            await caught_up(follower, chain)
        async with session.post("/api/claim", json={"user": ANN}) as response:
            told = await response.json()
        data = deployed.encode("claimWinningsBatch", [1, 3], ANN)
        refused = await refusal(rpc, ANN, market.address, data, 0)
        assert (told["code"], {k: str(v) for k, v in told["args"].items()}) == refused


async def test_the_history_holds_what_is_settled_through_a_reorganization(
    chain: Chain, deployed: Deployed, market: ContractMarket, rpc: Rpc, history: History
) -> None:
    await deployed.bet(ANN, 1, EVEN, E)
    await chain.rpc("anvil_mine", hex(100))
    fork = await Fork(chain).remember()
    await deployed.bet(BOB, 1, ODD, E)
    async with asking(chain, rpc, market, history) as (session, follower):

        async def bettors() -> list[str]:
            told = [(u, await get(session, f"/api/bets/{u}")) for u in (ANN, BOB, CAT)]
            return [user for user, bets in told if bets["rounds"]]

        assert await bettors() == [ANN, BOB]
        await fork.back()
        await deployed.bet(CAT, 1, ODD, E)
        await caught_up(follower, chain)
        assert await bettors() == [ANN, CAT]
        assert (await get(session, "/api/stats"))["bettors"] == 2
        await chain.rpc("anvil_mine", hex(100))
        await caught_up(follower, chain)
        assert await bettors() == [ANN, CAT]
        assert (await get(session, "/api/stats"))["bettors"] == 2
        assert not history._recent


@pytest.fixture
async def settled(chain: Chain, deployed: Deployed, tmp_path: Path, publishers: Publishers) -> Home:
    """A keeper's home on a chain where Ann's and Bob's bets can change no more."""
    for user in (ANN, BOB):
        await deployed.bet(user, 1, EVEN, E)
    await chain.rpc("anvil_mine", hex(100))
    return Home.make(tmp_path, chain, [deployed], publishers)


async def test_the_index_is_made_anew_from_the_chain_by_a_command(
    settled: Home, chain: Chain, tmp_path: Path
) -> None:
    home = settled
    file = tmp_path / "data" / "history.sqlite"
    code, out, err = await home.command("reindex", LOG_BLOCKS="30")
    assert (code, out) == (0, f"{file} holds what happened up to block {await chain.number()}\n")
    assert "block 30 of" in err

    def users() -> list[Any]:
        with contextlib.closing(sqlite3.connect(file)) as db:
            return db.execute(
                "SELECT user FROM events WHERE name = 'BetPlaced' ORDER BY position"
            ).fetchall()

    assert users() == [(ANN,), (BOB,)]
    whole = file.read_bytes()
    wrong = whole[:2000] + b"\xff" * 3000 + whole[5000:]
    file.write_bytes(wrong)
    code, _, err = await home.command("reindex", RPC_URL="http://127.0.0.1:9")
    assert (code, file.read_bytes()) == (1, wrong)  # it stands until there is another
    code, _, _ = await home.command("reindex")
    assert (code, users()) == (0, [(ANN,), (BOB,)])
    aside = file.with_name("history.sqlite.damaged")
    assert aside.read_bytes() == wrong
    file.write_text("of somebody else")
    code, _, err = await home.command("reindex")
    assert (code, users()) == (0, [(ANN,), (BOB,)])
    assert aside.read_text() == "of somebody else"
    assert f"now it is {aside}" in err
    assert set(file.parent.iterdir()) == {file, aside}


async def test_a_damaged_index_stops_no_keeper_and_is_put_aside(
    settled: Home, tmp_path: Path
) -> None:
    home = settled
    file = tmp_path / "data" / "history.sqlite"
    aside = file.with_name("history.sqlite.damaged")
    async with home.keeper() as keeper:
        await keeper.until_logged("the chain is read")
        assert await keeper.terminate() == 0
    whole = file.read_bytes()
    later = whole[:60] + b"\0\0\0\3" + whole[64:]  # of a version to come
    for wrong in (b"not of SQLite" * 100, whole[:2000] + b"\xff" * 3000 + whole[5000:], later):
        file.write_bytes(wrong)
        file.with_name("history.sqlite-journal").write_bytes(b"of that one")
        async with home.keeper("--role", "operator") as keeper:  # which has no use for it
            await keeper.until_logged("the chain is read")
        assert file.read_bytes() == wrong
        async with home.keeper() as keeper:
            url = (await keeper.until_logged("serving"))["url"]
            await keeper.until_logged("the chain is read")
            async with aiohttp.ClientSession(url) as session:
                assert (await get(session, "/api/stats"))["bettors"] == 2
            assert await keeper.terminate() == 0
            (told,) = [line["event"] for line in keeper.lines if line["level"] == "error"]
        assert told.startswith(f"the history in {file} cannot be used: ")
        assert told.endswith(
            f"; `reindex` makes it anew; now it is {aside}, and the chain fills a new one"
        )
        assert aside.read_bytes() == wrong
        with contextlib.closing(sqlite3.connect(file)) as db:
            assert db.execute("SELECT count(*) FROM events WHERE user NOT NULL").fetchone() == (2,)


async def test_an_index_that_has_no_place_is_a_wrong_setting(
    deployed: Deployed, chain: Chain, tmp_path: Path, publishers: Publishers
) -> None:
    home = Home.make(tmp_path, chain, [deployed], publishers)
    (tmp_path / "file").touch()
    places = (tmp_path / "file" / "index", tmp_path / "file"), (tmp_path, tmp_path)
    for command, (place, named) in product(("run", "reindex"), places):
        code, _, err = await home.process(command, HISTORY=str(place))
        assert code == 2
        assert err.startswith(
            f"keeper: LOTTOCHAIN_HISTORY, LOTTOCHAIN_DATA_DIR: cannot open {named}: "
        )


async def test_the_keeper_serves_it_all_to_who_may_ask(
    chain: Chain, deployed: Deployed, tmp_path: Path, publishers: Publishers
) -> None:
    await deployed.bet(ANN, 1, EVEN, E)
    await chain.rpc("anvil_mine", hex(100))
    home = Home.make(tmp_path, chain, [deployed], publishers)
    history = tmp_path / "index"
    async with home.keeper(HOSTS="feed.example", HISTORY=str(history)) as keeper:
        url = (await keeper.until_logged("serving"))["url"]
        await keeper.until_logged("the chain is read")
        named = {"Host": "feed.example"}
        async with aiohttp.ClientSession(url, headers=named) as session:
            for path in (f"/api/bets/{ANN}", "/api/rounds", "/api/stats", "/openapi.yaml"):
                async with session.get(path) as response:
                    assert response.status == 200, await response.text()
            bet = {"market": GAME, "roundId": 1, "prediction": 1, "amount": str(E), "user": BOB}
            async with session.post("/api/bet", json=bet) as response:
                told = await response.json()
            assert told["matched"] == str(E)
            assert told["transaction"]["data"] == deployed.encode("placeBet", 1, 1)
            async with session.get("/api/stats", headers={"Host": "evil.example"}) as response:
                assert response.status == 421
        assert await keeper.terminate() == 0
    with contextlib.closing(sqlite3.connect(history)) as db:
        (count,) = db.execute("SELECT count(*) FROM events WHERE user = ?", [ANN]).fetchone()
    assert count == 1
