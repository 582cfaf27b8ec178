"""Plays a plan: people bet, time goes by, the keepers do the rest and are watched at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from demo import stage
from demo.chain import Chain
from demo.ledger import PROPOSAL, Account, Claim, Facts, Played
from demo.plan import Plan, Planned, Wager
from demo.publishers import Publishers
from demo.stage import DISPUTE_WINDOW, QUORUM, DemoFailed
from demo.watch import Watcher, coins, say
from keeper.chain.contracts import ContractMarket, ContractOracle
from keeper.domain.consensus import Agreed, Answer, decide
from keeper.domain.draw import Draw
from keeper.domain.lines import RoundStatus
from keeper.duties import LOCK_LEAD, RESULT_WINDOW, Terms
from keeper.ports import ChainEvent
from keeper.show import answer_row, balls
from keeper.sources import Panel, open_client, read
from keeper.sources import build as build_sources
from keeper.store import evidence

EARLY = 12 * 3600  # seconds before the draw at which people bet


@dataclass(frozen=True)
class Keeper:
    """A reporter: its process, and the publishers that it asks, which nobody else does."""

    name: str
    address: str
    process: stage.Child
    publishers: Publishers


@dataclass
class Round:
    """A round under way.

    Attributes:
        oracle: the committee, as this market's rounds see it.
        id: once it is open.
        answers: what its sources said to the witness, once asked.
    """

    planned: Planned
    market: ContractMarket
    oracle: ContractOracle
    id: int = 0
    answers: Sequence[Answer] = ()

    def its(self, events: Sequence[ChainEvent]) -> list[ChainEvent]:
        """The round's own events."""
        mine = (self.market.address, self.id)
        return [e for e in events if (e.market, e.args.get("roundId")) == mine]


