"""The channel of an account: its bets in all markets, and how they are matched more and more."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pytest

from feed.hub import Hub
from feed.protocol import Cursor
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL
from keeper.domain.lines import Prediction
from keeper.ports import ChainEvent, Head
from keeper.projection import MarketView
from tests.feed.test_reorg import opened as forked
from tests.feed.world import (
    ANN,
    BOB,
    LOCK,
    MEGA,
    POWER,
    E,
    World,
    bet,
    bet_cancelled,
    channel,
    connected,
    created,
    finalized,
    paid,
    serving,
)

EVEN, ODD, HIGH, LOW = Prediction.EVEN, Prediction.ODD, Prediction.HIGH, Prediction.LOW
OF_ANN, OF_BOB = f"user:{ANN}", f"user:{BOB}"


def opened(**options: Any) -> World:
    world = World(**options)
    world.mine(created(), created(1, MEGA))
    return world


def one(amount: int, matched: int, index: int = 0, side: int = EVEN, at: str = POWER) -> Any:
    """A bet as an account is told of it."""
    what = {"market": at, "roundId": 1, "betIndex": index, "prediction": int(side)}
    return what | {"amount": str(amount), "matched": str(matched)}


def due(winnings: int = 0, refund: int = 0) -> dict[str, str]:
    return {"winnings": str(winnings), "refund": str(refund)}


async def test_an_account_from_its_first_bet_to_its_winnings() -> None:
    world = opened(messages_per_second=100)
    async with serving(world) as session, connected(session) as client:
        (snapshot,) = await client.follow(OF_ANN.lower())
        assert snapshot["channel"] == OF_ANN
        assert snapshot["data"] == {"user": ANN, "rounds": [], "bets": []}

        world.mine(bet(ANN, EVEN, 3 * E), bet(BOB, HIGH, E), bet(ANN, LOW, 2 * E, 1, MEGA))
        first, second = await client.hear(), await client.hear()
        told = [(e["market"], e["data"]["betIndex"], e["data"]["matched"]) for e in (first, second)]
        assert told == [(POWER, 0, "0"), (MEGA, 0, "0")]
        assert first["data"]["pairs"][0]["totals"] == [str(3 * E), "0"]

        # Another's bet: of this account only what it does to its own is told.
        world.mine(bet(BOB, ODD, E))
        grew = await client.hear()
        assert (grew["event"], grew["data"]) == ("MatchedGrew", one(3 * E, E))
        assert grew["cursor"] == f"{world.number}:{world.head.hash}:0"
        assert grew["txHash"] == world.events[-1].tx_hash
        assert await client.silent()

        world.mine(bet_cancelled(ANN, 0, 2 * E))
        assert (await client.hear())["event"] == "BetCancelled"
        (snapshot,) = await client.follow(OF_ANN)
        assert snapshot["data"]["bets"] == [one(E, E), one(2 * E, 0, side=LOW, at=MEGA)]

        world.time = LOCK
        for view in world.views:
            view.advance(LOCK)
        world.mine()
        (snapshot,) = await client.follow(OF_ANN)
        of_mega = {"market": MEGA, "roundId": 1, "status": "LOCKED", "due": due(0, 2 * E)}
        of_power = {"market": POWER, "roundId": 1, "status": "LOCKED", "due": due()}
        assert snapshot["data"]["rounds"] == [of_power, of_mega]

        won = 2 * E - E * 2 // 100
        world.mine(finalized(2), paid("WinningsClaimed", ANN, won))
        result, claimed = await client.hear(), await client.hear()
        assert (result["event"], result["data"]["winningNumber"]) == ("RoundFinalized", 2)
        assert result["data"]["due"] == due(won), "as it was right after the result"
        assert (claimed["event"], claimed["data"]["amount"]) == ("WinningsClaimed", str(won))
        (snapshot,) = await client.follow(OF_ANN)
        assert snapshot["data"]["rounds"][0] == of_power | {"status": "FINALIZED"}

        (snapshot,) = await client.follow(OF_BOB)
        of_bob = {r["market"]: r["due"] for r in snapshot["data"]["rounds"]}
        assert of_bob == {POWER: due(0, E)}


async def test_a_cancelled_round_tells_everybody_in_it_what_comes_back() -> None:
    world = opened()
    world.mine(bet(ANN, EVEN, 3), bet(BOB, ODD, 2))
    async with serving(world) as session, connected(session) as client:
        await client.follow(OF_ANN, OF_BOB, f"user:{POWER}", channel())
        world.time = LOCK
        world.mine(paid("RefundIssued", ANN, 1))  # what was unmatched
        world.mine((POWER, "RoundCancelled", {"roundId": 1}))
        heard = [await client.hear() for _ in range(5)]
        assert [e["event"] for e in heard[:2]] == ["RefundIssued"] * 2
        dues = {e["channel"]: e["data"].get("due") for e in heard[2:]}
        assert dues == {channel(): None, OF_ANN: due(0, 2), OF_BOB: due(0, 2)}
        assert await client.silent()


async def test_what_one_event_tells_can_be_resumed_between_any_two_messages() -> None:
    """A bet of an account may match several older ones of its own."""
    world = opened(messages_per_second=100)
    world.mine(*(bet(ANN, EVEN, 2) for _ in range(3)))
    async with serving(world) as session, connected(session) as client:
        (start,) = await client.follow(OF_ANN)
        world.mine(bet(ANN, ODD, 5), bet(BOB, ODD, 1))
        told = [await client.hear() for _ in range(5)]
        whats = [(e["event"], e["data"]["betIndex"], e["data"]["matched"]) for e in told]
        grew = [("MatchedGrew", i, m) for i, m in ((0, "2"), (1, "2"), (2, "1"))]
        assert whats == [("BetPlaced", 3, "5"), *grew, ("MatchedGrew", 2, "2")]
        cursors = [e["cursor"] for e in told]
        assert len(set(cursors)) == 5
        for n, cursor in enumerate([start["cursor"], *cursors]):
            *missed, snapshot = await client.follow(OF_ANN, since=cursor)
            assert (missed, snapshot["recovered"]) == (told[n:], True)


async def test_bets_that_are_gone_are_undone_with_what_they_matched() -> None:
    world = forked()  # with a bet of 3 E on EVEN
    survives = f"{world.number}:{world.head.hash}:"
    async with serving(world) as session, connected(session) as client:
        await client.follow(OF_ANN)
        world.mine(bet(ANN, ODD, 2 * E), bet(BOB, ODD, E))
        world.mine(bet(ANN, EVEN, E))
        told = [await client.hear() for _ in range(4)]
        world.back(bet(BOB, ODD, 2 * E))
        removed = [await client.hear() for _ in range(4)]
        for before, after in zip(told, reversed(removed), strict=True):
            same = before.keys() - {"cursor", "removed", "data"}
            assert {key: after[key] for key in same} == {key: before[key] for key in same}
            assert after["removed"]
        matched = [e["data"]["matched"] for e in removed if e["event"] == "MatchedGrew"]
        assert matched == [str(2 * E), "0"], "each as it was before"
        ends = [e["cursor"].startswith(survives) for e in removed]
        assert ends == [False] * 3 + [True]
        assert (await client.hear())["data"] == one(3 * E, 2 * E)
        (snapshot,) = await client.follow(OF_ANN)
        assert snapshot["data"]["bets"] == [one(3 * E, 2 * E)]


async def test_a_result_that_is_gone_is_undone_for_those_who_bet() -> None:
    world = forked()
    async with serving(world) as session, connected(session) as client:
        await client.follow(OF_ANN)
        world.time = LOCK
        world.mine(finalized(2))
        result = await client.hear()
        world.back()
        gone = await client.hear()
        assert (gone["event"], gone["removed"]) == ("RoundFinalized", True)
        assert gone["data"] == result["data"]
        (snapshot,) = await client.follow(OF_ANN)
        assert [r["status"] for r in snapshot["data"]["rounds"]] == ["OPEN"]


async def test_of_many_rounds_the_newest_are_told() -> None:
    world = opened()
    world.mine(*(created(number) for number in range(2, 20)))
    world.mine(*(bet(ANN, EVEN, 1, number) for number in range(1, 20)))
    ends = (POWER, "RoundCancelled")
    world.mine(*((*ends, {"roundId": number}) for number in range(2, 20)))
    async with serving(world) as session, connected(session) as client:
        (snapshot,) = await client.follow(OF_ANN)
        numbers = [r["roundId"] for r in snapshot["data"]["rounds"]]
        assert numbers == [*range(19, 9, -1), 1], "ten that are over, and all that go on"
        assert [b["roundId"] for b in snapshot["data"]["bets"]] == numbers


# ---- whatever happens, in whatever batches it is read


class _Account:
    """What a client knows of an account, which hears its messages and nothing else."""

    def __init__(self) -> None:
        self.bets: dict[tuple[str, int, int], dict[str, Any]] = {}

    def take(self, told: dict[str, Any]) -> None:
        data = told["data"]
        key = (told["market"], data["roundId"], data.get("betIndex", 0))
        if told["event"] == "BetPlaced":
            kept = {k: data[k] for k in ("roundId", "betIndex", "prediction", "amount", "matched")}
            self.bets[key] = {"market": told["market"], **kept}
        elif told["event"] == "BetCancelled":
            left = int(self.bets[key]["amount"]) - int(data["amount"])
            self.bets[key]["amount"] = str(left)
        elif told["event"] == "MatchedGrew":
            assert int(data["matched"]) > int(self.bets[key]["matched"])
            assert data["amount"] == self.bets[key]["amount"]
            self.bets[key] = data


class _Told(Hub):
    """A hub that keeps what it would tell a channel."""

    def __init__(self, views: list[MarketView]) -> None:
        super().__init__(31337, views)
        self.told: dict[str, list[dict[str, Any]]] = {}

    def _told(self, deltas: Iterable[Any], final: Iterable[Any] = ()) -> Iterator[int]:
        for delta in deltas:
            for name in delta.channels:
                self.told.setdefault(name, []).extend(messages(delta.frames(name, None)))
                yield 1


def messages(frames: bytes) -> list[dict[str, Any]]:
    found = []
    while frames:
        size, start = frames[1], 2
        if size == 126:
            size, start = int.from_bytes(frames[2:4]), 4
        found.append(orjson.loads(frames[start : start + size]))
        frames = frames[start + size :]
    return found


def history(rng: random.Random, size: int) -> list[ChainEvent]:
    """Bets, and stakes taken back as the contract lets them be, of three accounts."""
    view = MarketView(POWER, POWERBALL)
    events: list[ChainEvent] = []

    def add(log: tuple[str, str, dict[str, Any]]) -> None:
        number = 100 + len(events) // 3
        at = (number, f"0x{number}", f"0xf{len(events)}", len(events) % 3, 1)
        events.append(ChainEvent(*log, *at))
        view.apply(events[-1])

    add(created())
    while len(events) < size:
        user, side = rng.choice([ANN, BOB, MEGA]), rng.choice([EVEN, ODD, ODD, LOW])
        book = view.rounds[1].book
        loose = [
            (b, b.amount - book.matched_of(b))
            for b in book.bets_of(user)
            if b.amount > book.matched_of(b) and b.end == book.line_total(b.prediction)
        ]
        if loose and rng.random() < 0.6:
            add(bet_cancelled(user, loose[0][0].index, loose[0][1]))
        else:
            add(bet(user, side, rng.randrange(1, 9)))
    return events


@pytest.mark.parametrize("seed", [1, 2, None])
async def test_every_account_can_follow_its_bets_however_the_chain_is_read(
    seed: int | None,
) -> None:
    seed = seed or random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    events = history(rng, 400)
    heads = sorted({e.block_number for e in events})

    def told(every: float) -> _Told:
        views = [MarketView(POWER, POWERBALL), MarketView(MEGA, MEGA_MILLIONS)]
        hub, waiting = _Told(views), []
        for number in heads:
            block = [e for e in events if e.block_number == number]
            waiting += block
            for e in block:
                views[0].apply(e)
            if rng.random() < every or number == heads[-1]:
                hub.publish(waiting, Head(number, block[0].block_hash, 1), None)
                waiting = []
        hub._deliver(None)
        return hub

    each, some, once = told(1), told(0.2), told(0)
    assert each.told == some.told == once.told
    grown = 0
    for user in (ANN, BOB, MEGA):
        account, name, last = _Account(), f"user:{user}", Cursor(-1)
        for message in each.told[name]:
            at = Cursor.parse(message["cursor"])
            assert at > last
            account.take(message)
            grown += message["event"] == "MatchedGrew"
            last = at
        snapshot = orjson.loads(each.board.data(name))
        assert sorted(account.bets.values(), key=orjson.dumps) == sorted(
            snapshot["bets"], key=orjson.dumps
        )
    assert grown > 50
