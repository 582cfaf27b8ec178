"""The panel of a draw, over real HTTP: seats, what is counted, who takes a draw back."""

import datetime as dt

import httpx
import pytest
from prometheus_client import REGISTRY

from demo.publishers import Fault, FaultKind, Publishers
from keeper.domain.consensus import Agreed, decide
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Draw
from keeper.ports import Fetched
from keeper.sources import VOTERS, Panel, build
from keeper.sources.panel import GRACE

DAY = dt.date(2026, 8, 19)
RIGHT = Draw(DAY, (10, 21, 58, 61, 64), 17)
WRONG = Draw(DAY, (10, 21, 58, 61, 64), 16)
OTHER = Draw(DAY, (10, 21, 58, 61, 64), 15)
GAME = POWERBALL.name


class World:
    """A panel for Powerball, with publishers and a clock that can be moved."""

    def __init__(self, publishers: Publishers, client: httpx.AsyncClient) -> None:
        self.publishers, self.now = publishers, 1000.0
        self.panel = Panel(build(publishers.urls, client), POWERBALL, DAY, lambda: self.now)

    def make(self, name: str, kind: FaultKind, special: int | None = None) -> None:
        self.publishers.faults[name, GAME] = Fault(kind, special=special, date=DAY)

    async def ask(self, hours: float = 0) -> list[str]:
        """Who votes, so much later."""
        self.now += hours * 3600
        return [f.source for f in await self.panel.ask()]


@pytest.fixture
def world(publishers: Publishers, client: httpx.AsyncClient) -> World:
    return World(publishers, client)


def verdict(fetched: list[Fetched]) -> Draw | None:
    found = decide([f.answer for f in fetched])
    return found.draw if isinstance(found, Agreed) else None


# ---- seats


async def test_a_reserve_votes_after_two_hours_and_not_before(world: World) -> None:
    world.make("california", FaultKind.DOWN)
    assert await world.ask() == ["ny", "texas", "california"]
    world.now += GRACE - 1
    assert await world.ask() == ["ny", "texas", "california"]
    assert {name for name, _ in world.publishers.requests} == {"ny", "texas", "california"}
    world.now += 1
    assert await world.ask() == ["ny", "texas", "massachusetts"]  # in the same asking
    world.publishers.faults.clear()
    world.publishers.requests.clear()
    assert await world.ask(50) == ["ny", "texas", "massachusetts"]  # for good
    assert {name for name, _ in world.publishers.requests} == {"ny", "texas", "massachusetts"}


async def test_a_disagreeing_voter_keeps_its_seat(world: World) -> None:
    world.make("california", FaultKind.LIE, 16)
    for _ in range(6):
        assert await world.ask(12) == ["ny", "texas", "california"]


async def test_a_late_draw_costs_nobody_a_seat(world: World) -> None:
    for name in VOTERS[GAME]:
        world.make(name, FaultKind.MISSING)
    assert await world.ask() == await world.ask(10) == ["ny", "texas", "california"]
    world.publishers.faults.clear()
    assert verdict(await world.panel.ask()) == RIGHT


async def test_all_reserves_vote_before_the_last_and_it_only_without_ny(world: World) -> None:
    for name in ("california", "massachusetts", "newjersey"):
        world.make(name, FaultKind.NULL)
    assert await world.ask() == ["ny", "texas", "california"]
    assert await world.ask(2) == ["ny", "texas", "massachusetts"]
    assert await world.ask(2) == ["ny", "texas", "newjersey"]
    assert await world.ask(2) == ["ny", "texas", "newjersey"]
    assert "nyopendata" not in {name for name, _ in world.publishers.requests}


async def test_the_last_reserve_for_ny(world: World) -> None:
    for name in ("ny", "massachusetts", "newjersey"):
        world.make(name, FaultKind.DOWN)
    assert await world.ask() == ["ny", "texas", "california"]
    for seat in ("massachusetts", "newjersey", "nyopendata"):
        assert await world.ask(2) == [seat, "texas", "california"]


