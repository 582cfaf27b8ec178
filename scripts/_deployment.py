"""Deploys a market and records it: what `ape run deploy` and the demo do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ape.api.accounts import AccountAPI
from ape.api.providers import ProviderAPI
from ape.managers.project import ProjectManager
from ape_ethereum.provider import Web3Provider
from eth_utils.crypto import keccak
from ethpm_types.contract_type import ContractType
from web3 import Web3

from keeper.domain.draw import Game
from scripts import _records
from scripts._contracts import contract_type
from scripts._errors import UserError
from scripts._sending import DEFAULT_CAP, Prepared, prepare, send

CONTRACT = "P2PLotteryBetting"
FOLDER_VARIABLE = "LOTTOCHAIN_DEPLOYMENTS"


@dataclass(frozen=True, slots=True)
class MarketParams:
    """What a market is deployed with, beside its game: the contract's `Params`.

    Attributes:
        admin_delay: seconds that a hand-over of the admin role waits.
        fee_bps: fee on profit in hundredths of a percent.
        min_bet, max_bet: wei.
    """

    admin_delay: int
    admin: str
    operator: str
    guardian: str
    oracle: str
    fee_recipient: str
    fee_bps: int
    min_bet: int
    max_bet: int


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


def arguments(game: Game, params: MarketParams) -> dict[str, Any]:
    """The constructor's parameters by name, wei as decimal strings: JSON may not hold them."""
    return {
        "game": {
            "name": game.name,
            "whiteMax": game.white_max,
            "specialMax": game.special_max,
            "drawDays": game.draw_days,
            "drawSecond": game.draw_second,
        },
        "adminDelay": params.admin_delay,
        "admin": params.admin,
        "operator": params.operator,
        "guardian": params.guardian,
        "oracle": params.oracle,
        "feeRecipient": params.fee_recipient,
        "feeBps": params.fee_bps,
        "minBet": str(params.min_bet),
        "maxBet": str(params.max_bet),
    }


def prepare_deployment(
    project: ProjectManager,
    account: AccountAPI,
    game: Game,
    params: MarketParams,
    cap: int = DEFAULT_CAP,
) -> Prepared:
    """Compiles and simulates, sends nothing. Raises as `prepare` does."""
    contract = contract_type(project, CONTRACT)
    values = arguments(game, params)
    values |= {"minBet": params.min_bet, "maxBet": params.max_bet}
    values["game"] = tuple(values["game"].values())
    web3 = web3_of(account.provider)
    code = contract.model_dump(mode="json", by_alias=True)
    factory = web3.eth.contract(abi=code["abi"], bytecode=code["deploymentBytecode"]["bytecode"])
    data = factory.constructor(tuple(values.values())).data_in_transaction
    return prepare(web3, account, None, str(data), cap=cap)


def deploy_market(
    project: ProjectManager,
    account: AccountAPI,
    game: Game,
    params: MarketParams,
    prepared: Prepared | None = None,
    on_sent: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Deploys a market of `game` on the connected chain; its entry in the deployment record.

    `prepared` is what `prepare_deployment` made of the same values; `on_sent` is told the
    transaction's hash before it is mined. Raises UserError, and web3's ContractLogicError when
    the constructor refuses its parameters.
    """
    web3 = web3_of(account.provider)
    prepared = prepared or prepare_deployment(project, account, game, params)
    receipt = send(web3, account, prepared, on_sent)
    transaction, address = receipt["transactionHash"].to_0x_hex(), receipt["contractAddress"]
    if address is None:
        raise UserError(f"{transaction} was mined, but created no contract")
    contract = contract_type(project, CONTRACT)
    return {
        "contract": CONTRACT,
        "address": address,
        "blockNumber": receipt["blockNumber"],
        "transaction": transaction,
        "deployer": Web3.to_checksum_address(account.address),
        "arguments": arguments(game, params),
        "compiler": _compiler(project),
        "abiHash": "0x" + keccak(text=abi_text(contract)).hex(),
    }


def record(provider: ProviderAPI, entry: dict[str, Any]) -> Path:
    """Writes a market's entry into its chain's record; the file. Raises RecordError."""
    return _records.save(web3_of(provider).eth.chain_id, entry, records_folder())


def _compiler(project: ProjectManager) -> dict[str, Any]:
    """What the contract was compiled with: enough to compile the same bytes again."""
    for compiler in project.manifest.compilers or []:
        if CONTRACT in (compiler.contractTypes or []):
            settings = compiler.settings or {}
            return {
                "name": "solc",
                "version": compiler.version,
                "evmVersion": settings["evmVersion"],
                "optimizerRuns": settings["optimizer"]["runs"],
                "viaIR": bool(settings.get("viaIR")),
            }
    raise UserError(f"Ape does not say what {CONTRACT} was compiled with: try `ape compile -f`")
