"""NY Open Data: literal answers over HTTP."""

import datetime as dt
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from tests.keeper.conftest import Literal

DAY = "2026-07-25"
DRAW = Draw(dt.date(2026, 7, 25), (3, 4, 24, 36, 47), 17)
LITERAL = (
    '[{"draw_date":"2026-07-25T00:00:00.000","winning_numbers":"03 04 24 36 47 17",'
    '"multiplier":"4"}]'
)
MEGA_DAY = "2026-07-24"
MEGA = Draw(dt.date(2026, 7, 24), (2, 5, 42, 44, 60), 1)


def powerball(numbers: Any = "03 04 24 36 47 17", **changes: Any) -> dict[str, Any]:
    row = {"draw_date": f"{DAY}T00:00:00.000", "winning_numbers": numbers, "multiplier": "4"}
    return {**row, **changes}


def mega(numbers: Any = "02 05 42 44 60", ball: Any = "01") -> dict[str, Any]:
    row = {"draw_date": f"{MEGA_DAY}T00:00:00.000", "winning_numbers": numbers}
    return {**row, "mega_ball": ball, "multiplier": "-1"}


async def test_the_literal_answer(literal: Literal) -> None:
    fetched = await literal.fetch("nyopendata", POWERBALL, DAY, LITERAL)
    assert fetched.answer == Drawn("nyopendata", DRAW)
    path, _, query = literal.asked[0].path.partition("?")
    assert path == "/resource/d6yy-54nr.json"
    assert parse_qs(query) == {"$where": ["draw_date='2026-07-25'"]}


async def test_mega_millions_has_its_ball_apart(literal: Literal) -> None:
    body = json.dumps([mega()])
    fetched = await literal.fetch("nyopendata", MEGA_MILLIONS, MEGA_DAY, body)
    assert fetched.answer == Drawn("nyopendata", MEGA)
    assert literal.asked[0].path.startswith("/resource/5xaw-6ayf.json?")


@pytest.mark.parametrize("rows", [[], [powerball(draw_date="2026-07-22T00:00:00.000")]])
async def test_no_row_is_pending(literal: Literal, rows: Any) -> None:
    """Hours late, and some draws never come."""
    fetched = await literal.fetch("nyopendata", POWERBALL, DAY, json.dumps(rows))
    assert fetched.answer == Pending("nyopendata", f"no result for {DAY} yet")


async def test_a_date_twice(literal: Literal) -> None:
    both = json.dumps([powerball(), powerball("03 04 24 36 47 18")])
    fetched = await literal.fetch("nyopendata", POWERBALL, DAY, both)
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.kind is Failure.CONFLICT
    same = json.dumps([powerball(), powerball("47 36 24 04 03 17")])
    fetched = await literal.fetch("nyopendata", POWERBALL, DAY, same)
    assert fetched.answer == Drawn("nyopendata", DRAW)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (powerball("3 04 24 36 47 17"), Failure.NUMBER),  # its own form has two digits
        (powerball("003 04 24 36 47 17"), Failure.NUMBER),
        (powerball("03  04 24 36 47 17"), Failure.NUMBER),
        (powerball("03 04 24 36 47 17 "), Failure.NUMBER),
        (powerball("03,04,24,36,47,17"), Failure.NUMBER),
        (powerball("03\t04 24 36 47 17"), Failure.NUMBER),
        (powerball("03 04 24 36 47"), Failure.NUMBER),
        (powerball("03 04 24 36 47 50 17"), Failure.NUMBER),
        (powerball("03 03 24 36 47 17"), Failure.NUMBER),
        (powerball("00 04 24 36 47 17"), Failure.NUMBER),
        (powerball("03 04 24 36 70 17"), Failure.NUMBER),
        (powerball("03 04 24 36 47 27"), Failure.NUMBER),
        (powerball("٠٣ 04 24 36 47 17"), Failure.NUMBER),
        (powerball(""), Failure.NUMBER),
        (mega("02 05 42 44"), Failure.NUMBER),
        (mega("02 05 42 44 60 01"), Failure.NUMBER),
        (mega(ball="1"), Failure.NUMBER),
        (mega(ball=1), Failure.NUMBER),
        (mega(ball="25"), Failure.NUMBER),
        (mega(ball=None), Failure.NUMBER),
        (powerball(None), Failure.SHAPE),
        (powerball([3, 4, 24, 36, 47, 17]), Failure.SHAPE),
        (powerball(draw_date="07/25/2026"), Failure.SHAPE),
        (powerball(draw_date=None), Failure.SHAPE),
        (None, Failure.SHAPE),
        ("2026-07-25", Failure.SHAPE),
    ],
)
async def test_what_is_never_guessed_at(literal: Literal, row: Any, kind: Failure) -> None:
    game, date = POWERBALL, DAY
    if isinstance(row, dict) and "mega_ball" in row:
        game, date = MEGA_MILLIONS, MEGA_DAY
    fetched = await literal.fetch("nyopendata", game, date, json.dumps([row]))
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.source == "nyopendata"
    assert fetched.answer.kind is kind, fetched.answer.why


@pytest.mark.parametrize("body", ["null", "{}", '{"message":"Query coordinator error"}', '"x"'])
async def test_what_is_no_table(literal: Literal, body: str) -> None:
    fetched = await literal.fetch("nyopendata", POWERBALL, DAY, body)
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.kind is Failure.SHAPE
