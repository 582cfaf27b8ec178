"""The publishers of results: what each is asked, and how it prints the draws of a game.

None has promised any of it: it is what they are seen to answer.
"""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import suppress
from types import NoneType
from typing import Any

from keeper.domain.calendar import instant
from keeper.domain.consensus import Failure, Pending
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.errors import SourceError
from keeper.sources.base import Balls, Exchange, Publisher, day, document, expect, item, on, text_of

MAX_PAGES = 30  # of California, near four years of Powerball
_PAGE_SIZE = 20
_WHITES = ["N1", "N2", "N3", "N4", "N5"]
_DAY = dt.timedelta(days=1)
# New Jersey refuses whatever does not look like a browser.
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

# What they call the games, where it is not what we do.
_TITLES = {POWERBALL.name: "Powerball", MEGA_MILLIONS.name: "Mega Millions"}
_CALIFORNIAN = {POWERBALL.name: 12, MEGA_MILLIONS.name: 15}
_MASSACHUSETTS = {POWERBALL.name: "powerball", MEGA_MILLIONS.name: "mega_millions"}
_TABLES = {POWERBALL.name: "d6yy-54nr", MEGA_MILLIONS.name: "5xaw-6ayf"}


class NewYork(Publisher):
    """New York Lottery: recent draws, dated by midnight in New York in milliseconds.

    A draw that is pending has no `results`.
    """

    async def ask(self, x: Exchange, game: Game, _date: dt.date) -> None:
        await x.send(f"{self.home}/nyl-api/games/{game.name}/draws")

    def printed(self, _game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        draws = item(item(document(text), "data", dict), "draws", list)
        for draw in on(date, draws, "drawTime", int):
            if draw.get("results") is not None:
                results = item(draw, "results", list)
                if len(results) != 1:
                    raise SourceError(Failure.SHAPE, f"{len(results)} results of one draw")
                yield item(results[0], "primary", list), item(results[0], "secondary", list)


class Texas(Publisher):
    """Texas Lottery: every draw since the game began as CSV, one a row, oldest first.

    There is no header: `Mega Millions,9,25,2026,58,67,25,68,57,16,` is the game, month, day,
    year, five whites, the special ball, and a multiplier, which may be blank.
    """

    async def ask(self, x: Exchange, game: Game, _date: dt.date) -> None:
        folder, file = _TITLES[game.name].replace(" ", "_"), game.name.replace("-", "")
        await x.send(f"{self.home}/export/sites/lottery/Games/{folder}/Winning_Numbers/{file}.csv")

    def printed(self, game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        # Every row is looked at: a body cut in the middle of one must not pass for whole.
        rows = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        for number, row in enumerate(rows, 1):
            fields, start, drawn = row.split(","), "", None
            with suppress(ValueError, ArithmeticError, IndexError):
                drawn = dt.date(int(fields[3]), int(fields[1]), int(fields[2]))
                start = f"{_TITLES[game.name]},{drawn.month},{drawn.day},{drawn.year:04},"
            if len(fields) != 11 or not start or not row.startswith(start):
                what = f"row {number} is no draw of {game.name}: {row[:60]!r}"
                raise SourceError(Failure.FORMAT, what)
            if drawn == date:
                yield fields[4:9], fields[9:10]


class California(Publisher):
    """California Lottery: past draws in pages, newest first, dated by midnight Pacific in UTC.

    Past the last page it answers `null`.
    """

    async def ask(self, x: Exchange, game: Game, date: dt.date) -> Pending | None:
        """Turns pages until the date is found or passed; the last page holds the answer."""
        past = f"{self.home}/api/DrawGameApi/DrawGamePastDrawResults/{_CALIFORNIAN[game.name]}"
        for page in range(1, MAX_PAGES + 1):
            await x.send(f"{past}/{page}/{_PAGE_SIZE}")
            draws = self._draws(game, text_of(x.body))
            if not draws or min(day(item(draw, "DrawDate", str)) for draw in draws) <= date:
                return None
        return Pending(self.name, f"{date} is not among the last {MAX_PAGES * _PAGE_SIZE} draws")

    def _draws(self, game: Game, text: str) -> list[Any]:
        page = document(text)
        if page is None:
            return []
        expect(page, "DrawGameId", _CALIFORNIAN[game.name])
        draws, recent = item(page, "PreviousDraws", list), page.get("MostRecentDraw")
        return draws if recent is None else [*draws, recent]  # which is printed beside them

    def printed(self, game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        # Midnight Pacific written in UTC is hours later on the same date.
        for draw in on(date, self._draws(game, text), "DrawDate", str):
            if draw.get("WinningNumbers"):
                numbers = item(draw, "WinningNumbers", dict)
                if sorted(numbers) not in (list("012345"), list("123456")):
                    raise SourceError(Failure.NUMBER, f"balls numbered {list(numbers)!r:.60}")
                balls: Balls = [], []
                for ball in numbers.values():
                    balls[item(ball, "IsSpecial", bool)].append(ball.get("Number"))
                yield balls


class MegaMillions(Publisher):
    """megamillions.com: the draw of one date, asked for in .NET ticks, as JSON inside JSON.

    Nothing in `d`, or in `Drawing`, is pending.
    """

    async def ask(self, x: Exchange, _game: Game, date: dt.date) -> None:
        home, ticks = self.home, (date - dt.date.min).days * 864_000_000_000  # of 100 ns
        headers = {"Origin": home, "Referer": f"{home}/", "X-Requested-With": "XMLHttpRequest"}
        url = f"{home}/cmspages/utilservice.asmx/GetDrawDataByTickWithMatrix"
        await x.send(url, "POST", json={"PlayDateTicks": str(ticks)}, headers=headers)

    def printed(self, _game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        inner = document((item(document(text), "d", str, NoneType) or "").strip() or "null")
        drawing = None if inner is None else item(inner, "Drawing", dict, NoneType)
        for draw in on(date, [] if drawing is None else [drawing], "PlayDate", str):
            extra = [key for key in draw if re.fullmatch(r"N\d+", key) and key not in _WHITES]
            yield [draw.get(key) for key in _WHITES + extra], [draw.get("MBall")]


class Massachusetts(Publisher):
    """Massachusetts Lottery: the draws of a few days, each with a status of its own.

    It fails on long spans.
    """

    async def ask(self, x: Exchange, game: Game, date: dt.date) -> None:
        span = f"draw_date_min={date - _DAY}&draw_date_max={date + _DAY}"
        await x.send(f"{self.home}/api/v1/draw-results/{_MASSACHUSETTS[game.name]}?{span}")

    def printed(self, game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        draws = item(document(text), "winningNumbers", list)
        special = "powerball" if game.name == POWERBALL.name else "megaball"
        for draw in on(date, draws, "drawDate", str, gameIdentifier=_MASSACHUSETTS[game.name]):
            if item(draw, "status", str) == "COMPLETE":
                yield item(draw, "winningNumbers", list), [item(draw, "extras", dict).get(special)]


class NewJersey(Publisher):
    """New Jersey Lottery: the draws that are closed, dated by midnight in New York in milliseconds.

    One that is closed for bets and not drawn yet has no `results`. A special ball is printed as
    PB-07 or MB-07, a multiplier as M-03, both among the others.
    """

    async def ask(self, x: Exchange, game: Game, date: dt.date) -> None:
        start, end = instant(date - _DAY) * 1000, instant(date + _DAY) * 1000
        which = f"game-names={_TITLES[game.name]}&status=CLOSED&date-from={start}&date-to={end}"
        url = f"{self.home}/api/v1/draw-games/draws/page?{which}&size=20&page=0"
        await x.send(url, headers={"User-Agent": _BROWSER})

    def printed(self, game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        draws = item(document(text), "draws", list)
        special = re.compile("PB-([0-9]{2})" if game.name == POWERBALL.name else "MB-([0-9]{2})")
        for draw in on(date, draws, "drawTime", int, gameName=_TITLES[game.name]):
            if item(draw, "status", str) != "CLOSED" or draw.get("results") is None:
                continue
            results = item(draw, "results", list)
            regular = [each for each in results if item(each, "drawType", str) == "Regular"]
            if len(regular) > 1:
                raise SourceError(Failure.SHAPE, f"{len(regular)} regular results of one draw")
            for result in regular:
                whites, specials = [], []
                for ball in item(result, "primary", list):
                    if found := special.fullmatch(str(ball)):
                        specials.append(found[1].removeprefix("0"))
                    elif not str(ball).startswith("M-"):
                        whites.append(ball)
                yield whites, specials


class NewYorkOpenData(Publisher):
    """NY Open Data, the New York Lottery's results in another place, hours later.

    A date without a row is pending.
    """

    async def ask(self, x: Exchange, game: Game, date: dt.date) -> None:
        await x.send(f"{self.home}/resource/{_TABLES[game.name]}.json?$where=draw_date='{date}'")

    def printed(self, game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        for row in on(date, item({"rows": document(text)}, "rows", list), "draw_date", str):
            numbers = item(row, "winning_numbers", str).split(" ")
            if game.name == POWERBALL.name:  # the sixth is the Powerball
                yield numbers[:5], numbers[5:]
            else:
                yield numbers, [row.get("mega_ball")]


PUBLISHERS = (
    NewYork("ny", "https://nylottery.ny.gov"),
    Texas("texas", "https://www.texaslottery.com"),
    California("california", "https://www.calottery.com"),
    MegaMillions("megamillions", "https://www.megamillions.com", int, games=(MEGA_MILLIONS.name,)),
    Massachusetts("massachusetts", "https://www.masslottery.com", int),
    NewJersey("newjersey", "https://www.njlottery.com"),
    NewYorkOpenData("nyopendata", "https://data.ny.gov", form=re.compile(r"[0-9]{2}")),
)
