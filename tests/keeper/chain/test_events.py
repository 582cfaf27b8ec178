"""Reading on: chunks, nothing twice, and a chain that is no longer the one read before."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.chain.contracts import ContractMarket
from keeper.chain.events import DEPTH, Batch, EventFeed
from keeper.chain.rpc import Rpc
from keeper.domain.draw import MEGA_MILLIONS
from keeper.errors import RpcDown, RpcRefused
from keeper.ports import ChainEvent
from tests.keeper.chain.following import seen_through
from tests.keeper.chain.proxy import proxied
from tests.keeper.chainfixtures import BETTORS, KEEPER, Chain, Deployed, E

ANN, BOB = BETTORS[:2]


async def read_all(feed: EventFeed) -> list[Batch]:
    batches = [await feed.poll()]
    while not batches[-1].complete:
        batches.append(await feed.poll())
    return batches


def events_of(batches: list[Batch]) -> list[ChainEvent]:
    return [event for batch in batches for event in batch.events]


async def test_chunks_give_the_same_events_as_one_look(
    rpc: Rpc, market: ContractMarket, deployed: Deployed
) -> None:
    for i in range(7):
        await deployed.bet(ANN, 1, i, E)
    whole = await read_all(EventFeed(rpc, [market], 1000))
    assert len(whole) == 1
    pieces = await read_all(EventFeed(rpc, [market], 2))
    assert [b.read.number for b in pieces] == [2, 4, 6, 8, 9]
    assert events_of(pieces) == events_of(whole)
    assert whole[0].blocks == [await rpc.block(n) for n in range(10)]
    assert [b.blocks[-1] for b in pieces] == [b.read for b in pieces]
    assert sum(e.name == "BetPlaced" for e in events_of(whole)) == 7


async def test_each_event_once(rpc: Rpc, market: ContractMarket, deployed: Deployed) -> None:
    feed = EventFeed(rpc, [market], 1000)
    await read_all(feed)
    assert events_of(await read_all(feed)) == []
    await deployed.bet(ANN, 1, 0, E)
    assert [e.name for e in events_of(await read_all(feed))] == ["BetPlaced"]
    assert events_of(await read_all(feed)) == []


async def test_several_markets_in_the_chains_order(
    rpc: Rpc, market: ContractMarket, deployed: Deployed
) -> None:
    other = await deployed.chain.deploy(MEGA_MILLIONS)
    second = ContractMarket(rpc, other.address, MEGA_MILLIONS, other.block)
    await deployed.bet(ANN, 1, 0, E)
    await other.do(KEEPER, "createRound", 1_787_367_600)  # 2026-08-21 23:00 New York
    found = events_of(await read_all(EventFeed(rpc, [market, second], 1000)))
    assert [(e.name, e.market) for e in found[-2:]] == [
        ("BetPlaced", deployed.address),
        ("RoundCreated", other.address),
    ]
    places = [(e.block_number, e.log_index) for e in found]
    assert places == sorted(places)


async def test_a_reorganization_tells_what_is_void_and_what_came_instead(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed
) -> None:
    feed = EventFeed(rpc, [market], 1000)
    snapshot = await chain.rpc("evm_snapshot")
    await deployed.bet(ANN, 1, 0, E)
    survives = await rpc.block(await chain.number() - 1)
    (first,) = await read_all(feed)
    await chain.rpc("evm_revert", snapshot)
    await deployed.bet(BOB, 1, 1, 2 * E)  # another block of the same number
    (batch,) = await read_all(feed)
    assert (batch.survives, batch.lost) == (survives, 1)
    assert batch.removed == first.events[-len(batch.removed) :][::-1]
    assert {e.block_hash for e in batch.removed} == {first.read.hash}
    assert [e.args["user"] for e in batch.events if e.name == "BetPlaced"] == [BOB]
    assert {e.block_hash for e in batch.events} == {batch.read.hash}
    assert (await feed.poll()).survives is None


async def test_an_endpoint_that_lags_is_waited_for(
    rpc: Rpc, chain: Chain, market: ContractMarket
) -> None:
    feed = EventFeed(rpc, [market], 1000)
    snapshot = await chain.rpc("evm_snapshot")
    await chain.rpc("anvil_mine", "0x2")
    await read_all(feed)
    await chain.rpc("evm_revert", snapshot)
    with pytest.raises(RpcDown, match="stands at block 2, 4 was read"):
        await feed.poll()


async def test_a_chain_that_began_again_is_read_again(
    rpc: Rpc, chain: Chain, market: ContractMarket
) -> None:
    feed = EventFeed(rpc, [market], 1000)
    snapshot = await chain.rpc("evm_snapshot")
    await chain.rpc("anvil_mine", hex(DEPTH + 1))
    (first,) = await read_all(feed)
    await chain.rpc("evm_revert", snapshot)
    again = await feed.poll()
    assert (again.survives, again.lost) == (None, DEPTH + 1)
    assert again.events == first.events


async def test_a_node_that_lags_behind_the_head_it_shows_hides_no_event(
    chain: Chain, deployed: Deployed
) -> None:
    """Behind one address several nodes: one tells the head, another that is behind the logs."""
    async with proxied(chain.url) as node, seen_through(deployed, node.url) as (rpc, market):
        feed = EventFeed(rpc, [market], 1000)
        await read_all(feed)
        behind = await chain.number()

        def another_tells_logs(method: str, _: list[Any]) -> None:
            node.frozen = behind if method == "eth_getLogs" else None

        node.before = another_tells_logs
        for i in range(3):
            await deployed.bet(ANN, 1, i, E)
        with pytest.raises(RpcRefused, match="unknown block"):
            await feed.poll()
        behind += 2  # part of a poll is not a part of its events
        with pytest.raises(RpcRefused, match="unknown block"):
            await feed.poll()
        behind += 1
        assert sum(e.name == "BetPlaced" for e in events_of(await read_all(feed))) == 3


async def test_what_the_index_no_longer_tells_is_not_void(chain: Chain, deployed: Deployed) -> None:
    """Only a block with another hash takes events back, not an index that lags or flickers."""
    await deployed.bet(ANN, 1, 0, E)
    async with proxied(chain.url) as node, seen_through(deployed, node.url) as (rpc, market):
        feed = EventFeed(rpc, [market], 1000)
        (first,) = await read_all(feed)
        node.lies["eth_getLogs"] = lambda _params, _logs: []
        await chain.rpc("evm_mine")
        batch = await feed.poll()
        assert (batch.events, batch.survives, batch.removed) == ([], None, [])
        assert batch.unsettled == first.unsettled
        node.lies.clear()
        batch = await feed.poll()
        assert (batch.events, batch.survives) == ([], None)


async def test_what_fails_is_read_again(
    rpc: Rpc, market: ContractMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll that breaks off between blocks and logs leaves the cursor where it was."""
    feed = EventFeed(rpc, [market], 1000)

    async def broken(_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(rpc.w3.eth, "get_logs", broken)
        with pytest.raises(RpcDown, match="does not answer"):
            await feed.poll()
    assert events_of(await read_all(feed))[-1].name == "RoundCreated"


async def test_what_can_no_longer_change(
    rpc: Rpc, market: ContractMarket, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed.bet(ANN, 1, 0, E)
    (batch,) = await read_all(EventFeed(rpc, [market], 1000))
    told = await rpc.block("finalized")
    assert batch.finalized == told.number

    async def unknown(at: int | str) -> Any:
        if at == "finalized":
            raise RpcDown("no such tag")
        return await told_of(at)

    told_of = rpc.block
    monkeypatch.setattr(rpc, "block", unknown)
    (batch,) = await read_all(EventFeed(rpc, [market], 1000))
    assert batch.finalized is None
    assert batch.events
