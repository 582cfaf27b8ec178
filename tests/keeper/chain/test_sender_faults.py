"""What is not mined, refused, lost or left behind: nothing is on its way twice or forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from keeper.chain.fees import GWEI, Pricing, dearer, going_rate
from keeper.chain.market import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.chain.sender import KeySender
from keeper.errors import NotInCharge, NotMined, RpcDown, RpcRefused
from keeper.ports import Intent, Sent
from keeper.store.journal import FileJournal, verify
from tests.keeper.chain.test_sender import NEXT, until_pending
from tests.keeper.chainfixtures import KEEPER, KEEPER_KEY, Chain, Deployed

DAY = 86_400
LATER = NEXT + 2 * DAY  # another Powerball draw
QUICK = Pricing(max_fee=500 * GWEI, patience=60, replace_after=0.4, farewell=0.1)
PATIENT = replace(QUICK, replace_after=600)
HASTY = replace(PATIENT, patience=0.3)

Senders = Callable[..., KeySender]


@pytest.fixture
def account() -> LocalAccount:
    found: LocalAccount = Account.from_key(KEEPER_KEY)
    return found


@pytest.fixture
def senders(rpc: Rpc, account: LocalAccount, tmp_path: Path) -> Iterator[Senders]:
    """Makes keepers' senders; one after the other in a folder, the one before as if killed."""
    journals: dict[str, FileJournal] = {}

    def start(pricing: Pricing, folder: str = "one", lease: Any = None) -> KeySender:
        if folder in journals:
            journals[folder].close()
        journals[folder] = FileJournal(tmp_path / folder, 31337, KEEPER)
        return KeySender(rpc, account, pricing, journals[folder], lease)

    yield start
    for journal in journals.values():
        journal.close()


def story(tmp_path: Path, folder: str = "one") -> list[dict[str, Any]]:
    return verify(tmp_path / folder / "journal" / f"31337-{KEEPER}.jsonl").entries


def told(tmp_path: Path, folder: str = "one") -> list[str]:
    return [entry["event"] for entry in story(tmp_path, folder)]


async def mine(chain: Chain) -> None:
    await chain.rpc("evm_mine")
    await chain.rpc("evm_setAutomine", True)


async def base_fee(chain: Chain, gwei: int) -> None:
    """Of the next block; it moves by an eighth a block from there."""
    await chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))


@pytest.fixture
async def held(chain: Chain, deployed: Deployed) -> Chain:
    """The chain, which mines only when told from now on."""
    await chain.rpc("evm_setAutomine", False)
    return chain


# ---- what is not mined


async def test_what_is_not_mined_in_time_is_replaced_for_more(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    sending = asyncio.create_task(senders(QUICK).send(market, "createRound", NEXT))
    async with asyncio.timeout(60):
        while len(told(tmp_path) if (tmp_path / "one").exists() else ()) < 3:
            await asyncio.sleep(0.02)
    await until_pending(held, 1)
    await mine(held)
    sent = await sending
    assert await market.round_of(NEXT) == 2
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
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    capped = replace(QUICK, max_fee=5 * GWEI, patience=4)
    await base_fee(held, 1)
    await held.rpc("evm_mine")
    sending = asyncio.create_task(senders(capped).send(market, "createRound", NEXT))
    await until_pending(held, 1)
    await base_fee(held, 100)
    await mine(held)
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
    assert (await market.round_of(NEXT), await market.round_of(LATER)) == (2, 3)


def test_dearer_is_enough_for_nodes_and_never_above_the_cap() -> None:
    intent = Intent(1, "f", "0x", "0x", 1, 100, 10, "0x", "0x")
    assert dearer(intent, 13, 1000) == replace(intent, max_fee=114, tip=12)
    assert dearer(intent, 13, 1000, (300, 40)) == replace(intent, max_fee=300, tip=40)
    assert dearer(intent, 13, 105) == replace(intent, max_fee=105, tip=12)
    assert dearer(replace(intent, max_fee=105, tip=105), 13, 105) is None


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
    assert (await market.round_of(NEXT), await market.round_of(LATER)) == (2, 3)
    assert told(tmp_path) == ["intent", "mined", "intent", "mined"]


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Deaf:
    """A node that never gets a transaction: the keeper is gone before."""

    rpc: Rpc

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rpc, name)

    async def broadcast(self, raw: bytes) -> None:
        raise Killed


async def left_unsent(rpc: Rpc, account: LocalAccount, folder: Path, market: ContractMarket) -> str:
    """What a keeper that was killed between journal and node leaves; its hash."""
    with contextlib.closing(FileJournal(folder, 31337, KEEPER)) as journal:
        dying = KeySender(Deaf(rpc), account, PATIENT, journal)  # type: ignore[arg-type]
        with pytest.raises(Killed):
            await dying.send(market, "createRound", NEXT)
        return journal.live[0].hash


async def test_what_was_written_and_not_sent_is_sent(
    senders: Senders,
    rpc: Rpc,
    account: LocalAccount,
    market: ContractMarket,
    chain: Chain,
    tmp_path: Path,
) -> None:
    tx_hash = await left_unsent(rpc, account, tmp_path / "one", market)
    assert await market.round_of(NEXT) == 0
    await senders(PATIENT).recover()
    assert await market.round_of(NEXT) == 2
    assert [(e["event"], e["hash"]) for e in story(tmp_path)] == [
        ("intent", tx_hash),
        ("mined", tx_hash),
    ]


