"""Massachusetts Lottery: the draws of a few days, each with a status of its own.

`GET /api/v1/draw-results/<game>?draw_date_min=…&draw_date_max=…`; it fails on long spans.
"""

import datetime as dt
from typing import Any

from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.sources.base import Balls, Dated, Exchange, Publisher, day, document, expect, item

_GAMES = {POWERBALL.name: "powerball", MEGA_MILLIONS.name: "mega_millions"}
_SPECIALS = {"powerball": "powerball", "mega_millions": "megaball"}
_DAY = dt.timedelta(days=1)


async def _ask(x: Exchange, game: Game, date: dt.date) -> None:
    span = {"draw_date_min": str(date - _DAY), "draw_date_max": str(date + _DAY)}
    await x.send("GET", f"/api/v1/draw-results/{_GAMES[game.name]}", params=span)


def _entries(game: Game, text: str) -> list[Dated]:
    entries = item(document(text), "winningNumbers", list)
    for entry in entries:
        expect(entry, "gameIdentifier", _GAMES[game.name])
    return [(day(item(entry, "drawDate", str)), entry) for entry in entries]


def _balls(entry: Any) -> Balls | None:
    if item(entry, "status", str) != "COMPLETE":
        return None
    special = item(entry, "extras", dict).get(_SPECIALS[entry["gameIdentifier"]])
    return item(entry, "winningNumbers", list), [special]


PUBLISHER = Publisher("massachusetts", "https://www.masslottery.com", _ask, _entries, _balls, int)
