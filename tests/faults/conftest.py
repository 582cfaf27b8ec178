"""Each case has a chain, publishers and a stage of its own, and tells the matrix what it saw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from demo.publishers import REAL_DRAWS, Publishers
from tests.faults.stage import Stage
from tests.faults.wire import wired
from tests.keeper.chain.conftest import chain as chain
from tests.keeper.chainfixtures import Chain

Tell = Callable[[str], None]


@pytest.fixture
async def stage(tmp_path: Path, chain: Chain) -> AsyncIterator[Stage]:
    async with Publishers(REAL_DRAWS) as publishers, wired(chain.url) as wire:
        yield await Stage.set(tmp_path, chain, publishers, wire)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Keeps what a case has seen for its row in the matrix."""
    return lambda seen: record_property("seen", seen)
