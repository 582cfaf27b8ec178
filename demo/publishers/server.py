"""The publishers as HTTP servers, with what each wants of a request, and their faults."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Self
from urllib.parse import parse_qs

from aiohttp import web

from demo.publishers import shapes
from demo.publishers.faults import NO_FAULT, Entry, Fault, FaultKind, Published, listed
from keeper.domain.calendar import NEW_YORK, draw_time
from keeper.domain.draw import GAMES, MEGA_MILLIONS, POWERBALL, Game

OVERSIZE = 2 << 20
LONGEST_SPAN = 60  # days for which Massachusetts can be asked
_BROWSER = re.compile(r"Mozilla/5\.0 \([^)]*\) (AppleWebKit|Gecko)/.*")
_WHERE = re.compile(r"draw_date='(\d{4}-\d{2}-\d{2})'")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Publishers:
    """All publishers together: `async with Publishers(draws) as p:` and `p.urls["texas"]`.

    Attributes:
        draws: what was, or will be, drawn; may be added to at any time.
        faults: by (publisher, game name); may be changed at any time.
        gate: while it is cleared, whole answers are held back.
        requests: (publisher, path) of every request, for tests.
        urls: the base URL of each publisher, once started.
    """

    def __init__(
        self,
        draws: Iterable[Published],
        now: Callable[[], float] | None = None,
        after: int = 0,
    ) -> None:
        """Draws are shown `after` seconds past their scheduled time by `now`; at once without."""
        self.draws = list(draws)
        self.faults: dict[tuple[str, str], Fault] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests: list[tuple[str, str]] = []
        self.urls: dict[str, str] = {}
        self._now, self._after = now, after
        self._runners: list[web.AppRunner] = []

    async def __aenter__(self) -> Self:
        past = "/api/DrawGameApi/DrawGamePastDrawResults/{game:12|15}/{page:\\d+}/{size:\\d+}"
        by_date = "/cmspages/utilservice.asmx/GetDrawDataByTickWithMatrix"
        routes: list[tuple[str, str, _Handler]] = [
            ("ny", "/nyl-api/games/{game}/draws", self._ny),
            ("texas", "/export/sites/lottery/Games/{f}/Winning_Numbers/{game}.csv", self._texas),
            ("california", past, self._california),
            ("megamillions", by_date, self._megamillions),
            ("massachusetts", "/api/v1/draw-results/{game}", self._massachusetts),
            ("newjersey", "/api/v1/draw-games/draws/page", self._newjersey),
            ("nyopendata", "/resource/{game}.json", self._nyopendata),
        ]
        try:
            for name, path, handler in routes:
                await self._start(name, path, handler)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))

    # ---- what each is asked

    async def _ny(self, request: web.Request) -> web.StreamResponse:
        game = _one_of(GAMES, request.match_info["game"])
        return await self._answer(request, "ny", game, shapes.ny(game, self._list("ny", game)))

    async def _texas(self, request: web.Request) -> web.StreamResponse:
        games = {"powerball": POWERBALL, "megamillions": MEGA_MILLIONS}
        game = _one_of(games, request.match_info["game"])
        text = shapes.texas(game, self._list("texas", game))
        return await self._answer(request, "texas", game, text, "text/csv")

    async def _california(self, request: web.Request) -> web.StreamResponse:
        asked = request.match_info
        game = _one_of({"12": POWERBALL, "15": MEGA_MILLIONS}, asked["game"])
        entries, page, size = self._list("california", game), int(asked["page"]), int(asked["size"])
        text = shapes.california(game, entries, page, size)
        return await self._answer(request, "california", game, text)

    async def _megamillions(self, request: web.Request) -> web.StreamResponse:
        """A POST is answered with JSON, a GET with XML."""
        name, game, post = "megamillions", MEGA_MILLIONS, request.method == "POST"
        asked = await request.json() if post else request.query
        date = dt.date.min + dt.timedelta(int(asked["PlayDateTicks"]) // shapes.TICKS_A_DAY)
        inner = shapes.megamillions(self._within(name, game, date, date))
        if post:
            return await self._answer(request, name, game, json.dumps({"d": inner}))
        head = '<?xml version="1.0" encoding="utf-8"?>\n<string xmlns="http://tempuri.org/">'
        return await self._answer(request, name, game, f"{head}{inner}</string>", "text/xml")

    async def _massachusetts(self, request: web.Request) -> web.StreamResponse:
        games = {"powerball": POWERBALL, "mega_millions": MEGA_MILLIONS}
        name, game = "massachusetts", _one_of(games, request.match_info["game"])
        span = (request.query[f"draw_date_{end}"] for end in ("min", "max"))
        first, last = map(dt.date.fromisoformat, span)
        if (last - first).days > LONGEST_SPAN:
            return web.Response(status=500, text="Internal Server Error")
        text = shapes.massachusetts(game, self._within(name, game, first, last))
        return await self._answer(request, name, game, text)

    async def _newjersey(self, request: web.Request) -> web.StreamResponse:
        if not _BROWSER.fullmatch(request.headers.get("User-Agent", "")):
            return web.Response(status=403, text="Forbidden")
        query, games = request.query, {title: game for game, title in shapes.TITLES.items()}
        name, game = "newjersey", _one_of(games, query["game-names"])
        span = (int(query[f"date-{end}"]) / 1000 for end in ("from", "to"))
        first, last = (dt.datetime.fromtimestamp(at, NEW_YORK).date() for at in span)
        text = shapes.newjersey(game, self._within(name, game, first, last))
        return await self._answer(request, name, game, text)

    async def _nyopendata(self, request: web.Request) -> web.StreamResponse:
        games = {"d6yy-54nr": POWERBALL, "5xaw-6ayf": MEGA_MILLIONS}
        name, game = "nyopendata", _one_of(games, request.match_info["game"])
        where = _WHERE.fullmatch(parse_qs(request.query_string)["$where"][0])
        if where is None:
            return web.json_response({"message": "Query coordinator error"}, status=400)
        date = dt.date.fromisoformat(where[1])
        text = shapes.nyopendata(game, self._within(name, game, date, date))
        return await self._answer(request, name, game, text)

    def _list(self, name: str, game: Game) -> list[Entry]:
        """The game's draws as this publisher has them, newest first."""
        fault = self.faults.get((name, game.name), NO_FAULT)
        late = fault.seconds if fault.kind is FaultKind.LATE else 0
        draws = sorted((d for d in self.draws if d.game == game), key=lambda d: d.date)
        if self._now is None:
            return listed(draws, [True] * len(draws), fault, 0)
        now, wait = self._now(), self._after + late
        return listed(draws, [now >= draw_time(game, d.date) + wait for d in draws], fault, now)

    def _within(self, name: str, game: Game, first: dt.date, last: dt.date) -> list[Entry]:
        """Those of some days; of days that have no result, the one before if that is its fault."""
        entries = self._list(name, game)
        found = [entry for entry in entries if first <= entry.draw.date <= last]
        fault = self.faults.get((name, game.name), NO_FAULT)
        if fault.kind is FaultKind.PREVIOUS and not any(entry.shown for entry in found):
            return [entry for entry in entries if entry.shown and entry.draw.date < last][:1]
        return found

    # ---- serving it

    async def _start(self, name: str, path: str, handler: _Handler) -> None:
        app = web.Application()
        app.router.add_get(path, handler)
        if name == "megamillions":
            app.router.add_post(path, handler)
        # A client that hangs up ends a slow answer; what is left is not waited for at the end.
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.urls[name] = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _answer(
        self,
        request: web.Request,
        name: str,
        game: Game,
        text: str,
        content: str = "application/json",
    ) -> web.StreamResponse:
        """The text as this publisher sends it, faults included."""
        self.requests.append((name, request.path))
        body = text.encode()
        fault = self.faults.get((name, game.name), NO_FAULT)
        match fault.kind:
            case FaultKind.DOWN:
                _hang_up(request)
            case FaultKind.SLOW:
                await asyncio.sleep(fault.seconds)
            case FaultKind.STATUS:
                return web.Response(status=fault.status, text="come back later")
            case FaultKind.HTML:
                return web.Response(text=fault.text, content_type="text/html")
            case FaultKind.REDIRECT:
                return web.Response(status=302, headers={"Location": fault.location})
            case FaultKind.NULL:
                body = b"null"
            case FaultKind.HALF:
                body = body[: len(body) // 2]
            case FaultKind.OVERSIZE:
                body += b" " * OVERSIZE
            case FaultKind.BAD_UTF8:
                body = b"\xff\xfe" + body
            case FaultKind.TRUNCATED | FaultKind.DRIP:
                return await self._piecemeal(request, fault, body)
        await self.gate.wait()
        return web.Response(body=body, content_type=content)

    async def _piecemeal(
        self, request: web.Request, fault: Fault, body: bytes
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        if fault.kind is FaultKind.DRIP:
            with suppress(ConnectionResetError):  # the client's patience ends first
                for i in range(len(body)):
                    await response.write(body[i : i + 1])
                    await asyncio.sleep(fault.seconds)
        else:
            await response.write(body[: len(body) // 2])
            _hang_up(request)
        return response


def _one_of(games: Mapping[str, Game], name: str) -> Game:
    if name not in games:
        raise web.HTTPNotFound
    return games[name]


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
