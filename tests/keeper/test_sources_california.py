"""California Lottery: literal answers over HTTP."""

import datetime as dt
import json
from typing import Any

import pytest

from keeper.domain.consensus import Drawn, Failed, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from keeper.sources.publishers import MAX_PAGES
from tests.keeper.conftest import Literal

DAY = "2026-08-15"
DRAW = Draw(dt.date(2026, 8, 15), (3, 4, 24, 36, 47), 17)
NUMBERS = ("3", "4", "24", "36", "47", "17")
PAST = "/api/DrawGameApi/DrawGamePastDrawResults"


def balls(numbers: tuple[Any, ...] = NUMBERS, first: int = 0, special: int = 5) -> dict[str, Any]:
    return {str(first + i): {"Number": n, "IsSpecial": i == special} for i, n in enumerate(numbers)}


def entry(date: str = DAY, winning: Any = None) -> dict[str, Any]:
    numbers = balls() if winning is None else winning
    return {"DrawNumber": 1, "DrawDate": f"{date}T07:00:00", "WinningNumbers": numbers}


def page(*entries: Any, recent: Any = None, game: Any = 12) -> str:
    return json.dumps(
        {
            "DrawGameId": game,
            "Name": "Powerball",
            "NextDraw": {"DrawNumber": 2, "DrawDate": "2026-08-17T07:00:00"},
            "MostRecentDraw": recent,
            "PreviousDraws": entries,
        }
    )


LITERAL = (
    '{"DrawGameId":12,"Name":"Powerball","NextDraw":{},"MostRecentDraw":null,"PreviousDraws":'
    '[{"DrawNumber":1,"DrawDate":"2026-08-15T07:00:00","WinningNumbers":'
    '{"0":{"Number":"3","IsSpecial":false},"1":{"Number":"4","IsSpecial":false},'
    '"2":{"Number":"24","IsSpecial":false},"3":{"Number":"36","IsSpecial":false},'
    '"4":{"Number":"47","IsSpecial":false},"5":{"Number":"17","IsSpecial":true}}}]}'
)


async def test_the_literal_answer(literal: Literal) -> None:
    fetched = await literal.fetch("california", POWERBALL, DAY, LITERAL)
    assert fetched.answer == Drawn("california", DRAW)
    assert fetched.url == f"{literal.url}{PAST}/12/1/20"


async def test_mega_millions_has_number_15(literal: Literal) -> None:
    fetched = await literal.fetch(
        "california", MEGA_MILLIONS, "2026-08-14", page(entry("2026-08-14"), game=15)
    )
    assert isinstance(fetched.answer, Drawn)
    assert literal.asked[0].path == f"{PAST}/15/1/20"


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("special", [0, 5])
async def test_keys_start_at_0_or_1_and_the_special_ball_says_so(
    literal: Literal, first: int, special: int
) -> None:
    numbers = NUMBERS if special == 5 else (NUMBERS[5], *NUMBERS[:5])
    body = page(entry(winning=balls(numbers, first, special)))
    fetched = await literal.fetch("california", POWERBALL, DAY, body)
    assert fetched.answer == Drawn("california", DRAW)


@pytest.mark.parametrize("hour", ["07", "08"])
async def test_the_date_is_the_first_ten_characters(literal: Literal, hour: str) -> None:
    drawn = entry() | {"DrawDate": f"{DAY}T{hour}:00:00"}
    fetched = await literal.fetch("california", POWERBALL, DAY, page(drawn))
    assert fetched.answer == Drawn("california", DRAW)


async def test_the_most_recent_draw_counts_when_it_is_of_the_date(literal: Literal) -> None:
    fetched = await literal.fetch("california", POWERBALL, DAY, page(recent=entry()))
    assert fetched.answer == Drawn("california", DRAW)
    body = page(entry("2026-08-12"), recent=entry("2026-08-12"))
    fetched = await literal.fetch("california", POWERBALL, DAY, body)
    assert isinstance(fetched.answer, Pending)


async def test_a_date_twice(literal: Literal) -> None:
    other = entry(winning=balls(("3", "4", "24", "36", "48", "17")))
    for body in (page(entry(), other), page(entry(), recent=other)):
        fetched = await literal.fetch("california", POWERBALL, DAY, body)
        assert isinstance(fetched.answer, Failed)
        assert fetched.answer.kind is Failure.CONFLICT
    fetched = await literal.fetch("california", POWERBALL, DAY, page(entry(), entry()))
    assert fetched.answer == Drawn("california", DRAW)


# ---- pages


async def test_pages_are_turned_until_the_date_is_found(literal: Literal) -> None:
    pages = [page(entry("2026-08-22")), page(entry("2026-08-19")), page(entry())]
    fetched = await literal.fetch("california", POWERBALL, DAY, *pages)
    assert fetched.answer == Drawn("california", DRAW)
    assert [a.path for a in literal.asked] == [f"{PAST}/12/{n}/20" for n in (1, 2, 3)]
    assert fetched.url.endswith("/3/20")
    assert fetched.body == pages[2].encode()


