"""What the layers of the keeper know of each other: plain records and protocols.

Hashes and addresses are 0x-prefixed strings, addresses with their checksum; money is integer
wei, time unix seconds UTC.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from keeper.domain.consensus import Answer
from keeper.domain.draw import Draw, Game
from keeper.domain.lines import RoundStatus as RoundStatus  # the contract's enum, by its port name

# ---- chain


@dataclass(frozen=True, slots=True)
class Head:
    """A block, usually the newest; its hash stands for what came before, too.

    Attributes:
        parent: hash of the block before it, where it is known.
    """

    number: int
    hash: str
    timestamp: int
    parent: str = field(default="", compare=False)


# More blocks, and more logs in one, than there can be: a log's place in the chain is one number of
# 63 bits, block * LOGS + index.
BLOCKS, LOGS = 2**39, 2**24


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One log of a market, decoded.

    Attributes:
        market: address of the contract that emitted it.
        name: of the event, as in the ABI.
        args: its values, camelCase names as in the ABI.
        timestamp: of its block.
    """

    market: str
    name: str
    args: dict[str, Any]
    block_number: int
    block_hash: str
    tx_hash: str
    log_index: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class RoundInfo:
    """The contract's RoundInfo; `status` as time has it: past lockTime an open round is LOCKED."""

    draw_time: int
    lock_time: int
    status: RoundStatus
    winning_number: int
    fee_bps: int
    finalized_at: int
    total_staked: int
    total_matched: int
    oracle: str


@dataclass(frozen=True, slots=True)
class Committee:
    """Who decides results together: what a ResultOracle was deployed with.

    Attributes:
        reporters: accounts that report, each its own vote.
        quorum: how many equal votes make a proposal.
        dispute_window: seconds for which the guardian may veto it.
    """

    reporters: tuple[str, ...]
    quorum: int
    dispute_window: int
    guardian: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a committee has come with a round.

    Attributes:
        ballot: counted from 1, by one more with every veto.
        vote: in it of the key's account; None when it has none, or is no reporter.
        number: the proposed winning number, if a proposal stands.
        finalizable_at: from when on anyone may finalize the proposal; 0 when none stands.
    """

    committee: Committee
    ballot: int
    vote: Draw | None
    number: int
    finalizable_at: int


@dataclass(frozen=True, slots=True)
class Report:
    """A vote as it was cast.

    Attributes:
        ballot: in which; only the last of a reporter in the standing one counts.
        evidence: hash of what the reporter read, 0x-prefixed; its own, never compared.
    """

    block: int
    reporter: str
    ballot: int
    draw: Draw
    evidence: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that was mined and succeeded."""

    tx_hash: str
    block_number: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class DryRun:
    """A transaction that a simulation accepts and that was not sent."""

    function: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A signed transaction, as the journal has it before it is sent.

    Attributes:
        function: of the contract at `to`, as people know it.
        gas, max_fee, tip: gas units; wei a gas at most, and of it for the validator.
        hash, raw: of the signed transaction, and all its bytes.
    """

    nonce: int
    function: str
    to: str
    data: str
    gas: int
    max_fee: int
    tip: int
    hash: str
    raw: str


class Journal(Protocol):
    """Where transactions are written down before they are sent. Raises JournalError."""

    @property
    def live(self) -> Sequence[Intent]:
        """The transactions of the one nonce whose end is not known yet, oldest first."""
        ...

    async def intend(self, intent: Intent) -> None:
        """Once this returns the transaction may be sent."""
        ...

    async def end(self, event: str, **what: Any) -> None:
        """What became of the live nonce: "mined", "lost" or "refused"."""
        ...


class Lease(Protocol):
    """Which of several keepers with one key may send."""

    @property
    def held(self) -> bool: ...


class Store(Protocol):
    """What instances share, each value for a while. Raises StoreDown."""

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keeps a value, in the place of the one before."""
        ...

    async def get(self, key: str) -> bytes | None:
        """None when there is none, or none any more."""
        ...


# ---- publishers and evidence


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one source said, raw, and what that means.

    Attributes:
        url: the last address asked.
        status: HTTP status; None when no answer began.
        at: when it was asked.
        body: the bytes that arrived, bounded, also those of an answer that failed.
    """

    source: str
    url: str
    status: int | None
    at: int
    body: bytes
    answer: Answer


class Source(Protocol):
    """One publisher of results."""

    async def fetch(self, game: Game, date: dt.date) -> Fetched:
        """Asks for the draw of `date`. Whatever the publisher does becomes an Answer."""
        ...


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """Where evidence is kept.

    Attributes:
        digest: keccak256 of the file's bytes, 32 bytes: what a report carries.
    """

    path: Path
    digest: bytes
