"""ape run bets: place a bet, and see a bettor's bets."""

from __future__ import annotations

import click

from keeper.domain.lines import Prediction, opposite
from scripts._cli import ADDRESS, AMOUNT, PREDICTION, ROUND, Sender, command, on_market, sends
from scripts._market import Market
from scripts._text import coins, table, utc


@click.group()
def cli() -> None:
    """Places bets and shows them."""


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@click.argument("prediction", type=PREDICTION)
@click.argument("amount", type=AMOUNT)
@on_market
@sends
def place(
    market: Market, sender: Sender, round_id: int, prediction: Prediction, amount: int
) -> None:
    """Bets AMOUNT on PREDICTION in ROUND.

    For anyone, until 15 minutes before the draw; 16 bets a round at most. PREDICTION is a name
    or a number: EVEN (0), ODD (1), HIGH (2), LOW (3), EVEN_LOW (4), ODD_HIGH (5), EVEN_HIGH (6),
    ODD_LOW (7). AMOUNT is written as "0.5 POL", "500 gwei", or whole wei. What finds no opponent
    on the opposite prediction can be claimed back when betting is over.

    \b
    Example:
      ape run bets place 3 EVEN_LOW "0.5 POL" --game powerball --network polygon:amoy
    """
    info = market.round(round_id)
    own, _, _ = market.view("getPredictionPool", round_id, prediction)
    other, _, _ = market.view("getPredictionPool", round_id, opposite(prediction))
    now = max(0, min(own + amount, other) - own)
    shows = [
        ("round", info.title),
        ("prediction", f"{prediction.name} ({prediction.value})"),
        ("matched now", f"{coins(now, market.symbol)}, the rest waits for opponents"),
    ]
    sender.send(market, "placeBet", round_id, prediction, value=amount, shows=shows)
    click.echo(f"bet {coins(amount, market.symbol)} on {prediction.name} in round {round_id}")


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@click.argument("bettor", type=ADDRESS, required=False)
@on_market
def show(market: Market, round_id: int, bettor: str | None) -> None:
    """Shows the bets of BETTOR in ROUND, or everybody's, and what can be claimed now.

    BETTOR is an address or the alias of an Ape account. Sends nothing.

    \b
    Example:
      ape run bets show 3 ALIAS --game powerball --network polygon:amoy
    """
    click.echo(f"{market.game.name} round {market.round(round_id).title}")
    bettors = [bettor] if bettor else market.bettors(round_id)
    for one in bettors:
        _show(market, round_id, one)
    if not bettors:
        click.echo("no bets yet")


def _show(market: Market, round_id: int, bettor: str) -> None:
    bets = market.view("getUserBets", round_id, bettor)
    if not bets:
        click.echo(f"{bettor} has no bets")
        return
    rows: list[tuple[object, ...]] = [
        ("bet", "prediction", "stake", "matched", "placed", "unmatched paid", "done")
    ]
    rows += [
        (
            i,
            Prediction(bet.prediction).name,
            coins(bet.amount, market.symbol),
            coins(bet.matchedAmount, market.symbol),
            utc(bet.placedAt),
            "yes" if bet.refunded else "no",
            "yes" if bet.settled else "no",
        )
        for i, bet in enumerate(bets, 1)
    ]
    winnings, refund = market.view("claimable", round_id, bettor)
    due = f"{coins(winnings, market.symbol)} winnings, {coins(refund, market.symbol)} refund"
    click.echo(f"{bettor} can claim now: {due}")
    click.echo(table(rows))
