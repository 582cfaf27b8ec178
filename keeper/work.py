"""Does what is due: one duty after another, each checked just before it is sent.

A duty that fails, or finds nothing to do yet, rests for a while that doubles; the monotonic clock
counts it. All of this may be forgotten at any time without harm.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from keeper.chain.market import ContractMarket
from keeper.chain.sender import KeySender
from keeper.domain.consensus import Agreed, Disagreement, Waiting, decide
from keeper.domain.draw import Draw
from keeper.duties import CreateRound, Duty, LockRound, Report, Settle, Terms, VoidRound, due
from keeper.errors import KeeperError, Reverted
from keeper.follow import Follower
from keeper.ports import DryRun, Sent, Source
from keeper.sources import ask_all
from keeper.store.evidence import FileEvidence

log = structlog.get_logger()

LONGEST_REST = 900.0  # seconds
PAYMENT_TRIES = 6  # then a bettor that refuses is left to claim

# What the contract says of a duty when somebody else was faster.
_DONE_BEFORE = frozenset({"DrawTimeTaken", "WrongStatus"})


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
        self._kept[key] = count, math.inf if last else self.clock() + seconds
        return last

    def end(self, key: Hashable) -> None:
        """The key rests no more, and begins anew when it does again."""
        self._kept.pop(key, None)


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything that doing the duties of a market takes.

    Attributes:
        rest: the duties that failed, and (round id, bettor) of refused payments.
        disputes: by date the last disagreement on a draw whose evidence was kept.
    """

    market: ContractMarket
    follower: Follower
    sender: KeySender
    sources: Mapping[str, Source]
    evidence: FileEvidence
    terms: Terms
    rest: Rest
    disputes: dict[dt.date, Disagreement] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever: looks at what is due whenever something was read or sent."""
        while True:
            sent = False
            if head := self.follower.head:
                view = self.follower.views[self.market.address]
                for duty in due(view, head.timestamp, self.sender.address, self.terms, self.rest):
                    sent |= await self._attempt(duty)
            if not sent:
                await self.follower.news.wait()

    async def _attempt(self, duty: Duty) -> bool:
        """Does a duty; whether a transaction was sent. What fails is logged and rests."""
        # The next batch of a round rests when one has failed.
        key: Hashable = (Settle, duty.round_id) if isinstance(duty, Settle) else duty
        if key in self.rest:
            return False
        about = (
            {"draw": duty.draw_time} if isinstance(duty, CreateRound) else {"round": duty.round_id}
        )
        told = log.bind(game=self.market.game.name, duty=type(duty).__name__, **about)
        try:
            result = await self._do(duty)
        except KeeperError as exc:
            if isinstance(exc, Reverted) and exc.name in _DONE_BEFORE:
                told.info("already done", why=str(exc))
            else:
                told.warning("put off", why=str(exc))
            self.rest.again(key)
            return False
        if isinstance(result, Sent):
            self.rest.end(key)
            told.info("done", tx=result.tx_hash, block=result.block_number, gas=result.gas_used)
            await self.follower.seen(result.block_number)
            if isinstance(duty, Settle):
                self._look_after_payments(duty)
            return True
        if isinstance(result, DryRun):
            told.info("would send", function=result.function)
        if result or isinstance(duty, Report):
            self.rest.again(key)
        return False

    async def _do(self, duty: Duty) -> Sent | DryRun | None:
        """None: there was nothing to send yet."""
        call: tuple[Any, ...]
        match duty:
            case CreateRound(draw_time):
                call = "createRound", draw_time
            case LockRound(round_id):
                call = "lockRound", round_id
            case VoidRound(round_id):
                call = "voidRound", round_id
            case Settle(round_id, bettors):
                ready = [user for user in bettors if await self._payable(round_id, user)]
                if not ready:
                    return None
                call = "settle", round_id, ready
            case Report(round_id, date):
                draw = await self._find_out(date)
                if draw is None:
                    return None
                call = "finalizeRound", round_id, draw.winning_number
        return await self.sender.send(self.market, *call)

    # ---- payments

    async def _payable(self, round_id: int, user: str) -> bool:
        """Whether paying the user now would pay: nothing is sent in vain."""
        amount = sum(await self.market.claimable(round_id, user))
        if amount and not await self.market.accepts(user, amount):
            self._refused(round_id, user)
            return False
        return amount > 0

    def _look_after_payments(self, duty: Settle) -> None:
        """Leaves alone, for a while, whom the contract tried to pay and could not."""
        r = self.follower.views[self.market.address].rounds.get(duty.round_id)
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

    async def _find_out(self, date: dt.date) -> Draw | None:
        """What two of three sources agree on, its evidence safely on disk; else None."""
        game = self.market.game
        fetched = await ask_all(self.sources, game, date)
        verdict = decide([f.answer for f in fetched])
        told = log.bind(game=game.name, date=str(date))
        match verdict:
            case Waiting(missing):
                told.info("no result yet", missing={a.source: a.why for a in missing})
            case Disagreement(answers):
                told.error("sources disagree", answers={a.source: str(a.draw) for a in answers})
                if self.disputes.get(date) != verdict:  # once, however often asked
                    await self.evidence.save(game, date, fetched, verdict)
                    self.disputes[date] = verdict
            case Agreed(draw, sources, dissenting):
                kept = await self.evidence.save(game, date, fetched, verdict)
                if dissenting:
                    told.error("a source gives another draw", sources=list(dissenting))
                told = told.bind(evidence=f"0x{kept.digest.hex()}", file=str(kept.path))
                number = draw.winning_number
                told.info("sources agree", draw=str(draw), number=number, sources=list(sources))
                return draw
        return None
