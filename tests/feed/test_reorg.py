"""What clients are told when the chain takes events back: as `docs/realtime.md` says."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from keeper.domain.lines import Prediction
from tests.feed.world import (
    ANN,
    BOB,
    MEGA,
    POWER,
    E,
    World,
    bet,
    bet_cancelled,
    channel,
    connected,
    created,
    serving,
)

EVEN, ODD, LOW = Prediction.EVEN, Prediction.ODD, Prediction.LOW


class Forked(World):
    """A world that can go back to where it was remembered, as the follower does it."""

    def remember(self) -> None:
        self._then = deepcopy(self.views), self.number, self.time, len(self.events), self.head

    def back(self, *logs: tuple[str, str, dict[str, Any]], lost: int | None = None) -> None:
        """These logs are in the next block in the place of all that came since."""
        self.views, self.number, self.time, kept, survives = self._then
        self._then = deepcopy(self.views), *self._then[1:]
        lost = len(self.events) - kept if lost is None else lost
        self.events, self.salt, self.silently = self.events[:kept], self.salt + 1, True
        self.mine(*logs)
        self.silently = False
        self.hub.fall_back(self.views, survives, lost)
        self.hub.publish(self.events[kept:], self.head, None)


def opened(**options: Any) -> Forked:
    # What is void is not waited for long, though it might be of a block to come.
    world = Forked(**{"ahead_seconds": 0.1, **options})
    world.mine(created(), created(1, MEGA))
    world.mine(bet(ANN, EVEN, 3 * E))
    world.remember()
    return world


async def test_lost_events_come_again_newest_first_with_the_lines_before_them() -> None:
    world = opened()
    survives = f"{world.number}:{world.head.hash}:"
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(BOB, ODD, E), bet(BOB, LOW, 2 * E))
        world.mine(bet_cancelled(ANN, 0, 2 * E))
        told = [await client.hear() for _ in range(3)]
        world.back(bet(BOB, ODD, 5 * E))
        removed = [await client.hear() for _ in range(3)]
        for before, after in zip(told, reversed(removed), strict=True):
            same = before.keys() - {"cursor", "removed", "data"}
            assert {key: after[key] for key in same} == {key: before[key] for key in same}
            assert (before["removed"], after["removed"]) == (False, True)
            assert before["data"].keys() == after["data"].keys()
        lines = [(r["data"]["totalStaked"], r["data"]["pairs"][0]) for r in removed]
        words = {"predictions": ["EVEN", "ODD"], "matched": str(E), "bets": [1, 1]}
        assert lines == [
            (str(6 * E), words | {"totals": [str(3 * E), str(E)]}),
            (str(4 * E), words | {"totals": [str(3 * E), str(E)]}),
            (str(3 * E), words | {"totals": [str(3 * E), "0"], "matched": "0", "bets": [1, 0]}),
        ]
        # Only who has heard all of it can go on from the block that survives.
        assert [r["cursor"] for r in removed[:2]] == [t["cursor"] for t in reversed(told[1:])]
        assert removed[2]["cursor"].startswith(survives)
        new = await client.hear()
        assert (new["removed"], new["data"]["totalStaked"]) == (False, str(8 * E))
        for cursor in [t["cursor"] for t in told]:
            (snapshot,) = await client.follow(channel(), since=cursor)
            assert not snapshot["recovered"]
        again, snapshot = await client.follow(channel(), since=removed[2]["cursor"])
        assert (again, snapshot["recovered"]) == (new, True)


async def test_each_channel_falls_back_by_its_own_events() -> None:
    world = opened()
    survives = f"{world.number}:{world.head.hash}:"
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel(), f"market:{MEGA}")
        world.mine(bet(ANN, EVEN, 1), bet(ANN, EVEN, 1, 1, MEGA))
        told = [await client.hear() for _ in range(2)]
        world.back()
        removed = [await client.hear() for _ in range(2)]
        assert [r["channel"] for r in removed] == [t["channel"] for t in reversed(told)]
        assert all(r["cursor"].startswith(survives) for r in removed)
        assert await client.silent()


async def test_a_reorganization_that_takes_no_events_is_silent() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine()
        world.mine()
        vanished = f"{world.number}:{world.head.hash}:0"
        world.back()
        assert await client.silent()
        (snapshot,) = await client.follow(channel(), since=vanished)
        assert not snapshot["recovered"]


async def test_a_round_that_is_created_again_is_told_anew() -> None:
    world = opened()
    world.mine(created(2))
    world.mine(created(3))
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel(2), channel(3))
        world.back(created(2))
        heard = await client.hear_until("snapshot")
        heard += await client.hear_until("error") if len(heard) < 4 else []
        removed = [(m["channel"], m["removed"]) for m in heard if m["type"] == "event"]
        assert removed[:2] == [(channel(3), True), (channel(2), True)]
        (snapshot,) = [m for m in heard if m["type"] == "snapshot"]
        (gone,) = [m for m in heard if m["type"] == "error"]
        assert (snapshot["channel"], snapshot["recovered"]) == (channel(2), False)
        assert (gone["channel"], gone["code"]) == (channel(3), "unknown_round")
        world.mine(bet(ANN, EVEN, 1, 2))
        assert (await client.hear())["channel"] == channel(2)


@pytest.mark.parametrize("market", [POWER, MEGA])
async def test_events_too_many_to_be_told_are_replaced_by_a_snapshot(market: str) -> None:
    world = opened(history=4)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel(1, market))
        for _ in range(5):
            world.mine(bet(BOB, ODD, E, 1, market))
            await client.hear()
        world.back(bet(BOB, EVEN, 2 * E, 1, market))
        snapshot = await client.hear()
        assert (snapshot["type"], snapshot["recovered"]) == ("snapshot", False)
        assert snapshot["data"]["totalStaked"] == str((5 if market == POWER else 2) * E)
        world.mine(bet(BOB, EVEN, E, 1, market))
        assert (await client.hear())["data"]["amount"] == str(E)


async def test_what_comes_instead_is_not_final_before_that_is_told_again() -> None:
    """The node's word on what is final was wrong, or not of this chain."""
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(BOB, ODD, E), finalized=world.number + 1)
        assert (await client.hear())["final"]
        final = await client.hear()
        assert (final["type"], final["finalized"]) == ("final", world.number)
        world.back(bet(BOB, ODD, 2 * E))
        told = [await client.hear() for _ in range(2)]
        assert [(m["removed"], m["final"]) for m in told] == [(True, False), (False, False)]
        world.mine(finalized=world.number)
        final = await client.hear()
        assert (final["type"], final["upTo"]) == ("final", told[-1]["cursor"])
