"""ape run oracle: give the result of a round."""

from __future__ import annotations

import click

from keeper.domain.calendar import draw_date
from keeper.domain.draw import Game, make_draw
from keeper.domain.lines import Outcome, Prediction, outcome
from scripts._cli import BALLS, ROUND, Sender, command, on_market, sends
from scripts._errors import UserError
from scripts._market import Market
from scripts._text import coins, derivation


@click.group()
def cli() -> None:
    """Gives the results of rounds, for the account that is a round's oracle."""


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@click.option("--whites", type=BALLS, help="The five white balls, as 15,19,20,61,70.")
@click.option("--special", type=click.IntRange(min=1), help="The Powerball or the Mega Ball.")
@click.option("--number", type=click.IntRange(0, 99), help="The winning number itself, 0 to 99.")
@on_market
@sends
def finalize(
    *,
    market: Market,
    sender: Sender,
    round_id: int,
    whites: tuple[int, ...] | None,
    special: int | None,
    number: int | None,
) -> None:
    """Gives ROUND its winning number, once and for all: it decides who is paid.

    For the round's oracle, from the draw until 72 h after it. Give the balls; the number follows
    from them: their sum, 50 more if the special ball is odd, the last two digits. With --number
    as well the two must agree; --number alone is taken as it is.

    \b
    Example:
      ape run oracle finalize 3 --whites 15,19,20,61,70 --special 9 --game mega-millions
    """
    info = market.round(round_id)
    n, origin = number_of(market.game, info.draw_time, whites, special, number)
    won = [p.name for p in Prediction if outcome(p, n) is Outcome.WON]
    shows = [
        ("round", info.title),
        ("matched", coins(info.total_matched, market.symbol)),
        ("number", f"{n}: {origin}"),
        ("wins", ", ".join(won)),
    ]
    sender.send(market, "finalizeRound", round_id, n, shows=shows)
    click.echo(f"round {round_id} has winning number {n}")


def number_of(
    game: Game,
    draw_time: int,
    whites: tuple[int, ...] | None,
    special: int | None,
    number: int | None,
) -> tuple[int, str]:
    """The winning number, and where it comes from. Raises UserError, InvalidDraw."""
    if (whites is None) is not (special is None):
        raise UserError("the balls are five: give both --whites and --special")
    if whites is None or special is None:
        if number is None:
            raise UserError("give the balls: --whites 15,19,20,61,70 --special 9")
        return number, "as given, CHECK IT: no balls were given to derive it from"
    draw = make_draw(game, draw_date(game, draw_time), whites, special)
    if number not in (None, draw.winning_number):
        raise UserError(
            f"--number {number} is not what the balls give: {derivation(draw.whites, special)}"
        )
    return draw.winning_number, derivation(draw.whites, special)
