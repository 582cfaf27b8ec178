"""A round that a committee decided, and what a chain knows of its votes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import aiohttp

from feed.store import MemoryStore
from keeper.domain.draw import Draw
from keeper.errors import StoreDown
from keeper.ports import Report
from tests.feed.described import answer
from tests.feed.world import (
    ANN,
    BOB,
    DRAW,
    ORACLE,
    POWER,
    Known,
    World,
    created,
    decision,
    finalized,
    stranger,
)

ONE, ROUND = f"/api/oracle/{POWER}/1", f"/api/round/{POWER}/1"
CAT = stranger(12)
TRUE = Draw(dt.date(2026, 8, 19), (10, 21, 58, 61, 64), 17)  # n = 64
LIE = Draw(TRUE.date, TRUE.whites, 16)  # n = 14
HOURS = 1800  # blocks


def voting(*votes: Draw | None, ballot: int = 1, number: int | None = 64) -> dict[str, Any]:
    """Of ANN, BOB and CAT, as who reads the chain tells it."""
    proposal = {"winningNumber": number, "finalizableAt": DRAW + 3600}
    return {
        "quorum": 2,
        "disputeWindow": 3600,
        "guardian": ORACLE,
        "ballot": ballot,
        "votes": [
            {"reporter": who, "draw": vote and vote.plain()}
            for who, vote in zip((ANN, BOB, CAT), votes, strict=True)
        ],
        "proposal": None if number is None else proposal,
    }


def evidence(word: int) -> str:
    return f"0x{word:064x}"


def report(block: int, who: str, draw: Draw, word: int, ballot: int = 1) -> Report:
    return Report(block, who, ballot, draw, evidence(word))


class Story(World):
    """A round whose draw was in block 10,000, and what a chain knows of its votes."""

    def __init__(self) -> None:
        super().__init__()
        self.known = Known()
        self.known.times = lambda number: DRAW + 2 * (number - 10_000)
        self.mine(created())

    def at(self, block: int) -> None:
        """That block is the newest."""
        self.number, self.time = block - 1, self.known.times(block - 1)
        self.mine()

    def end(self, block: int, number: int | None = 64, after: int = 100) -> None:
        """The round gets its result in that block, or is cancelled; that is final."""
        self.number, self.time = block - 1, self.known.times(block - 1)
        self.mine(
            (POWER, "RoundCancelled", {"roundId": 1}) if number is None else finalized(number)
        )
        self.at(block + after)
        self.mine(finalized=block + after)

    def decided(self) -> None:
        """Two of three agree, after a lie in a ballot that was vetoed."""
        self.known.cast = [
            report(10_100, BOB, LIE, 1),
            report(10_110, CAT, LIE, 2),
            report(10_300, CAT, LIE, 3, ballot=2),
            report(10_310, ANN, LIE, 4, ballot=2),
            report(10_320, CAT, TRUE, 5, ballot=2),
            report(10_330, ANN, TRUE, 6, ballot=2),
        ]
        told = voting(TRUE, None, TRUE, ballot=2)
        self.end(10_330 + HOURS)
        result = {"status": "FINALIZED", "winningNumber": 64}
        self.known.older[POWER, 1] = decision(voting=told, **result)


class Down(MemoryStore):
    """A store that is gone."""

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        raise StoreDown("gone")

    async def get(self, key: str) -> bytes | None:
        raise StoreDown("gone")


async def get(session: aiohttp.ClientSession, path: str = ONE) -> dict[str, Any]:
    """An answer, which is as described."""
    async with session.get(path) as response:
        assert response.status == 200, await response.text()
        told: dict[str, Any] = await response.json()
    answer("Round" if "round" in path else "Decision", told)
    return told


def cast(told: dict[str, Any]) -> list[str | None]:
    return [vote["evidence"] for vote in told["voting"]["votes"]]
