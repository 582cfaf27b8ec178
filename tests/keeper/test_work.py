"""How long what failed is left alone."""

from __future__ import annotations

from keeper.work import LONGEST_REST, Rest


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
