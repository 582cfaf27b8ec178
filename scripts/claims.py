"""ape run claims: what is due to bettors, claimed by them or settled by anyone."""

from __future__ import annotations

import click

from keeper.domain.lines import RoundStatus
from scripts._cli import ADDRESS, ROUND, Sender, command, on_market, sends
from scripts._errors import UserError
from scripts._market import Market
from scripts._safe import Call
from scripts._text import coins


@click.group()
def cli() -> None:
    """Pays bettors what is due to them."""


def _claim(market: Market, sender: Sender, function: str, round_id: int) -> None:
    info = market.round(round_id)
    winnings, refund = market.view("claimable", round_id, sender.address)
    shows = [
        ("round", info.title),
        ("winnings", coins(winnings, market.symbol)),
        ("refund", coins(refund, market.symbol)),
    ]
    sender.send(market, function, round_id, shows=shows)
    click.echo(f"paid {coins(winnings + refund, market.symbol)} to {sender.address}")


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@on_market
@sends
def claim(market: Market, sender: Sender, round_id: int) -> None:
    """Pays the account its winnings of ROUND, and what else is due to it.

    For bettors, once the round has its result.

    \b
    Example:
      ape run claims claim 3 --game powerball --network polygon:amoy --account ALIAS
    """
    _claim(market, sender, "claimWinnings", round_id)


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@on_market
@sends
def refund(market: Market, sender: Sender, round_id: int) -> None:
    """Pays the account back what found no opponent in ROUND; all of it when cancelled.

    For bettors: the unmatched part from 15 minutes before the draw until the result, everything
    when the round was cancelled or void.

    \b
    Example:
      ape run claims refund 3 --game powerball --network polygon:amoy --account ALIAS
    """
    _claim(market, sender, "claimRefund", round_id)


@command(cli)
@click.argument("round_ids", metavar="[ROUND]...", nargs=-1, type=ROUND)
@click.option("--to", type=ADDRESS, help="Who is paid, instead of the account: address or alias.")
@on_market
@sends
def batch(market: Market, sender: Sender, round_ids: tuple[int, ...], to: str | None) -> None:
    """Pays all that is due to the account in ROUNDs, at once; without any, in all that ended.

    For bettors, in rounds that have their result or are cancelled.

    \b
    Example:
      ape run claims batch 3 4 --to 0x... --game powerball --network polygon:amoy --account ALIAS
    """
    chosen = [market.round(i) for i in dict.fromkeys(round_ids)] or [
        r for r in market.rounds() if r.status in (RoundStatus.FINALIZED, RoundStatus.CANCELLED)
    ]
    due = [(r, sum(market.view("claimable", r.id, sender.address))) for r in chosen]
    wanted = [(r, amount) for r, amount in due if amount or round_ids]  # the market refuses named 0
    if not wanted:
        raise UserError(f"nothing is due to {sender.address} in any round that ended")
    payee = to or sender.address
    shows = [(f"round {r.title}", coins(amount, market.symbol)) for r, amount in wanted]
    ids = [r.id for r, _ in wanted]
    shows.append(("to", payee))
    receipt = sender.send(market, "claimWinningsBatch", ids, payee, shows=shows)
    told = market.told(receipt, "WinningsClaimed", "RefundIssued")
    paid = sum(args["amount"] for args in told)
    click.echo(f"paid {coins(paid, market.symbol)} to {payee}")


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@click.argument("bettors", nargs=-1, type=ADDRESS)
@click.option(
    "--batch",
    type=click.IntRange(1, 200),
    default=50,
    show_default=True,
    help="Bettors a transaction.",
)
@on_market
@sends
def settle(
    market: Market, sender: Sender, round_id: int, bettors: tuple[str, ...], batch: int
) -> None:
    """Pays BETTORS of ROUND what is due to them now, each to the bettor only; without any, all.

    For anyone, from 15 minutes before the draw on. A bettor that is a contract and refuses the
    payment is skipped and can claim later. BETTORS are addresses or aliases.

    \b
    Example:
      ape run claims settle 3 --game powerball --network polygon:amoy --account ALIAS
    """
    info = market.round(round_id)
    due = {
        user: sum(market.view("claimable", round_id, user))
        for user in dict.fromkeys(bettors or market.bettors(round_id))
    }
    users = [user for user, amount in due.items() if amount]
    if not users:
        raise UserError(f"nothing is due in round {info.title}")
    calls = []
    for start in range(0, len(users), batch):
        some = users[start : start + batch]
        total = coins(sum(due[user] for user in some), market.symbol)
        note = f"{total} to {len(some)} of {len(users)} bettors"
        calls.append(Call(market.contract, "settle", (round_id, some), note=note))
    sender.send_all(market, calls, [("round", info.title)])
    left = {user: sum(market.view("claimable", round_id, user)) for user in users}
    paid = sum(due.values()) - sum(left.values())
    click.echo(f"settled {coins(paid, market.symbol)}")
    for user, amount in left.items():
        if amount:
            click.echo(f"  {user} did not take {coins(amount, market.symbol)}: to be claimed")
