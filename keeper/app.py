"""The keeper as a whole: the only place that wires its parts together.

One loop follows the chain and tells the web; another does what is due. So nothing that a duty
waits for, a slow publisher or a receipt, holds up what people see.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web
from eth_account.signers.local import LocalAccount

from keeper.chain import keys, records
from keeper.chain.events import EventFeed
from keeper.chain.market import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.chain.sender import GWEI, KeySender, Pricing
from keeper.config import Settings
from keeper.duties import Terms
from keeper.errors import ConfigError
from keeper.follow import Follower
from keeper.ports import Source
from keeper.sources import build as build_sources
from keeper.sources import open_client
from keeper.store.evidence import FileEvidence
from keeper.web.server import build as build_web
from keeper.work import Rest, Worker

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Connection:
    """A node and the markets on its chain."""

    rpc: Rpc
    markets: tuple[ContractMarket, ...]

    async def check(self) -> None:
        """Raises ChainError unless it is the right chain with the right markets."""
        await self.rpc.check()
        for market in self.markets:
            await market.check()


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """The markets that the settings name, checked. Raises ConfigError, ChainError."""
    recorded = records.load(settings.chain_id, settings.deployments)
    if missing := [game for game in settings.games if game not in recorded]:
        raise ConfigError(
            f"no market of {', '.join(missing)} is recorded for chain {settings.chain_id}: "
            "deploy it, or leave it out of LOTTOCHAIN_GAMES"
        )
    rpc = Rpc(settings.rpc_url.get_secret_value(), settings.chain_id, settings.rpc_timeout)
    found = [recorded[game] for game in settings.games]
    markets = tuple(ContractMarket(rpc, d.address, d.game, d.block_number) for d in found)
    connection = Connection(rpc, markets)
    try:
        await connection.check()
        yield connection
    finally:
        await rpc.close()


@contextlib.asynccontextmanager
async def publishers(settings: Settings) -> AsyncIterator[Mapping[str, Source]]:
    """Every source by name, at the addresses that the settings give."""
    urls = {name: str(url) for name, url in settings.sources.items()}
    async with open_client() as client:
        yield build_sources(urls, client, settings.source_timeout)


def account_of(settings: Settings) -> LocalAccount | None:
    """The key's account; None when no key is set. Raises ConfigError."""
    if settings.keystore and settings.keystore_password_file:
        return keys.from_keystore(settings.keystore, settings.keystore_password_file)
    if not settings.key_file:
        return None
    account = keys.from_file(settings.key_file)
    if keys.exposed(settings.key_file):
        log.warning("every user of this machine may read the key", file=str(settings.key_file))
    return account


def sender_of(settings: Settings, rpc: Rpc, *, send: bool) -> KeySender:
    """The sender with the settings' key and prices. Raises ConfigError."""
    account, tip = account_of(settings), settings.tip_gwei
    if send and account is None:
        raise ConfigError("--send needs LOTTOCHAIN_KEY_FILE or LOTTOCHAIN_KEYSTORE")
    pricing = Pricing(
        max_fee=round(settings.max_fee_gwei * GWEI),
        tip=None if tip is None else round(tip * GWEI),
    )
    return KeySender(rpc, account, pricing, dry=not send)


async def run(settings: Settings, *, send: bool) -> None:
    """The keeper until SIGTERM or SIGINT. Raises KeeperError when it cannot start.

    What is on its way to the chain at the end is still awaited a little.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _probe(settings)
    async with connected(settings) as connection, publishers(settings) as sources:
        rpc, markets = connection.rpc, connection.markets
        sender = sender_of(settings, rpc, send=send)
        feed = EventFeed(rpc, markets, settings.log_blocks)
        follower = Follower(
            feed, connection.check, settings.chain_id, markets, settings.poll_seconds
        )
        worker = Worker(
            sender=sender,
            sources=sources,
            evidence=FileEvidence(settings.data_dir),
            terms=Terms(
                rounds_ahead=settings.rounds_ahead,
                report_delay=settings.report_delay_seconds,
                settle_batch=settings.settle_batch,
                least_due=settings.settle_least_wei,
            ),
            views=follower.views,
            seen=follower.seen,
            rest=Rest(settings.retry_seconds),
        )
        addresses = {market.game.name: market.address for market in markets}
        told = {"chain": rpc.chain_id, "account": sender.address, "sending": send}
        log.info("keeper", markets=addresses, **told)
        if send and sender.address and not await rpc.balance(sender.address):
            log.warning("the account has no funds: nothing can be sent", account=sender.address)
        async with _served(settings, follower, {"account": sender.address, "sending": send}):
            await _until(stop, follower, worker, connection)
    log.info("stopped")


async def _until(
    stop: asyncio.Event, follower: Follower, worker: Worker, connection: Connection
) -> None:
    async def work() -> None:
        while True:
            if head := follower.head:
                jobs = [worker.work(market, head.timestamp) for market in connection.markets]
                if any(await asyncio.gather(*jobs)):
                    continue
            await follower.news()

    tasks = [asyncio.create_task(job) for job in (stop.wait(), follower.run(), work())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _served(
    settings: Settings, follower: Follower, health: Mapping[str, object]
) -> AsyncIterator[None]:
    """The web, while this lasts."""
    app = build_web(follower.hub, lambda: health, settings.origins)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=3)
    await runner.setup()
    host, port = settings.http_host, settings.http_port
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as exc:
            why = f"cannot serve on {host}:{port}: {exc.strerror or exc}"
            raise ConfigError(f"LOTTOCHAIN_HTTP_HOST, LOTTOCHAIN_HTTP_PORT: {why}") from exc
        log.info("serving", url=f"http://{host}:{runner.addresses[0][1]}")
        yield
    finally:
        await runner.cleanup()


def _probe(settings: Settings) -> None:
    """Finds out now, not after a draw, that evidence cannot be kept."""
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"evidence")
    except OSError as exc:
        raise ConfigError(f"LOTTOCHAIN_DATA_DIR: cannot write to {folder}: {exc.strerror}") from exc
