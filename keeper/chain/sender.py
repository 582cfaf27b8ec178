"""Sends the keeper's transactions: simulated first, priced with a cap, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3.exceptions import TimeExhausted

from keeper.chain.contract import Contract
from keeper.chain.rpc import Rpc
from keeper.errors import ChainError, NotMined, Reverted, TooExpensive, Unfunded
from keeper.ports import DryRun, Sent

GWEI = 10**9
NOBODY = "0x0000000000000000000000000000000000000000"
POLYGON = frozenset({137, 80001, 80002})  # validators there take no tip below 30 gwei
POLYGON_TIP = 30 * GWEI


_MARGIN = 20  # percent added to the estimated gas


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a transaction may cost and how long it may take.

    Attributes:
        max_fee: wei a gas at most, tip included; above it nothing is sent.
        tip: wei a gas; the node is asked when it is None. Polygon's floor holds in any case.
        patience: seconds to wait for a receipt.
        farewell: seconds that a transaction on its way is still awaited when the keeper stops.
    """

    max_fee: int
    tip: int | None = None
    patience: float = 120.0
    farewell: float = 5.0


class KeySender:
    """One sender for one key; without an account, or when `dry`, it only simulates."""

    def __init__(
        self, rpc: Rpc, account: LocalAccount | None, pricing: Pricing, *, dry: bool
    ) -> None:
        self._rpc, self._account, self._pricing, self._dry = rpc, account, pricing, dry
        self._turn = asyncio.Lock()

    @property
    def address(self) -> str | None:
        """The key's account; None when there is no key."""
        return None if self._account is None else str(self._account.address)

    async def send(self, contract: Contract, function: str, *args: Any) -> Sent | DryRun:
        """Simulates, sends, awaits the receipt.

        When cancelled, it waits a little for what is on its way. Raises ChainError: Reverted when
        the contract refuses; NotMined when a transaction of this key still waits; TooExpensive,
        Unfunded, RpcDown, RpcRefused.
        """
        data = contract.encode(function, *args)
        tx: Any = {"from": self.address or NOBODY, "to": contract.address, "data": data, "value": 0}
        async with self._turn:
            await self._simulate(tx)
            if self._dry or self._account is None:
                return DryRun(function, args)
            tx = await self._rpc.ask(self._priced(tx, self._account.address))
            raw = bytes(self._account.sign_transaction(tx).raw_transaction)
            on_its_way = asyncio.ensure_future(self._rpc.ask(self._broadcast(tx, raw)))
            try:
                return await asyncio.shield(on_its_way)
            except asyncio.CancelledError:
                await asyncio.wait({on_its_way}, timeout=self._pricing.farewell)
                on_its_way.cancel()
                with contextlib.suppress(asyncio.CancelledError, ChainError):
                    await on_its_way
                raise

    async def _simulate(self, tx: Any) -> None:
        await self._rpc.ask(self._rpc.w3.eth.call(tx))

    async def _priced(self, tx: Any, account: ChecksumAddress) -> dict[str, Any]:
        """The transaction with gas, fees, nonce and chain, ready to be signed."""
        rpc, eth, cap, tip = self._rpc, self._rpc.w3.eth, self._pricing.max_fee, self._pricing.tip
        nonce = await eth.get_transaction_count(account, "latest")
        if await eth.get_transaction_count(account, "pending") > nonce:
            raise NotMined(f"transaction {nonce} of {account} was sent before and is not mined yet")
        if tip is None:
            tip = await eth.max_priority_fee
        if rpc.chain_id in POLYGON:
            tip = max(tip, POLYGON_TIP)
        base = (await eth.get_block("latest")).get("baseFeePerGas", 0)
        if base + tip > cap:
            costs, allowed = (Decimal(wei) / GWEI for wei in (base + tip, cap))
            raise TooExpensive(f"gas costs {costs:f} gwei, the settings allow {allowed:f}")
        max_fee = min(2 * base + tip, cap)
        gas = await eth.estimate_gas(tx) * (100 + _MARGIN) // 100
        if (balance := await rpc.balance(account)) < gas * max_fee:
            has, needs = (Decimal(wei) / 10**18 for wei in (balance, gas * max_fee))
            raise Unfunded(f"{account} has {has:f}, the transaction may cost {needs:f}")
        fees = {"maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip, "type": 2}
        return {**tx, **fees, "chainId": rpc.chain_id, "nonce": nonce, "gas": gas}

    async def _broadcast(self, tx: dict[str, Any], raw: bytes) -> Sent:
        eth, patience = self._rpc.w3.eth, self._pricing.patience
        tx_hash = (sent := await eth.send_raw_transaction(raw)).to_0x_hex()
        try:
            receipt = await eth.wait_for_transaction_receipt(sent, patience, poll_latency=0.2)
        except TimeExhausted:
            raise NotMined(f"transaction {tx_hash} was sent and is not mined yet") from None
        if receipt["status"] != 1:
            # The chain moved on between simulation and block; simulated again it tells why.
            await self._simulate(tx)
            raise Reverted("", {"transaction": tx_hash})
        return Sent(tx_hash, receipt["blockNumber"], receipt["gasUsed"])
