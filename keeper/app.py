"""The keeper as a whole: the only place that wires its parts together, and its two loops.

One loop follows the chain and tells the web; the other does what is due. So nothing that a duty
waits for, a slow publisher or a receipt, holds up what people see.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from eth_account.signers.local import LocalAccount

from keeper.chain import keys, records
from keeper.chain.events import Batch, EventFeed
from keeper.chain.market import ContractMarket
from keeper.chain.rpc import Rpc
from keeper.chain.sender import GWEI, KeySender, Pricing
from keeper.config import Settings
from keeper.duties import Terms
from keeper.errors import ChainError, ConfigError
from keeper.ports import Head, Source
from keeper.projection import MarketView
from keeper.sources import build as build_sources
from keeper.sources import open_client
from keeper.store.evidence import FileEvidence
from keeper.web.hub import Hub
from keeper.web.server import build as build_web
from keeper.work import Rest, Worker

log = structlog.get_logger()

_SEEN_WITHIN = 60.0  # seconds for the views to take what was mined, unless the chain changed


@dataclass(frozen=True, slots=True)
class Connection:
    """A node and the markets on its chain, both checked."""

    rpc: Rpc
    markets: tuple[ContractMarket, ...]

    async def check(self) -> None:
        """Raises ChainError unless it is the right chain with the right markets."""
        await self.rpc.check()
        for market in self.markets:
            await market.check()


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """The markets that the settings name. Raises ConfigError, ChainError."""
    recorded = records.load(settings.chain_id, settings.deployments)
    if missing := [game for game in settings.games if game not in recorded]:
        raise ConfigError(
            f"no market of {', '.join(missing)} is recorded for chain {settings.chain_id}: "
            "deploy it, or leave it out of LOTTOCHAIN_GAMES"
        )
    rpc = Rpc(settings.rpc_url.get_secret_value(), settings.chain_id, settings.rpc_timeout)
    try:
        markets = tuple(
            ContractMarket(rpc, found.address, found.game, found.block_number)
            for found in (recorded[game] for game in settings.games)
        )
        connection = Connection(rpc, markets)
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


class Keeper:
    """Follows the chain, does what is due, serves what it knows."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        sources: Mapping[str, Source],
        *,
        send: bool,
    ) -> None:
        self._settings, self._connection, self._send = settings, connection, send
        self._feed = EventFeed(connection.rpc, connection.markets, settings.log_blocks)
        self._views = self._empty_views()
        self._hub = Hub(settings.chain_id, list(self._views.values()))
        self._read: Head | None = None  # the views hold everything up to here
        self._whole = False  # they did once reach the head of this chain
        self._news, self._hurry = asyncio.Event(), asyncio.Event()
        account = account_of(settings)
        if send and account is None:
            raise ConfigError("--send needs LOTTOCHAIN_KEY_FILE or LOTTOCHAIN_KEYSTORE")
        self._sender = KeySender(connection.rpc, account, _pricing(settings), dry=not send)
        self._worker = Worker(
            sender=self._sender,
            sources=sources,
            evidence=FileEvidence(settings.data_dir),
            terms=Terms(
                rounds_ahead=settings.rounds_ahead,
                report_delay=settings.report_delay_seconds,
                settle_batch=settings.settle_batch,
                least_due=settings.settle_least_wei,
            ),
            views=self._views,
            seen=self._seen,
            rest=Rest(settings.retry_seconds),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; what is on its way to the chain then is still awaited a little."""
        await self._greet()
        async with self._served():
            tasks = [
                asyncio.create_task(job)
                for job in (stop.wait(), self._follow_for_ever(), self._work_for_ever())
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        log.info("stopped")

    # ---- following the chain

    async def _follow_for_ever(self) -> None:
        trouble = ""
        while True:
            self._hurry.clear()
            try:
                if trouble:
                    await self._connection.check()
                batch = await self._feed.poll()
            except ChainError as exc:
                if str(exc) != trouble:
                    log.warning("cannot follow the chain", why=str(exc))
                trouble = str(exc)
            else:
                if trouble:
                    log.info("following the chain again", head=batch.head.number)
                trouble = ""
                self._take(batch)
                if not batch.complete:
                    continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._settings.poll_seconds)

    def _take(self, batch: Batch) -> None:
        """Brings the views and then the web up to date."""
        if batch.restarted:
            log.warning("the chain is not the one read before: reading it anew")
            self._views.update(self._empty_views())
            self._whole = False
        for event in batch.events:
            self._views[event.market].apply(event)
        for view in self._views.values():
            view.advance(batch.read.timestamp)
        self._read = batch.read
        if self._whole:
            self._hub.publish(batch.events, batch.read, None)
        elif batch.complete:
            self._whole = True
            self._hub.reset(list(self._views.values()), batch.read, None)
            log.info("the chain is read", head=batch.head.number)
        self._news.set()
        self._news.clear()

    async def _seen(self, block: int) -> None:
        """Returns when the views hold the block, at the latest after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEEN_WITHIN):
                while self._read is None or self._read.number < block:
                    self._hurry.set()
                    await self._news.wait()

    # ---- doing what is due

    async def _work_for_ever(self) -> None:
        while True:
            if self._whole and self._read is not None:
                now = self._read.timestamp
                jobs = [self._worker.work(market, now) for market in self._connection.markets]
                if any(await asyncio.gather(*jobs)):
                    continue
            await self._news.wait()

    # ---- the rest

    def _empty_views(self) -> dict[str, MarketView]:
        return {m.address: MarketView(m.address, m.game) for m in self._connection.markets}

    async def _greet(self) -> None:
        account = self._sender.address
        log.info(
            "keeper",
            chain=self._settings.chain_id,
            markets={m.game.name: m.address for m in self._connection.markets},
            account=account,
            sending=self._send,
        )
        if self._send and account and not await self._connection.rpc.balance(account):
            log.warning("the account has no funds: nothing can be sent", account=account)

    def _health(self) -> Mapping[str, Any]:
        return {"sending": self._send, "account": self._sender.address}

    @contextlib.asynccontextmanager
    async def _served(self) -> AsyncIterator[None]:
        settings = self._settings
        app = build_web(self._hub, self._health, settings.origins)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=3)
        await runner.setup()
        try:
            where = f"{settings.http_host}:{settings.http_port}"
            try:
                await web.TCPSite(runner, settings.http_host, settings.http_port).start()
            except OSError as exc:
                raise ConfigError(
                    f"LOTTOCHAIN_HTTP_HOST, LOTTOCHAIN_HTTP_PORT: cannot serve on {where}: "
                    f"{exc.strerror or exc}"
                ) from exc
            log.info("serving", url=f"http://{settings.http_host}:{runner.addresses[0][1]}")
            yield
        finally:
            await runner.cleanup()


async def run(settings: Settings, *, send: bool) -> None:
    """The keeper until SIGTERM or SIGINT. Raises KeeperError when it cannot start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _writable(settings)
    async with connected(settings) as connection, publishers(settings) as sources:
        await Keeper(settings, connection, sources, send=send).run(stop)


def _writable(settings: Settings) -> None:
    """Finds out now, not after a draw, that evidence cannot be kept."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.data_dir / ".probe"
        probe.write_bytes(b"evidence")
        probe.unlink()
    except OSError as exc:
        raise ConfigError(
            f"LOTTOCHAIN_DATA_DIR: cannot write to {settings.data_dir}: {exc.strerror}"
        ) from exc


def _pricing(settings: Settings) -> Pricing:
    tip = settings.tip_gwei
    return Pricing(
        max_fee=round(settings.max_fee_gwei * GWEI),
        tip=None if tip is None else round(tip * GWEI),
    )
