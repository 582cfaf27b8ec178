"""What the keeper's process runs on."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import uvloop

from keeper import app


def test_it_runs_on_a_quick_loop_that_garbage_seldom_stops() -> None:
    before, seen = gc.get_threshold(), list[Any]()

    async def main() -> None:
        seen.extend((type(asyncio.get_running_loop()), gc.get_threshold(), gc.get_freeze_count()))

    try:
        app.start(main())
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    loop, thresholds, frozen = seen
    assert loop is uvloop.Loop
    assert thresholds == (50_000, 1, 1)
    assert frozen > 10_000
