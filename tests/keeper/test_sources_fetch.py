"""What publishers do to a connection, over real HTTP: every failure is an answer, typed."""

import asyncio
import datetime as dt
import gzip
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from demo.publishers import REAL_DRAWS, Fault, FaultKind, Published, Publishers
from keeper.domain.calendar import draw_time
from keeper.domain.consensus import Agreed, Answer, Drawn, Failed, Failure, Pending, decide
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.ports import Fetched
from keeper.sources import HOMES, VOTERS, Panel, build, publishing, read
from keeper.sources.base import MAX_BODY
from keeper.sources.panel import RESERVES
from tests.keeper.conftest import Literal, RawServer
from tests.keeper.test_sources_california import LITERAL as CALIFORNIA
from tests.keeper.test_sources_massachusetts import LITERAL as MASSACHUSETTS
from tests.keeper.test_sources_megamillions import INNER, outer
from tests.keeper.test_sources_newjersey import LITERAL as NEW_JERSEY
from tests.keeper.test_sources_ny import LITERAL as NY
from tests.keeper.test_sources_nyopendata import LITERAL as NY_OPEN_DATA
from tests.keeper.test_sources_texas import ROW

# Each source with a game that it publishes, and a real draw.
DAYS = {POWERBALL: dt.date(2026, 8, 19), MEGA_MILLIONS: dt.date(2026, 8, 18)}
ASKED = [(name, game) for game in DAYS for name in publishing(game)]
VOTING = [(name, game) for name, game in ASKED if name in VOTERS[game.name]]
each_source = pytest.mark.parametrize(("name", "game"), ASKED)

Fetch = Callable[[str, Game], Awaitable[Fetched]]


@pytest.fixture
def fetch(publishers: Publishers, client: httpx.AsyncClient) -> Fetch:
    """Asks one publisher for the real draw of that game."""
    sources = build(publishers.urls, client)
    return lambda name, game: sources[name].fetch(game, DAYS[game])


def failed(fetched: Fetched) -> Failed:
    assert isinstance(fetched.answer, Failed), fetched.answer
    assert fetched.answer.source == fetched.source
    assert "\n" not in fetched.answer.why
    assert len(fetched.answer.why) < 300
    return fetched.answer


# ---- the publishers as they should be


@each_source
async def test_each_publisher_gives_the_real_draw(fetch: Fetch, name: str, game: Game) -> None:
    fetched = await fetch(name, game)
    assert isinstance(fetched.answer, Drawn)
    (real,) = (d for d in REAL_DRAWS if (d.game, d.date) == (game, DAYS[game]))
    assert fetched.answer.draw.whites == tuple(sorted(real.whites))
    assert fetched.answer.draw.special == real.special
    assert read(name, game, DAYS[game], fetched.body) == fetched.answer


@pytest.mark.parametrize("draw", REAL_DRAWS, ids=lambda d: f"{d.game.name} {d.date}")
async def test_every_real_draw_is_agreed_on(
    publishers: Publishers, client: httpx.AsyncClient, draw: Published
) -> None:
    fetched = await Panel(build(publishers.urls, client), draw.game, draw.date).ask()
    verdict = decide([f.answer for f in fetched])
    assert isinstance(verdict, Agreed)
    assert verdict.sources == VOTERS[draw.game.name] == tuple(f.source for f in fetched)


@each_source
async def test_a_draw_appears_when_it_was_drawn(
    client: httpx.AsyncClient, name: str, game: Game
) -> None:
    drawn = draw_time(game, DAYS[game])
    now = drawn + 89
    async with Publishers(REAL_DRAWS, now=lambda: now, after=90) as publishers:
        source = build(publishers.urls, client)[name]
        assert isinstance((await source.fetch(game, DAYS[game])).answer, Pending)
        now += 1
        assert isinstance((await source.fetch(game, DAYS[game])).answer, Drawn)
        publishers.faults[name, game.name] = Fault(FaultKind.LATE, seconds=1)
        assert isinstance((await source.fetch(game, DAYS[game])).answer, Pending)


