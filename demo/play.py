"""Plays a plan: people bet, time goes by, the keeper does the rest and is watched at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo import stage
from demo.chain import Chain
from demo.ledger import Account, Facts, Played
from demo.plan import Plan, Planned
from demo.publishers import Publishers
from demo.stage import DemoFailed
from demo.watch import Watcher, say
from keeper.chain.market import ContractMarket
from keeper.domain.consensus import Agreed, Answer, decide
from keeper.domain.lines import RoundStatus
from keeper.duties import LOCK_LEAD, RESULT_WINDOW, Terms
from keeper.ports import ChainEvent
from keeper.show import answer_row, balls
from keeper.sources import ask_all, open_client, read
from keeper.sources import build as build_sources
from keeper.store import evidence

EARLY = 12 * 3600  # seconds before the draw at which people bet


@dataclass
class Round:
    """A round under way.

    Attributes:
        id: once it is open.
        answers: what its sources said, once asked.
    """

    planned: Planned
    market: ContractMarket
    id: int = 0
    answers: Sequence[Answer] = ()

    @property
    def agreed(self) -> Agreed | None:
        """What the sources must agree on, if they must."""
        verdict = self.planned.verdict()
        return verdict if isinstance(verdict, Agreed) else None

    def its(self, events: Sequence[ChainEvent]) -> list[ChainEvent]:
        """The round's own events."""
        mine = (self.market.address, self.id)
        return [e for e in events if (e.market, e.args.get("roundId")) == mine]


