"""ape run roles: who holds which key of a market."""

from __future__ import annotations

import ape
import click

from scripts import _handover, _holders, _safe
from scripts._cli import ADDRESS, GAME, Sender, command, on_market, sends, warn
from scripts._deployment import PRACTICE_CHAINS
from scripts._errors import UserError
from scripts._handover import Wish
from scripts._holders import Holders
from scripts._market import Market, open_markets
from scripts._text import duration, table, utc

_ROLE = click.Choice(["operator", "guardian"])
_ALLOW_FEES = click.option(
    "--allow-fee-recipient", "fees_may_stay", is_flag=True, help="It may go on getting the fees."
)


@click.group()
def cli() -> None:
    """Grants, revokes, hands over and shows the roles of a market.

    \b
    operator  opens rounds, cancels them while bets are taken
    guardian  pauses, cancels rounds before their draw
    admin     changes settings of later rounds, unpauses, grants roles
    """


def _change(market: Market, sender: Sender, role: str, address: str, grant: bool) -> None:
    role_id = _holders.role_id(role)
    if market.view("hasRole", role_id, address) is grant:
        raise UserError(f"{address} {'is' if grant else 'is not'} {role} already, nothing to do")
    shows = [("role", role), ("of", address)]
    sender.send(market, "grantRole" if grant else "revokeRole", role_id, address, shows=shows)
    holders = ", ".join(_holders.read(market).having(role)) or "nobody"
    click.echo(f"{role} of {market.game.name}: {holders}")


@command(cli)
@click.argument("role", metavar="ROLE", type=_ROLE)
@click.argument("address", type=ADDRESS)
@on_market
@sends
def grant(market: Market, sender: Sender, role: str, address: str) -> None:
    """Makes ADDRESS operator or guardian.

    For the admin. ADDRESS is an address or the alias of an Ape account.

    \b
    Example:
      ape run roles grant operator 0x... --game powerball --network polygon:amoy --account ALIAS
    """
    _change(market, sender, role, address, grant=True)


@command(cli)
@click.argument("role", metavar="ROLE", type=_ROLE)
@click.argument("address", type=ADDRESS)
@on_market
@sends
def revoke(market: Market, sender: Sender, role: str, address: str) -> None:
    """Takes the role of operator or guardian from ADDRESS.

    For the admin.

    \b
    Example:
      ape run roles revoke operator 0x... --game powerball --network polygon:amoy --account ALIAS
    """
    _change(market, sender, role, address, grant=False)


@command(cli)
@click.argument("to", metavar="SAFE", type=ADDRESS)
@click.option("--operator", type=ADDRESS, help="Who opens rounds from now on (the keeper's key).")
@click.option("--fee-recipient", type=ADDRESS, help="Who gets the fees from now on.")
@_ALLOW_FEES
@click.option(
    "--plain-account", is_flag=True, help="SAFE may be an account with a key: on test chains."
)
@on_market
@sends
def handover(
    *,
    market: Market,
    sender: Sender,
    to: str,
    operator: str | None,
    fee_recipient: str | None,
    fees_may_stay: bool,
    plain_account: bool,
) -> None:
    """Hands a market over to SAFE, and leaves its deployer and the account with nothing.

    For the admin. SAFE becomes guardian at once and is offered the admin role, which it accepts
    after the market's delay: `ape run roles accept --safe-batch FILE`. Run it again at any time:
    it goes on where it stands and says what remains. `ape run roles proof` is the last word.

    \b
    Example:
      ape run roles handover 0x... --operator 0x... --fee-recipient 0x... --game powerball
    """
    holders = _holders.read(market, sender.address)
    click.echo(_told(market, holders))
    leaving = tuple(a for a in dict.fromkeys((holders.deployer, sender.address)) if a != to)
    wish = Wish(to, sender.address, leaving, operator, fee_recipient, fees_may_stay)
    _note(holders, leaving)
    against = [*_unfit(market, holders, to, plain_account), *_handover.objections(holders, wish)]
    if against:
        raise UserError("; also ".join(against))
    steps = _handover.steps(holders, wish)
    if steps:
        contract = market.contract
        calls = [_safe.Call(contract, step.function, step.args, note=step.note) for step in steps]
        sender.send_all(market, calls, [("hand over to", to), ("leaving", ", ".join(leaving))])
        holders = _holders.read(market, sender.address)
        click.echo(_told(market, holders))
    left = _handover.remaining(holders, to, market.game.name)
    if left:
        click.echo(left)
    elif found := _kept(market, holders, leaving, fees_may_stay):
        raise UserError("; ".join(found))