@dataclass
class Run:
    """A run under way, its rounds played one after the other.

    Attributes:
        keepers: by name.
        gas: what each bettor's transactions cost so far beside the stakes, wei.
        claim: once somebody has claimed.
    """

    plan: Plan
    out: Path
    chain: Chain
    oracle: str
    keepers: dict[str, Keeper]
    gas: Counter[str] = field(default_factory=Counter)
    claim: Claim | None = None

    def __post_init__(self) -> None:
        *accounts, self.savings = self.chain.accounts[stage.BETTORS :]
        self.people = dict(zip(self.plan.bettors, accounts, strict=True))
        self.watcher = Watcher({address: name for name, address in self.people.items()})
        markets = self.chain.markets
        self.rounds = [
            Round(r, market := markets[r.game.name], ContractOracle(market, self.oracle))
            for r in self.plan.rounds
        ]

    async def ready(self) -> str:
        """Where the first keeper serves, once all of them have read the chain."""
        for k in self.keepers.values():
            for event in ("serving", "the chain is read"):
                await self._logged(k, event)
        return str((await self._logged(self.keepers[stage.REPORTERS[0]], "serving"))["url"])

    async def end(self) -> None:
        """Tells the keepers to stop. Raises DemoFailed when one fails at it."""
        processes = [k.process for k in self.keepers.values()]
        for child in processes:
            child.process.terminate()
        for child in processes:
            if code := await child.ended(stage.PATIENCE):
                raise child.failed(f"ended with exit code {code} when told to stop")

    async def play(self) -> Facts:
        """All of it; the facts as the chain has them at the end."""
        balance, fees = self.chain.rpc.balance, self.chain.accounts[stage.FEES]
        before = {name: await balance(address) for name, address in self.people.items()}
        earned = await balance(fees)
        await self._until("the websocket shows no snapshot", self.watcher.ready.is_set)
        for r in self.rounds:
            await self._bets(r)
            await self._lock(r)
            await self._votes(r)
            await self._result(r)
        for r in self.rounds:
            await self._void(r)
        await self._withdraw_fees()
        accounts = [
            Account(name, address, before[name], await balance(address), self.gas[name])
            for name, address in self.people.items()
        ]
        return Facts(
            plan=self.plan,
            oracle=self.oracle,
            committee=await self.rounds[0].oracle.committee(),
            rounds=await self._played(),
            accounts=accounts,
            claim=self.claim,
            held={game: await balance(m.address) for game, m in self.chain.markets.items()},
            earned=await balance(fees) - earned,
        )

    # ---- the steps of a round

    async def _bets(self, r: Round) -> None:
        planned, draw = r.planned, r.planned.draw
        say(f"\n{planned.title}: drawn are {balls(draw)}, n = {draw.winning_number}")
        for told in planned.misbehaviour():
            say(f"- but {told}")
        say("- 12 hours before the draw people bet")
        await self.chain.move_to(planned.draw_time - EARLY)
        opened = f"{planned.title} is not opened"
        r.id = await self._until(opened, lambda: r.market.call("roundOf", planned.draw_time))
        for bet in planned.wagers:
            if bet.matched:
                await self._bet_matched(r, bet)
            else:
                args = r.id, int(bet.prediction)
                await self._send(bet.bettor, r.market, "placeBet", *args, value=bet.amount)
        for bettor, index in planned.cancels:
            await self._shown()
            say(f"- {bettor} takes back what found no opponent yet")
            await self._send(bettor, r.market, "cancelUnmatched", r.id, index)
        await self._shown()

    async def _bet_matched(self, r: Round, bet: Wager) -> None:
        await self._shown()
        say(f"- {bet.bettor} offers {coins(bet.amount)}, for what is matched at once")
        args = r.id, int(bet.prediction), 0
        await self._send(bet.bettor, r.market, "placeMatchedBet", *args, value=bet.amount)
        await self._shown()
        bets = [e for e in r.its(await self.chain.events()) if e.name == "BetPlaced"]
        say(f"- {coins(bet.amount - bets[-1].args['amount'])} comes back as change")

    async def _lock(self, r: Round) -> None:
        say("- 15 minutes before the draw the betting ends; what found no opponent goes back")
        await self.chain.move_to(r.planned.draw_time - LOCK_LEAD)

        async def locked() -> bool:
            return any(e.name == "RoundLocked" for e in r.its(await self.chain.events()))

        await self._until(f"{r.planned.title} is not locked", locked)
        await self._paid(r)

    async def _votes(self, r: Round) -> None:
        """One keeper after the other hears from its publishers, and votes if it can."""
        planned = r.planned
        say("- 5 minutes after the draw each keeper asks three publishers, and votes")
        for k in self.keepers.values():
            faults = planned.faults_of(k.name).items()
            k.publishers.faults = {(name, planned.game.name): fault for name, fault in faults}
            k.publishers.gate.clear()
        self.watcher.gate.clear()  # first what they say, then what follows
        await self.chain.move_to(planned.draw_time + Terms().report_delay)
        for name, vote in planned.votes.items():
            k = self.keepers[name]
            k.publishers.gate.set()
            answers = await self._until(f"{name} asks nobody", partial(self._asked, k, planned))
            if vote:
                voted = partial(r.oracle.vote_of, r.id, k.address)
                await self._until(f"{name} does not vote", voted)
            if name == planned.witness:
                r.answers = answers
            if name == planned.witness or name in planned.lies:
                self._tell(name, answers)
        for name, k in self.keepers.items():
            self._tell_vote(name, await r.oracle.vote_of(r.id, k.address), planned.result)
        self.watcher.gate.set()

    async def _result(self, r: Round) -> None:
        planned = r.planned
        proposal = await self._proposal(r)
        if not planned.result:
            say(f"- no {QUORUM} vote for the same: the keepers go on asking")
            # The faults end with the round: from now on nobody prints this draw at all.
            for k in self.keepers.values():
                k.publishers.draws.remove(planned.published)
            return
        if not proposal:
            raise DemoFailed(f"{planned.title}: {QUORUM} agree, and nothing is proposed")
        if planned.result != planned.draw:
            say("- most were told the same lie, and so it decides, if the guardian sleeps")
        number, hours = planned.result.winning_number, DISPUTE_WINDOW // 3600
        say(f"- so {number} is proposed; the guardian has {hours} hour to veto it, and need not")
        for name, vote in planned.votes.items():
            if vote and vote.winning_number != number:
                event, game = "the committee proposes another number", planned.game.name
                k = self.keepers[name]
                await self._logged(k, event, game=game, round=r.id, number=number)
                say(f"- {name} finds itself out-voted, and logs an error")
        if self.plan.claim and self.plan.claim[0] is planned:
            await self._finalize_and_claim(r, self.plan.claim[1], proposal["finalizableAt"])
        else:
            say("- the hour is over: anybody may carry it to the market, and a keeper does")
            await self.chain.move_to(proposal["finalizableAt"])
        await self._finished(r, RoundStatus.FINALIZED)

    async def _finalize_and_claim(self, r: Round, name: str, time: int) -> None:
        say(f"- the hour is over: {name} carries it to the market, as anybody may;")
        say("  in the same block claims all that is due in its rounds, to another address")
        mine = [x.id for x in self.rounds if x.market is r.market and x.id and x.planned.result]
        before = await self.chain.rpc.balance(self.savings)
        self.gas[name] += await self.chain.send_together(
            self.people[name],
            time,
            (r.oracle, "finalize", r.market.address, r.id),
            (r.market, "claimWinningsBatch", mine, self.savings),
        )
        gained = await self.chain.rpc.balance(self.savings) - before
        self.claim = Claim(name, r.market.address, tuple(mine), self.savings, gained)

    async def _void(self, r: Round) -> None:
        if r.planned.result:
            return
        if (await r.market.round_info(r.id)).status is RoundStatus.LOCKED:
            say(f"\n{r.planned.title}: 72 hours after the draw there is no result")
            await self.chain.move_to(r.planned.draw_time + RESULT_WINDOW + 1)
        await self._finished(r, RoundStatus.CANCELLED)

    async def _withdraw_fees(self) -> None:
        say("\nAnybody may send the fees on")
        anybody = self.chain.accounts[stage.ADMIN]
        for market in self.chain.markets.values():
            if ids := [r.id for r in self.rounds if r.market is market and r.planned.result]:
                await self.chain.send(anybody, market, "withdrawFees", ids)
        await self._shown()

    async def _played(self) -> list[Played]:
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
                    name: (await r.market.call("getUserBet", r.id, address))[1]
                    for name, address in self.people.items()
                },
                events=r.its(events),
                answers=r.answers,
                votes={
                    k.name: await r.oracle.vote_of(r.id, k.address) for k in self.keepers.values()
                },
                proposal=await self._proposal(r),
            )
            for r in self.rounds
        ]

    async def _proposal(self, r: Round) -> dict[str, int] | None:
        told = await r.oracle.call("proposal", r.market.address, r.id)
        return dict(zip(PROPOSAL, told, strict=True)) if told[1] else None

    # ---- telling

    def _tell(self, name: str, answers: Sequence[Answer]) -> None:
        """What a keeper heard."""
        verdict = decide(answers)
        against = verdict.dissenting if isinstance(verdict, Agreed) else ()
        say(f"  {name} hears")
        for answer in answers:
            source, said, number = answer_row(answer)
            told = f"{said}, n = {number}" if number else f"{said:.60}"
            say(f"    {source:<13} {told}" + (" (out-voted)" if source in against else ""))

    def _tell_vote(self, name: str, vote: Draw | None, result: Draw | None) -> None:
        if vote:
            against = " (out-voted)" if result and vote != result else ""
            say(f"  {name} votes for {balls(vote)}, n = {vote.winning_number}{against}")
        else:
            say(f"  {name} " + ("comes too late to vote" if result else "does not vote"))

    # ---- waiting for the keepers

    async def _finished(self, r: Round, status: RoundStatus) -> None:
        async def finished() -> bool:
            return (await r.market.round_info(r.id)).status is status

        await self._until(f"{r.planned.title} is not {status.name.lower()}", finished)
        await self._paid(r)

    async def _paid(self, r: Round) -> None:
        """Until nothing is due to anybody."""
        users = {self.people[bet.bettor] for bet in r.planned.wagers}

        async def nothing_due() -> bool:
            return not any([sum(await r.market.claimable(r.id, user)) for user in users])

        await self._until(f"{r.planned.title} is not paid out", nothing_due)
        await self._shown()

    async def _asked(self, k: Keeper, planned: Planned) -> Sequence[Answer]:
        """What a keeper heard, by its evidence; asked again if too few had a result."""
        date, folder = str(planned.date), self.out / k.name / "evidence" / planned.game.name
        if files := sorted((folder / date).glob("*.json")):
            return [f.answer for f in evidence.verify(files[-1], read)[0].answers]
        if not k.process.logged("no result yet", game=planned.game.name, date=date):
            return ()
        async with open_client() as client:
            sources = build_sources(k.publishers.urls, client, stage.SOURCE_PATIENCE)
            panel = Panel(sources, planned.game, planned.date)
            return [f.answer for f in await panel.ask()]

    async def _shown(self) -> None:
        """Until the websocket has told all that happened so far."""
        events = await self.chain.events()
        last = max((e.block_number, e.log_index) for e in events)
        told = self.watcher.told
        await self._until("not all events are told", lambda: last <= max(told, default=(0, 0)))
        self.watcher.flush()

    async def _logged(self, k: Keeper, event: str, **values: object) -> Any:
        """Until a keeper has told an event with these values."""
        told = f"{k.name} does not tell: {event}"
        return await self._until(told, partial(k.process.logged, event, **values))

    async def _until(self, what: str, done: Callable[[], object]) -> Any:
        processes = [k.process for k in self.keepers.values()]
        return await stage.until(processes, done, what)

    async def _send(
        self, name: str, to: ContractMarket, function: str, *args: Any, **value: int
    ) -> None:
        """As a bettor."""
        self.gas[name] += await self.chain.send(self.people[name], to, function, *args, **value)
