"""On which event loops the tests of the feed run, and what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from keeper.ports import Store
from tests.feed.decided import Story
from tests.feed.world import Clock
from tests.keeper.chain.waiting import PATIENCE
from tests.keeper.redisfixture import store_in

_BOTH = {
    "test_session.py",
    "test_handshake.py",
    "test_limits.py",
    "test_slow.py",
    "test_files.py",
    "test_hostile.py",
}

# Seconds after which the server gives up, which a busy machine reaches. Who tests them sets them.
_GIVEN_UP = (
    "api._HURRY",
    "decisions._LONGEST",
    "decisions._PATIENCE",
    "http._TAKING_SECONDS",
    "questions._BODY_SECONDS",
    "store._HURRY",
    "store._PATIENCE",
)


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Python's own; where every byte counts also that of the keeper."""
    own = {"asyncio": asyncio.SelectorEventLoop}
    return own | {"uvloop": uvloop.new_event_loop} if item.path.name in _BOTH else own


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in _GIVEN_UP:
        monkeypatch.setattr(f"feed.{seconds}", PATIENCE)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """By which is judged how much clients say in what time."""
    made = Clock()
    monkeypatch.setattr("feed.session.time", made)
    return made


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with store_in(request.param, tmp_path) as kept:
        yield kept
