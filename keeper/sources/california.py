"""California Lottery: past draws in pages, newest first, dated by midnight Pacific in UTC."""

from __future__ import annotations

import datetime as dt
from typing import Any

from keeper.domain.consensus import Answer, Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, WHITES, Draw, Game
from keeper.sources.base import Exchange, Publisher

PAGE_SIZE = 20
MAX_PAGES = 30  # near four years of Powerball
_IDS = {POWERBALL.name: 12, MEGA_MILLIONS.name: 15}


class California(Publisher):
    """`GET /api/DrawGameApi/DrawGamePastDrawResults/<id>/<page>/<size>`; `null` past the end."""

    name = "california"
    home = "https://www.calottery.com"

    async def ask(self, game: Game, date: dt.date, x: Exchange) -> Answer:
        """Turns pages until the date is found or passed; the last page holds the answer."""
        past = f"/api/DrawGameApi/DrawGamePastDrawResults/{_IDS[game.name]}"
        for page in range(1, MAX_PAGES + 1):
            answer = await self.get(f"{past}/{page}/{PAGE_SIZE}", game, date, x)
            if not isinstance(answer, Pending):
                return answer
            dates = [self._date(entry) for entry in self._page(game, bytes(x.body))]
            if not dates or min(dates) < date:
                return answer
        return Pending(self.name, f"{date} is not among the last {MAX_PAGES * PAGE_SIZE} draws")

    @classmethod
    def parse(cls, game: Game, date: dt.date, body: bytes) -> Draw | None:
        entries = cls._page(game, body, recent=True)
        dated = [(cls._date(entry), entry) for entry in entries]
        return cls.only(
            cls._result(game, date, entry["WinningNumbers"])
            for day, entry in dated
            if day == date and entry.get("WinningNumbers")
        )

    @classmethod
    def _page(cls, game: Game, body: bytes, recent: bool = False) -> list[Any]:
        """The page's draws, and the most recent one that is printed beside them when asked."""
        page = cls.json(cls.text(body))
        if page is None:
            return []
        if cls.item(page, "DrawGameId", int) != _IDS[game.name]:
            raise cls.fail(Failure.SHAPE, f"of another game: {page['DrawGameId']!r:.40}")
        beside = page.get("MostRecentDraw") if recent else None
        previous: list[Any] = cls.item(page, "PreviousDraws", list)
        return previous if beside is None else [*previous, beside]

    @classmethod
    def _date(cls, entry: Any) -> dt.date:
        """Midnight Pacific written in UTC is hours later on the same date."""
        return cls.day(cls.item(entry, "DrawDate", str))

    @classmethod
    def _result(cls, game: Game, date: dt.date, numbers: Any) -> Draw:
        if not isinstance(numbers, dict):
            raise cls.fail(Failure.SHAPE, "WinningNumbers is no object")
        if not any(
            numbers.keys() == {str(n + first) for n in range(WHITES + 1)} for first in (0, 1)
        ):
            raise cls.fail(Failure.NUMBER, f"balls numbered {list(numbers)!r:.60}")
        whites: list[int] = []
        specials: list[int] = []
        for entry in numbers.values():
            balls = specials if cls.item(entry, "IsSpecial", bool) else whites
            balls.append(cls.ball(entry.get("Number")))
        if len(specials) != 1:
            raise cls.fail(Failure.NUMBER, f"{len(specials)} special balls")
        return cls.draw(game, date, whites, specials[0])
