"""Clients that are slow, greedy or foreign: nobody else notices, and they are told why."""

from __future__ import annotations

import time
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest

from feed.protocol import Wish
from keeper.domain.lines import Prediction
from tests.feed.described import Checked
from tests.feed.world import (
    PAGE,
    Clock,
    Socket,
    World,
    bet,
    channel,
    connected,
    created,
    opened,
    serving,
    stranger,
)

EVEN = Prediction.EVEN


# ---- limits


async def refused(client: Socket) -> tuple[str, bool, int]:
    told = await client.hear()
    assert told["type"] == "error", told
    assert told["message"] != told["code"].replace("_", " ")
    return told["code"], told["retryable"], (await client.hear())["closed"]


async def test_connections_are_limited_in_all_and_per_address() -> None:
    world = opened(connections=3, per_address=2)
    async with serving(world) as session, connected(session), connected(session) as second:
        async with session.ws_connect("/ws") as ws:
            assert await refused(Socket(ws)) == ("too_many_from_address", True, 4203)
        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with (
            aiohttp.ClientSession(
                world.url, connector=elsewhere, ws_response_class=Checked
            ) as other,
            connected(other),
            other.ws_connect("/ws") as ws,
        ):
            assert await refused(Socket(ws)) == ("too_many_connections", True, 4202)
        await second.ws.close()
        async with connected(session) as third:
            assert await third.silent()


async def test_connections_from_a_network_of_ipv6_are_limited_together() -> None:
    """As requests are: a customer has all of its addresses."""
    world = opened(per_address=2)

    def of(address: str) -> dict[str, Any]:
        return {"headers": {"X-Forwarded-For": address}}

    async with (
        serving(world, proxies=[ip_network("127.0.0.0/8")]) as session,
        connected(session, **of("2001:db8::1")),
        connected(session, **of("2001:db8::2")),
        connected(session, **of("2001:db8:0:1::1")),
        session.ws_connect("/ws", **of("2001:db8:0:0:ffff::3")) as ws,
    ):
        assert await refused(Socket(ws)) == ("too_many_from_address", True, 4203)


async def test_channels_are_limited() -> None:
    world = opened()
    for round_id in range(2, 130):
        world.mine(created(round_id))
    async with serving(world) as session, connected(session) as client:
        await client.follow(*(channel(i) for i in range(1, 129)))
        assert len(await client.follow(channel(1))) == 1, "one it has already"
        await client.say(op="subscribe", id=2, channels=[channel(129)])
        assert await refused(client) == ("too_many_channels", False, 4001)


@pytest.mark.usefixtures("clock")
async def test_messages_are_limited_in_number_and_size() -> None:
    world = opened()
    async with serving(world) as session:
        async with connected(session) as client:
            for i in range(10):
                await client.say(op="ping", id=i)
            heard = [await client.hear() for _ in range(5)]
            assert [m["id"] for m in heard] == [0, 1, 2, 3, 4]
            assert await refused(client) == ("too_many_messages", True, 4204)
        for size, kind in ((16 * 1024, "pong"), (16 * 1024 + 1, "error")):
            async with connected(session) as client:
                text = '{"op":"ping","x":"é%s"}'
                await client.ws.send_str(text % ("x" * (size - len((text % "").encode()))))
                told = await client.hear()
                assert told["type"] == kind
                if kind == "error":
                    assert (told["code"], told["retryable"]) == ("message_too_big", False)
                    assert (await client.hear())["closed"] == 4000
        async with connected(session) as client:
            await client.ws.send_str("x" * 64 * 1024)
            assert await refused(client) == ("message_too_big", False, 4000)
        for size in (64 * 1024 + 1, 10**6):
            async with connected(session) as client:
                await client.ws.send_str("x" * size)
                assert (await client.hear())["closed"] == 1009


async def test_who_was_silent_may_say_more(clock: Clock) -> None:
    """Five a second, and never more than five at once."""
    world = opened()
    async with serving(world) as session, connected(session) as client:
        for seconds, allowed in ((0, 5), (0.5, 2), (100, 5)):
            clock.now += seconds
            for _ in range(allowed):
                assert await client.silent()
        await client.say(op="ping")
        assert await refused(client) == ("too_many_messages", True, 4204)


