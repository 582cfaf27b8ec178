"""What publishers have really done, each by its name, over real HTTP as the evening goes on."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from demo.publishers import Fault, FaultKind, Published, Publishers
from keeper.domain.calendar import NEW_YORK, draw_time
from keeper.domain.consensus import (
    Agreed,
    Answer,
    Disagreement,
    Drawn,
    Failed,
    Failure,
    Pending,
    Verdict,
    Waiting,
    decide,
)
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw, Game, make_draw
from keeper.sources import VOTERS, Panel, build
from tests.keeper.test_sources_fetch import ASKED, VOTING

each_source = pytest.mark.parametrize(("name", "game"), ASKED)
each_voter = pytest.mark.parametrize(("name", "game"), VOTING)

MINUTE, HOUR, DAY = 60, 3600, 86_400
# With the draw before it, which a careless publisher may show in its place.
TONIGHT = {
    POWERBALL: (
        Published(POWERBALL, dt.date(2022, 11, 5), (28, 45, 53, 56, 69), 20),
        Published(POWERBALL, dt.date(2022, 11, 7), (10, 33, 41, 47, 56), 10),
    ),
    MEGA_MILLIONS: (
        Published(MEGA_MILLIONS, dt.date(2022, 5, 6), (11, 20, 33, 36, 64), 15),
        Published(MEGA_MILLIONS, dt.date(2022, 5, 10), (15, 19, 20, 61, 70), 9),
    ),
}
WRONG = 6  # a special ball that was never drawn in these


class Evening:
    """A draw, the publishers that show it, and a keeper's panel that asks for it.

    Attributes:
        now: unix seconds, by which everybody goes.
        late: seconds after its time at which the draw takes place.
    """

    def __init__(self, client: httpx.AsyncClient, before: Published, drawn: Published, late: int):
        self.game, self.date = drawn.game, drawn.date
        self.truth = make_draw(drawn.game, drawn.date, drawn.whites, drawn.special)
        self.start = draw_time(self.game, self.date)
        self.now = float(self.start)
        self.publishers = Publishers((before, drawn), lambda: self.now, late)
        self.client = client

    @property
    def changed(self) -> list[tuple[str, Draw, Draw | None]]:
        return self.panel.changed

    def open(self) -> None:
        self.sources = build(self.publishers.urls, self.client)
        self.panel = Panel(self.sources, self.game, self.date, lambda: self.now)

    def fault(self, name: str, fault: Fault) -> None:
        self.publishers.faults[name, self.game.name] = fault

    def clock(self, date: dt.date, hour: int, minute: int) -> None:
        """It is that time in New York."""
        self.now = dt.datetime.combine(date, dt.time(hour, minute), NEW_YORK).timestamp()

    async def answer(self, name: str, after: float) -> Answer:
        """One source's, so many seconds after the scheduled time."""
        self.now = self.start + after
        return (await self.sources[name].fetch(self.game, self.date)).answer

    async def verdict(self, after: float) -> Verdict:
        """The panel's."""
        self.now = self.start + after
        return await self.decided()

    async def decided(self) -> Verdict:
        return decide([f.answer for f in await self.panel.ask()])


@asynccontextmanager
async def evening(
    client: httpx.AsyncClient, game: Game, drawn: Published | None = None, late: int = 0
) -> AsyncIterator[Evening]:
    before, usual = TONIGHT[game]
    found = Evening(client, before, drawn or usual, late)
    async with found.publishers:
        found.open()
        yield found


def agreed(verdict: Verdict, truth: Draw) -> Agreed:
    assert isinstance(verdict, Agreed), verdict
    assert verdict.draw == truth
    return verdict


# ---- late


@each_source
async def test_powerball_of_2022_11_07_ten_hours_late(
    client: httpx.AsyncClient, name: str, game: Game
) -> None:
    async with evening(client, game, late=10 * HOUR) as e:
        for minutes in (5, 65, 599):
            assert isinstance(await e.answer(name, minutes * MINUTE), Pending)
        assert await e.answer(name, 10 * HOUR) == Drawn(name, e.truth)
        # and drawn in the morning it is still the draw of the evening before
        assert e.truth.date == e.date == dt.datetime.fromtimestamp(e.start, NEW_YORK).date()


@pytest.mark.parametrize("game", TONIGHT)
async def test_ten_hours_late_nobody_loses_a_seat(client: httpx.AsyncClient, game: Game) -> None:
    async with evening(client, game, late=10 * HOUR) as e:
        for hours in range(10):
            verdict = await e.verdict(hours * HOUR + 5 * MINUTE)
            assert isinstance(verdict, Waiting)
            assert tuple(a.source for a in verdict.missing) == VOTERS[game.name]
        assert agreed(await e.verdict(10 * HOUR), e.truth).sources == VOTERS[game.name]


