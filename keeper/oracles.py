"""How rounds come to their results: what the sources say, and the votes.

What the sources say comes from the keepers that ask them, by the store that instances share; the
committees every instance reads from the chain itself: those of the latest rounds all the time,
others when somebody asks.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
import structlog

from keeper import show
from keeper.chain.contracts import ContractMarket, ContractOracle
from keeper.errors import ChainError, Reverted, StoreDown, WrongContract
from keeper.follow import Follower
from keeper.ports import Fetched, Head, Report, Store
from keeper.projection import RoundView

log = structlog.get_logger()

Told = Mapping[str, Any]
"""What is said of one round, as JSON tells it."""

_UNKNOWN: Told = {"asked": None, "voting": None}
_LATELY = 4 * 86_400  # seconds since the draw for which a round is told of
_MOST = 8  # rounds of a market, the latest
_KEPT = 7 * 86_400.0  # seconds for which the store keeps what the sources said
_NOBODY = 3600.0  # seconds for which an address without a committee is not asked again
_LONGEST = 2**16  # bytes of what the sources said; a keeper writes far less
_SILENT = 1200  # seconds: longer a keeper that is well does not leave its sources unasked


class Asked:
    """What the sources said to this keeper, told to all instances."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def note(
        self,
        market: ContractMarket,
        round_id: int,
        date: dt.date,
        fetched: Sequence[Fetched],
        evidence: bytes | None = None,
    ) -> None:
        """Takes the answers of an asking, and the digest of what was kept of them, if it was.

        Without one, that of an earlier asking with the same draw counts on. A store that is down
        is passed over: the next asking is told again.
        """
        told = show.draw_json(market.game, date, [f.answer for f in fetched])
        for source, f in zip(told["sources"], fetched, strict=True):
            source["at"] = f.at
        told["askedAt"] = max(f.at for f in fetched)
        told["evidenceHash"] = None if evidence is None else f"0x{evidence.hex()}"
        key = _key(market, round_id)
        try:
            before = _decoded(await self._store.get(key)) or {}
            if all(told.get(k) == before.get(k) for k in ("verdict", "whites", "special")):
                told["evidenceHash"] = told["evidenceHash"] or before.get("evidenceHash")
            await self._store.put(key, orjson.dumps(told), _KEPT)
        except StoreDown as exc:
            log.warning("what the sources say is not shared", why=str(exc))


