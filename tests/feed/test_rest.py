"""Rounds and health over plain HTTP: what caches, other pages and mistaken clients get."""

from __future__ import annotations

import re
from collections import Counter as Counts
from typing import Any

import pytest
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge
from prometheus_client.parser import text_string_to_metric_families

from keeper import metrics
from keeper.domain.lines import Prediction
from tests.feed.world import (
    ANN,
    DRAW,
    LOCK,
    MEGA,
    ORACLE,
    PAGE,
    POWER,
    Known,
    Socket,
    World,
    bet,
    channel,
    connected,
    created,
    decision,
    finalized,
    serving,
)

ROUND = f"/api/round/{POWER}/1"


def opened() -> World:
    world = World()
    world.mine(created(), created(1, MEGA), bet(ANN, Prediction.LOW, 10**20))
    return world


async def problem(response: Any, status: int) -> str:
    """The detail of an answer that must be a problem."""
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    told = await response.json()
    assert {"type", "title", "status", "detail", "code"} <= told.keys()
    assert re.fullmatch("[A-Za-z_]+", told["code"])
    assert (told["type"], told["status"], told["title"]) == (
        "about:blank",
        status,
        response.reason,
    )
    detail: str = told["detail"]
    assert detail
    return detail


async def test_a_round_from_open_to_its_result() -> None:
    world = opened()
    async with serving(world) as session:
        async with session.get(ROUND) as response:
            assert response.content_type == "application/json"
            assert response.headers["Cache-Control"] == "public, max-age=10"
            told = await response.json()
        pairs = told.pop("pairs")
        assert pairs[1] == {
            "predictions": ["HIGH", "LOW"],
            "totals": ["0", str(10**20)],
            "bets": [0, 1],
            "matched": "0",
        }
        assert told == {
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
            "totalStaked": str(10**20),
            "totalMatched": "0",
            "evidenceHash": None,
        }
        world.time = LOCK - 2
        world.mine()
        async with session.get(ROUND) as response:
            assert (await response.json())["status"] == "LOCKED"
        world.mine(finalized(0))
        at = world.number
        for final in (None, at - 1, at):  # until then it may be reorganized
            world.mine(finalized=final)
            async with session.get(ROUND) as response:
                seconds = 900 if final == at else 10
                assert response.headers["Cache-Control"] == f"public, max-age={seconds}"
        async with session.get(ROUND) as response:
            told = await response.json()
            assert (told["status"], told["winningNumber"], told["finalizedAt"]) == (
                "FINALIZED",
                0,
                DRAW + 5,
            )


async def test_how_it_is_decided_is_never_kept_long() -> None:
    world, known = opened(), Known()
    known.older[POWER, 1] = decision(status="FINALIZED", winningNumber=0)
    async with serving(world, results=known) as session:
        world.time = DRAW
        world.mine(finalized(0))
        world.mine(finalized=world.number)
        async with session.get(f"/api/oracle/{POWER}/1") as response:
            assert response.headers["Cache-Control"] == "public, max-age=10"


async def test_an_answer_is_no_older_than_what_is_known_of_the_results() -> None:
    world, known = opened(), Known()
    async with serving(world, results=known) as session:
        for word in ("0x01", "0x02"):
            known.latest[POWER, 1] = decision(evidenceHash=word)
            world.hub.replace("oracle", {"rounds": [known.latest[POWER, 1]]})
            async with session.get(ROUND) as response:
                assert (await response.json())["evidenceHash"] == word


async def test_answers_fill_no_memory_while_no_block_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("feed.api._KEPT_BYTES", 20_000)
    looked = Counts[int]()

    class Looked(Known):
        def of(self, market: str, round_id: int) -> None:
            looked[round_id] += 1

    world = opened()
    world.mine(*(created(n) for n in range(2, 101)))
    async with serving(world, results=Looked()) as session:
        for _ in range(2):
            async with session.get(ROUND) as response:
                size = len(await response.read())
        assert looked[1] == 1
        for number in range(2, 101):
            async with session.get(f"/api/round/{POWER}/{number}") as response:
                assert response.status == 200
        assert 100 * size > 40_000
        async with session.get(ROUND) as response:
            assert response.status == 200
        assert looked[1] == 2
        async with session.get("/api/round/nowhere/1") as response:
            await problem(response, 404)


async def test_a_market_is_named_by_its_address_or_its_game() -> None:
    async with serving(opened()) as session:
        answers = []
        for name in (POWER, POWER.lower(), "powerball"):
            async with session.get(f"/api/round/{name}/1") as response:
                answers.append(await response.read())
        assert len(set(answers)) == 1


