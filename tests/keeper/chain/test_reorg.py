"""The chain takes back what was read: views, feed and those who follow the web are put right."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from keeper import metrics
from keeper.chain.events import DEPTH, EventFeed
from keeper.chain.market import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.domain.draw import POWERBALL
from keeper.errors import RpcDown
from keeper.follow import Follower
from tests.keeper.chain.conftest import DRAW, START
from tests.keeper.chain.following import Fork, caught_up, following, fresh_state, state
from tests.keeper.chain.proxy import proxied
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import BETTORS, KEEPER, Chain, Deployed, E, running_chain
from tests.keeper.web_world import Socket, connected, serving

ANN, BOB, CID = BETTORS[:3]


def counted() -> float:
    return float(metrics.REORGANIZATIONS._value.get())


async def told_until(client: Socket, staked: int) -> list[dict[str, Any]]:
    """The bets a client is told, up to the one that brings the round to so much."""
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["removed"] or heard[-1]["data"]["totalStaked"] != str(staked):
        if (frame := await client.hear())["event"] == "BetPlaced":
            heard.append(frame)
    await client.say(op="ping", id=0)
    assert {frame.get("event") for frame in await client.hear_until("pong")} <= {"BetMatched", None}
    return heard


def at(frame: dict[str, Any]) -> tuple[str, int]:
    return frame["blockHash"], frame["logIndex"]


@pytest.mark.parametrize("depth", [1, 10, DEPTH])
async def test_a_reorganization_is_healed_and_told(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed, depth: int
) -> None:
    before = counted()
    await deployed.bet(ANN, 1, 0, E)
    channel = f"round:{deployed.address}:1"
    async with following(rpc, [market]) as follower:
        await until(lambda: follower.head is not None)
        survives = follower.head
        assert survives
        old = follower.views[deployed.address]
        async with (
            serving(SimpleNamespace(hub=follower.hub, url="")) as session,  # type: ignore[arg-type]
            connected(session) as client,
        ):
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
            assert follower.head.number == survives.number + depth  # type: ignore[union-attr]
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
            # A cursor of a vanished block, and that of the block that survives.
            (snapshot,) = await client.follow(channel, since=first[-1]["cursor"])
            assert not snapshot["recovered"]
            assert snapshot["data"]["totalStaked"] == str(4 * E)
            again, snapshot = await client.follow(channel, since=removed[-1]["cursor"])
            assert (at(again), snapshot["recovered"]) == (at(new), True)
        await caught_up(follower, chain)
        assert state(follower) == await fresh_state(rpc, [market])
        assert follower.views[deployed.address] is not old
        assert counted() == before + depth
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
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed, chunk: int
) -> None:
    """What is lost is made up for at once, by ranges of blocks that the node allows."""
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
    spans: list[int] = []
    get_logs = rpc.w3.eth.get_logs

    async def counted_logs(query: Any) -> Any:
        spans.append(query.get("toBlock", 0) - query.get("fromBlock", 0) + 1)
        return await get_logs(query)

    rpc.w3.eth.get_logs = counted_logs  # type: ignore[method-assign,assignment]
    batch = await feed.poll()
    assert max(spans) <= chunk
    assert (batch.survives, batch.lost) == (survives, 12)
    assert batch.read.number >= first.read.number
    told = [*batch.events]
    while not batch.complete:
        batch = await feed.poll()
        assert batch.survives is None
        told += batch.events
    assert max(spans) <= chunk
    healed = await whole.poll()
    assert (healed.survives, healed.lost, healed.complete) == (survives, 12, True)
    assert told == healed.events
    users = [e.args["user"] for e in told if e.name == "BetPlaced"]
    assert users == [CID] * 14


async def test_events_that_move_into_other_blocks_are_taken_once(
    rpc: Rpc, chain: Chain, market: ContractMarket, deployed: Deployed
) -> None:
    """The same bets in another order, some of them together in a block, over and over."""
    rng = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    bets = [(rng.choice(BETTORS), rng.randrange(8), rng.randrange(1, 9) * E) for _ in range(9)]
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
        async with (
            serving(SimpleNamespace(hub=follower.hub, url="")) as session,  # type: ignore[arg-type]
            connected(session) as client,
        ):
            await client.follow(f"round:{deployed.address}:2")
            await fork.back()
            await chain.rpc("anvil_mine", "0x2")
            removed, gone = await client.hear(), await client.hear()
            assert (removed["event"], removed["removed"]) == ("RoundCreated", True)
            assert (gone["type"], gone["code"]) == ("error", "unknown_round")
            assert await client.silent()


async def test_two_nodes_on_different_forks(deployed: Deployed, chain: Chain) -> None:
    """Each time the keeper must go over to the other, what it shows is that one's truth."""
    async with running_chain(START) as other:
        twin = await other.deploy(POWERBALL)
        await twin.do(KEEPER, "createRound", DRAW)
        assert twin.address == deployed.address
        for node in (chain, other):  # from the same start to two futures
            await node.rpc("anvil_mine", "0x3")
        async with proxied(chain.url) as one:
            rpc = Rpc([one.url, other.url], chain.chain_id)
            market = ContractMarket(rpc, deployed.address, POWERBALL, deployed.block)
            await deployed.bet(ANN, 1, 0, E)
            await twin.bet(BOB, 1, 1, 2 * E)
            await twin.bet(BOB, 1, 1, 2 * E)
            async with following(rpc, [market]) as follower:
                for _ in range(2):
                    await caught_up(follower, chain)
                    assert follower.views[deployed.address].rounds[1].book.staked == E
                    one.dead = True
                    await caught_up(follower, other)
                    assert follower.views[deployed.address].rounds[1].book.staked == 4 * E
                    one.dead = False
            await rpc.close()