class Oracles:
    """How the rounds of all markets come to their results.

    Args:
        tell: is given all of it, each time it was looked at.
    """

    def __init__(
        self,
        markets: Sequence[ContractMarket],
        follower: Follower,
        store: Store,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._markets, self._follower, self._store, self._tell = markets, follower, store, tell
        self._by_address: dict[str, ContractMarket] = {market.address: market for market in markets}
        self._rounds: dict[tuple[str, int], Told] = {}
        self._oracles: dict[tuple[str, str], ContractOracle] = {}
        self._alone: dict[tuple[str, str], float] = {}  # no committees, and until when that counts
        self._broken: set[tuple[str, int]] = set()  # rounds that cannot be told of

    def of(self, market: str, round_id: int) -> Told | None:
        """What is known of a round; None before its draw, and days after it."""
        return self._rounds.get((market, round_id))

    async def read(self, address: str, round_id: int) -> Told | None:
        """The same of a round whose draw may be long ago, as it is now.

        None before the draw, and when what its oracle says makes no sense. Raises ChainError.
        """
        market, head = self._by_address[address], self._follower.head
        r = self._follower.views[address].rounds.get(round_id)
        if head is None or r is None or head.timestamp < r.draw_time:
            return None
        return await self._sound(market, r, self._told(market, r, head, None))

    async def reports(
        self, address: str, oracle: str, round_id: int, first: int, last: int, who: str | None
    ) -> Sequence[Report]:
        """The votes on a round that its oracle tells of in these blocks, of all or of one reporter.

        In log order. Raises ChainError, WrongContract when they are too many.
        """
        asked = self._oracle(self._by_address[address], oracle)
        return await asked.reports(round_id, first, last, who)

    async def block(self, number: int) -> Head:
        """A block of the chain. Raises ChainError."""
        return await self._markets[0].rpc.block(number)

    async def run(self, seconds: float) -> None:
        """For ever looks again after so many seconds."""
        while True:
            head = self._follower.head
            if head:
                found: dict[tuple[str, int], Told] = {}
                for market in self._markets:
                    rounds = self._follower.views[market.address].rounds.values()
                    late = [r for r in rounds if 0 <= head.timestamp - r.draw_time <= _LATELY]
                    for r in sorted(late, key=lambda r: r.draw_time)[-_MOST:]:
                        before = self._rounds.get((market.address, r.id), _UNKNOWN)
                        head = self._follower.head or head  # it is that of the views
                        telling = self._told(market, r, head, before)
                        if told := await self._sound(market, r, telling):
                            found[market.address, r.id] = told
                self._rounds = found
                self._tell({"rounds": list(found.values())})
            await asyncio.sleep(seconds)

    async def _sound(
        self, market: ContractMarket, r: RoundView, telling: Awaitable[Told]
    ) -> Told | None:
        """What is told of a round, or was, if what its oracle says cannot be understood."""
        key = market.address, r.id
        try:
            told = await telling
            orjson.dumps(told)
        except ChainError:
            raise
        except Exception:  # an oracle is any contract that a round's creator named
            if key not in self._broken:
                log.exception("cannot tell of a round's oracle", oracle=r.oracle, round=r.id)
            self._broken.add(key)
            return self._rounds.get(key)
        self._broken.discard(key)
        return told

    async def _told(
        self, market: ContractMarket, r: RoundView, head: Head, before: Told | None
    ) -> Told:
        """What is known of a round at a block; what cannot be learnt now stays as it was.

        Raises ChainError where nothing was.
        """
        # All at this block, though the view goes on while others are asked.
        status, result, over = r.status_at(head.timestamp).name, r.winning_number, r.book.finished
        asked, voting, down = (before or _UNKNOWN)["asked"], (before or _UNKNOWN)["voting"], False
        try:
            asked = _decoded(await self._store.get(_key(market, r.id))) or asked
        except StoreDown:
            down = True
        number = voting and voting["proposal"] and voting["proposal"]["winningNumber"]
        if not (over and voting and result in (None, number)):
            try:
                voting = await self._voting(market, r, head.number)
            except ChainError:  # who follows the chain says why
                if before is None:
                    raise
        fits: Told = asked if asked and result in (None, asked.get("winningNumber")) else {}
        age = time.time() - asked["askedAt"] if asked else head.timestamp - r.draw_time
        return {
            "market": market.address,
            "game": market.game.name,
            "roundId": r.id,
            "drawTime": r.draw_time,
            "status": status,
            "winningNumber": result,
            "oracle": r.oracle,
            "voting": voting,
            "asked": asked,
            "evidenceHash": fits.get("evidenceHash"),
            "stale": down or (age > _SILENT and not over),
        }

    async def _voting(self, market: ContractMarket, r: RoundView, at: int) -> Told | None:
        """What a committee has come to; None when one account decides. Raises ChainError.

        All of it is as it was after the block `at`: a node that is behind does not have that.
        """
        by = market.address, r.oracle
        if self._alone.get(by, 0.0) > time.monotonic():
            return None
        oracle = self._oracle(market, r.oracle)
        try:
            s = await oracle.standing(r.id, None, at)
            voters = s.committee.reporters
            votes = await asyncio.gather(*(oracle.vote_of(r.id, v, at) for v in voters))
        except (WrongContract, Reverted):
            self._alone[by] = time.monotonic() + _NOBODY
            return None
        proposal = {"winningNumber": s.number, "finalizableAt": s.finalizable_at}
        return {
            "quorum": s.committee.quorum,
            "disputeWindow": s.committee.dispute_window,
            "guardian": s.committee.guardian,
            "ballot": s.ballot,
            "votes": [
                {"reporter": voter, "draw": vote and vote.plain()}
                for voter, vote in zip(voters, votes, strict=True)
            ],
            "proposal": proposal if s.finalizable_at else None,
        }

    def _oracle(self, market: ContractMarket, address: str) -> ContractOracle:
        by = market.address, address
        if by not in self._oracles:
            self._oracles[by] = ContractOracle(market, address)
        return self._oracles[by]


def _key(market: ContractMarket, round_id: int) -> str:
    return f"lottochain:{market.rpc.chain_id}:asked:{market.address}:{round_id}"


def _decoded(kept: bytes | None) -> Told | None:
    """What the store has; None when that is not what a keeper wrote."""
    try:
        told = orjson.loads(kept if kept and len(kept) <= _LONGEST else b"null")
    except ValueError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("askedAt"), int) else None
