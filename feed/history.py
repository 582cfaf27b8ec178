"""The events that can change no more, in a SQLite file: who has bet where, and the biggest win.

It is an index and nothing more: whoever reads the chain writes the same, and a range of blocks that
is read again takes the place of what was there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import (
    JSON,
    URL,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from feed.views import event_data
from keeper.errors import ConfigError, HistoryError
from keeper.ports import ChainEvent

log = logging.getLogger(__name__)

T = TypeVar("T")
_LAYOUT = 1  # of the table, told by the file
_LOGS = 2**24  # more than a block has

_schema = MetaData()
_events = Table(
    "events",
    _schema,
    Column("position", Integer, primary_key=True, autoincrement=False),  # the order of the chain
    Column("block", Integer, nullable=False),
    Column("hash", String, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("tx", String, nullable=False),
    Column("time", Integer, nullable=False),
    Column("market", String, nullable=False),
    Column("round", Integer),
    Column("user", String),
    Column("name", String, nullable=False),
    Column("args", JSON, nullable=False),  # money as decimal strings
    Index("by_user", "user", "name"),
    Index("by_round", "market", "round"),
    Index("by_name", "name", "market"),
)
_e = _events.c
_amount = _e.args["amount"].as_string()
_BETS = _e.name == "BetPlaced"


class Place(NamedTuple):
    """A round in which somebody has bet, and where in the chain's log that began."""

    position: int
    market: str
    round_id: int


class Win(NamedTuple):
    """Winnings that were paid, wei."""

    amount: int
    market: str
    round_id: int
    user: str
    tx_hash: str


def position(event: ChainEvent) -> int:
    """An event's place in the chain's log as one number."""
    return event.block_number * _LOGS + event.log_index


