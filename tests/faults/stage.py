"""A round on a real chain, and a keeper that ends it whatever is done to it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account

from demo.publishers import Publishers
from keeper.domain.draw import POWERBALL
from keeper.projection import OPERATOR_ROLE
from tests.keeper.chain.committee import DRAWN, vote
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import Home, Running
from tests.keeper.chain.proxy import Proxy
from tests.keeper.chain.waiting import Condition, until
from tests.keeper.chainfixtures import (
    ADMIN,
    BETTORS,
    CANCELLED,
    FINALIZED,
    REPORTER_KEYS,
    REPORTERS,
    Chain,
    Deployed,
    DeployedOracle,
    E,
)

ANN, BOB, CY, DEE = BETTORS[:4]
EVEN, ODD, HIGH, LOW, EVEN_LOW, ODD_HIGH, EVEN_HIGH, ODD_LOW = range(8)
LOCK, REPORT, VOID = DRAW - 900, DRAW + 300, DRAW + 72 * 3600 + 1

# Some of it matched, some not, some on neither side of what is drawn: n = 64, EVEN and HIGH win.
BETS = (
    (ANN, EVEN, 3 * E),  # one of it unmatched
    (ANN, LOW, E),
    (BOB, ODD, 2 * E),
    (BOB, ODD_LOW, E),  # unmatched
    (BOB, ODD_HIGH, E),
    (CY, HIGH, E // 2),
    (DEE, HIGH, 3 * E // 2),  # one of it unmatched
    (DEE, EVEN_LOW, E),
)
# What the chain must tell of it in the end, an event each; a winner gives 2 % of what was won.
AT_LOCK = [("RefundIssued", ANN, E), ("RefundIssued", BOB, E), ("RefundIssued", DEE, E)]
WON = [
    *AT_LOCK,
    ("WinningsClaimed", ANN, 2 * E + 2 * E * 98 // 100),
    ("RefundIssued", BOB, E),
    ("WinningsClaimed", CY, E // 2 + E // 2 * 98 // 100),
    ("WinningsClaimed", DEE, E // 2 + E // 2 * 98 // 100),
    ("RefundIssued", DEE, E),
]
VOIDED = [
    *AT_LOCK,
    ("RefundIssued", ANN, 3 * E),
    ("RefundIssued", BOB, 3 * E),
    ("RefundIssued", CY, E // 2),
    ("RefundIssued", DEE, 3 * E // 2),
]


@dataclass
class Stage:
    """A market that a committee decides, its publishers, and the keeper of the first reporter.

    Attributes:
        home: of this keeper, which may send by itself all that a round takes but one vote.
        wire: on which it speaks to the node.
        homes: of all keepers that may send, this one first.
        runs: its processes, in order; a new one starts when one has ended.
    """

    chain: Chain
    oracle: DeployedOracle
    market: Deployed
    publishers: Publishers
    home: Home
    wire: Proxy
    homes: list[Home] = field(default_factory=list)
    runs: list[Running] = field(default_factory=list)

    @classmethod
    async def set(cls, folder: Path, chain: Chain, publishers: Publishers, wire: Proxy) -> Stage:
        """Deploys everything; the round itself is for the keeper to open."""
        oracle = await chain.deploy_oracle()
        market = await chain.deploy(POWERBALL, oracle=oracle.address)
        await market.do(ADMIN, "grantRole", bytes.fromhex(OPERATOR_ROLE[2:]), REPORTERS[0])
        stage = cls(chain, oracle, market, publishers, Home(folder, {}), wire)
        stage.home = stage.home_of(folder / "keeper", REPORTER_KEYS[0])
        stage.home.settings["RPC_URL"] = wire.url
        stage.homes.append(stage.home)
        return stage

    def home_of(self, folder: Path, key: str) -> Home:
        """A keeper's home, with settings that make it quick."""
        home = Home.make(folder, self.chain, [self.market], self.publishers, key)
        quick = {"POLL_SECONDS": "0.1", "SETTLE_BATCH": "2"}
        home.settings |= quick | {"CONFIRMATIONS": "0", "REPLACE_SECONDS": "1"}
        return home

    # ---- its keeper

    @property
    def keeper(self) -> Running:
        """The newest process."""
        return self.runs[-1]

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While this lasts a keeper runs; one that did not end cleanly is followed by another.

        In the end the keeper has nothing on its way any more, and stops cleanly.
        """

        async def keep() -> None:
            while True:
                async with self.home.keeper("--send") as running:
                    self.runs.append(running)
                    if await running.process.wait() == 0:
                        return
                await asyncio.sleep(0.1)

        keeping = asyncio.create_task(keep())
        try:
            while not self.runs:
                await asyncio.sleep(0.01)
            yield
            await self.until(lambda: quiet(self.keeper, self.home))
            assert await self.keeper.terminate() == 0, "\n".join(self.keeper.raw)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def until(self, condition: Condition) -> None:
        """Waits for something to come true, whatever becomes of the keeper meanwhile."""

        def told() -> list[str]:
            return [line for run in self.runs for line in ("---- a process", *run.raw)]

        await until(condition, told)

    async def until_logged(self, event: str, **values: object) -> dict[str, Any]:
        """By any of the processes; the first such line."""

        def lines() -> list[dict[str, Any]]:
            return [line for run in self.runs for line in run.logged(event, **values)]

        await self.until(lambda: bool(lines()))
        return lines()[0]

    async def until_put_off(self, duty: str, why: str) -> None:
        """The keeper has said that a duty must wait, and that this is why."""
        trouble = await self.until_logged("put off", duty=duty)
        assert why in trouble["why"], trouble

    # ---- the round, step by step

    async def play(self) -> None:
        """All of it."""
        await self.opened()
        await self.play_on()

    async def play_on(self) -> None:
        """From the bets to the end."""
        await self.locked()
        await self.decided()

    async def decided(self) -> None:
        """From the lock to the end."""
        await self.proposed()
        await self.finished()

    async def opened(self) -> None:
        """Round 1 is there, and bet on."""
        await self.until(self._has("RoundCreated"))
        for user, prediction, amount in BETS:
            await self.market.bet(user, 1, prediction, amount)

    async def locked(self) -> None:
        """It is locked, and what was unmatched is back; the next round is open."""
        await self.chain.move_to(max(LOCK, await self.chain.now() + 1))
        await self.until(self._has("RoundLocked"))
        await self.until(self.nothing_due)
        await self.until(self._has("RoundCreated", 2))

    async def reported(self) -> None:
        """The keeper has voted."""
        await self.chain.move_to(max(REPORT, await self.chain.now() + 1))
        await self.until(self._has_voted)

    async def proposed(self) -> None:
        """And another reporter after it, so that a proposal stands."""
        await self.reported()
        if REPORTERS[1] in map(account_of, self.homes):
            await self.until(self._proposed)  # by its keeper
        else:
            await vote(self.oracle, self.market, REPORTERS[1], DRAWN)

    async def finished(self) -> None:
        """The proposal is final, and all are paid."""
        _, _, finalizable_at = await self.oracle.read("proposal", self.market.address, 1)
        await self.chain.move_to(finalizable_at)
        await self.until(self._stands(FINALIZED))
        await self.until(self.nothing_due)

    async def voided(self) -> None:
        """No result came, and all have their stakes back."""
        await self.chain.move_to(VOID)
        await self.until(self._stands(CANCELLED))
        await self.until(self.nothing_due)

    async def nothing_due(self) -> bool:
        """To none of those who bet."""
        due = [await self.market.read("claimable", 1, user) for user in (ANN, BOB, CY, DEE)]
        return all(d == (0, 0) for d in due)

    def _has(self, event: str, times: int = 1) -> Callable[[], Awaitable[bool]]:
        async def happened() -> bool:
            return len(await self.market.logs(event)) >= times

        return happened

    def _stands(self, status: int) -> Callable[[], Awaitable[bool]]:
        async def stands() -> bool:
            return await self.market.status(1) == status

        return stands

    async def _proposed(self) -> bool:
        return bool(await self.oracle.logs("ResultProposed"))

    async def _has_voted(self) -> bool:
        return REPORTERS[0] in dict(await self.oracle.reports())


def account_of(home: Home) -> str:
    """Of its key."""
    key = (home.folder / "key").read_text().strip()
    return str(Account.from_key(key).address)


def journal_of(home: Home) -> Path:
    """Its file."""
    name = f"{home.settings['CHAIN_ID']}-{account_of(home)}.jsonl"
    return home.folder / "data" / "journal" / name


def entries(home: Home) -> list[dict[str, Any]]:
    """What its journal tells so far, line by line; the last may be on its way to the disk."""
    path = journal_of(home)
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def quiet(keeper: Running, home: Home) -> bool:
    """It runs, has read the chain, and nothing of it is on its way."""
    told = entries(home)
    settled = not told or told[-1]["event"] != "intent"
    runs = keeper.process.returncode is None
    return runs and settled and bool(keeper.logged("the chain is read"))
