"""The keeper as a whole: the only place that wires its parts together.

One loop follows the chain and tells the web; another for each market does what is due. So nothing
that a duty waits for, a slow publisher or a receipt, holds up what people see.
"""

import asyncio
import contextlib
import gc
import math
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

import structlog
import uvloop
from aiohttp import web
from eth_account.signers.local import LocalAccount
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond

from feed.api import Api, Encode
from feed.client import Limits
from feed.decisions import Decisions
from feed.history import History
from feed.http import Gate
from feed.hub import Hub
from feed.server import Server
from feed.store import Limiter, MemoryStore, RedisStore, connect
from keeper import metrics, notify
from keeper.chain import keys, records
from keeper.chain.contracts import ContractMarket
from keeper.chain.events import EventFeed
from keeper.chain.fees import GWEI, Pricing
from keeper.chain.rpc import Rpc
from keeper.chain.sender import KeySender, Simulator
from keeper.config import Settings, need, variable
from keeper.duties import Terms
from keeper.errors import ChainError, ConfigError
from keeper.follow import Follower
from keeper.oracles import Asked, Oracles
from keeper.ports import Source, Store
from keeper.sources import build as build_sources
from keeper.sources import open_client
from keeper.store.evidence import FileEvidence
from keeper.store.journal import FileJournal
from keeper.store.lease import RedisLease
from keeper.work import Rest, Worker

log = structlog.get_logger()

_Job = Callable[[], Coroutine[Any, Any, None]]
_BALANCE_SECONDS = 60.0  # between looks at it
_KEY_SETTINGS = ("key_file", "keystore", "keystore_password_file")


class Role(StrEnum):
    """What an instance does: the duties, the web, or both."""

    ALL = "all"
    OPERATOR = "operator"
    WEB = "web"


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[tuple[Rpc, list[ContractMarket]]]:
    """The node and the markets that the settings name, checked. Raises ConfigError, ChainError."""
    need(settings, "rpc_url", "chain_id")
    recorded = records.load(settings.chain_id, settings.deployments)
    if missing := [game for game in settings.games if game not in recorded]:
        why = f"no market of {', '.join(missing)} is recorded for chain {settings.chain_id}"
        raise ConfigError(f"{why}: deploy it, or leave it out of LOTTOCHAIN_GAMES")
    urls = [str(url.get_secret_value()) for url in settings.rpc_url]
    rpc = Rpc(urls, settings.chain_id, settings.rpc_timeout, settings.head_age)
    found = [recorded[game] for game in settings.games]
    markets = [ContractMarket(rpc, d.address, d.game, d.block_number) for d in found]
    try:
        for market in markets:
            await market.check()
        yield rpc, markets
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
    store, password, file = settings.keystore, settings.keystore_password_file, settings.key_file
    if store and password:
        files = {"keystore": store, "keystore_password_file": password}
    elif file:
        files = {"key_file": file}
    else:
        return None
    try:
        account = (keys.from_keystore if store else keys.from_file)(*files.values())
    except ConfigError as exc:
        raise ConfigError(f"{', '.join(map(variable, files))}: {exc}") from None
    if all(map(keys.exposed, files.values())):
        told = ", ".join(map(str, files.values()))
        log.warning("every user of this machine may read the key", file=told)
    return account


def start(main: Coroutine[Any, Any, None]) -> None:
    """Runs it to its end on a loop that is fit for thousands of connections.

    Python's garbage collector looks at all that there is, and everybody waits meanwhile: so it
    looks seldom, and never at what was there from the start; but before what some thousand closed
    connections leave behind fills the memory.
    """
    gc.freeze()
    gc.set_threshold(50_000, 1, 1)
    uvloop.run(main)


async def run(settings: Settings, role: Role = Role.ALL, *, send: bool) -> None:
    """The keeper until SIGTERM or SIGINT. Raises KeeperError when it cannot start.

    What is on its way to the chain at the end is still awaited a little.
    """
    account = _account_for(role, settings, send=send)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        rpc, markets = await stack.enter_async_context(connected(settings))
        store, limiter = await stack.enter_async_context(_shared(settings))
        depth = None if settings.confirmations == "finalized" else settings.confirmations
        limits = Limits(settings.connections, messages_per_second=settings.messages_per_second)
        hub = Hub(rpc.chain_id, limits=limits)
        subject = _subject(rpc.chain_id, markets)
        history = None if role is Role.OPERATOR else History(settings.history_file, subject)
        reading = settings.log_blocks, settings.poll_seconds, depth
        follower = Follower(rpc, markets, *reading, hub, history)
        sender = Simulator(rpc, None if account is None else str(account.address))
        told = {"role": role, "account": sender.address, "sending": send}
        addresses = {market.game.name: market.address for market in markets}
        log.info("keeper", chain=rpc.chain_id, markets=addresses, **told)
        jobs: list[_Job] = [follower.run, hub.run, notify.watchdog]
        if send and account:
            journal = FileJournal(settings.data_dir, rpc.chain_id, account.address)
            stack.callback(journal.close)
            lease = _lease(settings, account)
            sender = KeySender(rpc, account, _pricing(settings), journal, lease)
            jobs += [lease.run] if lease else []
            jobs += [partial(_in_funds, sender, settings.low_balance_wei), sender.watch]
        if role is not Role.WEB:
            sources = await stack.enter_async_context(publishers(settings))
            evidence, asked = FileEvidence(settings.data_dir), Asked(store)
            for market in markets:
                parts = market, follower, sender, sources, evidence, asked, _terms(settings)
                jobs.append(Worker(*parts, Rest(settings.retry_seconds)).run)
        api = None
        if history:
            stack.callback(history.close)
            oracles = Oracles(markets, follower, store, partial(hub.replace, "oracle"))
            encode: dict[str, Encode] = {market.address: market.encode for market in markets}
            decisions = Decisions(oracles, store, rpc.chain_id, settings.log_blocks)
            api = Api(hub, history, rpc.chain_id, encode, decisions)
            jobs.append(partial(oracles.run, max(settings.poll_seconds, 1.0)))
            jobs.append(partial(api.tell_stats, hub.replace))
        runner = _web(settings, hub, api, told, limiter)
        stack.push_async_callback(runner.cleanup)
        await _listen(runner, settings.http_host, settings.http_port)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = [tasks.create_task(job()) for job in jobs]
        notify.tell(notify.READY)
        await stop.wait()
        notify.tell(notify.STOPPING)
        for job in running:
            job.cancel()
    log.info("stopped")


