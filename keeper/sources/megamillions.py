"""megamillions.com: the draw of one date, asked for in .NET ticks, as JSON inside JSON."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any

from keeper.domain.consensus import Answer, Failure
from keeper.domain.draw import MEGA_MILLIONS, WHITES, Draw, Game
from keeper.sources.base import Exchange, Publisher

_PATH = "/cmspages/utilservice.asmx/GetDrawDataByTickWithMatrix"
_TICKS_A_DAY = 864_000_000_000  # of 100 ns, from 0001-01-01 on
_WHITES = [f"N{n}" for n in range(1, WHITES + 1)]
_ANY_WHITE = re.compile(r"N\d+")
# What a plain GET gives, so also what a redirected POST ends in.
_XML = re.compile(r"\s*(?:<\?xml[^<>]*\?>)?\s*<string[^<>]*>([^<>]*)</string>\s*")


def ticks(date: dt.date) -> int:
    """Midnight of the date in .NET ticks, whatever the time zone."""
    return (date - dt.date.min).days * _TICKS_A_DAY


class MegaMillions(Publisher):
    """`POST …/GetDrawDataByTickWithMatrix`; nothing in `d`, or in `Drawing`, is pending."""

    name = "megamillions"
    home = "https://www.megamillions.com"

    async def ask(self, game: Game, date: dt.date, x: Exchange) -> Answer:
        if game.name != MEGA_MILLIONS.name:
            raise ValueError(f"{self.name} publishes no {game.name}")
        headers = {
            "Origin": self.base,
            "Referer": f"{self.base}/",
            "X-Requested-With": "XMLHttpRequest",
        }
        body = {"PlayDateTicks": str(ticks(date))}
        await self.exchange(self.build("POST", _PATH, json=body, headers=headers), x)
        return self.read(game, date, bytes(x.body))

    @classmethod
    def parse(cls, game: Game, date: dt.date, body: bytes) -> Draw | None:
        text = cls.text(body)
        if wrapped := _XML.fullmatch(text):
            inner: Any = html.unescape(wrapped[1])
        else:
            outer = cls.json(text)
            if not isinstance(outer, dict) or "d" not in outer:
                raise cls.fail(Failure.SHAPE, "no d")
            inner = outer["d"] if outer["d"] is not None else ""
        if not isinstance(inner, str):
            raise cls.fail(Failure.SHAPE, "d is no text")
        data = cls.json(inner) if inner.strip() else None
        if data is None or (isinstance(data, dict) and data.get("Drawing", "") is None):
            return None
        drawing = cls.item(data, "Drawing", dict)
        if cls.day(cls.item(drawing, "PlayDate", str)) != date:
            return None
        if extra := [key for key in drawing if _ANY_WHITE.fullmatch(key) and key not in _WHITES]:
            raise cls.fail(Failure.NUMBER, f"an extra ball, {extra[0]:.20}")
        whites = [cls._number(drawing.get(key)) for key in _WHITES]
        return cls.draw(game, date, whites, cls._number(drawing.get("MBall")))

    @classmethod
    def _number(cls, value: Any) -> int:
        """This publisher prints balls as JSON integers."""
        if type(value) is not int or not 0 <= value < 100:
            raise cls.fail(Failure.NUMBER, f"not a ball number: {value!r:.40}")
        return value
