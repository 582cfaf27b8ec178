"""What every publisher's adapter shares: a bounded fetch, and strict reading of what came.

A publisher's bytes are hostile. They are fetched within one deadline and one size, and read
into a draw, into "nothing yet", or into a typed error naming the publisher: never a guess.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import httpx

from keeper.domain.consensus import Answer, Drawn, Failed, Failure, Pending
from keeper.domain.draw import Draw, Game, InvalidDraw, make_draw
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
_BALL = re.compile(r"[1-9][0-9]?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def open_client() -> httpx.AsyncClient:
    """The one client that all sources share; whoever opens it closes it."""
    return httpx.AsyncClient(
        verify=_trusted(),
        headers=_HEADERS,
        timeout=httpx.Timeout(DEADLINE),
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=8),
        follow_redirects=False,
    )


@dataclass(slots=True)
class Exchange:
    """The last request of a fetch and what came back so far, also when it breaks off."""

    url: str = ""
    status: int | None = None
    body: bytearray = field(default_factory=bytearray)


@cache
def _trusted() -> ssl.SSLContext:
    """The usual certificate authorities, which take a while to load."""
    return httpx.create_ssl_context()


class Publisher(ABC):
    """One publisher of results; a subclass says what to ask and how to read the answer.

    Attributes:
        name: the source's name in the configuration, the logs and the evidence.
        home: its own base URL, which the configuration can replace.
    """

    name: ClassVar[str]
    home: ClassVar[str]

    def __init__(
        self,
        client: httpx.AsyncClient,
        base_url: str | None = None,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self.base = (base_url or self.home).rstrip("/")
        self._deadline = deadline
        self._clock = clock

    async def fetch(self, game: Game, date: dt.date) -> Fetched:
        """Asks for the draw of `date`. Whatever the publisher does becomes an Answer."""
        at, x = int(self._clock()), Exchange()
        answer: Answer
        try:
            async with asyncio.timeout(self._deadline):  # httpx counts from chunk to chunk
                answer = await self.ask(game, date, x)
        except SourceError as e:
            answer = Failed(self.name, e.kind, e.why)
        except (TimeoutError, httpx.TimeoutException):
            why = f"no whole answer within {self._deadline:g} s"
            answer = Failed(self.name, Failure.TIMEOUT, why)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as e:
            kind = Failure.UNREACHABLE if x.status is None else Failure.TRUNCATED
            answer = Failed(self.name, kind, f"{type(e).__name__}: {e}"[:200])
        return Fetched(self.name, x.url, x.status, at, bytes(x.body), answer)

    @classmethod
    def read(cls, game: Game, date: dt.date, body: bytes) -> Answer:
        """What a body, answered with status 200, says of the draw of `date`."""
        try:
            draw = cls.parse(game, date, body)
        except SourceError as e:
            return Failed(cls.name, e.kind, e.why)
        return Drawn(cls.name, draw) if draw else Pending(cls.name, f"no result for {date} yet")

    # ---- what an adapter says

    @abstractmethod
    async def ask(self, game: Game, date: dt.date, x: Exchange) -> Answer:
        """Sends what there is to ask, reads what comes. Raises SourceError, httpx's errors."""

    @classmethod
    @abstractmethod
    def parse(cls, game: Game, date: dt.date, body: bytes) -> Draw | None:
        """The draw of `date` in a body, or None when there is none. Raises SourceError."""

    # ---- the exchange

    async def get(self, path: str, game: Game, date: dt.date, x: Exchange) -> Answer:
        """Asks with a plain GET and reads the answer."""
        await self.exchange(self.build("GET", path), x)
        return self.read(game, date, bytes(x.body))

    def build(self, method: str, path: str, **kwargs: Any) -> httpx.Request:
        """A request below the base URL."""
        return self._client.build_request(method, self.base + path, **kwargs)

    async def exchange(self, request: httpx.Request, x: Exchange) -> None:
        """Sends a request and keeps what comes back in `x`: status 200, within the limits."""
        for _ in range(1 + MAX_REDIRECTS):
            x.url, x.status, x.body = str(request.url), None, bytearray()
            response = await self._client.send(request, stream=True)
            try:
                x.status = response.status_code
                await self._fill(response, x.body)
            finally:
                await response.aclose()
            if (onward := response.next_request) is None:
                break
            if _origin(onward.url) != _origin(request.url):
                raise self.fail(Failure.REDIRECT, f"to another host, {onward.url.host!r}")
            request = onward
        else:
            raise self.fail(Failure.REDIRECT, f"more than {MAX_REDIRECTS} times")
        if response.status_code != 200:
            raise self.fail(Failure.STATUS, f"HTTP {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self.fail(Failure.ENCODING, "compressed, which was not asked for")

    async def _fill(self, response: httpx.Response, body: bytearray) -> None:
        async for chunk in response.aiter_raw():
            body += chunk[: MAX_BODY - len(body) + 1]
            if len(body) > MAX_BODY:
                del body[MAX_BODY:]
                raise self.fail(Failure.OVERSIZE, f"more than {MAX_BODY} bytes")

    # ---- strict reading

    @classmethod
    def fail(cls, kind: Failure, why: str) -> SourceError:
        """The error to raise, naming this publisher."""
        return SourceError(kind, cls.name, why)

    @classmethod
    def text(cls, body: bytes) -> str:
        """The body as text."""
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as e:
            raise cls.fail(Failure.ENCODING, f"not UTF-8 at byte {e.start}") from None

    @classmethod
    def json(cls, text: str) -> Any:
        """A JSON document without repeated keys, which parsers settle each in its own way."""
        # Some libraries raise Python's recursion limit beyond what its C stack holds.
        if text.count("{") + text.count("[") > MAX_NODES:
            raise cls.fail(Failure.FORMAT, f"more than {MAX_NODES} objects and arrays")
        try:
            return json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_constant)
        except (ValueError, RecursionError) as e:
            what = "HTML" if text.lstrip().startswith("<") else str(e)[:100]
            raise cls.fail(Failure.FORMAT, f"not JSON: {what}") from None

    @classmethod
    def item(cls, value: Any, key: str, kind: type) -> Any:
        """`value[key]`, of exactly that type."""
        if not isinstance(value, dict) or type(value.get(key)) is not kind:
            raise cls.fail(Failure.SHAPE, f"no {key} of type {kind.__name__}")
        return value[key]

    @classmethod
    def day(cls, text: str) -> dt.date:
        """A date from the first ten characters of an ISO 8601 text."""
        try:
            if _DAY.fullmatch(text[:10]) and (len(text) == 10 or text[10] == "T"):
                return dt.date.fromisoformat(text[:10])
        except ValueError:
            pass
        raise cls.fail(Failure.SHAPE, f"not a date: {text[:40]!r}")

    @classmethod
    def ball(cls, text: Any) -> int:
        """A ball printed as text: one or two digits, no leading zero."""
        if not isinstance(text, str) or not _BALL.fullmatch(text):
            raise cls.fail(Failure.NUMBER, f"not a ball number: {text!r:.40}")
        return int(text)

    @classmethod
    def draw(cls, game: Game, date: dt.date, whites: Iterable[int], special: int) -> Draw:
        """A draw that was possible on that date."""
        try:
            return make_draw(game, date, whites, special)
        except InvalidDraw as e:
            raise cls.fail(Failure.NUMBER, str(e)) from None

    @classmethod
    def only(cls, draws: Iterable[Draw]) -> Draw | None:
        """The one draw that all results for the asked date give; None when there is none."""
        different = set(draws)
        if len(different) > 1:
            raise cls.fail(Failure.CONFLICT, " against ".join(sorted(map(str, different))))
        return different.pop() if different else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