# ---- and as they are


@pytest.mark.parametrize(("name", "game"), VOTING)
async def test_a_lie_is_one_source_s_word(
    publishers: Publishers, client: httpx.AsyncClient, name: str, game: Game
) -> None:
    publishers.faults[name, game.name] = Fault(FaultKind.LIE, special=13)
    fetched = await Panel(build(publishers.urls, client), game, DAYS[game]).ask()
    verdict = decide([f.answer for f in fetched])
    assert isinstance(verdict, Agreed)
    assert verdict.dissenting == (name,)
    assert verdict.draw.special != 13


@each_source
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(FaultKind.DOWN), Failure.UNREACHABLE),
        (Fault(FaultKind.STATUS, status=500), Failure.STATUS),
        (Fault(FaultKind.STATUS, status=429), Failure.STATUS),
        (Fault(FaultKind.STATUS, status=404), Failure.STATUS),
        (Fault(FaultKind.STATUS, status=204), Failure.STATUS),
        (Fault(FaultKind.HTML), Failure.FORMAT),
        (Fault(FaultKind.HALF), Failure.FORMAT),
        (Fault(FaultKind.TRUNCATED), Failure.TRUNCATED),
        (Fault(FaultKind.OVERSIZE), Failure.OVERSIZE),
        (Fault(FaultKind.BAD_UTF8), Failure.ENCODING),
        (Fault(FaultKind.REDIRECT, location="http://localhost:1/"), Failure.REDIRECT),
        (Fault(FaultKind.REDIRECT, location="//127.0.0.1:1/"), Failure.REDIRECT),
        (Fault(FaultKind.REDIRECT, location="https://127.0.0.1/"), Failure.REDIRECT),
        (Fault(FaultKind.REDIRECT, location="file:///etc/passwd"), Failure.REDIRECT),
    ],
    ids=lambda v: f"{v.kind} {v.status} {v.location}" if isinstance(v, Fault) else "",
)
async def test_every_fault_of_every_publisher(
    publishers: Publishers, fetch: Fetch, name: str, game: Game, fault: Fault, kind: Failure
) -> None:
    publishers.faults[name, game.name] = fault
    fetched = await fetch(name, game)
    assert failed(fetched).kind is kind, failed(fetched).why
    assert len(fetched.body) <= MAX_BODY


@each_source
async def test_a_whole_body_with_a_garbled_byte_is_not_read(
    fetch: Fetch, publishers: Publishers, name: str, game: Game
) -> None:
    body = (await fetch(name, game)).body
    assert isinstance(read(name, game, DAYS[game], body), Drawn)
    middle = len(body) // 2
    answer = read(name, game, DAYS[game], body[:middle] + b"\xc3\x28" + body[middle:])
    assert isinstance(answer, Failed)
    assert answer.kind is Failure.ENCODING


@each_source
@pytest.mark.parametrize("kind", [FaultKind.SLOW, FaultKind.DRIP])
async def test_a_deadline_holds_for_the_whole_answer(
    publishers: Publishers, client: httpx.AsyncClient, name: str, game: Game, kind: FaultKind
) -> None:
    for deadline in (0.3, 3, 30):  # a machine may be too slow for the first byte
        # A dripping server is never silent for long, so only the whole can be too slow.
        seconds = 600 if kind is FaultKind.SLOW else deadline / 15
        publishers.faults[name, game.name] = Fault(kind, seconds=seconds)
        source = build(publishers.urls, client, deadline=deadline)[name]
        fetched = await source.fetch(game, DAYS[game])
        assert failed(fetched).kind is Failure.TIMEOUT
        if kind is FaultKind.SLOW:
            return
        if fetched.body:  # what had come is kept
            assert fetched.status == 200
            return
    pytest.fail("nothing is kept")


