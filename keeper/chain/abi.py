"""What the market contract says, read with its ABI: events, and the errors it refuses with."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from keeper.errors import ChainError, Reverted

# What Solidity itself reverts with: `require` with a message, and faults that it guards against.
_BUILT_IN = (
    {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


@cache
def market_abi() -> Sequence[Mapping[str, Any]]:
    """The ABI of P2PLotteryBetting, as `ape run export` wrote it."""
    file = resources.files("keeper") / "abi" / "P2PLotteryBetting.json"
    abi: Sequence[Mapping[str, Any]] = json.loads(file.read_bytes())
    return abi


@cache
def _entries(kind: str, size: int) -> Mapping[bytes, Mapping[str, Any]]:
    """The ABI's events or errors by what begins their logs or data: a hash, or some bytes of it."""
    entries: list[Any] = [e for e in (*market_abi(), *_BUILT_IN) if e["type"] == kind]
    return {keccak(text=abi_to_signature(entry))[:size]: entry for entry in entries}


def revert(data: Any) -> Reverted:
    """The error that the bytes of a refused call tell of; nameless when they tell nothing."""
    if isinstance(data, Mapping):  # some nodes wrap them
        data = data.get("data")
    try:
        told = bytes(HexBytes(data))
    except (TypeError, ValueError):
        return Reverted("", {})
    if entry := _entries("error", 4).get(told[:4]):
        with contextlib.suppress(DecodingError, ValueError, OverflowError):
            return Reverted(entry["name"], _values(entry["inputs"], told[4:]))
    return Reverted("", {"data": f"0x{told[:36].hex()}"} if told else {})


def event(topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]]:
    """(name, args) of a log, camelCase names as in the ABI.

    Raises ChainError when this is no event of the market.
    """
    entry = _entries("event", 32).get(bytes(topics[0])) if topics else None
    if entry is None:
        raise ChainError("a log that is no event of the market")
    indexed, plain = ([i for i in entry["inputs"] if i["indexed"] is so] for so in (True, False))
    try:
        args = _values(indexed, b"".join(topics[1:])) | _values(plain, data)
    except (DecodingError, OverflowError) as exc:
        raise ChainError(f"{entry['name']} cannot be decoded: {exc}") from exc
    return entry["name"], {i["name"]: args[i["name"]] for i in entry["inputs"]}


def _values(inputs: Sequence[Mapping[str, Any]], data: bytes) -> dict[str, Any]:
    if len(data) % 32:  # eth_abi's own check is off in any process that imports Ape
        raise DecodingError(f"{len(data)} bytes are no whole words")
    values = decode([i["type"] for i in inputs], data)
    return {i["name"]: _plain(i["type"], v) for i, v in zip(inputs, values, strict=True)}


def _plain(kind: str, value: Any) -> Any:
    """Addresses with their checksum, bytes as 0x-prefixed text."""
    if kind == "address":
        return to_checksum_address(value)
    return f"0x{value.hex()}" if isinstance(value, bytes) else value
