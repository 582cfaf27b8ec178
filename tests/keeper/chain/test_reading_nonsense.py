"""Whatever a node tells, the keeper goes on, and is right again when the node is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feed.history import History
from feed.hub import Hub
from feed.rows import last_of
from keeper.chain.events import DEPTH
from keeper.chain.rpc import Rpc
from keeper.errors import RpcDown
from keeper.ports import BLOCKS
from tests.keeper.chain.following import (
    caught_up,
    client_of,
    extent,
    following,
    fresh_state,
    seen_through,
    state,
    told_until,
)
from tests.keeper.chain.proxy import Proxy
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import BETTORS, Chain, Deployed, E

ANN, BOB = BETTORS[:2]
BLOCK, LOGS = "eth_getBlockByNumber", "eth_getLogs"
Lie = Callable[[list[Any], Any], Any]


def block(tag: str, **changed: str) -> Lie:
    """Of the block that is asked for by this name."""
    return lambda params, told: told | changed if params[0] == tag else told


def each(**changed: Any) -> Lie:
    """Of every log."""
    return lambda _, logs: [log | changed for log in logs]


def bets_on(prediction: int) -> Lie:
    """Of every log that has three topics beside its name, as bets have."""
    topic = f"0x{prediction:064x}"
    return lambda _, logs: [
        log | {"topics": [*log["topics"][:3], topic]} if len(log["topics"]) == 4 else log
        for log in logs
    ]


def shifted(_: list[Any], logs: Any) -> Any:
    """Every log in the place after its own."""
    return [log | {"logIndex": hex(int(log["logIndex"], 16) + 1)} for log in logs]


def greater(_: list[Any], logs: Any) -> Any:
    """Every bet by a coin."""
    return [
        log | {"data": f"0x{int(log['data'][:66], 16) + E:064x}{log['data'][66:]}"}
        if len(log["topics"]) == 4
        else log
        for log in logs
    ]


NONSENSE: dict[str, tuple[str, Lie]] = {
    "finality of a block to come": (BLOCK, block("finalized", number=hex(10**6))),
    "finality of no block": (BLOCK, block("finalized", number=hex(2**70))),
    "finality of another chain": (BLOCK, block("finalized", number="0x20", hash="0x" + "ab" * 32)),
    "a head that there cannot be": (BLOCK, block("latest", number=hex(2**70))),
    "a time that there cannot be": (BLOCK, block("latest", timestamp=hex(2**70))),
    "a time before all": (BLOCK, block("latest", timestamp="-0x1")),
    "logs without a place": (LOGS, each(logIndex=None)),
    "logs in one place": (LOGS, each(logIndex="0x1")),
    "logs far out": (LOGS, each(logIndex=hex(2**70))),
    "logs before the first": (LOGS, each(logIndex="-0x1")),
    "logs told twice": (LOGS, lambda _, logs: logs + logs),
    "bets on nothing": (LOGS, bets_on(9)),
}


async def test_how_far_a_chain_may_go(chain: Chain, deployed: Deployed, node: Proxy) -> None:
    async with seen_through(deployed, node.url) as (through, _):
        node.lies[BLOCK] = block("latest", number=hex(BLOCKS - 1), timestamp=hex(2**53 - 1))
        head = await through.head()
        assert (head.number, head.timestamp) == (BLOCKS - 1, 2**53 - 1)
        assert last_of(head.number) == 2**63 - 1  # the greatest number that SQLite holds
        for changed in ({"number": hex(BLOCKS)}, {"timestamp": hex(2**53)}):
            node.lies[BLOCK] = block("latest", **changed)
            with pytest.raises(RpcDown, match="tells of a block that there cannot be"):
                await through.head()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_neither_stops_nor_stays(
    chain: Chain, deployed: Deployed, node: Proxy, rpc: Rpc, tmp_path: Path, what: str, late: bool
) -> None:
    """From the start, or later on."""
    method, lie = NONSENSE[what]
    file = tmp_path / "history.sqlite"
    await chain.rpc("anvil_mine", hex(DEPTH))
    await deployed.bet(ANN, 1, 0, E)
    with contextlib.closing(History(file, "these")) as history:
        async with (
            seen_through(deployed, node.url) as (through, market),
            following(through, [market], archive=history) as follower,
        ):
            if late:
                await caught_up(follower, chain)
            node.lies[method] = lie
            node.seen.clear()
            await deployed.bet(BOB, 1, 1, 2 * E)
            await until(lambda: [asked for asked, _ in node.seen].count(method) > 9)
            hub = follower.audience
            assert isinstance(hub, Hub)
            assert hub.board.heartbeat()  # that it can be said
            assert follower.confirmed <= await chain.number() - DEPTH
            node.lies.clear()
            await chain.rpc("anvil_mine", hex(DEPTH))
            await caught_up(follower, chain)
            assert state(follower) == await fresh_state(rpc, [market])
            head = await chain.number()
            assert follower.confirmed == head - DEPTH
            assert f'"finalized":{follower.confirmed},'.encode() in hub.board.heartbeat()
            told = [str(delta.cursor) for delta in hub.board._deltas.all]
            assert told
            assert len({*told}) == len(told)
    assert extent(file)[0] == head - DEPTH


@pytest.mark.parametrize("lie", [shifted, greater])
async def test_of_a_transaction_the_last_word_counts(
    chain: Chain, deployed: Deployed, node: Proxy, rpc: Rpc, lie: Lie
) -> None:
    """What is false, and what was true before, are taken back; once the truth is told it stands."""
    await chain.rpc("anvil_mine", hex(DEPTH))
    async with (
        seen_through(deployed, node.url) as (through, market),
        following(through, [market]) as follower,
    ):
        await caught_up(follower, chain)
        async with client_of(follower) as client:
            await client.follow(f"round:{deployed.address}:1")
            await deployed.bet(ANN, 1, 0, E)
            (right,) = await told_until(client, E)
            node.lies[LOGS] = lie
            gone, false = [await client.hear() for _ in range(2)]
            node.lies.clear()
            again, true = [await client.hear() for _ in range(2)]
        assert [at["removed"] for at in (right, gone, false, again, true)] == [
            False, True, False, True, False,
        ]  # fmt: skip
        at, wrong, later = (f["data"] | {"logIndex": f["logIndex"]} for f in (right, false, true))
        assert (gone["logIndex"], again["logIndex"]) == (at["logIndex"], wrong["logIndex"])
        assert later == at != wrong
        assert state(follower) == await fresh_state(rpc, [market])
