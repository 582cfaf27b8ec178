"""A market in its deployer's hands, and the contract account that is to have it.

The deployer, TEST::0, holds everything that it can hold at first; the account's owner is TEST::9.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from eth_abi.abi import encode
from web3.contract import Contract

from keeper.chain import records
from scripts import _holders, _records, _safe
from scripts._cli import Proposer
from scripts._handover import Wish
from scripts._holders import Holders
from scripts._market import Market
from tests.contracts.support.solidity import compile_solidity
from tests.scripts.world import World

PB = ("--game", "powerball")
COMMITTEE_TYPES = ["address[]", "uint256", "uint256", "address"]


@dataclass(frozen=True, slots=True)
class Held:
    """A chain where the deployer holds the market.

    Attributes:
        safe: the contract account that is to have it.
        oracle: the market's ResultOracle, whose guardian is that account.
    """

    world: World
    safe: Contract
    oracle: Any

    @property
    def deployer(self) -> Any:
        return self.world.address("admin")

    @property
    def market(self) -> Market:
        """As the commands have it."""
        deployment = records.load(self.world.chain_id, self.world.folder)["powerball"]
        return Market(self.world.w3, deployment, "polygon:amoy", "POL")

    def read(self) -> Holders:
        """Who holds what, as the commands read it."""
        return _holders.read(self.market, self.deployer)

    def wish(self, to: Any = None, actor: Any = None, **moves: str) -> Wish:
        """A hand-over by the deployer to the account, if nothing else is said."""
        to, actor = to or self.safe.address, actor or self.deployer
        leaving = tuple(one for one in dict.fromkeys((self.deployer, actor)) if one != to)
        return Wish(to, actor, leaving, **moves)

    def propose(self, file: Path, function: str, *args: Any, safe: Any = None) -> None:
        """Writes the batch of one call of the market, as every command does with --safe-batch."""
        with pytest.raises(click.exceptions.Exit) as ended:
            Proposer(self.market, file, safe).send(self.market, function, *args)
        assert ended.value.exit_code == 0

    def ape(self, *args: str, by: str | None = None) -> Any:
        return self.world.ape(*args, *PB, by=by)

    def handover(self, *args: str, by: str = "admin", to: str | None = None) -> Any:
        return self.ape("roles", "handover", to or self.safe.address, *args, by=by)

    def committee(self, guardian: Any) -> Any:
        """Another ResultOracle, with this guardian: its address."""
        w3 = self.world.w3
        record = _records.oracles(self.world.chain_id, self.world.folder)[self.oracle]
        old = [*record["arguments"].values()]
        arguments = encode(COMMITTEE_TYPES, old)
        code = bytes(w3.eth.get_transaction(record["transaction"])["input"])
        assert code.endswith(arguments)
        new = code.removesuffix(arguments) + encode(COMMITTEE_TYPES, [*old[:3], guardian])
        sent = w3.eth.send_transaction({"from": w3.eth.accounts[9], "data": new})
        return mined(self.world, sent)

    def sign(self, file: Path) -> list[str]:
        """The account makes the calls of a batch; their functions."""
        batch = json.loads(file.read_text())
        assert batch["meta"]["checksum"] == _safe.checksum(batch)
        assert batch["chainId"] == str(self.world.chain_id)
        maker = batch["meta"]["createdFromSafeAddress"]
        account = self.world.w3.eth.contract(maker, abi=self.safe.abi)
        calls = [(t["to"], int(t["value"]), t["data"]) for t in batch["transactions"]]
        owner = self.world.w3.eth.accounts[9]
        mined(self.world, account.functions.execute(calls).transact({"from": owner}))
        return [t["contractMethod"]["name"] for t in batch["transactions"]]

    def powers(self, account: Any) -> list[str]:
        """What the market says of an account, asked without the commands."""
        market = self.world.market().functions
        asked = {
            "admin": market.defaultAdmin().call() == account,
            "admin role": market.hasRole(bytes(32), account).call(),
            "next admin": market.pendingDefaultAdmin().call()[0] == account,
            "fees": market.feeRecipient().call() == account,
        }
        for role in ("OPERATOR_ROLE", "GUARDIAN_ROLE"):
            asked[role] = market.hasRole(market[role]().call(), account).call()
        return [name for name, has in asked.items() if has]


def mined(world: World, sent: Any) -> Any:
    """Mines a transaction, which must succeed; the address of what it deployed."""
    world.rpc("evm_mine")
    receipt = world.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    assert receipt["status"] == 1
    return receipt["contractAddress"]


def safe_account(world: World) -> Contract:
    """A contract account of TEST::9."""
    compiled = compile_solidity("tests/contracts/solidity/*.sol", "abi", "evm.bytecode.object")
    made = compiled["SafeAccount"]
    code = made["evm"]["bytecode"]["object"]
    factory = world.w3.eth.contract(abi=made["abi"], bytecode=code)
    owner = world.w3.eth.accounts[9]
    return factory(mined(world, factory.constructor([owner]).transact({"from": owner})))


def given_to(held: Held) -> None:
    """The market is the Safe's, without the commands."""
    world, safe, deployer = held.world, held.safe.address, held.deployer
    operator, guardian = (
        world.market().functions[f"{r}_ROLE"]().call() for r in ("OPERATOR", "GUARDIAN")
    )
    world.call("admin", "grantRole", operator, world.address("operator"))
    world.call("admin", "grantRole", guardian, safe)
    world.call("admin", "revokeRole", operator, deployer)
    world.call("admin", "revokeRole", guardian, deployer)
    world.call("admin", "setFeeRecipient", safe)
    world.call("admin", "beginDefaultAdminTransfer", safe)
    world.at(world.market().functions.pendingDefaultAdmin().call()[1] + 1)
    data = world.market().encode_abi("acceptDefaultAdminTransfer")
    owner = world.w3.eth.accounts[9]
    calls = [(world.market().address, 0, data)]
    mined(world, held.safe.functions.execute(calls).transact({"from": owner}))
