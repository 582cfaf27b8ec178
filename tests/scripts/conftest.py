"""Worlds for the commands: an anvil each, with the markets that a real `ape run deploy` made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scripts.world import Home, World


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Ape's own folder: the user's accounts are not touched."""
    return Home(tmp_path_factory.mktemp("ape"))


@pytest.fixture(scope="session")
def deployed(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The chain on which `ape run deploy` put both markets and a committee. Only looked at."""
    with World(home, tmp_path_factory.mktemp("deployed")) as world:
        world.deployment = world.ape("deploy", "--game", "both", *world.KEYS, by="admin")
        world.deployment.ok()
        world.committee = world.ape("deploy", "oracle", *world.COMMITTEE, by="admin")
        world.committee.ok()
        yield world


@pytest.fixture
def worlds(home: Home, deployed: World, tmp_path: Path) -> Iterator[Callable[[], World]]:
    """Makes chains that begin where `deployed` stands, for one test each."""
    made: list[World] = []

    def make() -> World:
        folder = tmp_path / str(len(made))
        shutil.copytree(deployed.folder, folder)
        made.append(World(home, folder).start())
        made[-1].load(deployed)
        return made[-1]

    yield make
    for world in made:
        world.stop()


@pytest.fixture
def world(worlds: Callable[[], World]) -> World:
    """A chain that begins where `deployed` stands."""
    return worlds()
