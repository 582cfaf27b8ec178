"""Batches for a Safe's Transaction Builder: what its owners are to sign, in a file.

The format is the one that the app exports (version 1.0), and so is the checksum, by which the app
tells whether a file was changed since it was written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, MethodUnavailable

from scripts._errors import UserError, refusal, revert_in
from scripts._sending import request

_BUILDER = "1.16.5"  # the release of the app whose files these are like
_DELEGATED = bytes.fromhex("ef0100")  # what EIP-7702 lets a plain account's code begin with
_SAFE: Any = [
    {"type": "function", "name": name, "stateMutability": "view", "inputs": [], "outputs": [out]}
    for name, out in (
        ("getThreshold", {"name": "", "type": "uint256"}),
        ("getOwners", {"name": "", "type": "address[]"}),
    )
]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a contract, before anybody signs it.

    Attributes:
        note: what it is for, in a few words.
        value: wei sent along.
    """

    contract: Contract
    function: str
    args: tuple[Any, ...] = ()
    value: int = 0
    note: str = ""

    @property
    def data(self) -> str:
        """The call as bytes, 0x-prefixed."""
        return str(self.contract.encode_abi(self.function, self.args))

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(written, self.args))})"


def written(value: object) -> str:
    """An argument as people and the Transaction Builder read it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, int) else str(value)


# ------------------------------------------------------------------------------------- the file


def batch(
    chain_id: int, safe: str, name: str, description: str, calls: Sequence[Call]
) -> dict[str, Any]:
    """A batch of calls that `safe` is to make, with its checksum."""
    meta = {
        "name": name,
        "description": description,
        "txBuilderVersion": _BUILDER,
        "createdFromSafeAddress": safe,
        "createdFromOwnerAddress": "",
    }
    document = {
        "version": "1.0",
        "chainId": str(chain_id),
        "createdAt": time.time_ns() // 10**6,
        "meta": meta,
        "transactions": [_transaction(call) for call in calls],
    }
    meta["checksum"] = checksum(document)
    return document


def _transaction(call: Call) -> dict[str, Any]:
    """With its bytes: the app sends those, exactly what was simulated.

    Without them the app would encode the method itself, and what it cannot encode it sends as a
    call without data. The method and its values are for those who read before they sign.
    """
    entry: Mapping[str, Any] = call.contract.get_function_by_name(call.function).abi
    payable = entry["stateMutability"] == "payable"
    inputs = [
        {key: i[key] for key in ("components", "internalType", "name", "type") if key in i}
        for i in entry["inputs"]
    ]
    values = {i["name"]: written(v) for i, v in zip(inputs, call.args, strict=True)}
    return {
        "to": call.contract.address,
        "value": str(call.value),
        "data": call.data,
        "contractMethod": {"inputs": inputs, "name": call.function, "payable": payable},
        "contractInputsValues": values,
    }


def checksum(document: Mapping[str, Any]) -> str:
    """The app's own: keccak256 over all but the name and the checksum, keys in order.

    Rule: `serializeJSONObject` in the Transaction Builder's src/lib/checksum.ts.
    """
    meta = {key: value for key, value in document["meta"].items() if key != "checksum"}
    return "0x" + keccak(text=_serialized({**document, "meta": {**meta, "name": None}})).hex()


def _serialized(value: Any) -> str:
    """Not JSON: an object is its sorted keys as a list, then the values, each with a comma."""
    if isinstance(value, list):
        return f"[{','.join(map(_serialized, value))}]"
    if isinstance(value, dict):
        keys = sorted(value)
        listed = json.dumps(keys, separators=(",", ":"), ensure_ascii=False)
        return f"{{{listed}{''.join(f'{_serialized(value[key])},' for key in keys)}}}"
    return json.dumps(value, ensure_ascii=False)


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a batch into a new file. Raises UserError when there is one, or it cannot be."""
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(document, file, indent=2, ensure_ascii=False)
            file.write("\n")
    except FileExistsError:
        raise UserError(f"{path} is there already: name another file, or remove it") from None
    except OSError as exc:
        raise UserError(f"cannot write {path}: {exc.strerror}") from exc


# ------------------------------------------------------------------------------------ the chain


def is_contract(web3: Web3, address: str) -> bool:
    """Whether an account has code of its own. One that EIP-7702 lends code to still has a key."""
    code = bytes(web3.eth.get_code(Web3.to_checksum_address(address)))
    return bool(code) and not code.startswith(_DELEGATED)


@dataclass(frozen=True, slots=True)
class Owners:
    """Who signs for a Safe, and how many of them it takes."""

    threshold: int
    owners: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.threshold} of {len(self.owners)} owners sign: {', '.join(self.owners)}"


def owners_of(web3: Web3, address: str) -> Owners | None:
    """The owners of a Safe; None of a contract account of another make."""
    safe = web3.eth.contract(Web3.to_checksum_address(address), abi=_SAFE).functions
    try:
        threshold, owners = safe.getThreshold().call(), safe.getOwners().call()
    except (ContractLogicError, BadFunctionCallOutput):
        return None
    return Owners(threshold, tuple(owners)) if threshold and owners else None


def simulate(web3: Web3, safe: str, calls: Sequence[Call]) -> None:
    """Tries the calls from the Safe's address, one after the other, each on what the last left.

    Raises web3's ContractLogicError when a single one is refused, and UserError that names the
    first of several that is.
    """
    wanted = [request(safe, call.contract.address, call.data, call.value) for call in calls]
    if len(wanted) == 1:  # what every node can do
        web3.eth.call(wanted[0], "latest")
        return
    try:
        [block] = web3.eth.simulate_v1({"blockStateCalls": [{"calls": wanted}]}, "latest")
    except MethodUnavailable:
        raise UserError(
            "this node cannot try several calls in a row (eth_simulateV1): use another node"
        ) from None
    for number, (call, done) in enumerate(zip(calls, block["calls"], strict=True), 1):
        if done["status"] != 1:
            error: Mapping[str, Any] = done.get("error") or {}
            why = revert_in(error.get("data") or done["returnData"], error.get("message"))
            raise UserError(f"call {number} of the batch, {call}: {refusal(why)}")