class History:
    """The file, and what is not settled yet from memory. Close it at the end.

    One thread writes and reads it, in the order in which that is asked for, so an answer holds
    exactly what was settled when it was asked for. What cannot be written is kept and tried again.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when its folder cannot be, HistoryError when the file cannot."""
        self._path = path
        self._recent: Sequence[ChainEvent] = ()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            why = f"LOTTOCHAIN_HISTORY: cannot open {path.parent}: {exc.strerror}"
            raise ConfigError(why) from exc
        self._engine = create_engine(URL.create("sqlite", database=str(path)))
        # Of the thread alone: what the file does not hold yet, and up to where it holds all.
        self._owed: list[ChainEvent] = []
        self._upto = -1
        self._trouble = ""
        self._thread = ThreadPoolExecutor(1, "history")
        try:
            self._thread.submit(self._open).result()
        except HistoryError:
            self.close()
            raise

    @classmethod
    @contextmanager
    def anew(cls, path: Path) -> Iterator[Self]:
        """One that takes the place of what stands at `path` when all was written.

        Nobody may use that meanwhile. Raises ConfigError, HistoryError.
        """
        fresh = path.with_name(f"{path.name}.new")
        _remove(fresh)
        history = cls(fresh)
        try:
            yield history
            history._thread.submit(history._write).result()
        finally:
            history.close()
        _remove(path)
        fresh.replace(path)

    # ---- for whoever follows the chain

    def begin(self) -> None:
        """All is read anew, from the chain's first event."""
        self._recent = ()
        self._thread.submit(self._forget)

    def take(self, settled: Sequence[ChainEvent], unsettled: Sequence[ChainEvent]) -> None:
        """Events that can be void no more, in log order, and all that were read after them."""
        self._recent = tuple(unsettled)
        if settled:
            self._thread.submit(self._add, settled)

    def close(self) -> None:
        """Writes what there is to be written."""
        self._thread.submit(self._engine.dispose)
        self._thread.shutdown()

    # ---- for who asks; raises HistoryError when the file cannot be used

    async def rounds_of(self, user: str) -> list[Place]:
        """The rounds in which a user has bet, the last begun first."""
        recent = [e for e in self._recent if e.name == "BetPlaced" and e.args["user"] == user]
        query = select(func.min(_e.position), _e.market, _e.round).where(_BETS, _e.user == user)
        rows = await self._ask(query.group_by(_e.market, _e.round))
        places = {(market, number): at for at, market, number in rows}
        for e in recent:
            places.setdefault((e.market, e.args["roundId"]), position(e))
        return sorted((Place(at, *where) for where, at in places.items()), reverse=True)

    async def bettors(self) -> set[tuple[str, str]]:
        """(market, user) of everybody who has ever bet."""
        recent = {(e.market, e.args["user"]) for e in self._recent if e.name == "BetPlaced"}
        rows = await self._ask(select(_e.market, _e.user).where(_BETS).distinct())
        return recent | {(market, user) for market, user in rows}

    async def biggest_win(self, market: str) -> Win | None:
        """The most that was ever paid for a round's winning bets to one user, the first such."""
        recent = [e for e in self._recent if e.market == market and e.name == "WinningsClaimed"]
        won = _e.name == "WinningsClaimed"
        query = select(_amount, _e.market, _e.round, _e.user, _e.tx).where(won, _e.market == market)
        longest = query.order_by(func.length(_amount).desc(), _amount.desc(), _e.position)
        wins = [Win(int(row[0]), *row[1:]) for row in await self._ask(longest.limit(1))]
        for e in recent:
            args = e.args
            wins.append(Win(args["amount"], market, args["roundId"], args["user"], e.tx_hash))
        return max(wins, key=lambda win: win.amount, default=None)

    async def _ask(self, query: Select[Any]) -> Sequence[Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._told, partial(self._read, query))

    # ---- in the thread

    def _open(self) -> None:
        with self._using() as db:
            known = db.exec_driver_sql("PRAGMA user_version").scalar_one()
            sound = db.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if sound != "ok" or known not in (0, _LAYOUT):
                raise self._useless("it is damaged, or of another version")
            _schema.create_all(db)
            db.exec_driver_sql(f"PRAGMA user_version = {_LAYOUT}")

    def _forget(self) -> None:
        self._owed.clear()
        self._upto = -1

    def _add(self, events: Sequence[ChainEvent]) -> None:
        self._owed += events
        with suppress(HistoryError):  # tried again with the next, or when somebody asks
            self._told(self._write)

    def _write(self) -> None:
        if not self._owed:
            return
        last = position(self._owed[-1])
        with self._using() as db:
            db.execute(delete(_events).where(_e.position > self._upto, _e.position <= last))
            db.execute(insert(_events), [_row(event) for event in self._owed])
        self._upto = last
        self._owed.clear()

    def _read(self, query: Select[Any]) -> Sequence[Any]:
        self._write()
        with self._using() as db:
            # What lies after is of another chain, or of another time.
            return db.execute(query.where(_e.position <= self._upto)).all()

    @contextmanager
    def _using(self) -> Iterator[Connection]:
        """A transaction. Raises HistoryError."""
        try:
            with self._engine.begin() as db:
                yield db
        except SQLAlchemyError as exc:
            why = str(getattr(exc, "orig", None) or exc).splitlines()[0]
            raise self._useless(why) from exc

    def _told(self, do: Callable[[], T]) -> T:
        """Logs a trouble, the same one once. Raises HistoryError."""
        try:
            done = do()
        except HistoryError as exc:
            if str(exc) != self._trouble:
                log.error("%s", exc)  # noqa: TRY400 - one line says it all
            self._trouble = str(exc)
            raise
        self._trouble = ""
        return done

    def _useless(self, why: str) -> HistoryError:
        told = f"the history in {self._path} cannot be used: {why}; `reindex` makes it anew"
        return HistoryError(told)


def _row(event: ChainEvent) -> dict[str, Any]:
    return {
        "position": position(event),
        "block": event.block_number,
        "hash": event.block_hash,
        "log_index": event.log_index,
        "tx": event.tx_hash,
        "time": event.timestamp,
        "market": event.market,
        "round": event.args.get("roundId"),
        "user": event.args.get("user"),
        "name": event.name,
        "args": event_data(event),
    }


def _remove(path: Path) -> None:
    """A file of SQLite, with what it leaves beside it when it is killed."""
    for end in ("-journal", ""):
        path.with_name(path.name + end).unlink(missing_ok=True)