async def test_a_node_that_goes_over_to_another_fork_in_the_midst_of_a_poll(
    deployed: Deployed, chain: Chain
) -> None:
    """Blocks that do not follow upon each other are no chain: nothing of it is taken."""
    async with running_chain(START) as other, proxied(chain.url) as node:
        rpc = Rpc([node.url], chain.chain_id)
        market = ContractMarket(rpc, deployed.address, POWERBALL, deployed.block)
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
        await rpc.close()


async def test_an_event_that_the_nodes_index_had_left_out_is_found(
    chain: Chain, deployed: Deployed
) -> None:
    """It is told late, and what came after it is told again after it."""
    await chain.rpc("anvil_mine", "0x5")
    hidden: set[str] = set()

    def index(_: list[Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if log["transactionHash"] not in hidden]

    async with proxied(chain.url) as node:
        node.lies["eth_getLogs"] = index
        rpc = Rpc([node.url], chain.chain_id)
        market = ContractMarket(rpc, deployed.address, POWERBALL, deployed.block)
        channel = f"round:{deployed.address}:1"
        async with following(rpc, [market]) as follower:
            await caught_up(follower, chain)
            before = counted()
            async with (
                serving(SimpleNamespace(hub=follower.hub, url="")) as session,  # type: ignore[arg-type]
                connected(session) as client,
            ):
                await client.follow(channel)
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
            assert counted() == before
        await rpc.close()


async def test_what_was_left_out_and_cannot_be_missed(chain: Chain, deployed: Deployed) -> None:
    """No bet of a round fits without its creation: all is read anew until it does."""
    await deployed.bet(ANN, 1, 0, E)
    await chain.rpc("anvil_mine", hex(DEPTH))
    hides = True

    def index(_: list[Any], logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if not hides or int(log["blockNumber"], 16) > 2]

    async with proxied(chain.url) as node:
        node.lies["eth_getLogs"] = index
        rpc = Rpc([node.url], chain.chain_id)
        market = ContractMarket(rpc, deployed.address, POWERBALL, deployed.block)
        with structlog.testing.capture_logs() as logs:
            async with following(rpc, [market]) as follower:
                await until(lambda: any("left out events" in log.get("why", "") for log in logs))
                assert follower.head is None
                hides = False
                await caught_up(follower, chain)
                assert follower.views[deployed.address].rounds[1].book.staked == E
        await rpc.close()


async def test_a_long_gap_is_caught_up_in_chunks_and_shown() -> None:
    async with running_chain(START, "--prune-history", "10") as chain:
        deployed = await chain.deploy(POWERBALL)
        await deployed.do(KEEPER, "createRound", DRAW)
        async with proxied(chain.url) as node:
            rpc = Rpc([node.url], chain.chain_id)
            market = ContractMarket(rpc, deployed.address, POWERBALL, deployed.block)
            async with following(rpc, [market], chunk=100) as follower:
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
                ranges = [p[0] for m, p in node.seen if m == "eth_getLogs" and "toBlock" in p[0]]
                sizes = [int(r["toBlock"], 16) - int(r["fromBlock"], 16) + 1 for r in ranges]
                assert max(sizes) <= 100
                assert len(ranges) < 60
                shown = [log for log in logs if log["event"] == "reading the chain"]
                assert 4 <= len(shown) <= 6
                assert {log["of"] for log in shown} == {await chain.number()}
                assert [log["block"] for log in shown] == sorted(log["block"] for log in shown)
            await rpc.close()


async def test_results_are_final_at_a_depth_or_at_the_nodes_word(
    rpc: Rpc, chain: Chain, market: ContractMarket
) -> None:
    async with (
        following(rpc, [market]) as by_tag,
        following(rpc, [market], confirmations=3) as by_depth,
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
