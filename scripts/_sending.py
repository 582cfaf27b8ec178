"""Transactions: simulated first, so that a refusal costs nothing; EIP-1559 fees under a cap.

Ape signs, web3 does the rest. Ape's own sending would print traces of a refused call in place of
its error, and wait for blocks that a chain without a block time never makes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ape.api.accounts import AccountAPI, TestAccountAPI
from ape.logging import LogLevel, logger
from ape_accounts import KeyfileAccount
from eth_typing import HexStr
from web3 import Web3
from web3.exceptions import ContractLogicError, TimeExhausted
from web3.types import TxParams, TxReceipt, Wei

from scripts._errors import UserError, refusal, revert_in
from scripts._text import COIN, GWEI, coins, gwei

# Polygon's validators drop transactions that tip less (docs.polygon.technology).
TIP_FLOOR = 30 * GWEI
_TIP_FLOOR_CHAINS = frozenset({137, 80001, 80002})
DEFAULT_CAP = 500 * GWEI
_REHEARSALS = ("anvil", "hardhat")
_MINED_WITHIN = 180  # seconds


@dataclass(frozen=True, slots=True)
class Fees:
    """Gas prices of now, in wei.

    Attributes:
        tip: what the block's producer gets for a unit of gas.
        most: what a transaction offers at most: the base fee may double meanwhile.
    """

    base: int
    tip: int
    most: int

    @property
    def price(self) -> int:
        """What a unit of gas costs now."""
        return self.base + self.tip


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that a simulation accepts.

    Attributes:
        to: the contract; None for a deployment.
        value: wei sent along.
        gas: the limit, with a margin.
    """

    to: str | None
    data: str
    value: int
    gas: int
    fees: Fees

    @property
    def cost(self) -> int:
        """The most that the gas can cost, wei."""
        return self.gas * self.fees.most


def current_fees(web3: Web3, cap: int) -> Fees:
    """What gas costs now, offered up to `cap` wei. Raises nothing when it costs more."""
    base = web3.eth.get_block("latest")["baseFeePerGas"]
    tip = int(web3.eth.max_priority_fee)
    if web3.eth.chain_id in _TIP_FLOOR_CHAINS:
        tip = max(tip, TIP_FLOOR)
    return Fees(base, tip, min(2 * base + tip, cap))


def prepare(
    web3: Web3,
    account: AccountAPI,
    to: str | None,
    data: str,
    *,
    value: int = 0,
    cap: int = DEFAULT_CAP,
) -> Prepared:
    """Simulates a call.

    Raises UserError when gas costs more than `cap` or the account cannot pay, and web3's
    ContractLogicError when the contract refuses.
    """
    _refuse_known_key(web3, account)
    fees = current_fees(web3, cap)
    if fees.price > cap:
        raise UserError(
            f"gas costs {gwei(fees.price)} now, more than the cap of {gwei(cap)}: "
            "wait, or raise --max-fee"
        )
    balance = web3.eth.get_balance(Web3.to_checksum_address(account.address))
    _afford(account, balance, value)
    gas = web3.eth.estimate_gas(request(account.address, to, data, value), "latest") * 6 // 5
    prepared = Prepared(to, data, value, gas, fees)
    _afford(account, balance, value + prepared.cost)
    return prepared


def send(
    web3: Web3, account: AccountAPI, prepared: Prepared, on_sent: Callable[[str], None]
) -> TxReceipt:
    """Signs, sends, tells the hash, and awaits the receipt.

    Raises UserError when the transaction fails or is not mined.
    """
    transaction = account.provider.network.ecosystem.create_transaction(
        type=2,
        chain_id=web3.eth.chain_id,
        nonce=web3.eth.get_transaction_count(Web3.to_checksum_address(account.address), "pending"),
        sender=account.address,
        receiver=prepared.to,
        data=prepared.data,
        value=prepared.value,
        gas_limit=prepared.gas,
        max_fee=prepared.fees.most,
        max_priority_fee=min(prepared.fees.tip, prepared.fees.most),
    )
    with logger.at_level(LogLevel.ERROR):  # that it signs without asking was asked already
        _unlock(account)
        signed = account.sign_transaction(transaction)
    if signed is None:
        raise UserError(f"{account.alias} did not sign: nothing was sent")
    sent = web3.eth.send_raw_transaction(signed.serialize_transaction())
    on_sent(sent.to_0x_hex())
    try:
        receipt = web3.eth.wait_for_transaction_receipt(sent, _MINED_WITHIN, poll_latency=0.2)
    except TimeExhausted:
        raise UserError(
            f"{sent.to_0x_hex()} was sent, but is not mined after {_MINED_WITHIN} s: it may be "
            "yet, so look it up before sending again"
        ) from None
    if not receipt["status"]:
        raise UserError(f"{sent.to_0x_hex()} was mined, but {_why(web3, account, prepared)}")
    return receipt


def request(sender: str, to: str | None, data: str, value: int) -> TxParams:
    """A call as a node simulates it; `to` is None for a deployment."""
    call: TxParams = {
        "from": Web3.to_checksum_address(sender),
        "data": HexStr(data),
        "value": Wei(value),
    }
    if to is not None:
        call["to"] = to
    return call


def _refuse_known_key(web3: Web3, account: AccountAPI) -> None:
    """A role or coins given to a test account would be anybody's."""
    if isinstance(account, TestAccountAPI) and not account.provider.network.is_dev:
        client = web3.client_version.lower()
        if not client.startswith(_REHEARSALS):
            raise UserError(f"{account.alias} is for local chains: everybody knows its key")


def _afford(account: AccountAPI, balance: int, needed: int) -> None:
    if balance < needed:
        symbol = account.provider.network.ecosystem.fee_token_symbol
        rounded = -(-needed // (COIN // 10**6)) * (COIN // 10**6)
        raise UserError(
            f"account {account.alias} ({account.address}) holds {coins(balance, symbol)} and "
            f"needs up to {coins(rounded, symbol)}"
        )


def _unlock(account: AccountAPI) -> None:
    """Asks for a keystore's passphrase, once a command."""
    if not isinstance(account, KeyfileAccount) or not account.locked:
        return
    variable = f"APE_ACCOUNTS_{account.alias}_PASSPHRASE"
    if not (sys.stdin.isatty() or os.environ.get(variable)):
        raise UserError(
            f"the passphrase of {account.alias} is asked for on a terminal or read from "
            f"{variable}: nothing was sent"
        )
    account.set_autosign(True)


def _why(web3: Web3, account: AccountAPI, prepared: Prepared) -> str:
    """Why a transaction failed that a simulation had accepted: what another one says now."""
    call = request(account.address, prepared.to, prepared.data, prepared.value)
    try:
        web3.eth.call(call, "latest")
    except ContractLogicError as exc:
        return refusal(revert_in(exc.data, exc.message))
    return "failed, for a reason that is gone by now"
