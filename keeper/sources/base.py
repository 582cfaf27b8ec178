"""What every publisher's adapter shares: a bounded fetch, and strict reading of what came.

A publisher's bytes are hostile. They are fetched within one deadline and one size, and read
into a draw, into "nothing yet", or into a typed error naming the publisher: never a guess.
"""

import asyncio
import datetime as dt
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from keeper.domain.calendar import NEW_YORK, instant
from keeper.domain.consensus import Answer, Drawn, Failed, Failure, Pending
from keeper.domain.draw import GAMES, Game, InvalidDraw, make_draw
from keeper.errors import SourceError
from keeper.ports import Fetched

MAX_BODY = 1 << 20  # bytes
MAX_REDIRECTS = 3
MAX_NODES = 5_000  # objects and arrays in one JSON text; an honest answer has some hundreds
DEADLINE = 15.0  # seconds for all that one answer takes
_HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; LottoChain keeper)",
    "Accept": "application/json, text/csv, text/plain, */*",
    # Compressed, a small body could unfold to any size before it can be measured.
    "Accept-Encoding": "identity",
}
_trusted = cache(httpx.create_ssl_context)  # the usual authorities take a while to load
_BALL = re.compile(r"[1-9][0-9]?")  # no leading zero


def open_client() -> httpx.AsyncClient:
    """The one client that all sources share; whoever opens it closes it."""
    return httpx.AsyncClient(verify=_trusted(), headers=_HEADERS, timeout=DEADLINE)


