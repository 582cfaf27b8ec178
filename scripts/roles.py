"""ape run roles: who holds which key of a market."""

from __future__ import annotations

import click

from scripts._cli import ADDRESS, Sender, command, on_market, sends
from scripts._errors import UserError
from scripts._market import Market
from scripts._text import duration, pairs, utc

_ROLE = click.Choice(["operator", "guardian"])


@click.group()
def cli() -> None:
    """Grants, revokes and shows the roles of a market.

    \b
    operator  opens rounds, cancels them while bets are taken
    guardian  pauses, cancels rounds before their draw
    admin     changes settings of later rounds, unpauses, grants roles
    """


def _role_id(market: Market, role: str) -> bytes:
    return bytes(market.view(f"{role.upper()}_ROLE"))


def _holders(market: Market, role: str) -> list[str]:
    """Everybody who holds a role, by the events, which tell of every change."""
    holders: dict[str, None] = {}
    role_id = f"0x{_role_id(market, role).hex()}"
    for name, args in market.events("RoleGranted", "RoleRevoked"):
        if args["role"] == role_id:
            if name == "RoleGranted":
                holders[args["account"]] = None
            else:
                holders.pop(args["account"], None)
    return list(holders)


def _change(market: Market, sender: Sender, role: str, address: str, grant: bool) -> None:
    role_id = _role_id(market, role)
    if market.view("hasRole", role_id, address) is grant:
        raise UserError(f"{address} {'is' if grant else 'is not'} {role} already, nothing to do")
    shows = [("role", role), ("of", address)]
    sender.send(market, "grantRole" if grant else "revokeRole", role_id, address, shows=shows)
    holders = ", ".join(_holders(market, role)) or "nobody"
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


@command(cli, "hand-over")
@click.argument("address", type=ADDRESS)
@on_market
@sends
def hand_over(market: Market, sender: Sender, address: str) -> None:
    """Offers the admin role to ADDRESS, which accepts it after the market's delay.

    For the admin, who stays admin until then.

    \b
    Example:
      ape run roles hand-over 0x... --game powerball --network polygon:amoy --account ALIAS
    """
    shows = [("new admin", address), ("after", duration(market.view("defaultAdminDelay")))]
    sender.send(market, "beginDefaultAdminTransfer", address, shows=shows)
    _, schedule = market.view("pendingDefaultAdmin")
    click.echo(f"{address} can `ape run roles accept` after {utc(schedule)}")


@command(cli)
@on_market
@sends
def accept(market: Market, sender: Sender) -> None:
    """Takes over the admin role that was offered to the account by `hand-over`.

    \b
    Example:
      ape run roles accept --game powerball --network polygon:amoy --account ALIAS
    """
    sender.send(market, "acceptDefaultAdminTransfer")
    click.echo(f"admin of {market.game.name}: {market.view('defaultAdmin')}")


@command(cli)
@on_market
def show(market: Market) -> None:
    """Shows who holds each role. Sends nothing.

    \b
    Example:
      ape run roles show --game powerball --network polygon:amoy
    """
    pending, schedule = market.view("pendingDefaultAdmin")
    click.echo(f"{market.game.name} {market.address} on {market.where}")
    rows: list[tuple[str, object]] = [("admin", market.view("defaultAdmin"))]
    if schedule:
        rows.append(("next admin", f"{pending}, can accept after {utc(schedule)}"))
    rows += [(role, ", ".join(_holders(market, role)) or "nobody") for role in _ROLE.choices]
    rows += [
        ("oracle", f"{market.view('oracle')} for later rounds"),
        ("fee recipient", market.view("feeRecipient")),
    ]
    click.echo(pairs(rows))
