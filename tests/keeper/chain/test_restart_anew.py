"""A history that is damaged, or of another chain, is of no use to a follower, and no harm."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
import structlog

from feed.history import History
from keeper.chain.contracts import ContractMarket
from keeper.chain.events import DEPTH
from keeper.chain.rpc import Rpc
from keeper.ports import ChainEvent, Head
from tests.feed.world import Errors
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.following import (
    Fork,
    asked,
    caught_up,
    extent,
    following,
    fresh_state,
    seen_through,
    state,
)
from tests.keeper.chain.proxy import Proxy, proxied
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import BETTORS, KEEPER, Chain, Deployed, E

ANN, BOB, CAT = BETTORS[:3]
ANEW = "the chain is read from its first event"
OTHER_CHAIN = "the chain is not the one read before: reading it anew"


@dataclass
class Seen:
    """A start: what the views hold, who has bet, what was logged and asked."""

    views: dict[str, Any]
    bettors: set[tuple[str, str]]
    logged: list[str]
    first: int


async def seen(chain: Chain, node: Proxy, market: Deployed, file: Path) -> Seen:
    """Of a follower that has read the chain, with a history of that file."""
    node.seen.clear()
    with structlog.testing.capture_logs() as lines, caught() as others:
        kept = History(file, SUBJECT)
        try:
            async with (
                seen_through(market, node.url) as (rpc, own),
                following(rpc, [own], 30, archive=kept) as follower,
            ):
                await caught_up(follower, chain)
                views, bettors = state(follower), await who_has_bet(kept)
        finally:
            kept.close()
    logged = [line["event"] for line in lines if line["log_level"] != "info"] + others
    return Seen(views, bettors, logged, min(await asked(chain, node)))


async def who_has_bet(kept: History) -> set[tuple[str, str]]:
    """(market, bettor) pairs."""
    return {(place.market, who) for who in BETTORS for place in await kept.rounds_of(who)}


@contextlib.contextmanager
def caught() -> Iterator[list[str]]:
    """What the history itself logs."""
    told = Errors(logging.WARNING)
    logging.getLogger("feed.history").addHandler(told)
    yield told.messages
    logging.getLogger("feed.history").removeHandler(told)


def sql(*statements: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as db:
            for statement in statements:
                assert db.execute(statement).rowcount
            db.commit()

    return change


def cut(part: float) -> Callable[[Path], None]:
    """Torn: only so much of it was written."""
    return lambda file: file.write_bytes(file.read_bytes()[: int(file.stat().st_size * part)])


def overwritten(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:2000] + b"\xff" * 3000 + whole[5000:])


def bits(file: Path) -> None:
    """What SQLite does not see: one amount's digit is another."""
    whole = file.read_bytes()
    assert b'"amount": "3000000000000000000"' in whole
    file.write_bytes(whole.replace(b'"amount": "3000', b'"amount": "3001'))


def holding(change: Callable[[list[ChainEvent]], object]) -> Callable[[Path], None]:
    """As if a keeper had written other events; all else is right."""

    def write(file: Path) -> None:
        events: list[ChainEvent] = []

        async def read() -> Head:
            kept = History(file, SUBJECT)
            head = await kept.restore(events.extend)
            kept.close()
            assert head
            return head

        head = asyncio.run(read())
        change(events)
        with History.anew(file, SUBJECT) as kept:
            kept.take(events, (), head)

    return write


def altered(of: str, args: dict[str, Any] | None = None, **what: Any) -> Callable[[Path], None]:
    """The last event of a name is another."""

    def change(events: list[ChainEvent]) -> None:
        at = max(at for at, event in enumerate(events) if event.name == of)
        events[at] = replace(events[at], args=events[at].args | (args or {}), **what)

    return holding(change)