@dataclass(slots=True)
class Exchange:
    """The last request of a fetch and what came back so far, also when it breaks off."""

    client: httpx.AsyncClient
    url: str = ""
    status: int | None = None
    body: bytearray = field(default_factory=bytearray)

    async def send(self, url: str, method: str = "GET", **kwargs: Any) -> None:
        """Sends a request: what comes is kept if within the limits.

        Raises SourceError for anything but status 200, and httpx's errors.
        """
        request = self.client.build_request(method, url, **kwargs)
        for _ in range(1 + MAX_REDIRECTS):
            self.url, self.status, self.body = str(request.url), None, bytearray()
            async with aclosing(await self.client.send(request, stream=True)) as response:
                self.status = response.status_code
                async for chunk in response.aiter_raw():
                    self.body += chunk
                    if len(self.body) > MAX_BODY:
                        del self.body[MAX_BODY:]
                        raise SourceError(Failure.OVERSIZE, f"more than {MAX_BODY} bytes")
            if (onward := response.next_request) is None:
                break
            here, there = request.url, onward.url
            if method != "GET" or (here.scheme, here.netloc) != (there.scheme, there.netloc):
                raise SourceError(Failure.REDIRECT, f"of a {method} to {there.host!r}")
            request = onward
        else:
            raise SourceError(Failure.REDIRECT, f"more than {MAX_REDIRECTS} times")
        if self.status != httpx.codes.OK:
            raise SourceError(Failure.STATUS, f"HTTP {self.status}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise SourceError(Failure.ENCODING, "compressed, which was not asked for")


Balls = tuple[list[Any], list[Any]]
"""The whites and the special balls of one result, as printed."""


@dataclass(frozen=True)
class Publisher(ABC):
    """What is particular to one publisher of results. Its methods raise SourceError.

    Attributes:
        name: the source's name in the configuration, the logs and the evidence.
        home: its base URL; the configuration can replace its own.
        prints: the JSON type in which it gives a ball.
        form: how it writes a ball.
        games: the names of those that it publishes.
        client: with which it is asked; nothing that is kept needs it to be read.
        deadline: seconds for all that one answer takes.
    """

    name: str
    home: str
    prints: type = str
    form: re.Pattern[str] = _BALL
    games: Collection[str] = tuple(GAMES)
    client: httpx.AsyncClient | None = None
    deadline: float = DEADLINE
    clock: Callable[[], float] = time.time

    @abstractmethod
    async def ask(self, x: Exchange, game: Game, date: dt.date) -> Answer | None:
        """Sends what there is to ask; what came last is then read, unless this answers itself."""

    @abstractmethod
    def printed(self, game: Game, date: dt.date, text: str) -> Iterator[Balls]:
        """Every result of that date in an answer; none while it is pending."""

    async def fetch(self, game: Game, date: dt.date) -> Fetched:
        """Asks for the draw of `date`. Whatever the publisher does becomes an Answer.

        Raises ValueError for a game that it does not publish, and without a client.
        """
        name = self.name
        if self.client is None or game.name not in self.games:
            raise ValueError(f"{name} publishes no {game.name}, or cannot be asked")
        at, x = int(self.clock()), Exchange(self.client)
        try:
            async with asyncio.timeout(self.deadline):  # httpx counts from chunk to chunk
                known = await self.ask(x, game, date)
            answer = known or self.read(game, date, bytes(x.body))
        except SourceError as e:
            answer = Failed(name, e.kind, e.why)
        except (TimeoutError, httpx.TimeoutException):
            answer = Failed(name, Failure.TIMEOUT, f"no whole answer within {self.deadline:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as e:
            kind = Failure.UNREACHABLE if x.status is None else Failure.TRUNCATED
            answer = Failed(name, kind, f"{type(e).__name__}: {e}"[:200])
        return Fetched(name, x.url, x.status, at, bytes(x.body), answer)

    def read(self, game: Game, date: dt.date, body: bytes) -> Answer:
        """What a body, answered with status 200, says of the draw of `date`.

        All its entries of that date must say the same; of the others only the date is read.
        """
        try:
            printed = list(self.printed(game, date, text_of(body)))
            draws = {make_draw(game, date, *self._numbers(*balls)) for balls in printed}
        except SourceError as e:
            return Failed(self.name, e.kind, e.why)
        except InvalidDraw as e:
            return Failed(self.name, Failure.NUMBER, str(e))
        if len(draws) > 1:
            return Failed(self.name, Failure.CONFLICT, " against ".join(sorted(map(str, draws))))
        if not draws:
            return Pending(self.name, f"no result for {date} yet")
        return Drawn(self.name, draws.pop())

    def _numbers(self, whites: list[Any], specials: list[Any]) -> tuple[list[int], int]:
        for ball in whites + specials:
            if type(ball) is not self.prints or not self.form.fullmatch(str(ball)):
                raise SourceError(Failure.NUMBER, f"not a ball number: {ball!r:.40}")
        if len(specials) != 1:
            raise SourceError(Failure.NUMBER, f"{len(specials)} special balls")
        return [int(ball) for ball in whites], int(specials[0])


# ---- strict reading


def text_of(body: bytes | bytearray) -> str:
    """A body as text. Raises SourceError, as do all of these."""
    try:
        return body.decode()
    except UnicodeDecodeError as e:
        raise SourceError(Failure.ENCODING, f"not UTF-8 at byte {e.start}") from None


def document(text: str) -> Any:
    """A JSON document without repeated keys, which parsers settle each in its own way."""
    # Some libraries raise Python's recursion limit beyond what its C stack holds.
    if text.count("{") + text.count("[") > MAX_NODES:
        raise SourceError(Failure.FORMAT, f"more than {MAX_NODES} objects and arrays")
    try:
        return json.loads(text, object_pairs_hook=_unrepeated, parse_constant=int)
    except (ValueError, RecursionError) as e:
        what = "HTML" if text.lstrip().startswith("<") else str(e)[:100]
        raise SourceError(Failure.FORMAT, f"not JSON: {what}") from None


def item(value: Any, key: str, *kinds: type) -> Any:
    """`value[key]`, of exactly one of these types."""
    if not isinstance(value, dict) or type(value.get(key, ...)) not in kinds:
        raise SourceError(Failure.SHAPE, f"no {key} of type {kinds[0].__name__}")
    return value[key]


def expect(value: Any, key: str, wanted: str | int) -> None:
    """Refuses any other `value[key]`."""
    if (found := item(value, key, type(wanted))) != wanted:
        raise SourceError(Failure.SHAPE, f"{key} is {found!r:.40}, not {wanted!r}")


def on(date: dt.date, draws: list[Any], key: str, kind: type, **told: str) -> list[Any]:
    """The draws of that date, which each tells under `key`, as all must tell the rest."""
    for draw in draws:
        for name, wanted in told.items():
            expect(draw, name, wanted)
    return [draw for draw in draws if day(item(draw, key, kind)) == date]


def day(at: str | int) -> dt.date:
    """A date from the first ten characters of an ISO 8601 text, or from milliseconds.

    These must be midnight in New York, else it is not known which day is meant.
    """
    with suppress(ValueError, ArithmeticError, OSError):
        if isinstance(at, int):
            date = dt.datetime.fromtimestamp(at / 1000, NEW_YORK).date()
            known = instant(date) * 1000 == at
        else:
            date = dt.date.fromisoformat(at[:10])
            known = str(date) == at[:10] and at[10:11] in ("", "T")
        if known:
            return date
    raise SourceError(Failure.SHAPE, f"not a date: {at!r:.40}")


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return value