async def test_pages_are_turned_until_the_date_is_passed(literal: Literal) -> None:
    both = page(entry("2026-08-17"), entry("2026-08-12"))
    pages = [page(entry("2026-08-19")), both, page(entry())]
    fetched = await literal.fetch("california", POWERBALL, DAY, *pages)
    assert isinstance(fetched.answer, Pending)
    assert len(literal.asked) == 2


async def test_a_draw_not_drawn_yet_takes_one_page(literal: Literal) -> None:
    fetched = await literal.fetch("california", POWERBALL, "2026-08-17", page(entry()))
    assert isinstance(fetched.answer, Pending)
    assert len(literal.asked) == 1


@pytest.mark.parametrize("end", ["null", page()])
async def test_past_the_end_is_pending(literal: Literal, end: str) -> None:
    fetched = await literal.fetch("california", POWERBALL, DAY, page(entry("2026-08-19")), end)
    assert isinstance(fetched.answer, Pending)
    assert len(literal.asked) == 2
    assert fetched.body == end.encode()


async def test_a_publisher_that_never_ends_is_left(literal: Literal) -> None:
    fetched = await literal.fetch("california", POWERBALL, DAY, page(entry("2026-08-19")))
    assert isinstance(fetched.answer, Pending)
    assert "last 600 draws" in fetched.answer.why
    assert len(literal.asked) == MAX_PAGES


async def test_a_page_that_fails_ends_it(literal: Literal) -> None:
    pages = [page(entry("2026-08-19")), "<html>", page(entry())]
    fetched = await literal.fetch("california", POWERBALL, DAY, *pages)
    assert isinstance(fetched.answer, Failed)
    assert len(literal.asked) == 2


async def test_an_entry_without_numbers_is_pending(literal: Literal) -> None:
    nothings: list[dict[str, Any] | None] = [{}, None]
    for nothing in nothings:
        body = page(entry() | {"WinningNumbers": nothing}, entry("2026-08-12"))
        fetched = await literal.fetch("california", POWERBALL, DAY, body)
        assert isinstance(fetched.answer, Pending)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (page(entry(winning=balls((3, *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls(("03", *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls(("3.0", *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls((" 3", *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls((True, *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls((None, *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls(("4", *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls(("70", *NUMBERS[1:])))), Failure.NUMBER),
        (page(entry(winning=balls((*NUMBERS[:5], "27")))), Failure.NUMBER),
        (page(entry(winning=balls((*NUMBERS, "50")))), Failure.NUMBER),
        (page(entry(winning=balls(NUMBERS[:5]))), Failure.NUMBER),
        (page(entry(winning=balls(special=9))), Failure.NUMBER),
        (page(entry(winning=balls() | {"4": {"Number": "47", "IsSpecial": True}})), Failure.NUMBER),
        (page(entry(winning=balls(first=2))), Failure.NUMBER),
        (page(entry(winning=balls() | {"0": {"Number": "3", "IsSpecial": 0}})), Failure.SHAPE),
        (page(entry(winning=balls() | {"0": "3"})), Failure.SHAPE),
        (page(entry(winning="3 4 24 36 47 17")), Failure.SHAPE),
        (page(entry(winning=list(NUMBERS))), Failure.SHAPE),
        (page(entry() | {"DrawDate": "08/15/2026"}), Failure.SHAPE),
        (page(entry() | {"DrawDate": "2026-08-15 07:00:00"}), Failure.SHAPE),
        (page(entry() | {"DrawDate": "2026-02-30T07:00:00"}), Failure.SHAPE),
        (page(entry() | {"DrawDate": "2026-W33-6T07:00"}), Failure.SHAPE),
        (page(entry() | {"DrawDate": 1}), Failure.SHAPE),
        (page("2026-08-15"), Failure.SHAPE),
        (page(entry(), game=15), Failure.SHAPE),
        (page(entry(), game="12"), Failure.SHAPE),
        (page(entry(), recent="none"), Failure.SHAPE),
        (page(entry()).replace('"PreviousDraws"', '"Draws"'), Failure.SHAPE),
        ("[]", Failure.SHAPE),
        (LITERAL.replace('"1":{', '"0":{'), Failure.FORMAT),  # a key twice
        ("", Failure.FORMAT),
    ],
)
async def test_what_is_never_guessed_at(literal: Literal, body: str, kind: Failure) -> None:
    fetched = await literal.fetch("california", POWERBALL, DAY, body)
    assert isinstance(fetched.answer, Failed)
    assert (fetched.answer.source, fetched.answer.kind) == ("california", kind), fetched.answer.why
