"""What tests of sending share: how senders are set, and what became of what they sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from keeper.chain.fees import GWEI, Pricing
from keeper.store.journal import verify
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.waiting import PATIENCE, until
from tests.keeper.chainfixtures import KEEPER, Chain

DAY = 86_400
NEXT = DRAW + 3 * DAY
LATER = NEXT + 2 * DAY  # another Powerball draw
QUICK = Pricing(max_fee=500 * GWEI, patience=PATIENCE, replace_after=0.4, farewell=0.1)
PATIENT = replace(QUICK, replace_after=600)
HASTY = replace(PATIENT, patience=0.3)


def story(tmp_path: Path, folder: str = "one") -> list[dict[str, Any]]:
    """What the journal in the folder tells, which is nothing before its first whole line."""
    path = tmp_path / folder / "journal" / f"31337-{KEEPER}.jsonl"
    return verify(path).entries if path.exists() and b"\n" in path.read_bytes() else []


def told(tmp_path: Path, folder: str = "one") -> list[str]:
    """Its events alone."""
    return [entry["event"] for entry in story(tmp_path, folder)]


async def mine(chain: Chain) -> None:
    """What waits, and from now on at once; its receipts are there."""
    await chain.rpc("evm_mine")
    for one in (await chain.rpc("eth_getBlockByNumber", "latest", False))["transactions"]:
        while await chain.rpc("eth_getTransactionReceipt", one) is None:
            await asyncio.sleep(0.005)
    await chain.rpc("evm_setAutomine", True)


async def base_fee(chain: Chain, gwei: int) -> None:
    """Of the next block; it moves by an eighth a block from there."""
    await chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))


async def until_pending(chain: Chain, count: int) -> None:
    """So many transactions wait at the node."""

    async def waits() -> bool:
        return int((await chain.rpc("txpool_status"))["pending"], 16) >= count

    await until(waits)
