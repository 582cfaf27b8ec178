"""Sends the keeper's transactions: simulated first, priced with a cap, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress

from keeper.chain import abi
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError, NotMined, Reverted, TooExpensive, Unfunded
from keeper.ports import DryRun, Market, Sent

GWEI = 10**9
NOBODY = "0x0000000000000000000000000000000000000000"
POLYGON = frozenset({137, 80001, 80002})  # validators there take no tip below 30 gwei
POLYGON_TIP = 30 * GWEI


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a transaction may cost and how long it may take.

    Attributes:
        max_fee: wei a gas at most, tip included; above it nothing is sent.
        tip: wei a gas; the node is asked when it is None. Polygon's floor holds in any case.
        gas_margin: percent added to the estimated gas.
        patience: seconds to wait for a receipt.
        farewell: seconds that a transaction on its way is still awaited when the keeper stops.
    """

    max_fee: int
    tip: int | None = None
    gas_margin: int = 20
    patience: float = 120.0
    farewell: float = 5.0


class KeySender:
    """One sender for one key; without an account, or when `dry`, it only simulates."""

    def __init__(
        self, rpc: Rpc, account: LocalAccount | None, pricing: Pricing, *, dry: bool
    ) -> None:
        self._rpc, self._account, self._pricing = rpc, account, pricing
        self._dry = dry or account is None
        self._turn = asyncio.Lock()

    @property
    def address(self) -> str | None:
        """The key's account; None when there is no key."""
        return None if self._account is None else str(self._account.address)

    async def send(self, market: Market, function: str, *args: Any) -> Sent | DryRun:
        """Simulates, sends, awaits the receipt.

        When cancelled, it waits a little for what is on its way. Raises ChainError: Reverted when
        the contract refuses; NotMined when a transaction of this key still waits; TooExpensive,
        Unfunded, RpcDown, RpcRefused.
        """
        contract = self._rpc.w3.eth.contract(
            self._rpc.w3.to_checksum_address(market.address), abi=abi.market_abi()
        )
        tx: dict[str, Any] = {
            "from": self.address or NOBODY,
            "to": contract.address,
            "data": contract.encode_abi(function, args),
            "value": 0,
        }
        async with self._turn:
            await self._simulate(tx)
            if self._dry or self._account is None:
                return DryRun(function, args)
            tx = await self._priced(tx, self._account.address)
            raw = bytes(self._account.sign_transaction(tx).raw_transaction)
            on_its_way = asyncio.ensure_future(self._broadcast(tx, raw))
            try:
                return await asyncio.shield(on_its_way)
            except asyncio.CancelledError:
                await asyncio.wait({on_its_way}, timeout=self._pricing.farewell)
                on_its_way.cancel()
                with contextlib.suppress(asyncio.CancelledError, ChainError):
                    await on_its_way
                raise

    async def _simulate(self, tx: dict[str, Any]) -> None:
        await self._rpc.ask(self._rpc.w3.eth.call(tx))  # type: ignore[arg-type]  # its TypedDict

    async def _priced(self, tx: dict[str, Any], account: ChecksumAddress) -> dict[str, Any]:
        """The transaction with gas, fees, nonce and chain, ready to be signed."""
        rpc, eth, p = self._rpc, self._rpc.w3.eth, self._pricing
        mined = await rpc.ask(eth.get_transaction_count(account, "latest"))
        if await rpc.ask(eth.get_transaction_count(account, "pending")) > mined:
            raise NotMined(f"transaction {mined} of {account} was sent before and is not mined yet")
        tip = await rpc.ask(eth.max_priority_fee) if p.tip is None else p.tip
        if rpc.chain_id in POLYGON:
            tip = max(tip, POLYGON_TIP)
        base = (await rpc.ask(eth.get_block("latest"))).get("baseFeePerGas", 0)
        if base + tip > p.max_fee:
            raise TooExpensive(
                f"gas costs {_gwei(base + tip)} gwei, the settings allow {_gwei(p.max_fee)}"
            )
        max_fee = min(2 * base + tip, p.max_fee)
        gas = await rpc.ask(eth.estimate_gas(tx))  # type: ignore[arg-type]  # its TypedDict
        gas += gas * p.gas_margin // 100
        if (balance := await rpc.balance(account)) < gas * max_fee:
            raise Unfunded(
                f"{account} has {rpc.w3.from_wei(balance, 'ether')}, the transaction may cost "
                f"{rpc.w3.from_wei(gas * max_fee, 'ether')}"
            )
        return tx | {
            "chainId": rpc.chain_id,
            "nonce": mined,
            "gas": gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
            "type": 2,
        }

    async def _broadcast(self, tx: dict[str, Any], raw: bytes) -> Sent:
        ask, eth = self._rpc.ask, self._rpc.w3.eth
        tx_hash = await ask(eth.send_raw_transaction(raw))
        try:
            receipt = await ask(
                eth.wait_for_transaction_receipt(tx_hash, self._pricing.patience, poll_latency=0.2)
            )
        except NotMined:
            raise NotMined(f"transaction 0x{tx_hash.hex()} was sent and is not mined yet") from None
        if receipt["status"] != 1:
            # The chain moved on between simulation and block; simulated again it tells why.
            await self._simulate(tx)
            raise Reverted("", {"transaction": f"0x{tx_hash.hex()}"})
        return Sent(f"0x{tx_hash.hex()}", receipt["blockNumber"], receipt["gasUsed"])


def _gwei(wei: int) -> str:
    return f"{wei / GWEI:.9f}".rstrip("0").rstrip(".")
