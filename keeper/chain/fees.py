"""What a transaction's gas costs now, and what it may cost."""

from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median_low
from typing import Any

from keeper.chain.rpc import Rpc
from keeper.errors import TooExpensive, Unfunded
from keeper.ports import Intent

GWEI = 10**9
POLYGON = frozenset({137, 80001, 80002})  # validators there take no tip below 30 gwei
POLYGON_TIP = 30 * GWEI
_BLOCKS = 10  # whose tips are looked at
_MARGIN = 20  # percent added to the estimated gas


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a transaction may cost and how long it may take.

    Attributes:
        max_fee: wei a gas at most, tip included; above it nothing is sent.
        tip: wei a gas; what others paid lately when it is None. Polygon's floor holds in any case.
        replace_after: seconds after which one that is not mined is replaced by a dearer one.
        patience: seconds after which others of its kind need no longer wait to hear so.
        farewell: seconds that a transaction on its way is still awaited when the keeper stops.
    """

    max_fee: int
    tip: int | None = None
    replace_after: float = 30.0
    patience: float = 120.0
    farewell: float = 5.0


async def going_rate(rpc: Rpc, pricing: Pricing) -> tuple[int, int]:
    """(max_fee, tip), wei a gas: room for the base fee to double. Raises TooExpensive, ChainError.

    The tip is the median of what the middle transactions of the last blocks paid (EIP-1559).
    """
    with rpc.asking():
        history = await rpc.w3.eth.fee_history(_BLOCKS, "latest", [50])
        base, tip = int(history["baseFeePerGas"][-1]), pricing.tip  # of the next block
        if tip is None:
            paid = [int(tips[0]) for tips in history.get("reward", []) if tips and tips[0]]
            tip = median_low(paid) if paid else await rpc.w3.eth.max_priority_fee
    if rpc.chain_id in POLYGON:
        tip = max(tip, POLYGON_TIP)
    if base + tip > pricing.max_fee:
        costs, allowed = (Decimal(wei) / GWEI for wei in (base + tip, pricing.max_fee))
        raise TooExpensive(f"gas costs {costs:f} gwei, the settings allow {allowed:f}")
    return min(2 * base + tip, pricing.max_fee), tip


def dearer(intent: Intent, percent: int, cap: int, rate: tuple[int, int] = (0, 0)) -> Intent | None:
    """The same for so much more or for the going rate, if that is more; None: already at the cap.

    Nodes take one transaction in place of another when both its fees are 10 % higher or more.
    """
    max_fee = min(max(intent.max_fee * (100 + percent) // 100 + 1, rate[0]), cap)
    tip = min(max(intent.tip * (100 + percent) // 100 + 1, rate[1]), max_fee)
    if (max_fee, tip) == (intent.max_fee, intent.tip):
        return None
    return replace(intent, max_fee=max_fee, tip=tip)


async def priced(rpc: Rpc, pricing: Pricing, call: Any) -> tuple[int, int, int]:
    """(gas, max_fee, tip) of a call, which its sender can pay.

    Raises TooExpensive, Unfunded, and ChainError when the call fails or no node tells.
    """
    max_fee, tip = await going_rate(rpc, pricing)
    gas = await rpc.ask(rpc.w3.eth.estimate_gas(call)) * (100 + _MARGIN) // 100
    if (balance := await rpc.balance(call["from"])) < gas * max_fee:
        has, needs = (Decimal(wei) / 10**18 for wei in (balance, gas * max_fee))
        raise Unfunded(f"{call['from']} has {has:f}, the transaction may cost {needs:f}")
    return gas, max_fee, tip