def _account_for(role: Role, settings: Settings, *, send: bool) -> LocalAccount | None:
    """The key's account, if the role has one. Raises ConfigError."""
    if role is Role.WEB:
        named = [variable(name) for name in _KEY_SETTINGS if getattr(settings, name)]
        if send or named:
            what = ", ".join([*named, *(["--send"] if send else [])])
            raise ConfigError(f"--role web holds no key and sends nothing: it goes without {what}")
        return None
    account = account_of(settings)
    if send and account is None:
        raise ConfigError("--send needs LOTTOCHAIN_KEY_FILE or LOTTOCHAIN_KEYSTORE")
    return account


@contextlib.asynccontextmanager
async def _shared(settings: Settings) -> AsyncIterator[tuple[Store, Limiter]]:
    """What instances share by their Redis; without one this process has it to itself."""
    rates = {
        "rest": RateLimitItemPerSecond(settings.rest_per_second),
        "connect": RateLimitItemPerMinute(settings.connects_per_minute),
    }
    if settings.redis_url is None:
        yield MemoryStore(), Limiter(rates)
        return
    try:
        redis = connect(str(settings.redis_url.get_secret_value()))
    except (TypeError, ValueError):  # an option in it, which it would show
        raise ConfigError("LOTTOCHAIN_REDIS_URL: an option in it is not one of Redis") from None
    async with redis:
        yield RedisStore(redis), Limiter(rates, redis)


async def reindex(settings: Settings, tell: Callable[[int, int], None]) -> int:
    """Makes the history anew from the chain; the number of the last block in it.

    `tell` hears up to which block it was read, and of how many. Raises KeeperError; what there was
    before then still stands.
    """
    async with connected(settings) as (rpc, markets):
        feed = EventFeed(rpc, markets, settings.log_blocks)
        subject = _subject(rpc.chain_id, markets)
        with History.anew(settings.history_file, subject) as history:
            while True:
                batch = await feed.poll()
                if batch.lost and not batch.survives:
                    history.begin()
                history.take(batch.settled, batch.unsettled, batch.blocks[0])
                tell(batch.read.number, batch.newest)
                if batch.complete:
                    return batch.read.number


def _subject(chain_id: int, markets: Sequence[ContractMarket]) -> str:
    """What a history is of."""
    return " ".join([str(chain_id), *sorted(market.address for market in markets)])


def _terms(settings: Settings) -> Terms:
    return Terms(
        rounds_ahead=settings.rounds_ahead,
        report_delay=settings.report_delay_seconds,
        settle_batch=settings.settle_batch,
        least_due=settings.settle_least_wei,
        settle_gas=math.inf if settings.settle_gas is None else settings.settle_gas,
    )


def _pricing(settings: Settings) -> Pricing:
    tip = None if settings.tip_gwei is None else round(settings.tip_gwei * GWEI)
    cap, after = round(settings.max_fee_gwei * GWEI), settings.replace_seconds
    return Pricing(cap, tip, replace_after=after, patience=4 * after)


def _lease(settings: Settings, account: LocalAccount) -> RedisLease | None:
    if settings.redis_url is None:
        return None
    key = f"lottochain:lease:{settings.chain_id}:{account.address}"
    url = str(settings.redis_url.get_secret_value())  # whose options were found to be good
    return RedisLease(url, key, settings.lease_seconds)


async def _in_funds(sender: KeySender, least: int) -> None:
    """For ever looks at the balance, and raises an alarm whenever it falls below `least` wei."""
    low = False
    while True:
        with contextlib.suppress(ChainError):  # told by whoever follows the chain
            wei = await sender.rpc.balance(sender.address)
            metrics.BALANCE.set(wei)
            if wei < least and not low:
                log.error("the account runs out of funds", account=sender.address, wei=wei)
            low = wei < least
        await asyncio.sleep(_BALANCE_SECONDS)


def _web(
    settings: Settings, hub: Hub, api: Api | None, health: Mapping[str, object], limiter: Limiter
) -> web.AppRunner:
    """What is served."""

    def troubles() -> list[str]:
        if (head := hub.board.head) is None:
            return ["the chain is not read yet"]
        age = int(time.time()) - head.timestamp
        return [f"the newest block is {age} s old"] if age > settings.head_age else []

    gate = Gate(settings.origins, settings.hosts, settings.proxies, limiter)
    server = Server(hub, lambda: health, troubles, gate, api)
    return server.runner(shutdown_timeout=3)


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    """Serves from now on. Raises ConfigError when another has the address, or nobody may."""
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as exc:
        why = f"cannot serve on {host}:{port}: {exc.strerror or exc}"
        raise ConfigError(f"LOTTOCHAIN_HTTP_HOST, LOTTOCHAIN_HTTP_PORT: {why}") from exc
    log.info("serving", url=f"http://{host}:{runner.addresses[0][1]}")
