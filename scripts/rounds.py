"""ape run rounds: open, lock, cancel, void and list betting rounds."""

from __future__ import annotations

import datetime as dt

import click

from keeper.domain.calendar import draw_time, next_draw_times
from keeper.duties import LOCK_LEAD, OPENING
from scripts._cli import DATE, ROUND, Sender, command, on_market, sends
from scripts._errors import UserError
from scripts._market import Market
from scripts._oracle import described
from scripts._text import coins, draw_day, fee, table, utc


@click.group()
def cli() -> None:
    """Opens, locks, cancels, voids and lists betting rounds.

    A round takes bets on one draw, until 15 minutes before it.
    """


@command(cli)
@click.option("--date", type=DATE, help="Date of the draw in New York, as 2026-08-18.")
@click.option("--next", "soonest", is_flag=True, help="The next draw that has no round yet.")
@on_market
@sends
def create(market: Market, sender: Sender, date: dt.date | None, soonest: bool) -> None:
    """Opens a round for a draw: --date or --next.

    For holders of OPERATOR_ROLE, more than 15 minutes and at most 60 days before the draw. The
    fee and the oracle that are set now stay this round's.

    \b
    Example:
      ape run rounds create --game mega-millions --date 2026-08-18 --network polygon:amoy
    """
    if (date is None) is not soonest:
        raise UserError("say which draw: either --date 2026-08-18 or --next")
    at = _soonest(market) if date is None else draw_time(market.game, date)
    shows = [
        ("draw", f"{market.game.name} of {draw_day(at)}, {utc(at)}"),
        ("bets until", utc(at - LOCK_LEAD)),
        ("fee", f"{fee(market.view('feeBps'))} of the profit"),
        ("oracle", described(market.web3, market.view("oracle"))),
    ]
    sender.send(market, "createRound", at, shows=shows)
    click.echo(f"round {market.view('roundOf', at)} is open")


def _soonest(market: Market) -> int:
    now = market.now()
    for at in next_draw_times(market.game, now + LOCK_LEAD, now + OPENING):
        if not market.view("roundOf", at):
            return at
    raise UserError("every draw of the next 60 days has a round")


def _change(market: Market, sender: Sender, function: str, round_id: int) -> None:
    info = market.round(round_id)
    shows = [("round", info.title), ("staked", coins(info.total_staked, market.symbol))]
    sender.send(market, function, round_id, shows=shows)
    click.echo(f"round {round_id} is {market.round(round_id).status.name}")


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@on_market
@sends
def lock(market: Market, sender: Sender, round_id: int) -> None:
    """Announces that betting on ROUND is over.

    For anyone, from 15 minutes before the draw on. Bets end then whether or not anybody does
    this.

    \b
    Example:
      ape run rounds lock 3 --game powerball --network polygon:amoy
    """
    _change(market, sender, "lockRound", round_id)


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@on_market
@sends
def cancel(market: Market, sender: Sender, round_id: int) -> None:
    """Cancels ROUND before its draw: every stake can be claimed back.

    For holders of OPERATOR_ROLE until the lock, of GUARDIAN_ROLE until the draw.

    \b
    Example:
      ape run rounds cancel 3 --game powerball --network polygon:amoy
    """
    _change(market, sender, "cancelRound", round_id)


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@on_market
@sends
def void(market: Market, sender: Sender, round_id: int) -> None:
    """Ends ROUND when no result came within 72 h of its draw: every stake can be claimed back.

    For anyone.

    \b
    Example:
      ape run rounds void 3 --game powerball --network polygon:amoy
    """
    _change(market, sender, "voidRound", round_id)


@command(cli, "list")
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@on_market
def list_(market: Market, last: int) -> None:
    """Shows the newest rounds with their draws, stakes and results. Sends nothing.

    \b
    Example:
      ape run rounds list --game powerball --network polygon:amoy
    """
    rows: list[tuple[object, ...]] = [
        ("round", "draw", "bets until", "status", "number", "fee", "staked", "matched")
    ]
    rows += [
        (
            r.id,
            draw_day(r.draw_time),
            utc(r.lock_time),
            r.status.name,
            r.winning_number if r.finalized_at else "-",
            fee(r.fee_bps),
            coins(r.total_staked, market.symbol),
            coins(r.total_matched, market.symbol),
        )
        for r in market.rounds(last)
    ]
    click.echo(f"{market.game.name} {market.address} on {market.where}, {utc(market.now())}")
    click.echo(table(rows) if len(rows) > 1 else "  no rounds yet: ape run rounds create")
