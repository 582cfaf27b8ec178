"""How long what failed is left alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from structlog.testing import capture_logs

from keeper.domain.draw import POWERBALL
from keeper.duties import Duty, Terms
from keeper.projection import MarketView
from keeper.work import LONGEST_REST, Rest, Worker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_rest_is_twice_as_long_up_to_a_limit() -> None:
    clock = Clock()
    rest = Rest(60, clock)
    assert "a" not in rest
    waits = []
    for _ in range(7):
        assert not rest.again("a")
        begin = clock.now
        while "a" in rest:
            clock.now += 1
        waits.append(clock.now - begin)
    for waited, longest in zip(waits, [60, 120, 240, 480, *[LONGEST_REST] * 3], strict=True):
        assert 0.8 * longest <= waited <= longest  # not all keepers at the same second
    for _ in range(10_000):
        rest.again("a")  # no number grows without bound


def test_after_so_many_tries_it_rests_for_ever() -> None:
    clock = Clock()
    rest = Rest(1, clock)
    assert [rest.again("a", 3) for _ in range(3)] == [False, False, True]
    clock.now = 1e12
    assert "a" in rest


def test_a_rest_that_ends_begins_anew() -> None:
    clock = Clock()
    rest = Rest(1, clock)
    for _ in range(5):
        rest.again("a")
    rest.end("a")
    rest.end("never")
    assert "a" not in rest
    rest.again("a")
    rest.again("b")
    clock.now = 1
    assert "a" not in rest
    assert "b" not in rest


# ---- duties that cannot be done


class Broken:
    """A sender with a fault that nobody foresaw."""

    address = None

    async def send(self, *_: Any) -> Any:
        raise KeyError("what nobody thought of")


def worker(view: MarketView) -> Worker:
    market = SimpleNamespace(address=view.address, game=view.game)
    follower = SimpleNamespace(views={view.address: view})
    parts: Any = market, follower, Broken(), {}, None, None, Terms(), Rest(60)
    return Worker(*parts)


async def test_a_round_that_is_not_known_any_more_is_passed_over() -> None:
    """A changed chain is read anew, while duties of before are still under way."""
    works = worker(MarketView("0x", POWERBALL))
    with capture_logs() as logs:
        for name in ("settle", "report", "watch", "finalize", "lockRound", "voidRound"):
            assert not await works._attempt(Duty(name, 1, ("0xa",)))
        works._look_after_payments(Duty("settle", 1, ("0xa",)), 1)
    assert logs == []


async def test_a_fault_that_nobody_foresaw_puts_a_duty_off_and_ends_nothing() -> None:
    works, duty = worker(MarketView("0x", POWERBALL)), Duty("createRound", 1)
    with capture_logs() as logs:
        assert not await works._attempt(duty)
    assert [(line["event"], line["log_level"]) for line in logs] == [("put off", "error")]
    assert duty.key in works.rest
