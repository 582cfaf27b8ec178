"""The events that can change no more, in a SQLite file: for who has bet where, and for a start.

It is an index and nothing more: whoever reads the chain writes the same, and what is read of some
blocks takes the place of what was there. A keeper that starts takes from it what it holds, and
reads on from there.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from feed.rows import EVENTS, EXTENT, LAYOUT, SCHEMA, add_up, event_of, last_of, position, row_of
from keeper.errors import ConfigError, HistoryError
from keeper.ports import ChainEvent, Head

log = logging.getLogger(__name__)

_PAGE = 4096  # events given back at once
_STEP = 1000  # blocks without events after which it is written that they were read
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_NO_PLACE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_FULL}
)

_e = EVENTS.c
_BETS = _e.name == "BetPlaced"


class _Damaged(HistoryError):
    """The file is none of ours, or not any more."""


class Place(NamedTuple):
    """A round in which somebody has bet, and where in the chain's log that began."""

    position: int
    market: str
    round_id: int


class History:
    """The file, and what is not settled yet from memory. Close it at the end.

    One thread writes and reads it, in the order in which that is asked for, so an answer holds
    exactly what was settled when it was asked for. What cannot be written is kept and tried again.
    A file that is damaged, of a version to come, or something else is put aside, and a new one
    begun; one of an earlier version is begun anew.
    """

    def __init__(self, path: Path, subject: str = "") -> None:
        """The subject is what the events are of: those of another are not given back.

        Raises ConfigError when its place cannot be used, HistoryError when the file cannot.
        """
        self._path, self._subject = path, subject
        self._recent: Sequence[ChainEvent] = ()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise _misplaced(path.parent, exc.strerror) from exc
        self._engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
        # Of the thread alone: what the file does not hold yet, and up to where it holds all.
        self._owed: list[ChainEvent] = []
        self._settled: Head | None = None  # what is owed with it, it holds all up to there
        self._written: Head | None = None
        self._digest = blake2b()  # of the events up to there
        self._trouble: str | None = None  # the last; none before it is open
        self._thread = ThreadPoolExecutor(1, "history")
        try:
            self._thread.submit(self._open_any).result()
        except (ConfigError, HistoryError):
            self.close()
            raise

    @classmethod
    @contextmanager
    def anew(cls, path: Path, subject: str) -> Iterator[Self]:
        """One that takes the place of the history at `path` when all was written.

        Nobody may use that meanwhile. What stands there and is none is put aside before, as by a
        start. Raises ConfigError, HistoryError.
        """
        cls(path, subject).close()
        fresh = path.with_name(f"{path.name}.new")
        _remove(fresh)
        history = cls(fresh, subject)
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

    async def restore(self, take: Callable[[Sequence[ChainEvent]], None]) -> Head | None:
        """Hands out what the file holds, in log order, a page at a time; up to which block.

        None when it holds nothing. Raises HistoryError, maybe after some pages, when that is not
        what was written, of another subject, or not to be taken. Asked before anything is added.
        """
        threaded = partial(asyncio.get_running_loop().run_in_executor, self._thread)
        if (extent := await threaded(self._ends)) is None:
            return None
        if extent.subject != self._subject:
            raise HistoryError(f"the history in {self._path} is of other markets")
        upto = Head(extent.block, extent.hash, extent.time)
        found, last = blake2b(), -1
        try:
            while page := await threaded(self._page, last, upto, found):
                take(page)
                last = position(page[-1])
            sealed = self._sealed(found, upto)
        except HistoryError:
            raise
        except Exception as exc:  # what a file tells may be wrong in any way
            why = f"what it holds does not fit ({type(exc).__name__}: {exc!s:.80})"
            raise HistoryError(self._useless(why)) from exc
        if extent.digest != sealed:
            raise HistoryError(self._useless("it does not hold what was written"))
        await threaded(self._go_on, upto, found)
        return upto

    def take(
        self, settled: Sequence[ChainEvent], unsettled: Sequence[ChainEvent], upto: Head
    ) -> None:
        """Events that can be void no more, in log order, and all that were read after them.

        With those before, the settled are all up to the block `upto`.
        """
        self._recent = tuple(unsettled)
        self._thread.submit(self._add, settled, upto)

    def close(self) -> None:
        """Writes what there is to be written."""
        self._thread.submit(self._write)
        self._thread.submit(self._engine.dispose)
        self._thread.shutdown()

    # ---- for who asks; raises HistoryError when the file cannot be used

    async def rounds_of(self, user: str) -> list[Place]:
        """The rounds in which a user has bet, the last begun first."""
        recent = [e for e in self._recent if e.name == "BetPlaced" and e.args["user"] == user]
        query = sa.select(sa.func.min(_e.position), _e.market, _e.round).where(
            _BETS, _e.user == user
        )
        rows = await self._ask(query.group_by(_e.market, _e.round))
        places = {(market, number): at for at, market, number in rows}
        for e in recent:
            places.setdefault((e.market, e.args["roundId"]), position(e))
        return sorted((Place(at, *where) for where, at in places.items()), reverse=True)

    async def _ask(self, query: sa.Select[Any]) -> Sequence[Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, query)

    # ---- in the thread

    def _open_any(self) -> None:
        """Opens the file, or a new one in the place of one that is of no use."""
        try:
            self._open()
        except _Damaged as exc:
            self._engine.dispose()
            aside = self._path.with_name(f"{self._path.name}.damaged")
            try:
                _move(self._path, aside)
            except OSError as failed:
                raise _misplaced(self._path.parent, failed.strerror) from failed
            # One line says it all.
            log.error("%s; now it is %s, and the chain fills a new one", exc, aside)  # noqa: TRY400
            self._open()

    def _open(self) -> None:
        with self._using() as db:
            known = db.exec_driver_sql("PRAGMA user_version").scalar_one()
            sound = db.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            strange = set(sa.inspect(db).get_table_names()) - SCHEMA.tables.keys()
            if sound != "ok" or strange or not 0 <= known <= LAYOUT:
                raise _Damaged(self._useless("it is damaged, of a version to come, or no history"))
            if 0 < known < LAYOUT:
                log.info("the history in %s is of an earlier version: it is begun anew", self._path)
                SCHEMA.drop_all(db)
            if known < LAYOUT:
                SCHEMA.create_all(db)
                db.exec_driver_sql(f"PRAGMA user_version = {LAYOUT}")
            for table in SCHEMA.tables.values():  # other ones than these are damage as well
                db.execute(sa.select(table).limit(1))
        self._trouble = ""

    def _forget(self) -> None:
        self._owed.clear()
        self._settled, self._written, self._digest = None, None, blake2b()

    def _ends(self) -> sa.Row[Any] | None:
        with self._using() as db:
            return db.execute(sa.select(EXTENT)).first()

    def _page(self, after: int, upto: Head, digest: blake2b) -> list[ChainEvent]:
        """The next events up to a block; they are added to the digest."""
        here = _e.position > after, _e.position <= last_of(upto.number)
        with self._using() as db:
            query = sa.select(EVENTS).where(*here).order_by(_e.position).limit(_PAGE)
            rows = db.execute(query).all()
        add_up(digest, rows)
        return [event_of(row) for row in rows]

    def _go_on(self, head: Head, digest: blake2b) -> None:
        self._settled = self._written = head
        self._digest = digest

    def _add(self, events: Sequence[ChainEvent], upto: Head) -> None:
        self._owed += events
        self._settled = upto
        if self._owed or not self._written or upto.number >= self._written.number + _STEP:
            with suppress(HistoryError):  # tried again with the next, or when somebody asks
                self._write()

    def _write(self) -> None:
        """What is owed, and up to which block that is all, in one transaction."""
        upto = self._settled
        if upto is None or upto == self._written:
            return
        rows, digest = [row_of(event) for event in self._owed], self._digest.copy()
        add_up(digest, [tuple(row.values()) for row in rows])
        known = last_of(self._written.number) if self._written else -1
        with self._using() as db:
            there = _e.position > known, _e.position <= last_of(upto.number)
            db.execute(sa.delete(EVENTS).where(*there))
            if rows:
                db.execute(sa.insert(EVENTS), rows)
            db.execute(sa.delete(EXTENT))
            extent = upto.number, upto.hash, upto.timestamp, self._subject
            db.execute(sa.insert(EXTENT).values((*extent, self._sealed(digest, upto))))
        self._written, self._digest = upto, digest
        self._owed.clear()

    def _sealed(self, digest: blake2b, upto: Head) -> str:
        """What the events add up to with all that is told of them."""
        sealed = digest.copy()
        sealed.update(orjson.dumps([upto.number, upto.hash, upto.timestamp, self._subject]))
        return sealed.hexdigest()

    def _read(self, query: sa.Select[Any]) -> Sequence[Any]:
        if self._owed:
            self._write()
        known = last_of(self._written.number) if self._written else -1
        with self._using() as db:
            # What lies after is of another chain, or of another time.
            return db.execute(query.where(_e.position <= known)).all()

    @contextmanager
    def _using(self) -> Iterator[sa.Connection]:
        """A transaction. Raises HistoryError, and logs it when it is another one than before."""
        try:
            with self._engine.begin() as db:
                yield db
            if self._trouble:
                log.info("the history in %s can be used again", self._path)
                self._trouble = ""
        except SQLAlchemyError as exc:
            orig = getattr(exc, "orig", None)
            why = str(orig or exc).splitlines()[0]
            kind = getattr(orig, "sqlite_errorcode", 0) & 0xFF
            if self._trouble is None and kind in _NO_PLACE:
                raise _misplaced(self._path, why) from exc
            useless = (_Damaged if kind in _DAMAGED else HistoryError)(self._useless(why))
            if self._trouble not in (None, why):
                log.error("%s", useless)  # noqa: TRY400 - one line says it all
                self._trouble = why
            raise useless from exc

    def _useless(self, why: str) -> str:
        return f"the history in {self._path} cannot be used: {why}; `reindex` makes it anew"


def _misplaced(path: Path, why: str | None) -> ConfigError:
    return ConfigError(f"LOTTOCHAIN_HISTORY, LOTTOCHAIN_DATA_DIR: cannot open {path}: {why}")


def _with_journal(path: Path) -> Iterator[Path]:
    """A file of SQLite, after what it leaves beside it when it is killed."""
    yield path.with_name(f"{path.name}-journal")
    yield path


def _remove(path: Path) -> None:
    for file in _with_journal(path):
        file.unlink(missing_ok=True)


def _move(path: Path, to: Path) -> None:
    _remove(to)
    for file, place in zip(_with_journal(path), _with_journal(to), strict=True):
        with suppress(FileNotFoundError):
            file.replace(place)
