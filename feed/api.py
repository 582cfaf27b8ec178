"""The REST API: rounds, bets, what is due, figures, and transactions for wallets to sign.

What is asked is a typed model, or a problem; what is told is kept until the chain has news.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

import orjson
from aiohttp import web
from eth_utils.address import to_checksum_address
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
)

from feed.board import Board
from feed.history import History, Win
from feed.http import Body, Problem, cached, described
from feed.hub import Hub
from feed.quote import Refusal, quote
from feed.views import of_round
from keeper.domain.lines import outcome
from keeper.projection import MarketView, RoundView

NEWS_SECONDS, BETS_SECONDS, FINISHED_SECONDS = 10, 60, 15 * 60  # how long caches may keep it
_KEPT = 4096  # answers
_BATCH = 100  # rounds in one transaction that claims

M = TypeVar("M", bound="Asked")
_Json = dict[str, Any]
_Due = tuple[MarketView, RoundView, int, int]  # what it owes: winnings and refund, wei


class Encode(Protocol):
    """Makes calls of a market."""

    def __call__(self, function: str, *args: Any) -> str:
        """The data of a call, as hex."""
        ...


OracleOf = Callable[[str, int], Mapping[str, Any] | None]
"""By market and round: what is known of its decision, `evidenceHash` for one."""


# ---- what is asked


def _digits(value: Any) -> Any:
    """A number as a path or a query has it."""
    if isinstance(value, str) and not re.fullmatch(r"[1-9][0-9]{0,17}", value):
        raise ValueError("it is a number")
    return value


def _whole(value: Any) -> Any:
    """JSON has one kind of numbers: 1.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_HEX = r"0x[0-9a-fA-F]{40}"
_Address = Annotated[
    str, StringConstraints(pattern=f"^{_HEX}$"), AfterValidator(to_checksum_address)
]
_Market = Annotated[str, StringConstraints(pattern=f"^({_HEX}|[a-z][a-z-]{{0,30}})$")]
_Positive = Annotated[int, BeforeValidator(_digits), Field(ge=1, lt=10**18)]
_Limit = Annotated[int, BeforeValidator(_digits), Field(ge=1, le=100)]
_Whole = Annotated[int, BeforeValidator(_whole)]
_Wei = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,76})$")]
_Place = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}:[0-9]{1,18}:0x[0-9a-fA-F]{40}$")]


class Asked(BaseModel, extra="forbid", frozen=True):
    """Anything that is asked; what is not known is refused. This is of who asks nothing more."""


class OfRound(Asked):
    """One round."""

    market: _Market
    id: _Positive


class OfRounds(Asked):
    """A page of rounds."""

    market: _Market | None = None
    status: Literal["OPEN", "LOCKED", "FINALIZED", "CANCELLED"] | None = None
    before: _Place | None = None
    limit: _Limit = 20


class OfUser(Asked):
    """Somebody's claims."""

    user: _Address


class OfBets(OfUser):
    """A page of somebody's bets."""

    before: _Positive | None = None
    limit: _Limit = 20


class BetAsked(OfUser, strict=True):
    """A bet that is about to be placed; of the numbers the contract has to say what is wrong."""

    market: _Market
    roundId: _Whole = Field(ge=0, lt=2**53)  # noqa: N815 - as in JSON
    prediction: _Whole = Field(ge=0, le=255)
    amount: _Wei


class ClaimAsked(OfUser, strict=True):
    """A claim of everything, to be paid to another address where it is given."""

    to: _Address | None = None


def _refuse(e: ValidationError) -> Problem:
    errors = [
        {"field": ".".join(map(str, each["loc"]))[:64], "message": each["msg"]}
        for each in e.errors(include_url=False, include_input=False)[:16]
    ]
    first = f"{errors[0]['field'] or 'request'}: {errors[0]['message']}"
    return Problem(400, "bad_request", first, errors=errors)


def _asked(model: type[M], request: web.Request) -> M:
    """What path and query ask. Raises Problem."""
    told = [*request.query.items(), *request.match_info.items()]
    if len(fields := dict(told)) != len(told):
        raise Problem(400, "bad_request", "something is given twice")
    try:
        return model.model_validate_strings(fields)
    except ValidationError as e:
        raise _refuse(e) from None


async def _sent(model: type[M], request: web.Request) -> M:
    """What the body asks. Raises Problem."""
    if request.content_type != "application/json":
        raise Problem(415, "unsupported_media_type", "the body is application/json")
    if request.query:
        raise Problem(400, "bad_request", "all of it is told in the body")
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as e:
        raise _refuse(e) from None


# ---- what is told


