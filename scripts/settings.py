"""ape run settings: the terms of later rounds and bets."""

from __future__ import annotations

import click

from scripts._cli import ADDRESS, AMOUNT, FEE, Sender, command, on_market, sends, warn
from scripts._market import Market
from scripts._oracle import check_trust, described
from scripts._text import coins
from scripts._text import fee as percent


@click.group()
def cli() -> None:
    """Changes the terms of later rounds and bets. For the admin.

    What was promised when a round opened stays: its fee, its times, its oracle.
    """


@command(cli)
@click.argument("fee", type=FEE)
@on_market
@sends
def fee(market: Market, sender: Sender, fee: int) -> None:  # click names it
    """Sets the FEE on profit of rounds created from now on: 2%, 1.5%, or basis points.

    For the admin; 5% at most.

    \b
    Example:
      ape run settings fee 1.5% --game powerball --network polygon:amoy --account ALIAS
    """
    old = market.view("feeBps")
    sender.send(market, "setFee", fee, shows=[("fee", f"{percent(old)} -> {percent(fee)}")])
    click.echo(f"the fee of later rounds is {percent(market.view('feeBps'))}")


@command(cli)
@click.argument("address", type=ADDRESS)
@on_market
@sends
def oracle(market: Market, sender: Sender, address: str) -> None:
    """Sets who decides the results of rounds created from now on.

    For the admin. ADDRESS is a ResultOracle (`ape run deploy oracle`); on local chains and test
    networks an account will do.

    \b
    Example:
      ape run settings oracle 0x... --game powerball --network polygon:amoy --account ALIAS
    """
    warn(check_trust(market.web3, address))
    shows = [
        ("oracle so far", described(market.web3, market.view("oracle"))),
        ("from now on", described(market.web3, address)),
    ]
    sender.send(market, "setOracle", address, shows=shows)
    click.echo(f"the oracle of later rounds is {market.view('oracle')}")


@command(cli)
@click.argument("smallest", type=AMOUNT)
@click.argument("largest", type=AMOUNT)
@on_market
@sends
def limits(market: Market, sender: Sender, smallest: int, largest: int) -> None:
    """Sets the SMALLEST and the LARGEST stake of bets placed from now on.

    For the admin. Amounts are written as "0.5 POL", "500 gwei", or whole wei.

    \b
    Example:
      ape run settings limits "0.1 POL" "500 POL" --game powerball --network polygon:amoy
    """
    old = _limits(market)
    new = f"{coins(smallest, market.symbol)} to {coins(largest, market.symbol)}"
    shows = [("bets from now on", new), ("so far", old)]
    sender.send(market, "setBetLimits", smallest, largest, shows=shows)
    click.echo(f"bets are {_limits(market)}")


def _limits(market: Market) -> str:
    return (
        f"{coins(market.view('minBet'), market.symbol)} to "
        f"{coins(market.view('maxBet'), market.symbol)}"
    )


@command(cli)
@click.argument("address", type=ADDRESS)
@on_market
@sends
def recipient(market: Market, sender: Sender, address: str) -> None:
    """Sets where fees go that are withdrawn from now on, those of older rounds too.

    For the admin. ADDRESS is an address or the alias of an Ape account.

    \b
    Example:
      ape run settings recipient 0x... --game powerball --network polygon:amoy --account ALIAS
    """
    shows = [("fee recipient", f"{market.view('feeRecipient')} -> {address}")]
    sender.send(market, "setFeeRecipient", address, shows=shows)
    click.echo(f"fees go to {market.view('feeRecipient')}")
