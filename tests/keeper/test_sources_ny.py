"""New York Lottery: literal answers over HTTP."""

import datetime as dt
import json
from typing import Any

import pytest

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from tests.keeper.conftest import Literal

DAY = "2026-07-25"
DRAW = Draw(dt.date(2026, 7, 25), (3, 4, 24, 36, 47), 17)
LITERAL = (
    '{"data":{"draws":['
    '{"drawTime":1785124800000,"gameName":"powerball","drawNumber":1978,"status":4},'
    '{"drawTime":1784952000000,"drawNumber":1977,"status":22,'
    '"results":[{"primary":["3","4","24","36","47"],"secondary":["17"]}]}]}}'
)


def answer(*entries: Any) -> str:
    return json.dumps({"data": {"draws": entries}})


def entry(primary: Any = ("3", "4", "24", "36", "47"), secondary: Any = ("17",)) -> dict[str, Any]:
    results = [{"primary": primary, "secondary": secondary}]
    return {"drawTime": 1784952000000, "drawNumber": 1977, "status": 22, "results": results}


async def test_the_literal_answer(literal: Literal) -> None:
    fetched = await literal.fetch("ny", POWERBALL, DAY, LITERAL)
    assert fetched.answer == Drawn("ny", DRAW)
    assert (fetched.status, fetched.at, fetched.body) == (200, 1_787_000_000, LITERAL.encode())
    assert fetched.url == f"{literal.url}/nyl-api/games/powerball/draws"
    assert [(a.method, a.path) for a in literal.asked] == [
        ("GET", "/nyl-api/games/powerball/draws")
    ]


async def test_mega_millions_is_asked_by_its_name(literal: Literal) -> None:
    await literal.fetch("ny", MEGA_MILLIONS, "2026-08-18", LITERAL)
    assert literal.asked[0].path == "/nyl-api/games/mega-millions/draws"


@pytest.mark.parametrize(
    "body",
    [
        LITERAL,  # 2026-07-27: listed, without results
        answer(),
        answer({"drawTime": 1785124800000, "status": 22, "results": None}),
    ],
)
async def test_not_drawn_yet_is_pending(literal: Literal, body: str) -> None:
    fetched = await literal.fetch("ny", POWERBALL, "2026-07-27", body)
    assert fetched.answer == Pending("ny", "no result for 2026-07-27 yet")


async def test_the_latest_is_not_taken_for_the_asked(literal: Literal) -> None:
    fetched = await literal.fetch("ny", POWERBALL, "2026-07-22", LITERAL)
    assert isinstance(fetched.answer, Pending)


async def test_midnight_is_that_of_new_york_in_winter_too(literal: Literal) -> None:
    drawn = entry() | {"drawTime": 1768021200000}  # 2026-01-10 05:00 UTC
    fetched = await literal.fetch("ny", POWERBALL, "2026-01-10", answer(drawn))
    assert fetched.answer == Drawn("ny", Draw(dt.date(2026, 1, 10), DRAW.whites, DRAW.special))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
async def test_a_date_twice(literal: Literal, order: tuple[int, ...]) -> None:
    pending = {"drawTime": 1784952000000, "status": 4}
    three = [pending, entry(), entry(primary=("47", "4", "24", "36", "3"))]
    fetched = await literal.fetch("ny", POWERBALL, DAY, answer(*(three[i] for i in order)))
    assert fetched.answer == Drawn("ny", DRAW)
    three[2] = entry(secondary=("18",))
    fetched = await literal.fetch("ny", POWERBALL, DAY, answer(*(three[i] for i in order)))
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.kind is Failure.CONFLICT
    assert "+ 17" in fetched.answer.why
    assert "+ 18" in fetched.answer.why


W = ["3", "4", "24", "36", "47"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer(entry(primary=[3, "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["03", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["3.0", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=[" 3", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["3\n", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["+3", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["3e0", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["٣", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=[None, "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["0", "4", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=["3", "4", "24", "36", "70"])), Failure.NUMBER),
        (answer(entry(primary=["3", "4", "24", "36", "347"])), Failure.NUMBER),
        (answer(entry(primary=["3", "3", "24", "36", "47"])), Failure.NUMBER),
        (answer(entry(primary=[*W, "50"])), Failure.NUMBER),
        (answer(entry(primary=W[:4])), Failure.NUMBER),
        (answer(entry(primary=" ".join(W))), Failure.SHAPE),
        (answer(entry(secondary=["27"])), Failure.NUMBER),
        (answer(entry(secondary=[17])), Failure.NUMBER),
        (answer(entry(secondary=[17.0])), Failure.NUMBER),
        (answer(entry(secondary=[True])), Failure.NUMBER),
        (answer(entry(secondary=["17", "18"])), Failure.NUMBER),
        (answer(entry(secondary=[])), Failure.NUMBER),
        (answer(entry(secondary=None)), Failure.SHAPE),
        (answer(entry() | {"results": []}), Failure.SHAPE),
        (answer(entry() | {"results": entry()["results"] * 2}), Failure.SHAPE),
        (answer(entry() | {"results": "3 4 24 36 47"}), Failure.SHAPE),
        (answer(entry() | {"results": [None]}), Failure.SHAPE),
        (answer(entry() | {"drawTime": "1784952000000"}), Failure.SHAPE),
        (answer(entry() | {"drawTime": 1784952000000.0}), Failure.SHAPE),
        (answer(entry() | {"drawTime": True}), Failure.SHAPE),
        (answer(entry() | {"drawTime": 1784952000001}), Failure.SHAPE),
        (answer(entry() | {"drawTime": 1784952000000 + 3_600_000}), Failure.SHAPE),
        (answer(entry() | {"drawTime": 10**30}), Failure.SHAPE),
        (answer(entry() | {"drawTime": -1}), Failure.SHAPE),
        (answer("2026-07-25"), Failure.SHAPE),
        ('{"data":{"draws":null}}', Failure.SHAPE),
        ('{"data":[]}', Failure.SHAPE),
        ("[]", Failure.SHAPE),
        ("null", Failure.SHAPE),
    ],
)
async def test_what_is_never_guessed_at(literal: Literal, body: str, kind: Failure) -> None:
    fetched = await literal.fetch("ny", POWERBALL, DAY, body)
    assert isinstance(fetched.answer, Failed)
    assert (fetched.answer.source, fetched.answer.kind) == ("ny", kind), fetched.answer.why
    assert fetched.body == body.encode()
