"""Texas Lottery: every draw since the game began as CSV, one a row, oldest first."""

from __future__ import annotations

import datetime as dt
import re

from keeper.domain.consensus import Answer, Failure
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw, Game
from keeper.sources.base import Exchange, Publisher

_FILES = {
    POWERBALL.name: "Powerball/Winning_Numbers/powerball.csv",
    MEGA_MILLIONS.name: "Mega_Millions/Winning_Numbers/megamillions.csv",
}
_TITLES = {POWERBALL.name: "Powerball", MEGA_MILLIONS.name: "Mega Millions"}
_FIELDS = 11  # game, month, day, year, five whites, special, multiplier (may be blank)
_DATE = re.compile(r"([1-9][0-9]?),([1-9][0-9]?),([1-9][0-9]{3})")


class Texas(Publisher):
    """`GET …/<game>.csv` without a header: `Mega Millions,9,25,2026,58,67,25,68,57,16,`."""

    name = "texas"
    home = "https://www.texaslottery.com"

    async def ask(self, game: Game, date: dt.date, x: Exchange) -> Answer:
        path = f"/export/sites/lottery/Games/{_FILES[game.name]}"
        return await self.get(path, game, date, x)

    @classmethod
    def parse(cls, game: Game, date: dt.date, body: bytes) -> Draw | None:
        # Every row is looked at: a body cut in the middle of one must not pass for whole.
        rows = cls.text(body).replace("\r\n", "\n").removesuffix("\n").split("\n")
        dated = [cls._fields(game, number, row) for number, row in enumerate(rows, 1)]
        return cls.only(
            cls.draw(game, date, map(cls.ball, fields[4:9]), cls.ball(fields[9]))
            for day, fields in dated
            if day == date
        )

    @classmethod
    def _fields(cls, game: Game, number: int, row: str) -> tuple[dt.date, list[str]]:
        fields = row.split(",")
        written = _DATE.fullmatch(",".join(fields[1:4]))
        if len(fields) == _FIELDS and fields[0] == _TITLES[game.name] and written:
            month, day, year = map(int, written.groups())
            try:
                return dt.date(year, month, day), fields
            except ValueError:
                pass
        what = "HTML" if row.lstrip().startswith("<") else f"{row:.60}"
        raise cls.fail(Failure.FORMAT, f"row {number} is no draw of {game.name}: {what!r}")
