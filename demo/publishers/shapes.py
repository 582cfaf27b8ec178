"""What each publisher answers: its own shape around the entries of a list, newest first."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from demo.publishers.faults import Entry, Published
from keeper.domain.calendar import instant
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game

PACIFIC = ZoneInfo("America/Los_Angeles")
TICKS_A_DAY = 864_000_000_000  # .NET: 100 ns, counted from 0001-01-01
TITLES = {POWERBALL: "Powerball", MEGA_MILLIONS: "Mega Millions"}


def ny(game: Game, entries: Sequence[Entry]) -> str:
    """Recent draws; one that is not drawn yet has no results."""

    def drawn(d: Published) -> dict[str, Any]:
        result = {"primary": _texts(sorted(d.whites)), "secondary": [str(d.special)]}
        return {"status": 22, "results": [result]}

    draws = [
        {
            "drawTime": instant(e.draw.date) * 1000,
            "gameName": game.name,
            "drawNumber": _number(e.draw),
            **(drawn(e.draw) if e.shown else {"status": 4}),
        }
        for e in entries
    ]
    return json.dumps({"data": {"draws": draws}})


def texas(game: Game, entries: Sequence[Entry]) -> str:
    """Every draw as a row: game, month, day, year, five whites, special, multiplier."""
    multiplier = {POWERBALL: "2", MEGA_MILLIONS: ""}[game]
    rows = []
    for d in reversed(_shown(entries)):
        date = d.date
        rows.append([TITLES[game], date.month, date.day, date.year, *d.whites, d.special])
    return "".join(",".join(map(str, [*row, multiplier])) + "\r\n" for row in rows)


def california(game: Game, entries: Sequence[Entry], page: int, size: int) -> str:
    """A page of drawn draws; past the last page, `null`."""

    def drawn(d: Published) -> dict[str, Any]:
        start = dt.datetime.combine(d.date, dt.time(), PACIFIC)
        balls = enumerate([*sorted(d.whites), d.special])
        return {
            "DrawNumber": _number(d),
            "DrawDate": start.astimezone(dt.UTC).strftime("%FT%T"),
            "WinningNumbers": {
                str(i): {"Number": str(n), "IsSpecial": i == len(d.whites)} for i, n in balls
            },
        }

    draws = [drawn(d) for d in _shown(entries)]
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


def megamillions(entries: Sequence[Entry]) -> str:
    """The draw of a date, as the JSON inside; empty when there is none.

    An object has one drawing: a date that is there twice comes as the same key twice.
    """
    drawings = []
    for d in _shown(entries):
        whites = {f"N{i}": n for i, n in enumerate(sorted(d.whites), 1)}
        drawing: dict[str, Any] = {"PlayDate": f"{d.date}T00:00:00", **whites}
        drawing |= {"MBall": d.special, "Megaplier": -1}
        drawings.append(f'"Drawing":{json.dumps(drawing)}')
    return "{" + ",".join(drawings) + "}" if drawings else ""


def massachusetts(game: Game, entries: Sequence[Entry]) -> str:
    """The draws of a span, each with a status; one that is not drawn yet has no numbers."""
    key = {POWERBALL: "powerball", MEGA_MILLIONS: "mega_millions"}[game]
    special, multiplier = {
        POWERBALL: ("powerball", {"powerplay": 2}),
        MEGA_MILLIONS: ("megaball", dict[str, int]()),
    }[game]
    draws = [
        {
            "gameIdentifier": key,
            "drawDate": str(e.draw.date),
            "drawNumber": _number(e.draw),
            "drawSequence": 1,
            "winningNumbers": list(e.draw.whites) if e.shown else [],
            "winners": 0,
            "location": "None",
            "extras": {special: e.draw.special, **multiplier} if e.shown else {},
            "jackpot": 356_000_000,
            "status": "COMPLETE" if e.shown else "PENDING",
        }
        for e in reversed(entries)
    ]
    return json.dumps({"winningNumbers": draws})


def newjersey(game: Game, entries: Sequence[Entry]) -> str:
    """Closed draws with their Double Play; one that is not drawn yet has no results."""
    prefix = {POWERBALL: "PB", MEGA_MILLIONS: "MB"}[game]

    def drawn(d: Published) -> dict[str, Any]:
        regular = [*_texts(d.whites), f"{prefix}-{d.special:02}", "M-03"]
        double = ["1", "2", "3", "4", "5", f"{prefix}-06"]
        played = {"Double Play": double, "Regular": regular}
        return {"results": [{"drawType": k, "primary": v} for k, v in played.items()]}

    draws = [
        {
            "gameName": TITLES[game],
            "drawTime": instant(e.draw.date) * 1000,
            "status": "CLOSED",
            **(drawn(e.draw) if e.shown else {}),
        }
        for e in entries
    ]
    return json.dumps({"draws": draws})


def nyopendata(game: Game, entries: Sequence[Entry]) -> str:
    """Rows, every number with two digits; Powerball's is the sixth."""
    rows = []
    for d in _shown(entries):
        numbers = [f"{n:02}" for n in [*sorted(d.whites), d.special]]
        row = {"draw_date": f"{d.date}T00:00:00.000"}
        if game == POWERBALL:
            row |= {"winning_numbers": " ".join(numbers), "multiplier": "4"}
        else:
            row |= {"winning_numbers": " ".join(numbers[:-1]), "mega_ball": numbers[-1]}
            row |= {"multiplier": "-1"}
        rows.append(row)
    return json.dumps(rows)


def _shown(entries: Sequence[Entry]) -> list[Published]:
    return [e.draw for e in entries if e.shown]


def _texts(numbers: Sequence[int]) -> list[str]:
    return [str(n) for n in numbers]


def _number(draw: Published) -> int:
    """Consecutive is all that a draw's number has to be."""
    return draw.date.toordinal() - 738_000
