"""The demo's fixtures: what they may say, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.plan import BadFixtures, load
from keeper.domain.consensus import Agreed, Disagreement, Waiting
from keeper.domain.lines import Prediction

ROUND = """
[[rounds]]
game = "powerball"
date = 2026-08-19
whites = [10, 21, 58, 61, 64]
special = 17
"""
BET = 'bettor = "Ann", prediction = "EVEN"'


def loaded(folder: Path, text: str, seed: int = 1) -> object:
    (folder / "fixtures.toml").write_text(text)
    return load(folder, seed)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rounds = [", "Invalid value"),
        ("", "rounds: Field required"),
        ("rounds = []", "at least 1 item"),
        ("seed = 3" + ROUND, "seed: Extra inputs are not permitted"),
        ("bettors = 0" + ROUND, "bettors: Value error, a number from 1 to 24"),
        ("bettors = 25" + ROUND, "bettors: Value error, a number from 1 to 24"),
        (
            'bettors = ["\\u001b[31m"]' + ROUND,
            "a number from 1 to 24, or different names",
        ),
        ('bettors = ["Ann", "Ann"]' + ROUND, "or different names of 12 plain letters"),
        (ROUND.replace("powerball", "keno"), "rounds.0.game: Value error, unknown game 'keno'"),
        (ROUND.replace("2026-08-19", "2026-08-18"), "powerball has no draw on 2026-08-18"),
        (ROUND.replace("2026-08-19", "1999-08-18"), "another ball matrix"),
        (ROUND.replace("2026-08-19", '"today"'), "rounds.0.date: Input should be a valid date"),
        (ROUND.replace("17", "27"), "the special ball is not in 1..26"),
        (ROUND.replace("64]", "61]"), "a white ball appears twice"),
        (ROUND.replace(", 64]", "]"), "rounds.0.whites: Tuple should have at least 5 items"),
        (ROUND + ROUND, "powerball of 2026-08-19 appears twice"),
        (ROUND + 'faults.megamillions = "down"', "megamillions is none of ny, texas, california"),
        (
            ROUND + 'faults.ny = "tired"',
            "'tired' is neither a delay, nor special and whites, nor",
        ),
        (ROUND + "faults.ny = {}", "{} is neither a delay"),
        (ROUND + "faults.ny = {sepcial = 4}", "rounds.0.faults.ny.sepcial: Extra inputs"),
        (ROUND + "faults.ny = {delay = 4}", "delay: Input should be less than or equal to 3"),
        (ROUND + "faults.ny = {delay = 1, special = 2}", "is neither a delay"),
        (
            ROUND + f"bets = [{{{BET.replace('EVEN', 'SEVEN')}, amount = 1}}]",
            "'SEVEN' is none of EVEN",
        ),
        (ROUND + f"bets = [{{{BET}, amount = 0.009}}]", "0.009 is not from 0.01 to 1000"),
        (ROUND + f'bets = [{{{BET}, amount = "nan"}}]', "'nan' is not from"),
        (ROUND + f'bets = [{{{BET}, amount = "1.0000000000000000001"}}]', "18 decimals"),
        (ROUND + f"bets = [{', '.join([f'{{{BET}, amount = 1}}'] * 17)}]", "Ann has 17 bets"),
        (ROUND + f"bets = [{{{BET.replace('Ann', 'Nemo')}, amount = 1}}]", "'Nemo' is none of the"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(BadFixtures) as caught:
        loaded(tmp_path, text)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / 'fixtures.toml'}: ")
    assert complaint in told
    assert told.isprintable()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadFixtures, match=r"cannot read .*: No such file"):
        load(tmp_path, 1)


def test_a_seed_deals_the_same_bets_again(tmp_path: Path) -> None:
    assert loaded(tmp_path, ROUND, 5) == loaded(tmp_path, ROUND, 5)
    assert loaded(tmp_path, ROUND, 5) != loaded(tmp_path, ROUND, 6)


@pytest.mark.parametrize("seed", range(20))
def test_dealt_bets_are_of_all_kinds(tmp_path: Path, seed: int) -> None:
    (tmp_path / "fixtures.toml").write_text(ROUND)
    (r,) = load(tmp_path, seed).rounds
    assert {bet.prediction for bet in r.wagers} == set(Prediction)
    assert len({bet.bettor for bet in r.wagers}) == 12


@pytest.mark.parametrize(
    ("faults", "verdict"),
    [
        ("", Agreed),
        ('faults.ny = "down"', Agreed),
        ("faults.ny = {delay = 3}\nfaults.texas = {special = 1}", Agreed),
        ('faults.ny = "down"\nfaults.texas = "html"', Waiting),
        ('faults.ny = "down"\nfaults.texas = {special = 1}', Disagreement),
        ("faults.ny = {special = 99}\nfaults.texas = {special = 99}", Waiting),
        ("faults.ny = {special = 2}\nfaults.texas = {special = 1}", Disagreement),
        ("faults.ny = {special = 1}\nfaults.texas = {special = 1}", Agreed),
    ],
)
def test_what_follows_from_the_faults(tmp_path: Path, faults: str, verdict: type) -> None:
    (tmp_path / "fixtures.toml").write_text(ROUND + faults)
    (r,) = load(tmp_path, 1).rounds
    assert isinstance(r.verdict(), verdict)