SUBJECT = "31337 and these markets"
DAMAGED = "now it is"
WRONG: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "torn at its half": (cut(0.5), DAMAGED),
    "torn at its begin": (cut(0.01), DAMAGED),
    "overwritten": (overwritten, DAMAGED),
    "not of SQLite": (lambda file: file.write_bytes(b"{}" * 5000), DAMAGED),
    "of the layout before": (sql("PRAGMA user_version = 1"), None),  # which is no fault
    "of a layout to come": (sql("PRAGMA user_version = 3"), DAMAGED),
    "without a table": (sql("DROP TABLE extent"), DAMAGED),
    "without a column": (sql("ALTER TABLE extent DROP COLUMN digest"), DAMAGED),
    "an amount's bits": (bits, ANEW),
    "a time": (sql("UPDATE events SET time = time + 1 WHERE name = 'BetPlaced'"), ANEW),
    "without an event": (sql("DELETE FROM events WHERE name = 'RefundIssued'"), ANEW),
    "without any": (sql("DELETE FROM events"), ANEW),
    "one more": (
        sql(
            "INSERT INTO events SELECT position + 9, block, hash, log_index + 9, tx, time, market,"
            " round, user, name, args FROM events WHERE name = 'WinningsClaimed'"
        ),
        ANEW,
    ),
    "read further than it was": (sql("UPDATE extent SET block = block + 1"), ANEW),
    "at another time": (sql("UPDATE extent SET time = time + 1"), ANEW),
    "with bytes for a hash": (sql("UPDATE extent SET hash = CAST(hash AS BLOB)"), ANEW),
    "with bytes for a time": (sql("UPDATE extent SET time = x'00'"), ANEW),
    "to a block without a number": (sql("UPDATE extent SET block = 'x'"), ANEW),
    "of another chain": (sql("UPDATE extent SET subject = '1 and others'"), ANEW),
    "broken JSON": (sql("UPDATE events SET args = '{\"' WHERE name = 'BetPlaced'"), ANEW),
    "no args": (sql("UPDATE events SET args = 'null' WHERE name = 'BetPlaced'"), ANEW),
    "of a market that is none": (altered("BetPlaced", market="0x" + "11" * 20), ANEW),
    "a bet on nothing": (altered("BetPlaced", args={"prediction": 8}), ANEW),
    "a bet of no amount": (altered("BetPlaced", args={"amount": None}), ANEW),
    "a bet in no round": (altered("BetPlaced", args={"roundId": 77}), ANEW),
    "a round without a time": (altered("RoundCreated", args={"lockTime": "soon"}), ANEW),
    "not a round's begin": (altered("RoundCreated", name="FeeChanged"), ANEW),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_file_that_is_of_no_use_is_read_anew(
    chain: Chain, busy: Deployed, node: Proxy, rpc: Rpc, tmp_path: Path, wrong: str
) -> None:
    """A line says so if that is a fault, the answers are right, and the next start takes them."""
    file = tmp_path / "history.sqlite"
    change, line = WRONG[wrong]
    first = await seen(chain, node, busy, file)
    assert (first.logged, first.first) == ([], busy.block)
    await asyncio.to_thread(change, file)
    again = await seen(chain, node, busy, file)
    assert (again.views, again.bettors) == (first.views, first.bettors)
    assert again.first == busy.block
    assert len(again.logged) == (1 if line else 0), again.logged
    assert all(line in told for told in again.logged if line)
    third = await seen(chain, node, busy, file)
    assert (third.views, third.bettors, third.logged) == (first.views, first.bettors, [])
    assert third.first == await chain.number() - DEPTH == extent(file)[0]
    own = ContractMarket(rpc, busy.address, busy.game, busy.block)
    assert third.views == await fresh_state(rpc, [own])


