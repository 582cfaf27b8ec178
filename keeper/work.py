"""Does what is due: one duty after another, each checked just before it is sent.

A duty that fails, or finds nothing to do yet, rests for a while that doubles; the monotonic clock
counts it. All of this may be forgotten at any time without harm.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from keeper.domain.consensus import Disagreement, Waiting, decide
from keeper.domain.draw import Draw, game_named
from keeper.duties import CreateRound, Duty, LockRound, Report, Settle, Terms, VoidRound, due
from keeper.errors import KeeperError, Reverted
from keeper.ports import DryRun, EvidenceRef, EvidenceStore, Market, Sender, Sent, Source
from keeper.projection import MarketView
from keeper.sources import ask_all

log = structlog.get_logger()

LONGEST_REST = 900.0  # seconds
PAYMENT_TRIES = 6  # then a bettor that refuses is left to claim

# What the contract says when somebody else was faster.
_DONE_BEFORE: Mapping[type[Duty], str] = {
    CreateRound: "DrawTimeTaken",
    LockRound: "WrongStatus",
    VoidRound: "WrongStatus",
    Report: "WrongStatus",
}


@dataclass(frozen=True, slots=True)
class _Payment:
    """What rests when a bettor refuses."""

    market: str
    round_id: int
    user: str


@dataclass(slots=True)
class Rest:
    """Who or what is left alone, and until when by the monotonic clock.

    Attributes:
        first: seconds of the first rest; each next one is twice as long.
    """

    first: float
    clock: Callable[[], float] = time.monotonic
    _kept: dict[Hashable, tuple[int, float]] = field(default_factory=dict)

    def lasts(self, key: Hashable) -> bool:
        """Whether the key still rests."""
        return key in self._kept and self.clock() < self._kept[key][1]

    def again(self, key: Hashable, tries: float = math.inf) -> bool:
        """The key rests once more. After so many tries it does for ever: True then."""
        count = self._kept.get(key, (0, 0.0))[0] + 1
        last = count >= tries
        seconds = min(self.first * 2 ** min(count - 1, 16), LONGEST_REST)
        self._kept[key] = count, math.inf if last else self.clock() + seconds
        return last

    def resting(self) -> Iterator[Hashable]:
        """Every key that rests now."""
        return (key for key in self._kept if self.lasts(key))

    def end(self, key: Hashable) -> None:
        """The key rests no more, and begins anew when it does again."""
        self._kept.pop(key, None)


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything that doing a duty takes.

    Attributes:
        views: by market address, kept up to date by somebody else.
        seen: returns when the views have taken the events of a block.
        rest: what failed or refused, and waits.
        disputes: the last disagreement on a draw whose evidence was kept.
    """

    sender: Sender
    sources: Mapping[str, Source]
    evidence: EvidenceStore
    terms: Terms
    views: Mapping[str, MarketView]
    seen: Callable[[int], Awaitable[None]]
    rest: Rest
    disputes: dict[tuple[str, dt.date], Disagreement] = field(default_factory=dict)

    async def work(self, market: Market, now: int) -> bool:
        """Does what the market wants at `now`, the head's time; whether anything was sent."""
        view, account = self.views[market.address], self.sender.address
        left_alone = {
            (key.round_id, key.user)
            for key in self.rest.resting()
            if isinstance(key, _Payment) and key.market == market.address
        }
        sent = False
        for duty in due(view, now, account, self.terms, left_alone):
            # The next batch of a round rests when one has failed.
            what = (Settle, duty.round_id) if isinstance(duty, Settle) else duty
            key = (market.address, what)
            if not self.rest.lasts(key):
                sent |= await self._attempt(market, duty, key)
        return sent

    async def _attempt(self, market: Market, duty: Duty, key: Hashable) -> bool:
        """Does a duty; whether a transaction was sent. What fails is logged and rests."""
        told = log.bind(game=market.game.name, duty=type(duty).__name__, **_facts(duty))
        try:
            result = await self._do(market, duty)
        except Reverted as exc:
            if exc.name and exc.name == _DONE_BEFORE.get(type(duty)):
                told.info("already done", why=str(exc))
            else:
                told.warning("refused", why=str(exc))
            self.rest.again(key)
            return False
        except KeeperError as exc:
            told.warning("put off", why=str(exc))
            self.rest.again(key)
            return False
        if not isinstance(result, Sent):
            if isinstance(result, DryRun):
                told.info("would send", function=result.function)
            if result or isinstance(duty, Report):
                self.rest.again(key)
            return False
        self.rest.end(key)
        told.info("done", tx=result.tx_hash, block=result.block_number, gas=result.gas_used)
        await self.seen(result.block_number)
        if isinstance(duty, Settle):
            self._look_after_payment(market, duty)
        return True

    async def _do(self, market: Market, duty: Duty) -> Sent | DryRun | None:
        """None: there was nothing to send yet."""
        match duty:
            case CreateRound(draw_time):
                return await self.sender.send(market, "createRound", draw_time)
            case LockRound(round_id):
                return await self.sender.send(market, "lockRound", round_id)
            case VoidRound(round_id):
                return await self.sender.send(market, "voidRound", round_id)
            case Settle(round_id, bettors):
                ready = [u for u in bettors if await self._payable(market, round_id, u)]
                if not ready:
                    return None
                return await self.sender.send(market, "settle", round_id, ready)
            case Report(round_id, date):
                found = await self._find_out(market, date)
                if found is None:
                    return None
                return await self._announce(market, round_id, *found)

    # ---- payments

    async def _payable(self, market: Market, round_id: int, user: str) -> bool:
        """Whether paying the user now would pay: nothing is sent in vain."""
        amount = sum(await market.claimable(round_id, user))
        if not amount:
            return False
        accepted = await market.accepts(user, amount)
        if not accepted:
            self._refused(market, round_id, user)
        return accepted

    def _look_after_payment(self, market: Market, duty: Settle) -> None:
        """Leaves alone, for a while, whom the contract tried to pay and could not."""
        r = self.views[market.address].rounds.get(duty.round_id)
        for user in duty.bettors if r else ():
            if r and sum(r.book.claimable(user)):
                self._refused(market, duty.round_id, user)
            else:
                self.rest.end(_Payment(market.address, duty.round_id, user))

    def _refused(self, market: Market, round_id: int, user: str) -> None:
        key = _Payment(market.address, round_id, user)
        if self.rest.lasts(key):
            return  # seen in a simulation just before
        last = self.rest.again(key, PAYMENT_TRIES)
        told = "left to claim" if last else "refuses its payment"
        log.warning(told, game=market.game.name, round=round_id, bettor=user)

    # ---- results

    async def _find_out(self, market: Market, date: dt.date) -> tuple[Draw, EvidenceRef] | None:
        """What two of three sources agree on, its evidence safely on disk; else None."""
        game = game_named(market.game.name)
        fetched = await ask_all(self.sources, game, date)
        verdict = decide([f.answer for f in fetched])
        told = log.bind(game=game.name, date=str(date))
        if isinstance(verdict, Waiting):
            missing = {a.source: a.why for a in verdict.missing}
            told.info("no result yet", missing=missing)
            return None
        if isinstance(verdict, Disagreement):
            told.error("sources disagree", answers={a.source: str(a.draw) for a in verdict.answers})
            if self.disputes.get((game.name, date)) != verdict:  # once, however often asked
                await self.evidence.save(game, date, fetched, verdict)
                self.disputes[game.name, date] = verdict
            return None
        evidence = await self.evidence.save(game, date, fetched, verdict)
        if verdict.dissenting:
            told.error("a source gives another draw", sources=list(verdict.dissenting))
        told.info(
            "sources agree",
            draw=str(verdict.draw),
            number=verdict.draw.winning_number,
            sources=list(verdict.sources),
            evidence=f"0x{evidence.digest.hex()}",
            file=str(evidence.path),
        )
        return verdict.draw, evidence

    async def _announce(
        self, market: Market, round_id: int, draw: Draw, _: EvidenceRef
    ) -> Sent | DryRun:
        """Puts the result on the chain, as the round's oracle."""
        return await self.sender.send(market, "finalizeRound", round_id, draw.winning_number)


def _facts(duty: Duty) -> dict[str, Any]:
    facts = {name.removesuffix("_id"): str(value) for name, value in asdict(duty).items()}
    return facts | ({"bettors": str(len(duty.bettors))} if isinstance(duty, Settle) else {})
