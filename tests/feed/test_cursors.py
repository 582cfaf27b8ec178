"""From which cursors one may go on: wherever nothing can be missing, and nowhere else."""

from __future__ import annotations

from itertools import chain

import pytest

from keeper.domain.lines import Prediction
from tests.feed.test_reorg import opened as forked
from tests.feed.world import ANN, BOB, World, bet, channel, connected, serving

EVEN, ODD = Prediction.EVEN, Prediction.ODD


def here(world: World, log: int | None = 2**32 - 1) -> str:
    """A cursor of the newest block."""
    return f"{world.number}:{world.head.hash}:{log}"


@pytest.mark.parametrize("lost", [1, 2, 4])
async def test_a_history_from_which_void_events_were_taken_reaches_back_no_further(
    lost: int,
) -> None:
    """Though it is not full any more."""
    world = forked(history=4, messages_per_second=100)  # two of the blocks that come
    cursors = [here(world)]
    for amount in range(1, 8):
        if amount == 8 - lost:
            world.remember()
        world.mine(bet(BOB, ODD, amount), bet(BOB, ODD, 10 * amount))
        cursors.append(here(world))
    world.back(bet(ANN, EVEN, 100))
    async with serving(world) as session, connected(session) as client:
        recovered = []
        for seen, cursor in enumerate(cursors[: 8 - lost]):
            *events, snapshot = await client.follow(channel(), since=cursor)
            if snapshot["recovered"]:
                recovered.append(seen)
                amounts = [int(e["data"]["amount"]) for e in events]
                missed = [[amount, 10 * amount] for amount in range(seen + 1, 8 - lost)]
                assert amounts == [*chain.from_iterable(missed), 100]
        assert recovered == [7 - lost]
