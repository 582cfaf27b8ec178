"""The websocket as a dApp uses it: snapshot, deltas in order, resume, heartbeat, shutdown."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from keeper.domain.lines import Prediction
from keeper.projection import MarketView
from tests.feed.world import (
    ANN,
    BOB,
    DRAW,
    LOCK,
    MEGA,
    ORACLE,
    POWER,
    START,
    E,
    World,
    bet,
    bet_cancelled,
    channel,
    connected,
    created,
    finalized,
    serving,
    stranger,
)

EVEN, ODD, HIGH = Prediction.EVEN, Prediction.ODD, Prediction.HIGH


def opened(**options: Any) -> World:
    world = World(**options)
    world.mine(created(), created(1, MEGA))
    return world


async def test_hello_tells_where_one_is() -> None:
    world = opened(heartbeat_seconds=25.0)
    async with serving(world) as session, session.ws_connect("/ws") as ws:
        hello = await ws.receive_json()
        assert len(hello.pop("connectionId")) == 16
        assert hello == {
            "type": "hello",
            "protocol": 1,
            "chainId": 31337,
            "markets": [
                {"game": "powerball", "address": POWER},
                {"game": "mega-millions", "address": MEGA},
            ],
            "heartbeatMs": 25000,
        }


async def test_a_round_from_its_snapshot_to_its_result() -> None:
    world = opened()
    world.mine(bet(ANN, EVEN, 3 * E))
    async with serving(world) as session, connected(session) as client:
        (snapshot,) = await client.follow(channel())
        seen = f"102:{world.head.hash}:0"
        assert snapshot["cursor"].startswith(seen[:-1])
        assert (snapshot["recovered"], snapshot["headTime"]) == (False, START + 4)
        data = snapshot["data"]
        pairs = data.pop("pairs")
        assert data == {
            "market": POWER,
            "game": "powerball",
            "id": 1,
            "status": "OPEN",
            "drawTime": DRAW,
            "lockTime": LOCK,
            "feeBps": 200,
            "oracle": ORACLE,
            "winningNumber": None,
            "finalizedAt": None,
            "totalStaked": str(3 * E),
            "totalMatched": "0",
        }
        assert pairs[0]["totals"] == [str(3 * E), "0"]
        assert [p for pair in pairs for p in pair["predictions"]] == [p.name for p in Prediction]
        assert [pair["matched"] for pair in pairs] == ["0"] * 4

        # Two bets of one block: each tells the lines as they were right after it.
        world.mine(bet(BOB, ODD, E), bet(BOB, ODD, 4 * E), finalized=102)
        first, second = await client.hear(), await client.hear()
        assert await client.hear() == {"type": "final", "upTo": seen, "finalized": 102}
        assert first["data"]["user"] == BOB
        assert (first["data"]["amount"], first["data"]["prediction"]) == (str(E), 1)
        assert (first["data"]["totalStaked"], first["data"]["totalMatched"]) == (
            str(4 * E),
            str(E),
        )
        assert second["data"]["pairs"][0] == {
            "predictions": ["EVEN", "ODD"],
            "totals": [str(3 * E), str(5 * E)],
            "bets": [1, 2],
            "matched": str(3 * E),
        }
        del first["data"]
        assert first == {
            "type": "event",
            "channel": channel(),
            "cursor": f"103:{world.head.hash}:0",
            "event": "BetPlaced",
            "market": POWER,
            "blockNumber": 103,
            "blockHash": world.head.hash,
            "blockTime": START + 6,
            "txHash": f"0x{103:032x}{0:032x}",
            "logIndex": 0,
            "final": False,
            "removed": False,
        }

        world.time = DRAW + 5
        world.mine(finalized(7), finalized=104)
        result = await client.hear()
        assert (result["event"], result["final"]) == ("RoundFinalized", True)
        assert result["data"] == {"roundId": 1, "winningNumber": 7, "timestamp": DRAW + 5}
        final = {"type": "final", "upTo": result["cursor"], "finalized": 104}
        assert await client.hear() == final, "the bets, too"
        (snapshot,) = await client.follow(channel())
        assert snapshot["data"]["status"] == "FINALIZED"
        assert (snapshot["data"]["winningNumber"], snapshot["data"]["finalizedAt"]) == (7, DRAW + 5)


async def test_a_stake_taken_back_shortens_its_line() -> None:
    """Also among bets of the same block, which are told as they were right after each."""
    world = opened()
    world.mine(bet(ANN, HIGH, E), bet(ANN, EVEN, 3 * E))
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(BOB, ODD, E), bet_cancelled(ANN, 1, 2 * E), bet(BOB, EVEN, 5 * E))
        placed, taken, after = [await client.hear() for _ in range(3)]
        assert (taken["event"], taken["logIndex"]) == ("BetCancelled", 1)
        pairs = [told["data"].pop("pairs")[0] for told in (placed, taken, after)]
        assert [pair["totals"] for pair in pairs] == [[str(a * E), str(E)] for a in (3, 1, 6)]
        assert {(*pair["bets"], pair["matched"]) for pair in pairs[:2]} == {(1, 1, str(E))}
        assert taken["data"] == {
            "roundId": 1,
            "user": ANN,
            "betIndex": 1,
            "amount": str(2 * E),
            "prediction": EVEN,
            "totalStaked": str(3 * E),
            "totalMatched": str(E),
        }
        (snapshot,) = await client.follow(channel())
        assert snapshot["data"]["pairs"][0] == pairs[2]
        assert snapshot["data"]["totalStaked"] == str(8 * E)


async def test_a_market_tells_its_rounds_and_every_event_of_its_own() -> None:
    world = opened()
    world.mine(created(2))
    async with serving(world) as session, connected(session) as client:
        (snapshot,) = await client.follow(f"market:{POWER}")
        assert [r["id"] for r in snapshot["data"]["rounds"]] == [1, 2]
        assert snapshot["data"]["lockedRounds"] == []
        limits = {"minBet": 10**9, "maxBet": 10**20}
        world.mine(
            (POWER, "BetLimitsChanged", limits),
            created(2, MEGA),
            (POWER, "RoleGranted", {"role": b"\x01" * 32, "account": ANN, "sender": BOB}),
            bet(ANN, HIGH, E, 2),
        )
        heard = [await client.hear() for _ in range(3)]
        assert [(e["event"], e["logIndex"]) for e in heard] == [
            ("BetLimitsChanged", 0),
            ("RoleGranted", 2),
            ("BetPlaced", 3),
        ]
        assert heard[0]["data"] == {"minBet": str(10**9), "maxBet": str(10**20)}
        assert heard[1]["data"]["role"] == "0x" + "01" * 32
        assert await client.silent()
        world.time = LOCK
        world.mine()
        (snapshot,) = await client.follow(f"market:{POWER}")
        assert snapshot["data"]["rounds"] == []
        assert [r["status"] for r in snapshot["data"]["lockedRounds"]] == ["LOCKED", "LOCKED"]


async def test_no_gap_and_no_repeat_between_a_snapshot_and_its_deltas() -> None:
    """Clients that come at any moment all arrive at the same sums."""
    world = opened()
    rng = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")

    async def one(session: Any) -> int:
        async with connected(session) as client:
            await asyncio.sleep(rng.random() * 0.2)
            (snapshot,) = await client.follow(channel())
            staked, places = int(snapshot["data"]["totalStaked"]), []
            while staked < 300:
                event = await client.hear()
                staked += int(event["data"]["amount"])
                assert event["data"]["totalStaked"] == str(staked)
                places.append((event["blockNumber"], event["logIndex"]))
            assert places == sorted(set(places))
            return len(places)

    async with serving(world) as session, asyncio.TaskGroup() as group:
        clients = [group.create_task(one(session)) for _ in range(20)]
        for _ in range(100):
            world.mine(*(bet(stranger(rng.randrange(10**9)), EVEN, 1) for _ in range(3)))
            await asyncio.sleep(0.003)
    assert len({client.result() for client in clients}) > 3, "they came at different moments"


async def test_events_of_all_markets_come_in_the_order_of_the_chain() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(f"market:{POWER}", f"market:{MEGA}")
        world.mine(*(bet(ANN, EVEN, 1, 1, market) for market in (POWER, MEGA, POWER, MEGA)))
        heard = [await client.hear() for _ in range(4)]
        assert [e["logIndex"] for e in heard] == [0, 1, 2, 3]


async def test_a_reset_gives_everybody_a_fresh_snapshot() -> None:
    world = opened()
    world.mine(bet(ANN, EVEN, 5), created(2))
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel(), channel(2))
        lost = f"{world.number}:{world.head.hash}:0"
        world.views = [MarketView(v.address, v.game) for v in world.views]
        # The chain changed: the app builds its views anew before it tells.
        world.salt, world.number, world.silently = 1, 100, True
        world.mine(created())
        world.mine(bet(BOB, EVEN, 7))
        world.silently = False
        world.hub.reset(world.views, world.head, None, ())
        snapshot, gone = await client.hear(), await client.hear()
        assert (snapshot["recovered"], snapshot["data"]["totalStaked"]) == (False, "7")
        assert (gone["type"], gone["code"], gone["channel"]) == (
            "error",
            "unknown_round",
            channel(2),
        )
        (snapshot,) = await client.follow(channel(), since=lost)
        assert not snapshot["recovered"]
        world.mine(bet(BOB, EVEN, 1))
        assert (await client.hear())["data"]["totalStaked"] == "8"


async def test_a_server_started_anew_tells_what_was_missed_meanwhile() -> None:
    world = opened()
    world.mine(bet(ANN, EVEN, 1), bet(ANN, EVEN, 2))
    seen = f"{world.number}:{world.head.hash}:0"
    world.mine(bet(BOB, ODD, 4))
    world.hub = World().hub
    world.hub.reset(world.views, world.head, None, world.events)
    async with serving(world) as session, connected(session) as client:
        heard = await client.follow(channel(), since=seen)
        assert [e["data"]["totalStaked"] for e in heard] == ["3", "7", "7"]
        assert heard[-1]["recovered"]
        (snapshot,) = await client.follow(channel(), since=f"{world.number - 1}:0xbad:0")
        assert not snapshot["recovered"]


async def test_an_event_is_told_once_however_often_it_is_published() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(bet(ANN, EVEN, 1))
        event = await client.hear()
        world.number, world.time = world.number - 1, world.time - 2
        world.mine(bet(ANN, EVEN, 1))
        assert event["data"]["totalStaked"] == "1"
        assert await client.silent()


async def test_heartbeats_carry_a_cursor_to_resume_from() -> None:
    world = opened(heartbeat_seconds=0.1)
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        world.mine(finalized=99)
        beats = [await client.hear()]
        while [beat["head"] for beat in beats].count(102) < 3:
            beats.append(await client.hear())
        beat = beats[-1]
        assert beat.pop("cursor").startswith(f"102:{world.head.hash}:")
        assert beat == {
            "type": "heartbeat",
            "head": 102,
            "headTime": world.time,
            "finalized": 99,
        }
        heard = await client.follow(channel(), since=beats[-2]["cursor"])
        assert heard[-1]["recovered"]


async def test_unsubscribed_is_silent() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel(), f"market:{POWER}")
        await client.say(op="unsubscribe", id=2, channels=[channel().lower(), "market:0x0"])
        ack = await client.hear()
        assert ack == {"type": "ack", "id": 2, "unsubscribed": [channel()], "errors": []}
        world.mine(bet(ANN, EVEN, 1))
        assert (await client.hear())["channel"] == f"market:{POWER}"
        assert await client.silent()


async def test_shutdown_says_when_to_come_back() -> None:
    world = opened()
    async with serving(world) as session, connected(session) as client:
        await client.follow(channel())
        closing = asyncio.create_task(world.hub.close(1500))
        told = await client.hear()
        assert told["type"] == "shutdown"
        assert 1500 <= told["retryAfterMs"] <= 3000
        assert (await client.hear())["closed"] == 4201
        await closing
        async with session.ws_connect("/ws") as late:
            refused = await late.receive_json()
            assert (refused["code"], refused["retryable"]) == ("shutdown", True)
