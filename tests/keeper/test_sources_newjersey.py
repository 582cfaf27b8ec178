"""New Jersey Lottery: literal answers over HTTP."""

import datetime as dt
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from tests.keeper.conftest import Literal

DAY = "2026-07-25"
MIDNIGHT = 1784952000000
DRAW = Draw(dt.date(2026, 7, 25), (9, 15, 24, 36, 47), 20)
LITERAL = (
    '{"draws":[{"gameName":"Powerball","drawTime":1784952000000,"status":"CLOSED","results":['
    '{"drawType":"Regular","primary":["9","15","24","36","47","PB-20","M-03"]}]}]}'
)
PRIMARY = ["9", "15", "24", "36", "47", "PB-20", "M-03"]
DOUBLE = {"drawType": "Double Play", "primary": ["1", "2", "3", "4", "5", "PB-06"]}


def answer(*entries: Any) -> str:
    return json.dumps({"draws": entries})


def regular(primary: Any) -> dict[str, Any]:
    return {"drawType": "Regular", "primary": primary}


def entry(primary: Any = PRIMARY, **changes: Any) -> dict[str, Any]:
    drawn = {"gameName": "Powerball", "drawTime": MIDNIGHT, "status": "CLOSED"}
    return {**drawn, "results": [regular(primary)], **changes}


async def test_the_literal_answer(literal: Literal) -> None:
    fetched = await literal.fetch("newjersey", POWERBALL, DAY, LITERAL)
    assert fetched.answer == Drawn("newjersey", DRAW)
    (asked,) = literal.asked
    path, _, query = asked.path.partition("?")
    assert (asked.method, path) == ("GET", "/api/v1/draw-games/draws/page")
    day = 86_400_000
    assert parse_qs(query) == {
        "game-names": ["Powerball"],
        "status": ["CLOSED"],
        "date-from": [str(MIDNIGHT - day)],
        "date-to": [str(MIDNIGHT + day)],
        "size": ["20"],
        "page": ["0"],
    }
    # It turns away whoever does not say that it is a browser; the others are told what asks.
    assert "Firefox/" in asked.headers["user-agent"]
    assert "compatible" not in asked.headers["user-agent"]
    await literal.fetch("ny", POWERBALL, DAY, LITERAL)
    assert "LottoChain" in literal.asked[1].headers["user-agent"]


async def test_mega_millions_has_its_own_prefix(literal: Literal) -> None:
    drawn = entry(["5", "19", "30", "38", "59", "MB-04"], gameName="Mega Millions")
    drawn |= {"drawTime": MIDNIGHT - 86_400_000}
    fetched = await literal.fetch("newjersey", MEGA_MILLIONS, "2026-07-24", answer(drawn))
    draw = Draw(dt.date(2026, 7, 24), (5, 19, 30, 38, 59), 4)
    assert fetched.answer == Drawn("newjersey", draw)
    assert "game-names=Mega" in literal.asked[0].path


async def test_the_day_after_the_clocks_change(literal: Literal) -> None:
    drawn = entry(drawTime=1793505600000)  # 2026-11-01 04:00 UTC, and that day has 25 hours
    fetched = await literal.fetch("newjersey", POWERBALL, "2026-11-01", answer(drawn))
    assert isinstance(fetched.answer, Drawn)
    span = parse_qs(literal.asked[0].path.partition("?")[2])
    assert span["date-to"] == [str(1793505600000 + 25 * 3_600_000)]


@pytest.mark.parametrize(
    "body",
    [
        answer(),
        answer({"gameName": "Powerball", "drawTime": MIDNIGHT, "status": "CLOSED"}),
        answer(entry(results=None)),
        answer(entry(results=[])),
        answer(entry(results=[DOUBLE])),
        answer(entry(status="OPEN")),
        answer(entry(drawTime=MIDNIGHT - 86_400_000)),
    ],
)
async def test_closed_is_not_drawn(literal: Literal, body: str) -> None:
    fetched = await literal.fetch("newjersey", POWERBALL, DAY, body)
    assert fetched.answer == Pending("newjersey", f"no result for {DAY} yet")


