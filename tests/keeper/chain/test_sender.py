"""Sending: simulated first, priced with a cap, awaited; what goes wrong, told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from keeper.chain.contracts import ContractMarket
from keeper.chain.fees import GWEI, Pricing, going_rate, priced
from keeper.chain.rpc import Rpc
from keeper.chain.sender import KeySender, Simulator
from keeper.domain.draw import POWERBALL
from keeper.errors import Reverted, TooExpensive, Unfunded
from keeper.ports import DryRun, Sent
from keeper.store.journal import FileJournal
from tests.keeper.chain.conftest import DRAW, START
from tests.keeper.chain.sending import NEXT, until_pending
from tests.keeper.chain.waiting import PATIENCE
from tests.keeper.chainfixtures import BETTORS, KEEPER, KEEPER_KEY, Chain, Deployed, running_chain

PRICING = Pricing(max_fee=500 * GWEI, patience=2 * PATIENCE, farewell=PATIENCE)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    with contextlib.closing(FileJournal(tmp_path, 31337, KEEPER)) as opened:
        yield opened


@pytest.fixture
def sender(rpc: Rpc, account: LocalAccount, journal: FileJournal) -> KeySender:
    return KeySender(rpc, account, PRICING, journal)


async def nonce(chain: Chain) -> int:
    return int(await chain.rpc("eth_getTransactionCount", KEEPER, "latest"), 16)


async def test_sends_and_tells_what_was_mined(
    sender: KeySender, market: ContractMarket, chain: Chain
) -> None:
    sent = await sender.send(market, "createRound", NEXT)
    assert isinstance(sent, Sent)
    receipt = await chain.rpc("eth_getTransactionReceipt", sent.tx_hash)
    assert int(receipt["gasUsed"], 16) == sent.gas_used
    assert int(receipt["blockNumber"], 16) == sent.block_number
    tx = await chain.rpc("eth_getTransactionByHash", sent.tx_hash)
    assert tx["from"].lower() == KEEPER.lower() == str(sender.address).lower()
    assert int(tx["chainId"], 16) == chain.chain_id
    assert int(tx["type"], 16) == 2
    # The estimate and a fifth; some of what is used is given back at the end.
    assert sent.gas_used < int(tx["gas"], 16) < sent.gas_used * 1.6
    assert await market.call("roundOf", NEXT) == 2


async def test_a_refusal_costs_nothing(
    sender: KeySender, market: ContractMarket, chain: Chain
) -> None:
    before = await nonce(chain)
    with pytest.raises(Reverted) as told:
        await sender.send(market, "createRound", DRAW)
    assert (told.value.name, told.value.args_) == (
        "DrawTimeTaken",
        {"drawTime": DRAW, "roundId": 1},
    )
    assert await nonce(chain) == before


async def test_a_dry_run_simulates_and_no_more(
    rpc: Rpc, market: ContractMarket, chain: Chain
) -> None:
    before = await nonce(chain)
    dry, nobody = Simulator(rpc, KEEPER), Simulator(rpc, None)
    for one in (dry, nobody):
        with pytest.raises(Reverted, match="TooEarly"):
            await one.send(market, "lockRound", 1)
    assert await dry.send(market, "createRound", NEXT) == DryRun("createRound")
    with pytest.raises(Reverted, match="AccessControlUnauthorizedAccount"):
        await nobody.send(market, "createRound", NEXT)
    assert await nonce(chain) == before


async def test_the_cap_holds(
    rpc: Rpc, account: LocalAccount, journal: FileJournal, market: ContractMarket, chain: Chain
) -> None:
    await chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(90 * GWEI))
    await chain.rpc("evm_mine")
    capped = KeySender(rpc, account, replace(PRICING, max_fee=80 * GWEI, tip=2 * GWEI), journal)
    with pytest.raises(TooExpensive, match=r"gas costs 80\.75 gwei, the settings allow 80$"):
        await capped.send(market, "createRound", NEXT)
    tipping = KeySender(rpc, account, replace(PRICING, max_fee=80 * GWEI, tip=75 * GWEI), journal)
    await chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
    await chain.rpc("evm_mine")
    with pytest.raises(TooExpensive, match="gas costs 8"):
        await tipping.send(market, "createRound", NEXT)
    await chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(90 * GWEI))
    await chain.rpc("evm_mine")
    enough = KeySender(rpc, account, replace(PRICING, max_fee=95 * GWEI, tip=2 * GWEI), journal)
    sent = await enough.send(market, "createRound", NEXT)
    assert isinstance(sent, Sent)
    tx = await chain.rpc("eth_getTransactionByHash", sent.tx_hash)
    assert int(tx["maxFeePerGas"], 16) == 95 * GWEI  # not the 2 * base fee + tip there is room for
    assert int(tx["maxPriorityFeePerGas"], 16) == 2 * GWEI


async def test_the_cap_and_the_balance_are_enough_to_the_wei(
    rpc: Rpc, market: ContractMarket, chain: Chain
) -> None:
    """What costs exactly the cap is sent, and what may cost all that the account has."""
    history = await chain.rpc("eth_feeHistory", "0x1", "latest", [])
    base, tip = int(history["baseFeePerGas"][-1], 16), 3 * GWEI
    assert await going_rate(rpc, Pricing(base + tip, tip)) == (base + tip, tip)
    with pytest.raises(TooExpensive):
        await going_rate(rpc, Pricing(base + tip - 1, tip))
    assert await going_rate(rpc, Pricing(2 * base + tip, tip)) == (2 * base + tip, tip)
    assert await going_rate(rpc, Pricing(2 * base + tip + 1, tip)) == (2 * base + tip, tip)

    call = {"from": KEEPER, "to": market.address, "data": market.encode("createRound", NEXT)}
    estimate = int(await chain.rpc("eth_estimateGas", call), 16)
    gas, max_fee, _ = await priced(rpc, Pricing(500 * GWEI, tip), call)
    assert gas == estimate * 6 // 5
    await chain.rpc("anvil_setBalance", KEEPER, hex(gas * max_fee))
    assert await priced(rpc, Pricing(500 * GWEI, tip), call) == (gas, max_fee, tip)
    await chain.rpc("anvil_setBalance", KEEPER, hex(gas * max_fee - 1))
    with pytest.raises(Unfunded):
        await priced(rpc, Pricing(500 * GWEI, tip), call)


@pytest.mark.parametrize(("tip", "paid"), [(1, 30), (None, 30), (40, 40)])
async def test_polygon_takes_no_tip_below_30_gwei(
    account: LocalAccount, journal: FileJournal, tip: int | None, paid: int
) -> None:
    async with running_chain(START, chain_id=80002) as polygon:
        deployed = await polygon.deploy(POWERBALL)
        rpc = Rpc([polygon.url], 80002, PATIENCE)
        market = ContractMarket(rpc, deployed.address, POWERBALL, deployed.block)
        wei = None if tip is None else tip * GWEI
        sender = KeySender(rpc, account, replace(PRICING, tip=wei), journal)
        sent = await sender.send(market, "createRound", DRAW)
        assert isinstance(sent, Sent)
        tx = await polygon.rpc("eth_getTransactionByHash", sent.tx_hash)
        assert int(tx["maxPriorityFeePerGas"], 16) == paid * GWEI
        await rpc.close()


async def test_an_account_without_funds(
    rpc: Rpc, market: ContractMarket, chain: Chain, sender: KeySender
) -> None:
    await chain.rpc("anvil_setBalance", KEEPER, hex(10**12))
    with pytest.raises(Unfunded, match=r"has 0\.000001, the transaction may cost 0\.0"):
        await sender.send(market, "createRound", NEXT)


async def test_one_at_a_time(sender: KeySender, market: ContractMarket) -> None:
    """Two duties of one key get two nonces, also when asked for at once."""
    draws = [NEXT, NEXT + 2 * 86_400]
    sent = await asyncio.gather(*(sender.send(market, "createRound", d) for d in draws))
    assert len({s.tx_hash for s in sent if isinstance(s, Sent)}) == 2


async def test_mined_but_refused_tells_why(
    sender: KeySender, market: ContractMarket, chain: Chain, deployed: Deployed
) -> None:
    """Somebody locks between the simulation and the block."""
    await chain.move_to(DRAW - 900)
    await chain.rpc("evm_setAutomine", False)
    other = {
        "from": BETTORS[0],
        "to": deployed.address,
        "data": deployed.encode("lockRound", 1),
        "gas": hex(100_000),
        "maxFeePerGas": hex(400 * GWEI),
        "maxPriorityFeePerGas": hex(300 * GWEI),
    }
    await chain.rpc("eth_sendTransaction", other)
    late = asyncio.create_task(sender.send(market, "lockRound", 1))
    await until_pending(chain, 2)
    await chain.rpc("evm_mine")
    with pytest.raises(Reverted) as told:
        await late
    assert (told.value.name, told.value.args_["status"]) == ("WrongStatus", 2)


async def test_a_cancelled_send_is_still_awaited(
    sender: KeySender, market: ContractMarket, held: Chain
) -> None:
    task = asyncio.create_task(sender.send(market, "createRound", NEXT))
    await until_pending(held, 1)
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not task.done()
    await held.rpc("evm_mine")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await market.call("roundOf", NEXT) == 2


async def test_a_cancelled_send_is_not_awaited_for_ever(
    rpc: Rpc, account: LocalAccount, journal: FileJournal, market: ContractMarket, held: Chain
) -> None:
    brief = KeySender(rpc, account, replace(PRICING, farewell=0.1), journal)
    task = asyncio.create_task(brief.send(market, "createRound", NEXT))
    await until_pending(held, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE)


async def test_no_key_in_any_words(sender: KeySender, account: LocalAccount) -> None:
    words = f"{sender!r} {account!r} {sender.__dict__}"
    assert KEEPER_KEY.removeprefix("0x") not in words.lower()
