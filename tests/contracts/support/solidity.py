"""Solidity that only tests use, compiled beside Ape, which compiles contracts/ alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import solcx

from tests.contracts.support.codec import Abi

ROOT = Path(__file__).parents[3]
VERSION = "0.8.30"


@cache
def compile_solidity(pattern: str, *outputs: str) -> dict[str, Any]:
    """What the compiler gives for every contract in these files of the checkout, by name."""
    files = {
        path.relative_to(ROOT).as_posix(): {"content": path.read_text(encoding="utf-8")}
        for path in sorted(ROOT.glob(pattern))
    }
    output = solcx.compile_standard(
        {
            "language": "Solidity",
            "sources": files,
            "settings": {
                "evmVersion": "cancun",
                "remappings": ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
                "outputSelection": {file: {"*": outputs} for file in files},
            },
        },
        base_path=ROOT,
        solc_version=VERSION,
    )
    return {
        name: contract
        for contracts in output["contracts"].values()
        for name, contract in contracts.items()
    }


def deployment(name: str, *args: Any) -> tuple[Abi, str]:
    """A contract of tests/contracts/solidity: its ABI, and what a transaction deploys it with."""
    found = compile_solidity("tests/contracts/solidity/*.sol", "abi", "evm.bytecode.object")
    abi = Abi(found[name]["abi"])
    return abi, abi.deployment("0x" + found[name]["evm"]["bytecode"]["object"], *args)
