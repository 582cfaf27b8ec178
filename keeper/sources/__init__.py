"""The publishers of results: which vote on which game, and how all of them are asked at once."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping

import httpx

from keeper.domain.consensus import Answer
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from keeper.ports import Fetched, Source
from keeper.sources import california, megamillions, ny, texas
from keeper.sources.base import DEADLINE, Publisher, WebSource
from keeper.sources.base import open_client as open_client

_ADAPTERS = (ny, texas, california, megamillions)
_PUBLISHERS: Mapping[str, Publisher] = {m.PUBLISHER.name: m.PUBLISHER for m in _ADAPTERS}
HOMES: Mapping[str, str] = {name: publisher.home for name, publisher in _PUBLISHERS.items()}
VOTERS: Mapping[str, tuple[str, ...]] = {
    POWERBALL.name: ("ny", "texas", "california"),
    MEGA_MILLIONS.name: ("megamillions", "texas", "california"),
}


def build(
    base_urls: Mapping[str, str],
    client: httpx.AsyncClient,
    deadline: float = DEADLINE,
    clock: Callable[[], float] = time.time,
) -> dict[str, Source]:
    """Every source by name. `base_urls` replaces a publisher's own where it names one.

    Raises ValueError when it names a source that does not exist.
    """
    if unknown := ", ".join(sorted(base_urls.keys() - HOMES.keys())):
        raise ValueError(f"no such source: {unknown}; there are {', '.join(HOMES)}")
    urls = {**HOMES, **base_urls}
    return {
        name: WebSource(publisher, client, urls[name].rstrip("/"), deadline, clock)
        for name, publisher in _PUBLISHERS.items()
    }


async def ask_all(sources: Mapping[str, Source], game: Game, date: dt.date) -> list[Fetched]:
    """What each voter of the game says of the draw of `date`, asked at once, in voting order."""
    voters = [sources[name] for name in VOTERS[game.name]]
    return list(await asyncio.gather(*(source.fetch(game, date) for source in voters)))


def read(source: str, game: Game, date: dt.date, body: bytes) -> Answer:
    """What a source's body, answered with status 200, says: to check evidence again.

    Raises ValueError when there is no such source.
    """
    if source not in _PUBLISHERS:
        raise ValueError(f"no such source: {source!r:.40}")
    return _PUBLISHERS[source].read(game, date, body)