@dataclass
class Run:
    """A run under way, its rounds played one after the other.

    Attributes:
        gas: what each bettor's transactions cost so far beside the stakes, wei.
    """

    plan: Plan
    out: Path
    chain: Chain
    publishers: Publishers
    keeper: stage.Child
    gas: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        accounts = self.chain.accounts[stage.BETTORS :]
        self.people: Mapping[str, str] = dict(zip(self.plan.bettors, accounts, strict=True))
        self.watcher = Watcher({address: name for name, address in self.people.items()})

    async def play(self) -> Facts:
        """All of it; the facts as the chain has them at the end."""
        balance, fees = self.chain.rpc.balance, self.chain.accounts[stage.FEES]
        before = {name: await balance(address) for name, address in self.people.items()}
        earned = await balance(fees)
        await self.keeper.until(self.watcher.ready.is_set, "a snapshot on the websocket")
        rounds = [Round(r, self.chain.markets[r.game.name]) for r in self.plan.rounds]
        for r in rounds:
            await self._bets(r)
            await self._lock(r)
            await self._result(r)
        for r in rounds:
            await self._void(r)
        await self._withdraw_fees(rounds)
        accounts = [
            Account(name, address, before[name], await balance(address), self.gas[name])
            for name, address in self.people.items()
        ]
        return Facts(
            plan=self.plan,
            rounds=await self._played(rounds),
            accounts=accounts,
            held={game: await balance(m.address) for game, m in self.chain.markets.items()},
            earned=await balance(fees) - earned,
        )

    # ---- the steps of a round

    async def _bets(self, r: Round) -> None:
        planned = r.planned
        say(
            f"\n{planned.title}: drawn are {balls(planned.draw)}, n = {planned.draw.winning_number}"
        )
        for told in planned.misbehaviour():
            say(f"- but {told}")
        say("- 12 hours before the draw people bet")
        await self.chain.move_to(planned.draw_time - EARLY)
        r.id = await self._until(r, "opened", lambda: r.market.round_of(planned.draw_time))
        for bet in planned.wagers:
            self.gas[bet.bettor] += await self.chain.send(
                self.people[bet.bettor],
                planned.game.name,
                "placeBet",
                *(r.id, int(bet.prediction)),
                value=bet.amount,
            )
        if planned.wagers:
            await self._shown()

    async def _lock(self, r: Round) -> None:
        say("- 15 minutes before the draw the betting ends; what found no opponent goes back")
        await self.chain.move_to(r.planned.draw_time - LOCK_LEAD)

        async def locked() -> bool:
            return any(e.name == "RoundLocked" for e in r.its(await self.chain.events()))

        await self._until(r, "locked", locked)
        await self._paid(r)

    async def _result(self, r: Round) -> None:
        planned, game = r.planned, r.planned.game.name
        say("- 5 minutes after the draw the keeper asks three publishers")
        for name, fault in planned.faults.items():
            self.publishers.faults[name, game] = fault
        self.watcher.gate.clear()  # first what they say, then what follows
        await self.chain.move_to(planned.draw_time + Terms().report_delay)
        r.answers = await self._until(r, "asked for", lambda: self._asked(planned))
        verdict = decide(r.answers)
        against = verdict.dissenting if isinstance(verdict, Agreed) else ()
        for answer in r.answers:
            name, said, number = answer_row(answer)
            told = f"{said}, n = {number}" if number else f"{said:.60}"
            say(f"    {name:<13} {told}" + (" (out-voted)" if name in against else ""))
        self.watcher.gate.set()
        if against:
            seen = {"game": game, "date": str(planned.date), "sources": list(against)}
            dissent = "a source gives another draw"
            await self._until(r, "seen disputed", lambda: self.keeper.logged(dissent, **seen))
        if r.agreed:
            if r.agreed.draw != planned.draw:
                say("- two publishers tell the same lie, and so it decides")
            await self._finished(r, RoundStatus.FINALIZED)
        else:
            say("- no two agree: the keeper goes on asking")
            # The faults end with the round: from now on nobody prints this draw at all.
            self.publishers.draws.remove(planned.published)
        for name in planned.faults:
            del self.publishers.faults[name, game]

    async def _void(self, r: Round) -> None:
        if r.agreed:
            return
        if (await r.market.round_info(r.id)).status is RoundStatus.LOCKED:
            say(f"\n{r.planned.title}: 72 hours after the draw there is no result")
            await self.chain.move_to(r.planned.draw_time + RESULT_WINDOW + 1)
        await self._finished(r, RoundStatus.CANCELLED)

    async def _withdraw_fees(self, rounds: Sequence[Round]) -> None:
        say("\nAnybody may send the fees on")
        for game, market in self.chain.markets.items():
            ids = [r.id for r in rounds if r.market is market and r.agreed]
            if ids:
                anybody = self.chain.accounts[stage.ADMIN]
                await self.chain.send(anybody, game, "withdrawFees", ids)
        await self._shown()

    async def _played(self, rounds: Sequence[Round]) -> list[Played]:
        events = await self.chain.events()
        told, logs = self.watcher.told, [(e.block_number, e.log_index) for e in events]
        if told != logs[-len(told) :]:
            raise DemoFailed("the websocket did not tell each event once, in the chain's order")
        say(f"The websocket told {len(told)} events, without a gap and in the chain's order")
        return [
            Played(
                planned=r.planned,
                market=r.market.address,
                id=r.id,
                info=await r.market.round_info(r.id),
                matched={
                    name: await self.chain.matched(r.planned.game.name, r.id, address)
                    for name, address in self.people.items()
                },
                events=r.its(events),
                answers=r.answers,
            )
            for r in rounds
        ]

    # ---- waiting for the keeper

    async def _finished(self, r: Round, status: RoundStatus) -> None:
        async def finished() -> bool:
            return (await r.market.round_info(r.id)).status is status

        await self._until(r, status.name.lower(), finished)
        await self._paid(r)

    async def _paid(self, r: Round) -> None:
        """Until nothing is due to anybody."""
        users = {self.people[bet.bettor] for bet in r.planned.wagers}

        async def nothing_due() -> bool:
            return not any([sum(await r.market.claimable(r.id, user)) for user in users])

        await self._until(r, "paid out", nothing_due)
        await self._shown()

    async def _asked(self, planned: Planned) -> Sequence[Answer]:
        """What the sources said, by the keeper's evidence; asked again if too few had a result."""
        date = str(planned.date)
        if files := sorted((self.out / "evidence" / planned.game.name / date).glob("*.json")):
            return evidence.verify(files[-1], read).answers
        if not self.keeper.logged("no result yet", game=planned.game.name, date=date):
            return ()
        async with open_client() as client:
            sources = build_sources(self.publishers.urls, client, stage.SOURCE_PATIENCE)
            return [f.answer for f in await ask_all(sources, planned.game, planned.date)]

    async def _shown(self) -> None:
        """Until the websocket has told all that happened so far."""
        events = await self.chain.events()
        last = max((e.block_number, e.log_index) for e in events)
        told = self.watcher.told
        await self.keeper.until(lambda: last <= max(told, default=(0, 0)), "all events told")
        self.watcher.flush()

    async def _until(self, r: Round, what: str, done: Callable[[], object]) -> Any:
        return await self.keeper.until(done, f"{r.planned.title} is not {what}")
