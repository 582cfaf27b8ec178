"""Four publishers of lottery results on 127.0.0.1, answering in their real shapes.

Each publisher is a small HTTP server. It knows a list of draws and shows each from the moment
it was drawn, by a clock that the caller gives, so that publishers can follow a chain's time.
Each can be told to misbehave: to print a wrong ball, to be down, slow or garbled.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from aiohttp import web

from keeper.domain.calendar import NEW_YORK, draw_time
from keeper.domain.draw import GAMES, MEGA_MILLIONS, POWERBALL, Game

PACIFIC = ZoneInfo("America/Los_Angeles")
TICKS_A_DAY = 864_000_000_000  # .NET: 100 ns, counted from 0001-01-01
OVERSIZE = (1 << 20) + 1


@dataclass(frozen=True, slots=True)
class Published:
    """One draw, as a publisher prints it: the whites in the order drawn."""

    game: Game
    date: dt.date
    whites: tuple[int, ...]
    special: int


# What was really drawn on some evenings; 2026-09-25 in the order drawn.
REAL_DRAWS = (
    Published(POWERBALL, dt.date(2026, 7, 25), (3, 4, 24, 36, 47), 17),
    Published(POWERBALL, dt.date(2026, 8, 19), (10, 21, 58, 61, 64), 17),
    Published(MEGA_MILLIONS, dt.date(2022, 5, 10), (15, 19, 20, 61, 70), 9),
    Published(MEGA_MILLIONS, dt.date(2026, 8, 11), (1, 20, 30, 46, 68), 17),
    Published(MEGA_MILLIONS, dt.date(2026, 8, 14), (3, 23, 27, 46, 60), 11),
    Published(MEGA_MILLIONS, dt.date(2026, 8, 18), (5, 19, 30, 38, 59), 12),
    Published(MEGA_MILLIONS, dt.date(2026, 9, 25), (58, 67, 25, 68, 57), 16),
)


class FaultKind(StrEnum):
    """How a publisher misbehaves."""

    NONE = "none"
    LIE = "lie"  # prints another special ball, or other whites
    LATE = "late"  # prints results `seconds` later than the others
    DOWN = "down"  # closes the connection without an answer
    SLOW = "slow"  # answers after `seconds`
    DRIP = "drip"  # sends a byte every `seconds`
    STATUS = "status"  # HTTP `status`
    HTML = "html"  # a friendly page with status 200
    TRUNCATED = "truncated"  # promises the whole body, sends half of it
    HALF = "half"  # sends half of the body and calls it whole
    OVERSIZE = "oversize"  # more than 1 MiB
    REDIRECT = "redirect"  # to `location`
    BAD_UTF8 = "bad-utf8"


@dataclass(frozen=True, slots=True)
class Fault:
    """One publisher's misbehaviour for one game; only what its kind names is used."""

    kind: FaultKind
    special: int | None = None
    whites: tuple[int, ...] | None = None
    date: dt.date | None = None  # of a lie: only about this draw
    seconds: float = 0
    status: int = 500
    location: str = ""


