"""What passes on the wire between a keeper and its node: which functions of the contracts."""

from __future__ import annotations

from functools import cache
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.abi import function_abi_to_4byte_selector
from hexbytes import HexBytes

from tests.keeper.chainfixtures import CONTRACTS, code_of

SEND, CALL = "eth_sendRawTransaction", "eth_call"


def function_of(method: str, params: list[Any]) -> str:
    """The function that a request sends or calls; "" of every other request."""
    match method:
        case "eth_sendRawTransaction":
            data = TypedTransaction.from_bytes(HexBytes(params[0])).as_dict()["data"]
        case "eth_call":
            data = params[0].get("data", "0x")
        case _:
            return ""
    return _functions().get(bytes(HexBytes(data))[:4], "")


@cache
def _functions() -> dict[bytes, str]:
    """Names by selector, of both contracts."""
    entries = [entry for name in CONTRACTS for entry in code_of(name)["abi"]]
    functions = [entry for entry in entries if entry["type"] == "function"]
    return {function_abi_to_4byte_selector(entry): entry["name"] for entry in functions}
