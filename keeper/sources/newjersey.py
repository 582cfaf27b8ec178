"""New Jersey Lottery: the draws that are closed, dated by midnight in New York in milliseconds.

`GET /api/v1/draw-games/draws/page?game-names=…&status=CLOSED&date-from=…`; one that is closed for
bets and not drawn yet has no `results`.
"""

import datetime as dt
import re
from typing import Any

from keeper.domain.calendar import instant
from keeper.domain.consensus import Failure
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.errors import SourceError
from keeper.sources.base import Balls, Dated, Exchange, Publisher, document, expect, from_ms, item

_TITLES = {POWERBALL.name: "Powerball", MEGA_MILLIONS.name: "Mega Millions"}
_SPECIALS = {"Powerball": r"PB-([0-9]{2})", "Mega Millions": r"MB-([0-9]{2})"}
# It refuses whatever does not look like a browser.
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def _ask(x: Exchange, game: Game, date: dt.date) -> None:
    start, end = (instant(date + dt.timedelta(days=n)) * 1000 for n in (-1, 1))
    which = {"game-names": _TITLES[game.name], "status": "CLOSED"}
    pages = {"date-from": start, "date-to": end, "size": 20, "page": 0}
    headers = {"User-Agent": _BROWSER}
    await x.send("GET", "/api/v1/draw-games/draws/page", params=which | pages, headers=headers)


def _entries(game: Game, text: str) -> list[Dated]:
    entries = item(document(text), "draws", list)
    for entry in entries:
        expect(entry, "gameName", _TITLES[game.name])
    return [(from_ms(item(entry, "drawTime", int)), entry) for entry in entries]


def _balls(entry: Any) -> Balls | None:
    if item(entry, "status", str) != "CLOSED" or entry.get("results") is None:
        return None
    regular = [r for r in item(entry, "results", list) if item(r, "drawType", str) == "Regular"]
    if not regular:
        return None
    if len(regular) > 1:
        raise SourceError(Failure.SHAPE, f"{len(regular)} regular results of one draw")
    whites, specials = [], []
    for ball in item(regular[0], "primary", list):
        if found := re.fullmatch(_SPECIALS[entry["gameName"]], str(ball)):
            specials.append(found[1].removeprefix("0"))
        elif not str(ball).startswith("M-"):
            whites.append(ball)
    return whites, specials


PUBLISHER = Publisher("newjersey", "https://www.njlottery.com", _ask, _entries, _balls)
