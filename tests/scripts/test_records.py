"""Deployment records: what is written is read back, and what is wrong with one is told."""

import dataclasses
import json
import stat
from pathlib import Path

import pytest

from keeper.chain import records
from keeper.chain.records import Compiler, Deployment, RecordError
from keeper.domain.draw import GAMES, POWERBALL, Game

CHAIN = 80002


def deployment(game: Game = POWERBALL, block: int = 7) -> Deployment:
    return Deployment(
        game=game,
        contract="P2PLotteryBetting",
        address="0x" + "aB" * 20,
        block_number=block,
        transaction="0x" + "12" * 32,
        deployer="0x" + "cd" * 20,
        arguments={
            "game": {
                "name": game.name,
                "whiteMax": game.white_max,
                "specialMax": game.special_max,
                "drawDays": game.draw_days,
                "drawSecond": game.draw_second,
            },
            "minBet": "1000000000",
        },
        compiler=Compiler("solc", "0.8.30", "cancun", 200, False),
        abi_hash="0x" + "34" * 32,
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = {name: deployment(game) for name, game in GAMES.items()}
    for market in saved.values():
        records.save(CHAIN, market, tmp_path / "new")
    assert records.load(CHAIN, tmp_path / "new") == saved
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{CHAIN}.json"]
    assert stat.S_IMODE((tmp_path / "new" / f"{CHAIN}.json").stat().st_mode) == 0o644


def test_a_later_deployment_of_a_game_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    records.save(CHAIN, deployment(block=7), tmp_path)
    records.save(CHAIN, deployment(block=8), tmp_path)
    assert records.load(CHAIN, tmp_path)[POWERBALL.name].block_number == 8


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
        (("chainId",), 80001, "chainId is 80001, not 80002"),
        (("markets",), [], "malformed"),
        (("markets", "powerball"), None, "malformed"),
        (("markets", "powerball", "address"), "0x12", "'0x12' is not 20 bytes"),
        (("markets", "powerball", "blockNumber"), "7", "'7' is no whole number"),
        (("markets", "powerball", "blockNumber"), True, "True is no whole number"),
        (("markets", "powerball", "contract"), 5, "5 is no text"),
        (("markets", "powerball", "arguments", "game", "name"), "mega-millions", "deployed for"),
        (("markets", "powerball", "arguments", "game"), {}, "lacks 'name'"),
    ],
)
def test_a_malformed_record_is_refused(
    tmp_path: Path, path: tuple[str, ...], value: object, said: str
) -> None:
    file = records.save(CHAIN, deployment(), tmp_path)
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
    with pytest.raises(RecordError, match="not JSON"):
        records.save(CHAIN, deployment(), tmp_path)
    assert file.read_text() == "{"


def test_a_record_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot write deployment record"):
        records.save(CHAIN, deployment(), tmp_path / "file" / "folder")


def test_whether_a_record_could_be_written_is_tried_beforehand(tmp_path: Path) -> None:
    records.check_writable(CHAIN, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot write deployment record"):
        records.check_writable(CHAIN, tmp_path / "file")
    (tmp_path / f"{CHAIN}.json").write_text("{")
    with pytest.raises(RecordError, match="not JSON"):
        records.check_writable(CHAIN, tmp_path)


def test_a_failed_write_leaves_the_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = records.save(CHAIN, deployment(), tmp_path)
    before = file.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with pytest.raises(RecordError, match="No space left"):
        records.save(CHAIN, dataclasses.replace(deployment(), block_number=9), tmp_path)
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]
