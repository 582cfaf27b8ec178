"""Bets and claims over REST: who has bet where, what is due, and what a wallet is given to sign."""

from __future__ import annotations

import gzip
from typing import Any

import aiohttp
import pytest

from keeper.domain.lines import Prediction
from keeper.errors import HistoryError
from tests.feed.test_rest import problem
from tests.feed.world import (
    ANN,
    BOB,
    DRAW,
    LOCK,
    MEGA,
    POWER,
    World,
    bet,
    bet_cancelled,
    created,
    finalized,
    serving,
)

EVEN, ODD, LOW = Prediction.EVEN, Prediction.ODD, Prediction.LOW
OTHER = "0x" + "ab" * 20


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def post(session: aiohttp.ClientSession, path: str, **body: Any) -> Any:
    async with session.post(path, json=body) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        return await response.json()


async def refused(session: aiohttp.ClientSession, path: str, **body: Any) -> tuple[str, Any]:
    """The error that the contract would give, and its values."""
    async with session.post(path, json=body) as response:
        await problem(response, 409)
        told = await response.json()
        return told["code"], told["args"]


def said(call: dict[str, Any]) -> str:
    return bytes.fromhex(call["data"][2:]).decode()


def wanted(**changed: Any) -> dict[str, Any]:
    """A bet that is taken."""
    bet_ = {"market": POWER, "roundId": 1, "prediction": 1, "amount": "300", "user": BOB}
    return bet_ | changed


def limits(least: int, most: int) -> tuple[str, str, dict[str, Any]]:
    return POWER, "BetLimitsChanged", {"minBet": least, "maxBet": most}


def paid(user: str, amount: int, round_id: int = 1) -> tuple[str, str, dict[str, Any]]:
    return POWER, "WinningsClaimed", {"roundId": round_id, "user": user, "amount": amount}


async def test_a_bet_is_quoted_and_the_transaction_made() -> None:
    world = World()
    world.mine(limits(100, 1000), created(), bet(ANN, EVEN, 500), bet(ANN, ODD, 400))
    async with serving(world) as session:
        for market in (POWER.lower(), "powerball"):
            told = await post(session, "/api/bet", **wanted(market=market, user=BOB.lower()))
            assert told == {
                "user": BOB,
                "market": POWER,
                "roundId": 1,
                "prediction": 1,
                "amount": "300",
                "matched": "100",
                "payout": "398",  # F(500) - F(400) = 2
                "fee": "2",
                "cursor": told["cursor"],
                "transaction": {
                    "to": POWER,
                    "data": told["transaction"]["data"],
                    "value": "300",
                    "chainId": 31337,
                },
            }
            assert said(told["transaction"]) == f"{POWER} placeBet (1, 1)"


async def test_what_the_contract_would_refuse_is_told_by_its_error() -> None:
    world = World()
    top = 2**96 - 1
    world.mine(limits(100, top), created(), created(2), bet(ANN, EVEN, top - 500))
    world.mine(*[bet(ANN, ODD, 100)] * 15)
    world.mine((POWER, "RoundCancelled", {"roundId": 2}))
    async with serving(world) as session:

        async def error(**changed: Any) -> tuple[str, Any]:
            return await refused(session, "/api/bet", **wanted(**changed))

        for number in (0, 3, 2**53 - 1):
            assert await error(roundId=number) == ("UnknownRound", {"roundId": number})
        assert await error(roundId=2) == ("WrongStatus", {"roundId": 2, "status": 4})
        assert await error(prediction=8) == ("InvalidPrediction", {"prediction": 8})
        for amount in ("0", "99", str(top + 1), "9" * 77):
            values = {"amount": amount, "minBet": "100", "maxBet": str(top)}
            assert await error(amount=amount) == ("BetOutOfLimits", values)
        full = {"roundId": 1, "prediction": 0, "total": str(top - 500)}
        assert await error(prediction=0, amount="501") == ("LineFull", full)
        await post(session, "/api/bet", **wanted(prediction=0, amount="500"))
        many = {"roundId": 1, "user": ANN, "limit": 16}
        assert await error(user=ANN) == ("TooManyBets", many)
        world.mine((POWER, "Paused", {"account": ANN}))
        assert await error(roundId=9) == ("EnforcedPause", {})
        world.mine((POWER, "Unpaused", {"account": ANN}))
        world.time = LOCK - 4
        world.mine()
        await post(session, "/api/bet", **wanted())
        world.mine()
        assert await error(prediction=9) == ("BettingClosed", {"roundId": 1, "lockTime": LOCK})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("market", None),
        ("market", 1),
        ("market", "0x12"),
        ("roundId", "1"),
        ("roundId", 1.5),
        ("roundId", True),
        ("roundId", -1),
        ("roundId", 2**53),
        ("prediction", "EVEN"),
        ("prediction", 256),
        ("amount", 300),
        ("amount", "-1"),
        ("amount", "0300"),
        ("amount", "1e3"),
        ("amount", "١"),
        ("amount", "9" * 78),
        ("user", BOB[:-1]),
        ("user", BOB + "\n"),
        ("user", {"$ne": 1}),
        ("more", 1),
    ],
)
async def test_a_field_that_is_wrong_is_named(field: str, value: Any) -> None:
    world = World()
    world.mine(created())
    body = wanted(**{field: value})
    async with serving(world) as session, session.post("/api/bet", json=body) as response:
        detail = await problem(response, 400)
        assert detail.startswith(f"{field}: ")
        assert "pattern" not in detail, "that is for programs"
        told = await response.json()
        assert (told["code"], told["errors"][0]["field"]) == ("bad_request", field)


