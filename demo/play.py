"""Plays a plan: people bet, time goes by, the keeper does the rest and is watched at it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from demo import stage
from demo.chain import Chain
from demo.ledger import Account, Facts, Played
from demo.plan import MAX_BET, MIN_BET, Plan, PlannedRound
from demo.publishers import Publishers
from demo.stage import DemoFailed
from demo.watch import Watcher, say
from keeper.chain import records
from keeper.chain.market import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.domain.consensus import Agreed, Answer
from keeper.domain.lines import RoundStatus
from keeper.duties import LOCK_LEAD, RESULT_WINDOW, Terms
from keeper.errors import ChainError
from keeper.show import answer_row, balls
from keeper.sources import ask_all, open_client, read
from keeper.sources import build as build_sources
from keeper.store import evidence

T = TypeVar("T")

_EARLY = 12 * 3600  # seconds before the draw at which people bet


@dataclass
class Round:
    """A planned round on the chain.

    Attributes:
        id: once it is open.
        answers: what its sources said, once asked.
    """

    planned: PlannedRound
    market: ContractMarket
    id: int = 0
    answers: Sequence[Answer] = ()

    @property
    def agreed(self) -> Agreed | None:
        """What the sources must agree on, if they must agree."""
        verdict = self.planned.expected()
        return verdict if isinstance(verdict, Agreed) else None


async def play(plan: Plan, out: Path) -> Facts:
    """Builds everything below `out`, plays the plan, ends everything. Raises DemoFailed."""
    start = plan.rounds[0].draw_time - _EARLY
    async with stage.chain(out, start, stage.BETTORS + len(plan.bettors)) as (anvil, url):
        try:
            say("  deploying two markets: ape run deploy")
            await stage.deploy(out, url, (MIN_BET, MAX_BET))
            async with _chain(out, url, start) as chain, _publishers(plan, chain) as publishers:
                with TemporaryDirectory() as folder:
                    key = Path(folder) / "key"
                    async with stage.keeper(out, url, key, publishers.urls) as keeper:
                        return await _played(plan, out, chain, publishers, keeper)
        except ChainError as exc:
            if anvil.process.returncode is not None:
                raise anvil.failed("ended too early") from exc
            raise DemoFailed(f"the chain: {exc}") from exc


@asynccontextmanager
async def _chain(out: Path, url: str, start: int) -> AsyncIterator[Chain]:
    rpc = Rpc(url, stage.CHAIN_ID)
    try:
        accounts = await rpc.ask(rpc.w3.eth.accounts)
        recorded = records.load(stage.CHAIN_ID, out / "deployments")
        markets = {
            game: ContractMarket(rpc, found.address, found.game, found.block_number)
            for game, found in recorded.items()
        }
        yield Chain(rpc, start, tuple(accounts), markets)
    finally:
        await rpc.close()


def _publishers(plan: Plan, chain: Chain) -> Publishers:
    return Publishers([r.published for r in plan.rounds], now=lambda: chain.now)


async def _played(
    plan: Plan, out: Path, chain: Chain, publishers: Publishers, keeper: stage.Child
) -> Facts:
    """Plays once everything runs; the keeper's clean end belongs to it."""
    people = dict(zip(plan.bettors, chain.accounts[stage.BETTORS :], strict=True))
    watcher = Watcher({address: name for name, address in people.items()})
    served = (await keeper.until_logged("serving"))["url"]
    await keeper.until_logged("the chain is read")
    say(f"  keeper at {served}, its log in {keeper.log}")
    markets = [market.address for market in chain.markets.values()]
    watching = asyncio.create_task(watcher.follow(served, markets))
    run = Run(plan, out, chain, publishers, keeper, watcher, watching, people)
    try:
        await run.until_watched()
        facts = await run.play()
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError, DemoFailed):
            await watching
    keeper.process.terminate()
    if code := await keeper.ended(10):
        raise keeper.failed(f"was told to stop and ended with exit code {code}")
    return facts


