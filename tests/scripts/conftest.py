"""Worlds for the commands: an anvil each, with the markets that a real `ape run deploy` made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts import _records
from tests.scripts.hands import PB, Held, safe_account
from tests.scripts.world import PEOPLE, Home, World


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


@pytest.fixture(scope="session")
def held(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """The chain where a deployer holds a market and a contract account is guardian of its
    committee. Only looked at.
    """
    with World(home, tmp_path_factory.mktemp("held")) as world:
        safe = safe_account(world)
        reporters = [part for n in ("ann", "bob", "cyd") for part in ("--reporter", PEOPLE[n])]
        world.ape("deploy", "oracle", *reporters, "--guardian", safe.address, by="admin").ok()
        [oracle] = _records.oracles(world.chain_id, world.folder)
        keys = ("--oracle", oracle, "--admin-delay", "2d")
        world.ape("deploy", "market", *PB, *keys, by="admin").ok()
        yield Held(world, safe, oracle)


@pytest.fixture
def copies(home: Home, held: Held, tmp_path: Path) -> Iterator[Callable[[], Held]]:
    """Makes chains that begin where `held` stands."""
    made: list[World] = []

    def make() -> Held:
        folder = tmp_path / str(len(made))
        shutil.copytree(held.world.folder, folder)
        world = World(home, folder).start()
        made.append(world)
        world.load(held.world)
        return Held(world, world.w3.eth.contract(held.safe.address, abi=held.safe.abi), held.oracle)

    yield make
    for world in made:
        world.stop()
