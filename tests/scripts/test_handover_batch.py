"""Batches for a Safe as its Transaction Builder reads them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import abi_to_signature, collapse_if_tuple
from eth_utils.crypto import keccak
from web3 import Web3

from keeper.chain import abi
from scripts import _safe
from scripts._errors import UserError
from scripts._safe import Call

OWNER = "0x49d4450977E2c95362C13D3a31a09311E0Ea26A6"
SAFE = "0xDF8a1Ce35c9a6ACE153B4e0767942f1E2291a1Aa"


def method(name: str, kind: str, argument: str) -> dict[str, Any]:
    inputs = [{"internalType": kind, "name": argument, "type": kind}]
    return {"inputs": inputs, "name": name, "payable": False}


# What the app's own test (src/lib/checksum.test.ts) takes, and the checksum that it expects.
KNOWN = {
    "version": "1.0",
    "chainId": "4",
    "createdAt": 1646321521061,
    "meta": {
        "name": "test batch file",
        "txBuilderVersion": "1.4.0",
        "checksum": "",
        "createdFromSafeAddress": SAFE,
        "createdFromOwnerAddress": OWNER,
    },
    "transactions": [
        {
            "to": OWNER,
            "value": "0",
            "contractMethod": method("testAddress", "address", "paramAddress"),
            "contractInputsValues": {"paramAddress": OWNER},
        },
        {
            "to": OWNER,
            "value": "0",
            "contractMethod": method("testBool", "bool", "paramBool"),
            "contractInputsValues": {"paramAddress": "", "paramBool": "false"},
        },
        {
            "to": OWNER,
            "value": "2000000000000000000",
            "data": "0x42f45790" + "0" * 24 + OWNER[2:].lower(),
        },
    ],
}
CHECKSUM = "0x86c81826dbf7e8a37612153294cc85fdf5c81998dd0a44b86d945502a7eace7c"


def turned(value: Any) -> Any:
    """The same with the keys of every object in the opposite order."""
    if isinstance(value, list):
        return [turned(one) for one in value]
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return value


def test_the_checksum_is_the_apps() -> None:
    assert _safe.checksum(KNOWN) == CHECKSUM
    assert _safe.checksum(turned(KNOWN)) == CHECKSUM
    renamed = KNOWN | {"meta": KNOWN["meta"] | {"name": "another", "checksum": CHECKSUM}}
    assert _safe.checksum(renamed) == CHECKSUM
    reversed_ = KNOWN | {"transactions": KNOWN["transactions"][::-1]}
    assert _safe.checksum(reversed_) != CHECKSUM


def test_text_beyond_ascii_counts_as_the_app_counts_it() -> None:
    # JSON.stringify escapes quotes, and no letter; keccak is over the UTF-8 of that.
    described = {"meta": {"description": 'é "1"'}}
    written = '{["meta"]{["description","name"]"é \\"1\\"",null,},}'
    assert _safe.checksum(described) == "0x" + keccak(written.encode()).hex()


def value_of(rng: random.Random, kind: dict[str, Any]) -> Any:
    """A value of an ABI type."""
    name = kind["type"]
    if name.endswith("]"):
        base, _, length = name[:-1].rpartition("[")
        return [
            value_of(rng, kind | {"type": base}) for _ in range(int(length or rng.randrange(4)))
        ]
    if name == "tuple":
        return tuple(value_of(rng, part) for part in kind["components"])
    if name == "address":
        return Web3.to_checksum_address(rng.randbytes(20))
    if name == "bytes32":
        return rng.randbytes(32)
    if name == "bool":
        return rng.random() < 0.5
    assert name.startswith("uint"), name
    return rng.choice([0, 1, 2 ** int(name[4:]) - 1])


def read(kind: str, text: str) -> Any:
    """A value as the app reads it from a batch: lists by brackets, numbers in decimals."""
    if kind.endswith("]"):
        assert text[0] == "["
        assert text[-1] == "]"
        parts = text[1:-1].split(", ") if text != "[]" else []
        return [read(kind[: kind.rindex("[")], part) for part in parts]
    if kind.startswith("("):
        return json.loads(text)
    if kind == "bool":
        return {"true": True, "false": False}[text]
    return int(text) if kind.startswith("uint") else bytes.fromhex(text[2:])


@pytest.mark.parametrize("name", ["market", "oracle"])
def test_what_is_signed_is_what_is_read(name: str) -> None:
    """The bytes of a transaction are those of its method and its values, for every action."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    entries: Any = abi.market_abi() if name == "market" else abi.oracle_abi()
    contract = Web3().eth.contract(Web3.to_checksum_address(OWNER), abi=entries)
    actions = [e for e in entries if e["type"] == "function" and e["stateMutability"] != "view"]
    actions = [e for e in actions if e["stateMutability"] != "pure"]
    assert {"market": "setFee", "oracle": "veto"}[name] in [action["name"] for action in actions]
    for action in actions * 5:
        args = tuple(value_of(rng, kind) for kind in action["inputs"])
        value = rng.choice([0, 10**30])
        document = _safe.batch(80002, SAFE, "", "", [Call(contract, action["name"], args, value)])
        [one] = json.loads(json.dumps(document))["transactions"]
        assert (one["to"], one["value"]) == (OWNER, str(value))
        told = one["contractMethod"]
        assert told["payable"] is (action["stateMutability"] == "payable")
        types = [collapse_if_tuple(kind) for kind in told["inputs"]]
        texts = [one["contractInputsValues"][kind["name"]] for kind in told["inputs"]]
        values = [read(kind, text) for kind, text in zip(types, texts, strict=True)]
        signature = abi_to_signature({"type": "function", **told})
        assert one["data"] == "0x" + (keccak(text=signature)[:4] + encode(types, values)).hex()


def test_a_batch_says_whose_it_is() -> None:
    document = _safe.batch(80002, SAFE, "powerball: pause", "why", [])
    assert (document["version"], document["chainId"]) == ("1.0", "80002")
    assert document["createdAt"] > 1_700_000_000_000  # milliseconds
    meta = document["meta"]
    assert (meta["createdFromSafeAddress"], meta["name"]) == (SAFE, "powerball: pause")
    assert meta["checksum"] == _safe.checksum(document)


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    _safe.save(path, {"one": "é"})
    with pytest.raises(UserError, match="is there already"):
        _safe.save(path, {"two": 2})
    assert json.loads(path.read_text("utf-8")) == {"one": "é"}
    with pytest.raises(UserError, match=r"cannot write .*No such file"):
        _safe.save(tmp_path / "nowhere" / "batch.json", {})
