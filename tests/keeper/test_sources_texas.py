"""Texas Lottery: literal answers over HTTP."""

import datetime as dt

import pytest

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from tests.keeper.conftest import Literal

DAY = "2026-09-25"
ROW = "Mega Millions,9,25,2026,58,67,25,68,57,16,"
BEFORE = "Mega Millions,9,22,2026,1,2,3,4,5,6,"
OLD = "Mega Millions,5,10,2022,15,19,20,61,70,9,2"
DRAW = Draw(dt.date(2026, 9, 25), (25, 57, 58, 67, 68), 16)


@pytest.mark.parametrize(
    "body",
    [
        ROW,
        f"{OLD}\r\n{BEFORE}\r\n{ROW}\r\n",
        f"{ROW}\n{BEFORE}\n{OLD}\n",
        f"{ROW}4\n",  # a multiplier is passed over, whatever it is
        f"{ROW}x\n",
        f"{ROW}\n{ROW}\n",  # twice the same result
        f"{ROW}\nMega Millions,9,25,2026,25,57,58,67,68,16,4\n",  # in another order
    ],
)
async def test_the_literal_row(literal: Literal, body: str) -> None:
    fetched = await literal.fetch("texas", MEGA_MILLIONS, DAY, body)
    assert fetched.answer == Drawn("texas", DRAW)


async def test_where_each_game_is_asked_for(literal: Literal) -> None:
    row = "Powerball,7,25,2026,36,3,47,4,24,17,2"
    fetched = await literal.fetch("texas", POWERBALL, "2026-07-25", row)
    assert fetched.answer == Drawn("texas", Draw(dt.date(2026, 7, 25), (3, 4, 24, 36, 47), 17))
    await literal.fetch("texas", MEGA_MILLIONS, DAY, ROW)
    files = "/export/sites/lottery/Games"
    assert [(a.method, a.path) for a in literal.asked] == [
        ("GET", f"{files}/Powerball/Winning_Numbers/powerball.csv"),
        ("GET", f"{files}/Mega_Millions/Winning_Numbers/megamillions.csv"),
    ]


async def test_the_last_row_is_not_taken_for_the_asked(literal: Literal) -> None:
    fetched = await literal.fetch("texas", MEGA_MILLIONS, "2026-09-29", f"{BEFORE}\n{ROW}\n")
    assert fetched.answer == Pending("texas", "no result for 2026-09-29 yet")


async def test_the_special_ball_is_of_the_matrix_of_its_date(literal: Literal) -> None:
    body = "Mega Millions,4,4,2025,1,2,3,4,5,25,\nMega Millions,4,8,2025,1,2,3,4,5,25,\n"
    fetched = await literal.fetch("texas", MEGA_MILLIONS, "2025-04-04", body)
    assert isinstance(fetched.answer, Drawn)
    fetched = await literal.fetch("texas", MEGA_MILLIONS, "2025-04-08", body)
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.kind is Failure.NUMBER


@pytest.mark.parametrize("cut", range(1, len(ROW)))
async def test_a_body_cut_anywhere_is_no_result(literal: Literal, cut: int) -> None:
    fetched = await literal.fetch("texas", MEGA_MILLIONS, DAY, f"{BEFORE}\n{ROW[:cut]}")
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.kind is Failure.FORMAT
    # nor is what stands before the cut
    fetched = await literal.fetch("texas", MEGA_MILLIONS, "2026-09-22", f"{BEFORE}\n{ROW[:cut]}")
    assert isinstance(fetched.answer, Failed)


DATED = "9", "25", "2026"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ROW.replace("58", "058"), Failure.NUMBER),
        (ROW.replace("58", " 58"), Failure.NUMBER),
        (ROW.replace("58", "58.0"), Failure.NUMBER),
        (ROW.replace("58", "+58"), Failure.NUMBER),
        (ROW.replace("58", '"58"'), Failure.NUMBER),
        (ROW.replace("58", ""), Failure.NUMBER),
        (ROW.replace("58", "True"), Failure.NUMBER),
        (ROW.replace("58", "71"), Failure.NUMBER),
        (ROW.replace("58", "0"), Failure.NUMBER),
        (ROW.replace("58", "67"), Failure.NUMBER),
        (ROW.replace(",16,", ",016,"), Failure.NUMBER),
        (ROW.replace(",16,", ",25,"), Failure.NUMBER),
        (ROW.replace(",16,", ",0,"), Failure.NUMBER),
        (ROW + "\n" + ROW.replace(",16,", ",17,"), Failure.CONFLICT),
        (ROW + "\n" + ROW.replace(",16,", ",99,"), Failure.NUMBER),
        (ROW.replace(",16,", ",33,16,"), Failure.FORMAT),  # an extra ball
        (ROW.replace(",9,", ",09,"), Failure.FORMAT),
        (ROW.replace(",9,", ",13,"), Failure.FORMAT),
        (ROW.replace("9,25", "2,30"), Failure.FORMAT),
        (ROW.replace("2026", "26"), Failure.FORMAT),
        *((ROW.replace(f",{part},", f",{part}{'0' * 12},"), Failure.FORMAT) for part in DATED),
        (ROW.replace("9,25,2026", "2026,9,25"), Failure.FORMAT),
        (ROW.replace("Mega Millions", "Powerball"), Failure.FORMAT),
        (ROW.replace("Mega Millions", "Mega Millions Double Play"), Failure.FORMAT),
        ("Game,Month,Day,Year,1,2,3,4,5,6,x\n" + ROW, Failure.FORMAT),
        (ROW + "\n\n" + BEFORE, Failure.FORMAT),
        ("", Failure.FORMAT),
        ("\n", Failure.FORMAT),
        ("<!DOCTYPE html><html>", Failure.FORMAT),
        ("{}", Failure.FORMAT),
        (b"\xff\xfe" + ROW.encode(), Failure.ENCODING),
        (ROW.encode("utf-16"), Failure.ENCODING),
    ],
)
async def test_what_is_never_guessed_at(literal: Literal, body: str, kind: Failure) -> None:
    fetched = await literal.fetch("texas", MEGA_MILLIONS, DAY, body)
    assert isinstance(fetched.answer, Failed)
    assert (fetched.answer.source, fetched.answer.kind) == ("texas", kind), fetched.answer.why
    assert "\n" not in fetched.answer.why