async def test_a_failed_answer_keeps_its_body(publishers: Publishers, fetch: Fetch) -> None:
    publishers.faults["ny", "powerball"] = Fault(FaultKind.STATUS, status=503)
    fetched = await fetch("ny", POWERBALL)
    assert (fetched.status, fetched.body) == (503, b"come back later")
    publishers.faults["ny", "powerball"] = Fault(FaultKind.OVERSIZE)
    assert len((await fetch("ny", POWERBALL)).body) == MAX_BODY
    publishers.faults["ny", "powerball"] = Fault(FaultKind.DOWN)
    fetched = await fetch("ny", POWERBALL)
    assert (fetched.status, fetched.body) == (None, b"")
    assert fetched.url.startswith(publishers.urls["ny"])


async def test_nobody_listens(client: httpx.AsyncClient) -> None:
    source = build({"ny": "http://127.0.0.1:1"}, client)["ny"]
    fetched = await source.fetch(POWERBALL, DAYS[POWERBALL])
    assert failed(fetched).kind is Failure.UNREACHABLE


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", Failure.UNREACHABLE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Failure.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", Failure.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2_000_000, Failure.UNREACHABLE),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n", Failure.REDIRECT),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x:99999999/\r\n\r\n", Failure.REDIRECT),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", Failure.STATUS),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2", Failure.TRUNCATED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Failure.TRUNCATED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", Failure.TRUNCATED),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (MAX_BODY + 1), Failure.OVERSIZE),
    ],
)
async def test_garbled_http(
    raw: RawServer, client: httpx.AsyncClient, sent: bytes, kind: Failure
) -> None:
    source = build({"ny": await raw(sent)}, client)["ny"]
    fetched = await source.fetch(POWERBALL, DAYS[POWERBALL])
    assert failed(fetched).kind is kind, failed(fetched).why


async def test_a_compressed_bomb_is_not_unpacked(literal: Literal) -> None:
    literal.headers["Content-Encoding"] = "gzip"
    bomb = gzip.compress(b" " * 20_000_000)
    fetched = await literal.fetch("ny", POWERBALL, "2026-07-25", bomb)
    assert failed(fetched).kind is Failure.ENCODING
    assert "compressed" in failed(fetched).why
    assert fetched.body == bomb
    assert literal.asked[0].headers["accept-encoding"] == "identity"


