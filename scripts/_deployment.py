"""Deploys a contract and makes its entry for the record: what `ape run deploy` does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ape.api.accounts import AccountAPI
from ape.api.providers import ProviderAPI
from ape.managers.project import ProjectManager
from ape_ethereum.provider import Web3Provider
from eth_utils.crypto import keccak
from ethpm_types.contract_type import ContractType
from web3 import Web3

from keeper import ports
from keeper.chain import records
from keeper.domain.draw import Game
from scripts import _records
from scripts._contracts import contract_type
from scripts._errors import UserError
from scripts._records import MARKET, ORACLE
from scripts._sending import DEFAULT_CAP, Prepared, prepare, send

CONTRACTS = (MARKET, ORACLE)
FOLDER_VARIABLE = "LOTTOCHAIN_DEPLOYMENTS"
# Where a deployer may well hold every key: local chains, and test networks.
PRACTICE_CHAINS = records.LOCAL_CHAINS | {80001, 80002}


class Deployable(Protocol):
    """What a contract is deployed with."""

    contract: ClassVar[str]

    def constructor(self) -> list[Any]:
        """The constructor's arguments."""

    def arguments(self) -> dict[str, Any]:
        """The same by name, for the record."""


@dataclass(frozen=True, slots=True)
class MarketParams:
    """What a market is deployed with: the contract's `Params`.

    Attributes:
        admin_delay: seconds that a hand-over of the admin role waits.
        fee_bps: fee on profit in hundredths of a percent.
        min_bet, max_bet: wei.
    """

    contract: ClassVar[str] = MARKET

    game: Game
    admin_delay: int
    admin: str
    operator: str
    guardian: str
    oracle: str
    fee_recipient: str
    fee_bps: int
    min_bet: int
    max_bet: int

    def constructor(self) -> list[Any]:
        """One struct, its game another."""
        values = self.arguments() | {"minBet": self.min_bet, "maxBet": self.max_bet}
        return [(tuple(values.pop("game").values()), *values.values())]

    def arguments(self) -> dict[str, Any]:
        """By name, wei as decimal strings: JSON may not hold them."""
        return {
            "game": {
                "name": self.game.name,
                "whiteMax": self.game.white_max,
                "specialMax": self.game.special_max,
                "drawDays": self.game.draw_days,
                "drawSecond": self.game.draw_second,
            },
            "adminDelay": self.admin_delay,
            "admin": self.admin,
            "operator": self.operator,
            "guardian": self.guardian,
            "oracle": self.oracle,
            "feeRecipient": self.fee_recipient,
            "feeBps": self.fee_bps,
            "minBet": str(self.min_bet),
            "maxBet": str(self.max_bet),
        }


@dataclass(frozen=True, slots=True)
class Committee(ports.Committee):
    """What a ResultOracle is deployed with, for good."""

    contract: ClassVar[str] = ORACLE

    def constructor(self) -> list[Any]:
        """The four, in order."""
        return list(self.arguments().values())

    def arguments(self) -> dict[str, Any]:
        """By name."""
        return {
            "reporters": list(self.reporters),
            "quorum": self.quorum,
            "disputeWindow": self.dispute_window,
            "guardian": self.guardian,
        }


def records_folder() -> Path | None:
    """The folder of deployment records that the environment names, or None for the usual ones."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else None


def web3_of(provider: ProviderAPI) -> Web3:
    """The connection that Ape made."""
    if not isinstance(provider, Web3Provider):
        raise UserError(f"provider {provider.name} cannot be used: it speaks no JSON-RPC")
    return provider.web3


def abi_text(contract: ContractType) -> str:
    """The ABI as keeper/abi keeps it; its keccak256 is a record's abiHash."""
    return json.dumps(contract.model_dump(mode="json", by_alias=True)["abi"], indent=2) + "\n"


def prepare_deployment(
    project: ProjectManager, account: AccountAPI, params: Deployable, cap: int = DEFAULT_CAP
) -> Prepared:
    """Compiles and simulates, sends nothing. Raises as `prepare` does."""
    contract = contract_type(project, params.contract)
    web3 = web3_of(account.provider)
    code = contract.model_dump(mode="json", by_alias=True)
    factory = web3.eth.contract(abi=code["abi"], bytecode=code["deploymentBytecode"]["bytecode"])
    data = factory.constructor(*params.constructor()).data_in_transaction
    return prepare(web3, account, None, str(data), cap=cap)


def deploy(
    project: ProjectManager,
    account: AccountAPI,
    params: Deployable,
    prepared: Prepared,
    on_sent: Callable[[str], None],
) -> dict[str, Any]:
    """Deploys a contract on the connected chain; its entry in the deployment record.

    `prepared` is what `prepare_deployment` made of the same parameters; `on_sent` is told the
    transaction's hash before it is mined. Raises UserError as `send` does.
    """
    receipt = send(web3_of(account.provider), account, prepared, on_sent)
    transaction, address = receipt["transactionHash"].to_0x_hex(), receipt["contractAddress"]
    if address is None:
        raise UserError(f"{transaction} was mined, but created no contract")
    return {
        "contract": params.contract,
        "address": address,
        "blockNumber": receipt["blockNumber"],
        "transaction": transaction,
        "deployer": Web3.to_checksum_address(account.address),
        "arguments": params.arguments(),
        "compiler": _compiler(project, params.contract),
        "abiHash": "0x" + keccak(text=abi_text(contract_type(project, params.contract))).hex(),
    }


def record(provider: ProviderAPI, entry: dict[str, Any]) -> Path:
    """Writes an entry into its chain's record; the file. Raises RecordError."""
    return _records.save(web3_of(provider).eth.chain_id, entry, records_folder())


def _compiler(project: ProjectManager, name: str) -> dict[str, Any]:
    """What a contract was compiled with: enough to compile the same bytes again."""
    for compiler in project.manifest.compilers or []:
        if name in (compiler.contractTypes or []):
            settings = compiler.settings or {}
            return {
                "name": "solc",
                "version": compiler.version,
                "evmVersion": settings["evmVersion"],
                "optimizerRuns": settings["optimizer"]["runs"],
                "viaIR": bool(settings.get("viaIR")),
            }
    raise UserError(f"Ape does not say what {name} was compiled with: try `ape compile -f`")
