"""How the events of the chain stand in a SQLite file, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson
import sqlalchemy as sa

from feed.views import event_args, event_data
from keeper.ports import LOGS, ChainEvent

LAYOUT = 2  # of the tables, told by the file

SCHEMA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    SCHEMA,
    # The order of the chain.
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("block", sa.Integer, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("log_index", sa.Integer, nullable=False),
    sa.Column("tx", sa.String, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),
    sa.Column("market", sa.String, nullable=False),
    sa.Column("round", sa.Integer),
    sa.Column("user", sa.String),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("args", sa.JSON, nullable=False),  # money as decimal strings
    sa.Index("by_user", "user", "name"),
)
EXTENT = sa.Table(
    "extent",
    SCHEMA,
    # One row: the block up to which all events of the subject are there, and their digest.
    sa.Column("block", sa.Integer, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
)


def position(event: ChainEvent) -> int:
    """An event's place in the chain's log as one number."""
    return event.block_number * LOGS + event.log_index


def last_of(block: int) -> int:
    """The last place that a block may have."""
    return (block + 1) * LOGS - 1


def row_of(event: ChainEvent) -> dict[str, Any]:
    """An event as a row."""
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


def event_of(row: Any) -> ChainEvent:
    """The event that became a row. Raises any error where none can have been."""
    place = row.block, row.hash, row.tx, row.log_index, row.time
    return ChainEvent(row.market, row.name, event_args(row.args), *place)


def add_up(digest: blake2b, rows: Sequence[Any]) -> None:
    """Adds rows to the digest of those before them."""
    for row in rows:
        digest.update(orjson.dumps(tuple(row)))
