"""What was read is compared with the markets from time to time, while a follower runs."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import pytest
import structlog

from keeper.chain.contracts import ContractMarket
from keeper.chain.events import DEPTH
from keeper.chain.rpc import Rpc
from keeper.follow import Follower
from tests.keeper.chain.following import (
    caught_up,
    client_of,
    following,
    fresh_state,
    seen_through,
    state,
)
from tests.keeper.chain.proxy import Proxy
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import BETTORS, Chain, Deployed, E

ANN, BOB = BETTORS[:2]
ANEW = "the chain is read from its first event"
UNKNOWN = "what was read is not compared with the markets"
Logs = list[dict[str, Any]]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """No hour passes from one comparison to the next."""
    monkeypatch.setattr("keeper.follow._PROOF", 0.1)


def invented(logs: Logs) -> Logs:
    """After each a second one, by a transaction that there is not."""
    return [
        told
        for log in logs
        for told in (log, log | {"logIndex": "0x1", "transactionHash": "0x" + "5a" * 32})
    ]


def left_out(logs: Logs) -> Logs:
    return []


def telling(of: int, how: Callable[[Logs], Logs]) -> Callable[[list[Any], Logs], Logs]:
    """How a node tells of a block's logs."""

    def tell(_: list[Any], logs: Logs) -> Logs:
        there = [log for log in logs if int(log["blockNumber"], 16) == of]
        return [log for log in logs if log not in there] + how(there)

    return tell


def stake(follower: Follower, market: Deployed) -> int:
    """What was bet on round 1, as it was read."""
    return follower.views[market.address].rounds[1].book.staked


async def another(logs: Sequence[MutableMapping[str, Any]], event: str) -> None:
    """Waits for one line more of it."""

    def times() -> int:
        return sum(log["event"] == event for log in logs)

    before = times()
    await until(lambda: times() > before)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(("how", "staked"), [(invented, 2 * E), (left_out, 0)])
async def test_what_a_node_told_falsely_is_found_while_it_runs(
    chain: Chain,
    deployed: Deployed,
    node: Proxy,
    rpc: Rpc,
    market: ContractMarket,
    how: Callable[[Logs], Logs],
    staked: int,
) -> None:
    """Well-formed, or not told at all; whoever follows gets what is right."""
    await chain.rpc("anvil_mine", hex(DEPTH))
    node.lies["eth_getLogs"] = telling(await chain.number() + 1, how)
    async with seen_through(deployed, node.url) as (other, seen), following(other, [seen]) as it:
        await caught_up(it, chain)
        await deployed.bet(ANN, 1, 0, E)
        await chain.rpc("anvil_mine", "0x5")
        await caught_up(it, chain)
        assert stake(it, deployed) == staked
        async with client_of(it) as client:
            await client.follow(f"round:{deployed.address}:1")
            with structlog.testing.capture_logs() as logs:
                await chain.rpc("anvil_mine", hex(DEPTH))
                await another(logs, ANEW)
                node.lies.clear()
                await until(lambda: it.head is not None and stake(it, deployed) == E)
            assert state(it) == await fresh_state(rpc, [market])
            told = {"totalStaked": ""}
            while told["totalStaked"] != str(E):
                (*_, snapshot) = await client.hear_until("snapshot")
                told = snapshot["data"]


async def test_who_goes_on_telling_it_falsely_is_not_asked_for_all_again_and_again(
    chain: Chain, deployed: Deployed, node: Proxy
) -> None:
    await deployed.bet(ANN, 1, 0, E)
    node.lies["eth_getLogs"] = telling(await chain.number(), left_out)
    await chain.rpc("anvil_mine", hex(DEPTH))
    async with seen_through(deployed, node.url) as (rpc, market):
        with structlog.testing.capture_logs() as logs:
            async with following(rpc, [market]) as follower:
                await another(logs, ANEW)
                for staked in range(1, 4):
                    await deployed.bet(BOB, 1, 1, E)
                    await caught_up(follower, chain)
                    assert stake(follower, deployed) == staked * E
    assert [log["event"] for log in logs].count(ANEW) == 1


@pytest.mark.usefixtures("often")
async def test_a_node_that_cannot_tell_what_was_is_followed_nevertheless(
    chain: Chain, deployed: Deployed, node: Proxy
) -> None:
    await chain.rpc("anvil_mine", hex(DEPTH))

    def pruned(method: str, _: list[Any]) -> None:
        node.error = "missing trie node" if method == "eth_call" else ""

    node.before = pruned
    async with seen_through(deployed, node.url) as (rpc, market):
        with structlog.testing.capture_logs() as logs:
            async with following(rpc, [market]) as follower:
                for times in range(1, 4):
                    await another(logs, UNKNOWN)
                    await deployed.bet(ANN, 1, 0, E)
                    await caught_up(follower, chain)
                    assert stake(follower, deployed) == times * E
    assert {log["event"] for log in logs if log["log_level"] != "info"} == {UNKNOWN}
