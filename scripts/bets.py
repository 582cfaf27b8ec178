"""ape run bets: place bets, take them back, ask what one would do, and see a bettor's bets."""

from __future__ import annotations

import click

from keeper.domain.lines import Prediction, RoundStatus
from scripts._cli import ADDRESS, AMOUNT, PREDICTION, ROUND, F, Sender, command, on_market, sends
from scripts._errors import UserError
from scripts._market import Market, Round
from scripts._text import coins, pairs, table, utc


@click.group()
def cli() -> None:
    """Places bets, takes them back and shows them.

    PREDICTION is a name or a number: EVEN (0), ODD (1), HIGH (2), LOW (3), EVEN_LOW (4),
    ODD_HIGH (5), EVEN_HIGH (6), ODD_LOW (7). AMOUNT is written as "0.5 POL", "500 gwei", or
    whole wei.
    """


def _bet(function: F) -> F:
    """Adds the arguments ROUND, PREDICTION and AMOUNT."""
    for name, metavar, kind in (
        ("amount", "AMOUNT", AMOUNT),
        ("prediction", "PREDICTION", PREDICTION),
        ("round_id", "ROUND", ROUND),
    ):
        function = click.argument(name, metavar=metavar, type=kind)(function)
    return function


@command(cli)
@_bet
@click.option("--matched", is_flag=True, help="Bet only what finds opponents at once.")
@click.option(
    "--min", "least", type=AMOUNT, help="With --matched: no bet at all when less than this does."
)
@on_market
@sends
def place(
    market: Market,
    sender: Sender,
    round_id: int,
    prediction: Prediction,
    amount: int,
    matched: bool,
    least: int | None,
) -> None:
    """Bets AMOUNT on PREDICTION in ROUND.

    For anyone, until 15 minutes before the draw; 16 bets a round at most. What finds no opponent
    on the opposite prediction waits for one, and can be cancelled or, when betting is over,
    claimed back. With --matched it comes back at once.

    \b
    Example:
      ape run bets place 3 EVEN_LOW "0.5 POL" --game powerball --network polygon:amoy
    """
    if least is not None and not matched:
        raise UserError("--min goes with --matched: it is the least that must be matched at once")
    info = market.round(round_id)
    shows = [
        ("round", info.title),
        ("prediction", f"{prediction.name} ({prediction.value})"),
        *_quoted(market, info, prediction, amount, matched),
    ]
    function = "placeMatchedBet" if matched else "placeBet"
    args = (round_id, prediction, least or 0) if matched else (round_id, prediction)
    receipt = sender.send(market, function, *args, value=amount, shows=shows)
    (placed,) = market.told(receipt, "BetPlaced")
    click.echo(
        f"bet {coins(placed['amount'], market.symbol)} on {prediction.name} in round {round_id}"
    )
    if back := amount - placed["amount"]:
        click.echo(f"{coins(back, market.symbol)} found no opponent and came back")


@command(cli)
@_bet
@on_market
def quote(market: Market, round_id: int, prediction: Prediction, amount: int) -> None:
    """Says what a bet of AMOUNT on PREDICTION in ROUND would match and pay now. Sends nothing.

    \b
    Example:
      ape run bets quote 3 EVEN_LOW "0.5 POL" --game powerball --network polygon:amoy
    """
    info = market.round(round_id)
    click.echo(f"{market.game.name} round {info.title}")
    click.echo(pairs(_quoted(market, info, prediction, amount, matched=False)))


def _quoted(
    market: Market, info: Round, prediction: Prediction, amount: int, matched: bool
) -> list[tuple[str, object]]:
    """What the market promises for a bet; it refuses one that cannot be placed."""
    now, payout, fee = market.view("quote", info.id, prediction, amount)
    rest = amount - now
    after = "comes back at once" if matched else "waits for opponents"
    told = coins(now, market.symbol)
    rows: list[tuple[str, object]] = [
        ("matched now", f"{told}, {coins(rest, market.symbol)} {after}" if rest else told),
    ]
    pays = f"{coins(payout - rest if matched else payout, market.symbol)} when it wins"
    if rest and not matched:
        pays += ", if nobody else comes"
    return [*rows, ("pays", f"{pays}; the fee of {coins(fee, market.symbol)} is taken off")]


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@click.argument("index", metavar="BET", type=click.IntRange(min=0))
@on_market
@sends
def cancel(market: Market, sender: Sender, round_id: int, index: int) -> None:
    """Takes back what is unmatched of the account's BET in ROUND.

    For bettors, until 15 minutes before the draw, paused or not. BET is the number that
    `ape run bets show` gives it, from 0 on. Only the last bet of a line can be cancelled: what
    later ones are matched with must not change.

    \b
    Example:
      ape run bets cancel 3 0 --game powerball --network polygon:amoy --account ALIAS
    """
    info = market.round(round_id)
    shows: list[tuple[str, object]] = [("round", info.title)]
    bets = market.view("getUserBets", round_id, sender.address)
    if index < len(bets):  # else the market refuses
        bet = bets[index]
        back = coins(bet.amount - bet.matchedAmount, market.symbol)
        of = f"{coins(bet.amount, market.symbol)} on {Prediction(bet.prediction).name}"
        shows.append((f"bet {index}", f"{of}: {back} comes back"))
    receipt = sender.send(market, "cancelUnmatched", round_id, index, shows=shows)
    (cancelled,) = market.told(receipt, "BetCancelled")
    click.echo(f"{coins(cancelled['amount'], market.symbol)} came back")


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
    info = market.round(round_id)
    click.echo(f"{market.game.name} round {info.title}")
    bettors = [bettor] if bettor else market.bettors(round_id)
    for one in bettors:
        _show(market, info, one)
    if not bettors:
        click.echo("no bets yet")


def _show(market: Market, info: Round, bettor: str) -> None:
    bets = market.view("getUserBets", info.id, bettor)
    if not bets:
        click.echo(f"{bettor} has no bets")
        return
    lines = {bet.prediction: 0 for bet in bets}
    if info.status is RoundStatus.OPEN:
        lines = {p: market.view("getPredictionPool", info.id, p)[0] for p in lines}
    rows: list[tuple[object, ...]] = [
        (
            *("bet", "prediction", "stake", "matched", "can be cancelled"),
            *("placed", "unmatched paid", "done"),
        )
    ]
    for i, bet in enumerate(bets):
        at_tail = bet.offset + bet.amount == lines[bet.prediction]
        rows.append(
            (
                i,
                Prediction(bet.prediction).name,
                coins(bet.amount, market.symbol),
                coins(bet.matchedAmount, market.symbol),
                coins(bet.amount - bet.matchedAmount if at_tail else 0, market.symbol),
                utc(bet.placedAt),
                "yes" if bet.refunded else "no",
                "yes" if bet.settled else "no",
            )
        )
    winnings, refund = market.view("claimable", info.id, bettor)
    due = f"{coins(winnings, market.symbol)} winnings, {coins(refund, market.symbol)} refund"
    click.echo(f"{bettor} can claim now: {due}")
    click.echo(table(rows))
