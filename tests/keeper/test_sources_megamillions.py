"""megamillions.com: literal answers over HTTP."""

import datetime as dt
import json
from typing import Any

import pytest

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from tests.keeper.conftest import Literal

DAY = "2026-07-24"
DRAW = Draw(dt.date(2026, 7, 24), (2, 5, 42, 44, 60), 1)
INNER = (
    '{"Drawing":{"PlayDate":"2026-07-24T00:00:00","N1":2,"N2":5,"N3":42,"N4":44,"N5":60,'
    '"MBall":1,"Megaplier":-1},"Jackpot":{"PlayDate":"2026-07-24T00:00:00","Winners":0}}'
)
XML = '<?xml version="1.0" encoding="utf-8"?>\r\n<string xmlns="http://tempuri.org/">{}</string>'


def outer(inner: Any = INNER) -> str:
    return json.dumps({"d": inner})


def drawing(**changes: Any) -> str:
    value = json.loads(INNER)
    value["Drawing"] |= changes
    return outer(json.dumps(value))


async def test_the_literal_answer(literal: Literal) -> None:
    fetched = await literal.fetch("megamillions", MEGA_MILLIONS, DAY, outer())
    assert fetched.answer == Drawn("megamillions", DRAW)
    (asked,) = literal.asked
    assert asked.method == "POST"
    assert asked.path == "/cmspages/utilservice.asmx/GetDrawDataByTickWithMatrix"
    assert json.loads(asked.body) == {"PlayDateTicks": "639204480000000000"}
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["origin"] == literal.url
    assert asked.headers["referer"].startswith(literal.url)
    assert asked.headers["x-requested-with"] == "XMLHttpRequest"


@pytest.mark.parametrize(
    ("date", "ticks"),
    [
        ("1970-01-01", "621355968000000000"),  # DateTime.UnixEpoch.Ticks
        ("0001-01-01", "0"),
    ],
)
async def test_ticks_count_100_ns_from_the_year_1(literal: Literal, date: str, ticks: str) -> None:
    await literal.fetch("megamillions", MEGA_MILLIONS, date, outer(""))
    assert json.loads(literal.asked[0].body) == {"PlayDateTicks": ticks}


async def test_space_around_the_json_inside(literal: Literal) -> None:
    fetched = await literal.fetch("megamillions", MEGA_MILLIONS, DAY, outer(f"\n{INNER}\n"))
    assert fetched.answer == Drawn("megamillions", DRAW)


@pytest.mark.parametrize(
    "body",
    [
        outer(""),
        outer(None),
        outer("null"),
        outer('{"Drawing":null,"Jackpot":{}}'),
        drawing(PlayDate="2026-07-21T00:00:00"),  # the latest instead of the asked
    ],
)
async def test_not_drawn_yet_is_pending(literal: Literal, body: str) -> None:
    fetched = await literal.fetch("megamillions", MEGA_MILLIONS, DAY, body)
    assert fetched.answer == Pending("megamillions", f"no result for {DAY} yet")


async def test_it_publishes_one_game(literal: Literal) -> None:
    with pytest.raises(ValueError, match="publishes no powerball"):
        await literal.fetch("megamillions", POWERBALL, "2026-07-25", outer())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (drawing(N1="2"), Failure.NUMBER),
        (drawing(N1=2.0), Failure.NUMBER),
        (drawing(N1=True), Failure.NUMBER),
        (drawing(N1=None), Failure.NUMBER),
        (drawing(N1=0), Failure.NUMBER),
        (drawing(N1=71), Failure.NUMBER),
        (drawing(N1=-2), Failure.NUMBER),
        (drawing(N1=10**3000), Failure.NUMBER),
        (drawing(N1=5), Failure.NUMBER),
        (drawing(N6=61), Failure.NUMBER),
        (drawing(MBall="1"), Failure.NUMBER),
        (drawing(MBall=1.0), Failure.NUMBER),
        (drawing(MBall=True), Failure.NUMBER),
        (drawing(MBall=25), Failure.NUMBER),
        (drawing(MBall=0), Failure.NUMBER),
        (drawing().replace('\\"N3\\": 42, ', ""), Failure.NUMBER),
        (drawing().replace("MBall", "mball"), Failure.NUMBER),
        (drawing(PlayDate="07/24/2026"), Failure.SHAPE),
        (drawing(PlayDate=None), Failure.SHAPE),
        (outer('{"Jackpot":{}}'), Failure.SHAPE),
        (outer('{"Drawing":[]}'), Failure.SHAPE),
        (outer("[]"), Failure.SHAPE),
        (outer("7"), Failure.SHAPE),
        (outer(json.loads(INNER)), Failure.SHAPE),  # not a string inside
        ("{}", Failure.SHAPE),
        ("[]", Failure.SHAPE),
        (INNER, Failure.SHAPE),
        (outer(INNER[:-9]), Failure.FORMAT),
        (outer(INNER.replace('"N2"', '"N1"')), Failure.FORMAT),  # a key twice
        (outer(INNER.replace(":5,", ":NaN,")), Failure.FORMAT),
        (XML.format(INNER), Failure.FORMAT),  # what a plain GET gives
        ("<!DOCTYPE html><string>", Failure.FORMAT),
        ("", Failure.FORMAT),
        ("[" * 500_000, Failure.FORMAT),
        (outer("[" * 500_000), Failure.FORMAT),
        ('{"d":' + "9" * 5_000 + "}", Failure.FORMAT),
    ],
)
async def test_what_is_never_guessed_at(literal: Literal, body: str, kind: Failure) -> None:
    fetched = await literal.fetch("megamillions", MEGA_MILLIONS, DAY, body)
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.source == "megamillions"
    assert fetched.answer.kind is kind, fetched.answer.why
    assert len(fetched.answer.why) < 300
