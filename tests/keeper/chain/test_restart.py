"""A keeper that is started again takes what its history holds, and reads on from there."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.publishers import Publishers
from keeper.chain.events import DEPTH
from keeper.domain.calendar import draw_time
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from tests.feed.world import Socket, connected
from tests.keeper.chain.conftest import DRAW, START
from tests.keeper.chain.following import asked, extent
from tests.keeper.chain.process import PATIENT, Home, Running
from tests.keeper.chain.proxy import Proxy
from tests.keeper.chainfixtures import (
    BETTORS,
    KEEPER,
    Chain,
    Deployed,
    E,
    running_chain,
    write_record,
)

ANN, BOB, CAT, DAN = BETTORS[:4]
TAKEN, ANEW = "the history is taken", "the chain is read from its first event"
SHORTER = "cannot follow the chain"  # the first seconds, for it may be the node
OTHER_CHAIN = "the chain is not the one read before: reading it anew"
READ = "the chain is read"


@pytest.fixture
def home(tmp_path: Path, chain: Chain, busy: Deployed, node: Proxy, publishers: Publishers) -> Home:
    made = Home.make(tmp_path, chain, [busy], publishers)
    made.settings |= {"RPC_URL": node.url, "LOG_BLOCKS": "30", "HEAD_AGE": str(10**9)}
    made.program = PATIENT
    return made


@contextlib.asynccontextmanager
async def started(
    home: Home, *args: str, **changed: str
) -> AsyncIterator[tuple[Running, aiohttp.ClientSession]]:
    """A keeper that has read the chain, and who asks it."""
    async with home.keeper(*args, **changed) as keeper:
        await keeper.until_logged(READ)
        url = (await keeper.until_logged("serving"))["url"]
        async with aiohttp.ClientSession(url) as session:
            yield keeper, session


async def bodies(session: aiohttp.ClientSession) -> dict[str, Any]:
    """All that is told of what happened."""
    paths = ["/api/rounds", "/api/round", "/api/round/powerball/1", "/api/stats"]
    paths += [f"/api/{what}/{user}" for what in ("bets", "claim") for user in BETTORS[:4]]
    found = {}
    for path in paths:
        async with session.get(path) as answer:
            found[path] = (answer.status, await answer.text())
    return found


async def snapshots(client: Socket, market: Deployed, since: str | None = None) -> list[Any]:
    """Of all channels that tell of events, after what was missed of them."""
    rounds = [f"round:{market.address}:{number}" for number in (1, 2)]
    users = [f"user:{user}" for user in BETTORS[:4]]
    return await client.follow(f"market:{market.address}", *rounds, *users, since=since)


async def beginning(market: Deployed) -> str:
    """The cursor of the first round's creation, before which nothing is told."""
    log = (await market.logs("RoundCreated"))[0]
    return f"{int(log['blockNumber'], 16)}:{log['blockHash']}:{int(log['logIndex'], 16)}"


@pytest.mark.parametrize("role", ["all", "web"])
@pytest.mark.parametrize("killed", [False, True])
async def test_it_reads_no_block_before_the_end_of_its_history_and_tells_the_same(
    home: Home, chain: Chain, busy: Deployed, node: Proxy, role: str, killed: bool
) -> None:
    args, key, since = ("--role", role), {"KEY_FILE": ""}, await beginning(busy)
    file = home.folder / "data" / "history.sqlite"
    async with started(home, *args, **key) as (keeper, session):
        assert not keeper.logged(TAKEN)
        before = await bodies(session)
        assert {status for status, _ in before.values()} == {200}
        async with connected(session) as client:
            first = await snapshots(client, busy)
            missed = await snapshots(client, busy, since)
        assert len(missed) > len(first) + 10
        await keeper.kill() if killed else await keeper.terminate()
    block, events = extent(file)
    node.seen.clear()
    async with started(home, *args, **key) as (keeper, session):
        (line,) = keeper.logged(TAKEN)
        assert (line["events"], line["read_from"]) == (events, block + 1)
        assert await bodies(session) == before
        async with connected(session) as client:
            assert await snapshots(client, busy) == first
            assert await snapshots(client, busy, since) == missed
        assert min(await asked(chain, node)) == block
        assert not [line for line in keeper.lines if line["level"] in ("warning", "error")]