async def test_what_is_told_beside_the_body_is_named() -> None:
    world = World()
    world.mine(created())
    async with (
        serving(world) as session,
        session.post("/api/bet?a=1&user=2&a=3", json=wanted()) as response,
    ):
        assert await problem(response, 400) == "a: is to be told in the body"
        assert [e["field"] for e in (await response.json())["errors"]] == ["a", "user"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "bad_request"),
        (b"{", "application/json", 400, "bad_request"),
        (b"[" * 10_000, "application/json", 400, "bad_request"),
        (b'"\xff"', "application/json", 400, "bad_request"),
        (b"[]", "application/json", 400, "bad_request"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b" " * 20_000, "application/json", 413, "request_entity_too_large"),
    ],
)
async def test_a_body_that_is_none_is_a_problem(
    body: bytes, kind: str, status: int, code: str
) -> None:
    world = World()
    world.mine(created())
    headers = {"Content-Type": kind}
    async with serving(world) as session:
        for path in ("/api/bet", "/api/claim"):
            async with session.post(path, data=body, headers=headers) as response:
                await problem(response, status)
                assert (await response.json())["code"] == code


@pytest.mark.parametrize("packed", [None, b"{}", b"x" * 10**6], ids=["no", "little", "much"])
async def test_a_body_that_is_packed_is_refused_whether_it_can_be_unpacked_or_not(
    packed: bytes | None,
) -> None:
    body = b"{}" if packed is None else gzip.compress(packed)
    world = World()
    world.mine(created())
    async with serving(world) as session:
        for encoding in ("gzip", "deflate", "br", "nonsense"):
            headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
            for path in ("/api/bet", "/api/claim"):
                async with session.post(path, data=body, headers=headers) as response:
                    await problem(response, 415)
            async with session.get("/api/round", data=body, headers=headers) as response:
                assert response.status == 200


async def test_what_failed_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.mine(created(), bet(ANN, EVEN, 5))
    async with serving(world) as session:
        assert world.history
        whole = world.history.rounds_of

        async def fails(_: str) -> Any:
            raise HistoryError("not now")

        monkeypatch.setattr(world.history, "rounds_of", fails)
        async with session.get(f"/api/bets/{ANN}") as response:
            await problem(response, 503)
        monkeypatch.setattr(world.history, "rounds_of", whole)
        assert len((await get(session, f"/api/bets/{ANN}"))["rounds"]) == 1


async def test_bets_of_a_user_by_rounds_settled_or_not() -> None:
    world = World()
    world.mine(created(), created(1, MEGA), bet(ANN, EVEN, 500), bet(BOB, ODD, 300))
    async with serving(world) as session:
        world.settle()
        world.mine(bet(ANN, LOW, 7, market=MEGA), bet(ANN, EVEN, 50))
        for path in (f"/api/bets/{ANN}", f"/api/bets/{ANN.lower()}"):
            told = await get(session, path)
            assert (told["user"], told["next"]) == (ANN, None)
            mega, power = told["rounds"]  # the one that began last first, whatever came since
        assert (mega["market"], power["market"]) == (MEGA, POWER)
        assert power == {
            "market": POWER,
            "game": "powerball",
            "roundId": 1,
            "status": "OPEN",
            "drawTime": DRAW,
            "lockTime": LOCK,
            "winningNumber": None,
            "bets": [
                {
                    "betIndex": 0,
                    "prediction": 0,
                    "amount": "500",
                    "matched": "300",
                    "placedAt": world.time - 2,
                    "refunded": False,
                    "outcome": None,
                },
                {
                    "betIndex": 1,
                    "prediction": 0,
                    "amount": "50",
                    "matched": "0",
                    "placedAt": world.time,
                    "refunded": False,
                    "outcome": None,
                },
            ],
            "winnings": "0",
            "refund": "0",
            "settled": False,
        }
        world.settle()
        again = await get(session, f"/api/bets/{ANN}")
        assert again == await get(session, f"/api/bets/{ANN}?limit=2")
        world.mine(bet_cancelled(ANN, 1, 50), finalized(2))
        told = (await get(session, f"/api/bets/{ANN}"))["rounds"][1]
        assert [b["outcome"] for b in told["bets"]] == ["WON", "WON"]
        assert (told["winnings"], told["refund"]) == ("594", "200")
        assert (await get(session, f"/api/bets/{OTHER}"))["rounds"] == []


