"""`ape run deploy` and `ape run export` as real processes: what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from eth_utils.crypto import keccak

from keeper.chain import records
from keeper.domain.draw import GAMES
from tests.scripts.world import POL, ROOT, Home, World


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


def test_the_committed_abi_is_current(deployed: World, tmp_path: Path) -> None:
    world = World(deployed.home, tmp_path)
    world.network = None  # needs none
    assert "written" in world.ape("export", "--folder", f"{tmp_path}").ok()
    name = "P2PLotteryBetting.json"
    assert (tmp_path / name).read_bytes() == (ROOT / "keeper" / "abi" / name).read_bytes()
