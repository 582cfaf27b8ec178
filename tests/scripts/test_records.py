"""Deployment records: what is written is read back, and what is wrong with one is told."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from keeper.chain import records
from keeper.chain.records import RecordError
from keeper.domain.draw import GAMES, POWERBALL, Game
from scripts import _records

CHAIN = 80002


def entry(game: Game = POWERBALL, block: int = 7) -> dict[str, Any]:
    return {
        "contract": "P2PLotteryBetting",
        "address": "0x" + "aB" * 20,
        "blockNumber": block,
        "transaction": "0x" + "12" * 32,
        "arguments": {
            "game": {
                "name": game.name,
                "whiteMax": game.white_max,
                "specialMax": game.special_max,
                "drawDays": game.draw_days,
                "drawSecond": game.draw_second,
            },
            "minBet": "1000000000",
        },
    }


def test_what_is_saved_is_loaded_and_kept_whole(tmp_path: Path) -> None:
    saved = {name: entry(GAMES[name], block) for block, name in enumerate(sorted(GAMES))}
    for market in saved.values():
        _records.save(CHAIN, market, tmp_path / "new")
    for name, market in records.load(CHAIN, tmp_path / "new").items():
        assert market.game == GAMES[name]
        assert market.address == saved[name]["address"]
        assert market.block_number == saved[name]["blockNumber"]
    (file,) = (tmp_path / "new").iterdir()
    assert file.name == f"{CHAIN}.json"
    assert json.loads(file.read_text()) == {"chainId": CHAIN, "markets": saved}
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_later_deployment_of_a_game_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    _records.save(CHAIN, entry(block=7), tmp_path)
    _records.save(CHAIN, entry(block=8), tmp_path)
    assert records.load(CHAIN, tmp_path)[POWERBALL.name].block_number == 8


def committee(address: str) -> dict[str, Any]:
    return {"contract": "ResultOracle", "address": address, "arguments": {"quorum": 2}}


def test_oracles_stand_beside_the_markets_and_none_takes_the_place_of_another(
    tmp_path: Path,
) -> None:
    first, second = committee("0x" + "cD" * 20), committee("0x" + "aB" * 20)
    _records.save(CHAIN, first, tmp_path)
    assert records.load(CHAIN, tmp_path) == {}
    _records.save(CHAIN, entry(), tmp_path)
    _records.save(CHAIN, second, tmp_path)
    assert set(records.load(CHAIN, tmp_path)) == {POWERBALL.name}
    assert _records.oracles(CHAIN, tmp_path) == {e["address"]: e for e in (second, first)}
    assert _records.oracles(1, tmp_path) == {}


@pytest.mark.parametrize("table", [[], {"0x12": None}])
def test_a_malformed_table_of_oracles_is_refused(tmp_path: Path, table: object) -> None:
    file = _records.save(CHAIN, entry(), tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"oracles": table}))
    with pytest.raises(RecordError, match="malformed: oracles"):
        _records.check_writable(CHAIN, tmp_path)


def test_local_chains_keep_their_records_out_of_the_package() -> None:
    package = Path(records.__file__).parent.parent
    assert records.record_path(80002) == package / "deployments" / "80002.json"
    for chain in (1337, 31337):
        assert records.record_path(chain).parent == package.parent / ".build" / "deployments"


def test_a_missing_record_names_chain_and_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=rf"nothing is deployed on chain {CHAIN}.*{CHAIN}\.json"):
        records.load(CHAIN, tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("chainId",), 80001, "is of chain 80001"),
        (("markets",), [], "malformed: markets: "),
        (("markets", "powerball"), None, "malformed: markets.powerball: "),
        (("markets", "powerball", "address"), "0x12", "powerball.address: String should match"),
        (
            ("markets", "powerball", "blockNumber"),
            "7",
            "blockNumber: Input should be a valid integer",
        ),
        (
            ("markets", "powerball", "blockNumber"),
            True,
            "blockNumber: Input should be a valid integer",
        ),
        (("markets", "powerball", "blockNumber"), -1, "blockNumber: Input should be greater"),
        (("markets", "powerball", "arguments", "game", "name"), "mega-millions", "deployed for"),
        (("markets", "powerball", "arguments", "game"), {}, "game.name: Field required"),
    ],
)
def test_a_malformed_record_is_refused(
    tmp_path: Path, path: tuple[str, ...], value: object, said: str
) -> None:
    file = _records.save(CHAIN, entry(), tmp_path)
    document = json.loads(file.read_text())
    *way, last = path
    place = document
    for key in way:
        place = place[key]
    place[last] = value
    file.write_text(json.dumps(document))
    with pytest.raises(RecordError, match=said):
        records.load(CHAIN, tmp_path)


def test_a_record_that_is_not_json_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / f"{CHAIN}.json"
    file.write_text("{")
    with pytest.raises(RecordError, match="Invalid JSON"):
        _records.save(CHAIN, entry(), tmp_path)
    assert file.read_text() == "{"


def test_a_record_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot write deployment record"):
        _records.save(CHAIN, entry(), tmp_path / "file" / "folder")


def test_whether_a_record_could_be_written_is_tried_beforehand(tmp_path: Path) -> None:
    _records.check_writable(CHAIN, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot write deployment record"):
        _records.check_writable(CHAIN, tmp_path / "file")
    (tmp_path / f"{CHAIN}.json").write_text("{")
    with pytest.raises(RecordError, match="Invalid JSON"):
        _records.check_writable(CHAIN, tmp_path)


def test_a_failed_write_leaves_the_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _records.save(CHAIN, entry(), tmp_path)
    before = file.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_records.os, "fsync", full)
    with pytest.raises(RecordError, match="No space left"):
        _records.save(CHAIN, entry(block=9), tmp_path)
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]