async def test_powerball_of_2024_04_06_drawn_at_half_past_two(client: httpx.AsyncClient) -> None:
    drawn = Published(POWERBALL, dt.date(2024, 4, 6), (22, 27, 44, 52, 69), 9)
    async with evening(client, POWERBALL, drawn, late=3 * HOUR + 31 * MINUTE) as e:
        e.clock(dt.date(2024, 4, 7), 2, 29)
        assert isinstance(await e.decided(), Waiting)
        e.clock(dt.date(2024, 4, 7), 2, 30)
        assert agreed(await e.decided(), e.truth).draw.date == dt.date(2024, 4, 6)


@each_voter
async def test_one_voter_ten_hours_late(client: httpx.AsyncClient, name: str, game: Game) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.LATE, seconds=10 * HOUR))
        assert name not in agreed(await e.verdict(5 * MINUTE), e.truth).sources
        verdict = agreed(await e.verdict(125 * MINUTE), e.truth)
        assert len(verdict.sources) == 3
        assert set(verdict.sources) - set(VOTERS[game.name]) == {"massachusetts"}


# ---- wrong


@each_voter
async def test_mega_millions_of_2022_05_10_one_wrong_for_ever(
    client: httpx.AsyncClient, name: str, game: Game
) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.LIE, special=WRONG))
        for hours in (0, 1, 3, 12, 71):
            assert agreed(await e.verdict(hours * HOUR), e.truth).dissenting == (name,)
            assert e.changed == []


@each_voter
async def test_mega_millions_of_2023_11_28_wrong_from_0030_to_0715(
    client: httpx.AsyncClient, name: str, game: Game
) -> None:
    async with evening(client, game) as e:
        next_day = e.date + dt.timedelta(days=1)
        e.clock(next_day, 7, 15)
        e.fault(name, Fault(FaultKind.LIE, special=WRONG, until=e.now))
        for hour, minute in ((0, 30), (2, 45), (7, 14)):
            e.clock(next_day, hour, minute)
            assert agreed(await e.decided(), e.truth).dissenting == (name,)
            assert e.changed == []
        e.clock(next_day, 7, 15)
        assert agreed(await e.decided(), e.truth).sources == VOTERS[game.name]
        ((source, was, now),) = e.changed
        assert (source, was.special, now) == (name, WRONG, e.truth)


@each_voter
async def test_2023_01_wrong_for_days(client: httpx.AsyncClient, name: str, game: Game) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.LIE, whites=(1, 2, 3, 4, 5), until=e.start + 3 * DAY))
        for days in (0, 1, 2):
            assert agreed(await e.verdict(days * DAY), e.truth).dissenting == (name,)
        assert agreed(await e.verdict(3 * DAY), e.truth).dissenting == ()
        assert [source for source, _, _ in e.changed] == [name]


@each_voter
async def test_a_wrong_one_and_a_missing_one_decide_nothing(
    client: httpx.AsyncClient, name: str, game: Game
) -> None:
    other, honest = (n for n in VOTERS[game.name] if n != name)
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.LIE, special=WRONG))
        e.fault(other, Fault(FaultKind.DOWN))
        assert isinstance(await e.verdict(5 * MINUTE), Disagreement)
        # until a reserve takes the missing one's seat; the wrong one keeps its own
        verdict = agreed(await e.verdict(125 * MINUTE), e.truth)
        assert set(verdict.sources) == {honest, "massachusetts"}
        assert verdict.dissenting == (name,)


async def test_ny_open_data_still_shows_a_wrong_ball_for_2022_05_10(
    client: httpx.AsyncClient,
) -> None:
    """As the last reserve, after everybody else has failed but two."""
    async with evening(client, MEGA_MILLIONS) as e:
        e.fault("nyopendata", Fault(FaultKind.LIE, special=WRONG))
        for name in ("megamillions", "massachusetts", "newjersey"):
            e.fault(name, Fault(FaultKind.DOWN))
        for hours in range(8):
            verdict = agreed(await e.verdict(hours * HOUR), e.truth)
        assert verdict.dissenting == ("nyopendata",)


# ---- missing, or another one in its place


@each_source
async def test_a_missing_draw(client: httpx.AsyncClient, name: str, game: Game) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.MISSING, date=e.date))
        for hours in (0, 12, 72):
            assert await e.answer(name, hours * HOUR) == Pending(
                name, f"no result for {e.date} yet"
            )


@each_source
async def test_the_draw_before_with_its_own_date(
    client: httpx.AsyncClient, name: str, game: Game
) -> None:
    async with evening(client, game, late=HOUR) as e:
        e.fault(name, Fault(FaultKind.PREVIOUS))
        asked = await e.sources[name].fetch(game, e.date)
        assert asked.answer == Pending(name, f"no result for {e.date} yet")
        # it was there to be taken
        before = TONIGHT[game][0]
        again = await e.sources[name].fetch(game, before.date)
        assert isinstance(again.answer, Drawn)
        assert asked.body == again.body
        assert await e.answer(name, HOUR) == Drawn(name, e.truth)


