"""The command line: run the keeper, ask the publishers, look at the chain, check evidence."""

import asyncio
import datetime as dt
import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from keeper import app, errors, log, show
from keeper.chain.contracts import ContractMarket, ContractOracle
from keeper.config import VARIABLES, Settings, load
from keeper.domain.calendar import NoDraw, draw_time
from keeper.domain.consensus import Agreed, Disagreement, Drawn, Waiting, decide
from keeper.domain.draw import Game, UnknownGame, game_named
from keeper.ports import Fetched, RoundStatus
from keeper.sources import Panel, publishing, read
from keeper.store import evidence, journal

_FILE = click.Path(path_type=Path, dir_okay=False)
_FAILED = errors.ChainError, errors.EvidenceError, errors.HistoryError, errors.JournalError
_EXITS = {Agreed: 0, Waiting: 3, Disagreement: 4}
_LATEST = 10  # rounds that `status` shows
_SETTINGS = "Settings:\n\n\b\n" + "\n".join(f"  {v}\n      {text}" for v, text in VARIABLES.items())


class _Commands(click.Group):
    """Tells what goes wrong in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (errors.KeeperError, UnknownGame, NoDraw) as exc:
            for line in str(exc).splitlines():
                click.echo(f"keeper: {line}", err=True)
            sys.exit(1 if isinstance(exc, _FAILED) else 2)  # 2: bad input


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Keeps betting rounds going on real lottery draws.

    Every setting is an environment variable; `run --help` lists them. A node's address is all that
    most commands need:

    \b
        export LOTTOCHAIN_RPC_URL=https://... LOTTOCHAIN_CHAIN_ID=80002
        python -m keeper status
        python -m keeper run                    # shows what it would do
        LOTTOCHAIN_KEY_FILE=key.hex python -m keeper run --send
    """


@main.command(epilog=_SETTINGS)
@click.option("--send", is_flag=True, help="Send transactions; without it they are only simulated.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in app.Role]),
    default=app.Role.ALL.value,
    show_default=True,
    help="operator: duties, and health for those who look after it; web: serves, without a key.",
)
def run(send: bool, role: str) -> None:
    """Open, lock, report, settle and void rounds, and serve what happens.

    Does what the key's account may do: open rounds with the operator's role, report where it is
    the round's oracle or one of its reporters, and what anybody may. The key comes from
    LOTTOCHAIN_KEY_FILE, or from LOTTOCHAIN_KEYSTORE and LOTTOCHAIN_KEYSTORE_PASSWORD_FILE. Stops
    cleanly on SIGTERM and Ctrl-C, and may be killed at any moment: what is due is read from the
    chain.
    """
    app.start(app.run(_settings(), app.Role(role), send=send))


@main.command()
def reindex() -> None:
    """Make the index of what happened, LOTTOCHAIN_HISTORY, anew from the chain.

    Stop the keepers that use the file first. It takes the old one's place when it is whole; until
    then, and when it fails, the old one stands; what is none is put aside as NAME.damaged.
    """
    settings = _settings()
    last = asyncio.run(app.reindex(settings, show.progress))
    click.echo(f"{settings.history_file} holds what happened up to block {last}")


@main.command(epilog="Exit codes: 0 agreed, 2 bad input, 3 pending, 4 answers that differ.")
@click.argument("game")
@click.argument("date")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def draw(game: str, date: str, as_json: bool) -> None:
    """Ask three publishers for the draw of GAME on DATE, and tell what follows.

    GAME is powerball or mega-millions, DATE the draw's date in New York, as in 2026-08-19. Two
    equal answers of three decide; a source that fails counts as one that has no result yet.
    """
    settings, asked, day = _asked(game, date)

    async def ask() -> list[Fetched]:
        async with app.publishers(settings) as sources:
            return await Panel(sources, asked, day).ask()

    answers = [fetched.answer for fetched in asyncio.run(ask())]
    if as_json:
        click.echo(json.dumps(show.draw_json(asked, day, answers), indent=2))
    else:
        show.answers(answers)
    sys.exit(_EXITS[type(decide(answers))])


@main.group("sources")
def sources_() -> None:
    """Look at the publishers of results one by one."""


@sources_.command(
    epilog="Exit codes: 0 all give one draw, 2 bad input, 3 some give none, 4 they differ."
)
@click.argument("game")
@click.argument("date")
@click.option("--source", "named", multiple=True, metavar="NAME", help="Only this; repeatable.")
@click.option("--raw", is_flag=True, help="Print what came, too, up to 20,000 bytes of it.")
def probe(game: str, date: str, named: tuple[str, ...], raw: bool) -> None:
    """Show what each publisher of GAME answers for DATE, reserves included, and how it is read.

    Of each: the URL asked and when, the HTTP status, size and keccak256 of the raw body, and
    the draw or why there is none. Ask from the machine on which the keeper shall run.
    """
    settings, asked, day = _asked(game, date)
    names = dict.fromkeys(named or publishing(asked))
    if strangers := ", ".join(names.keys() - publishing(asked)):
        known = ", ".join(publishing(asked))
        raise errors.ConfigError(f"no source of {asked.name}: {strangers}; there are {known}")

    async def ask() -> list[Fetched]:
        async with app.publishers(settings) as sources:
            return await asyncio.gather(*(sources[name].fetch(asked, day) for name in names))

    found = asyncio.run(ask())
    show.table(show.PROBE, [row for f in found for row in show.probe_rows(f, raw=raw)])
    draws = [f.answer.draw for f in found if isinstance(f.answer, Drawn)]
    sys.exit(4 if len(set(draws)) > 1 else 3 if len(draws) < len(found) else 0)


