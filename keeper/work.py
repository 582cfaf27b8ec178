"""Does what is due: one duty after another, each checked just before it is sent.

A duty that fails, or finds nothing to do yet, rests for a while that doubles; the monotonic clock
counts it. All of this may be forgotten at any time without harm.
"""

import datetime as dt
import math
import secrets
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from keeper import duties, metrics
from keeper.chain.contract import Contract
from keeper.chain.market import ContractMarket
from keeper.chain.oracle import ContractOracle, report
from keeper.chain.sender import Simulator
from keeper.domain.consensus import Agreed, Disagreement, Waiting, decide
from keeper.domain.draw import Draw
from keeper.errors import ChainError, KeeperError, Reverted, WrongContract
from keeper.follow import Follower
from keeper.ports import DryRun, EvidenceRef, Sent, Source, Standing
from keeper.projection import MarketView, RoundView
from keeper.sources.panel import Panel
from keeper.store.evidence import FileEvidence

log = structlog.get_logger()

LONGEST_REST = 900.0  # seconds
PAYMENT_TRIES = 6  # then a bettor that refuses is left to claim

# What the contracts say of a duty when somebody else was faster.
_DONE_BEFORE = frozenset({"DrawTimeTaken", "WrongStatus", "ProposalStands", "RoundDecided"})


_Call = tuple[str, *tuple[Any, ...]]


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


