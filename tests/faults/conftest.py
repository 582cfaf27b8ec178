"""Each case has a chain, publishers and a stage of its own, and tells the matrix what it saw."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from demo.publishers import REAL_DRAWS, Publishers
from tests.faults.stage import Stage
from tests.keeper.chain.conftest import chain as chain
from tests.keeper.chain.proxy import proxied
from tests.keeper.chainfixtures import Chain

Tell = Callable[[str], None]


@pytest.fixture
async def stage(tmp_path: Path, chain: Chain) -> AsyncIterator[Stage]:
    async with Publishers(REAL_DRAWS) as publishers, proxied(chain.url) as wire:
        yield await Stage.set(tmp_path, chain, publishers, wire)


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Keeps for the matrix what a case does, as its docstring has it, and what it has seen."""
    params = getattr(request.node, "callspec", None)
    first = inspect.getdoc(request.function).splitlines()[0]
    record_property("fault", first.format(**(params.params if params else {})))
    return lambda seen: record_property("seen", seen)
