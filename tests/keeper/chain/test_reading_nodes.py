"""Nodes that stand on other forks, leave out logs or were away: what is read is one chain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from feed.hub import Hub
from keeper.chain.contracts import ContractMarket
from keeper.chain.events import DEPTH, EventFeed
from keeper.chain.rpc import Rpc
from keeper.domain.draw import POWERBALL
from keeper.errors import RpcDown
from keeper.follow import Follower
from tests.keeper.chain.conftest import DRAW, START
from tests.keeper.chain.following import (
    caught_up,
    client_of,
    following,
    fresh_state,
    healed,
    seen_through,
    spans,
    state,
    told_until,
)
from tests.keeper.chain.proxy import Proxy, proxied
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import BETTORS, KEEPER, Chain, Deployed, E, running_chain

ANN, BOB = BETTORS[:2]


async def test_two_nodes_on_different_forks(deployed: Deployed, chain: Chain) -> None:
    """Each time the keeper must go over to the other, what it shows is that one's truth."""
    async with running_chain(START) as other:
        twin = await other.deploy(POWERBALL)
        await twin.do(KEEPER, "createRound", DRAW)
        assert twin.address == deployed.address
        for node in (chain, other):  # from the same start to two futures
            await node.rpc("anvil_mine", "0x3")
        await deployed.bet(ANN, 1, 0, E)
        await twin.bet(BOB, 1, 1, 2 * E)
        await twin.bet(BOB, 1, 1, 2 * E)
        async with (
            proxied(chain.url) as one,
            seen_through(deployed, one.url, other.url) as (rpc, market),
            following(rpc, [market]) as follower,
        ):
            for _ in range(2):
                await caught_up(follower, chain)
                assert follower.views[deployed.address].rounds[1].book.staked == E
                one.dead = True
                await caught_up(follower, other)
                assert follower.views[deployed.address].rounds[1].book.staked == 4 * E
                one.dead = False


