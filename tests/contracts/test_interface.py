"""What others build on: storage layout, size, indexed topics; and that every error is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contracts.support.solidity import compile_solidity

MAX_RUNTIME_CODE = 24_576  # EIP-170

INDEXED = {
    "RoundCreated": ["roundId"],
    "BetPlaced": ["roundId", "user", "prediction"],
    "BetMatched": ["roundId", "user"],
    "BetCancelled": ["roundId", "user"],
    "RoundLocked": ["roundId"],
    "RoundFinalized": ["roundId"],
    "RoundCancelled": ["roundId"],
    "WinningsClaimed": ["roundId", "user"],
    "RefundIssued": ["roundId", "user"],
    "FeesWithdrawn": ["roundId"],
    "FeeChanged": [],
    "OracleChanged": ["oracle"],
    "BetLimitsChanged": [],
    "FeeRecipientChanged": ["feeRecipient"],
    "ResultReported": ["market", "roundId", "reporter"],
    "ResultProposed": ["market", "roundId"],
    "ResultVetoed": ["market", "roundId"],
    "ResultFinalized": ["market", "roundId"],
}


@pytest.fixture(scope="module")
def layouts():
    contracts = compile_solidity("contracts/*.sol", "storageLayout")
    return {name: contract["storageLayout"] for name, contract in contracts.items()}


@pytest.fixture(scope="module")
def layout(layouts):
    return layouts["P2PLotteryBetting"]


@pytest.fixture(scope="module")
def interface():
    """What both contracts promise."""
    compiled = compile_solidity("contracts/interfaces/*.sol", "abi")
    assert set(compiled) == {"IP2PLotteryBetting", "IResultOracle"}
    return [entry for contract in compiled.values() for entry in contract["abi"]]


def members(layout, struct):
    """{member: (slot, first byte)} of a struct, and its size in bytes."""
    (found,) = [
        entry for name, entry in layout["types"].items() if name.startswith(f"t_struct({struct})")
    ]
    places = {one["label"]: (int(one["slot"]), one["offset"]) for one in found["members"]}
    return places, int(found["numberOfBytes"])


@pytest.mark.parametrize("struct", ["Round", "Pair", "Bet"])
def test_a_round_a_pair_and_a_bet_take_one_slot_each(layout, struct):
    places, size = members(layout, struct)
    assert size == 32
    assert {slot for slot, _ in places.values()} == {0}


def test_four_pairs_and_sixteen_bets_lie_slot_by_slot(layout):
    arrays = [
        (re.match(r"t_array\(t_struct\((\w+)\)", name), int(entry["numberOfBytes"]))
        for name, entry in layout["types"].items()
    ]
    sizes = {found[1]: size for found, size in arrays if found}
    assert sizes == {"Pair": 4 * 32, "Bet": 16 * 32}


def test_what_a_bet_reads_of_the_settings_shares_the_slot_of_the_pause_flag(layout):
    slots = {one["label"]: one["slot"] for one in layout["storage"]}
    assert {slots[label] for label in ("_paused", "_minBet", "_maxBet")} == {slots["_paused"]}


def test_a_ballot_takes_one_slot_and_one_more_for_five_votes(layouts):
    places, size = members(layouts["ResultOracle"], "Ballot")
    assert size == 4 * 32
    slots = {name: slot for name, (slot, _) in places.items()}
    assert slots.pop("votes") == 1
    assert set(slots.values()) == {0}


@pytest.mark.parametrize("contract", ["market_type", "oracle_type"])
def test_runtime_code_can_be_deployed(request, contract):
    type_ = request.getfixturevalue(contract)
    code = bytes.fromhex(str(type_.runtime_bytecode.bytecode)[2:])
    print(f"\n{type_.name}: {len(code):,} of {MAX_RUNTIME_CODE:,} bytes")
    assert 0 < len(code) <= MAX_RUNTIME_CODE


def test_events_are_indexed_by_round_user_and_prediction(interface):
    assert {
        entry["name"]: [one["name"] for one in entry["inputs"] if one["indexed"]]
        for entry in interface
        if entry["type"] == "event"
    } == INDEXED


def test_every_error_of_the_interface_is_expected_by_some_test(interface):
    errors = {entry["name"] for entry in interface if entry["type"] == "error"}
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert errors - set(re.findall(r'refused\(\s*"(\w+)"', tests)) == set()


def test_every_event_of_the_interface_is_expected_by_some_test(interface):
    events = {entry["name"] for entry in interface if entry["type"] == "event"}
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert events - set(re.findall(r'Event\(\s*"(\w+)"', tests)) == set()
