"""Deployment records: which market of which game is deployed on a chain, and where.

One file a chain, `<chain id>.json`, written by `ape run deploy`, read by the scripts and the
keeper. Records of real chains are package data; those of local chains stay out of it, under
`.build/deployments` of the checkout.
"""

from pathlib import Path

from pydantic import AliasPath, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from keeper.domain.draw import Game
from keeper.errors import ConfigError

LOCAL_CHAINS = frozenset({1337, 31337})

_PACKAGE = Path(__file__).resolve().parent.parent
_COMMITTED = _PACKAGE / "deployments"
_LOCAL = _PACKAGE.parent / ".build" / "deployments"


class RecordError(ConfigError):
    """A deployment record is missing, malformed or cannot be written; the message names it."""


class Deployment(BaseModel):
    """One deployed market: what is read of its entry, which holds more for people.

    Attributes:
        game: the game that it serves, as its constructor was told.
        address: 20 bytes in hexadecimal.
        block_number: of the block that holds the deployment; no event is older.
    """

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True)

    game: Game = Field(validation_alias=AliasPath("arguments", "game"))
    address: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    block_number: int = Field(ge=0)


class _Record(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    chain_id: int
    markets: dict[str, Deployment]


def record_path(chain_id: int, folder: Path | None = None) -> Path:
    """Where the record of a chain lies; `folder` takes the place of the usual ones."""
    usual = _LOCAL if chain_id in LOCAL_CHAINS else _COMMITTED
    return (folder or usual) / f"{chain_id}.json"


def load(chain_id: int, folder: Path | None = None) -> dict[str, Deployment]:
    """The markets deployed on a chain, by game. Raises RecordError, also when there is none."""
    path = record_path(chain_id, folder)
    try:
        record = _Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        why = f"no record {path}; `ape run deploy` writes it, LOTTOCHAIN_DEPLOYMENTS is its folder"
        raise RecordError(f"nothing is deployed on chain {chain_id}: {why}") from None
    except OSError as exc:
        raise RecordError(f"cannot read deployment record {path}: {exc.strerror}") from exc
    except ValidationError as exc:
        wrong = exc.errors()[0]
        why = ": ".join(filter(None, (".".join(map(str, wrong["loc"])), wrong["msg"])))
        raise RecordError(f"deployment record {path} is malformed: {why}") from exc
    if record.chain_id != chain_id:
        raise RecordError(f"deployment record {path} is of chain {record.chain_id}")
    for name, market in record.markets.items():
        if market.game.name != name:
            raise RecordError(f"{path}: the market of {name} was deployed for {market.game.name}")
    return record.markets