async def test_pages_of_bets_are_whole_and_hold_nothing_twice() -> None:
    world = World()
    world.mine(*[created(n, m) for n in range(1, 8) for m in (POWER, MEGA)])
    async with serving(world) as session:
        for number in range(1, 8):
            world.mine(bet(ANN, EVEN, 5, number), bet(BOB, EVEN, 5, number, MEGA))
            if number == 4:
                world.settle()
        expected = [(POWER, n) for n in range(7, 0, -1)]
        for limit in (1, 3, 7, 100):
            found, before = [], ""
            while True:
                told = await get(session, f"/api/bets/{ANN}?limit={limit}{before}")
                assert 0 < len(told["rounds"]) <= limit
                found += [(r["market"], r["roundId"]) for r in told["rounds"]]
                if told["next"] is None:
                    break
                before = f"&before={told['next']}"
                world.mine(bet(ANN, ODD, 1, 7))  # what comes meanwhile moves nothing
            assert found == expected


async def test_all_that_is_due_and_how_it_is_claimed() -> None:
    world = World()
    world.mine(*[created(n) for n in (1, 2, 3)], created(1, MEGA))
    world.mine(bet(ANN, EVEN, 500), bet(BOB, ODD, 300), bet(ANN, LOW, 40, 2), bet(ANN, LOW, 9, 3))
    world.mine(bet(ANN, LOW, 8, 1, MEGA))
    async with serving(world) as session:
        world.settle()
        assert await refused(session, "/api/claim", user=ANN) == (
            "NothingDue",
            {"roundId": 0, "user": ANN},
        )
        world.time = LOCK
        world.mine(finalized(2), (POWER, "RoundCancelled", {"roundId": 2}))
        for view in world.views:
            view.advance(world.time)
        told = await get(session, f"/api/claim/{ANN}")
        assert told["total"] == str(594 + 200 + 40 + 9 + 8)
        assert [
            (c["market"], c["roundId"], c["winnings"], c["refund"]) for c in told["claims"]
        ] == [
            (MEGA, 1, "0", "8"),
            (POWER, 3, "0", "9"),
            (POWER, 2, "0", "40"),
            (POWER, 1, "594", "200"),
        ]
        told = await post(session, "/api/claim", user=ANN.lower())
        assert (told["user"], told["to"]) == (ANN, ANN)
        calls = [(c["market"], c["roundIds"], c["amount"]) for c in told["claims"]]
        assert calls == [(POWER, [2, 1], "834"), (POWER, [3], "9"), (MEGA, [1], "8")]
        assert [said(c["transaction"]) for c in told["claims"]] == [
            f"{POWER} claimWinningsBatch ([2, 1], '{ANN}')",
            f"{POWER} claimRefund (3,)",
            f"{MEGA} claimRefund (1,)",
        ]
        assert {c["transaction"]["value"] for c in told["claims"]} == {"0"}
        # To another only what a batch pays.
        (call,) = (await post(session, "/api/claim", user=ANN, to=BOB))["claims"]
        assert said(call["transaction"]) == f"{POWER} claimWinningsBatch ([2, 1], '{BOB}')"
        zero = "0x" + "0" * 40
        assert await refused(session, "/api/claim", user=ANN, to=zero) == (
            "ZeroAddress",
            {"what": "to"},
        )
        world.mine(
            paid(ANN, 594), (POWER, "RefundIssued", {"roundId": 1, "user": ANN, "amount": 200})
        )
        assert (await get(session, f"/api/claim/{ANN}"))["total"] == str(40 + 9 + 8)


async def test_more_rounds_than_a_transaction_holds_take_two() -> None:
    world, numbers = World(), range(1, 102)
    world.mine(*[created(n) for n in numbers])
    world.mine(*[bet(ANN, EVEN, n, n) for n in numbers])
    world.mine(*[(POWER, "RoundCancelled", {"roundId": n}) for n in numbers])
    async with serving(world) as session:
        world.settle()
        claims = (await post(session, "/api/claim", user=ANN))["claims"]
    assert [len(claim["roundIds"]) for claim in claims] == [100, 1]
    assert sorted(n for claim in claims for n in claim["roundIds"]) == [*numbers]
    for claim in claims:
        assert claim["amount"] == str(sum(claim["roundIds"]))
        assert said(claim["transaction"]).endswith(f"({claim['roundIds']}, '{ANN}')")
