"""Several nodes, some of which die, stand still, lie, drag or serve another chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import structlog
from aiohttp import ClientTimeout
from eth_account import Account
from eth_utils.crypto import keccak

from keeper import metrics
from keeper.chain import rpc as nodes
from keeper.chain.contracts import ContractMarket
from keeper.chain.rpc import Node, Rpc
from keeper.domain.draw import POWERBALL
from keeper.errors import Reverted, RpcDown, RpcRefused
from tests.keeper.chain.conftest import START
from tests.keeper.chain.following import caught_up, following, fresh_state, state
from tests.keeper.chain.proxy import Proxy, proxied
from tests.keeper.chain.waiting import PATIENCE, until
from tests.keeper.chainfixtures import (
    BETTORS,
    KEEPER,
    KEEPER_KEY,
    Chain,
    Deployed,
    E,
    running_chain,
)

ANN = BETTORS[0]
HEAD_AGE = 60


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes are looked at often, so that tests need not wait."""
    monkeypatch.setattr(nodes, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(nodes, "LONGEST_REST", 0.4)


@pytest.fixture
async def two(chain: Chain) -> AsyncIterator[tuple[Proxy, Proxy]]:
    """Two nodes of the chain."""
    async with proxied(chain.url) as first, proxied(chain.url) as second:
        yield first, second


@pytest.fixture
async def both(two: tuple[Proxy, Proxy], chain: Chain) -> AsyncIterator[Rpc]:
    """The first of them preferred."""
    rpc = Rpc([node.url for node in two], chain.chain_id, PATIENCE, HEAD_AGE)
    yield rpc
    await rpc.close()


def up(node: Proxy) -> bool:
    return bool(metrics.NODE_UP.labels(node.url)._value.get())


async def asks(rpc: Rpc, node: Proxy) -> bool:
    """Whether a request goes to this node, once the looks that are due are done."""
    await asyncio.sleep(0.1)
    await rpc.balance(ANN)
    await asyncio.sleep(0.1)
    node.seen.clear()
    await rpc.balance(ANN)
    return any(method == "eth_getBalance" for method, _ in node.seen)


async def until_asked(rpc: Rpc, node: Proxy) -> None:
    await until(lambda: asks(rpc, node))


def dead(node: Proxy, _: Node) -> None:
    node.dead = True


def refusing(node: Proxy, _: Node) -> None:
    node.http = 503


def slow(node: Proxy, seen: Node) -> None:
    """Slower than this one, and no other, may be."""
    node.delay = PATIENCE
    seen._send = partial(seen._send, timeout=ClientTimeout(total=1))


def gibbering(node: Proxy) -> None:
    node.lies["eth_getBalance"] = lambda _params, _result: "not a number"


@pytest.mark.parametrize("fault", [dead, refusing, slow])
async def test_the_next_node_answers_and_the_preferred_one_is_taken_back(
    both: Rpc, two: tuple[Proxy, Proxy], fault: Any
) -> None:
    first, second = two
    assert await asks(both, first)
    assert up(first)
    fault(first, both._nodes[0])
    with structlog.testing.capture_logs() as logs:
        assert await both.balance(ANN) == 10_000 * E  # this very request
    assert both.where == second.url
    assert [log["node"] for log in logs] == [second.url]
    assert not up(first)
    first.dead, first.http, first.delay = False, 0, 0
    await until_asked(both, first)
    assert up(first)


async def test_a_node_that_does_not_answer_rests_longer_each_time_within_bounds(
    both: Rpc, two: tuple[Proxy, Proxy]
) -> None:
    first, _ = two
    first.dead = True
    times: list[float] = []
    first.before = lambda *_: times.append(asyncio.get_running_loop().time())

    async def asked_often() -> bool:
        await both.balance(ANN)
        return len(times) >= 9

    await until(asked_often)
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[1] >= 0.1
    assert gaps[2] >= 0.2
    assert min(gaps[3:]) >= 0.39  # LONGEST_REST: but for rounding


async def test_nonsense_is_not_asked_for_twice(both: Rpc, two: tuple[Proxy, Proxy]) -> None:
    gibbering(two[0])
    two[1].delay = 0.2  # so it is not known yet how the other is
    with pytest.raises(RpcDown, match="makes no sense"):
        await both.balance(ANN)
    assert await both.balance(ANN) == 10_000 * E


async def test_a_refusal_is_an_answer(
    both: Rpc, two: tuple[Proxy, Proxy], deployed: Deployed
) -> None:
    first, second = two
    await both.head()
    second.seen.clear()
    market = ContractMarket(both, deployed.address, POWERBALL, deployed.block)
    with pytest.raises(Reverted, match="UnknownRound"):
        await market.round_info(99)
    first.error = "filter not found"
    with pytest.raises(RpcRefused, match="filter not found"):
        await both.balance(ANN)
    assert not [m for m, _ in second.seen if m in ("eth_call", "eth_getBalance")]


async def test_nodes_that_are_all_down_tell_why_and_come_back(
    both: Rpc, two: tuple[Proxy, Proxy]
) -> None:
    first, second = two
    first.dead, second.http = True, 502
    for _ in range(3):
        with pytest.raises(RpcDown) as told:
            await both.head()
        assert f"{first.url} does not answer" in str(told.value)
        assert f"{second.url} answers with HTTP 502" in str(told.value)
    second.http = 0
    await both.head()  # at once: nobody waits for a rest to end when no node is left


async def test_a_node_that_stands_still_gives_way(
    both: Rpc, two: tuple[Proxy, Proxy], chain: Chain
) -> None:
    first, second = two
    now, first.frozen = await chain.now(), await chain.number()
    await chain.move_to(now + HEAD_AGE)  # not clearly behind yet
    assert await asks(both, first)
    await chain.move_to(now + HEAD_AGE + 1)
    await until_asked(both, second)
    assert not up(first)
    assert up(second)
    second.dead = True  # better one that stands still than none
    assert await asks(both, first)
    second.dead = False
    await until_asked(both, second)
    first.frozen = None
    await until_asked(both, first)
    assert up(first)


async def test_a_node_of_another_chain_is_never_used(
    two: tuple[Proxy, Proxy], chain: Chain
) -> None:
    first = two[0]
    async with running_chain(START, chain_id=1) as other, proxied(other.url) as stranger:
        rpc = Rpc([stranger.url, first.url], chain.chain_id, PATIENCE)
        with structlog.testing.capture_logs() as logs:
            for _ in range(5):
                assert await asks(rpc, first)
            assert not up(stranger)
            assert [log["event"] for log in logs].count("a node of another chain is not used") == 1
            assert {m for m, _ in stranger.seen} <= {"eth_chainId", "eth_getBlockByNumber"}
            first.dead = True
            with pytest.raises(RpcDown, match="does not answer"):
                await rpc.balance(ANN)
            with pytest.raises(RpcDown, match=r"serves chain 1, not 31337; .* does not answer"):
                await rpc.balance(ANN)
            # One that comes back as another chain's is found out before it is used.
            first.target, first.dead = other.url, False
            with pytest.raises(RpcDown, match="serves chain 1, not 31337"):
                await rpc.balance(ANN)
            with pytest.raises(RpcDown, match="serves chain 1"):
                await rpc.head()
            assert not [m for m, _ in stranger.seen if m == "eth_getBalance"]
        await rpc.close()


def killer(node: Proxy, method: str, after: bool, killed: list[tuple[str, bool]]) -> Any:
    def die(asked: str, params: list[Any]) -> None:
        if asked == method and params[0] != "finalized":
            node.dead = True
            killed.append((asked, after))

    return die


async def test_failing_over_in_the_midst_of_polls_loses_and_repeats_nothing(
    two: tuple[Proxy, Proxy], both: Rpc, rpc: Rpc, deployed: Deployed, chain: Chain
) -> None:
    """Each node dies, in turn, before and after a request of each kind is forwarded."""
    market = ContractMarket(both, deployed.address, POWERBALL, deployed.block)
    killed: list[tuple[str, bool]] = []
    staked = 0
    async with following(both, [market]) as follower:
        await caught_up(follower, chain)
        for method in ("eth_getBlockByNumber", "eth_getLogs"):
            for after in (False, True):
                for node in two:
                    await until_asked(both, two[0])
                    die = killer(node, method, after, killed)
                    two[0].dead = node is two[1]
                    node.before, node.after = (None, die) if after else (die, None)
                    staked += 1
                    await deployed.bet(ANN, 1, staked % 8, staked * E)
                    while not node.dead:
                        await asyncio.sleep(0.01)
                    node.before = node.after = None
                    two[0].dead = two[1].dead = False
                    await caught_up(follower, chain)
        book = follower.views[deployed.address].rounds[1].book
        assert book.staked == sum(range(staked + 1)) * E
        assert len(book.bets_of(ANN)) == staked == 8
        assert len({*killed}) == 4
        mine = ContractMarket(rpc, deployed.address, POWERBALL, deployed.block)
        assert state(follower) == await fresh_state(rpc, [mine])


async def signed(chain: Chain, nonce: int, value: int = 1, price: int = 10**10) -> str:
    tx = {"to": ANN, "value": value, "gas": 21_000, "gasPrice": price, "nonce": nonce}
    account = Account.from_key(KEEPER_KEY)
    tx_signed = account.sign_transaction(tx | {"chainId": chain.chain_id})
    return str(tx_signed.raw_transaction.to_0x_hex())


async def until_mined(chain: Chain) -> None:
    """The first transaction of the account."""

    async def mined() -> bool:
        return bool(await chain.rpc("eth_getTransactionCount", KEEPER, "latest") == "0x1")

    await until(mined)


async def test_a_transaction_goes_to_every_node(chain: Chain) -> None:
    async with AsyncExitStack() as stack:
        twin = await stack.enter_async_context(running_chain(START))
        first = await stack.enter_async_context(proxied(chain.url))
        second = await stack.enter_async_context(proxied(twin.url))
        rpc = Rpc([first.url, second.url], chain.chain_id, PATIENCE)
        raw = await signed(chain, 0)
        for node in (chain, twin):
            await node.rpc("evm_setAutomine", False)
        await rpc.broadcast(raw)
        for node in (chain, twin):
            pending = await node.rpc("eth_getBlockByNumber", "pending", False)
            assert pending["transactions"] == ["0x" + keccak(hexstr=raw).hex()]
        await rpc.broadcast(raw)  # both have it already
        first.dead = True
        next_one = await signed(chain, 1)
        await rpc.broadcast(next_one)
        first.dead = False

        async def taken() -> bool:  # one takes it, the other has it
            await rpc.broadcast(next_one)
            pending = await chain.rpc("eth_getBlockByNumber", "pending", False)
            return len(pending["transactions"]) == 2

        await until(taken)
        await rpc.close()


async def test_a_transaction_that_no_node_takes(
    both: Rpc, two: tuple[Proxy, Proxy], chain: Chain
) -> None:
    first, second = two
    with pytest.raises(RpcRefused, match=r"(?i)insufficient funds"):
        await both.broadcast(await signed(chain, 0, value=10**30))
    first.error = "tip too low"
    await both.broadcast(await signed(chain, 0))  # the other takes it
    first.error = ""
    await until_mined(chain)
    with pytest.raises(RpcRefused, match="nonce too low"):
        await both.broadcast(await signed(chain, 0, value=2))
    first.dead = second.dead = True
    with pytest.raises(RpcDown):
        await both.broadcast(await signed(chain, 1))


async def test_one_node_takes_it_and_cannot_say_so_while_the_other_refuses_it(
    both: Rpc, two: tuple[Proxy, Proxy], chain: Chain
) -> None:
    """Then it may be on its way: nobody can call it refused."""
    first, second = two
    await both.head()

    def die(method: str, _: list[Any]) -> None:
        first.dead = method == "eth_sendRawTransaction"

    def refuse(method: str, _: list[Any]) -> None:
        second.error = "tip too low" if method == "eth_sendRawTransaction" else ""

    first.after, second.before = die, refuse
    with pytest.raises(RpcDown, match=f"{first.url} does not answer"):
        await both.broadcast(await signed(chain, 0))
    await until_mined(chain)