def _unfit(market: Market, holders: Holders, to: str, plain_account: bool) -> list[str]:
    """Why an account cannot take a market over."""
    if to == market.address:
        return [f"{to} is the market itself"]
    if to == holders.deployer:
        return [f"{to} is the deployer, who is to hold nothing"]
    if _safe.is_contract(market.web3, to):
        owners = _safe.owners_of(market.web3, to)
        click.echo(f"{to}: {owners or 'a contract account, but no Safe that tells its owners'}")
        if owners and owners.threshold == 1 and holders.deployer in owners.owners:
            warn(f"{holders.deployer} alone can sign for it")
        return []
    if not plain_account:
        return [f"{to} has no code here: a Safe is deployed first, on this very chain"]
    if market.web3.eth.chain_id not in PRACTICE_CHAINS:
        return ["--plain-account is for test chains: one key must not hold a real market"]
    return []


@command(cli)
@on_market
@sends
def accept(market: Market, sender: Sender) -> None:
    """Takes over the admin role that was offered by `handover`, once the delay is over.

    For the account it was offered to. A Safe does it by --safe-batch FILE, for its owners to sign.

    \b
    Example:
      ape run roles accept --game powerball --network polygon:amoy --safe-batch accept.json
    """
    if not market.view("pendingDefaultAdmin")[1]:
        raise UserError(
            f"the admin role of {market.game.name} is offered to nobody: `ape run roles handover`"
        )
    sender.send(market, "acceptDefaultAdminTransfer")
    click.echo(f"admin of {market.game.name}: {market.view('defaultAdmin')}")


@command(cli)
@on_market
def show(market: Market) -> None:
    """Shows who holds what, and who ever held it. Sends nothing.

    \b
    Example:
      ape run roles show --game powerball --network polygon:amoy
    """
    click.echo(_told(market, _holders.read(market)))


@command(cli)
@click.option("--game", type=GAME, help="Only this market.")
@click.option(
    "--account",
    "accounts",
    type=ADDRESS,
    multiple=True,
    help="Who must hold nothing; may be given again. [default: the deployer]",
)
@_ALLOW_FEES
def proof(game: str | None, accounts: tuple[str, ...], fees_may_stay: bool) -> None:
    """Proves that the deployer, or --account, holds nothing of the markets. Sends nothing.

    For anyone. Reads every role of every account that ever had one, the offer of the admin role,
    the fee recipient, and the oracles of later rounds and of those without a result, as of one
    block. Exits with 1 when something is left.

    \b
    Example:
      ape run roles proof --network polygon:amoy
    """
    wrong = []
    for market in open_markets(ape.networks.provider, game):
        holders = _holders.read(market, *accounts)
        click.echo(_told(market, holders))
        wrong += _kept(market, holders, accounts or (holders.deployer,), fees_may_stay)
    if wrong:
        raise UserError("; ".join(wrong))


def _kept(
    market: Market, holders: Holders, accounts: tuple[str, ...], fees_may_stay: bool
) -> list[str]:
    """What accounts hold still; says of those that hold nothing that they do."""
    name = market.game.name
    found = []
    _note(holders, accounts)
    for account in accounts:
        whose = f"{account} (the deployer)" if account == holders.deployer else account
        held = _handover.kept(holders, account, fees_may_stay=fees_may_stay)
        if held:
            found.append(f"{whose} still holds of {name}: {', '.join(held)}")
        else:
            click.echo(f"{whose} holds nothing of {name}, as of block {holders.block}")
    return found


def _note(holders: Holders, accounts: tuple[str, ...]) -> None:
    """Names what accounts keep for good that gives no power."""
    for account in accounts:
        for one in holders.of(account):
            if not one.power:
                click.echo(f"note: {account} has {one.what}")


def _told(market: Market, holders: Holders) -> str:
    """A table of who holds what."""
    rows: list[tuple[str, ...]] = [("what", "account", "now", "which is")]
    for one in sorted(holders.all(), key=lambda one: not one.now):
        kind = "a contract" if one.account in holders.contracts else "a key"
        if one.account == holders.deployer:
            kind += ", the deployer"
        rows.append((one.what, one.account, "yes" if one.now else "no longer", kind))
    where = f"{market.game.name} {market.address} on {market.where}"
    lines = [f"{where}, block {holders.block}, {utc(holders.now)}", table(rows)]
    if holders.pending:
        lines.append(
            f"  {holders.pending} can accept the admin role after {utc(holders.schedule)} "
            f"(a delay of {duration(holders.delay)})"
        )
    return "\n".join(lines)