async def test_a_node_that_goes_over_to_another_fork_in_the_midst_of_a_poll(
    deployed: Deployed, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks that do not follow upon each other are no chain: nothing of it is taken."""
    monkeypatch.setattr("keeper.chain.rpc.LOOK_EVERY", 3600.0)  # nobody but the poll asks
    async with (
        running_chain(START) as other,
        proxied(chain.url) as node,
        seen_through(deployed, node.url) as (rpc, market),
    ):
        feed = EventFeed(rpc, [market], 1000)
        first = await feed.poll()
        await chain.rpc("anvil_mine", "0x3")
        await other.rpc("anvil_mine", "0x9")

        def go_over(method: str, params: list[Any]) -> None:
            if params[:1] == ["latest"]:
                node.target = other.url

        node.after = go_over
        with pytest.raises(RpcDown, match="changed its chain"):
            await feed.poll()
        node.after, node.target = None, chain.url
        batch = await feed.poll()
        assert (batch.survives, batch.read.number) == (None, first.read.number + 3)


async def test_an_event_that_the_nodes_index_had_left_out_is_found(
    chain: Chain, deployed: Deployed
) -> None:
    """It is told late, and what came after it is told again after it."""
    await chain.rpc("anvil_mine", "0x5")
    hidden: set[str] = set()

    def index(_: list[Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if log["transactionHash"] not in hidden]

    async with proxied(chain.url) as node, seen_through(deployed, node.url) as (rpc, market):
        node.lies["eth_getLogs"] = index
        async with following(rpc, [market]) as follower:
            await caught_up(follower, chain)
            before = healed()
            async with client_of(follower) as client:
                await client.follow(f"round:{deployed.address}:1")
                await chain.rpc("evm_setAutomine", False)
                sent = asyncio.create_task(deployed.bet(ANN, 1, 0, E))
                while not (pending := await chain.rpc("eth_getBlockByNumber", "pending", False))[
                    "transactions"
                ]:
                    await asyncio.sleep(0.01)
                hidden |= {*pending["transactions"]}
                await chain.rpc("evm_setAutomine", True)
                await chain.rpc("evm_mine")
                await sent
                await deployed.bet(BOB, 1, 1, 2 * E)
                await told_until(client, 2 * E)
                await caught_up(follower, chain)
                hidden.clear()
                heard = await told_until(client, 3 * E)
                assert [(f["data"]["user"], f["removed"]) for f in heard] == [
                    (BOB, True),
                    (ANN, False),
                    (BOB, False),
                ]
            assert state(follower) == await fresh_state(rpc, [market])
            assert healed() == before


async def test_what_was_left_out_and_cannot_be_missed(chain: Chain, deployed: Deployed) -> None:
    """No bet of a round fits without its creation: all is read anew until it does."""
    await deployed.bet(ANN, 1, 0, E)
    await chain.rpc("anvil_mine", hex(DEPTH))
    hides = True

    def index(_: list[Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if not hides or int(log["blockNumber"], 16) > 2]

    async with proxied(chain.url) as node, seen_through(deployed, node.url) as (rpc, market):
        node.lies["eth_getLogs"] = index
        with structlog.testing.capture_logs() as logs:
            async with following(rpc, [market]) as follower:
                await until(lambda: any("left out events" in log.get("why", "") for log in logs))
                assert follower.head is None
                hides = False
                await caught_up(follower, chain)
                assert follower.views[deployed.address].rounds[1].book.staked == E


async def test_nothing_is_said_of_a_chain_that_is_read_anew(
    chain: Chain, deployed: Deployed
) -> None:
    """Who is connected waits for it; others are not let in."""
    left_out = -1

    def index(_: list[Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if int(log["blockNumber"], 16) != left_out]

    async with proxied(chain.url) as node, seen_through(deployed, node.url) as (rpc, market):
        node.lies["eth_getLogs"] = index
        async with following(rpc, [market]) as follower:
            await caught_up(follower, chain)
            assert isinstance(follower.audience, Hub)
            async with client_of(follower) as client:
                await client.follow(f"round:{deployed.address}:1")
                left_out = await chain.number() + 1
                await deployed.do(KEEPER, "createRound", DRAW + 3 * 86_400)
                await deployed.bet(ANN, 2, 0, E)
                await until(lambda: follower.head is None)
                assert follower.audience.board.head is None
                assert await client.silent()
                left_out = -1
                await caught_up(follower, chain)
                assert follower.audience.board.head == follower.head
                snapshot = await client.hear()
                assert (snapshot["type"], snapshot["recovered"]) == ("snapshot", False)


@pytest.mark.parametrize("later", [3, 3 * DEPTH])
async def test_what_one_instance_told_of_can_be_gone_on_from_at_one_started_later(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed, later: int
) -> None:
    channel = f"round:{deployed.address}:1"
    await chain.rpc("anvil_mine", hex(DEPTH))
    async with following(rpc, [market]) as follower:
        await caught_up(follower, chain)
        async with client_of(follower) as client:
            (first,) = await client.follow(channel)
    await chain.rpc("anvil_mine", hex(later))
    await deployed.bet(ANN, 1, 0, E)
    async with following(rpc, [market]) as another:
        await caught_up(another, chain)
        async with client_of(another) as client:
            *told, snapshot = await client.follow(channel, since=first["cursor"])
            assert [event["event"] for event in told] == ["BetPlaced"]
            assert snapshot["recovered"]


async def test_a_long_gap_is_caught_up_in_chunks_and_shown() -> None:
    async with running_chain(START, "--prune-history", "10") as chain:
        deployed = await chain.deploy(POWERBALL)
        await deployed.do(KEEPER, "createRound", DRAW)
        async with (
            proxied(chain.url) as node,
            seen_through(deployed, node.url) as (rpc, market),
            following(rpc, [market], chunk=100) as follower,
        ):
            await caught_up(follower, chain)
            node.dead = True
            for amount in range(3):
                await chain.rpc("anvil_mine", hex(1440))
                await deployed.bet(ANN, 1, amount, E)
            node.seen.clear()
            with structlog.testing.capture_logs() as logs:
                node.dead = False
                await caught_up(follower, chain)
            assert follower.views[deployed.address].rounds[1].book.staked == 3 * E
            sizes = spans(node)
            assert max(sizes) <= 100
            assert len(sizes) < 60
            shown = [log for log in logs if log["event"] == "reading the chain"]
            assert 4 <= len(shown) <= 6
            assert {log["of"] for log in shown} == {await chain.number()}
            assert [log["block"] for log in shown] == sorted(log["block"] for log in shown)


async def test_of_a_block_whose_first_events_are_too_many_none_are_remembered(
    rpc: Rpc, chain: Chain, market: ContractMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For clients that come back: what was in it they could be told only in part."""
    await chain.rpc("anvil_mine", hex(DEPTH + 10))

    async def remembered(most: int) -> list[int]:
        monkeypatch.setattr("keeper.follow._RECENT", most)
        async with following(rpc, [market]) as follower:
            await caught_up(follower, chain)
            assert isinstance(follower.audience, Hub)
            return [delta.cursor.block for delta in follower.audience.board._deltas.all]

    blocks = await remembered(1000)
    assert blocks[0] == blocks[1] < blocks[-1]
    later = [block for block in blocks if block > blocks[0]]
    assert await remembered(len(blocks) - 1) == later


def no_tag(params: list[Any], told: Any) -> Any:
    """As nodes answer that do not know which block is final."""
    return None if params[0] == "finalized" else told


async def test_results_are_final_at_a_depth_or_at_the_nodes_word(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed, node: Proxy
) -> None:
    node.lies["eth_getBlockByNumber"] = no_tag
    async with (
        following(rpc, [market]) as by_tag,
        following(rpc, [market], confirmations=3) as by_depth,
        seen_through(deployed, node.url) as (other, same),
        following(other, [same]) as untold,
    ):
        follower: Follower
        for follower in (by_tag, by_depth):
            assert follower.confirmed == -1
        await chain.rpc("anvil_mine", hex(100))
        for follower in (by_tag, by_depth):
            await caught_up(follower, chain)
        final = int((await chain.rpc("eth_getBlockByNumber", "finalized", False))["number"], 16)
        assert 0 < final < await chain.number() - 3
        assert by_tag.confirmed == final
        assert by_depth.confirmed == await chain.number() - 3
        await caught_up(untold, chain)
        assert untold.confirmed == -1
