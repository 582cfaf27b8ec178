"""megamillions.com: the draw of one date, asked for in .NET ticks, as JSON inside JSON.

`POST …/GetDrawDataByTickWithMatrix`; nothing in `d`, or in `Drawing`, is pending.
"""

import datetime as dt
import html
import re
from types import NoneType
from typing import Any

from keeper.domain.draw import MEGA_MILLIONS, Game
from keeper.sources.base import Balls, Dated, Exchange, Publisher, day, document, item

_PATH = "/cmspages/utilservice.asmx/GetDrawDataByTickWithMatrix"
_TICKS_A_DAY = 864_000_000_000  # of 100 ns, from 0001-01-01 on
_WHITES = ["N1", "N2", "N3", "N4", "N5"]
_ANY_WHITE = re.compile(r"N\d+")
# What a plain GET gives, so also what a redirected POST ends in.
_XML = re.compile(r"\s*(?:<\?xml[^<>]*\?>)?\s*<string[^<>]*>([^<>]*)</string>\s*")


def ticks(date: dt.date) -> int:
    """Midnight of the date in .NET ticks, whatever the time zone."""
    return (date - dt.date.min).days * _TICKS_A_DAY


async def _ask(x: Exchange, _game: Game, date: dt.date) -> None:
    headers = {"Origin": x.base, "Referer": f"{x.base}/", "X-Requested-With": "XMLHttpRequest"}
    await x.send("POST", _PATH, json={"PlayDateTicks": str(ticks(date))}, headers=headers)


def _entries(_game: Game, text: str) -> list[Dated]:
    wrapped = _XML.fullmatch(text)
    inner = html.unescape(wrapped[1]) if wrapped else item(document(text), "d", str, NoneType)
    data = document((inner or "").strip() or "null")
    drawing = None if data is None else item(data, "Drawing", dict, NoneType)
    return [] if drawing is None else [(day(item(drawing, "PlayDate", str)), drawing)]


def _balls(entry: Any) -> Balls:
    extra = [key for key in entry if _ANY_WHITE.fullmatch(key) and key not in _WHITES]
    return [entry.get(key) for key in _WHITES + extra], [entry.get("MBall")]


_HOME = "https://www.megamillions.com"
_GAMES = (MEGA_MILLIONS.name,)
PUBLISHER = Publisher("megamillions", _HOME, _ask, _entries, _balls, int, games=_GAMES)
