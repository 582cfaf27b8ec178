"""New York Lottery: a list of recent draws, dated by midnight in New York in milliseconds."""

from __future__ import annotations

import datetime as dt
from typing import Any

from keeper.domain.calendar import NEW_YORK
from keeper.domain.consensus import Answer, Failure
from keeper.domain.draw import Draw, Game
from keeper.sources.base import Exchange, Publisher

_LAST_MS = 4_102_444_800_000  # the year 2100


class NewYork(Publisher):
    """`GET /nyl-api/games/<game>/draws`; a draw that is pending has no `results`."""

    name = "ny"
    home = "https://nylottery.ny.gov"

    async def ask(self, game: Game, date: dt.date, x: Exchange) -> Answer:
        return await self.get(f"/nyl-api/games/{game.name}/draws", game, date, x)

    @classmethod
    def parse(cls, game: Game, date: dt.date, body: bytes) -> Draw | None:
        data = cls.item(cls.json(cls.text(body)), "data", dict)
        entries = [(cls._date(entry), entry) for entry in cls.item(data, "draws", list)]
        return cls.only(
            cls._result(game, date, entry)
            for day, entry in entries
            if day == date and entry.get("results") is not None
        )

    @classmethod
    def _date(cls, entry: Any) -> dt.date:
        ms: int = cls.item(entry, "drawTime", int)
        if not 0 <= ms < _LAST_MS:
            raise cls.fail(Failure.SHAPE, f"drawTime is out of range: {ms!r:.40}")
        at = dt.datetime.fromtimestamp(ms / 1000, NEW_YORK)
        if at.time() != dt.time():  # else it is not known which day is meant
            raise cls.fail(Failure.SHAPE, f"drawTime is not midnight in New York: {ms}")
        return at.date()

    @classmethod
    def _result(cls, game: Game, date: dt.date, entry: Any) -> Draw:
        results = cls.item(entry, "results", list)
        if len(results) != 1:
            raise cls.fail(Failure.SHAPE, f"{len(results)} results for {date}")
        primary = cls.item(results[0], "primary", list)
        secondary = cls.item(results[0], "secondary", list)
        if len(secondary) != 1:
            raise cls.fail(Failure.NUMBER, f"{len(secondary)} special balls")
        return cls.draw(game, date, map(cls.ball, primary), cls.ball(secondary[0]))