@dataclass
class Run:
    """A run under way.

    Attributes:
        people: addresses by bettor.
        gas: what each bettor's transactions cost so far beside the stakes, wei.
    """

    plan: Plan
    out: Path
    chain: Chain
    publishers: Publishers
    keeper: stage.Child
    watcher: Watcher
    watching: asyncio.Task[None]
    people: Mapping[str, str]
    gas: Counter[str] = field(default_factory=Counter)

    async def until_watched(self) -> None:
        """Waits for the websocket."""

        async def ready() -> bool:
            return self.watcher.ready.is_set()

        await self._until(ready, "a snapshot on the websocket")

    async def play(self) -> Facts:
        """The rounds one after the other, those without a result to their end, then the books."""
        balance, fees = self.chain.rpc.balance, self.chain.accounts[stage.FEES]
        before = {name: await balance(address) for name, address in self.people.items()}
        earned = await balance(fees)
        rounds = [Round(r, self.chain.markets[r.game.name]) for r in self.plan.rounds]
        for r in rounds:
            await self._bets(r)
            await self._lock(r)
            await self._result(r)
        for r in rounds:
            if not r.agreed:
                await self._void(r)
        await self._withdraw_fees(rounds)
        events = await self.chain.events()
        self._watched_all([(e.block_number, e.log_index) for e in events])
        played = [
            Played(
                planned=r.planned,
                market=r.market.address,
                round_id=r.id,
                info=await r.market.round_info(r.id),
                matched={
                    name: await self.chain.matched(r.planned.game.name, r.id, address)
                    for name, address in self.people.items()
                },
                events=[
                    e
                    for e in events
                    if (e.market, e.args.get("roundId")) == (r.market.address, r.id)
                ],
                answers=r.answers,
            )
            for r in rounds
        ]
        accounts = [
            Account(name, address, before[name], await balance(address), self.gas[name])
            for name, address in self.people.items()
        ]
        held = {game: await balance(m.address) for game, m in self.chain.markets.items()}
        return Facts(self.plan, played, accounts, held, await balance(fees) - earned)

    # ---- the steps of a round

    async def _bets(self, r: Round) -> None:
        planned = r.planned
        say(f"\n{planned.title}: drawn are {balls(planned.draw)}")
        for told in planned.misbehaviour():
            say(f"  {told}")
        say("- 12 hours before the draw: people bet")
        await self.chain.move_to(planned.draw_time - _EARLY)
        r.id = await self._until(
            lambda: r.market.round_of(planned.draw_time), f"{planned.title} open"
        )
        for name, fault in planned.faults.items():
            self.publishers.faults[name, planned.game.name] = fault
        for wager in planned.wagers:
            self.gas[wager.bettor] += await self.chain.send(
                self.people[wager.bettor],
                planned.game.name,
                "placeBet",
                *(r.id, int(wager.prediction)),
                value=wager.amount,
            )

    async def _lock(self, r: Round) -> None:
        await self._shown()
        say("- 15 minutes before the draw: betting is over, what found no opponent goes back")
        await self.chain.move_to(r.planned.draw_time - LOCK_LEAD)

        async def locked() -> bool:
            wanted = ("RoundLocked", r.market.address, r.id)
            return any(
                (e.name, e.market, e.args.get("roundId")) == wanted
                for e in await self.chain.events()
            )

        await self._until(locked, f"{r.planned.title} locked")
        await self._paid(r)

    async def _result(self, r: Round) -> None:
        planned, game = r.planned, r.planned.game.name
        say("- 5 minutes after the draw: the keeper asks three publishers")
        self.watcher.gate.clear()  # first what they say, then what follows
        await self.chain.move_to(planned.draw_time + Terms().report_delay)
        r.answers = await self._until(lambda: self._asked(planned), f"{planned.title} asked for")
        against = r.agreed.dissenting if r.agreed else ()
        for answer in r.answers:
            name, said, number = answer_row(answer)
            told = f"{said}, n = {number}" if number else said
            say(f"    {name:<13} {told}" + (": out-voted" if name in against else ""))
        self.watcher.gate.set()
        if against:
            event = "a source gives another draw"
            await self.keeper.until_logged(event, game=game, sources=list(against))
        if r.agreed:
            await self._finished(r, RoundStatus.FINALIZED)
        else:
            say("    no two agree: the keeper goes on asking")
            # From now on nobody prints it: the faults end with the round.
            self.publishers.draws.remove(planned.published)
        for name in planned.faults:
            del self.publishers.faults[name, game]

    async def _void(self, r: Round) -> None:
        say(f"\n{r.planned.title}: 72 hours after the draw there is no result")
        await self.chain.move_to(r.planned.draw_time + RESULT_WINDOW + 1)
        await self._finished(r, RoundStatus.CANCELLED)

    async def _withdraw_fees(self, rounds: Sequence[Round]) -> None:
        say("\nAnybody may send the fees to their recipient")
        for game in self.chain.markets:
            ids = [r.id for r in rounds if r.planned.game.name == game and r.agreed]
            if ids:
                sender = self.chain.accounts[stage.ADMIN]
                await self.chain.send(sender, game, "withdrawFees", ids)
        await self._shown()

    # ---- waiting

    async def _finished(self, r: Round, status: RoundStatus) -> None:
        async def finished() -> bool:
            return (await r.market.round_info(r.id)).status is status

        await self._until(finished, f"{r.planned.title} {status.name.lower()}")
        await self._paid(r)

    async def _paid(self, r: Round) -> None:
        """Waits until nothing is due to anybody."""
        users = {self.people[wager.bettor] for wager in r.planned.wagers}

        async def nothing_due() -> bool:
            due = await asyncio.gather(*(r.market.claimable(r.id, user) for user in users))
            return not any(map(sum, due))

        await self._until(nothing_due, f"{r.planned.title} paid")
        await self._shown()

    async def _asked(self, planned: PlannedRound) -> Sequence[Answer]:
        """What the sources said, by the keeper's evidence; asked again if too few had a result."""
        game, date = planned.game, planned.draw.date
        if files := sorted((self.out / "evidence" / game.name / str(date)).glob("*.json")):
            return evidence.verify(files[-1], read).answers
        if not any(self.keeper.logged("no result yet", game=game.name, date=str(date))):
            return ()
        async with open_client() as client:
            sources = build_sources(self.publishers.urls, client, stage.SOURCE_PATIENCE)
            return [f.answer for f in await ask_all(sources, game, date)]

    async def _shown(self) -> None:
        """Waits until the websocket has told all that happened so far."""
        events = await self.chain.events()
        last = max(((e.block_number, e.log_index) for e in events), default=(0, 0))

        async def told() -> bool:
            return last <= max(self.watcher.told, default=last)

        await self._until(told, "the websocket tells all events")

    def _watched_all(self, events: list[tuple[int, int]]) -> None:
        """Raises DemoFailed unless the websocket told each event once and in order."""
        told = self.watcher.told
        if told != events[-len(told) :]:
            raise DemoFailed("the websocket did not tell every event once and in the chain's order")
        say(f"  websocket: {len(told)} events, none missing, in the chain's order")

    async def _until(self, condition: Callable[[], Awaitable[T]], what: str) -> T:
        """Waits for what the keeper does. Raises DemoFailed when it does not, or is gone."""

        async def checked() -> T:
            if self.watching.done():
                self.watching.result()
            return await condition()

        return await self.keeper.until(checked, what)
