"""How each round that was drawn was decided, with the evidence of every vote.

Of the latest rounds it is known all the time; of others it is read from the chain when somebody
asks, a few at a time and each once. What can change no more all instances share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from feed.board import Board
from feed.http import Problem
from feed.reports import Reports, Votes
from feed.store import Shared
from keeper.errors import ChainError, RpcRefused
from keeper.ports import Head, Report, Store
from keeper.projection import MarketView, RoundView

Told = Mapping[str, Any]
"""What is said of one round, as JSON tells it."""
_Reading = Callable[[], Coroutine[Any, Any, Told | None]]

_SHARED = 30 * 86_400.0  # seconds for which what is final is kept
_ALONE = 600.0  # and what was read while nobody could tell what the sources had said
_AT_ONCE, _WAITING = 4, 64  # rounds that are read, and asked for, at a time
_PATIENCE, _LONGEST = 15.0, 60.0  # seconds for which somebody waits, and a round is read
_DEPTH = 64  # blocks after a round's end, so that whichever node is asked has that
_AGAIN = 10.0  # seconds after which to ask again
_REMEMBERED = 64  # rounds whose reports are remembered


class Results(Protocol):
    """What is known of results by who reads the chain."""

    def of(self, market: str, round_id: int) -> Told | None:
        """How one of the latest rounds is decided, as it was just now."""
        ...

    async def read(self, market: str, round_id: int) -> Told | None:
        """The same of any round. None before its draw. Raises ChainError."""
        ...

    async def reports(
        self, market: str, oracle: str, round_id: int, first: int, last: int, who: str | None
    ) -> Sequence[Report]:
        """The votes that a round's oracle tells of in these blocks, of all or of one reporter.

        Raises ChainError, WrongContract when they are too many.
        """
        ...

    async def block(self, number: int) -> Head:
        """Raises ChainError."""
        ...


class Decisions:
    """The answers.

    Args:
        store: what the instances share.
        chunk: blocks whose logs are asked for at once.
    """

    def __init__(self, results: Results, store: Store, chain_id: int, chunk: int = 1000) -> None:
        self._results, self._chain_id, self._chunk = results, chain_id, chunk
        self._store = Shared(store, _SHARED)
        self._reading: dict[str, asyncio.Task[Told | None]] = {}
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._reports: dict[str, Reports] = {}

    def known(self, market: MarketView, r: RoundView) -> str | None:
        """The hash of the evidence that the operator's keeper has, of one of the latest rounds."""
        told = self._results.of(market.address, r.id) or {}
        return told.get("evidenceHash")

    async def of(
        self, market: MarketView, r: RoundView, board: Board, patience: float | None = None
    ) -> Told | None:
        """How a round is decided; None before its draw, or when nobody can tell.

        Raises Problem when the chain cannot be asked now, or does not tell within `patience`,
        seconds; what is kept by then is told the next time. One of the latest rounds that is not
        over is told of all the same, without evidence.
        """
        if board.now < r.draw_time:
            return None
        final = is_over(r, board) and board.position.block - r.ended_in >= _DEPTH
        known = None if final else self._results.of(market.address, r.id)
        key = f"lottochain:{self._chain_id}:decision:{market.address}:{r.id}:{r.ended_in}"
        whole = partial(_whole, market, r)
        kept: Told | None = await self._store.get(key, whole) if final else None
        if kept:
            return kept
        reading = partial(self._read, final, known, key, market, r, board)
        try:
            async with asyncio.timeout(patience or _PATIENCE):
                return await asyncio.shield(self._once(key, reading))
        except (TimeoutError, ChainError) as exc:
            if known:
                return _with(known, {})
            why = "the chain does not tell at the moment how the round was decided"
            code = "no_chain" if isinstance(exc, ChainError) else "busy"
            raise Problem(503, code, why, _AGAIN) from None

    def _once(self, key: str, reading: _Reading) -> asyncio.Task[Told | None]:
        """What is read for all who ask meanwhile. Raises TimeoutError when that is too much."""
        if key not in self._reading:
            if len(self._reading) >= _WAITING:
                raise TimeoutError
            self._reading[key] = asyncio.create_task(reading())
            self._reading[key].add_done_callback(partial(self._forget, key))
        return self._reading[key]

    def _forget(self, key: str, task: asyncio.Task[Told | None]) -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # maybe nobody waits for it any more

    async def _read(
        self, final: bool, known: Told | None, key: str, market: MarketView, r: RoundView, at: Board
    ) -> Told | None:
        """What is known, or the chain has, with the evidence; what is final is kept then.

        Raises ChainError, TimeoutError.
        """
        evidence: Mapping[str, str] = {}
        async with asyncio.timeout(_LONGEST), self._few:
            told = known or await self._results.read(market.address, r.id)
            if told and _votes(told):
                between = partial(self._results.reports, market.address, r.oracle, r.id)
                new = Reports(between, self._results.block, r.draw_time, self._chunk)
                reports = self._reports[key] = self._reports.pop(key, new)
                if len(self._reports) > _REMEMBERED:
                    del self._reports[next(iter(self._reports))]
                last, decided = r.ended_in or at.position.block, r.winning_number is not None
                votes: Votes = {v["reporter"]: v["draw"] for v in told["voting"]["votes"]}
                of = told["voting"]["ballot"], votes, last, at.now
                with suppress(RpcRefused):  # else nobody can tell
                    evidence = await reports.read(*of, decided=decided)
        told = told and _with(told, evidence)
        if final and told and _whole(market, r, told):
            await self._store.put(key, told, _ALONE if told["stale"] else None)
        return told