async def test_cursors_from_before_go_on_without_a_gap_or_a_repeat(
    home: Home, busy: Deployed, chain: Chain
) -> None:
    """Of events that were settled, of one that was not, while nobody served."""
    channel, since = f"round:{busy.address}:2", await beginning(busy)
    async with started(home) as (keeper, session), connected(session) as client:
        *told, snapshot = await client.follow(channel, since=since)
        assert snapshot["recovered"]
        await busy.bet(CAT, 2, 3, E)
        told += await client.hear_until("event")
        assert await keeper.terminate() == 0
    for _ in range(3):
        await busy.bet(DAN, 2, 2, E)
    await chain.rpc("anvil_mine", hex(DEPTH))
    async with (
        started(home, MESSAGES_PER_SECOND="100") as (keeper, session),
        connected(session) as client,
    ):
        assert keeper.logged(TAKEN)
        *missed, snapshot = await client.follow(channel, since=told[-1]["cursor"])
        assert snapshot["recovered"]
        assert [m["data"]["user"] for m in missed if m["event"] == "BetPlaced"] == [DAN] * 3
        told += missed
        places = [since, *(message["cursor"] for message in told)]
        for at, cursor in enumerate(places):
            *again, snapshot = await client.follow(channel, since=cursor)
            assert snapshot["recovered"]
            assert [message["cursor"] for message in again] == places[at + 1 :]


async def test_other_markets_than_those_of_the_history_are_read_anew(
    home: Home, chain: Chain, busy: Deployed, node: Proxy
) -> None:
    """One more, one less, the same again: each start answers as if there were no history."""
    other = await chain.deploy(MEGA_MILLIONS)
    await other.do(KEEPER, "createRound", draw_time(MEGA_MILLIONS, dt.date(2026, 8, 25)))
    await other.bet(DAN, 1, 0, E)
    await chain.rpc("anvil_mine", hex(DEPTH))
    write_record(home.folder / "deployments", chain.chain_id, [busy, other])
    for games in ("powerball", "powerball,mega-millions", "mega-millions"):
        for times in range(2):
            node.seen.clear()
            async with started(home, GAMES=games) as (keeper, session):
                told = await bodies(session)
                lines = [line for line in keeper.lines if line["level"] in ("warning", "error")]
                if times:
                    assert (len(keeper.logged(TAKEN)), lines) == (1, [])
                elif games != "powerball":
                    (line,) = lines
                    file = home.folder / "data" / "history.sqlite"
                    why = f"the history in {file} is of other markets"
                    assert (line["event"], line["why"]) == (ANEW, why)
                    first = other if games == "mega-millions" else busy
                    assert min(await asked(chain, node)) <= first.block
                assert await keeper.terminate() == 0
            async with started(home, GAMES=games, DATA_DIR=f"{home.folder}/{games}/{times}") as (
                keeper,
                session,
            ):
                assert not keeper.logged(TAKEN)
                assert await bodies(session) == told


@pytest.mark.parametrize("shorter", [False, True])
async def test_another_chain_than_that_of_the_history_is_read_anew(
    home: Home, chain: Chain, busy: Deployed, publishers: Publishers, shorter: bool
) -> None:
    """Another node's chain of the same name, on which other things happened at the address."""
    async with started(home) as (keeper, _):
        assert await keeper.terminate() == 0
    async with running_chain(START) as second:
        market = await second.deploy(POWERBALL)
        assert market.address == busy.address
        await market.do(KEEPER, "createRound", DRAW)
        await market.bet(DAN, 1, 0, 7 * E)
        await second.rpc("anvil_mine", hex(20 if shorter else 3 * DEPTH))
        for number in range(2):
            async with started(home, RPC_URL=second.url) as (keeper, session):
                told = await bodies(session)
                assert ("7" + "0" * 18) in told[f"/api/bets/{DAN}"][1]
                assert '"rounds":[]' in told[f"/api/bets/{ANN}"][1]
                lines = [line for line in keeper.lines if line["level"] in ("warning", "error")]
                expected = [SHORTER, OTHER_CHAIN] if shorter else [OTHER_CHAIN]
                assert [line["event"] for line in lines] == ([] if number else expected)
                assert await keeper.terminate() == 0
        assert extent(home.folder / "data" / "history.sqlite")[0] == max(
            await second.number() - DEPTH, 0
        )