@pytest.mark.parametrize("better", [True, False])
async def test_a_node_behind_the_history_is_no_reason_to_read_anew(
    chain: Chain, busy: Deployed, node: Proxy, tmp_path: Path, better: bool
) -> None:
    """It is waited for, or another that has all is found, be that slow."""
    file = tmp_path / "history.sqlite"
    await chain.rpc("anvil_mine", hex(200), hex(2))
    first = await seen(chain, node, busy, file)
    node.delay = 0.3
    kept = History(file, SUBJECT)
    with contextlib.closing(kept), structlog.testing.capture_logs() as lines:
        async with proxied(chain.url) as behind:
            behind.frozen = extent(file)[0] - 1
            urls = [behind.url, node.url] if better else [behind.url]
            async with (
                seen_through(busy, *urls) as (rpc, own),
                following(rpc, [own], 30, archive=kept) as follower,
            ):
                await until(lambda: len(behind.seen) > 5)
                if not better:
                    assert follower.head is None
                    behind.frozen = None
                await caught_up(follower, chain)
                assert state(follower) == first.views
    logged = [line["event"] for line in lines]
    assert "cannot follow the chain" in logged
    assert OTHER_CHAIN not in logged


async def test_a_change_deeper_than_what_was_settled_is_read_anew(
    chain: Chain, deployed: Deployed, node: Proxy, tmp_path: Path
) -> None:
    """One that is not so deep is none for the history."""
    file = tmp_path / "history.sqlite"
    await deployed.bet(ANN, 1, 0, E)
    await chain.rpc("anvil_mine", hex(100))
    for after, logged in ((DEPTH - 1, []), (DEPTH + 1, [OTHER_CHAIN])):
        fork = await Fork(chain).remember()
        at = await chain.number()
        await deployed.bet(BOB, 1, 1, E)
        await chain.rpc("anvil_mine", hex(after))
        before = await seen(chain, node, deployed, file)
        assert extent(file)[0] == at + 1 + after - DEPTH
        await fork.back()
        await deployed.bet(CAT, 1, 2, E)
        await chain.rpc("anvil_mine", hex(200))
        now = await seen(chain, node, deployed, file)
        assert now.logged == logged
        assert now.bettors == before.bettors - {(deployed.address, BOB)} | {(deployed.address, CAT)}
        async with seen_through(deployed, chain.url) as (rpc, own):
            assert now.views == await fresh_state(rpc, [own])


@pytest.mark.parametrize(
    "wrong", ["no bet", "no round", "no end", "one round more", "a bet on something else"]
)
async def test_what_the_market_does_not_tell_is_read_anew(
    chain: Chain,
    busy: Deployed,
    node: Proxy,
    rpc: Rpc,
    tmp_path: Path,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node left out something for good, or something is in the file that there is not."""
    file = tmp_path / "history.sqlite"
    if wrong == "no bet":
        await busy.bet(CAT, 2, 2, E)
    elif wrong == "no end":
        await busy.do(KEEPER, "cancelRound", 2)
    else:
        await busy.do(KEEPER, "createRound", DRAW + 5 * 86_400)
    left_out = hex(await chain.number())
    await chain.rpc("anvil_mine", hex(DEPTH))

    def index(_: list[Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if log["blockNumber"] != left_out]

    def one_more(events: list[ChainEvent]) -> None:
        (*_, last) = (event for event in events if event.name == "RoundCreated")
        place = events[-1].block_number + 1
        events.append(replace(last, args=last.args | {"roundId": 4}, block_number=place))

    forge = {
        "one round more": holding(one_more),
        "a bet on something else": altered("BetPlaced", args={"prediction": 5}),
    }.get(wrong)
    if not forge:
        node.lies["eth_getLogs"] = index
    with monkeypatch.context() as patched:
        patched.setattr("keeper.follow.Follower._prove_again", AsyncMock())  # it ended before
        first = await seen(chain, node, busy, file)
    node.lies.clear()
    if forge:
        await asyncio.to_thread(forge, file)
    own = ContractMarket(rpc, busy.address, busy.game, busy.block)
    right = await fresh_state(rpc, [own])
    assert (first.views == right) is bool(forge)
    again = await seen(chain, node, busy, file)
    assert (again.views, again.logged, again.first) == (right, [ANEW], busy.block)
    third = await seen(chain, node, busy, file)
    assert (third.views, third.logged) == (right, [])
    calls = {"no bet": 2, "no end": 1}.get(
        wrong, 3
    )  # how many rounds there are, and each that is not over
    assert [method for method, _ in node.seen].count("eth_call") == calls
