"""ape run oracle: the results of rounds, by a committee or by one account."""

from __future__ import annotations

from collections.abc import Callable

import click

from keeper.chain.contracts import report as report_of
from keeper.domain.calendar import draw_date
from keeper.domain.draw import Game, make_draw, winning_number
from keeper.domain.lines import Outcome, Prediction, RoundStatus, outcome
from scripts._cli import BALLS, EVIDENCE, ROUND, F, Sender, command, on_market, sends
from scripts._errors import UserError
from scripts._market import Market, Round
from scripts._oracle import Oracle, Standing, described, oracle_at, oracle_of
from scripts._text import coins, derivation, duration, pairs, when

_NO_EVIDENCE = bytes(32)


@click.group()
def cli() -> None:
    """Gives the results of rounds, and shows how far they are.

    A round's result comes from the oracle that its market had when it opened. With a committee
    (ResultOracle) reporters report balls, a quorum makes a proposal, the guardian may veto it,
    and after the dispute window anyone finalizes it. An ordinary account that is the oracle
    finalizes at once.
    """


def _balls(*, required: bool) -> Callable[[F], F]:
    def add(function: F) -> F:
        for name, kind, what in (
            ("--special", click.IntRange(min=1), "The Powerball or the Mega Ball."),
            ("--whites", BALLS, "The five white balls, as 15,19,20,61,70."),
        ):
            function = click.option(name, type=kind, required=required, help=what)(function)
        return function

    return add


@command(cli)
@click.argument("round_id", metavar="[ROUND]", type=ROUND, required=False)
@on_market
def status(market: Market, round_id: int | None) -> None:
    """Shows the committee that decides later rounds, or ROUND, and what ROUND waits for.

    Sends nothing.

    \b
    Example:
      ape run oracle status 3 --game powerball --network polygon:amoy
    """
    info = None if round_id is None else market.round(round_id)
    address = market.view("oracle") if info is None else info.oracle
    of = "later rounds" if info is None else f"round {info.title}"
    click.echo(f"{market.game.name} {market.address} on {market.where}: {of}")
    oracle = oracle_at(market.web3, address)
    if oracle is None:
        click.echo(pairs([("oracle", f"{described(market.web3, address)}: it decides alone")]))
        return
    told = oracle.committee
    rows: list[tuple[str, object]] = [
        ("oracle", address),
        *((f"reporter {i}", reporter) for i, reporter in enumerate(told.reporters, 1)),
        ("quorum", f"{told.quorum} of {len(told.reporters)}"),
        ("dispute window", duration(told.dispute_window)),
        ("guardian", told.guardian),
    ]
    click.echo(pairs(rows) if info is None else pairs([*rows, *_progress(market, oracle, info)]))


def _progress(market: Market, oracle: Oracle, info: Round) -> list[tuple[str, object]]:
    standing, now = oracle.standing(market, info), market.now()
    rows: list[tuple[str, object]] = [
        ("ballot", standing.ballot),
        ("reports from", when(info.draw_time, now)),
        ("reports until", when(standing.reports_until, now)),
    ]
    votes = {vote.reporter: vote for vote in standing.votes}
    for i, reporter in enumerate(oracle.committee.reporters, 1):
        told = "no vote yet"
        if vote := votes.get(reporter):
            n = winning_number(vote.whites, vote.special)
            told = f"{' '.join(map(str, vote.whites))} + {vote.special}, number {n}"
        rows.append((f"vote {i}", told))
    return [*rows, *_proposal(standing, info, now)]


