"""The interface is the contract's own ABI, names included: what a frontend is written against."""

from __future__ import annotations

import pytest

from tests.contracts.support.solidity import compile_solidity


def entries(abi: list[dict]) -> dict[tuple[str, str], dict]:
    return {(entry["type"], entry.get("name", "")): entry for entry in abi}


def named(values: list[dict]) -> list[tuple]:
    return [
        (value["name"], value["type"], value.get("indexed"), named(value.get("components") or []))
        for value in values
    ]


@pytest.fixture(scope="module")
def promised():
    compiled = compile_solidity("contracts/interfaces/*.sol", "abi")
    return {name: entries(contract["abi"]) for name, contract in compiled.items()}


@pytest.fixture(scope="module")
def kept(abi, oracle_type):
    oracle = oracle_type.model_dump(mode="json", by_alias=True)["abi"]
    return {"P2PLotteryBetting": entries(abi.entries), "ResultOracle": entries(oracle)}


@pytest.mark.parametrize(("contract", "least"), [("P2PLotteryBetting", 70), ("ResultOracle", 30)])
def test_the_contract_keeps_every_promise_by_name(kept, promised, contract, least):
    kept, promised = kept[contract], promised[f"I{contract}"]
    assert len(promised) > least
    for key, entry in promised.items():
        assert key in kept, key
        assert named(kept[key]["inputs"]) == named(entry["inputs"]), key
        if entry["type"] == "function":
            assert kept[key]["stateMutability"] == entry["stateMutability"]
            # An unnamed struct or number may be called anything inside.
            ours, theirs = named(kept[key]["outputs"]), named(entry["outputs"])
            assert [o for o, t in zip(ours, theirs, strict=True) if t[0]] == [
                t for t in theirs if t[0]
            ], key


def test_what_the_market_adds_is_openzeppelins_or_a_constant(kept, promised):
    added = kept["P2PLotteryBetting"].keys() - promised["IP2PLotteryBetting"].keys()
    own = {name for kind, name in added if kind == "function" and name.isupper()}
    assert own == {
        "DEFAULT_ADMIN_ROLE",
        "GUARDIAN_ROLE",
        "LOCK_LEAD",
        "MAX_ADMIN_DELAY",
        "MAX_BETS_PER_USER",
        "MAX_FEE_BPS",
        "MAX_HORIZON",
        "OPERATOR_ROLE",
        "RESULT_WINDOW",
        "SETTLE_GAS",
    }
    events = {name for kind, name in added if kind == "event"}
    assert not {name for name in events if name.startswith(("Round", "Bet", "Fee", "Oracle"))}


def test_what_the_oracle_adds_is_a_constant(kept, promised):
    added = kept["ResultOracle"].keys() - promised["IResultOracle"].keys()
    assert {name for kind, name in added if kind != "constructor"} == {
        "MAX_DISPUTE_WINDOW",
        "MAX_REPORTERS",
        "REPORT_WINDOW",
    }