async def test_what_became_impossible_meanwhile_is_not_sent(
    senders: Senders,
    rpc: Rpc,
    account: LocalAccount,
    market: ContractMarket,
    deployed: Deployed,
    chain: Chain,
    tmp_path: Path,
) -> None:
    await left_unsent(rpc, account, tmp_path / "one", market)
    await chain.move_to(NEXT - 60)  # betting would be over: no such round can be opened
    before = await chain.rpc("eth_getTransactionCount", KEEPER, "pending")
    await senders(PATIENT).recover()
    assert told(tmp_path) == ["intent", "lost"]
    assert await chain.rpc("eth_getTransactionCount", KEEPER, "pending") == before
    assert isinstance(await senders(PATIENT).send(market, "lockRound", 1), Sent)


async def test_a_mined_one_is_found_though_nobody_waited(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    with pytest.raises(NotMined):
        await senders(HASTY).send(market, "createRound", NEXT)
    await mine(held)
    await senders(PATIENT).recover()
    assert told(tmp_path) == ["intent", "mined"]


# ---- another sender with the same key


async def test_a_transaction_in_no_journal_is_waited_for_then_replaced(
    senders: Senders, market: ContractMarket, held: Chain, tmp_path: Path
) -> None:
    with pytest.raises(NotMined):
        await senders(HASTY, "lost").send(market, "createRound", NEXT)
    with pytest.raises(NotMined, match="waits, sent by somebody else"):
        await (patient := senders(QUICK)).send(market, "createRound", LATER)
    sending = asyncio.create_task(until_sent(patient, market))
    async with asyncio.timeout(60):
        while not await has_any(held, tmp_path):
            await asyncio.sleep(0.02)
    await mine(held)
    await sending
    assert (await market.round_of(LATER), await market.round_of(NEXT)) == (2, 0)
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
        while not await market.round_of(draw):
            await asyncio.gather(
                *(one.send(market, "createRound", draw) for one in pair), return_exceptions=True
            )
    assert await market.round_count() == 1 + len(draws)
    for one in ("one", "two"):
        mined = [e for e in story(tmp_path, one) if e["event"] == "mined"]
        assert len({e["nonce"] for e in mined}) == len(mined)


# ---- who refuses


@dataclass
class Toll:
    """A node that takes no tip below `least` wei, as validators do."""

    rpc: Rpc
    least: int
    asked: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rpc, name)

    async def broadcast(self, raw: bytes) -> None:
        self.asked += 1
        tip = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["maxPriorityFeePerGas"]
        if tip < self.least:
            raise RpcRefused(
                f"transaction underpriced: gas tip cap {tip}, minimum needed {self.least}"
            )
        await self.rpc.broadcast(raw)


async def test_a_refused_tip_is_raised(
    rpc: Rpc, account: LocalAccount, market: ContractMarket, tmp_path: Path
) -> None:
    toll = Toll(rpc, 25 * GWEI)
    with contextlib.closing(FileJournal(tmp_path / "one", 31337, KEEPER)) as journal:
        sender = KeySender(toll, account, replace(PATIENT, tip=GWEI), journal)  # type: ignore[arg-type]
        sent = await sender.send(market, "createRound", NEXT)
        assert isinstance(sent, Sent)
        assert toll.asked == 6  # 1, 2, 4, 8, 16, 32 gwei
        assert told(tmp_path) == ["intent"] * 6 + ["mined"]
        greedy = Toll(rpc, 600 * GWEI)
        sender = KeySender(greedy, account, PATIENT, journal)  # type: ignore[arg-type]
        with pytest.raises(RpcRefused, match="underpriced"):
            await sender.send(market, "createRound", LATER)
    assert told(tmp_path)[-1] == "refused"
    assert max(e.get("max_fee", 0) for e in story(tmp_path)) == PATIENT.max_fee


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


# ---- nodes that fail


async def test_a_node_that_dies_while_it_is_asked(
    senders: Senders, market: ContractMarket, held: Chain, rpc: Rpc, tmp_path: Path
) -> None:
    """Nobody knows whether it has the transaction: it stays live and is sent again."""
    sender = senders(PATIENT)
    broadcast, answers = rpc.broadcast, [RpcDown("gone"), RpcDown("gone")]

    async def dying(raw: bytes) -> None:
        if answers:
            await broadcast(raw)
            raise answers.pop()
        await broadcast(raw)

    rpc.broadcast = dying  # type: ignore[method-assign]
    sending = asyncio.create_task(sender.send(market, "createRound", NEXT))
    async with asyncio.timeout(60):
        while answers:
            await asyncio.sleep(0.02)
    await mine(held)
    await sending
    assert told(tmp_path) == ["intent", "mined"]
    assert await market.round_of(NEXT) == 2


# ---- what gas costs


async def test_the_tip_is_what_others_paid(chain: Chain, rpc: Rpc, deployed: Deployed) -> None:
    for tip in (1, 3, 3, 3, 50):
        await deployed.chain.rpc(
            "eth_sendTransaction",
            {
                "from": KEEPER,
                "to": KEEPER,
                "maxFeePerGas": hex(90 * GWEI),
                "maxPriorityFeePerGas": hex(tip * GWEI),
            },
        )
    max_fee, tip = await going_rate(rpc, QUICK)
    assert tip == 3 * GWEI
    assert tip < max_fee <= QUICK.max_fee
