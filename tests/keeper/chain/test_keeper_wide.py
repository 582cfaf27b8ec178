"""One operator and several web instances as real processes: who is killed is not missed."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from keeper.domain.calendar import draw_time
from keeper.domain.draw import POWERBALL
from tests.feed.world import Socket, connected
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import NO_KEY, OLD, PATIENT, Home, Running, web
from tests.keeper.chainfixtures import (
    BETTORS,
    KEEPER,
    REPORTER_KEYS,
    REPORTERS,
    Chain,
    Deployed,
    DeployedOracle,
)
from tests.keeper.redisfixture import RedisServer

ANN = BETTORS[0]
EVEN = 0


@pytest.fixture
def home(home: Home) -> Home:
    """Of keepers that wait long: for their Redis, their clients, and what others have read."""
    return replace(home, program=PATIENT)


async def heard(client: Socket, times: int) -> list[dict[str, Any]]:
    """The next so many BetPlaced events."""
    events: list[dict[str, Any]] = []
    while len(events) < times:
        if (message := await client.hear()).get("event") == "BetPlaced":
            events.append(message)
    return events


async def bets(market: Deployed, times: int) -> None:
    """So many, each greater by a wei."""
    for number in range(1, times + 1):
        await market.bet(BETTORS[number % 3], 1, EVEN, 10**9 + number)


def shown(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(e["cursor"], e["data"]["amount"]) for e in events]


async def test_a_client_of_an_instance_that_is_killed_goes_on_at_another(
    home: Home, decided: Deployed, redis: RedisServer
) -> None:
    """Without a gap or a repeat: both tell the same events by the same cursors."""
    channel = f"round:{decided.address}:1"
    async with (
        web(home, REDIS_URL=redis.url) as one,
        web(home, REDIS_URL=redis.url) as other,
        connected(other.session) as watching,
    ):
        await watching.follow(channel)
        async with connected(one.session) as client:
            await client.follow(channel)
            betting = asyncio.create_task(bets(decided, 30))
            first = await heard(client, 8)  # somewhere in the middle of them
            await one.running.kill()
            with contextlib.suppress(AssertionError):  # the connection broke off
                while (message := await client.hear())["type"] != "closed":
                    first += [message] if message.get("event") == "BetPlaced" else []
        async with connected(other.session) as client:
            *missed, snapshot = await client.follow(channel, since=first[-1]["cursor"])
            assert snapshot["recovered"]
            rest = missed + await heard(client, 30 - len(first) - len(missed))
            await betting
        told = shown(first + rest)
        assert [int(amount) - 10**9 for _, amount in told] == list(range(1, 31))
        assert told == shown(await heard(watching, 30))


async def test_who_comes_from_an_instance_ahead_of_this_one_is_told_no_older_state(
    home: Home, decided: Deployed
) -> None:
    channel = f"round:{decided.address}:1"
    async with web(home) as quick, web(home, POLL_SECONDS="3") as slow:
        async with connected(quick.session) as client:
            await client.follow(channel)
            await bets(decided, 2)
            first, second = await heard(client, 2)
        async with connected(slow.session) as client:
            *missed, snapshot = await client.follow(channel, since=first["cursor"])
            assert shown(missed) == shown([second])
            assert snapshot["recovered"]
            assert snapshot["data"]["totalStaked"] == second["data"]["totalStaked"]


async def test_the_operators_end_silences_nobody_and_what_it_said_is_known(
    home: Home, chain: Chain, decided: Deployed, oracle: DeployedOracle, redis: RedisServer
) -> None:
    channel, shared = f"market:{decided.address}", {"REDIS_URL": redis.url, "LEASE_SECONDS": "60"}
    await redis.lends(f"lottochain:lease:{chain.chain_id}:{REPORTERS[0]}")
    async with (
        web(home, **shared) as one,
        web(home, **shared) as other,
        home.keeper("--role", "operator", "--send", **shared, **OLD) as operator,
        connected(one.session) as client,
        connected(other.session) as another,
    ):
        url = (await operator.until_logged("serving"))["url"]
        await client.follow(channel)
        await another.follow(channel)
        async with aiohttp.ClientSession(url) as session:
            health = await (await session.get("/healthz")).json()
            assert (health["role"], health["account"], health["sending"]) == (
                "operator",
                REPORTERS[0],
                True,
            )
            assert (await session.get("/ws")).status == (await session.get("/api/round")).status
            assert (await session.get("/ws")).status == 404
        await chain.move_to(DRAW + 300)

        async def voted() -> bool:
            return bool((await oracle.read("voteOf", decided.address, 1, REPORTERS[0]))[0])

        await operator.until(voted)
        key = f"lottochain:{chain.chain_id}:asked:{decided.address}:1"
        async with redis.client() as store:

            async def told() -> bool:
                said = await store.get(key)
                return bool(said and orjson.loads(said)["evidenceHash"])

            await operator.until(told)
            said = orjson.loads(await store.get(key))
            assert (said["verdict"], said["winningNumber"]) == ("agreed", 64)
            assert said["evidenceHash"] == (await oracle.reports())[0][1]

            async with connected(one.session) as of_results:
                (now,) = await of_results.follow("oracle")

                def result() -> tuple[object, ...]:
                    (shown,) = (now["data"] or {}).get("rounds") or [{"voting": {"votes": []}}]
                    votes = [
                        v["draw"] and v["draw"]["winningNumber"] for v in shown["voting"]["votes"]
                    ]
                    return shown.get("asked"), votes

                # It may ask once more after its vote, and each asking is told again.
                while result() != (orjson.loads(await store.get(key)), [64, None, None]):
                    now = (await of_results.hear_until("snapshot"))[-1]

        await operator.kill()
        await decided.do(KEEPER, "createRound", draw_time(POWERBALL, dt.date(2026, 8, 22)))
        for follower in (client, another):
            while (await follower.hear()).get("event") != "RoundCreated":
                pass  # what the operator did before
        await redis.kill()  # nor does the end of what they share
        for instance in (one, other):
            assert await instance.status("/readyz") == 200
            assert await instance.status("/api/round") == 200
            async with connected(instance.session) as late:
                assert (await late.follow(channel))[-1]["data"]["rounds"][0]["id"] == 2
            assert await instance.running.terminate() == 0
            assert not [line for line in instance.running.lines if line["level"] == "error"]


def secrets_in(process: Running, *secrets: bytes) -> list[bytes]:
    """Those of the secrets that the process has in its memory or environment."""
    folder = Path(f"/proc/{process.process.pid}")
    found = {s for s in secrets if s in (folder / "environ").read_bytes()}
    with (folder / "mem").open("rb", buffering=0) as memory:
        for line in (folder / "maps").read_text().splitlines():
            area, rights, *_ = line.split()
            if rights.startswith("rw"):
                first, last = (int(end, 16) for end in area.split("-"))
                memory.seek(first)
                with contextlib.suppress(OSError):
                    held = memory.read(last - first)
                    found |= {s for s in secrets if s in held}
    return sorted(found)


def files_of(process: Running) -> list[str]:
    """What the process has opened."""
    opened = list[str]()
    for file in Path(f"/proc/{process.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            opened.append(str(file.readlink()))
    return opened


async def test_a_web_instance_holds_no_key_and_opens_nothing_of_an_operator(
    home: Home, redis: RedisServer
) -> None:
    text = REPORTER_KEYS[0].encode()
    secrets = text, bytes.fromhex(REPORTER_KEYS[0].removeprefix("0x"))
    async with (
        web(home, REDIS_URL=redis.url) as one,
        home.keeper("--role", "operator", "--send", REDIS_URL=redis.url) as operator,
    ):
        await operator.until_logged("the chain is read")
        assert secrets_in(operator, *secrets), "it would be seen"
        assert secrets_in(one.running, *secrets) == []
        (started,) = one.running.logged("keeper")
        assert (started["role"], started["account"], started["sending"]) == ("web", None, False)
        async with redis.client() as store:

            async def leased() -> bool:
                return bool([key async for key in store.scan_iter("*lease*")])

            await operator.until(leased)
        index = str(home.folder / "web" / "history.sqlite")
        assert {name for name in files_of(one.running) if str(home.folder) in name} == {index}
        assert [name for name in files_of(operator) if str(home.folder) in name]
    assert [str(path) for path in (home.folder / "web").iterdir()] == [index]


@pytest.mark.parametrize(
    ("args", "settings", "named"),
    [
        ([], {}, "LOTTOCHAIN_KEY_FILE"),
        ([], {"KEY_FILE": "/nowhere"}, "LOTTOCHAIN_KEY_FILE"),
        (
            [],
            {**NO_KEY, "KEYSTORE": "/nowhere", "KEYSTORE_PASSWORD_FILE": "/nowhere"},
            "LOTTOCHAIN_KEYSTORE, LOTTOCHAIN_KEYSTORE_PASSWORD_FILE",
        ),
        (
            [],
            {**NO_KEY, "KEYSTORE_PASSWORD_FILE": "/nowhere"},
            "LOTTOCHAIN_KEYSTORE_PASSWORD_FILE",
        ),
        (["--send"], NO_KEY, "--send"),
    ],
)
async def test_a_web_instance_refuses_a_key(
    home: Home, args: list[str], settings: dict[str, str], named: str
) -> None:
    code, out, err = await home.command("run", "--role", "web", *args, **settings)
    assert (code, out) == (2, "")
    why = "--role web holds no key and sends nothing: it goes without"
    assert err == f"keeper: {why} {named}\n"


async def test_a_redis_option_that_there_is_not_is_one_error_without_its_password(
    home: Home,
) -> None:
    url = "redis://:secret@127.0.0.1:1/0?max_connections=none"
    code, _, err = await home.process("run", "--role", "web", **NO_KEY, REDIS_URL=url)
    assert code == 2
    assert err == "keeper: LOTTOCHAIN_REDIS_URL: an option in it is not one of Redis\n"
