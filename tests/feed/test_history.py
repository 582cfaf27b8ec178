"""Figures of all that happened, and the index that they come from."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from sqlalchemy import Engine, event

from feed.api import Api
from feed.history import History
from keeper.chain.abi import market_abi
from keeper.domain.lines import Prediction
from keeper.errors import ConfigError, HistoryError
from keeper.ports import ChainEvent, Head
from tests.feed.test_bets import get, paid
from tests.feed.test_gate import Turnstile
from tests.feed.test_rest import problem
from tests.feed.world import (
    ANN,
    BOB,
    MEGA,
    POWER,
    START,
    World,
    bet,
    connected,
    created,
    finalized,
    serving,
    stranger,
)
from tests.keeper.chain.following import extent
from tests.keeper.chain.waiting import until

EVEN, ODD, LOW = Prediction.EVEN, Prediction.ODD, Prediction.LOW
OTHER = "0x" + "ab" * 20
NO_WAIT = "PRAGMA busy_timeout = 0"


async def test_figures_of_all_and_of_each_game() -> None:
    world = World()
    big = 2 * 10**19  # more than 64 bits hold
    world.mine(created(), created(2), created(1, MEGA))
    world.mine(bet(ANN, EVEN, big), bet(BOB, ODD, big), bet(ANN, LOW, 5, 2))
    async with serving(world) as session:
        world.settle()
        world.mine(bet(ANN, EVEN, 3, 1, MEGA), bet(OTHER, EVEN, 3, 1, MEGA), finalized(2))
        world.mine(paid(BOB, 9), paid(ANN, 2 * big - big // 50))
        world.mine(paid(BOB, 11, 2))
        for _ in range(2):
            told = await get(session, "/api/stats")
            power, mega = told.pop("games")
            assert told == {
                "rounds": 3,
                "volume": str(2 * big + 11),
                "matched": str(big),
                "fees": str(big // 50),
                "bettors": 3,
                "biggestWin": {
                    "market": POWER,
                    "roundId": 1,
                    "user": ANN,
                    "amount": str(2 * big - big // 50),
                    "txHash": told["biggestWin"]["txHash"],
                },
            }
            assert (power["bettors"], power["rounds"], power["volume"]) == (2, 2, str(2 * big + 5))
            assert (mega["bettors"], mega["biggestWin"]) == (2, None)
            world.settle()
            world.mine()  # what was told is asked for anew


async def test_history_that_is_written_again_or_of_another_chain_counts_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "history.sqlite"
    first, second = World(), World()
    first.mine(created(), bet(BOB, EVEN, 5))
    first.number += 10
    first.mine(bet(BOB, ODD, 5))
    second.mine(created())
    second.mine(bet(ANN, EVEN, 5))
    async with serving(first, history=path):
        first.settle()
    written: list[str] = []
    for _ in range(3):  # what one keeper wrote takes the place of what another did
        world = World()
        world.mine(created(), bet(BOB, EVEN, 5), bet(ANN, EVEN, 7))
        async with serving(world, history=path) as session:
            world.settle()
            assert (await get(session, "/api/stats"))["bettors"] == 2
        with closing(sqlite3.connect(path)) as db:
            written.append("\n".join(db.iterdump()))
    assert len(set(written)) == 1
    async with serving(second, history=path) as session:
        assert second.history
        second.history.begin()
        second.history.take(second.events, (), second.head)
        second.number += 20
        second.mine()
        assert (await get(session, f"/api/bets/{BOB}"))["rounds"] == []
        assert (await get(session, "/api/stats"))["bettors"] == 1
        assert len((await get(session, f"/api/bets/{ANN}"))["rounds"]) == 1


def logs_of(rng: random.Random, size: int) -> list[ChainEvent]:
    """Of every kind that the market has, with any values, some in one block."""
    kinds = [entry for entry in market_abi() if entry["type"] == "event"]
    values: dict[str, Callable[[], Any]] = {
        "address": lambda: to_checksum_address(rng.randbytes(20)),
        "bytes32": lambda: "0x" + rng.randbytes(32).hex(),
    }
    block, found = 0, []
    for index in range(size):
        kind, args = kinds[index % len(kinds)], {}
        for entry in kind["inputs"]:
            if entry["type"] in values:
                args[entry["name"]] = values[entry["type"]]()
            else:  # there is no text, only numbers
                bits = int(entry["type"].removeprefix("uint"))
                low = entry["name"] == "roundId" or rng.random() < 0.3
                args[entry["name"]] = rng.getrandbits(
                    rng.choice([8, min(bits, 53 if low else bits)])
                )
        block += rng.choice([0, 1, 1000])
        place = block, f"0x{block:064x}", "0x" + rng.randbytes(32).hex(), index, START + block
        found.append(ChainEvent(POWER, kind["name"], args, *place))
    return found


async def test_what_was_written_is_given_back_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    path, events = tmp_path / "history.sqlite", logs_of(rng, 200)
    monkeypatch.setattr("feed.history._PAGE", 7)
    done = 0
    while done < len(events):  # each time by another, which goes on where the one before ended
        kept, known, pages = History(path, "these"), list[ChainEvent](), list[int]()

        def take(page: Sequence[ChainEvent], known: Any = known, pages: Any = pages) -> None:
            known += page
            pages.append(len(page))

        upto = await kept.restore(take)
        assert known == events[:done]
        assert max(pages, default=0) <= 7
        for _ in range(rng.randrange(1, 4)):
            least = done + rng.randrange(40)
            following = [e for e in events[least:] if e.block_number > events[least].block_number]
            more = events[done : events.index(following[0])] if following else events[done:]
            done += len(more)
            upto = Head(events[done - 1].block_number, "0x01", START)
            kept.take(more, (), upto)
            if done == len(events):
                break
        kept.close()
    kept = History(path, "these")
    known = []
    assert (await kept.restore(known.extend), known) == (upto, events)
    assert upto
    for blocks, told in ((999, 0), (1000, 1000), (1001, 1000), (1500, 1000), (2000, 2000)):
        kept.take((), (), Head(upto.number + blocks, "0x02", START))  # nothing happened in them
        await kept.rounds_of(ANN)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT block FROM extent").fetchall() == [(upto.number + told,)]
    kept.take((), (), Head(upto.number + 2001, "0x03", START))
    kept.close()  # what is known at the end is written
    kept = History(path, "these")
    assert await kept.restore(known.extend) == Head(upto.number + 2001, "0x03", START)
    kept.close()
    kept = History(path, "others")
    with pytest.raises(HistoryError, match=f"^the history in {path} is of other markets$"):
        await kept.restore(known.extend)
    kept.close()


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_one_of_an_earlier_version_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "feed.history")
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, told TEXT) STRICT")
        db.execute("CREATE INDEX events_told ON events (told)")
        db.execute("INSERT INTO events VALUES (7, 'what was told then')")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    world = World()
    world.mine(created(), bet(ANN, EVEN, 5))
    for _ in range(2):
        kept = History(path, "these")
        upto = await kept.restore(lambda _: None)
        kept.take(() if upto else world.events, (), world.head)
        assert [place.round_id for place in await kept.rounds_of(ANN)] == [1]
        kept.close()
    assert upto == world.head
    assert files(tmp_path) == [path], "nothing is put aside"
    anew = f"the history in {path} is of an earlier version: it is begun anew"
    assert [(line.levelname, line.message) for line in caplog.records] == [("INFO", anew)]


@pytest.mark.parametrize("version", [0, 1])
def test_what_is_somebody_else_s_is_put_aside_as_it_was(tmp_path: Path, version: int) -> None:
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE letters (told TEXT)")
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
    was = path.read_bytes()
    History(path, "these").close()
    aside = tmp_path / "history.sqlite.damaged"
    assert aside.read_bytes() == was
    assert set(files(tmp_path)) == {path, aside}


def test_one_that_is_begun_on_a_full_disk_is_a_wrong_setting(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"

    def fill(db: sqlite3.Connection, _: object) -> None:
        db.execute("PRAGMA max_page_count = 1")

    event.listen(Engine, "connect", fill)
    try:
        with pytest.raises(ConfigError) as told:
            History(path, "these")
    finally:
        event.remove(Engine, "connect", fill)
    where = "LOTTOCHAIN_HISTORY, LOTTOCHAIN_DATA_DIR"
    assert str(told.value) == f"{where}: cannot open {path}: database or disk is full"


def test_what_is_put_aside_takes_the_place_of_all_that_was_before(tmp_path: Path) -> None:
    """Also of a journal, which would be taken for its own."""
    path, aside = tmp_path / "history.sqlite", tmp_path / "history.sqlite.damaged"
    path.write_bytes(b"not of SQLite" * 100)
    for before in (aside, tmp_path / "history.sqlite.damaged-journal"):
        before.write_bytes(b"of another")
    History(path).close()
    assert sorted(files(tmp_path)) == [path, aside]
    assert aside.read_bytes() == b"not of SQLite" * 100


def test_one_that_cannot_be_opened_leaves_nothing_running(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        History(tmp_path)
    where = "LOTTOCHAIN_HISTORY, LOTTOCHAIN_DATA_DIR"
    assert str(told.value).startswith(f"{where}: cannot open {tmp_path}: ")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("history")]


async def test_what_happened_is_written_at_once(tmp_path: Path) -> None:
    """That nothing happened is not."""
    path, world = tmp_path / "no" / "folder" / "history.sqlite", World()
    with closing(History(path)) as kept:
        kept.take((), (), world.head)
        for happened in ([created()], [bet(ANN, EVEN, 5), bet(BOB, ODD, 5)], []):
            world.mine(*happened)
            kept.take([e for e in world.events if e.block_number == world.number], (), world.head)
        kept._thread.submit(len, ()).result()
        assert extent(path) == (102, 3)


async def test_what_cannot_be_written_is_kept_and_written_later(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    world = World()
    world.mine(created(), bet(ANN, EVEN, 5))
    told: list[str] = []
    fault = f"the history in {path} cannot be used: database is locked; `reindex` makes it anew"
    async with serving(world, history=path, faults=(fault, fault)) as session:
        assert world.history
        world.history._engine.dispose()
        event.listen(world.history._engine, "connect", lambda db, _: db.execute(NO_WAIT))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            world.settle()
            world.mine(bet(BOB, ODD, 5))
            world.settle()
            for _ in range(2):
                async with session.get(f"/api/bets/{ANN}") as response:
                    await problem(response, 503)
                    told.append((await response.json())["code"])
                    assert str(path) not in await response.text()
            other.execute("ROLLBACK")
            assert told == ["no_history"] * 2
            assert len((await get(session, f"/api/bets/{BOB}"))["rounds"]) == 1
            other.execute("BEGIN IMMEDIATE")  # the same trouble another time is told as well
            world.mine(bet(stranger(3), ODD, 5))
            world.settle()
            async with session.get(f"/api/bets/{stranger(3)}") as response:
                await problem(response, 503)
            other.execute("ROLLBACK")
        assert len((await get(session, f"/api/bets/{stranger(3)}"))["rounds"]) == 1
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT block, log_index, name, user, args FROM events").fetchall()
    assert [row[:4] for row in rows] == [
        (101, 0, "RoundCreated", None),
        (101, 1, "BetPlaced", ANN),
        (102, 0, "BetPlaced", BOB),
        (103, 0, "BetPlaced", stranger(3)),
    ]
    assert json.loads(rows[1][4])["amount"] == "5"


async def test_the_biggest_win_is_the_first_of_the_biggest_and_may_be_taken_back() -> None:
    world = World()
    world.mine(created(), created(1, MEGA), bet(ANN, EVEN, 10), finalized(0))

    async def biggest(session: Any) -> tuple[str, str] | None:
        won = (await get(session, "/api/stats"))["biggestWin"]
        return won and (won["user"], won["amount"])

    async with serving(world) as session:
        assert await biggest(session) is None
        world.mine(paid(ANN, 3))
        before = deepcopy(world.views)
        world.mine(paid(BOB, 5))
        world.mine(paid(OTHER, 5), paid(ANN, 4))
        assert await biggest(session) == (BOB, "5")
        (survives,) = [e for e in world.events if e.args.get("amount") == 3]
        head = Head(survives.block_number, survives.block_hash, survives.timestamp)
        world.hub.fall_back(before, head, 3)
        assert await biggest(session) == (ANN, "3")


async def test_figures_are_told_on_the_websocket_as_they_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("feed.api.NEWS_SECONDS", 0.01)
    world = World()
    async with serving(world) as session:
        assert world.history
        api = Api(world.hub, world.history, 1, {})
        telling = asyncio.create_task(api.tell_stats(world.hub.replace))
        await asyncio.sleep(0.05)  # the chain is not read yet
        world.mine(created())
        async with connected(session) as client:
            (told,) = await client.follow("stats")
            while not told["data"]:
                told = await client.hear()
            for number in (2, 3):
                assert told["data"] == await get(session, "/api/stats")
                world.mine(created(number), bet(ANN, EVEN, 10**20, number))
                told = await client.hear()
                assert (told["channel"], told["data"]["rounds"]) == ("stats", number)
        telling.cancel()


async def test_who_asks_the_same_at_once_waits_for_one_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.mine(created(), bet(ANN, EVEN, 5))
    turnstile = Turnstile(100)
    async with serving(world, limiter=turnstile) as session:
        looked, let = list[str](), asyncio.Event()
        whole = world.history and world.history.rounds_of

        async def slowly(user: str) -> Any:
            looked.append(user)
            await let.wait()
            return await whole(user) if whole else None

        monkeypatch.setattr(world.history, "rounds_of", slowly)
        asked = [asyncio.create_task(get(session, f"/api/bets/{ANN}")) for _ in range(20)]
        await until(lambda: turnstile.seen.total() == 20)
        asked.pop(0).cancel()  # who goes takes it from nobody
        world.mine(bet(ANN, ODD, 7))
        last = asyncio.create_task(get(session, f"/api/bets/{ANN}"))
        await until(lambda: turnstile.seen.total() == 21)
        let.set()
        told = await last
        assert [b["amount"] for b in told["rounds"][0]["bets"]] == ["5", "7"]
        assert len(await asyncio.gather(*asked)) == 19
        assert looked == [ANN, ANN]
