"""Does what is due: one duty after another, each checked just before it is sent.

A duty that fails, or finds nothing to do yet, rests for a while that doubles; the monotonic clock
counts it. All of this may be forgotten at any time without harm.
"""

import datetime as dt
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from keeper import duties, metrics
from keeper.chain.contracts import ContractMarket, ContractOracle, report
from keeper.chain.sender import Simulator
from keeper.domain.calendar import draw_date
from keeper.domain.consensus import Disagreement, Waiting, decide
from keeper.duties import Duty
from keeper.errors import ChainError, KeeperError, Reverted, WrongContract
from keeper.follow import Follower
from keeper.oracles import Asked
from keeper.ports import DryRun, Sent, Source, Standing
from keeper.projection import MarketView
from keeper.sources.panel import Panel
from keeper.store.evidence import FileEvidence

log = structlog.get_logger()

LONGEST_REST = 900.0  # seconds
PAYMENT_TRIES = 6  # then a bettor that refuses is left to claim

# What the contracts say of a duty when somebody else was faster.
_DONE_BEFORE = frozenset({"DrawTimeTaken", "WrongStatus", "ProposalStands", "RoundDecided"})


@dataclass(slots=True)
class Rest:
    """Who or what is left alone, and until when by the monotonic clock: contains what rests now.

    Attributes:
        first: seconds of the first rest; each next one is twice as long.
    """

    first: float
    clock: Callable[[], float] = time.monotonic
    _kept: dict[Hashable, tuple[int, float]] = field(default_factory=dict)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept and self.clock() < self._kept[key][1]

    def again(self, key: Hashable, tries: float = math.inf) -> bool:
        """The key rests once more. After so many tries it does for ever: True then."""
        count = self._kept.get(key, (0, 0.0))[0] + 1
        last = count >= tries
        seconds = min(self.first * 2 ** min(count - 1, 16), LONGEST_REST)
        seconds *= 0.8 + secrets.randbelow(200) / 1000  # not all keepers in the same second
        self._kept[key] = count, math.inf if last else self.clock() + seconds
        return last

    def end(self, key: Hashable) -> None:
        """The key rests no more, and begins anew when it does again."""
        self._kept.pop(key, None)


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything that doing the duties of a market takes.

    Attributes:
        asked: is told what the sources say, and tells it to the web.
        rest: the duties that failed, (round id, bettor) of refused payments, oracles that do not
            answer as such.
        oracles: by address, those that decide rounds of the market.
        disputes: by date the last disagreement on a draw whose evidence was kept.
        panels: by date, who is asked for the draw.
        gas: by round, that settling it has taken.
    """

    market: ContractMarket
    follower: Follower
    sender: Simulator
    sources: Mapping[str, Source]
    evidence: FileEvidence
    asked: Asked
    terms: duties.Terms
    rest: Rest
    oracles: dict[str, ContractOracle] = field(default_factory=dict)
    disputes: dict[dt.date, Disagreement] = field(default_factory=dict)
    panels: dict[dt.date, Panel] = field(default_factory=dict)
    gas: Counter[int] = field(default_factory=Counter)

    async def run(self) -> None:
        """For ever: looks at what is due whenever something was read or sent."""
        while True:
            sent = False
            if head := self.follower.head:
                now, me = head.timestamp, self.sender.address
                told = self.rest, await self._standings(now), self.follower.confirmed, self.gas
                wanted = duties.due(self.view, now, me, self.terms, *told)
                for duty in wanted:
                    sent |= await self._attempt(duty)
                late = sum(d.key in self.rest for d in wanted if d.name != "watch")
                metrics.LATE.labels(self.market.game.name).set(late)
            if not sent:
                await self.follower.news.wait()

    async def _attempt(self, duty: Duty) -> bool:
        """Does a duty; whether a transaction was sent. What fails is logged and rests."""
        if duty.key in self.rest or not self._known(duty):
            return False
        about = "draw" if duty.name == "createRound" else "round"
        told = self._log(duty=duty.name, **{about: duty.about})
        outcome, result = "", None
        try:
            result = await self._do(duty)
        except Exception as exc:  # noqa: BLE001 - a fault nobody foresaw must not end all duties
            done = isinstance(exc, Reverted) and exc.name in _DONE_BEFORE
            outcome = "already done" if done else "put off"
            foreseen = told.warning if isinstance(exc, KeeperError) else told.exception
            (told.info if done else foreseen)(outcome, why=str(exc))
        if isinstance(result, Sent):
            outcome = "done"
            told.info(outcome, tx=result.tx_hash, block=result.block_number, gas=result.gas_used)
            self.rest.end(duty.key)
            await self.follower.seen(result.block_number)
            if duty.name == "settle":
                self._look_after_payments(duty, result.gas_used)
        elif isinstance(result, DryRun):
            outcome = "would send"
            told.info(outcome, function=result.function)
        if outcome:
            metrics.DUTIES.labels(duty.name, self.market.game.name, outcome).inc()
        # What was reported is looked at again, whether it still holds.
        if outcome not in ("", "done") or duty.name in ("report", "watch"):
            self.rest.again(duty.key)
        return outcome == "done"

    async def _do(self, duty: Duty) -> Sent | DryRun | None:
        """None: there was nothing to send yet."""
        match duty.name:
            case "settle":
                ready = [u for u in duty.bettors if await self._payable(duty.about, u)]
                return await self._send("settle", duty.about, ready) if ready else None
            case "finalize":
                oracle = self._oracle(self.view.rounds[duty.about].oracle)
                return await self.sender.send(oracle, "finalize", self.market.address, duty.about)
            case "report" | "watch":
                return await self._ask_sources(duty)
        return await self._send(duty.name, duty.about)

    async def _send(self, function: str, *args: Any) -> Sent | DryRun:
        return await self.sender.send(self.market, function, *args)

    @property
    def view(self) -> MarketView:
        """The market as its events tell it."""
        return self.follower.views[self.market.address]

    def _log(self, **about: Any) -> structlog.stdlib.BoundLogger:
        bound: structlog.stdlib.BoundLogger = log.bind(game=self.market.game.name, **about)
        return bound

    def _known(self, duty: Duty) -> bool:
        """Whether its round is known still: not while a changed chain is read anew."""
        return duty.name == "createRound" or duty.about in self.view.rounds

    # ---- payments

    def _look_after_payments(self, duty: Duty, gas: int) -> None:
        """Leaves alone whom the contract could not pay, and a round that took its gas."""
        if self._known(duty):
            book = self.view.rounds[duty.about].book
            for user in filter(lambda user: sum(book.claimable(user)), duty.bettors):
                self._refused(duty.about, user)
        self.gas[duty.about] += gas
        if (spent := self.gas[duty.about]) >= self.terms.settle_gas:
            self._log(round=duty.about).warning("the others are left to claim", spent=spent)

    async def _payable(self, round_id: int, user: str) -> bool:
        """Whether paying the user now would pay: nothing is sent in vain."""
        amount = sum(await self.market.claimable(round_id, user))
        if amount and not await self.market.accepts(user, amount):
            self._refused(round_id, user)
            return False
        return amount > 0

    def _refused(self, round_id: int, user: str) -> None:
        """Leaves the user alone for a while."""
        if (round_id, user) not in self.rest:  # else it was seen in a simulation just before
            last = self.rest.again((round_id, user), PAYMENT_TRIES)
            told = "left to claim" if last else "refuses its payment"
            self._log(round=round_id).warning(told, bettor=user)

    # ---- results

    async def _ask_sources(self, duty: Duty) -> Sent | DryRun | None:
        """Says what two of three sources agree on, its evidence safely on disk.

        None when they do not agree, or agree on what stands already, a vote or a proposal; and
        when another number than the proposed is not the key's to veto.
        """
        game, r, s = self.market.game, self.view.rounds[duty.about], duty.standing
        date = draw_date(game, r.draw_time)
        told = self._log(round=r.id, date=str(date))
        if date not in self.panels:
            self.panels[date] = Panel(self.sources, game, date)
        fetched = await self.panels[date].ask()
        verdict = decide([f.answer for f in fetched])
        await self.asked.note(self.market, r.id, date, fetched)
        for source, was, now in self.panels[date].changed:
            told.error("a source changed its answer", source=source, was=str(was), now=str(now))
        match verdict:
            case Waiting(missing):
                told.info("no result yet", missing={a.source: a.why for a in missing})
                return None
            case Disagreement(answers):
                told.error("sources disagree", answers={a.source: str(a.draw) for a in answers})
                if self.disputes.get(date) != verdict:  # once, however often asked
                    kept = await self.evidence.save(game, date, fetched, verdict)
                    await self.asked.note(self.market, r.id, date, fetched, kept.digest)
                    self.disputes[date] = verdict
                return None
        draw, number, at = verdict.draw, verdict.draw.winning_number, (self.market.address, r.id)
        told = told.bind(draw=str(draw), number=number)
        for source in verdict.dissenting:
            told.error("a source gives another draw", source=source)
            metrics.DISAGREEMENTS.labels(source, game.name).inc()
        watched = duty.name == "watch"
        if s and (s.number == number if watched else s.vote == draw):
            told.info("the proposal stands" if watched else "the vote stands")
            return None
        kept = await self.evidence.save(game, date, fetched, verdict)
        await self.asked.note(self.market, r.id, date, fetched, kept.digest)
        told = told.bind(evidence=f"0x{kept.digest.hex()}", file=str(kept.path))
        told.info("sources agree", sources=list(verdict.sources))
        if s is None:
            return await self._send("finalizeRound", r.id, number)
        oracle = self._oracle(r.oracle)
        if not watched:
            if s.vote:
                told.warning("the vote changes", was=str(s.vote))
            return await self.sender.send(oracle, "report", *report(*at, draw, kept.digest))
        told.error("the sources now agree on another number", proposed=s.number)
        guards = s.committee.guardian == self.sender.address
        return await self.sender.send(oracle, "veto", *at) if guards else None

    def _oracle(self, address: str) -> ContractOracle:
        if address not in self.oracles:
            self.oracles[address] = ContractOracle(self.market, address)
        return self.oracles[address]

    async def _standings(self, now: int) -> dict[int, Standing]:
        """How far the committees have come that decide the rounds whose result may come now."""
        found: dict[int, Standing] = {}
        me = self.sender.address
        for r in duties.undecided(self.view, now):
            if r.oracle == me or r.oracle in self.rest:
                continue
            told = self._log(round=r.id, oracle=r.oracle)
            try:
                s = found[r.id] = await self._oracle(r.oracle).standing(r.id, me)
            except WrongContract:
                told.info("the result is for one account to give")
                self.rest.again(r.oracle)
            except ChainError as exc:
                told.warning("cannot ask the oracle", why=str(exc))
                self.rest.again(r.oracle)
            else:
                self.rest.end(r.oracle)
                proposal = "proposal", r.id, s.ballot
                if s.finalizable_at and proposal not in self.rest:
                    self.rest.again(proposal, 1)  # told once a ballot
                    other = s.vote and s.vote.winning_number != s.number
                    level = told.error if other else told.info
                    event = f"the committee proposes {'another' if other else 'a'} number"
                    level(event, number=s.number, finalizable_at=s.finalizable_at)
        return found