@main.command()
@click.argument("game", required=False)
@click.argument("round_id", metavar="[ROUND]", required=False, type=click.IntRange(min=1))
def status(game: str | None, round_id: int | None) -> None:
    """Show the chain, the account and the latest rounds; of one GAME, or one ROUND of it.

    Of a ROUND, and of each that waits for its result, it tells who decides and what they say.
    """
    settings = _settings()
    if game is not None:
        settings = settings.model_copy(update={"games": (game_named(game).name,)})
    asyncio.run(_status(settings, round_id))


@main.group("evidence")
def evidence_() -> None:
    """Check what the sources were recorded to say."""


@evidence_.command()
@click.argument("file", type=_FILE)
def verify(file: Path) -> None:
    """Recompute the hash of an evidence FILE and what follows from the raw answers in it."""
    found, digest = evidence.verify(file, read)
    show.answers([fetched.answer for fetched in found.answers])
    click.echo(f"holds: {found.game} {found.date}, keccak256 0x{digest.hex()}")


@main.group("journal")
def journal_() -> None:
    """Read what was sent with a key."""


@journal_.command("verify")
@click.argument("file", type=_FILE)
def verify_journal(file: Path) -> None:
    """Check that each line of a journal FILE follows from the one before; show what it tells.

    Lines that are missing at the end show by the hash of the last alone: compare it with one
    that was noted before.
    """
    story = journal.verify(file)
    show.table(show.JOURNAL, map(show.journal_row, story.entries))
    live = f"nonce {story.live[0].nonce} is still open" if story.live else "nothing is open"
    if story.torn:
        live += f"; {story.torn} bytes after it were not written to their end and do not count"
    click.echo(f"holds: {len(story.entries)} lines, keccak256 of the last {story.last}; {live}")


# ---- inside


def _settings() -> Settings:
    settings = load()
    log.set_up(as_json=settings.log_format == "json")
    return settings


def _asked(game: str, date: str) -> tuple[Settings, Game, dt.date]:
    """Raises UnknownGame, NoDraw, and ConfigError unless the draw has taken place."""
    settings, asked = _settings(), game_named(game)
    try:
        day = dt.date.fromisoformat(date)
    except ValueError:
        raise errors.ConfigError(f"{date!r:.40} is no date: write it as 2026-08-19") from None
    if (at := draw_time(asked, day)) > time.time():
        raise errors.ConfigError(f"{asked.name} of {day} is not drawn before {show.utc(at)}")
    return settings, asked, day


async def _status(settings: Settings, round_id: int | None) -> None:
    async with app.connected(settings) as (rpc, markets):
        head = await rpc.head()
        when = f"{show.utc(head.timestamp)}, {time.time() - head.timestamp:.0f} s old"
        click.echo(f"chain {settings.chain_id}, block {head.number} of {when}")
        if account := app.account_of(settings):
            wei = await rpc.balance(account.address)
            click.echo(f"account {account.address}, {show.coins(wei)} coins")
        for market in markets:
            click.echo(f"\n{market.game.name} at {market.address}")
            count = await market.round_count()
            if round_id is not None and round_id > count:
                raise errors.ConfigError(f"{market.game.name} has no round {round_id}")
            numbers = [round_id] if round_id else range(count, max(0, count - _LATEST), -1)
            rounds = {number: await market.round_info(number) for number in numbers}
            show.table(show.ROUND, [show.round_row(market.game, *r) for r in rounds.items()])
            for number, info in rounds.items():
                waits = info.status is RoundStatus.LOCKED and head.timestamp >= info.draw_time
                if waits or round_id is not None:
                    rows = await _decider(market, number, info.oracle)
                    show.table(show.DECIDER, [(number, *row) for row in rows])


async def _decider(market: ContractMarket, round_id: int, address: str) -> list[show.Row]:
    """Who decides a round, and how far they have come."""
    oracle = ContractOracle(market, address)
    try:
        standing = await oracle.standing(round_id, None)
        votes = {r: await oracle.vote_of(round_id, r) for r in standing.committee.reporters}
    except errors.WrongContract:
        return [(address, "decides alone")]
    return show.committee_rows(address, standing, votes)


if __name__ == "__main__":
    main(prog_name="python -m keeper")
