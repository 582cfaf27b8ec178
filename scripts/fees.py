"""ape run fees: send the fees of finished rounds to the fee recipient."""

from __future__ import annotations

import click

from keeper.domain.lines import Outcome, Prediction, RoundStatus, fee_at, outcome
from scripts._cli import ROUND, Sender, command, on_market, sends
from scripts._errors import UserError
from scripts._market import Market, Round
from scripts._text import coins


@click.group()
def cli() -> None:
    """Withdraws the fees of finished rounds."""


@command(cli)
@click.argument("round_ids", metavar="[ROUND]...", nargs=-1, type=ROUND)
@on_market
@sends
def withdraw(market: Market, sender: Sender, round_ids: tuple[int, ...]) -> None:
    """Sends the fees of ROUNDs to the fee recipient; without any, of all that have some.

    For anyone: the recipient is the market's own. The fees of a round are paid once.

    \b
    Example:
      ape run fees withdraw --game powerball --network polygon:amoy --account ALIAS
    """
    chosen = [market.round(i) for i in dict.fromkeys(round_ids)] or [
        r for r in market.rounds() if r.status is RoundStatus.FINALIZED
    ]
    taken = {args["roundId"] for _, args in market.events("FeesWithdrawn")}
    fees = {r.id: _fees(market, r) for r in chosen if r.id not in taken}
    wanted = [r.id for r in chosen] if round_ids else [i for i, amount in fees.items() if amount]
    if not wanted:
        raise UserError("no finished round has fees that were not withdrawn")
    shows = [
        ("fees", coins(sum(fees.values()), market.symbol)),
        ("rounds", ", ".join(map(str, wanted))),
        ("to", market.view("feeRecipient")),
    ]
    sender.send(market, "withdrawFees", wanted, shows=shows)
    click.echo(f"withdrawn {coins(sum(fees.values()), market.symbol)}")


def _fees(market: Market, info: Round) -> int:
    """What a round earned, wei: F(M) of each pair that was won."""
    if info.status is not RoundStatus.FINALIZED:
        return 0
    won = [p for p in Prediction if outcome(p, info.winning_number) is Outcome.WON]
    return sum(fee_at(market.view("getPredictionPool", info.id, p)[1], info.fee_bps) for p in won)
