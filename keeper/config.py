"""Settings: environment variables, LOTTOCHAIN_..., checked at once.

A message names the variable and what it wants; it never shows a value, for that may be a secret.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    IPvAnyNetwork,
    RedisDsn,
    Secret,
)
from pydantic import ValidationError as Invalid
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from keeper.domain.draw import GAMES, game_named
from keeper.errors import ConfigError
from keeper.sources import HOMES

PREFIX = "LOTTOCHAIN_"

T = TypeVar("T")
_ByCommas = Annotated[
    tuple[T, ...], NoDecode, BeforeValidator(lambda text: [t.strip() for t in text.split(",")])
]
_Game = Annotated[str, AfterValidator(lambda name: game_named(name).name)]

# Exactly as browsers send it: nothing after the host and its port.
_Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]

_Host = Annotated[str, Field(pattern=r"^([a-z0-9.-]+|\[[0-9a-f:]+\])$")]


class Settings(BaseSettings):
    """Everything that can be set; each field's description says what it wants."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        validate_default=False,
        frozen=True,
        hide_input_in_errors=True,
    )

    rpc_url: _ByCommas[Secret[HttpUrl]] = Field(
        (), max_length=8, description="http(s) URLs of nodes, by commas, the preferred first"
    )
    chain_id: int = Field(0, ge=0, description="the id of the chain that the nodes serve")
    rpc_timeout: float = Field(10, gt=0, le=300, description="seconds for one answer of a node")
    log_blocks: int = Field(1000, ge=1, description="blocks whose events are asked for at once")
    head_age: int = Field(60, ge=1, description="seconds after which the newest block is too old")
    confirmations: Literal["finalized"] | Annotated[int, Field(ge=0)] = Field(
        "finalized", description="blocks upon a result before it is paid out, or 'finalized'"
    )
    deployments: Path | None = Field(None, description="the folder of the deployment records")
    games: _ByCommas[_Game] = Field(tuple(GAMES), description=f"{' or '.join(GAMES)}, by commas")

    key_file: Path | None = Field(None, description="a file that holds the private key")
    keystore: Path | None = Field(None, description="an Ethereum keystore file")
    keystore_password_file: Path | None = Field(None, description="a file with its password")

    data_dir: Path = Field(Path("data"), description="a folder for evidence and the journal")
    poll_seconds: float = Field(2, gt=0, le=3600, description="seconds between looks at the chain")
    rounds_ahead: int = Field(3, ge=0, le=24, description="draws for which rounds are kept open")
    report_delay_seconds: int = Field(300, ge=0, description="seconds from a draw to its report")
    retry_seconds: float = Field(60, gt=0, le=900, description="seconds to a second try; doubled")
    settle_batch: int = Field(50, ge=1, le=200, description="bettors in one settling")
    settle_least_wei: int = Field(1, ge=1, description="wei below which bettors claim themselves")
    settle_gas: int | None = Field(None, ge=0, description="gas for settling a round; else any")
    max_fee_gwei: float = Field(500, gt=0, le=1e6, description="gwei a gas at most, with the tip")
    tip_gwei: float | None = Field(None, ge=0, le=1e6, description="gwei a gas; else the node's")

    replace_seconds: float = Field(30, gt=0, le=3600, description="seconds to a dearer replacement")
    low_balance_wei: int = Field(10**18, ge=0, description="wei below which an alarm is raised")
    redis_url: Secret[RedisDsn] | None = Field(None, description="a Redis that instances share")
    lease_seconds: float = Field(20, gt=0, le=600, description="seconds for which one may send")

    http_host: str = Field("127.0.0.1", min_length=1, description="the address to serve on")
    http_port: int = Field(8080, ge=0, le=65535, description="the port to serve on; 0: any free")
    origins: _ByCommas[_Origin] = Field(
        (), description="origins of pages that may connect, by commas: https://example.org, ..."
    )

    hosts: _ByCommas[_Host] = Field(
        (), description="names under which it may be asked, by commas; none: any name"
    )
    proxies: _ByCommas[IPvAnyNetwork] = Field(
        (), description="networks of proxies that are believed for whom they ask, by commas"
    )
    history: Path | None = Field(
        None, description="a file for the index of what happened; else in the folder for data"
    )
    connections: int = Field(20_000, ge=1, description="websockets at a time, each up to 20 KiB")
    rest_per_second: int = Field(20, ge=1, description="requests a second of one address")
    connects_per_minute: int = Field(300, ge=1, description="websockets a minute of one address")
    messages_per_second: int = Field(5, ge=1, description="messages a second of one websocket")

    sources: dict[str, HttpUrl] = Field({}, description="another base URL of this publisher")
    source_timeout: float = Field(15, gt=0, le=120, description="seconds for a publisher's answer")
    log_format: Literal["console", "json"] = Field("console", description="console or json")

    @property
    def history_file(self) -> Path:
        """Where the index of what happened is."""
        return self.history or self.data_dir / "history.sqlite"


def variable(*names: str) -> str:
    """The environment variable of a setting, or of what lies in one."""
    return PREFIX + "__".join(names).upper()


def _variables() -> Iterator[tuple[str, str]]:
    for name, field in Settings.model_fields.items():
        for of in [(name, home) for home in HOMES] if name == "sources" else [(name,)]:
            yield variable(*of), field.description or ""


VARIABLES = dict(_variables())
"""Every variable that may be set, and what it wants."""


def load() -> Settings:
    """The settings. Raises ConfigError, one line a setting that is wrong."""
    ours = {name for name in os.environ if name.upper().startswith(PREFIX)}
    if unknown := sorted(ours - VARIABLES.keys()):
        raise ConfigError("\n".join(f"{name}: there is no such setting" for name in unknown))
    try:
        settings = Settings()
    except Invalid as exc:
        lines = map(_line, exc.errors(include_input=False))
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None
    if settings.key_file and settings.keystore:
        raise ConfigError(f"{variable('key_file')}, {variable('keystore')}: one of the two")
    if settings.keystore:
        need(settings, "keystore_password_file")
    return settings


def need(settings: Settings, *names: str) -> None:
    """Raises ConfigError, one line a setting of these that is missing."""
    missing = [variable(name) for name in names if not getattr(settings, name)]
    if missing:
        raise ConfigError("\n".join(f"{v} is missing: {VARIABLES[v]}" for v in missing))


def _line(error: ErrorDetails) -> str:
    name, *below = map(str, error["loc"])
    if (whole := variable(name, *below)) in VARIABLES:
        return f"{whole} wants {VARIABLES[whole]} ({error['msg'].lower()})"
    # Of one of several items or forms, for which pydantic's words are not meant.
    return f"{variable(name)} wants {VARIABLES[variable(name)]}"
