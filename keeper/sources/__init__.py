"""The publishers of results: an adapter each, and what those that vote on a draw say."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import httpx

from keeper.domain.consensus import Answer
from keeper.domain.draw import Game
from keeper.ports import Source
from keeper.sources.base import DEADLINE, open_client
from keeper.sources.panel import VOTERS, Panel
from keeper.sources.publishers import PUBLISHERS

__all__ = ["HOMES", "VOTERS", "Panel", "build", "open_client", "publishing", "read"]

_PUBLISHERS = {publisher.name: publisher for publisher in PUBLISHERS}
HOMES: Mapping[str, str] = {name: publisher.home for name, publisher in _PUBLISHERS.items()}


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
        name: replace(p, home=urls[name].rstrip("/"), client=client, deadline=deadline, clock=clock)
        for name, p in _PUBLISHERS.items()
    }


def publishing(game: Game) -> list[str]:
    """The sources that publish the game."""
    return [name for name, publisher in _PUBLISHERS.items() if game.name in publisher.games]


def read(source: str, game: Game, date: dt.date, body: bytes) -> Answer:
    """What a source's body, answered with status 200, says: to check evidence again.

    Raises ValueError when there is no such source.
    """
    if source not in _PUBLISHERS:
        raise ValueError(f"no such source: {source!r:.40}")
    return _PUBLISHERS[source].read(game, date, body)
