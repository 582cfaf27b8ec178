"""NY Open Data, the New York Lottery's results in another place, hours later.

`GET /resource/<table>.json?$where=draw_date='2026-07-25'`; a date without a row is pending.
"""

import datetime as dt
import re
from typing import Any

from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.sources.base import Balls, Dated, Exchange, Publisher, day, document, item

_TABLES = {POWERBALL.name: "d6yy-54nr", MEGA_MILLIONS.name: "5xaw-6ayf"}
_TWO_DIGITS = re.compile(r"[0-9]{2}")


async def _ask(x: Exchange, game: Game, date: dt.date) -> None:
    only = {"$where": f"draw_date='{date}'"}
    await x.send("GET", f"/resource/{_TABLES[game.name]}.json", params=only)


def _entries(game: Game, text: str) -> list[Dated]:
    rows = item({"rows": document(text)}, "rows", list)
    return [(day(item(row, "draw_date", str)), (game, row)) for row in rows]


def _balls(entry: Any) -> Balls:
    game, row = entry
    numbers = item(row, "winning_numbers", str).split(" ")
    if game.name == POWERBALL.name:  # the sixth is the Powerball
        return numbers[:5], numbers[5:]
    return numbers, [row.get("mega_ball")]


PUBLISHER = Publisher("nyopendata", "https://data.ny.gov", _ask, _entries, _balls, form=_TWO_DIGITS)
