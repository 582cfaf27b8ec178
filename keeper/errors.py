"""What can go wrong in the keeper, each with a message that fits one line.

KeeperError
├── ConfigError        a setting is missing or wrong
├── SourceError        a publisher's answer cannot be used
├── EvidenceError      evidence cannot be kept, or does not prove what it says
├── JournalError       the journal of transactions cannot be kept, or was changed
├── HistoryError       the index of what happened cannot be used
├── NotInCharge        another keeper holds the lease of the key, or nobody can tell
├── StoreDown          what instances share cannot be reached
└── ChainError
    ├── RpcDown        no endpoint of the chain answers, or none with sense
    ├── RpcRefused     an endpoint answers with an error of its own
    ├── TooLong        an answer is longer than who asked is ready for
    ├── WrongContract  what stands at a market's address is not that market
    ├── Reverted       the contract refuses a call
    ├── TooExpensive   gas costs more than the settings allow
    ├── Unfunded       the account cannot pay for its transaction
    └── NotMined       a transaction was sent and is not mined yet
"""

from collections.abc import Mapping
from typing import Any

from keeper.domain.consensus import Failure


class KeeperError(Exception):
    """Any failure that the keeper foresees."""


class ConfigError(KeeperError):
    """A setting is missing or wrong; the message names it and what it wants."""


class SourceError(KeeperError):
    """A publisher's answer cannot be used.

    Attributes:
        kind: what is wrong with it.
        why: the detail, without the source's name.
    """

    def __init__(self, kind: Failure, why: str) -> None:
        super().__init__(f"{kind}: {why}")
        self.kind, self.why = kind, why


class EvidenceError(KeeperError):
    """Evidence cannot be kept on disk, or a file of it does not prove what it says."""


class JournalError(KeeperError):
    """The journal of transactions cannot be written, or is not what was written."""


class HistoryError(KeeperError):
    """The file with the history cannot be used; all that it holds can be read from the chain."""


class NotInCharge(KeeperError):
    """Another keeper holds the lease of this chain and key, or Redis cannot say who does."""


class StoreDown(KeeperError):
    """What the instances share cannot be reached, or makes no sense."""


class ChainError(KeeperError):
    """The chain could not be read, or refuses what was asked of it."""


class RpcDown(ChainError):
    """No RPC endpoint of the chain answers, or what it answers makes no sense."""


class RpcRefused(ChainError):
    """An RPC endpoint answers with an error of its own: a limit, a transaction it does not take."""


class TooLong(ChainError):
    """An answer is longer than who asked is ready for; the endpoint is not to blame."""


class WrongContract(ChainError):
    """What stands at a market's address is not the market of that game."""


class Reverted(ChainError):
    """The contract refuses a call.

    Attributes:
        name: of its custom error, or "" when it gave none that is known.
        args_: the error's values by name.
    """

    def __init__(self, name: str, args: Mapping[str, Any]) -> None:
        values = ", ".join(f"{key}={value!s:.200}" for key, value in args.items())
        super().__init__(f"the contract refuses: {name or 'no reason given'}({values})")
        self.name, self.args_ = name, dict(args)


class Unfunded(ChainError):
    """The account cannot pay for its transaction."""


class TooExpensive(ChainError):
    """Gas costs more now than the settings allow."""


class NotMined(ChainError):
    """A transaction of this account was sent and is not mined yet: nothing is sent after it."""
