"""What the market contract says, read with its ABI: events, and the errors it refuses with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import event_abi_to_log_topic, function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address

from keeper.errors import Reverted

_STRING = bytes.fromhex("08c379a0")  # Error(string): require with a message
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256): a fault that the compiler guards against


@cache
def market_abi() -> Sequence[Mapping[str, Any]]:
    """The ABI of P2PLotteryBetting, as `ape run export` wrote it."""
    file = resources.files("keeper") / "abi" / "P2PLotteryBetting.json"
    abi: Sequence[Mapping[str, Any]] = json.loads(file.read_bytes())
    return abi


@cache
def _errors() -> Mapping[bytes, Mapping[str, Any]]:
    return {_selector(entry): entry for entry in market_abi() if entry["type"] == "error"}


@cache
def _events() -> Mapping[bytes, Mapping[str, Any]]:
    return {
        event_abi_to_log_topic(dict(entry)): entry  # type: ignore[arg-type]  # its TypedDict
        for entry in market_abi()
        if entry["type"] == "event"
    }


def _selector(entry: Mapping[str, Any]) -> bytes:
    # An error's selector is made as a function's is.
    return function_abi_to_4byte_selector(dict(entry, type="function"))  # type: ignore[arg-type]


def revert(data: bytes) -> Reverted:
    """The error that a call's returned bytes tell of; nameless when they tell nothing."""
    selector, values = data[:4], data[4:]
    try:
        if selector == _STRING:
            return Reverted("Error", {"message": decode(["string"], values)[0][:200]})
        if selector == _PANIC:
            return Reverted("Panic", {"code": decode(["uint256"], values)[0]})
        if entry := _errors().get(selector):
            return Reverted(entry["name"], _values(entry["inputs"], values))
    except (DecodingError, ValueError, OverflowError):
        pass
    return Reverted("", {"data": f"0x{data[:36].hex()}"} if data else {})


def event(topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]]:
    """(name, args) of a log, camelCase names as in the ABI.

    Raises ValueError when this is no event of the market.
    """
    entry = _events().get(bytes(topics[0])) if topics else None
    if entry is None:
        raise ValueError("a log that is no event of the market")
    indexed = [i for i in entry["inputs"] if i["indexed"]]
    plain = [i for i in entry["inputs"] if not i["indexed"]]
    if len(indexed) != len(topics) - 1:
        raise ValueError(f"{entry['name']} with {len(topics)} topics")
    try:
        args = _values(indexed, b"".join(topics[1:])) | _values(plain, data)
    except (DecodingError, OverflowError) as exc:
        raise ValueError(f"{entry['name']} cannot be decoded: {exc}") from exc
    return entry["name"], {i["name"]: args[i["name"]] for i in entry["inputs"]}


def _values(inputs: Sequence[Mapping[str, Any]], data: bytes) -> dict[str, Any]:
    types = [i["type"] for i in inputs]
    return {
        i["name"]: _plain(i["type"], value)
        for i, value in zip(inputs, decode(types, data), strict=True)
    }


def _plain(kind: str, value: Any) -> Any:
    """Addresses with their checksum, bytes as 0x-prefixed text."""
    if kind == "address":
        return to_checksum_address(value)
    return f"0x{value.hex()}" if isinstance(value, bytes) else value