async def test_open_rounds_of_all_markets() -> None:
    world = opened()
    async with serving(world) as session:
        async with session.get("/api/round") as response:
            assert response.headers["Cache-Control"] == "public, max-age=10"
            rounds = (await response.json())["rounds"]
        assert [(r["game"], r["id"]) for r in rounds] == [("powerball", 1), ("mega-millions", 1)]
        async with session.get(ROUND) as response:
            assert await response.json() == rounds[0]
        world.mine((POWER, "RoundCancelled", {"roundId": 1}))
        async with session.get("/api/round") as response:
            assert [r["market"] for r in (await response.json())["rounds"]] == [MEGA]


async def test_a_copy_that_is_still_good_is_not_sent_again() -> None:
    world = opened()
    async with serving(world) as session:
        async with session.get(ROUND) as response:
            tag = response.headers["ETag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            async with session.get(ROUND, headers={"If-None-Match": known}) as response:
                assert (response.status, await response.read()) == (304, b"")
                assert response.headers["ETag"] == tag
                assert response.headers["Cache-Control"] == "public, max-age=10"
        for other in (tag.strip('"'), '"other"', "", "\xff"):
            async with session.get(ROUND, headers={"If-None-Match": other}) as response:
                assert response.status == 200
        async with session.head(ROUND) as response:
            assert (response.headers["ETag"], await response.read()) == (tag, b"")
        world.mine()  # a block in which nothing happened
        async with session.get(ROUND, headers={"If-None-Match": tag}) as response:
            assert response.status == 304
        world.mine(bet(ANN, Prediction.LOW, 1))
        async with session.get(ROUND, headers={"If-None-Match": tag}) as response:
            assert (response.status, response.headers["ETag"] != tag) == (200, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/api", 404),
        ("/api/round/", 404),
        ("/api/round/x", 404),
        (f"/api/round/{POWER}/2", 404),
        (f"/api/round/{POWER}/{10**17}", 404),
        ("/api/round/0x" + "1" * 40 + "/1", 404),
        ("/api/round/euromillions/1", 404),
        ("/api/round/0x12/1", 400),
        (f"/api/round/{POWER}/0", 400),
        (f"/api/round/{POWER}/-1", 400),
        (f"/api/round/{POWER}/1.0", 400),
        (f"/api/round/{POWER}/{'9' * 5000}", 400),
        ("/api/round/%00%ff/%0d%0a", 400),
        ("/ws", 400),
    ],
)
async def test_what_cannot_be_had_is_a_problem(path: str, status: int) -> None:
    async with serving(opened()) as session, session.get(path) as response:
        await problem(response, status)


MANY = [f"x{i}" for i in range(20)]


