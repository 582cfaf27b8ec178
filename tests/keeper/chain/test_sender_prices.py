"""What a transaction offers: more when it waits or is refused, and never above the cap."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from keeper.chain.contracts import ContractMarket
from keeper.chain.fees import GWEI, dearer, going_rate
from keeper.chain.rpc import Rpc
from keeper.errors import NotMined, RpcDown, RpcRefused
from keeper.ports import Intent, Sent
from tests.keeper.chain.conftest import Senders
from tests.keeper.chain.sending import (
    HASTY,
    LATER,
    NEXT,
    PATIENT,
    QUICK,
    base_fee,
    mine,
    story,
    told,
    until_pending,
)
from tests.keeper.chain.waiting import until
from tests.keeper.chainfixtures import KEEPER, Chain, Deployed


async def test_what_is_not_mined_in_time_is_replaced_for_more(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    sending = asyncio.create_task(senders(QUICK).send(market, "createRound", NEXT))
    await until(lambda: len(told(tmp_path)) >= 3)
    await until_pending(held, 1)
    await mine(held)
    sent = await sending
    assert await market.call("roundOf", NEXT) == 2
    entries = story(tmp_path)
    first, *others, end = entries
    assert {e["event"] for e in (first, *others)} == {"intent"}
    assert len({e["nonce"] for e in entries}) == 1
    for before, after in zip((first, *others), others, strict=False):
        assert after["max_fee"] >= before["max_fee"] * 1.1
        assert after["tip"] >= before["tip"] * 1.1
    assert (end["event"], end["hash"], end["status"]) == ("mined", sent.tx_hash, 1)
    assert sent.tx_hash in {e["hash"] for e in others}
    assert int((await held.rpc("txpool_status"))["pending"], 16) == 0


async def test_a_replacement_has_as_long_as_the_first(
    senders: Senders,
    market: ContractMarket,
    held: Chain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, looks = time.monotonic(), 0
    monkeypatch.setattr("keeper.chain.sender.time", SimpleNamespace(monotonic=lambda: now))
    sender = senders(replace(PATIENT, patience=10**6))
    own = sender._nonces

    async def counted() -> tuple[int, int]:
        nonlocal looks
        looks += 1
        return await own()

    async def looked() -> None:
        begun = looks
        await until(lambda: looks > begun + 5)

    monkeypatch.setattr(sender, "_nonces", counted)
    sending = asyncio.create_task(sender.send(market, "createRound", NEXT))
    for sent in (1, 2, 3):
        await until_pending(held, 1)
        await looked()
        assert len(told(tmp_path)) == sent
        now += 601
    await mine(held)
    await sending


async def test_a_replacement_follows_the_base_fee(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    sending = asyncio.create_task(senders(QUICK).send(market, "createRound", NEXT))
    await until_pending(held, 1)
    await base_fee(held, 100)
    await held.rpc("evm_mine")  # too dear for what waits
    await held.rpc("evm_setAutomine", True)
    sent = await sending
    tx = await held.rpc("eth_getTransactionByHash", sent.tx_hash)
    assert int(tx["maxFeePerGas"], 16) > 87 * GWEI


async def test_the_cap_holds_for_replacements(
    senders: Senders,
    market: ContractMarket,
    held: Chain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    await base_fee(held, 1)
    await held.rpc("evm_mine")
    with monkeypatch.context() as patched:
        patched.setattr("keeper.chain.sender.time", SimpleNamespace(monotonic=lambda: now))
        capped = senders(replace(QUICK, max_fee=5 * GWEI))
        sending = asyncio.create_task(capped.send(market, "createRound", NEXT))
        await until_pending(held, 1)
        await base_fee(held, 100)
        await mine(held)
        now += 601  # it is to be replaced, and has waited long enough
        with pytest.raises(NotMined, match=r"was sent and is not .* mined: gas costs .* allow 5$"):
            await sending
    assert max(e["max_fee"] for e in story(tmp_path)) <= 5 * GWEI
    # Nothing else of this key goes before it, and nothing is forgotten.
    with pytest.raises(NotMined):
        await senders(HASTY).send(market, "createRound", LATER)
    assert len({e["nonce"] for e in story(tmp_path)}) == 1
    await base_fee(held, 1)
    await mine(held)
    assert isinstance(await senders(PATIENT).send(market, "createRound", LATER), Sent)
    assert (await market.call("roundOf", NEXT), await market.call("roundOf", LATER)) == (2, 3)


async def test_what_a_node_lost_is_sent_again_also_at_the_cap(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    await base_fee(held, 1)
    await held.rpc("evm_mine")
    capped = replace(QUICK, max_fee=32 * GWEI, tip=30 * GWEI)
    sending = asyncio.create_task(senders(capped).send(market, "createRound", NEXT))
    await until(lambda: [e["tip"] for e in story(tmp_path)] == [30 * GWEI, 32 * GWEI])
    dearest = story(tmp_path)[-1]["hash"]
    await until(lambda: known(held, dearest))
    await held.rpc("anvil_dropTransaction", dearest)
    await until_pending(held, 1)
    await mine(held)
    sent = await sending
    assert sent.tx_hash == dearest
    assert told(tmp_path) == ["intent", "intent", "mined"]


async def mined_one(chain: Chain, hash_: str) -> bool:
    return bool(await chain.rpc("eth_getTransactionReceipt", hash_))


async def known(chain: Chain, hash_: str) -> bool:
    return bool(await chain.rpc("eth_getTransactionByHash", hash_))


def test_dearer_is_enough_for_nodes_and_never_above_the_cap() -> None:
    intent = Intent(1, "f", "0x", "0x", 1, 100, 10, "0x", "0x")
    assert dearer(intent, 13, 1000) == replace(intent, max_fee=114, tip=12)
    assert dearer(intent, 13, 1000, (300, 40)) == replace(intent, max_fee=300, tip=40)
    assert dearer(intent, 13, 105) == replace(intent, max_fee=105, tip=12)
    assert dearer(replace(intent, max_fee=105, tip=105), 13, 105) is None


@dataclass
class Toll:
    """A node that takes no tip below `least` wei, as validators do."""

    rpc: Rpc
    least: int
    asked: int = 0

    def __post_init__(self) -> None:
        self._broadcast = self.rpc.broadcast

    async def broadcast(self, raw: str) -> None:
        self.asked += 1
        tip = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["maxPriorityFeePerGas"]
        if tip < self.least:
            raise RpcRefused(
                f"transaction underpriced: gas tip cap {tip}, minimum needed {self.least}"
            )
        await self._broadcast(raw)


async def test_a_refused_tip_is_raised(
    senders: Senders,
    rpc: Rpc,
    market: ContractMarket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toll = Toll(rpc, 25 * GWEI)
    monkeypatch.setattr(rpc, "broadcast", toll.broadcast)
    sent = await senders(replace(PATIENT, tip=GWEI)).send(market, "createRound", NEXT)
    assert isinstance(sent, Sent)
    assert toll.asked == 6  # 1, 2, 4, 8, 16, 32 gwei
    assert told(tmp_path) == ["intent"] * 6 + ["mined"]
    toll.least = 600 * GWEI
    with pytest.raises(RpcRefused, match="underpriced"):
        await senders(PATIENT).send(market, "createRound", LATER)
    assert told(tmp_path)[-1] == "refused"
    assert max(e.get("max_fee", 0) for e in story(tmp_path)) == PATIENT.max_fee


async def test_what_is_too_cheap_to_be_sent_again_is_replaced(
    senders: Senders, rpc: Rpc, market: ContractMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_: str) -> None:
        raise RpcDown("gone")

    with monkeypatch.context() as patched:
        patched.setattr(rpc, "broadcast", gone)
        with pytest.raises(NotMined):
            await senders(replace(HASTY, tip=GWEI)).send(market, "createRound", NEXT)
    monkeypatch.setattr(rpc, "broadcast", Toll(rpc, 25 * GWEI).broadcast)
    await senders(QUICK).recover()
    assert await market.call("roundOf", NEXT) == 2


async def test_the_tip_is_what_others_paid(chain: Chain, rpc: Rpc, deployed: Deployed) -> None:
    for tip in (1, 3, 3, 3, 50):
        fees = {"maxFeePerGas": hex(90 * GWEI), "maxPriorityFeePerGas": hex(tip * GWEI)}
        paid = await chain.rpc("eth_sendTransaction", {"from": KEEPER, "to": KEEPER} | fees)
        await until(lambda paid=paid: mined_one(chain, paid))  # a block each
    max_fee, tip = await going_rate(rpc, QUICK)
    assert tip == 3 * GWEI
    assert tip < max_fee <= QUICK.max_fee