class Api:
    """The answers.

    Attributes:
        stats_seconds: how long figures are kept.
    """

    def __init__(
        self,
        hub: Hub,
        history: History,
        chain_id: int,
        encode: Mapping[str, Encode],
        oracle_of: OracleOf = lambda _market, _round_id: None,
        stats_seconds: float = NEWS_SECONDS,
    ) -> None:
        """`encode` has every market's by its address."""
        self._hub, self._history, self._chain_id = hub, history, chain_id
        self._encode, self._oracle_of = encode, oracle_of
        self.stats_seconds = stats_seconds
        self._kept: dict[Asked | str, Body] = {}
        self._kept_at: object = None
        self._stats, self._stats_until = Body.of(b""), 0.0

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Everything at its path."""
        router.add_get("/openapi.yaml", described("openapi.yaml"))
        router.add_get("/api/round", self._open_rounds)
        router.add_get("/api/round/{market}/{id}", self._round)
        router.add_get("/api/rounds", self._rounds)
        router.add_get("/api/bets/{user}", self._bets)
        router.add_get("/api/claim/{user}", self._claims)
        router.add_get("/api/stats", self._figures)
        router.add_get("/api/oracle/{market}/{id}", self._oracle)
        router.add_post("/api/bet", self._bet)
        router.add_post("/api/claim", self._claim)

    # ---- rounds

    async def _open_rounds(self, request: web.Request) -> web.Response:
        """The open rounds of all markets."""
        _asked(Asked, request)

        async def told() -> _Json:
            return {"rounds": [self._told(m, r) for m, r in self._having("OPEN")]}

        return cached(request, await self._keep("open", told), NEWS_SECONDS)

    async def _round(self, request: web.Request) -> web.Response:
        asked = _asked(OfRound, request)
        market, r = self._find(asked)

        async def told() -> _Json:
            return self._told(market, r)

        seconds = FINISHED_SECONDS if r.book.finished else NEWS_SECONDS
        return cached(request, await self._keep(asked, told), seconds)

    async def _rounds(self, request: web.Request) -> web.Response:
        """Rounds by their draws, the latest first."""
        asked = _asked(OfRounds, request)
        market = asked.market and self._market(asked.market)

        async def told() -> _Json:
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

        return cached(request, await self._keep(asked, told), NEWS_SECONDS)

    async def _oracle(self, request: web.Request) -> web.Response:
        """How a round is decided, as far as it is known."""
        market, r = self._find(_asked(OfRound, request))
        told = self._oracle_of(market.address, r.id)
        if told is None:
            raise Problem(404, "unknown_decision", "nothing is known of how it is decided")
        return cached(request, Body.of(orjson.dumps(told)), NEWS_SECONDS)

    # ---- of a user

    async def _bets(self, request: web.Request) -> web.Response:
        """The rounds in which somebody has bet, the last begun first, with these bets."""
        asked = _asked(OfBets, request)

        async def told() -> _Json:
            places = await self._history.rounds_of(asked.user)
            later = [p for p in places if asked.before is None or p.position < asked.before]
            page = later[: asked.limit]
            after = str(page[-1].position) if len(later) > len(page) else None
            known = {m.address: m for m in self._board().markets}
            found = [(m, m.rounds.get(p.round_id)) for p in page if (m := known.get(p.market))]
            rounds = [self._bets_of(m, r, asked.user) for m, r in found if r]
            return {"user": asked.user, "rounds": rounds, "next": after}

        return cached(request, await self._keep(asked, told), BETS_SECONDS)

    async def _claims(self, request: web.Request) -> web.Response:
        """What is due to somebody now."""
        asked = _asked(OfUser, request)

        async def told() -> _Json:
            due = await self._due(asked.user)
            total = sum(winnings + refund for _, _, winnings, refund in due)
            claims = [
                {**_head(m, r, self._board().now), "winnings": str(winnings), "refund": str(refund)}
                for m, r, winnings, refund in due
            ]
            return {"user": asked.user, "total": str(total), "claims": claims}

        return cached(request, await self._keep(asked, told), NEWS_SECONDS)

    # ---- transactions, which are for the user to sign

    async def _bet(self, request: web.Request) -> web.Response:
        """What a bet would get, and the transaction that places it."""
        asked = await _sent(BetAsked, request)
        board, market, amount = self._board(), self._market(asked.market), int(asked.amount)
        bet = asked.roundId, asked.prediction
        try:
            quoted = quote(market, *bet, amount, asked.user, board.now)
        except Refusal as e:
            raise Problem(409, e.error, str(e), args=e.values) from None
        told = {name: str(wei) for name, wei in quoted._asdict().items()}
        call = self._call(market, amount, "placeBet", *bet)
        whose = {**asked.model_dump(), "market": market.address}
        return _fresh({**whose, **told, "cursor": str(board.position), "transaction": call})

    async def _claim(self, request: web.Request) -> web.Response:
        """The transactions that pay all that is due: one a market, and what no batch may hold."""
        asked = await _sent(ClaimAsked, request)
        user, to = asked.user, asked.to or asked.user
        if not int(to, 16):
            raise Problem(409, "ZeroAddress", "nobody has this address", args={"what": "to"})
        calls: list[_Json] = []
        due = await self._due(user)
        for market in self._board().markets:
            of = [(r, w + refund) for m, r, w, refund in due if m is market]
            over = [(r, wei) for r, wei in of if r.book.finished]
            for at in range(0, len(over), _BATCH):
                batch = over[at : at + _BATCH]
                numbers = [r.id for r, _ in batch]
                amount = sum(wei for _, wei in batch)
                calls.append(self._pays(market, numbers, amount, "claimWinningsBatch", numbers, to))
            if to == user:  # nothing else is paid before the result, and to nobody else
                waiting = [(r, wei) for r, wei in of if not r.book.finished]
                calls += [self._pays(market, [r.id], w, "claimRefund", r.id) for r, w in waiting]
        if not calls:
            nothing = {"roundId": 0, "user": user}
            raise Problem(409, "NothingDue", "nothing is due to this user now", args=nothing)
        return _fresh({"user": user, "to": to, "claims": calls})

    def _pays(
        self, market: MarketView, rounds: Sequence[int], amount: int, function: str, *args: Any
    ) -> _Json:
        call = self._call(market, 0, function, *args)
        what = {"market": market.address, "game": market.game.name, "function": function}
        return {**what, "roundIds": rounds, "amount": str(amount), "transaction": call}

    def _call(self, market: MarketView, value: int, function: str, *args: Any) -> _Json:
        data = self._encode[market.address](function, *args)
        to, chain = market.address, self._chain_id
        return {"to": to, "data": data, "value": str(value), "chainId": chain}

    # ---- figures

    async def _figures(self, request: web.Request) -> web.Response:
        _asked(Asked, request)
        self._board()
        if time.monotonic() >= self._stats_until:
            self._stats = Body.of(orjson.dumps(await self.stats()))
            self._stats_until = time.monotonic() + self.stats_seconds
        return cached(request, self._stats, NEWS_SECONDS)

    async def stats(self) -> dict[str, Any]:
        """The figures of all markets together, and of each. Raises Problem, HistoryError."""
        asked = self._board().markets
        bettors = await self._history.bettors()
        wins = [await self._history.biggest_win(m.address) for m in asked]
        games: list[_Json] = []
        for m, won in zip(asked, wins, strict=True):
            books = [r.book for r in m.rounds.values()]
            games.append(
                {
                    "market": m.address,
                    "game": m.game.name,
                    "rounds": len(books),
                    "volume": str(sum(book.staked for book in books)),
                    "matched": str(sum(book.total_matched for book in books)),
                    "fees": str(sum(book.fees() for book in books)),
                    "bettors": sum(market == m.address for market, _ in bettors),
                    "biggestWin": won and _win(won),
                }
            )
        best = max((win for win in wins if win), key=lambda win: win.amount, default=None)
        return {
            "rounds": sum(game["rounds"] for game in games),
            **{n: str(sum(int(g[n]) for g in games)) for n in ("volume", "matched", "fees")},
            "bettors": len({user for _, user in bettors}),
            "biggestWin": best and _win(best),
            "games": games,
        }

    # ---- inside

    def _board(self) -> Board:
        if self._hub.board.head is None:
            raise Problem(503, "starting", "the server is still reading the chain", 1)
        return self._hub.board

    async def _keep(self, key: Asked | str, tell: Callable[[], Awaitable[_Json]]) -> Body:
        """The answer to a question, looked for only once between two looks at the chain."""
        at = self._board().position  # another one after each look
        if self._kept_at is not at or len(self._kept) >= _KEPT:
            self._kept, self._kept_at = {}, at
        if (body := self._kept.get(key)) is None:
            kept, body = self._kept, Body.of(orjson.dumps(await tell()))
            kept[key] = body  # into what was good when it was asked
        return body

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
        decision = self._oracle_of(market.address, r.id) or {}
        evidence = {"evidenceHash": decision.get("evidenceHash")}
        return of_round(market, r, self._board().now) | evidence

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
        winnings, refund = book.claimable(user)
        due = {"winnings": str(winnings), "refund": str(refund), "settled": book.settled(user)}
        return {**_head(market, r, self._board().now), "bets": bets, **due}

    async def _due(self, user: str) -> list[_Due]:
        """The rounds that owe a user anything now, the last begun first."""
        places = await self._history.rounds_of(user)
        markets = {m.address: m for m in self._board().markets}
        found = []
        for place in places:
            market = markets.get(place.market)
            r = market and market.rounds.get(place.round_id)
            if market and r and any(due := r.book.claimable(user)):
                found.append((market, r, *due))
        return found


def _head(market: MarketView, r: RoundView, now: int) -> _Json:
    """Which round, and how it stands."""
    return {
        "market": market.address,
        "game": market.game.name,
        "roundId": r.id,
        "status": r.status_at(now).name,
        "drawTime": r.draw_time,
        "lockTime": r.lock_time,
        "winningNumber": r.winning_number,
    }


def _win(win: Win) -> _Json:
    told = {"market": win.market, "roundId": win.round_id, "user": win.user}
    return {**told, "amount": str(win.amount), "txHash": win.tx_hash}


def _fresh(told: _Json) -> web.Response:
    """An answer that no cache keeps."""
    return web.Response(body=orjson.dumps(told), content_type="application/json")
