"""Texas Lottery: every draw since the game began as CSV, one a row, oldest first.

`GET …/<game>.csv` without a header: `Mega Millions,9,25,2026,58,67,25,68,57,16,`.
"""

import datetime as dt
import re
from typing import Any

from keeper.domain.consensus import Failure
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.errors import SourceError
from keeper.sources.base import Balls, Dated, Exchange, Publisher

_TITLES = {POWERBALL.name: "Powerball", MEGA_MILLIONS.name: "Mega Millions"}
_FIELDS = 11  # game, month, day, year, five whites, special, multiplier (may be blank)
_DATE = re.compile(r"([1-9][0-9]?),([1-9][0-9]?),([1-9][0-9]{3})")


async def _ask(x: Exchange, game: Game, _date: dt.date) -> None:
    folder = _TITLES[game.name].replace(" ", "_")
    file = f"{folder.replace('_', '').lower()}.csv"
    await x.send("GET", f"/export/sites/lottery/Games/{folder}/Winning_Numbers/{file}")


def _entries(game: Game, text: str) -> list[Dated]:
    # Every row is looked at: a body cut in the middle of one must not pass for whole.
    rows = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return [_entry(game, number, row) for number, row in enumerate(rows, 1)]


def _entry(game: Game, number: int, row: str) -> Dated:
    fields = row.split(",")
    written = _DATE.fullmatch(",".join(fields[1:4]))
    if len(fields) == _FIELDS and fields[0] == _TITLES[game.name] and written:
        month, day, year = map(int, written.groups())
        try:
            return dt.date(year, month, day), fields
        except ValueError:
            pass
    what = "HTML" if row.lstrip().startswith("<") else f"{row:.60}"
    raise SourceError(Failure.FORMAT, f"row {number} is no draw of {game.name}: {what!r}")


def _balls(entry: Any) -> Balls:
    return entry[4:9], entry[9:10]


PUBLISHER = Publisher("texas", "https://www.texaslottery.com", _ask, _entries, _balls)
