"""What is lost, left behind or sent by another: nothing goes out twice or is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from keeper.chain.contracts import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.chain.sender import KeySender
from keeper.errors import ChainError, NotInCharge, NotMined, Reverted, RpcDown, RpcRefused
from keeper.ports import Sent
from keeper.store.journal import FileJournal
from tests.keeper.chain.conftest import Senders
from tests.keeper.chain.following import seen_through
from tests.keeper.chain.proxy import proxied
from tests.keeper.chain.sending import (
    DAY,
    HASTY,
    LATER,
    NEXT,
    PATIENT,
    QUICK,
    mine,
    story,
    told,
    until_pending,
)
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import KEEPER, Chain, Deployed

# ---- what an earlier keeper left


async def test_a_keeper_that_comes_back_waits_for_what_it_sent(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    with pytest.raises(NotMined):
        await senders(HASTY).send(market, "createRound", NEXT)
    back = asyncio.create_task(senders(PATIENT).send(market, "createRound", LATER))
    for _ in range(50):
        await asyncio.sleep(0.01)
    assert not back.done()
    await mine(held)
    await back
    assert (await market.call("roundOf", NEXT), await market.call("roundOf", LATER)) == (2, 3)
    assert told(tmp_path) == ["intent", "mined", "intent", "mined"]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
async def left(rpc: Rpc, account: LocalAccount, market: ContractMarket, tmp_path: Path) -> str:
    """What a keeper that was killed between journal and node leaves: its hash."""

    async def killed(_: str) -> None:
        raise Killed

    with (
        contextlib.closing(FileJournal(tmp_path / "one", 31337, KEEPER)) as journal,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(rpc, "broadcast", killed)
        with pytest.raises(Killed):
            await KeySender(rpc, account, PATIENT, journal).send(market, "createRound", NEXT)
        return journal.live[0].hash


async def test_what_was_written_and_not_sent_is_sent(
    senders: Senders, market: ContractMarket, left: str, tmp_path: Path
) -> None:
    assert await market.call("roundOf", NEXT) == 0
    await senders(PATIENT).recover()
    assert await market.call("roundOf", NEXT) == 2
    assert [(e["event"], e["hash"]) for e in story(tmp_path)] == [
        ("intent", left),
        ("mined", left),
    ]


async def test_what_became_impossible_meanwhile_is_not_sent(
    senders: Senders, market: ContractMarket, chain: Chain, left: str, tmp_path: Path
) -> None:
    await chain.move_to(NEXT - 60)  # betting would be over: no such round can be opened
    before = await chain.rpc("eth_getTransactionCount", KEEPER, "pending")
    await senders(PATIENT).recover()
    assert told(tmp_path) == ["intent", "lost"]
    assert await chain.rpc("eth_getTransactionCount", KEEPER, "pending") == before
    assert isinstance(await senders(PATIENT).send(market, "lockRound", 1), Sent)


async def test_what_became_impossible_while_it_waits_is_waited_for(
    senders: Senders,
    market: ContractMarket,
    held: Chain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node has it, so its nonce is not free."""
    with pytest.raises(NotMined):
        await senders(HASTY).send(market, "createRound", NEXT)
    back = senders(HASTY)

    async def refuses(*_: object) -> None:
        raise Reverted("", {})

    monkeypatch.setattr(back, "_simulate", refuses)
    await back.recover()
    assert told(tmp_path) == ["intent"]
    await mine(held)
    await back.recover()
    assert told(tmp_path) == ["intent", "mined"]


