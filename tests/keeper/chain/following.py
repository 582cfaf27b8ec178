"""A follower at work on a real chain, what its views say, and what a client of it is told."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feed.client import Limits
from feed.hub import Hub
from keeper import metrics
from keeper.chain.contracts import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.follow import Follower
from keeper.projection import Archive
from tests.feed.world import Socket, connected, serving
from tests.keeper.chain.proxy import Proxy
from tests.keeper.chain.waiting import PATIENCE, UNHURRIED, until
from tests.keeper.chainfixtures import Chain, Deployed


def state(follower: Follower) -> dict[str, Any]:
    """All that the views hold, to be compared."""
    found: dict[str, Any] = {}
    for address, view in follower.views.items():
        rounds = {}
        for r in view.rounds.values():
            told = {name: getattr(r, name) for name in r.__slots__ if name != "book"}
            rounds[r.id] = told | deepcopy(vars(r.book))
        known = view.position, view.roles, view.paused, dict(view.betting)
        found[address] = (*known, list(rounds), rounds)
    return found


async def fresh_state(rpc: Rpc, markets: Sequence[ContractMarket]) -> dict[str, Any]:
    """What somebody sees who reads the chain for the first time."""
    async with following(rpc, markets) as follower:
        await until(lambda: follower.head is not None)
        return state(follower)


@contextlib.asynccontextmanager
async def following(
    rpc: Rpc,
    markets: Sequence[ContractMarket],
    chunk: int = 1000,
    confirmations: int | None = None,
    archive: Archive | None = None,
) -> AsyncIterator[Follower]:
    """A follower that runs."""
    hub = Hub(rpc.chain_id, limits=Limits(messages_per_second=100, **UNHURRIED))
    follower = Follower(rpc, markets, chunk, 0.01, confirmations, hub, archive)
    task = asyncio.create_task(follower.run())
    try:
        yield follower
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def seen_through(deployed: Deployed, *urls: str) -> AsyncIterator[tuple[Rpc, ContractMarket]]:
    """A market by way of these nodes, the preferred first."""
    rpc = Rpc(urls, deployed.chain.chain_id, PATIENCE)
    try:
        yield rpc, ContractMarket(rpc, deployed.address, deployed.game, deployed.block)
    finally:
        await rpc.close()


def spans(node: Proxy) -> list[int]:
    """How many blocks each request for the logs of a range was about."""
    ranges = [p[0] for m, p in node.seen if m == "eth_getLogs" and "toBlock" in p[0]]
    return [int(r["toBlock"], 16) - int(r["fromBlock"], 16) + 1 for r in ranges]


async def asked(chain: Chain, node: Proxy) -> list[int]:
    """Of which blocks the node was asked, by number or by hash; from where on for ranges."""
    found = []
    for method, params in node.seen:
        if method == "eth_getBlockByNumber" and params[0].startswith("0x"):
            found.append(int(params[0], 16))
        elif method == "eth_getLogs" and "fromBlock" in params[0]:
            found.append(int(params[0]["fromBlock"], 16))
        elif method == "eth_getLogs":
            block = await chain.rpc("eth_getBlockByHash", params[0]["blockHash"], False)
            found.append(int(block["number"], 16))
    return found


def extent(file: Path) -> tuple[int, int]:
    """(last block, number of events) of what a history holds."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        (row,) = db.execute(
            "SELECT block, (SELECT count(*) FROM events WHERE events.block <= extent.block)"
            " FROM extent"
        )
    return row[0], row[1]


async def caught_up(follower: Follower, chain: Chain) -> None:
    """Waits until the follower has read the chain's newest block as it is now."""
    newest = (await chain.rpc("eth_getBlockByNumber", "latest", False))["hash"]
    await until(lambda: follower.head is not None and follower.head.hash == newest)


class Fork:
    """Goes back to where a chain is now, to make another future of it."""

    def __init__(self, chain: Chain) -> None:
        self._chain, self._snapshot = chain, ""

    async def remember(self) -> Fork:
        self._snapshot = await self._chain.rpc("evm_snapshot")
        return self

    async def back(self, at: int = 0) -> None:
        """From here on, or from that time, blocks have other hashes, though the same happens."""
        later = at or await self._chain.now() + 7
        assert await self._chain.rpc("evm_revert", self._snapshot)
        await self._chain.rpc("evm_setNextBlockTimestamp", later)


@dataclass
class _Shown:
    """What is served."""

    hub: Hub
    url: str = ""


@contextlib.asynccontextmanager
async def client_of(follower: Follower) -> AsyncIterator[Socket]:
    """A greeted client of a server that tells what the follower reads."""
    assert isinstance(follower.audience, Hub)
    async with serving(_Shown(follower.audience)) as session, connected(session) as client:
        yield client


async def told_until(client: Socket, staked: int) -> list[dict[str, Any]]:
    """The bets a client is told, up to the one that brings the round to so much."""
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["removed"] or heard[-1]["data"]["totalStaked"] != str(staked):
        if (frame := await client.hear()).get("event") == "BetPlaced":
            heard.append(frame)
    await client.say(op="ping", id=0)
    assert {frame.get("event") for frame in await client.hear_until("pong")} <= {"BetMatched", None}
    return heard


def healed() -> float:
    """How many blocks have been taken back so far."""
    return float(metrics.REORGANIZATIONS._value.get())
