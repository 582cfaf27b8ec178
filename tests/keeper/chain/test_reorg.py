"""The chain takes back what was read: views, feed and those who follow the web are put right."""

from __future__ import annotations

import random
from typing import Any

import pytest
import structlog

from keeper.chain.contracts import ContractMarket
from keeper.chain.events import DEPTH, EventFeed
from keeper.chain.rpc import Rpc
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.following import (
    Fork,
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
from tests.keeper.chain.proxy import proxied
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import BETTORS, KEEPER, Chain, Deployed, E

ANN, BOB, CID = BETTORS[:3]


def at(frame: dict[str, Any]) -> tuple[str, int]:
    return frame["blockHash"], frame["logIndex"]


@pytest.mark.parametrize("depth", [1, 10, DEPTH])
async def test_a_reorganization_is_healed_and_told(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed, depth: int
) -> None:
    before = healed()
    await deployed.bet(ANN, 1, 0, E)
    channel = f"round:{deployed.address}:1"
    async with following(rpc, [market]) as follower:
        await until(lambda: follower.head is not None)
        survives = follower.head
        assert survives
        old = follower.views[deployed.address]
        async with client_of(follower) as client:
            await client.follow(channel)
            fork = await Fork(chain).remember()
            await deployed.bet(BOB, 1, 1, 2 * E)
            for _ in range(depth - 2):
                await chain.rpc("evm_mine")
            if depth > 1:
                await deployed.bet(CID, 1, 0, 5 * E)
            lost = 2 * E if depth == 1 else 7 * E
            first = await told_until(client, E + lost)
            await caught_up(follower, chain)
            assert follower.head
            assert follower.head.number == survives.number + depth
            await fork.back()
            await deployed.bet(CID, 1, 3, 3 * E)
            for _ in range(depth):
                await chain.rpc("evm_mine")
            heard = await told_until(client, 4 * E)
            removed, new = heard[:-1], heard[-1]
            # The lost ones, newest first, each as it was but for its lines: those before it.
            assert [at(frame) for frame in removed] == [at(frame) for frame in reversed(first)]
            assert all(frame["removed"] for frame in removed)
            sums = [E] if depth == 1 else [3 * E, E]
            assert [frame["data"]["totalStaked"] for frame in removed] == [str(s) for s in sums]
            assert removed[-1]["data"]["pairs"][0] == {
                "predictions": ["EVEN", "ODD"],
                "totals": [str(E), "0"],
                "bets": [1, 0],
                "matched": "0",
            }
            assert removed[-1]["cursor"].startswith(f"{survives.number}:{survives.hash}:")
            assert (new["removed"], new["data"]["user"]) == (False, CID)
            # With so many new blocks what came before them may be final, which is told as well.
            await caught_up(follower, chain)
            await client.say(op="ping", id=0)
            assert {m["type"] for m in await client.hear_until("pong")} <= {"final", "pong"}
            # A cursor of a vanished block, and that of the block that survives.
            (snapshot,) = await client.follow(channel, since=first[-1]["cursor"])
            assert not snapshot["recovered"]
            assert snapshot["data"]["totalStaked"] == str(4 * E)
            again, snapshot = await client.follow(channel, since=removed[-1]["cursor"])
            assert (at(again), snapshot["recovered"]) == (at(new), True)
        await caught_up(follower, chain)
        assert state(follower) == await fresh_state(rpc, [market])
        assert follower.views[deployed.address] is not old
        assert healed() == before + depth
        # And on it goes, also for the views that lag behind.
        await deployed.bet(ANN, 1, 2, E)
        await caught_up(follower, chain)
        assert state(follower) == await fresh_state(rpc, [market])


async def test_a_deeper_reorganization_is_read_anew(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed
) -> None:
    await deployed.bet(ANN, 1, 0, E)
    async with following(rpc, [market]) as follower:
        await caught_up(follower, chain)
        fork = await Fork(chain).remember()
        await deployed.bet(BOB, 1, 1, 2 * E)
        for _ in range(DEPTH):
            await chain.rpc("evm_mine")
        await caught_up(follower, chain)
        await fork.back()
        with structlog.testing.capture_logs() as logs:
            for _ in range(DEPTH + 2):
                await chain.rpc("evm_mine")
            await caught_up(follower, chain)
        # How much of the new chain was there at a look decides which of the two it was.
        assert {log["event"] for log in logs} & {
            "the chain is not the one read before: reading it anew"
        }
        assert state(follower) == await fresh_state(rpc, [market])
        assert follower.views[deployed.address].rounds[1].book.staked == E


async def test_what_survives_is_found_exactly(
    rpc: Rpc, chain: Chain, market: ContractMarket
) -> None:
    """For every depth, by the feed alone; one more than is remembered begins anew."""
    rng = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    feed = EventFeed(rpc, [market], 1000)
    assert DEPTH == 64
    await chain.rpc("anvil_mine", hex(DEPTH + 20))
    await feed.poll()
    for depth in (1, 2, DEPTH - 1, DEPTH, *rng.sample(range(3, DEPTH - 1), 4), DEPTH + 1):
        fork = await Fork(chain).remember()
        survives = await rpc.head()
        await chain.rpc("anvil_mine", hex(depth))
        assert (await feed.poll()).complete
        await fork.back()
        await chain.rpc("anvil_mine", hex(depth + rng.randrange(3)))
        batch = await feed.poll()
        told = None if depth > DEPTH else survives
        assert (batch.survives, batch.lost) == (told, min(depth, DEPTH + 1))


@pytest.mark.parametrize("chunk", [1, 2, 7])
async def test_a_reorganization_deeper_than_a_chunk_is_healed_in_one_step(
    chain: Chain, deployed: Deployed, chunk: int
) -> None:
    """What is lost is made up for at once, by ranges of blocks that the node allows."""
    async with proxied(chain.url) as node, seen_through(deployed, node.url) as (rpc, market):
        whole, feed = EventFeed(rpc, [market], 1000), EventFeed(rpc, [market], chunk)
        for amount in range(1, 4):  # these stand
            await deployed.bet(ANN, 1, 0, amount * E)
        survives, fork = await rpc.head(), await Fork(chain).remember()
        for amount in range(12):
            await deployed.bet(BOB, 1, amount % 8, E)
        read = [await feed.poll()]
        while not read[-1].complete:
            read.append(await feed.poll())
        first = await whole.poll()
        assert [e for batch in read for e in batch.events] == first.events
        await fork.back()
        for amount in range(14):
            await deployed.bet(CID, 1, amount % 8, E)
        node.seen.clear()
        batch = await feed.poll()
        assert "eth_getLogs" in {method for method, _ in node.seen}
        assert max(spans(node), default=1) <= chunk  # no range at all where all is asked by hash
        assert (batch.survives, batch.lost) == (survives, 12)
        assert batch.read.number >= first.read.number
        told = [*batch.events]
        while not batch.complete:
            batch = await feed.poll()
            assert batch.survives is None
            told += batch.events
        assert max(spans(node), default=1) <= chunk
        anew = await whole.poll()
        assert (anew.survives, anew.lost, anew.complete) == (survives, 12, True)
        assert told == anew.events
        users = [e.args["user"] for e in told if e.name == "BetPlaced"]
        assert users == [CID] * 14


async def test_events_that_move_into_other_blocks_are_taken_once(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed
) -> None:
    """The same bets in another order, some of them together in a block, over and over."""
    rng = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    # Of each at most two at a time: nobody may have more than sixteen.
    users = rng.sample(2 * BETTORS, 9)
    bets = [(user, rng.randrange(8), rng.randrange(1, 9) * E) for user in users]
    async with following(rpc, [market]) as follower:
        await caught_up(follower, chain)
        for _ in range(4):
            fork = await Fork(chain).remember()
            rng.shuffle(bets)
            for user, prediction, amount in bets[:6]:
                await deployed.bet(user, 1, prediction, amount)
            await caught_up(follower, chain)
            assert state(follower) == await fresh_state(rpc, [market])
            await fork.back()
            await chain.rpc("evm_setAutomine", False)
            rng.shuffle(bets)
            for user, prediction, amount in bets:
                tx = {"from": user, "to": deployed.address, "value": hex(amount), "gas": hex(10**6)}
                tx["data"] = deployed.encode("placeBet", 1, prediction)
                await chain.rpc("eth_sendTransaction", tx)
                if rng.random() < 0.4:
                    await chain.rpc("evm_mine")
            await chain.rpc("evm_mine")
            await chain.rpc("evm_setAutomine", True)
            await caught_up(follower, chain)
            assert state(follower) == await fresh_state(rpc, [market])
            book = follower.views[deployed.address].rounds[1].book
            assert book.staked == await chain.balance(deployed.address)


async def test_a_payment_and_a_result_that_are_taken_back(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed
) -> None:
    """While they can be; after that they stay when something else is taken back."""
    later = DRAW + 3 * 86_400
    await deployed.do(KEEPER, "createRound", later)
    await deployed.bet(ANN, 1, 0, E)
    await deployed.bet(BOB, 1, 1, E)
    async with following(rpc, [market]) as follower:
        await chain.move_to(DRAW - 1000)
        await caught_up(follower, chain)
        rounds = follower.views[deployed.address].rounds
        for number in (1, 0):  # another result after the reorganization
            fork = await Fork(chain).remember()
            await chain.move_to(DRAW + 60)
            await deployed.do(KEEPER, "finalizeRound", 1, number)
            await deployed.do(KEEPER, "settle", 1, [ANN, BOB, CID])
            await caught_up(follower, chain)
            rounds = follower.views[deployed.address].rounds
            assert (rounds[1].winning_number, rounds[1].paid_out) == (number, True)
            if number:
                await fork.back(DRAW - 990)
                await deployed.bet(CID, 1, 0, 3 * E)  # betting is open again
                await caught_up(follower, chain)
                assert state(follower) == await fresh_state(rpc, [market])
                rounds = follower.views[deployed.address].rounds
                assert not rounds[1].book.finished
                assert rounds[1].ended_in == 0
        await chain.rpc("anvil_mine", hex(DEPTH))
        await caught_up(follower, chain)
        fork = await Fork(chain).remember()
        await deployed.bet(ANN, 2, 0, E)
        await caught_up(follower, chain)
        await fork.back()
        await deployed.bet(BOB, 2, 0, E)
        await caught_up(follower, chain)
        assert state(follower) == await fresh_state(rpc, [market])
        assert follower.views[deployed.address].rounds[1].paid_out


async def test_a_round_that_a_reorganization_takes_away(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed
) -> None:
    async with following(rpc, [market]) as follower:
        await caught_up(follower, chain)
        fork = await Fork(chain).remember()
        await deployed.do(KEEPER, "createRound", DRAW + 2 * 86_400 + 86_400)
        await caught_up(follower, chain)
        async with client_of(follower) as client:
            await client.follow(f"round:{deployed.address}:2")
            await fork.back()
            await chain.rpc("anvil_mine", "0x2")
            removed, gone = await client.hear(), await client.hear()
            assert (removed["event"], removed["removed"]) == ("RoundCreated", True)
            assert (gone["type"], gone["code"]) == ("error", "unknown_round")
            assert await client.silent()
