"""California Lottery: past draws in pages, newest first, dated by midnight Pacific in UTC.

`GET /api/DrawGameApi/DrawGamePastDrawResults/<id>/<page>/<size>`; `null` past the end.
"""

import datetime as dt
from typing import Any

from keeper.domain.consensus import Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.errors import SourceError
from keeper.sources.base import Balls, Dated, Exchange, Publisher, day, document, item, text_of

PAGE_SIZE = 20
MAX_PAGES = 30  # near four years of Powerball
_IDS = {POWERBALL.name: 12, MEGA_MILLIONS.name: 15}


async def _ask(x: Exchange, game: Game, date: dt.date) -> Pending | None:
    """Turns pages until the date is found or passed; the last page holds the answer."""
    past = f"/api/DrawGameApi/DrawGamePastDrawResults/{_IDS[game.name]}"
    for page in range(1, MAX_PAGES + 1):
        await x.send("GET", f"{past}/{page}/{PAGE_SIZE}")
        days = [day for day, _ in _entries(game, text_of(x.body))]
        if not days or min(days) <= date:
            return None
    return Pending(PUBLISHER.name, f"{date} is not among the last {MAX_PAGES * PAGE_SIZE} draws")


def _entries(game: Game, text: str) -> list[Dated]:
    page = document(text)
    if page is None:
        return []
    if item(page, "DrawGameId", int) != _IDS[game.name]:
        raise SourceError(Failure.SHAPE, f"of another game: {page['DrawGameId']!r:.40}")
    entries = item(page, "PreviousDraws", list)
    if page.get("MostRecentDraw") is not None:  # printed beside them
        entries.append(page["MostRecentDraw"])
    # Midnight Pacific written in UTC is hours later on the same date.
    return [(day(item(entry, "DrawDate", str)), entry) for entry in entries]


def _balls(entry: Any) -> Balls | None:
    if not entry.get("WinningNumbers"):
        return None
    numbers = item(entry, "WinningNumbers", dict)
    if sorted(numbers) not in (list("012345"), list("123456")):
        raise SourceError(Failure.NUMBER, f"balls numbered {list(numbers)!r:.60}")
    balls: Balls = [], []
    for ball in numbers.values():
        balls[item(ball, "IsSpecial", bool)].append(ball.get("Number"))
    return balls


PUBLISHER = Publisher("california", "https://www.calottery.com", _ask, _entries, _balls)
