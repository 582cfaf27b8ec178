"""The REST API: rounds, bets, what is due, figures, and transactions for wallets to sign.

What is asked is a typed model, or a problem; what is told is kept until the chain has news.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import is_
from typing import Any, Protocol

import orjson
from aiohttp import web

from feed.board import Board
from feed.decisions import Decisions, is_over
from feed.history import History
from feed.http import Body, Problem, cached, described, expected
from feed.hub import Hub
from feed.questions import (
    Asked,
    BetAsked,
    ClaimAsked,
    OfBets,
    OfRound,
    OfRounds,
    OfUser,
    asked,
    sent,
)
from feed.quote import Refusal, quote
from feed.views import money, of_round
from keeper.domain.lines import outcome
from keeper.projection import MarketView, RoundView

NEWS_SECONDS, BETS_SECONDS, FINISHED_SECONDS = 10, 60, 15 * 60  # how long caches may keep it
_KEPT, _KEPT_BYTES = 4096, 32 * 2**20  # answers
_HURRY = 0.5  # seconds in which the evidence for a result is told, or not
_BATCH = 100  # rounds in one transaction that claims

_Json = dict[str, Any]
_Key = tuple[str, Asked]
_Kept = dict[_Key, asyncio.Future[tuple[Body, int]]]
_Tell = Callable[[Any], Awaitable[_Json]]  # to a question that is valid


class Encode(Protocol):
    """Makes calls of a market."""

    def __call__(self, function: str, *args: Any) -> str:
        """The data of a call, as hex."""
        ...


class _Passing(dict[str, Any]):
    """An answer in which something is missing for the moment."""


class Api:
    """The answers."""

    def __init__(
        self,
        hub: Hub,
        history: History,
        chain_id: int,
        encode: Mapping[str, Encode],
        decisions: Decisions | None = None,
    ) -> None:
        """`encode` has every market's by its address."""
        self._hub, self._history, self._chain_id = hub, history, chain_id
        self._encode, self._decisions = encode, decisions
        self._kept: _Kept = {}
        self._kept_at: tuple[object, ...] = ()
        self._kept_bytes = 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Everything at its path."""
        router.add_get("/openapi.yaml", described("openapi.yaml"))
        for path, model, tell, seconds in (
            ("/api/round", Asked, self._open_rounds, NEWS_SECONDS),
            ("/api/round/{market}/{id}", OfRound, self._round, NEWS_SECONDS),
            ("/api/rounds", OfRounds, self._rounds, NEWS_SECONDS),
            ("/api/oracle/{market}/{id}", OfRound, self._oracle, NEWS_SECONDS),
            ("/api/bets/{user}", OfBets, self._bets, BETS_SECONDS),
            ("/api/claim/{user}", OfUser, self._claims, NEWS_SECONDS),
            ("/api/stats", Asked, self._figures, NEWS_SECONDS),
        ):
            get = partial(self._get, path, model, tell, seconds)
            router.add_get(path, get, expect_handler=expected)
        for path, handler in (
            ("/api/bet", partial(self._post, BetAsked, self._bet)),
            ("/api/claim", partial(self._post, ClaimAsked, self._claim)),
        ):
            router.add_post(path, handler, expect_handler=expected)

    async def tell_stats(self, tell: Callable[[str, _Json], None]) -> None:
        """For ever hands on the figures, as the channel "stats" has them."""
        while True:
            if self._hub.board.head:
                tell("stats", await self._figures(Asked()))
            await asyncio.sleep(NEWS_SECONDS)

    async def _get(
        self, path: str, model: type[Asked], tell: _Tell, seconds: int, request: web.Request
    ) -> web.Response:
        """Looks for an answer only once between two looks at the chain, or at the oracles."""
        key = path, asked(model, request)
        at = self._board().position, self._board().latest["oracle"]  # others after each look
        seen = len(self._kept_at) == len(at) and all(map(is_, self._kept_at, at))
        if not seen or len(self._kept) >= _KEPT or self._kept_bytes > _KEPT_BYTES:
            self._kept, self._kept_at, self._kept_bytes = {}, at, 0
        if key not in self._kept:
            self._kept[key] = asyncio.ensure_future(self._answer(tell, key[1], seconds))
            self._kept[key].add_done_callback(partial(self._count, self._kept, key))
        return cached(request, *await asyncio.shield(self._kept[key]))  # others may wait for it

    def _count(self, kept: _Kept, key: _Key, done: asyncio.Future[tuple[Body, int]]) -> None:
        """Of what is kept one more is known; what failed is not kept."""
        if done.cancelled() or done.exception():
            del kept[key]
        elif kept is self._kept:
            self._kept_bytes += len(done.result()[0].data)

    async def _answer(self, tell: _Tell, asked: Asked, seconds: int) -> tuple[Body, int]:
        told = await self._whole(tell, asked)
        if isinstance(told, _Passing):
            seconds = NEWS_SECONDS
        elif tell == self._round and isinstance(asked, OfRound):
            over = is_over(self._find(asked)[1], self._board())
            seconds = FINISHED_SECONDS if over else seconds
        return Body.of(orjson.dumps(told)), seconds

    async def _whole(self, tell: _Tell, asked: Asked) -> _Json:
        """An answer from one state of the chain: not one that began to be read anew meanwhile."""
        at = self._board()
        told = await tell(asked)
        if self._board() is not at:
            raise Problem(503, "starting", "the chain was read anew", 1)
        return told

    async def _post(self, model: type[Asked], tell: _Tell, request: web.Request) -> web.Response:
        told = await self._whole(tell, await sent(model, request))
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    # ---- rounds

    async def _open_rounds(self, _: Asked) -> _Json:
        """The open rounds of all markets."""
        return {"rounds": [self._told(m, r) for m, r in self._having("OPEN")]}

    async def _round(self, asked: OfRound) -> _Json:
        """A round; once it has a result with the hash of the evidence, be it from the chain."""
        market, r = self._find(asked)
        told = self._told(market, r)
        if told["evidenceHash"] or r.winning_number is None or not self._decisions:
            return told
        decision = None
        with suppress(Problem):  # all else is known
            decision = await self._decisions.of(market, r, self._board(), _HURRY)
        if decision is None:
            return _Passing(told)
        found, alone = decision["evidenceHash"], decision["voting"] is None  # an account's word
        return told | {"evidenceHash": found} if found or alone else _Passing(told)

    async def _rounds(self, asked: OfRounds) -> _Json:
        """Rounds by their draws, the latest first."""
        market = asked.market and self._market(asked.market)
        found = [
            ((r.draw_time, r.id, m.address.lower()), m, r)
            for m, r in self._having(asked.status)
            if market in (None, m)
        ]
        if asked.before:
            draw, number, address = asked.before.split(":")
            found = [f for f in found if f[0] < (int(draw), int(number), address.lower())]
        found.sort(key=lambda f: f[0], reverse=True)
        page = found[: asked.limit]
        after = ":".join(map(str, page[-1][0])) if len(found) > len(page) else None
        return {"rounds": [self._told(m, r) for _, m, r in page], "next": after}

    async def _oracle(self, asked: OfRound) -> _Json:
        """How a round is decided."""
        of = *self._find(asked), self._board()
        if told := self._decisions and await self._decisions.of(*of):
            return {**told}
        raise Problem(404, "unknown_decision", "how it is decided is told from its draw on")

    # ---- of a user

    async def _bets(self, asked: OfBets) -> _Json:
        """The rounds in which somebody has bet, the last begun first, with these bets."""
        found = [
            place
            for place in await self._betting(asked.user)
            if asked.before is None or place[0] < asked.before
        ]
        page = found[: asked.limit]
        after = str(page[-1][0]) if len(found) > len(page) else None
        rounds = [self._bets_of(m, r, asked.user) for _, m, r in page]
        return {"user": asked.user, "rounds": rounds, "next": after}

    async def _claims(self, asked: OfUser) -> _Json:
        """What is due to somebody now."""
        claims, total = [], 0
        for _, m, r in await self._betting(asked.user):
            winnings, refund = r.book.claimable(asked.user)
            total += winnings + refund
            if winnings or refund:
                claims.append(self._head(m, r) | _due(r, asked.user))
        return {"user": asked.user, "total": str(total), "claims": claims}

    # ---- transactions, which are for the user to sign

    async def _bet(self, asked: BetAsked) -> _Json:
        """What a bet would get, and the transaction that places it."""
        board, market, amount = self._board(), self._market(asked.market), int(asked.amount)
        bet = asked.roundId, asked.prediction
        try:
            quoted = quote(market, *bet, amount, asked.user, board.now)
        except Refusal as e:
            raise Problem(409, e.error, str(e), args=e.values) from None
        told = {name: str(wei) for name, wei in quoted._asdict().items()}
        told |= {"market": market.address, "cursor": str(board.position)}
        return asked.model_dump() | told | self._call(market, amount, "placeBet", *bet)

    async def _claim(self, asked: ClaimAsked) -> _Json:
        """The transactions that pay all that is due: one a market, and what no batch may hold."""
        user, to, calls = asked.user, asked.to or asked.user, []
        if not int(to, 16):
            raise Problem(409, "ZeroAddress", "nobody has this address", args={"what": "to"})
        betting = await self._betting(user)
        for market in self._board().markets:
            of = [r for _, m, r in betting if m is market and any(r.book.claimable(user))]
            over = [r for r in of if r.book.finished]
            for at in range(0, len(over), _BATCH):
                batch = over[at : at + _BATCH]
                numbers = [r.id for r in batch]
                calls.append(self._pays(market, batch, user, "claimWinningsBatch", numbers, to))
            if to == user:  # before the result it is paid to nobody else
                waiting = [r for r in of if not r.book.finished]
                calls += [self._pays(market, [r], user, "claimRefund", r.id) for r in waiting]
        if not calls:
            nothing = {"roundId": 0, "user": user}
            raise Problem(409, "NothingDue", "nothing is due to this user now", args=nothing)
        return {"user": user, "to": to, "claims": calls}

    def _pays(
        self, market: MarketView, rounds: list[RoundView], user: str, function: str, *args: Any
    ) -> _Json:
        amount = sum(sum(r.book.claimable(user)) for r in rounds)
        return {
            "market": market.address,
            "game": market.game.name,
            "function": function,
            "roundIds": [r.id for r in rounds],
            "amount": str(amount),
            **self._call(market, 0, function, *args),
        }

    def _call(self, market: MarketView, value: int, function: str, *args: Any) -> _Json:
        data = self._encode[market.address](function, *args)
        to, chain = market.address, self._chain_id
        return {"transaction": {"to": to, "data": data, "value": str(value), "chainId": chain}}

    # ---- figures

    async def _figures(self, _: Asked) -> _Json:
        """Of all markets together, and of each."""
        markets = self._board().markets
        games = [
            {"market": m.address, "game": m.game.name, **_sums([m]), "biggestWin": _biggest_win(m)}
            for m in markets
        ]
        wins = [game["biggestWin"] for game in games if game["biggestWin"]]
        best = max(wins, key=lambda win: int(win["amount"]), default=None)
        return {**_sums(markets), "biggestWin": best, "games": games}

    # ---- inside

    def _board(self) -> Board:
        if self._hub.board.head is None:
            raise Problem(503, "starting", "the server is still reading the chain", 1)
        return self._hub.board

    def _market(self, name: str) -> MarketView:
        """By its game or its address. Raises Problem."""
        for market in self._board().markets:
            if name == market.game.name or name.lower() == market.address.lower():
                return market
        raise Problem(404, "unknown_market", "there is no such market")

    def _having(self, status: str | None) -> list[tuple[MarketView, RoundView]]:
        """The rounds of a status, or all; by market, the soonest draw first."""
        board = self._board()
        return [
            (market, r)
            for market in board.markets
            for r in sorted(market.rounds.values(), key=lambda r: r.draw_time)
            if status in (None, r.status_at(board.now).name)
        ]

    def _find(self, asked: OfRound) -> tuple[MarketView, RoundView]:
        market = self._market(asked.market)
        if (r := market.rounds.get(asked.id)) is None:
            raise Problem(404, "unknown_round", "the market has no such round")
        return market, r

    def _told(self, market: MarketView, r: RoundView) -> _Json:
        """A round, and the hash of the evidence for its result where that is known."""
        known = self._decisions and self._decisions.known(market, r)
        return of_round(market, r, self._board().now) | {"evidenceHash": known}

    def _bets_of(self, market: MarketView, r: RoundView, user: str) -> _Json:
        book, n = r.book, r.winning_number
        bets = [
            {
                "betIndex": index,
                "prediction": int(bet.prediction),
                "amount": str(bet.amount),
                "matched": str(book.matched_of(bet)),
                "placedAt": bet.placed_at,
                "refunded": book.refunded(bet),
                "outcome": None if n is None else outcome(bet.prediction, n).name,
            }
            for index, bet in enumerate(book.bets_of(user))
        ]
        return {**self._head(market, r), "bets": bets, **_due(r, user)}

    def _head(self, market: MarketView, r: RoundView) -> _Json:
        """Which round, and how it stands."""
        told = of_round(market, r, self._board().now)
        names = "market", "game", "status", "drawTime", "lockTime", "winningNumber"
        return {"roundId": r.id} | {name: told[name] for name in names}

    async def _betting(self, user: str) -> list[tuple[int, MarketView, RoundView]]:
        """The rounds in which a user has bet, as they are now, the last begun first."""
        places = await self._history.rounds_of(user)
        rounds = {(m.address, r.id): (m, r) for m, r in self._having(None)}
        return [(place.position, *rounds[place[1:]]) for place in places if place[1:] in rounds]


def _due(r: RoundView, user: str) -> _Json:
    return money(r.book.claimable(user)) | {"settled": r.book.settled(user)}


def _sums(markets: Sequence[MarketView]) -> _Json:
    books = [r.book for market in markets for r in market.rounds.values()]
    return {
        "rounds": len(books),
        "volume": str(sum(book.staked for book in books)),
        "matched": str(sum(book.total_matched for book in books)),
        "fees": str(sum(book.fees() for book in books)),
        "bettors": len({user for market in markets for user in market.betting}),
    }


def _biggest_win(market: MarketView) -> _Json | None:
    if (win := market.biggest_win) is None:
        return None
    told = {"market": market.address, "roundId": win.round_id, "user": win.user}
    return told | {"amount": str(win.amount), "txHash": win.tx_hash}