# ---- redirects


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_on_the_same_host_is_followed(literal: Literal, status: int) -> None:
    literal.redirects, literal.redirect_status, literal.location = 1, status, "/moved"
    fetched = await literal.fetch("ny", POWERBALL, "2026-07-25", NY)
    assert isinstance(fetched.answer, Drawn)
    assert fetched.url == f"{literal.url}/moved"
    assert [a.path for a in literal.asked][1:] == ["/moved"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirected_post_asks_nothing_elsewhere(literal: Literal, status: int) -> None:
    """Neither as a GET, which would ask for no date, nor again with its body."""
    literal.redirects, literal.redirect_status, literal.location = 1, status, "/moved"
    fetched = await literal.fetch("megamillions", MEGA_MILLIONS, "2026-07-24", outer())
    assert failed(fetched).kind is Failure.REDIRECT
    assert [a.method for a in literal.asked] == ["POST"]


async def test_redirects_come_to_an_end(literal: Literal) -> None:
    literal.redirects, literal.location = 99, "/again"
    fetched = await literal.fetch("ny", POWERBALL, "2026-07-25", NY)
    assert failed(fetched).kind is Failure.REDIRECT
    assert len(literal.asked) == 4


# ---- asking


async def test_all_are_asked_at_once(client: httpx.AsyncClient) -> None:
    """Nobody answers before everybody was asked."""
    everybody = asyncio.Barrier(3)

    async def answer(_: web.Request) -> web.Response:
        await everybody.wait()
        return web.Response(text="null")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    fetched = await Panel(
        build(dict.fromkeys(HOMES, url), client), POWERBALL, DAYS[POWERBALL]
    ).ask()
    assert [f.status for f in fetched] == [200, 200, 200]
    await runner.cleanup()


async def test_a_slow_source_does_not_hold_up_the_verdict(
    publishers: Publishers, client: httpx.AsyncClient
) -> None:
    publishers.faults["texas", "powerball"] = Fault(FaultKind.SLOW, seconds=60)
    publishers.faults["texas", "mega-millions"] = Fault(FaultKind.DOWN)
    hurried = build(publishers.urls, client, deadline=0.5)
    sources = {**build(publishers.urls, client), "texas": hurried["texas"]}
    for game in (POWERBALL, MEGA_MILLIONS):
        fetched = await Panel(sources, game, DAYS[game]).ask()
        assert isinstance(decide([f.answer for f in fetched]), Agreed)


async def test_being_cancelled_is_no_answer(client: httpx.AsyncClient) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()  # until the other side hangs up
        writer.close()
        closed.set()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        source = build({"ny": url}, client)["ny"]
        task = asyncio.create_task(source.fetch(POWERBALL, DAYS[POWERBALL]))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()


async def test_base_urls_replace_those_they_name(client: httpx.AsyncClient) -> None:
    assert HOMES["ny"] == "https://nylottery.ny.gov"
    assert set(build({}, client)) == set(HOMES)
    assert set(HOMES) == {*RESERVES, *(name for voters in VOTERS.values() for name in voters)}
    with pytest.raises(ValueError, match="no such source: idaho; there are ny, texas"):
        build({"idaho": "http://127.0.0.1"}, client)
    with pytest.raises(ValueError, match="no such source: 'idaho'"):
        read("idaho", POWERBALL, DAYS[POWERBALL], b"")


async def test_a_base_url_may_end_in_a_slash_or_have_a_path(literal: Literal) -> None:
    literal.url += "/proxy/"
    await literal.fetch("ny", POWERBALL, "2026-07-25", NY)
    assert literal.asked[0].path == "/proxy/nyl-api/games/powerball/draws"


# ---- any bytes at all

BODIES = [
    ("ny", POWERBALL, dt.date(2026, 7, 25), NY),
    ("massachusetts", MEGA_MILLIONS, dt.date(2020, 6, 2), MASSACHUSETTS),
    ("newjersey", POWERBALL, dt.date(2026, 7, 25), NEW_JERSEY),
    ("nyopendata", POWERBALL, dt.date(2026, 7, 25), NY_OPEN_DATA),
    ("california", POWERBALL, dt.date(2026, 8, 15), CALIFORNIA),
    ("texas", MEGA_MILLIONS, dt.date(2026, 9, 25), ROW),
    ("megamillions", MEGA_MILLIONS, dt.date(2026, 7, 24), outer()),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def replaced(value: object, path: list[int], new: object) -> object:
    """A copy of a JSON value with the member that the path leads to replaced."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    position = path[0] % len(value)
    if isinstance(value, list):
        return [replaced(v, path[1:], new) if i == position else v for i, v in enumerate(value)]
    return {
        k: replaced(v, path[1:], new) if i == position else v
        for i, (k, v) in enumerate(value.items())
    }


def is_answer(answer: Answer) -> None:
    assert isinstance(answer, Drawn | Pending | Failed)
    if not isinstance(answer, Drawn):
        assert answer.why.isprintable()
        assert len(answer.why) < 300


@given(data=st.data())
def test_no_bytes_raise(data: st.DataObject) -> None:
    name, game, date, text = data.draw(st.sampled_from(BODIES))
    body = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), min_size=2, max_size=6)))
    for start, end in reversed(list(pairwise(cuts))):
        body = body[:start] + data.draw(st.binary(max_size=8)) + body[end:]
    is_answer(read(name, game, date, body))


@given(path=st.lists(st.integers(0, 20), min_size=1, max_size=6), new=JSON)
def test_no_json_raises(path: list[int], new: object) -> None:
    for name, game, date, text in BODIES[:5]:
        is_answer(
            read(name, game, date, json.dumps(replaced(json.loads(text), path, new)).encode())
        )
    inner = json.dumps(replaced(json.loads(INNER), path, new))
    is_answer(read("megamillions", MEGA_MILLIONS, dt.date(2026, 7, 24), outer(inner).encode()))