@pytest.mark.parametrize("results", [[DOUBLE, regular(PRIMARY)], [regular(PRIMARY), DOUBLE]])
async def test_double_play_is_another_draw(literal: Literal, results: Any) -> None:
    fetched = await literal.fetch("newjersey", POWERBALL, DAY, answer(entry(results=results)))
    assert fetched.answer == Drawn("newjersey", DRAW)


@pytest.mark.parametrize("multiplier", [[], ["M-03"], ["M-10"], ["M-x"]])
async def test_the_multiplier_is_passed_over(literal: Literal, multiplier: list[str]) -> None:
    body = answer(entry([*multiplier, *PRIMARY[:6]]))
    fetched = await literal.fetch("newjersey", POWERBALL, DAY, body)
    assert fetched.answer == Drawn("newjersey", DRAW)


async def test_a_date_twice(literal: Literal) -> None:
    other = entry(["9", "15", "24", "36", "48", "PB-20"])
    fetched = await literal.fetch("newjersey", POWERBALL, DAY, answer(entry(), other))
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.kind is Failure.CONFLICT
    fetched = await literal.fetch("newjersey", POWERBALL, DAY, answer(entry(), entry()))
    assert fetched.answer == Drawn("newjersey", DRAW)


W = PRIMARY[:5]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer(entry([*W])), Failure.NUMBER),
        (answer(entry([*W, "20"])), Failure.NUMBER),
        (answer(entry([*W, "MB-20"])), Failure.NUMBER),
        (answer(entry([*W, "PB-20", "PB-21"])), Failure.NUMBER),
        (answer(entry([*W, "PB-20", "50"])), Failure.NUMBER),
        (answer(entry([*W, "PB-27"])), Failure.NUMBER),
        (answer(entry([*W, "PB-00"])), Failure.NUMBER),
        (answer(entry([*W, "PB-4"])), Failure.NUMBER),
        (answer(entry([*W, "PB-020"])), Failure.NUMBER),
        (answer(entry([*W, "pb-20"])), Failure.NUMBER),
        (answer(entry([*W[:4], "PB-20"])), Failure.NUMBER),
        (answer(entry(["09", *W[1:], "PB-20"])), Failure.NUMBER),
        (answer(entry([9, *W[1:], "PB-20"])), Failure.NUMBER),
        (answer(entry([None, *W[1:], "PB-20"])), Failure.NUMBER),
        (answer(entry(["15", *W[1:], "PB-20"])), Failure.NUMBER),
        (answer(entry(["70", *W[1:], "PB-20"])), Failure.NUMBER),
        (answer(entry(results=[regular(PRIMARY), regular(PRIMARY)])), Failure.SHAPE),
        (answer(entry(results=[{"primary": PRIMARY}])), Failure.SHAPE),
        (answer(entry(results=[None])), Failure.SHAPE),
        (answer(entry(results={})), Failure.SHAPE),
        (answer(entry(primary=" ".join(PRIMARY))), Failure.SHAPE),
        (answer(entry(gameName="Mega Millions")), Failure.SHAPE),
        (answer(entry(gameName="Powerball Double Play"), entry()), Failure.SHAPE),
        (answer(entry(drawTime=MIDNIGHT + 82_740_000)), Failure.SHAPE),
        (answer(entry(drawTime=str(MIDNIGHT))), Failure.SHAPE),
        (answer(entry(status=None)), Failure.SHAPE),
        (answer(None), Failure.SHAPE),
        ('{"draws":null}', Failure.SHAPE),
        ("null", Failure.SHAPE),
    ],
)
async def test_what_is_never_guessed_at(literal: Literal, body: str, kind: Failure) -> None:
    fetched = await literal.fetch("newjersey", POWERBALL, DAY, body)
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.source == "newjersey"
    assert fetched.answer.kind is kind, fetched.answer.why