async def test_who_has_to_wait_may_say_as_much_meanwhile(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """But not save it up."""
    world = opened(ahead_seconds=1.0)
    wait = world.hub.catch_up

    async def catch_up(wish: Wish) -> None:
        await wait(wish)
        clock.now += 1

    monkeypatch.setattr(world.hub, "catch_up", catch_up)
    since = f"{world.number + 5}:0xabc:0"  # which does not come
    async with serving(world) as session, connected(session) as client:
        await client.say(op="subscribe", id="late", channels=[channel()], since=since)
        for i in range(8):  # five a second, and some that it may say at once
            await client.say(op="ping", id=i)
        heard = [await client.hear() for _ in range(10)]
        assert [m["id"] for m in heard if m["type"] == "pong"] == [*range(8)]
        for _ in range(4):
            await client.say(op="subscribe", id="late", channels=[channel()], since=since)
            await client.hear_until("snapshot")
        for i in range(20):
            await client.say(op="ping", id=i)
        told = await client.hear_until("error")
        assert told[-1]["code"] == "too_many_messages"
        assert len(told[:-1]) == 10


async def test_who_never_subscribes_is_sent_away() -> None:
    world = opened(first_subscription=1000.0)
    async with serving(world) as session, connected(session) as quiet, connected(session) as busy:
        await busy.follow(channel())
        await quiet.say(op="subscribe", id=1, channels=["market:0x1"])
        assert (await quiet.hear())["subscribed"] == []
        for client in [*world.hub._clients]:
            world.hub._look_after(client, time.monotonic() + 1001)
        assert await refused(quiet) == ("no_subscription", True, 4205)
        assert await busy.silent()


async def test_a_server_that_still_reads_the_chain_says_so() -> None:
    world = World()
    async with serving(world) as session:
        async with session.ws_connect("/ws") as ws:
            assert await refused(Socket(ws)) == ("starting", True, 4200)
        world.mine(created())
        async with connected(session) as client:
            assert await client.silent()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        PAGE + "/",
        PAGE + ".evil.example",
        "http://lotto.example",
    ],
)
async def test_pages_of_other_origins_are_refused_before_the_upgrade(origin: str) -> None:
    async with serving(opened()) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect("/ws", headers={"Origin": origin})
        assert refusal.value.status == 403
        two = [("Origin", PAGE), ("Origin", origin)]
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect("/ws", headers=two)


async def test_our_page_and_programs_may_connect_and_nothing_is_compressed() -> None:
    async with serving(opened()) as session:
        async with connected(session, headers={"Origin": PAGE}, compress=15) as client:
            assert client.ws.compress == 0
            assert await client.silent()
        async with connected(session) as client:
            assert await client.silent()


async def test_more_channels_than_there_may_be_are_refused_unseen() -> None:
    """However few of them are new, or sound."""
    world = opened()
    async with serving(world) as session:
        async with connected(session) as client:
            await client.follow(channel())
            for names in ([channel()] * 128, ["nonsense"] * 128):
                await client.say(op="subscribe", id=1, channels=names)
                assert (await client.hear_until("ack"))[-1]["type"] == "ack"
            assert await client.silent()
        for names in ([channel()] * 129, ["nonsense"] * 129):
            async with connected(session) as client:
                since = f"{world.number + 5}:0xabc:0"  # which would be waited for
                await client.say(op="subscribe", id=1, channels=names, since=since)
                assert await refused(client) == ("too_many_channels", False, 4001)


class _Unseen(dict[Any, Any]):
    """What nobody is to look through."""

    def _look(self, *_: object) -> Any:
        raise AssertionError("somebody looks")

    __getitem__ = __iter__ = __reversed__ = get = keys = values = items = _look


def test_an_account_that_never_bet_costs_nothing() -> None:
    world = opened()
    world.mine(*(created(round_id) for round_id in range(2, 10)))
    world.mine(bet(stranger(1), EVEN, 1))
    for view in world.views:
        view.rounds = _Unseen(view.rounds)
    assert b'"rounds":[]' in world.hub.board.data(f"user:{stranger(2)}")
    with pytest.raises(AssertionError, match="somebody looks"):
        world.hub.board.data(f"user:{stranger(1)}")
