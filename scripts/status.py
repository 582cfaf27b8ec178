"""ape run status: rounds, balances, what is owed, and what gas costs."""

from __future__ import annotations

from collections import Counter

import ape
import click

from scripts._cli import AMOUNT, GAME, Command
from scripts._deployment import web3_of
from scripts._errors import UserError
from scripts._market import Market, open_markets
from scripts._oracle import described
from scripts._sending import DEFAULT_CAP, current_fees
from scripts._text import GWEI, coins, draw_day, fee, gwei, pairs, table, utc

# Events by which money leaves a market; each carries a round and an amount.
_PAYMENTS = ("WinningsClaimed", "RefundIssued", "FeesWithdrawn")
_CANCELLED = "BetCancelled"  # it takes its amount off the round's stakes as well


@click.command(cls=Command)
@click.option("--game", type=GAME, help="Only this market.")
@click.option("--last", type=click.IntRange(min=1), default=10, show_default=True, help="Rounds.")
@click.option(
    "--max-fee",
    type=AMOUNT,
    default=f"{DEFAULT_CAP // GWEI} gwei",
    show_default=True,
    help="The cap that the gas price is compared with.",
)
def cli(game: str | None, last: int, max_fee: int) -> None:
    """Shows each market: settings, rounds, balance and what it owes. Sends nothing.

    Owed is what was staked in all rounds less what bettors cancelled and all that was paid out
    (winnings, refunds, fees): all of it belongs to bettors or the fee recipient, whether it can
    be claimed by now or not. It is counted from the rounds and the payment events up to one
    block. The balance is never less; it is more only when somebody sent coins that are no stake.
    Exits with 1 when a market is short.

    \b
    Example:
      ape run status --network polygon:amoy
    """
    provider = ape.networks.provider
    web3 = web3_of(provider)
    block = web3.eth.get_block("latest")
    short = [
        market.game.name
        for market in open_markets(provider, game)
        if _show(market, last, block["number"], block["timestamp"])
    ]
    fees = current_fees(web3, max_fee)
    verdict = "under" if fees.price <= max_fee else "ABOVE"
    click.echo(
        f"gas {gwei(fees.price)} ({gwei(fees.base)} base, {gwei(fees.tip)} tip), "
        f"{verdict} the cap of {gwei(max_fee)}"
    )
    if short:
        raise UserError(f"{' and '.join(short)} owes more than it has")


def _show(market: Market, last: int, block: int, now: int) -> bool:
    """Prints a market as it is at a block; whether it owes more than it has."""
    symbol = market.symbol
    rounds = market.rounds(block=block)
    paid: Counter[int] = Counter()
    cancelled = 0
    for name, args in market.events(*_PAYMENTS, _CANCELLED, until=block):
        if name == _CANCELLED:
            cancelled += args["amount"]
        else:
            paid[args["roundId"]] += args["amount"]
    staked = sum(r.total_staked for r in rounds)
    balance = market.web3.eth.get_balance(market.address, block)
    owed = staked - paid.total()
    paused = market.view("paused", block=block)
    limits = [coins(market.view(name, block=block), symbol) for name in ("minBet", "maxBet")]
    click.echo(f"{market.game.name} {market.address} on {market.where}, block {block}, {utc(now)}")
    click.echo(
        pairs(
            [
                ("takes bets", "no, it is PAUSED" if paused else " to ".join(limits)),
                ("fee", f"{fee(market.view('feeBps', block=block))} of the profit"),
                ("oracle", described(market.web3, market.view("oracle", block=block))),
                ("fee recipient", market.view("feeRecipient", block=block)),
                ("staked ever", coins(staked + cancelled, symbol)),
                ("cancelled", coins(cancelled, symbol)),
                ("paid out", coins(paid.total(), symbol)),
                ("owed", coins(owed, symbol)),
                ("balance", coins(balance, symbol)),
                ("balance - owed", coins(balance - owed, symbol)),
            ]
        )
    )
    rows: list[tuple[object, ...]] = [("round", "draw", "status", "number", "staked", "owed")]
    rows += [
        (
            r.id,
            draw_day(r.draw_time),
            r.status.name,
            r.winning_number if r.finalized_at else "-",
            coins(r.total_staked, symbol),
            coins(r.total_staked - paid[r.id], symbol),
        )
        for r in rounds[-last:]
    ]
    click.echo(table(rows) if rounds else "  no rounds yet")
    return balance < owed