async def test_mega_millions_has_the_same_reserves(
    publishers: Publishers, client: httpx.AsyncClient
) -> None:
    now, day = 0.0, dt.date(2026, 8, 18)
    panel = Panel(build(publishers.urls, client), MEGA_MILLIONS, day, lambda: now)
    publishers.faults["megamillions", MEGA_MILLIONS.name] = Fault(FaultKind.STATUS, status=429)
    assert [f.source for f in await panel.ask()] == ["megamillions", "texas", "california"]
    now += GRACE
    fetched = await panel.ask()
    assert [f.source for f in fetched] == ["massachusetts", "texas", "california"]
    assert verdict(fetched) == Draw(day, (5, 19, 30, 38, 59), 12)


# ---- who takes a draw back


async def test_what_stays_as_it_is_is_no_change(world: World) -> None:
    world.make("texas", FaultKind.MISSING)
    await world.ask()
    assert world.panel.changed == []
    world.publishers.faults.clear()  # texas has it now, too
    await world.ask()
    await world.ask()
    assert world.panel.changed == []


async def test_another_draw_is_told_once(world: World) -> None:
    world.make("texas", FaultKind.LIE, 16)
    await world.ask()
    assert world.panel.changed == []
    world.publishers.faults.clear()
    await world.ask()
    assert world.panel.changed == [("texas", WRONG, RIGHT)]
    await world.ask()
    assert world.panel.changed == []
    world.make("texas", FaultKind.LIE, 16)
    world.make("ny", FaultKind.LIE, 15)
    await world.ask()
    assert world.panel.changed == [("ny", RIGHT, OTHER), ("texas", RIGHT, WRONG)]


async def test_a_draw_taken_back_is_told_once(world: World) -> None:
    await world.ask()
    world.make("ny", FaultKind.MISSING)
    await world.ask()
    assert world.panel.changed == [("ny", RIGHT, None)]
    await world.ask()
    assert world.panel.changed == []
    world.publishers.faults.clear()  # the same again
    await world.ask()
    assert world.panel.changed == []
    world.make("ny", FaultKind.MISSING)
    await world.ask()
    world.make("ny", FaultKind.LIE, 16)  # or another one after all
    await world.ask()
    assert world.panel.changed == [("ny", RIGHT, WRONG)]


async def test_a_failure_takes_nothing_back(world: World) -> None:
    await world.ask()
    for kind in (FaultKind.DOWN, FaultKind.HTML, FaultKind.STATUS, FaultKind.EXTRA_BALL):
        world.make("ny", kind)
        await world.ask()
        assert world.panel.changed == []
    world.make("ny", FaultKind.LIE, 16)
    await world.ask()
    assert world.panel.changed == [("ny", RIGHT, WRONG)]


# ---- what is counted


def count() -> dict[tuple[str, str], float]:
    """Every sample of the sources' counters: (source, outcome or "changed") of Powerball."""
    found = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name == "lottochain_source_answers_total" and sample.labels["game"] == GAME:
                found[sample.labels["source"], sample.labels["outcome"]] = sample.value
            if sample.name == "lottochain_source_changes_total" and sample.labels["game"] == GAME:
                found[sample.labels["source"], "changed"] = sample.value
    return found


async def test_every_answer_is_counted(world: World) -> None:
    before = count()
    world.make("texas", FaultKind.MISSING)
    world.make("california", FaultKind.HTML)
    await world.ask()
    await world.ask(2)
    world.make("ny", FaultKind.LIE, 16)
    await world.ask()
    added = {key: value - before.get(key, 0) for key, value in count().items()}
    assert {key: value for key, value in added.items() if value} == {
        ("ny", "drawn"): 3,
        ("ny", "changed"): 1,
        ("texas", "pending"): 2,
        ("california", "format"): 2,
        ("massachusetts", "drawn"): 2,
        ("newjersey", "drawn"): 2,
    }