@each_voter
async def test_the_draw_before_under_tonight_s_date(
    client: httpx.AsyncClient, name: str, game: Game
) -> None:
    async with evening(client, game, late=HOUR) as e:
        e.fault(name, Fault(FaultKind.STALE))
        stale = await e.answer(name, 5 * MINUTE)
        assert isinstance(stale, Drawn)
        assert (stale.draw.date, stale.draw.special) == (e.date, TONIGHT[game][0].special)
        assert isinstance(await e.verdict(5 * MINUTE), Waiting)  # one source's word
        assert agreed(await e.verdict(HOUR), e.truth).dissenting == ()
        assert e.changed == [(name, stale.draw, e.truth)]


# ---- in a form that says nothing


@each_source
async def test_null_with_status_200(client: httpx.AsyncClient, name: str, game: Game) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.NULL))
        answer = await e.answer(name, HOUR)
        if name == "california":  # so it answers past the last page
            assert isinstance(answer, Pending)
        else:
            assert isinstance(answer, Failed)
            assert answer.kind is (Failure.FORMAT if name == "texas" else Failure.SHAPE)


@each_source
async def test_an_extra_ball(client: httpx.AsyncClient, name: str, game: Game) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.EXTRA_BALL))
        answer = await e.answer(name, HOUR)
        assert isinstance(answer, Failed)
        assert answer.kind is (Failure.FORMAT if name == "texas" else Failure.NUMBER)


@each_source
async def test_two_results_for_a_date(client: httpx.AsyncClient, name: str, game: Game) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.TWICE, special=WRONG))
        answer = await e.answer(name, HOUR)
        assert isinstance(answer, Failed)
        # it has room for one, so the key comes twice
        twice = Failure.FORMAT if name == "megamillions" else Failure.CONFLICT
        assert answer.kind is twice
        e.fault(name, Fault(FaultKind.TWICE, special=e.truth.special))
        if name != "megamillions":
            assert await e.answer(name, HOUR) == Drawn(name, e.truth)


@each_voter
@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.HTML),
        Fault(FaultKind.STATUS, status=429),
        Fault(FaultKind.STATUS, status=500),
        Fault(FaultKind.NULL),
        Fault(FaultKind.OVERSIZE),
        Fault(FaultKind.REDIRECT, location="http://localhost:1/"),
        Fault(FaultKind.HALF),
        Fault(FaultKind.TRUNCATED),
        Fault(FaultKind.BAD_UTF8),
        Fault(FaultKind.EXTRA_BALL),
        Fault(FaultKind.TWICE, special=WRONG),
        Fault(FaultKind.DOWN),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
async def test_whatever_one_does_the_others_decide_and_a_reserve_comes(
    client: httpx.AsyncClient, name: str, game: Game, fault: Fault
) -> None:
    async with evening(client, game) as e:
        e.fault(name, fault)
        verdict = agreed(await e.verdict(5 * MINUTE), e.truth)
        assert set(verdict.sources) == set(VOTERS[game.name]) - {name}
        assert "massachusetts" in agreed(await e.verdict(125 * MINUTE), e.truth).sources


@each_voter
async def test_a_slow_drip(client: httpx.AsyncClient, name: str, game: Game) -> None:
    async with evening(client, game) as e:
        e.fault(name, Fault(FaultKind.DRIP, seconds=0.05))
        slow = build(e.publishers.urls, client, deadline=0.5)[name]
        e.panel = Panel({**e.sources, name: slow}, game, e.date, lambda: e.now)
        assert name not in agreed(await e.verdict(HOUR), e.truth).sources


async def test_massachusetts_fails_on_a_long_span(client: httpx.AsyncClient) -> None:
    """Asked as the adapter asks it answers; asked for a season it does not."""
    async with evening(client, POWERBALL) as e:
        url = f"{e.publishers.urls['massachusetts']}/api/v1/draw-results/powerball"
        span = {"draw_date_min": "2022-01-01", "draw_date_max": "2022-12-31"}
        assert (await client.get(url, params=span)).status_code == 500
        assert await e.answer("massachusetts", 0) == Drawn("massachusetts", e.truth)


async def test_new_jersey_turns_away_what_is_no_browser(client: httpx.AsyncClient) -> None:
    async with evening(client, POWERBALL) as e:
        url = f"{e.publishers.urls['newjersey']}/api/v1/draw-games/draws/page"
        assert (await client.get(url)).status_code == 403
        assert await e.answer("newjersey", 0) == Drawn("newjersey", e.truth)
