"""ape run deploy: a market for each game, the committee of an oracle, and the record of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ape
import click

from keeper.chain import records
from keeper.domain.draw import GAMES, Game
from scripts import _records
from scripts._cli import ADDRESS, AMOUNT, DURATION, FEE, F, Sender, command, say_sent, signs, warn
from scripts._deployment import (
    PRACTICE_CHAINS,
    Committee,
    Deployable,
    MarketParams,
    deploy,
    prepare_deployment,
    record,
    records_folder,
    web3_of,
)
from scripts._errors import UserError
from scripts._oracle import check_trust, described
from scripts._text import coins, duration, fee

_PRACTICE_DELAY, _DELAY = 0, 2 * 86400
_KEYS = ("admin", "operator", "guardian", "oracle", "fee_recipient")


class _MarketUnlessNamed(click.Group):
    """A group whose command is `market` when options come without the name of one."""

    ignore_unknown_options = True

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click has it."""
        return super().resolve_command(ctx, ["market", *args] if args[0][:1] == "-" else args)


def _key(name: str, what: str) -> Callable[[F], F]:
    return click.option(f"--{name}", type=ADDRESS, help=f"{what} Address or account alias.")


@click.group(cls=_MarketUnlessNamed)
def cli() -> None:
    """Deploys a contract and writes it into the chain's deployment record.

    `ape run deploy --game both` is `ape run deploy market --game both`. The oracle comes first:
    a market is told its address.

    The record is keeper/deployments/<chain id>.json, for local chains
    .build/deployments/<chain id>.json; LOTTOCHAIN_DEPLOYMENTS names another folder.

    The account is one of Ape's: `ape accounts import ALIAS` makes a keystore of a key, whose
    passphrase is asked for, or read from APE_ACCOUNTS_<ALIAS>_PASSPHRASE. TEST::0 to TEST::9 are
    for local chains: everybody knows their keys.
    """


@command(cli)
@click.option("--game", type=click.Choice([*GAMES, "both"]), required=True, help="What to deploy.")
@_key("admin", "Changes settings of later rounds and grants roles.")
@_key("operator", "Opens rounds (the keeper's key).")
@_key("guardian", "Pauses; cancels rounds before their draw.")
@_key("oracle", "Decides the results of rounds created from now on: a ResultOracle.")
@_key("fee-recipient", "Gets the fees.")
@click.option("--fee", type=FEE, default="2%", show_default=True, help="On profit; 5% at most.")
@click.option("--min-bet", type=AMOUNT, default="0.01 POL", show_default=True, help="Smallest bet.")
@click.option("--max-bet", type=AMOUNT, default="1000 POL", show_default=True, help="Largest bet.")
@click.option(
    "--admin-delay",
    type=DURATION,
    help="How long a hand-over of the admin role waits. [default: 2d; none on test networks]",
)
@click.option("--again", is_flag=True, help="Deploy another one where a market is recorded.")
@signs
def market(sender: Sender, game: str, again: bool, **options: Any) -> None:
    """Deploys a market for each game.

    Anyone may deploy. On local chains and test networks the deployer holds every role that no
    option gives to another, and may decide results too; elsewhere each key must be given, and
    the oracle must be a ResultOracle whose dispute window is 10 minutes or more. Amounts are
    written as 0.5 POL, 500 gwei, or whole wei.

    \b
    Example:
      ape run deploy market --game both --oracle 0x... --network polygon:amoy --account ALIAS
    """
    provider = ape.networks.provider
    web3 = web3_of(provider)
    symbol = provider.network.ecosystem.fee_token_symbol
    games = list(GAMES.values()) if game == "both" else [GAMES[game]]
    for old in _standing(games):
        if not again:
            raise UserError(
                f"{old.game.name} is deployed already, at {old.address} in block "
                f"{old.block_number}: --again deploys another and records that one instead"
            )
        kept = web3.eth.get_balance(web3.to_checksum_address(old.address))
        click.echo(f"The {old.game.name} market at {old.address} stays, with {coins(kept, symbol)}")

    markets = [_params(sender, web3.eth.chain_id, one, options) for one in games]
    params = markets[0]
    warn(check_trust(web3, params.oracle))
    shows = [
        *((key.replace("_", " "), getattr(params, key)) for key in _KEYS if key != "oracle"),
        ("oracle", described(web3, params.oracle)),
        ("admin delay", duration(params.admin_delay)),
        ("fee", f"{fee(params.fee_bps)} of the profit"),
        ("bets", f"{coins(params.min_bet, symbol)} to {coins(params.max_bet, symbol)}"),
    ]
    _deploy(sender, {one.game.name: one for one in markets}, shows)


