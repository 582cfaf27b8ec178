"""Games, draws and the winning number."""

import datetime as dt

import pytest

from keeper.domain.draw import (
    GAMES,
    MEGA_MILLIONS,
    POWERBALL,
    Draw,
    Game,
    InvalidDraw,
    UnknownGame,
    game_named,
    make_draw,
    special_max_on,
    winning_number,
)

REAL = [
    (POWERBALL, "2026-07-25", (3, 4, 24, 36, 47), 17, 64),
    (POWERBALL, "2026-08-19", (10, 21, 58, 61, 64), 17, 64),
    (MEGA_MILLIONS, "2022-05-10", (15, 19, 20, 61, 70), 9, 35),
    (MEGA_MILLIONS, "2026-08-18", (5, 19, 30, 38, 59), 12, 51),
    (MEGA_MILLIONS, "2026-08-14", (3, 23, 27, 46, 60), 11, 9),
    (MEGA_MILLIONS, "2026-08-11", (1, 20, 30, 46, 68), 17, 15),
    (MEGA_MILLIONS, "2026-09-25", (25, 57, 58, 67, 68), 16, 75),
]
DAY = dt.date(2026, 8, 19)


@pytest.mark.parametrize(("game", "date", "whites", "special", "n"), REAL)
def test_real_draws_give_their_number(
    game: Game, date: str, whites: tuple[int, ...], special: int, n: int
) -> None:
    assert make_draw(game, dt.date.fromisoformat(date), whites, special).winning_number == n


def test_one_wrong_ball_pays_the_wrong_side() -> None:
    assert winning_number((15, 19, 20, 61, 70), 9) == 35
    assert winning_number((15, 19, 20, 61, 70), 6) == 85


def test_order_of_the_whites_does_not_matter() -> None:
    one = make_draw(POWERBALL, DAY, (64, 10, 61, 21, 58), 17)
    other = make_draw(POWERBALL, DAY, (10, 21, 58, 61, 64), 17)
    assert one == other
    assert hash(one) == hash(other)
    assert one.whites == (10, 21, 58, 61, 64)
    assert Draw(DAY, (64, 10, 61, 21, 58), 17) == one
    assert one != make_draw(POWERBALL, DAY, (10, 21, 58, 61, 64), 18)
    assert one != make_draw(POWERBALL, dt.date(2026, 8, 22), (10, 21, 58, 61, 64), 17)
    assert str(one) == "2026-08-19 10 21 58 61 64 + 17"


@pytest.mark.parametrize(
    ("game", "whites", "special"),
    [
        (POWERBALL, (1, 2, 3, 4, 69), 26),
        (POWERBALL, (1, 2, 3, 4, 5), 1),
        (MEGA_MILLIONS, (1, 2, 3, 4, 70), 24),
    ],
)
def test_the_edges_of_the_matrix_can_be_drawn(
    game: Game, whites: tuple[int, ...], special: int
) -> None:
    assert make_draw(game, DAY, whites, special).special == special


@pytest.mark.parametrize(
    ("game", "whites", "special", "why"),
    [
        (POWERBALL, (1, 2, 3, 4, 70), 1, "1..69"),
        (POWERBALL, (0, 2, 3, 4, 5), 1, "1..69"),
        (POWERBALL, (-1, 2, 3, 4, 5), 1, "1..69"),
        (MEGA_MILLIONS, (1, 2, 3, 4, 71), 1, "1..70"),
        (POWERBALL, (1, 2, 3, 4, 4), 1, "twice"),
        (POWERBALL, (1, 2, 3, 4), 1, "4 white balls"),
        (POWERBALL, (1, 2, 3, 4, 5, 6), 1, "6 white balls"),
        (POWERBALL, (1, 2, 3, 4, 5), 0, "1..26"),
        (POWERBALL, (1, 2, 3, 4, 5), 27, "1..26"),
        (MEGA_MILLIONS, (1, 2, 3, 4, 5), 25, "1..24"),
    ],
)
def test_what_could_not_be_drawn(
    game: Game, whites: tuple[int, ...], special: int, why: str
) -> None:
    with pytest.raises(InvalidDraw, match=why):
        make_draw(game, DAY, whites, special)


def test_the_matrix_is_that_of_the_date() -> None:
    change = dt.date(2025, 4, 8)
    before = change - dt.timedelta(days=1)
    assert special_max_on(MEGA_MILLIONS, before) == 25
    assert special_max_on(MEGA_MILLIONS, change) == 24
    assert make_draw(MEGA_MILLIONS, before, (1, 2, 3, 4, 5), 25).special == 25
    assert special_max_on(POWERBALL, dt.date(2015, 10, 7)) == 26


@pytest.mark.parametrize(
    ("game", "date"),
    [(POWERBALL, dt.date(2015, 10, 6)), (MEGA_MILLIONS, dt.date(2017, 10, 30))],
)
def test_a_matrix_that_is_not_known_is_not_guessed(game: Game, date: dt.date) -> None:
    with pytest.raises(InvalidDraw, match="another ball matrix"):
        special_max_on(game, date)


def test_a_game_of_a_test_chain_has_the_matrix_it_names() -> None:
    assert special_max_on(Game("test", 40, 10, 0, 0), dt.date(1990, 1, 1)) == 10


def test_games_by_name() -> None:
    assert game_named("powerball") is POWERBALL
    assert game_named("mega-millions") is MEGA_MILLIONS
    assert set(GAMES) == {"powerball", "mega-millions"}
    with pytest.raises(UnknownGame, match=r"'keno'.*powerball, mega-millions"):
        game_named("keno")