def _proposal(standing: Standing, info: Round, now: int) -> list[tuple[str, object]]:
    if info.status in (RoundStatus.FINALIZED, RoundStatus.CANCELLED):
        return [("result", info.state)]
    if standing.proposed is None:
        return [("proposal", "none stands")]
    return [
        ("proposal", f"number {standing.proposed}"),
        ("finalizable", when(standing.finalizable_at, now)),
    ]


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@_balls(required=True)
@click.option(
    "--evidence", type=EVIDENCE, help="What it was read from: a file, or the hash of one."
)
@click.option("--no-evidence", is_flag=True, help="Say that nothing was kept.")
@on_market
@sends
def report(
    market: Market,
    sender: Sender,
    round_id: int,
    whites: tuple[int, ...],
    special: int,
    evidence: bytes | None,
    no_evidence: bool,
) -> None:
    """Votes for the balls that were drawn for ROUND.

    For the reporters of the round's committee, from the draw on; a later vote takes the place of
    an earlier one until a quorum agrees. The date is the round's. Evidence is a file that was
    kept, of which the keccak256 is told, or that hash, such as `keeper evidence verify` shows it.

    \b
    Example:
      ape run oracle report 3 --whites 15,19,20,61,70 --special 9 --evidence page.html
    """
    if (evidence is None) is not no_evidence:
        raise UserError("say what was kept: --evidence FILE or HASH, or --no-evidence")
    info = market.round(round_id)
    oracle = oracle_of(market, info)
    draw = make_draw(market.game, draw_date(market.game, info.draw_time), whites, special)
    standing = oracle.standing(market, info)
    agreeing = sum((v.whites, v.special) == (draw.whites, draw.special) for v in standing.votes)
    proof = evidence or _NO_EVIDENCE
    shows = [
        ("oracle", oracle),
        *_result(market, info, draw.winning_number, derivation(draw.whites, special)),
        ("draw", draw),
        ("ballot", f"{standing.ballot}, {agreeing} of {len(standing.votes)} votes are for it"),
        ("evidence", f"0x{proof.hex()}" if evidence else "none"),
    ]
    told = report_of(market.address, round_id, draw, proof)
    sender.send(market, "report", *told, shows=shows, to=oracle.contract)
    click.echo(f"voted for {draw.winning_number} in round {round_id}")
    click.echo(pairs(_proposal(oracle.standing(market, info), info, market.now())))


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@on_market
@sends
def veto(market: Market, sender: Sender, round_id: int) -> None:
    """Refuses the proposal that stands for ROUND: all votes are void, a new ballot begins.

    For the guardian of the round's committee, within the dispute window.

    \b
    Example:
      ape run oracle veto 3 --game powerball --network polygon:amoy --account ALIAS
    """
    info = market.round(round_id)
    oracle = oracle_of(market, info)
    standing = oracle.standing(market, info)
    shows = [
        ("oracle", oracle),
        ("round", info.title),
        ("ballot", standing.ballot),
        ("refused", f"number {standing.proposed}"),
    ]
    sender.send(market, "veto", market.address, round_id, shows=shows, to=oracle.contract)
    click.echo(f"round {round_id} is in ballot {oracle.standing(market, info).ballot}")


@command(cli)
@click.argument("round_id", metavar="ROUND", type=ROUND)
@_balls(required=False)
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

    Where a committee decides, anyone carries its proposal to the market when the dispute window
    is over; no balls are given. Where the round's oracle is an account, it gives the balls; the
    number follows from them: their sum, 50 more if the special ball is odd, the last two digits.
    With --number as well the two must agree; --number alone is taken as it is. Possible from the
    draw until 72 h after it.

    \b
    Example:
      ape run oracle finalize 3 --game mega-millions --network polygon:amoy --account ALIAS
    """
    info = market.round(round_id)
    oracle = oracle_at(market.web3, info.oracle)
    if oracle is None:
        n, origin = number_of(market.game, info.draw_time, whites, special, number)
        shows = _result(market, info, n, origin)
        sender.send(market, "finalizeRound", round_id, n, shows=shows)
    else:
        if (whites, special, number) != (None, None, None):
            raise UserError(
                f"round {round_id} takes what its committee has proposed: give no balls here, "
                "reporters give them by `ape run oracle report`"
            )
        n = oracle.view("proposal", market.address, round_id)[0]
        shows = _result(market, info, n, f"as {oracle}")
        sender.send(market, "finalize", market.address, round_id, shows=shows, to=oracle.contract)
    click.echo(f"round {round_id} has winning number {market.round(round_id).winning_number}")


def _result(market: Market, info: Round, n: int, origin: str) -> list[tuple[str, object]]:
    won = [p.name for p in Prediction if outcome(p, n) is Outcome.WON]
    return [
        ("round", info.title),
        ("matched", coins(info.total_matched, market.symbol)),
        ("number", f"{n}: {origin}"),
        ("wins", ", ".join(won)),
    ]


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
