"""ape run deploy: a market for each game, and the record of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ape
import click

from keeper.chain import records
from keeper.domain.draw import GAMES, Game
from scripts import _records
from scripts._cli import ADDRESS, AMOUNT, DURATION, FEE, Command, F, Sender, say_sent, sends
from scripts._deployment import (
    MarketParams,
    deploy_market,
    prepare_deployment,
    record,
    records_folder,
    web3_of,
)
from scripts._errors import UserError
from scripts._text import coins, duration, fee

# Where a deployer may well hold every role: local chains, and test networks.
_PRACTICE_CHAINS = records.LOCAL_CHAINS | {80001, 80002}
_PRACTICE_DELAY, _DELAY = 0, 2 * 86400
_KEYS = ("admin", "operator", "guardian", "oracle", "fee_recipient")


def _key(name: str, what: str) -> Callable[[F], F]:
    return click.option(f"--{name}", type=ADDRESS, help=f"{what} Address or account alias.")


@click.command(cls=Command)
@click.option("--game", type=click.Choice([*GAMES, "both"]), required=True, help="What to deploy.")
@_key("admin", "Changes settings of later rounds and grants roles.")
@_key("operator", "Opens rounds (the keeper's key).")
@_key("guardian", "Pauses; cancels rounds before their draw.")
@_key("oracle", "Decides the results of rounds created from now on.")
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
@sends
def cli(sender: Sender, game: str, again: bool, **options: Any) -> None:
    """Deploys a market for each game and writes it into the chain's deployment record.

    Anyone may deploy. On local chains and test networks the deployer holds every role that no
    option gives to another; elsewhere each must be given. Amounts are written as 0.5 POL,
    500 gwei, or whole wei. The record is keeper/deployments/<chain id>.json, for local chains
    .build/deployments/<chain id>.json; LOTTOCHAIN_DEPLOYMENTS names another folder.

    The account is one of Ape's: `ape accounts import ALIAS` makes a keystore of a key, whose
    passphrase is asked for, or read from APE_ACCOUNTS_<ALIAS>_PASSPHRASE. TEST::0 to TEST::9 are
    for local chains: everybody knows their keys.

    \b
    Example:
      ape run deploy --game both --network polygon:amoy --account ALIAS
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

    params = _params(sender, web3.eth.chain_id, options)
    _records.check_writable(web3.eth.chain_id, records_folder())
    prepared = [
        prepare_deployment(ape.project, sender.account, one, params, sender.cap) for one in games
    ]
    network = provider.network
    sender.confirm(
        [
            ("deploy", " and ".join(one.name for one in games)),
            ("chain", f"{network.ecosystem.name}:{network.name} ({web3.eth.chain_id})"),
            *((key.replace("_", " "), getattr(params, key)) for key in _KEYS),
            ("admin delay", duration(params.admin_delay)),
            ("fee", f"{fee(params.fee_bps)} of the profit"),
            ("bets", f"{coins(params.min_bet, symbol)} to {coins(params.max_bet, symbol)}"),
        ],
        prepared,
        symbol,
    )
    for one, ready in zip(games, prepared, strict=True):
        done = deploy_market(ape.project, sender.account, one, params, ready, say_sent)
        click.echo(f"{one.name} deployed at {done['address']} in block {done['blockNumber']}")
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


def _params(sender: Sender, chain_id: int, options: dict[str, Any]) -> MarketParams:
    practice = chain_id in _PRACTICE_CHAINS
    missing = [f"--{key.replace('_', '-')}" for key in _KEYS if options[key] is None]
    if missing and not practice:
        raise UserError(f"chain {chain_id} is for real money: give {', '.join(missing)}")
    delay = options["admin_delay"]
    return MarketParams(
        admin_delay=delay if delay is not None else _PRACTICE_DELAY if practice else _DELAY,
        **{key: options[key] or sender.address for key in _KEYS},
        fee_bps=options["fee"],
        min_bet=options["min_bet"],
        max_bet=options["max_bet"],
    )
