"""`ape run roles` on a chain: a market goes from its deployer's key to a contract account."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from web3.exceptions import ContractLogicError

from scripts import _handover
from scripts._errors import UserError, explain
from tests.scripts.hands import PB, Held, given_to, mined, safe_account
from tests.scripts.world import PEOPLE, POWERBALL_DRAW, STRANGER

EVERYTHING = ["admin", "admin role", "fees", "OPERATOR_ROLE", "GUARDIAN_ROLE"]


def test_a_market_goes_to_a_safe(copies: Callable[[], Held], tmp_path: Path) -> None:
    held = copies()
    world, safe, deployer = held.world, held.safe.address, held.deployer
    assert held.powers(deployer) == EVERYTHING
    powers = ["admin", "operator", "guardian", "fee recipient"]
    assert sorted(_handover.kept(held.read(), deployer)) == sorted(powers)
    refused = held.handover().refused()
    assert f"{deployer} gets the fees: name another by --fee-recipient" in refused
    assert "name the keeper's key by --operator" in refused
    assert held.powers(deployer) == EVERYTHING

    # Step one: all that the deployer can do. It asks once, before anything is sent.
    moves = ("--operator", PEOPLE["operator"], "--fee-recipient", safe)
    asked = world.ape("roles", "handover", safe, *moves, *PB, by="admin", typed="n\n")
    assert "declined, nothing was sent" in asked.refused()
    out = held.handover(*moves).ok()
    assert "1 of 1 owners sign" in out
    assert out.count("mined in block") == 6
    assert held.powers(deployer) == ["admin", "admin role"]
    assert held.powers(safe) == ["next admin", "fees", "GUARDIAN_ROLE"]
    assert held.powers(world.address("operator")) == ["OPERATOR_ROLE"]

    # While the delay lasts: what remains is told, nothing is sent, and nothing can be signed.
    schedule = world.market().functions.pendingDefaultAdmin().call()[1]
    nonce = world.w3.eth.get_transaction_count(deployer)
    file = tmp_path / "accept.json"
    told = held.handover().ok()
    assert f"{safe} can accept the admin role after " in told
    assert re.search(r"in 1 d 23 h: `ape run roles accept", told)
    assert world.w3.eth.get_transaction_count(deployer) == nonce
    with pytest.raises(ContractLogicError) as soon:
        held.propose(file, "acceptDefaultAdminTransfer")
    assert "AccessControlEnforcedDefaultAdminDelay (schedule " in (explain(soon.value) or "")
    assert not file.exists()

    world.at(schedule + 1)
    holders = held.read()
    remains = _handover.remaining(holders, safe, "powerball") or ""
    assert f"{safe} can accept the admin role now" in remains
    assert not _handover.steps(holders, held.wish())
    written = held.ape("roles", "accept", "--safe-batch", str(file)).ok()
    assert f"written to {file}: nothing was sent" in written
    assert held.powers(deployer) == ["admin", "admin role"]
    assert held.sign(file) == ["acceptDefaultAdminTransfer"]
    assert held.powers(safe) == ["admin", "admin role", "fees", "GUARDIAN_ROLE"]

    # Proven for anybody; the deployer's own run has no more to do.
    others = [part for name in ("operator", "ann") for part in ("--account", PEOPLE[name])]
    proof = held.ape("roles", "proof")
    kept = held.ape("roles", "proof", *others, "--account", STRANGER)
    out = proof.ok()
    assert f"{deployer} (the deployer) holds nothing of powerball" in out
    table = {tuple(line.split()[:-2]) for line in out.splitlines() if line.endswith("a contract")}
    assert {("admin", safe, "yes"), ("guardian", safe, "yes")} <= table
    for role in ("admin", "operator", "guardian"):
        assert re.search(rf"{role} +{deployer} +no longer +a key, the deployer", out)
    holders = held.read()
    assert not _handover.steps(holders, held.wish())
    assert _handover.remaining(holders, safe, "powerball") is None
    assert held.powers(deployer) == []
    keeper, reporter = world.address("operator"), world.address("ann")
    assert kept.refused() == f"{keeper} still holds of powerball: operator"
    assert f"{world.w3.to_checksum_address(STRANGER)} holds nothing" in kept.out
    assert f"note: {reporter} has one vote of 2 in oracle {held.oracle}" in kept.out
    assert f"{reporter} holds nothing" in kept.out


def test_the_safe_does_what_only_it_can(copies: Callable[[], Held], tmp_path: Path) -> None:
    """Privileged actions as batches, and a hand-over from one Safe to the next in a single one."""
    held = copies()
    world, safe = held.world, held.safe.address
    given_to(held)
    world.call("operator", "createRound", POWERBALL_DRAW)
    market = world.market().functions
    files = [tmp_path / f"{n}.json" for n in range(7)]
    batch = [("--safe-batch", str(file)) for file in files]
    guardian, role = world.address("guardian"), market.GUARDIAN_ROLE().call()
    fee = held.ape("settings", "fee", "2.5%", *batch[0])
    cancel = held.ape("rounds", "cancel", "1", *batch[2], "--safe", safe)
    excess = held.ape("settings", "fee", "6%", *batch[4])
    held.propose(files[1], "pause")
    held.propose(files[3], "grantRole", role, guardian)
    for run in (fee, cancel):
        assert "written to" in run.ok()
    assert "FeeTooHigh (feeBps 6 %" in excess.refused()
    with pytest.raises(ContractLogicError) as unheld:
        held.propose(files[4], "createRound", POWERBALL_DRAW + 3 * 86400)
    line = explain(unheld.value) or ""
    assert "AccessControlUnauthorizedAccount" in line
    assert "OPERATOR_ROLE" in line
    with pytest.raises(UserError, match="is no contract on this chain"):
        held.propose(files[4], "setFee", 100, safe=STRANGER)
    assert not files[4].exists()

    assert market.feeBps().call() == 200  # nothing was sent
    signed = [held.sign(file) for file in files[:4]]
    assert signed == [["setFee"], ["pause"], ["cancelRound"], ["grantRole"]]
    assert market.feeBps().call() == 250
    assert market.paused().call()
    assert market.getRoundInfo(1).call()[2] == 4
    assert held.powers(guardian) == ["GUARDIAN_ROLE"]
    with pytest.raises(UserError, match=f"{files[0]} is there already"):
        held.propose(files[0], "setFee", 300)

    # The next Safe: not before another committee, whose guardian it is, decides.
    heir = safe_account(world).address
    bound = held.wish(to=heir, actor=safe, fee_recipient=heir)
    objections = "; ".join(_handover.objections(held.read(), bound))
    assert f"{safe} is the guardian of ResultOracle {held.oracle}" in objections
    held.propose(files[4], "setOracle", held.committee(heir))
    assert held.sign(files[4]) == ["setOracle"]
    batch_of = "--fee-recipient", heir, *batch[5], "--safe", safe
    held.handover(*batch_of, by=None, to=heir).ok()
    expected = ["grantRole", "revokeRole", "setFeeRecipient", "beginDefaultAdminTransfer"]
    assert held.sign(files[5]) == expected
    world.at(market.pendingDefaultAdmin().call()[1] + 1)
    held.propose(files[6], "acceptDefaultAdminTransfer")
    held.sign(files[6])
    assert held.powers(safe) == []
    assert held.powers(heir) == ["admin", "admin role", "fees", "GUARDIAN_ROLE"]
    shown = held.ape("roles", "show").ok()
    assert re.search(rf"guardian +{guardian} +yes +a key", shown)
    assert re.search(rf"guardian +{safe} +no longer +a contract", shown)


def test_what_is_left_is_found_and_given_up(copies: Callable[[], Held]) -> None:
    """A role granted behind the Safe's back: the proof names it, and its holder gives it up."""
    held = copies()
    world, deployer = held.world, held.deployer
    guardian = world.market().functions.GUARDIAN_ROLE().call()
    given_to(held)
    data = world.market().encode_abi("grantRole", [guardian, deployer])
    calls = [(world.market().address, 0, data)]
    owner = world.w3.eth.accounts[9]
    mined(world, held.safe.functions.execute(calls).transact({"from": owner}))
    assert held.ape("roles", "proof").refused() == (
        f"{deployer} (the deployer) still holds of powerball: guardian"
    )
    out = held.handover().ok()
    assert f"renounceRole(0x{guardian.hex()}, {deployer})" in out
    assert "holds nothing of powerball" in out
    assert held.powers(deployer) == []


def test_a_key_may_have_a_market_of_a_test_network(copies: Callable[[], Held]) -> None:
    held = copies()
    world, key = held.world, held.world.address("cyd")
    moves = ("--operator", PEOPLE["operator"], "--fee-recipient", PEOPLE["fees"])
    nobody = held.ape("roles", "accept", by="cyd")
    assert "is offered to nobody: `ape run roles handover`" in nobody.refused()
    assert f"{key} has no code here" in held.handover(*moves, to=key).refused()
    assert f"{key} can accept" in held.handover(*moves, "--plain-account", to=key).ok()
    world.at(world.market().functions.pendingDefaultAdmin().call()[1] + 1)
    assert f"admin of powerball: {key}" in held.ape("roles", "accept", by="cyd").ok()
    assert held.powers(key) == ["admin", "admin role", "GUARDIAN_ROLE"]
