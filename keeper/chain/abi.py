"""What the contracts say, read with their ABIs: events, and the errors they refuse with."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature, collapse_if_tuple
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from keeper.errors import ChainError, Reverted

# What Solidity itself reverts with: `require` with a message, and faults that it guards against.
_BUILT_IN = (
    {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


Abi = Sequence[Any]


def market_abi() -> Abi:
    """The ABI of P2PLotteryBetting, as `ape run export` wrote it."""
    return _load("P2PLotteryBetting")


def oracle_abi() -> Abi:
    """The ABI of ResultOracle, as `ape run export` wrote it."""
    return _load("ResultOracle")


@cache
def _load(contract: str) -> Abi:
    file = resources.files("keeper") / "abi" / f"{contract}.json"
    abi: Abi = json.loads(file.read_bytes())
    return abi


@cache
def _entries(kind: str, size: int) -> Mapping[bytes, Any]:
    """The ABIs' events or errors by what begins their logs or data: a hash, or some bytes of it."""
    entries = [e for e in (*market_abi(), *oracle_abi(), *_BUILT_IN) if e["type"] == kind]
    return {keccak(text=abi_to_signature(e))[:size]: e for e in entries}


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


def topic(name: str) -> str:
    """What the logs of an event begin with."""
    return next(
        f"0x{hash_.hex()}" for hash_, e in _entries("event", 32).items() if e["name"] == name
    )


def event(topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]]:
    """(name, args) of a log, camelCase names as in the ABI.

    Raises ChainError when this is no event of the contracts.
    """
    entry = _entries("event", 32).get(bytes(topics[0])) if topics else None
    if entry is None:
        raise ChainError("a log that is no event of the contracts")
    indexed, plain = ([i for i in entry["inputs"] if i["indexed"] is so] for so in (True, False))
    try:
        args = _values(indexed, b"".join(topics[1:])) | _values(plain, data)
    except (DecodingError, OverflowError) as exc:
        raise ChainError(f"{entry['name']} cannot be decoded: {exc}") from exc
    return entry["name"], {i["name"]: args[i["name"]] for i in entry["inputs"]}


def _values(inputs: Abi, data: bytes) -> dict[str, Any]:
    if len(data) % 32:  # eth_abi's own check is off in any process that imports Ape
        raise DecodingError(f"{len(data)} bytes are no whole words")
    values = decode([collapse_if_tuple(i) for i in inputs], data)
    return {i["name"]: _plain(i["type"], v) for i, v in zip(inputs, values, strict=True)}


def _plain(kind: str, value: Any) -> Any:
    """Addresses with their checksum, bytes as 0x-prefixed text, structs as tuples."""
    if kind == "address":
        return to_checksum_address(value)
    return f"0x{value.hex()}" if isinstance(value, bytes) else value
