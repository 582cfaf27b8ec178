"""Waiting for something to come true: the one loop that all tests of a real chain wait in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

PATIENCE = 120.0  # seconds; a wait that takes as long has failed, whatever the machine does
# Of a hub: nobody is sent away for want of time, nor hears a heartbeat.
UNHURRIED = {
    **dict.fromkeys(("first_subscription", "stall_seconds", "ahead_seconds"), 10.0**4),
    "heartbeat_seconds": 10.0**6,
}

Condition = Callable[[], Awaitable[bool] | bool]


async def until(condition: Condition, told: Callable[[], Iterable[str]] = tuple) -> None:
    """Waits for something to come true.

    Args:
        told: lines for whoever has waited in vain.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            while not await holds(condition):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError("\n".join(["in vain:", *told()])) from None


async def holds(condition: Condition) -> bool:
    """Whether it is true now."""
    result = condition()
    return await result if isinstance(result, Awaitable) else result
