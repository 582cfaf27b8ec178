"""The demo's fixtures: what they may say, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.load import BadFixtures, load
from demo.plan import COIN, Plan, Planned
from keeper.domain.consensus import Agreed, Disagreement, Waiting
from keeper.domain.lines import Prediction

ROUND = """
[[rounds]]
game = "powerball"
date = 2026-08-19
whites = [10, 21, 58, 61, 64]
special = 17
"""


def bet(told: str, who: str = "Ann", what: str = "EVEN") -> str:
    return f'{{bettor = "{who}", prediction = "{what}", amount = {told}}}'


def bets(*told: str) -> str:
    return f"bets = [{', '.join(told)}]\n"


ONE, MATCHED, CANCELLED = map(bet, ("1", "1, matched = true", "1, cancel = true"))


def loaded(folder: Path, text: str, seed: int = 1) -> Plan:
    (folder / "fixtures.toml").write_text(text)
    return load(folder, seed)


def the_round(folder: Path, text: str = "", seed: int = 1) -> Planned:
    (r,) = loaded(folder, ROUND + text, seed).rounds
    return r


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rounds = [", "Invalid value"),
        ("", "rounds: Field required"),
        ("rounds = []", "at least 1 item"),
        ("seed = 3" + ROUND, "seed: Extra inputs are not permitted"),
        ("bettors = 0" + ROUND, "bettors: a number from 1 to 24"),
        ("bettors = 25" + ROUND, "bettors: a number from 1 to 24"),
        (
            'bettors = ["\\u001b[31m"]' + ROUND,
            "a number from 1 to 24, or different names",
        ),
        ('bettors = ["Ann", "Ann"]' + ROUND, "or different names of 12 plain letters"),
        (ROUND.replace("powerball", "keno"), "rounds.0.game: unknown game 'keno'"),
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
        (ROUND + bets(bet("1", what="SEVEN")), "'SEVEN' is none of EVEN"),
        (ROUND + bets(bet("0.009")), "0.009 is not from 0.01 to 1000"),
        (ROUND + bets(bet('"1000.000000000000000001"')), "is not from 0.01 to 1000 with 18"),
        (ROUND + bets(bet('"nan"')), "'nan' is not from"),
        (ROUND + bets(bet('"1.0000000000000000001"')), "18 decimals"),
        (ROUND + bets(*[ONE] * 17), "bets.16 of Ann: a user has at most 16"),
        (ROUND + bets(bet("1", who="Nemo")), "'Nemo' is none of the"),
        (ROUND + "lies.keeper4 = {special = 1}", "'keeper4' is none of keeper1, keeper2, keeper3"),
        (ROUND + "lies.0 = {special = 1}", "rounds.0.lies: '0' is none of keeper1"),
        (
            ROUND + "lies.3 = {special = 1}\nlies.keeper3 = {special = 2}",
            "keeper3 is lied to twice",
        ),
        (ROUND + "lies = 3", "rounds.0.lies: Input should be a valid dictionary"),
        (ROUND + 'lies.3 = "down"', "rounds.0.lies.keeper3: 'down' is no lie"),
        (ROUND + "lies.3 = {delay = 1}", "{'delay': 1} is no lie"),
        (ROUND + "lies.3 = {speical = 1}", "lies.keeper3.speical: Extra inputs are not permitted"),
        (ROUND + "lies.3 = {special = 27}", "lies.keeper3: the special ball is not in 1..26"),
        (ROUND + "lies.3 = {special = 17}", "lies.keeper3: that was drawn"),
        (ROUND + bets(MATCHED), "bets.0 of Ann: less would be matched at once than"),
        (ROUND + bets(CANCELLED, ONE), "cancel bet 1 of Ann: a later bet stands above it"),
        (ROUND + bets(bet("1, cancel = 1")), "cancel: Input should be a valid b"),
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


def test_the_least_and_the_most_that_is_bet(tmp_path: Path) -> None:
    r = the_round(tmp_path, bets(*map(bet, ("0.01", '"0.010000000000000001"', "1000"))))
    assert [b.amount for b in r.wagers] == [COIN // 100, COIN // 100 + 1, 1000 * COIN]


def test_a_seed_deals_the_same_bets_again(tmp_path: Path) -> None:
    assert loaded(tmp_path, ROUND, 5) == loaded(tmp_path, ROUND, 5)
    assert loaded(tmp_path, ROUND, 5) != loaded(tmp_path, ROUND, 6)


@pytest.mark.parametrize("seed", range(20))
def test_dealt_bets_are_of_all_kinds(tmp_path: Path, seed: int) -> None:
    r = the_round(tmp_path, seed=seed)
    *_, taker = r.wagers
    assert taker.matched
    assert sum(bet.matched for bet in r.wagers) == sum(bet.cancel for bet in r.wagers) == 1
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
    r = the_round(tmp_path, faults)
    assert isinstance(r.verdict("keeper1"), verdict)


RIGHT, LIE, OTHER = 64, 14, 65  # the numbers that follow


@pytest.mark.parametrize(
    ("told", "votes", "number"),
    [
        ("", {"keeper1": RIGHT, "keeper2": RIGHT, "keeper3": None}, RIGHT),
        (
            "lies.3 = {special = 18}",
            {"keeper3": LIE, "keeper1": RIGHT, "keeper2": RIGHT},
            RIGHT,
        ),
        (
            "lies.1 = {special = 18}\nlies.2 = {special = 18}",
            {"keeper1": LIE, "keeper2": LIE, "keeper3": None},
            LIE,
        ),
        (
            "lies.1 = {special = 18}\nlies.2 = {whites = [10, 21, 58, 61, 65]}",
            {"keeper1": LIE, "keeper2": OTHER, "keeper3": RIGHT},
            None,
        ),
        (
            'faults.ny = "down"\nfaults.texas = "html"\nlies.2 = {special = 18}',
            {"keeper2": LIE, "keeper1": None, "keeper3": None},
            None,
        ),
    ],
)
def test_who_votes_for_what(
    tmp_path: Path, told: str, votes: dict[str, int | None], number: int | None
) -> None:
    """In this order: the lied-to first, and nobody once two agree."""
    r = the_round(tmp_path, told)
    found = {name: vote and vote.winning_number for name, vote in r.votes.items()}
    assert list(found.items()) == list(votes.items())
    assert (r.result and r.result.winning_number) == number
    assert r.book().winning_number == number


def test_what_a_cancelled_bet_leaves(tmp_path: Path) -> None:
    """The last bet of a line goes first, and then another is the last."""
    odd = [bet(f"{coins}, cancel = true", what="ODD") for coins in (4, 2)]
    r = the_round(tmp_path, bets(bet("3"), *odd))
    assert r.cancels == [("Ann", 2), ("Ann", 1)]
    assert [bet.amount for bet in r.book().bets_of("Ann")] == [3 * COIN, 3 * COIN, 0]


def test_who_claims(tmp_path: Path) -> None:
    """Whoever is due most in the last round that leaves anything due."""
    later = ROUND.replace("2026-08-19", "2026-08-22")
    void = 'faults.ny = "down"\nfaults.texas = "html"\n'
    ann, bob = (
        bets(bet("3", who=winner), bet("3", who=loser, what="ODD"))
        for winner, loser in (("Ann", "Bob"), ("Bob", "Ann"))
    )
    plan = loaded(tmp_path, f"{ROUND}{ann}{later}{bob}")
    assert plan.claim == (plan.rounds[1], "Bob")
    for nothing in ("bets = []\n", void + bob):
        plan = loaded(tmp_path, f"{ROUND}{ann}{later}{nothing}")
        assert plan.claim == (plan.rounds[0], "Ann")
    assert loaded(tmp_path, f"{ROUND}{void}{ann}").claim is None