def _key(duty: duties.Duty) -> Hashable:
    """Under which a duty rests."""
    match duty:
        case duties.Settle(round_id):  # the next batch of a round rests when one has failed
            return duties.Settle, round_id
        case duties.Report(round_id, _, _, ballot):  # whatever was voted in it already
            return duties.Report, round_id, ballot
        case _:
            return duty


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything that doing the duties of a market takes.

    Attributes:
        rest: the duties that failed, (round id, bettor) of refused payments, oracles that do not
            answer as such.
        oracles: by address, those that decide rounds of the market.
        disputes: by date the last disagreement on a draw whose evidence was kept.
        panels: by date, who is asked for the draw.
    """

    market: ContractMarket
    follower: Follower
    sender: Simulator
    sources: Mapping[str, Source]
    evidence: FileEvidence
    terms: duties.Terms
    rest: Rest
    oracles: dict[str, ContractOracle] = field(default_factory=dict)
    disputes: dict[dt.date, Disagreement] = field(default_factory=dict)
    panels: dict[dt.date, Panel] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever: looks at what is due whenever something was read or sent."""
        while True:
            sent = False
            if head := self.follower.head:
                view, now, me = self.view, head.timestamp, self.sender.address
                standings = await self._standings(duties.undecided(view, now), me)
                standing = self.rest, standings, self.follower.confirmed
                wanted = duties.due(view, now, me, self.terms, *standing)
                for duty in wanted:
                    sent |= await self._attempt(duty)
                late = sum(_key(d) in self.rest for d in wanted if not isinstance(d, duties.Watch))
                metrics.LATE.labels(self.market.game.name).set(late)
            if not sent:
                await self.follower.news.wait()

    async def _attempt(self, duty: duties.Duty) -> bool:
        """Does a duty; whether a transaction was sent. What fails is logged and rests."""
        key = _key(duty)
        if key in self.rest:
            return False
        about = (
            {"draw": duty.draw_time}
            if isinstance(duty, duties.CreateRound)
            else {"round": duty.round_id}
        )
        told = log.bind(game=self.market.game.name, duty=type(duty).__name__, **about)
        try:
            result = await self._do(duty)
        except KeeperError as exc:
            done = isinstance(exc, Reverted) and exc.name in _DONE_BEFORE
            (told.info if done else told.warning)(
                "already done" if done else "put off", why=str(exc)
            )
            self._count(duty, "done before" if done else "put off")
            self.rest.again(key)
            return False
        if isinstance(result, Sent):
            self.rest.end(key)
            self._count(duty, "done")
            told.info("done", tx=result.tx_hash, block=result.block_number, gas=result.gas_used)
            await self.follower.seen(result.block_number)
            if isinstance(duty, duties.Settle):
                self._look_after_payments(duty)
            elif isinstance(duty, duties.Report):
                self.rest.again(key)  # then it is looked at again whether the vote still holds
            return True
        if isinstance(result, DryRun):
            told.info("would send", function=result.function)
        if result or isinstance(duty, duties.Report | duties.Watch):
            self.rest.again(key)
        return False

    def _count(self, duty: duties.Duty, outcome: str) -> None:
        metrics.DUTIES.labels(type(duty).__name__, self.market.game.name, outcome).inc()

    async def _do(self, duty: duties.Duty) -> Sent | DryRun | None:
        """None: there was nothing to send yet."""
        call: _Call
        to: Contract = self.market
        match duty:
            case duties.CreateRound(draw_time):
                call = "createRound", draw_time
            case duties.LockRound(round_id):
                call = "lockRound", round_id
            case duties.VoidRound(round_id):
                call = "voidRound", round_id
            case duties.Settle(round_id, bettors):
                ready = [user for user in bettors if await self._payable(round_id, user)]
                if not ready:
                    return None
                call = "settle", round_id, ready
            case duties.Finalize(round_id, address):
                to, call = self._oracle(address), ("finalize", self.market.address, round_id)
            case duties.Report() | duties.Watch():
                if (found := await self._from_sources(duty)) is None:
                    return None
                to, call = found
        return await self.sender.send(to, *call)

    @property
    def view(self) -> MarketView:
        """The market as its events tell it."""
        return self.follower.views[self.market.address]

    # ---- payments

    async def _payable(self, round_id: int, user: str) -> bool:
        """Whether paying the user now would pay: nothing is sent in vain."""
        amount = sum(await self.market.claimable(round_id, user))
        if amount and not await self.market.accepts(user, amount):
            self._refused(round_id, user)
            return False
        return amount > 0

    def _look_after_payments(self, duty: duties.Settle) -> None:
        """Leaves alone, for a while, whom the contract tried to pay and could not."""
        r = self.view.rounds.get(duty.round_id)
        for user in duty.bettors:
            if r and sum(r.book.claimable(user)):
                self._refused(duty.round_id, user)

    def _refused(self, round_id: int, user: str) -> None:
        if (round_id, user) in self.rest:
            return  # seen in a simulation just before
        last = self.rest.again((round_id, user), PAYMENT_TRIES)
        told = "left to claim" if last else "refuses its payment"
        log.warning(told, game=self.market.game.name, round=round_id, bettor=user)

    # ---- results

    async def _from_sources(
        self, duty: duties.Report | duties.Watch
    ) -> tuple[Contract, _Call] | None:
        """The call that what the sources say now asks for; None: none does."""
        if (found := await self._find_out(duty)) is None:
            return None
        (draw, kept), at = found, (self.market.address, duty.round_id)
        if duty.oracle == self.sender.address:
            return self.market, ("finalizeRound", duty.round_id, draw.winning_number)
        oracle = self._oracle(duty.oracle)
        if isinstance(duty, duties.Report):
            return oracle, ("report", *report(*at, draw, kept.digest))
        told = log.bind(game=self.market.game.name, round=duty.round_id, proposed=duty.number)
        told.error("the sources now agree on another number", draw=str(draw))
        guards = (await oracle.committee()).guardian == self.sender.address
        return (oracle, ("veto", *at)) if guards else None

    async def _find_out(
        self, duty: duties.Report | duties.Watch
    ) -> tuple[Draw, EvidenceRef] | None:
        """What two of three sources agree on, its evidence safely on disk.

        None when they do not agree, or agree on what stands already: a vote, or a proposal.
        """
        game, date = self.market.game, duty.date
        if date not in self.panels:
            self.panels[date] = Panel(self.sources, game, date)
        fetched = await self.panels[date].ask()
        verdict = decide([f.answer for f in fetched])
        told = log.bind(game=game.name, date=str(date))
        for source, was, now in self.panels[date].changed:
            told.error("a source changed its answer", source=source, was=str(was), now=str(now))
        match verdict:
            case Waiting(missing):
                told.info("no result yet", missing={a.source: a.why for a in missing})
            case Disagreement(answers):
                told.error("sources disagree", answers={a.source: str(a.draw) for a in answers})
                if self.disputes.get(date) != verdict:  # once, however often asked
                    await self.evidence.save(game, date, fetched, verdict)
                    self.disputes[date] = verdict
            case Agreed(draw, sources, dissenting):
                if dissenting:
                    told.error("a source gives another draw", sources=list(dissenting))
                    for source in dissenting:
                        metrics.DISAGREEMENTS.labels(source, game.name).inc()
                match duty:
                    case duties.Report(vote=vote) if draw == vote:
                        told.info("the vote stands", draw=str(draw))
                        return None
                    case duties.Watch(number=number) if draw.winning_number == number:
                        told.info("the proposal stands", draw=str(draw))
                        return None
                    case duties.Report(vote=Draw() as vote):
                        told.warning("the vote changes", was=str(vote), now=str(draw))
                kept = await self.evidence.save(game, date, fetched, verdict)
                told = told.bind(evidence=f"0x{kept.digest.hex()}", file=str(kept.path))
                number = draw.winning_number
                told.info("sources agree", draw=str(draw), number=number, sources=list(sources))
                return draw, kept
        return None

    def _oracle(self, address: str) -> ContractOracle:
        if address not in self.oracles:
            self.oracles[address] = ContractOracle(self.market, address)
        return self.oracles[address]

    async def _standings(self, rounds: list[RoundView], me: str | None) -> dict[int, Standing]:
        """How far the committees have come that decide these rounds."""
        found: dict[int, Standing] = {}
        for r in rounds:
            if r.oracle == me or r.oracle in self.rest:
                continue
            told = log.bind(game=self.market.game.name, round=r.id, oracle=r.oracle)
            try:
                found[r.id] = await self._oracle(r.oracle).standing(r.id, me)
            except ChainError as exc:
                self.rest.again(r.oracle)
                if isinstance(exc, WrongContract):
                    told.info("the result is for one account to give")
                else:
                    told.warning("cannot ask the oracle", why=str(exc))
            else:
                self.rest.end(r.oracle)
                self._tell_of_proposal(r.id, found[r.id])
        return found

    def _tell_of_proposal(self, round_id: int, s: Standing) -> None:
        """Once a ballot."""
        key = "proposal", round_id, s.ballot
        if s.finalizable_at and key not in self.rest:
            self.rest.again(key, 1)
            told = log.bind(game=self.market.game.name, round=round_id, number=s.number)
            if s.vote and s.vote.winning_number != s.number:
                told.error("the committee proposes another number", vote=str(s.vote))
            else:
                told.info("the committee proposes a number", finalizable_at=s.finalizable_at)
