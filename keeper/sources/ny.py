"""New York Lottery: a list of recent draws, dated by midnight in New York in milliseconds.

`GET /nyl-api/games/<game>/draws`; a draw that is pending has no `results`.
"""

import datetime as dt
from typing import Any

from keeper.domain.consensus import Failure
from keeper.domain.draw import Game
from keeper.errors import SourceError
from keeper.sources.base import Balls, Dated, Exchange, Publisher, document, from_ms, item


async def _ask(x: Exchange, game: Game, _date: dt.date) -> None:
    await x.send("GET", f"/nyl-api/games/{game.name}/draws")


def _entries(_game: Game, text: str) -> list[Dated]:
    data = item(document(text), "data", dict)
    return [(from_ms(item(entry, "drawTime", int)), entry) for entry in item(data, "draws", list)]


def _balls(entry: Any) -> Balls | None:
    if entry.get("results") is None:
        return None
    results = item(entry, "results", list)
    if len(results) != 1:
        raise SourceError(Failure.SHAPE, f"{len(results)} results of one draw")
    return item(results[0], "primary", list), item(results[0], "secondary", list)


PUBLISHER = Publisher("ny", "https://nylottery.ny.gov", _ask, _entries, _balls)