@pytest.mark.parametrize("path", ["/", "/api", "/api/rounds/", "/api/round/x", "/api//round"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
async def test_who_asks_where_nothing_is_is_told_where_to_look(path: str, method: str) -> None:
    world = opened()
    async with serving(world) as session:
        async with session.request(method, world.url + path) as response:
            if method == "HEAD":
                assert (response.status, response.content_type) == (404, "application/problem+json")
                return
            detail = await problem(response, 404)
            assert (await response.json())["code"] == "not_found"
        (there,) = re.findall(r"/\S+", detail)
        async with session.get(there) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("path", "errors"),
    [
        ("/api/round/POWERBALL/1", {"market": "address"}),
        ("/api/round/0x12/0", {"market": "address", "id": "from 1 to 999999999999999999"}),
        (f"/api/round/powerball/{10**18}", {"id": "from 1 to 999999999999999999"}),
        (f"/api/rounds?market={POWER}0&before=x", {"market": "address", "before": "`next`"}),
        ("/api/rounds?limit=101", {"limit": "from 1 to 100"}),
        ("/api/rounds?limit=0&Limit=5", {"limit": "from 1 to 100", "Limit": "not known"}),
        ("/api/rounds?limit=1&status=OPEN&limit=2", {"limit": "more than once"}),
        ("/api/rounds?a=1&b=1&b=1&a=2", {"a": "more than once", "b": "more than once"}),
        ("/api/round/powerball/1?id=1", {"id": "more than once"}),
        ("/api/bets/powerball?before=0", {"user": "address", "before": "from 1 to"}),
        ("/api/stats?" + "&".join(MANY), dict.fromkeys(MANY[:16], "not known")),
    ],
)
async def test_every_field_that_is_wrong_is_named_with_what_is_wanted(
    path: str, errors: dict[str, str]
) -> None:
    async with serving(opened()) as session, session.get(path) as response:
        detail = await problem(response, 400)
        told = await response.json()
        found = {e["field"]: e["message"] for e in told["errors"]}
        assert found.keys() == errors.keys()
        for field, words in errors.items():
            assert words in found[field]
        first = told["errors"][0]
        assert (told["code"], detail) == ("bad_request", f"{first['field']}: {first['message']}")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_a_problem(method: str) -> None:
    async with serving(opened()) as session, session.request(method, "/api/round") as response:
        assert await problem(response, 405) == "this path takes GET and HEAD"
        assert response.headers["Allow"] == "GET,HEAD"


async def test_before_the_chain_is_read_there_is_no_answer_yet() -> None:
    async with serving(World()) as session:
        for path in ("/api/round", ROUND):
            async with session.get(path) as response:
                await problem(response, 503)
                assert response.headers["Retry-After"] == "1"
        async with session.get("/healthz") as response:
            told = await response.json()
            assert told == {"status": "ok", "head": None, "headAgeSeconds": None}


async def test_health_tells_the_head_and_what_the_app_adds() -> None:
    world = opened()
    world.time = 1_000_000_000
    world.mine()
    async with serving(world, {"sending": False}) as session:
        async with session.get("/healthz") as response:
            assert response.headers["Cache-Control"] == "no-store"
            told = await response.json()
        assert told.pop("headAgeSeconds") > 10**8
        assert told == {"status": "ok", "head": world.number, "sending": False}
        world.time = 10**11
        world.mine()
        async with session.get("/healthz") as response:
            assert (await response.json())["headAgeSeconds"] == 0


async def test_ready_or_what_is_in_the_way() -> None:
    troubles: list[str] = []
    async with serving(World(), troubles=troubles) as session:
        async with session.get("/readyz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ready"})
            assert response.headers["Cache-Control"] == "no-store"
        troubles += ["no node answers", "the newest block is 61 s old"]
        async with session.get("/readyz") as response:
            detail = await problem(response, 503)
            assert detail == "no node answers; the newest block is 61 s old"
            assert response.headers["Retry-After"] == "5"
        async with session.get("/healthz") as response:
            assert response.status == 200  # alive all the same
        troubles.clear()
        async with session.get("/readyz") as response:
            assert response.status == 200


async def test_figures_in_the_form_that_prometheus_reads() -> None:
    metrics.GAS_SPENT.inc(10**18)
    async with serving(World()) as session, session.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == CONTENT_TYPE_LATEST
        families = {f.name: f for f in text_string_to_metric_families(await response.text())}
    assert families["lottochain_gas_spent_wei"].samples[0].value >= 10**18
    own = [m for m in vars(metrics).values() if isinstance(m, Counter | Gauge)]
    assert len(own) > 10
    assert {next(iter(m.describe())).name for m in own} <= families.keys()


async def test_pages_of_allowed_origins_may_read_and_others_may_not() -> None:
    async with serving(opened()) as session:
        for path in ("/api/round", "/nowhere"):
            for origin, allowed in ((PAGE, PAGE), ("https://evil.example", None), (None, None)):
                headers = {"Origin": origin} if origin else {}
                async with session.get(path, headers=headers) as response:
                    assert response.headers.get("Access-Control-Allow-Origin") == allowed
                    assert response.headers["Vary"] == "Origin"


async def test_a_fault_of_ours_is_a_problem_too_and_stays_with_who_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fault(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a secret of the inside")

    world = opened()
    faults = ("a request failed", "a websocket session failed")
    async with serving(world, faults=faults) as session, connected(session) as witness:
        await witness.follow(channel())
        with monkeypatch.context() as patch:
            patch.setattr("feed.api.of_round", fault)
            patch.setattr(world.hub.board, "find", fault)
            async with session.get(ROUND) as response:
                assert "secret" not in await problem(response, 500)
            async with session.ws_connect("/ws") as ws:
                client = Socket(ws)
                await client.hear()
                await client.say(op="subscribe", channels=[channel()])
                told = await client.hear()
                assert (told["code"], told["retryable"]) == ("internal", True)
                assert (await client.hear())["closed"] == 4206
        world.mine(bet(ANN, Prediction.LOW, 1))
        assert (await witness.hear())["event"] == "BetPlaced"
