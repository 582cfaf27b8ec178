"""ape run safety: stop new rounds and bets, and let them in again."""

from __future__ import annotations

import click

from scripts._cli import Sender, command, on_market, sends
from scripts._market import Market


@click.group()
def cli() -> None:
    """Stops new rounds and bets, and lets them in again.

    Nothing else ever stops: results, claims, refunds, cancelling and voiding go on.
    """


@command(cli)
@on_market
@sends
def pause(market: Market, sender: Sender) -> None:
    """Stops new rounds and bets.

    For holders of GUARDIAN_ROLE.

    \b
    Example:
      ape run safety pause --game powerball --network polygon:amoy --account ALIAS
    """
    sender.send(market, "pause")
    click.echo(f"{market.game.name} is paused: no new rounds, no new bets")


@command(cli)
@on_market
@sends
def unpause(market: Market, sender: Sender) -> None:
    """Lets rounds and bets in again.

    For the admin.

    \b
    Example:
      ape run safety unpause --game powerball --network polygon:amoy --account ALIAS
    """
    sender.send(market, "unpause")
    click.echo(f"{market.game.name} takes rounds and bets again")
