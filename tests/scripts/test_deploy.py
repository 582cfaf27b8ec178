"""`ape run deploy` and `ape run export` as real processes: what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from eth_utils.crypto import keccak

from keeper.chain import records
from keeper.domain.draw import GAMES
from scripts import _records
from tests.scripts.world import POL, ROOT, STRANGER, Home, Run, World


def test_a_market_for_each_game_stands_and_is_recorded(deployed: World) -> None:
    known = records.load(80002, deployed.folder)
    assert set(known) == set(GAMES)
    entries = json.loads((deployed.folder / "80002.json").read_text())["markets"]
    for name, record in known.items():
        receipt = deployed.w3.eth.get_transaction_receipt(entries[name]["transaction"])
        assert receipt["contractAddress"] == record.address
        assert receipt["blockNumber"] == record.block_number
        assert receipt["from"] == entries[name]["deployer"] == deployed.address("admin")
        market = deployed.market(name).functions
        rules = GAMES[name]
        assert tuple(market.gameRules().call()) == (
            *(rules.name, rules.white_max, rules.special_max),
            *(rules.draw_days, rules.draw_second),
        )
        assert market.defaultAdmin().call() == deployed.address("admin")
        assert market.oracle().call() == deployed.address("oracle")
        assert market.feeRecipient().call() == deployed.address("fees")
        assert (market.feeBps().call(), market.maxBet().call()) == (200, 1000 * POL)
        for role, holder in (("OPERATOR_ROLE", "operator"), ("GUARDIAN_ROLE", "guardian")):
            role_id = market[role]().call()
            assert market.hasRole(role_id, deployed.address(holder)).call()
            assert not market.hasRole(role_id, deployed.address("admin")).call()
    out = deployed.deployment.ok()
    assert f"WARNING: oracle {deployed.address('oracle')} is an ordinary account" in out
    assert "powerball and mega-millions" in out
    assert f"powerball deployed at {known['powerball'].address}" in out


def test_the_record_says_how_to_make_the_same_again(deployed: World) -> None:
    record = json.loads((deployed.folder / "80002.json").read_text())["markets"]["powerball"]
    abi = (ROOT / "keeper" / "abi" / "P2PLotteryBetting.json").read_bytes()
    assert record["abiHash"] == "0x" + keccak(abi).hex()
    assert record["compiler"]["version"].startswith("0.8.30+commit.")
    assert record["compiler"]["evmVersion"] == "cancun"
    assert record["arguments"]["minBet"] == str(POL // 100)
    assert record["arguments"]["operator"] == deployed.address("operator")
    assert record["contract"] == "P2PLotteryBetting"


def test_a_committee_stands_and_is_recorded_beside_the_markets(deployed: World) -> None:
    entries = json.loads((deployed.folder / "80002.json").read_text())
    assert set(entries["markets"]) == set(GAMES)
    ((address, entry),) = entries["oracles"].items()
    reporters = [deployed.address(name) for name in ("reporter", "second", "third")]
    guardian = deployed.address("guardian")
    assert entry["arguments"] == {
        "reporters": reporters,
        "quorum": 2,
        "disputeWindow": 1800,
        "guardian": guardian,
    }
    views = deployed.oracle().functions
    assert views.reporters().call() == reporters
    assert (views.quorum().call(), views.disputeWindow().call()) == (2, 1800)
    assert views.guardian().call() == guardian
    receipt = deployed.w3.eth.get_transaction_receipt(entry["transaction"])
    assert receipt["contractAddress"] == address == entry["address"]
    assert receipt["blockNumber"] == entry["blockNumber"]
    assert receipt["from"] == entry["deployer"] == deployed.address("admin")
    assert entry["contract"] == "ResultOracle"
    assert entry["compiler"]["version"].startswith("0.8.30+commit.")
    abi = (ROOT / "keeper" / "abi" / "ResultOracle.json").read_bytes()
    assert entry["abiHash"] == "0x" + keccak(abi).hex()
    out = deployed.committee.ok()
    assert f"oracle deployed at {address}" in out
    assert "quorum          2 of 3" in out
    assert "WARNING" not in out


def test_a_key_with_two_duties_is_warned_of(worlds: Callable[[], World]) -> None:
    world, short = worlds(), worlds()
    keys = ("--reporter", "TEST::0", "--reporter", "TEST::9", "--guardian", "TEST::0")
    twice = world.ape("deploy", "oracle", *keys, by="admin")
    quick = short.ape(
        *("deploy", "oracle", *short.COMMITTEE, "--dispute-window", "599", "--again"), by="admin"
    )
    out = twice.ok()
    assert "WARNING: the guardian is the deployer" in out
    assert "WARNING: the deployer is a reporter" in out
    assert "quorum          2 of 2" in out
    assert "dispute window  1 h" in out
    assert len(_records.oracles(80002, world.folder)) == 2

    quick.ok()
    _, newest = sorted(
        _records.oracles(80002, short.folder).values(), key=lambda e: int(e["blockNumber"])
    )
    market = short.ape(
        *("deploy", "market", "--game", "powerball", "--again", "--oracle", newest["address"]),
        by="admin",
    )
    assert "has a dispute window of 9 min 59 s: too short for a veto" in market.ok()


def test_a_second_deployment_must_be_wanted(worlds: Callable[[], World]) -> None:
    unwanted, world = worlds(), worlds()
    before = (world.folder / "80002.json").read_text()
    old = world.market().address
    options = ("--again", "--fee", "1.5%", "--min-bet", "3 gwei")
    again = world.ape("deploy", "--game", "powerball", *options, by="admin")
    refused = unwanted.ape("deploy", "--game", "both", by="admin").refused()
    assert "--again" in refused
    assert unwanted.market("mega-millions").address in refused or old in refused
    assert (unwanted.folder / "80002.json").read_text() == before

    assert old in again.ok()
    market = world.market().functions
    assert world.market().address != old
    assert (market.feeBps().call(), market.minBet().call()) == (150, 3 * 10**9)
    # Without an option for it the deployer holds a role.
    assert market.oracle().call() == world.address("admin")
    kept = json.loads(before)["markets"]["mega-millions"]
    assert json.loads((world.folder / "80002.json").read_text())["markets"]["mega-millions"] == kept


def test_mumbai_lives_on_as_a_custom_network(home: Home, tmp_path: Path) -> None:
    with World(home, tmp_path, chain_id=80001, name="mumbai") as mumbai:
        mumbai.ape("deploy", "--game", "mega-millions", by="admin").ok()
        assert set(records.load(80001, tmp_path)) == {"mega-millions"}
        out = mumbai.ape("status").ok()
        assert f"mega-millions {mumbai.market('mega-millions').address} on polygon:mumbai" in out
        assert "(chain 80001)" in out


def test_where_money_is_real_every_key_must_be_given(home: Home, tmp_path: Path) -> None:
    with World(home, tmp_path, chain_id=137, name="mainnet") as mainnet:
        unsaid = mainnet.ape("deploy", "--game", "both", by="admin")
        line = unsaid.refused()
        assert "real money" in line
        assert "--admin, --operator, --guardian, --oracle, --fee-recipient" in line
        assert not list(tmp_path.iterdir())
        assert mainnet.w3.eth.get_transaction_count(mainnet.address("admin")) == 0


def test_where_money_is_real_no_single_key_decides(home: Home, tmp_path: Path) -> None:
    with World(home, tmp_path, chain_id=137, name="mainnet") as mainnet:

        def market(oracle: str) -> Run:
            keys = (*mainnet.KEYS, "--admin", "TEST::5", "--oracle", oracle)
            return mainnet.ape("deploy", "market", "--game", "powerball", *keys, by="admin")

        for window in ("599", "10m"):
            options = (*mainnet.COMMITTEE, "--dispute-window", window)
            mainnet.ape("deploy", "oracle", *options, by="admin").ok()
        entries = _records.oracles(137, tmp_path)
        of = {e["arguments"]["disputeWindow"]: address for address, e in entries.items()}
        bad = [market("TEST::3"), market(of[599]), mainnet.ape("status")]
        lines = [run.refused() for run in bad]
        market(of[600]).ok()
        market_itself = mainnet.market().address
        change, other = (
            mainnet.ape("settings", "oracle", address, "--game", "powerball", by="ann")
            for address in (STRANGER, market_itself)
        )
        stranger = mainnet.w3.to_checksum_address(STRANGER)
        account = mainnet.address("oracle")
        said = "chain 137 is for real money, and oracle"
        assert lines[0].startswith(f"{said} {account} is an ordinary account: no quorum has to")
        assert lines[1].startswith(f"{said} {of[599]} has a dispute window of 9 min 59 s")
        assert all("`ape run deploy oracle` makes a committee" in line for line in lines[:2])
        assert lines[2] == "no market is deployed on chain 137: `ape run deploy market`"
        assert change.refused().startswith(f"{said} {stranger} is an ordinary account")
        told = f"{said} {market_itself} is a contract that is no ResultOracle"
        assert other.refused().startswith(told)
        assert mainnet.market().functions.oracle().call() == of[600]
        out = mainnet.ape("status").ok()
        assert f"oracle          {of[600]}, 2 of 3 reporters, dispute window 10 min" in out


def test_the_committed_abis_are_current(deployed: World, tmp_path: Path) -> None:
    world = World(deployed.home, tmp_path)
    world.network = None  # needs none
    assert "written" in world.ape("export", "--folder", f"{tmp_path}").ok()
    for name in ("P2PLotteryBetting.json", "ResultOracle.json"):
        assert (tmp_path / name).read_bytes() == (ROOT / "keeper" / "abi" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in (ROOT / "keeper" / "abi").iterdir()
    )
