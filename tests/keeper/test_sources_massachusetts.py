"""Massachusetts Lottery: literal answers over HTTP."""

import datetime as dt
import json
from typing import Any

import pytest

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from tests.keeper.conftest import Literal

DAY = "2020-06-02"
DRAW = Draw(dt.date(2020, 6, 2), (9, 20, 23, 26, 29), 8)
LITERAL = (
    '{"winningNumbers":[{"gameIdentifier":"mega_millions","drawDate":"2020-06-02",'
    '"drawNumber":2404,"drawSequence":1,"winningNumbers":[9,20,23,26,29],"winners":0,'
    '"location":"None","extras":{"megaball":8,"megaplier":3},"jackpot":356000000,'
    '"status":"COMPLETE"}]}'
)


def answer(*entries: Any) -> str:
    return json.dumps({"winningNumbers": entries})


def entry(**changes: Any) -> dict[str, Any]:
    (literal,) = json.loads(LITERAL)["winningNumbers"]
    return {**literal, **changes}


async def test_the_literal_answer(literal: Literal) -> None:
    fetched = await literal.fetch("massachusetts", MEGA_MILLIONS, DAY, LITERAL)
    assert fetched.answer == Drawn("massachusetts", DRAW)
    # 500 on a long span
    span = "draw_date_min=2020-06-01&draw_date_max=2020-06-03"
    (asked,) = literal.asked
    assert (asked.method, asked.path) == ("GET", f"/api/v1/draw-results/mega_millions?{span}")


async def test_powerball_has_its_own_name_for_the_special_ball(literal: Literal) -> None:
    drawn = entry(gameIdentifier="powerball", drawDate="2026-07-25")
    drawn |= {"winningNumbers": [47, 3, 4, 24, 36], "extras": {"powerball": 17, "powerplay": 2}}
    fetched = await literal.fetch("massachusetts", POWERBALL, "2026-07-25", answer(drawn))
    draw = Draw(dt.date(2026, 7, 25), (3, 4, 24, 36, 47), 17)
    assert fetched.answer == Drawn("massachusetts", draw)
    assert literal.asked[0].path.startswith("/api/v1/draw-results/powerball?")


@pytest.mark.parametrize(
    "body",
    [
        answer(),
        answer(entry(status="PENDING")),  # only COMPLETE counts
        answer(entry(status="complete")),
        answer(entry(status="PENDING", winningNumbers=None, extras=None)),
        answer(entry(drawDate="2020-05-29")),  # of another day of the span
    ],
)
async def test_not_drawn_yet_is_pending(literal: Literal, body: str) -> None:
    fetched = await literal.fetch("massachusetts", MEGA_MILLIONS, DAY, body)
    assert fetched.answer == Pending("massachusetts", f"no result for {DAY} yet")


async def test_a_date_twice(literal: Literal) -> None:
    both = answer(entry(), entry(drawSequence=2, extras={"megaball": 9}))
    fetched = await literal.fetch("massachusetts", MEGA_MILLIONS, DAY, both)
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.kind is Failure.CONFLICT
    same = answer(entry(status="PENDING"), entry(), entry(drawSequence=2))
    fetched = await literal.fetch("massachusetts", MEGA_MILLIONS, DAY, same)
    assert fetched.answer == Drawn("massachusetts", DRAW)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer(entry(gameIdentifier="powerball")), Failure.SHAPE),
        (answer(entry(gameIdentifier="lucky_for_life"), entry()), Failure.SHAPE),
        (answer(entry(gameIdentifier=None)), Failure.SHAPE),
        (answer(entry(drawDate="06/02/2020")), Failure.SHAPE),
        (answer(entry(drawDate=1591056000000)), Failure.SHAPE),
        (answer(entry(status=None)), Failure.SHAPE),
        (answer(entry(extras=None)), Failure.SHAPE),
        (answer(entry(extras=[8])), Failure.SHAPE),
        (answer(entry(winningNumbers="9 20 23 26 29")), Failure.SHAPE),
        (answer(entry(winningNumbers=None)), Failure.SHAPE),
        (answer(None), Failure.SHAPE),
        ('{"winningNumbers":null}', Failure.SHAPE),
        ("[]", Failure.SHAPE),
        ("null", Failure.SHAPE),
        (answer(entry(extras={"powerball": 8})), Failure.NUMBER),
        (answer(entry(extras={"megaball": "8"})), Failure.NUMBER),
        (answer(entry(extras={"megaball": 8.0})), Failure.NUMBER),
        (answer(entry(extras={"megaball": True})), Failure.NUMBER),
        (answer(entry(extras={"megaball": 26})), Failure.NUMBER),
        (answer(entry(extras={})), Failure.NUMBER),
        (answer(entry(winningNumbers=[9, 20, 23, 26])), Failure.NUMBER),
        (answer(entry(winningNumbers=[9, 20, 23, 26, 29, 30])), Failure.NUMBER),
        (answer(entry(winningNumbers=[9, 9, 23, 26, 29])), Failure.NUMBER),
        (answer(entry(winningNumbers=[9, 20, 23, 26, 71])), Failure.NUMBER),
        (answer(entry(winningNumbers=[0, 20, 23, 26, 29])), Failure.NUMBER),
        (answer(entry(winningNumbers=["9", 20, 23, 26, 29])), Failure.NUMBER),
        (answer(entry(winningNumbers=[])), Failure.NUMBER),
    ],
)
async def test_what_is_never_guessed_at(literal: Literal, body: str, kind: Failure) -> None:
    fetched = await literal.fetch("massachusetts", MEGA_MILLIONS, DAY, body)
    assert isinstance(fetched.answer, Failed)
    assert fetched.answer.source == "massachusetts"
    assert fetched.answer.kind is kind, fetched.answer.why