NO_FAULT = Fault(FaultKind.NONE)


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
        try:
            for name, routes in self._routes().items():
                await self._start(name, routes)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))

    # ---- what each publisher answers

    def ny(self, game: Game) -> str:
        """Recent draws, newest first; one that is not drawn yet has no results."""
        draws = [
            {
                "drawTime": int(dt.datetime.combine(d.date, dt.time(), NEW_YORK).timestamp())
                * 1000,
                "gameName": game.name,
                "drawNumber": d.date.toordinal() - 738_000,
                **(
                    {
                        "status": 22,
                        "results": [
                            {
                                "primary": [str(n) for n in sorted(d.whites)],
                                "secondary": [str(d.special)],
                            }
                        ],
                    }
                    if shown
                    else {"status": 4}
                ),
            }
            for d, shown in self._newest_first("ny", game)
        ]
        return json.dumps({"data": {"draws": draws}})

    def texas(self, game: Game) -> str:
        """Every draw as a row: game, month, day, year, five whites, special, multiplier."""
        title = {POWERBALL: "Powerball", MEGA_MILLIONS: "Mega Millions"}[game]
        multiplier = {POWERBALL: "2", MEGA_MILLIONS: ""}[game]
        rows = [
            [title, d.date.month, d.date.day, d.date.year, *d.whites, d.special, multiplier]
            for d, shown in reversed(self._newest_first("texas", game))
            if shown
        ]
        return "".join(",".join(map(str, row)) + "\r\n" for row in rows)

    def california(self, game: Game, page: int, size: int) -> str:
        """A page of drawn draws, newest first; past the last page, `null`."""
        draws = [
            {
                "DrawNumber": d.date.toordinal() - 738_000,
                "DrawDate": _midnight(d.date, PACIFIC).astimezone(dt.UTC).strftime("%FT%T"),
                "WinningNumbers": {
                    str(i): {"Number": str(n), "IsSpecial": i == 5}
                    for i, n in enumerate([*sorted(d.whites), d.special])
                },
            }
            for d, shown in self._newest_first("california", game)
            if shown
        ]
        previous = draws[(page - 1) * size : page * size]
        if not previous:
            return "null"
        return json.dumps(
            {
                "DrawGameId": {POWERBALL: 12, MEGA_MILLIONS: 15}[game],
                "Name": {POWERBALL: "Powerball", MEGA_MILLIONS: "MEGA Millions"}[game],
                "MostRecentDraw": draws[0],
                "PreviousDraws": previous,
            }
        )

    def megamillions(self, ticks: str) -> str:
        """The draw of the date that the ticks name, as JSON inside; empty when there is none."""
        for d, shown in self._newest_first("megamillions", MEGA_MILLIONS):
            if shown and (d.date - dt.date.min).days * TICKS_A_DAY == int(ticks):
                whites = {f"N{i}": n for i, n in enumerate(sorted(d.whites), 1)}
                drawing: dict[str, Any] = {"PlayDate": f"{d.date}T00:00:00", **whites}
                drawing |= {"MBall": d.special, "Megaplier": -1}
                return json.dumps({"Drawing": drawing})
        return ""

    def _newest_first(self, name: str, game: Game) -> list[tuple[Published, bool]]:
        """The game's draws with this publisher's lies, and whether it shows each by now."""
        fault = self.faults.get((name, game.name), NO_FAULT)
        late = fault.seconds if fault.kind is FaultKind.LATE else 0
        draws = sorted((d for d in self.draws if d.game == game), key=lambda d: d.date)
        return [
            (
                printed(d, fault),
                self._now is None or self._now() >= draw_time(game, d.date) + self._after + late,
            )
            for d in reversed(draws)
        ]

    # ---- serving it

    def _routes(self) -> dict[str, list[web.RouteDef]]:
        async def ny(request: web.Request) -> web.StreamResponse:
            game = _game(request.match_info["game"])
            return await self._answer(request, "ny", game, self.ny(game))

        async def texas(request: web.Request) -> web.StreamResponse:
            file = request.match_info["file"]
            game = _game(
                {"powerball.csv": POWERBALL.name, "megamillions.csv": MEGA_MILLIONS.name}.get(file)
            )
            return await self._answer(request, "texas", game, self.texas(game), "text/csv")

        async def california(request: web.Request) -> web.StreamResponse:
            game = _game(
                {"12": POWERBALL.name, "15": MEGA_MILLIONS.name}.get(request.match_info["id"])
            )
            page, size = int(request.match_info["page"]), int(request.match_info["size"])
            body = self.california(game, page, size)
            return await self._answer(request, "california", game, body)

        async def megamillions_post(request: web.Request) -> web.StreamResponse:
            body = json.dumps({"d": self.megamillions((await request.json())["PlayDateTicks"])})
            return await self._answer(request, "megamillions", MEGA_MILLIONS, body)

        async def megamillions_get(request: web.Request) -> web.StreamResponse:
            inner = self.megamillions(parse_qs(request.query_string)["PlayDateTicks"][0])
            body = f'<?xml version="1.0" encoding="utf-8"?>\n<string xmlns="http://tempuri.org/">{inner}</string>'
            return await self._answer(request, "megamillions", MEGA_MILLIONS, body, "text/xml")

        by_date = "/cmspages/utilservice.asmx/GetDrawDataByTickWithMatrix"
        past = "/api/DrawGameApi/DrawGamePastDrawResults/{id:12|15}/{page:\\d+}/{size:\\d+}"
        csv = "/export/sites/lottery/Games/{folder}/Winning_Numbers/{file}"
        return {
            "ny": [web.get("/nyl-api/games/{game}/draws", ny)],
            "texas": [web.get(csv, texas)],
            "california": [web.get(past, california)],
            "megamillions": [
                web.post(by_date, megamillions_post),
                web.get(by_date, megamillions_get),
            ],
        }

    async def _start(self, name: str, routes: list[web.RouteDef]) -> None:
        app = web.Application()
        app.add_routes(routes)
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
                return web.Response(text="<!DOCTYPE html><p>Sorry!</p>", content_type="text/html")
            case FaultKind.REDIRECT:
                return web.Response(status=302, headers={"Location": fault.location})
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


def printed(draw: Published, fault: Fault) -> Published:
    """What a publisher with this fault prints of a draw: another one, if it lies about it."""
    if fault.kind is not FaultKind.LIE or fault.date not in (None, draw.date):
        return draw
    special = draw.special if fault.special is None else fault.special
    return Published(draw.game, draw.date, fault.whites or draw.whites, special)


def _midnight(date: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), zone)


def _game(name: str | None) -> Game:
    if name is None or name not in GAMES:
        raise web.HTTPNotFound
    return GAMES[name]


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
