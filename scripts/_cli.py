"""What the commands share: connecting, accounts, confirming, sending, one line for an error."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import ape
import click
from ape.api.accounts import AccountAPI
from ape.cli import ConnectedProviderCommand, account_option, select_account
from ape.logging import logger
from web3 import Web3
from web3.contract import Contract
from web3.types import TxReceipt

from keeper.domain.draw import GAMES
from scripts import _safe
from scripts._errors import UserError, explain
from scripts._market import Market, open_market
from scripts._safe import Call
from scripts._sending import DEFAULT_CAP, Prepared, prepare, send
from scripts._text import (
    GWEI,
    coins,
    gwei,
    pairs,
    read_amount,
    read_balls,
    read_date,
    read_duration,
    read_evidence,
    read_fee,
    read_prediction,
)

F = TypeVar("F", bound=Callable[..., Any])


class Text(click.ParamType):
    """A parameter read by a function of `_text`, whose message becomes the error."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Reads a text; passes on what was read already."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


def _read_round(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise ValueError(f"{text!r} is no round: rounds are numbered from 1")
    return int(text)


def _read_address(text: str) -> str:
    """An address, or the alias of an Ape account, for its address."""
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        address = Web3.to_checksum_address(text)
        if text not in (address, text.lower()):
            raise ValueError(f"{text} is mistyped: its capitals do not fit (EIP-55)")
        if int(text, 16) == 0:
            raise ValueError("the zero address is nobody's")
        return address
    if found := re.fullmatch(r"TEST::([0-9]{1,3})", text.upper()):
        accounts = ape.accounts.test_accounts
        if int(found[1]) < len(accounts):
            return str(accounts[int(found[1])].address)
    elif text in ape.accounts.aliases:
        return str(ape.accounts.load(text).address)
    raise ValueError(f"{text!r} is neither an address nor the alias of an Ape account")


ADDRESS = Text("address", _read_address)
AMOUNT = Text("amount", read_amount)
BALLS = Text("balls", read_balls)
DATE = Text("date", read_date)
DURATION = Text("duration", read_duration)
EVIDENCE = Text("evidence", read_evidence)
FEE = Text("fee", read_fee)
PREDICTION = Text("prediction", read_prediction)
ROUND = Text("round", _read_round)
GAME = click.Choice(list(GAMES))


class Command(ConnectedProviderCommand):
    """A command on a connected chain whose every foreseeable failure is one line."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click has it."""
        with one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """As Ape has it."""
        with one_line():
            return super().invoke(ctx)


@contextmanager
def one_line() -> Iterator[None]:
    """Turns what a user can cause into one line on stderr and a non-zero exit code."""
    try:
        yield
    except click.UsageError as exc:
        where = f" (see `{exc.ctx.command_path} --help`)" if exc.ctx else ""
        _fail(" ".join(exc.format_message().split()) + where, 2)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as exc:
        line = explain(exc)
        if line is None:
            raise
        logger.debug("", exc_info=exc)
        _fail(line, 1)


def _fail(line: str, code: int) -> NoReturn:
    failure = click.ClickException(line)
    failure.exit_code = code
    raise failure from None


def command(group: click.Group, name: str | None = None) -> Callable[[F], click.Command]:
    """Adds a Command to a group."""
    return group.command(name, cls=Command)


def on_market(function: F) -> F:
    """Adds --game and passes the market of that game as `market`."""

    @functools.wraps(function)
    def opened(*args: Any, game: str | None, **kwargs: Any) -> Any:
        market = open_market(ape.networks.provider, game)
        return function(*args, market=market, **kwargs)

    option = click.option(
        "--game", type=GAME, help="Which market; needed where several are deployed."
    )
    return option(opened)  # type: ignore[return-value]


def signs(function: F) -> F:
    """Adds --account, --yes and --max-fee and passes them on as `sender`."""

    @functools.wraps(function)
    def bound(
        *args: Any, account: AccountAPI | None, yes: bool, max_fee: int, **kwargs: Any
    ) -> Any:
        return function(*args, sender=Sender(account or _ask_account(), yes, max_fee), **kwargs)

    for option in (
        click.option("--yes", "-y", is_flag=True, help="Do not ask before sending."),
        click.option(
            "--max-fee",
            type=AMOUNT,
            default=f"{DEFAULT_CAP // GWEI} gwei",
            show_default=True,
            help="The most to pay for a unit of gas; above it nothing is sent.",
        ),
        account_option(prompt=False),
    ):
        bound = option(bound)
    return bound  # type: ignore[return-value]


def sends(function: F) -> F:
    """The same for calls of a market, which a Safe can make as well: --safe-batch and --safe."""
    signed = signs(function)

    @functools.wraps(signed)
    def bound(*, market: Market, safe_batch: Path | None, safe: str | None, **kwargs: Any) -> Any:
        if safe_batch is None:
            if safe is not None:
                raise UserError("a Safe's owners sign a file: add --safe-batch FILE")
            return signed(market=market, **kwargs)
        if kwargs.pop("account") is not None:
            raise UserError("either an account sends or a Safe: --account or --safe-batch")
        del kwargs["yes"], kwargs["max_fee"]  # nothing is sent
        return function(market=market, sender=Proposer(market, safe_batch, safe), **kwargs)

    for option in (
        click.option(
            "--safe",
            type=ADDRESS,
            metavar="ADDRESS",
            help="The Safe that --safe-batch is for. [default: the market's admin]",
        ),
        click.option(
            "--safe-batch",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Send nothing: write FILE for the Transaction Builder of a Safe.",
        ),
    ):
        bound = option(bound)
    return bound  # type: ignore[return-value]


def _ask_account() -> AccountAPI:
    if not sys.stdin.isatty():
        raise UserError("say which account: --account ALIAS (`ape accounts list`)")
    return select_account()


class Sender:
    """An account, and how to ask before it sends."""

    def __init__(self, account: AccountAPI, yes: bool, cap: int) -> None:
        self.account, self.yes, self.cap = account, yes, cap

    @property
    def address(self) -> str:
        """Of the one that acts."""
        return str(self.account.address)

    def send(
        self,
        market: Market,
        function: str,
        *args: Any,
        value: int = 0,
        shows: Sequence[tuple[str, object]] = (),
        to: Contract | None = None,
    ) -> TxReceipt:
        """Simulates, shows, asks, sends a call of a market; the receipt of its success.

        `to` is another contract that is called for the market's sake: its oracle.
        """
        call = Call(to or market.contract, function, args, value)
        return self.send_all(market, [call], shows)[0]

    def send_all(
        self, market: Market, calls: Sequence[Call], shows: Sequence[tuple[str, object]] = ()
    ) -> list[TxReceipt]:
        """The same for several calls, asked for once, of contracts that have to do with a market.

        Each must be possible without the others: it is simulated before any is sent.
        """
        prepared = [
            prepare(
                market.web3,
                self.account,
                call.contract.address,
                call.data,
                value=call.value,
                cap=self.cap,
            )
            for call in calls
        ]
        self.confirm([*_shown(market, calls, shows)], prepared, market.symbol)
        receipts = []
        for one in prepared:
            receipt = send(market.web3, self.account, one, say_sent)
            paid = receipt["gasUsed"] * receipt["effectiveGasPrice"]
            click.echo(
                f"mined in block {receipt['blockNumber']}: gas {receipt['gasUsed']:,}, "
                f"{coins(paid, market.symbol)}"
            )
            receipts.append(receipt)
        return receipts

    def confirm(
        self, shows: Sequence[tuple[str, object]], prepared: Sequence[Prepared], symbol: str
    ) -> None:
        """Shows the values and asks. Raises UserError when the answer is no, or there is none."""
        fees = prepared[0].fees
        gas = sum(one.gas for one in prepared)
        value = sum(one.value for one in prepared)
        most = sum(one.cost for one in prepared)
        rows = [*shows, ("account", f"{self.account.alias} {self.address}")]
        if value:
            rows.append(("value", coins(value, symbol)))
        price = f"{gwei(fees.price)} now and {gwei(fees.most)} at most"
        rows.append(("gas", f"up to {gas:,}, at {price}: up to {coins(most, symbol)}"))
        click.echo(pairs(rows))
        if self.yes:
            return
        try:
            agreed = click.confirm("Send?")
        except click.Abort:
            click.echo()
            raise UserError("not confirmed, nothing was sent (--yes does not ask)") from None
        if not agreed:
            raise UserError("declined, nothing was sent")


class Proposer(Sender):
    """A Safe: nothing is sent, its owners sign what is written into a file."""

    def __init__(self, market: Market, path: Path, safe: str | None) -> None:
        self._market, self._path, self._safe = market, path, safe

    @property
    def address(self) -> str:
        """Of the Safe: whose money or roles are meant is not guessed. Raises UserError."""
        if self._safe is None:
            raise UserError("say whose batch it is: --safe ADDRESS")
        return self._safe

    def _acting(self, calls: Sequence[Call]) -> str:
        """The Safe that was named, or the admin: the next one when it is to accept."""
        if self._safe is not None:
            return self._safe
        if calls[0].function == "acceptDefaultAdminTransfer":
            return str(self._market.view("pendingDefaultAdmin")[0])
        return str(self._market.view("defaultAdmin"))

    def send_all(
        self, market: Market, calls: Sequence[Call], shows: Sequence[tuple[str, object]] = ()
    ) -> NoReturn:
        """Simulates the calls in a row, shows them, writes the file, and ends the command."""
        safe = self._acting(calls)
        if not _safe.is_contract(market.web3, safe):
            raise UserError(
                f"{safe} is no contract on this chain and signs no batch: say whose it is by --safe"
            )
        _safe.simulate(market.web3, safe, calls)
        click.echo(pairs([*_shown(market, calls, shows), ("safe", safe)]))
        title = f"{market.game.name}: {', '.join(call.function for call in calls)}"
        about = f"{market.game.name} {market.address} on {market.where}"
        chain_id = market.web3.eth.chain_id
        _safe.save(self._path, _safe.batch(chain_id, safe, title, about, calls))
        click.echo(f"written to {self._path}: nothing was sent, the Safe's owners sign and execute")
        raise click.exceptions.Exit(0)


def _shown(
    market: Market, calls: Sequence[Call], shows: Sequence[tuple[str, object]]
) -> list[tuple[str, object]]:
    """The rows that tell of calls."""
    return [
        ("market", f"{market.game.name} {market.address} on {market.where}"),
        *shows,
        *(("call", f"{call}  {call.note}".rstrip()) for call in calls),
    ]


def warn(text: str | None) -> None:
    """Shows a warning, if there is one."""
    if text:
        click.echo(f"WARNING: {text}")


def say_sent(transaction: str) -> None:
    """Shows a transaction's hash, so that it can be looked up whatever happens next."""
    click.echo(f"sent {transaction}")
