"""Deployment records: which market of which game is deployed on a chain, and where.

One file a chain, `<chain id>.json`, written by `ape run deploy`, read by the scripts and the
keeper. Records of real chains are package data; those of local chains stay out of it, under
`.build/deployments` of the checkout.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keeper.domain.draw import Game
from keeper.errors import ConfigError

LOCAL_CHAINS = frozenset({1337, 31337})

_PACKAGE = Path(__file__).resolve().parent.parent
_COMMITTED = _PACKAGE / "deployments"
_LOCAL = _PACKAGE.parent / ".build" / "deployments"
_ROOM = 64 * 1024  # bytes: more than any record takes


class RecordError(ConfigError):
    """A deployment record is missing, malformed or cannot be written; the message names it."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """What a contract was compiled with: enough to compile the same bytes again."""

    name: str
    version: str
    evm_version: str
    optimizer_runs: int
    via_ir: bool


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployed market.

    Attributes:
        game: the game that it serves, as its constructor was told.
        contract: the contract's name, "P2PLotteryBetting".
        address: with its checksum.
        block_number: of the block that holds the deployment; no event is older.
        transaction: hash of the deployment.
        arguments: the constructor's parameters by name, wei as decimal strings.
        abi_hash: keccak256 over the ABI as `ape run export` writes it, 0x-prefixed.
    """

    game: Game
    contract: str
    address: str
    block_number: int
    transaction: str
    deployer: str
    arguments: Mapping[str, Any]
    compiler: Compiler
    abi_hash: str


def record_path(chain_id: int, folder: Path | None = None) -> Path:
    """Where the record of a chain lies; `folder` takes the place of the usual ones."""
    usual = _LOCAL if chain_id in LOCAL_CHAINS else _COMMITTED
    return (folder or usual) / f"{chain_id}.json"


def load(chain_id: int, folder: Path | None = None) -> dict[str, Deployment]:
    """The markets deployed on a chain, by game. Raises RecordError, also when there is none."""
    path = record_path(chain_id, folder)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(f"nothing is deployed on chain {chain_id}: no record {path}") from None
    except OSError as exc:
        raise RecordError(f"cannot read deployment record {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise RecordError(f"deployment record {path} is not JSON: {exc}") from exc
    try:
        return _read_all(chain_id, document)
    except KeyError as exc:
        raise RecordError(f"deployment record {path} lacks {exc}") from exc
    except (AttributeError, TypeError, ValueError) as exc:
        raise RecordError(f"deployment record {path} is malformed: {exc}") from exc


def check_writable(chain_id: int, folder: Path | None = None) -> None:
    """Tries whether a market could be saved, before it is deployed. Raises RecordError."""
    path = record_path(chain_id, folder)
    if path.exists():
        load(chain_id, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(_ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise RecordError(f"cannot write deployment record {path}: {exc.strerror}") from exc


def save(chain_id: int, deployment: Deployment, folder: Path | None = None) -> Path:
    """Adds a market to a chain's record, in place of an earlier one of its game; the file.

    The file is replaced at once: a reader sees the old one or the new. Raises RecordError.
    """
    path = record_path(chain_id, folder)
    markets = load(chain_id, folder) if path.exists() else {}
    markets[deployment.game.name] = deployment
    document = {
        "chainId": chain_id,
        "markets": {name: _written(markets[name]) for name in sorted(markets)},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, json.dumps(document, indent=2) + "\n")
    except OSError as exc:
        raise RecordError(f"cannot write deployment record {path}: {exc.strerror}") from exc
    return path


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _written(deployment: Deployment) -> dict[str, Any]:
    compiler = deployment.compiler
    return {
        "contract": deployment.contract,
        "address": deployment.address,
        "blockNumber": deployment.block_number,
        "transaction": deployment.transaction,
        "deployer": deployment.deployer,
        "arguments": dict(deployment.arguments),
        "compiler": {
            "name": compiler.name,
            "version": compiler.version,
            "evmVersion": compiler.evm_version,
            "optimizerRuns": compiler.optimizer_runs,
            "viaIR": compiler.via_ir,
        },
        "abiHash": deployment.abi_hash,
    }


def _read_all(chain_id: int, document: Mapping[str, Any]) -> dict[str, Deployment]:
    if document["chainId"] != chain_id:
        raise ValueError(f"chainId is {document['chainId']}, not {chain_id}")
    return {name: _read(name, entry) for name, entry in document["markets"].items()}


def _read(name: str, entry: Mapping[str, Any]) -> Deployment:
    game, compiler = entry["arguments"]["game"], entry["compiler"]
    if game["name"] != name:
        raise ValueError(f"the market of {name} was deployed for {game['name']}")
    return Deployment(
        game=Game(
            name=name,
            white_max=_whole(game["whiteMax"]),
            special_max=_whole(game["specialMax"]),
            draw_days=_whole(game["drawDays"]),
            draw_second=_whole(game["drawSecond"]),
        ),
        contract=_text(entry["contract"]),
        address=_hex(entry["address"], 20),
        block_number=_whole(entry["blockNumber"]),
        transaction=_hex(entry["transaction"], 32),
        deployer=_hex(entry["deployer"], 20),
        arguments=entry["arguments"],
        compiler=Compiler(
            name=_text(compiler["name"]),
            version=_text(compiler["version"]),
            evm_version=_text(compiler["evmVersion"]),
            optimizer_runs=_whole(compiler["optimizerRuns"]),
            via_ir=bool(compiler["viaIR"]),
        ),
        abi_hash=_hex(entry["abiHash"], 32),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value


def _hex(value: object, size: int) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", value):
        raise ValueError(f"{value!r} is not {size} bytes in hexadecimal")
    return value