@command(cli)
@click.option(
    "--reporter",
    "reporters",
    type=ADDRESS,
    multiple=True,
    required=True,
    help="Tells the balls that were drawn (a keeper's key); once for each, 15 at most.",
)
@click.option(
    "--quorum",
    type=click.IntRange(min=1),
    help="How many must agree, more than half. [default: just more than half]",
)
@click.option(
    "--dispute-window",
    type=DURATION,
    default="1h",
    show_default=True,
    help="How long a proposal waits for a veto; 24h at most.",
)
@click.option("--guardian", type=ADDRESS, required=True, help="Vetoes. Address or account alias.")
@click.option("--again", is_flag=True, help="Deploy another one where the same is recorded.")
@signs
def oracle(
    sender: Sender,
    reporters: tuple[str, ...],
    quorum: int | None,
    dispute_window: int,
    guardian: str,
    again: bool,
) -> None:
    """Deploys a ResultOracle: a committee that decides the results of markets.

    Anyone may deploy. Reporters, quorum, dispute window and guardian are fixed for good; to
    change one, another oracle is deployed and `ape run settings oracle` names it to a market.

    \b
    Example:
      ape run deploy oracle --reporter A --reporter B --reporter C --quorum 2 --guardian D
    """
    needed = len(reporters) // 2 + 1 if quorum is None else quorum
    committee = Committee(reporters, needed, dispute_window, guardian)
    web3 = web3_of(ape.networks.provider)
    for address, old in _records.oracles(web3.eth.chain_id, records_folder()).items():
        same = old.get("arguments") == committee.arguments()
        if same and not again and web3.eth.get_code(web3.to_checksum_address(address)):
            raise UserError(f"that committee is deployed already, at {address}: --again repeats it")
    if sender.address == guardian:
        warn("the guardian is the deployer, for good: `ape run roles handover` will refuse it")
    if sender.address in reporters:
        warn("the deployer is a reporter, for good: give reporters keys of their own")
    shows = [
        *((f"reporter {i}", reporter) for i, reporter in enumerate(reporters, 1)),
        ("quorum", f"{needed} of {len(reporters)}"),
        ("dispute window", duration(dispute_window)),
        ("guardian", guardian),
    ]
    _deploy(sender, {"oracle": committee}, shows)


def _deploy(
    sender: Sender, plans: dict[str, Deployable], shows: Sequence[tuple[str, object]]
) -> None:
    """Simulates all, asks once, then deploys and records one by one."""
    provider = ape.networks.provider
    network, chain_id = provider.network, web3_of(provider).eth.chain_id
    _records.check_writable(chain_id, records_folder())
    ready = {
        name: prepare_deployment(ape.project, sender.account, params, sender.cap)
        for name, params in plans.items()
    }
    where = f"{network.ecosystem.name}:{network.name} ({chain_id})"
    sender.confirm(
        [("deploy", " and ".join(plans)), ("chain", where), *shows],
        list(ready.values()),
        network.ecosystem.fee_token_symbol,
    )
    for name, params in plans.items():
        done = deploy(ape.project, sender.account, params, ready[name], say_sent)
        click.echo(f"{name} deployed at {done['address']} in block {done['blockNumber']}")
        click.echo(f"recorded in {record(provider, done)}")


def _standing(games: list[Game]) -> list[records.Deployment]:
    """Those of the games that the record has, unless a local chain has forgotten them."""
    web3 = web3_of(ape.networks.provider)
    chain_id = web3.eth.chain_id
    if not records.record_path(chain_id, records_folder()).exists():
        return []
    known = records.load(chain_id, records_folder())
    return [
        known[game.name]
        for game in games
        if game.name in known
        and (
            chain_id not in records.LOCAL_CHAINS
            or web3.eth.get_code(web3.to_checksum_address(known[game.name].address))
        )
    ]


def _params(sender: Sender, chain_id: int, game: Game, options: dict[str, Any]) -> MarketParams:
    practice = chain_id in PRACTICE_CHAINS
    missing = [f"--{key.replace('_', '-')}" for key in _KEYS if options[key] is None]
    if missing and not practice:
        raise UserError(f"chain {chain_id} is for real money: give {', '.join(missing)}")
    delay = options["admin_delay"]
    return MarketParams(
        game=game,
        admin_delay=delay if delay is not None else _PRACTICE_DELAY if practice else _DELAY,
        **{key: options[key] or sender.address for key in _KEYS},
        fee_bps=options["fee"],
        min_bet=options["min_bet"],
        max_bet=options["max_bet"],
    )