async def test_a_mined_one_is_found_though_nobody_waited(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    with pytest.raises(NotMined):
        await senders(HASTY).send(market, "createRound", NEXT)
    await mine(held)
    await senders(PATIENT).recover()
    assert told(tmp_path) == ["intent", "mined"]


async def test_what_nobody_waits_for_any_more_is_seen_to_its_end(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    sender = senders(replace(HASTY, replace_after=1))
    watching = asyncio.create_task(sender.watch())
    with pytest.raises(NotMined):
        await sender.send(market, "createRound", NEXT)
    await mine(held)
    await until(lambda: told(tmp_path)[-1] == "mined")
    watching.cancel()


# ---- another sender with the same key


async def test_a_transaction_in_no_journal_is_waited_for_then_replaced(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    with pytest.raises(NotMined):
        await senders(HASTY, "lost").send(market, "createRound", NEXT)
    with pytest.raises(NotMined, match="waits, sent by somebody else"):
        await (patient := senders(QUICK)).send(market, "createRound", LATER)
    sending = asyncio.create_task(until_sent(patient, market))
    await until(lambda: has_any(held, tmp_path))
    await mine(held)
    await sending
    assert (await market.call("roundOf", LATER), await market.call("roundOf", NEXT)) == (2, 0)
    assert told(tmp_path)[-1] == "mined"
    # The one that wrote the other down hears that its nonce is gone.
    await senders(PATIENT, "lost").recover()
    assert told(tmp_path, "lost") == ["intent", "lost"]


async def until_sent(sender: KeySender, market: ContractMarket) -> None:
    while True:
        with contextlib.suppress(NotMined):
            await sender.send(market, "createRound", LATER)
            return
        await asyncio.sleep(0.05)


async def has_any(chain: Chain, tmp_path: Path) -> bool:
    """Whether the node has a transaction of the journal."""
    hashes = [entry["hash"] for entry in story(tmp_path) if entry["event"] == "intent"]
    return any([await chain.rpc("eth_getTransactionByHash", one) for one in hashes])


async def test_two_keepers_with_one_key_do_each_duty_once(
    senders: Senders, market: ContractMarket, deployed: Deployed, chain: Chain, tmp_path: Path
) -> None:
    pair = senders(QUICK, "one"), senders(QUICK, "two")
    draws = [NEXT, LATER, NEXT + 7 * DAY]
    for draw in draws:
        while not await market.call("roundOf", draw):
            await asyncio.gather(
                *(one.send(market, "createRound", draw) for one in pair), return_exceptions=True
            )
    assert await market.round_count() == 1 + len(draws)
    for one in ("one", "two"):
        mined = [e for e in story(tmp_path, one) if e["event"] == "mined"]
        assert len({e["nonce"] for e in mined}) == len(mined)


# ---- who may send


@dataclass
class Pass:
    held: bool


async def test_without_the_lease_nothing_is_signed(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    lease = Pass(held=False)
    sender = senders(QUICK, lease=lease)
    with pytest.raises(NotInCharge):
        await sender.send(market, "createRound", NEXT)
    assert told(tmp_path) == []
    lease.held = True
    sending = asyncio.create_task(sender.send(market, "createRound", NEXT))
    await until_pending(held, 1)
    lease.held = False  # no replacement any more, but the one that waits is watched
    signed = len(told(tmp_path))
    await asyncio.sleep(3 * QUICK.replace_after)
    assert len(told(tmp_path)) <= signed + 1  # one may have been on its way
    await mine(held)
    assert isinstance(await sending, Sent)


class Brief:
    """Held when it is first asked for, and then no more."""

    def __init__(self) -> None:
        self.answers = iter([True])

    @property
    def held(self) -> bool:
        return next(self.answers, False)


async def test_a_lease_that_is_lost_before_the_signature(
    senders: Senders, market: ContractMarket, tmp_path: Path
) -> None:
    with pytest.raises(NotInCharge):
        await senders(QUICK, lease=Brief()).send(market, "createRound", NEXT)
    assert told(tmp_path) == []


async def test_without_the_lease_nothing_is_sent_again(
    senders: Senders, market: ContractMarket, left: str, tmp_path: Path
) -> None:
    lease = Pass(held=False)
    sender = senders(HASTY, lease=lease)
    await sender.recover()
    assert (told(tmp_path), await market.call("roundOf", NEXT)) == (["intent"], 0)
    lease.held = True
    await senders(PATIENT, lease=lease).recover()
    assert await market.call("roundOf", NEXT) == 2


# ---- nodes that fail


async def test_a_replacement_that_is_refused_ends_nothing(
    senders: Senders,
    market: ContractMarket,
    held: Chain,
    rpc: Rpc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one before it is still live."""
    broadcast, sent, refused = rpc.broadcast, list[str](), list[str]()

    async def full(raw: str) -> None:
        (refused if sent else sent).append(raw)
        if refused:
            raise RpcRefused("txpool is full")
        await broadcast(raw)

    monkeypatch.setattr(rpc, "broadcast", full)
    sending = asyncio.create_task(senders(QUICK).send(market, "createRound", NEXT))
    await until(lambda: len(refused) > 1)
    await mine(held)
    assert (await sending).tx_hash == story(tmp_path)[0]["hash"]
    assert told(tmp_path)[-1] == "mined"


async def test_a_node_that_dies_while_it_is_asked(
    senders: Senders,
    market: ContractMarket,
    held: Chain,
    rpc: Rpc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody knows whether it has the transaction: it stays live and is sent again."""
    sender = senders(PATIENT)
    broadcast, answers = rpc.broadcast, [RpcDown("gone"), RpcDown("gone")]

    async def dying(raw: str) -> None:
        await broadcast(raw)
        if answers:
            raise answers.pop()

    monkeypatch.setattr(rpc, "broadcast", dying)
    sending = asyncio.create_task(sender.send(market, "createRound", NEXT))
    await until(lambda: not answers)
    await mine(held)
    await sending
    assert told(tmp_path) == ["intent", "mined"]
    assert await market.call("roundOf", NEXT) == 2


async def test_what_no_node_answered_is_sent_again_at_once(
    senders: Senders,
    market: ContractMarket,
    rpc: Rpc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also by a sender whose last one a node has taken."""
    sender = senders(PATIENT)
    await sender.send(market, "createRound", NEXT)
    broadcast, answers = rpc.broadcast, [RpcDown("gone")]

    async def deaf(raw: str) -> None:
        if answers:
            raise answers.pop()
        await broadcast(raw)

    monkeypatch.setattr(rpc, "broadcast", deaf)
    await sender.send(market, "createRound", LATER)
    assert told(tmp_path) == ["intent", "mined"] * 2


def without(name: str) -> Callable[[list[Any], Any], Any]:
    """A lie about what has no field of that name."""
    return lambda _, told: told and {key: told[key] for key in told if key != name}


@pytest.mark.parametrize(
    ("method", "field", "before"),
    [
        ("eth_feeHistory", "baseFeePerGas", []),
        ("eth_getTransactionReceipt", "effectiveGasPrice", ["intent"]),
        ("eth_getTransactionReceipt", "gasUsed", ["intent"]),
    ],
)
async def test_what_a_node_leaves_out_is_its_fault_and_no_end(
    method: str,
    field: str,
    before: list[str],
    chain: Chain,
    deployed: Deployed,
    account: LocalAccount,
    tmp_path: Path,
) -> None:
    async with proxied(chain.url) as node, seen_through(deployed, node.url) as (rpc, market):
        journal = FileJournal(tmp_path / "one", chain.chain_id, KEEPER)
        sender = KeySender(rpc, account, HASTY, journal)
        node.lies[method] = without(field)
        with pytest.raises(ChainError):
            await sender.send(market, "createRound", NEXT)
        assert told(tmp_path) == before
        node.lies.clear()
        await until(lambda: answers(rpc))
        sender = KeySender(rpc, account, PATIENT, journal)
        await sender.recover()
        if not before:
            await sender.send(market, "createRound", NEXT)
        assert told(tmp_path) == ["intent", "mined"]
        journal.close()


async def answers(rpc: Rpc) -> bool:
    with contextlib.suppress(RpcDown):
        return bool(await rpc.head())
    return False