def is_over(r: RoundView, board: Board) -> bool:
    """Whether a round has ended, in a block that cannot change any more."""
    return r.book.finished and board.finalized is not None and r.ended_in <= board.finalized


def _votes(told: Told) -> dict[str, Told]:
    """The draws of the standing votes."""
    cast = told["voting"]["votes"] if told["voting"] else []
    return {vote["reporter"]: vote["draw"] for vote in cast if vote["draw"]}


def _with(told: Told, evidence: Mapping[str, str]) -> Told:
    """What is known, with the evidence of every vote; it is in the order of the votes."""
    if (voting := told["voting"]) is None:
        return told
    cast = [vote | {"evidence": evidence.get(vote["reporter"])} for vote in voting["votes"]]
    proposal, first = voting["proposal"], None
    if proposal:
        proposal = proposal | {"evidenceHash": _first(told, evidence)}
        if told["winningNumber"] in (None, proposal["winningNumber"]):
            first = proposal["evidenceHash"]
    voting = voting | {"votes": cast, "proposal": proposal}
    return {**told, "voting": voting, "evidenceHash": told["evidenceHash"] or first}


def _first(told: Told, evidence: Mapping[str, str]) -> str | None:
    """The evidence of the first of those who voted for the proposed draw, if theirs is known."""
    voting, votes = told["voting"], _votes(told)
    for draw in votes.values():
        agreed = {who for who in votes if votes[who] == draw}
        proposed = draw["winningNumber"] == voting["proposal"]["winningNumber"]
        if proposed and len(agreed) >= voting["quorum"] and agreed <= evidence.keys():
            return next(evidence[who] for who in evidence if who in agreed)
    return None


# ---- what may be kept for others

_Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
_Hash = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
_Whole = Annotated[int, Field(ge=0, lt=2**63)]
_Number = Annotated[int, Field(ge=0, lt=100)]


class _Strict(BaseModel, extra="forbid", strict=True, alias_generator=to_camel):
    """JSON with just these fields, their names as there."""


class _Draw(_Strict):
    whites: list[_Whole] = Field(min_length=5, max_length=5)
    special: _Whole
    winning_number: _Number


class _Vote(_Strict):
    reporter: _Address
    draw: _Draw | None
    evidence: _Hash | None


class _Proposal(_Strict):
    winning_number: _Number
    finalizable_at: _Whole
    evidence_hash: _Hash | None


class _Voting(_Strict):
    quorum: _Whole
    dispute_window: _Whole
    guardian: _Address
    ballot: _Whole
    votes: list[_Vote]
    proposal: _Proposal | None


class _Decision(_Strict):
    market: str
    game: str
    round_id: int
    draw_time: int
    status: Literal["FINALIZED", "CANCELLED"]
    winning_number: _Number | None
    oracle: str
    voting: _Voting
    asked: dict[str, Any] | None
    evidence_hash: _Hash | None
    stale: bool


def _whole(market: MarketView, r: RoundView, told: Any) -> bool:
    """Whether this is how a committee decided a round that is over, with nothing missing."""
    try:
        _Decision.model_validate(told)
    except ValidationError:
        return False
    known = {
        "market": market.address,
        "game": market.game.name,
        "roundId": r.id,
        "drawTime": r.draw_time,
        "status": r.book.status.name,
        "winningNumber": r.winning_number,
        "oracle": r.oracle,
    }
    votes, proposal = told["voting"]["votes"], told["voting"]["proposal"]
    proved = proposal and proposal["winningNumber"] == r.winning_number and told["evidenceHash"]
    if not known.items() <= told.items() or not (proved or r.winning_number is None):
        return False
    return all(vote["evidence"] for vote in votes if vote["draw"])
