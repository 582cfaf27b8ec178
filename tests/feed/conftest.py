"""On which event loops the tests of the feed run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

_BOTH = {"test_session.py", "test_limits.py", "test_hostile.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Python's own; where every byte counts also that of the keeper."""
    own = {"asyncio": asyncio.SelectorEventLoop}
    return own | {"uvloop": uvloop.new_event_loop} if item.path.name in _BOTH else own
