"""A chain for each test, and what the keeper's own chain layer sees of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from demo.publishers import Publishers
from keeper.chain.contracts import ContractMarket
from keeper.chain.events import DEPTH
from keeper.chain.fees import Pricing
from keeper.chain.rpc import Rpc
from keeper.chain.sender import KeySender
from keeper.domain.calendar import draw_time
from keeper.domain.draw import POWERBALL
from keeper.ports import Store
from keeper.store.journal import FileJournal
from tests.keeper.chain.process import Home
from tests.keeper.chain.proxy import Proxy, proxied
from tests.keeper.chain.waiting import PATIENCE
from tests.keeper.chainfixtures import (
    ADMIN,
    BETTORS,
    KEEPER,
    KEEPER_KEY,
    REPORTER_KEYS,
    Chain,
    Deployed,
    DeployedOracle,
    E,
    running_chain,
)
from tests.keeper.redisfixture import RedisServer, running_redis, store_in

DRAW = draw_time(POWERBALL, dt.date(2026, 8, 19))
START = DRAW - 86_400

Senders = Callable[..., KeySender]


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    """An anvil that starts a day before the Powerball draw of 2026-08-19."""
    async with running_chain(START) as running:
        yield running


@pytest.fixture
async def deployed(chain: Chain) -> Deployed:
    """A Powerball market with one round, 1, for that draw."""
    market = await chain.deploy(POWERBALL)
    await market.do(KEEPER, "createRound", DRAW)
    return market


@pytest.fixture
async def busy(chain: Chain, deployed: Deployed) -> Deployed:
    """A market with two rounds in which all sorts of things happened that are settled."""
    await deployed.do(KEEPER, "createRound", DRAW + 3 * 86_400)
    for number, amount in ((1, 3 * E), (2, 2**60 + 1)):
        await deployed.bet(BETTORS[0], number, 0, amount)
        await deployed.bet(BETTORS[1], number, 1, E)
        await deployed.bet(BETTORS[2], number, 4, E)
    await deployed.do(BETTORS[0], "cancelUnmatched", 2, 0)
    await chain.move_to(DRAW + 60)
    await deployed.do(KEEPER, "finalizeRound", 1, 0)
    await deployed.do(KEEPER, "settle", 1, [BETTORS[0]])
    await deployed.do(ADMIN, "setBetLimits", 2 * 10**9, 500 * E)
    await chain.rpc("anvil_mine", hex(DEPTH + 40))
    await deployed.bet(BETTORS[1], 2, 1, E)  # this is not yet
    return deployed


@pytest.fixture
async def node(chain: Chain) -> AsyncIterator[Proxy]:
    """Before the chain: it knows what was asked."""
    async with proxied(chain.url) as running:
        yield running


@pytest.fixture
async def rpc(chain: Chain) -> AsyncIterator[Rpc]:
    """The keeper's endpoint on the chain."""
    opened = Rpc([chain.url], chain.chain_id, PATIENCE)
    yield opened
    await opened.close()


@pytest.fixture
def market(rpc: Rpc, deployed: Deployed) -> ContractMarket:
    """The market, as the keeper sees it."""
    return ContractMarket(rpc, deployed.address, deployed.game, deployed.block)


@pytest.fixture
async def oracle(chain: Chain) -> DeployedOracle:
    """Two of three reporters, an hour to veto."""
    return await chain.deploy_oracle()


@pytest.fixture
async def decided(chain: Chain, oracle: DeployedOracle) -> Deployed:
    """A market with a round, 1, that the committee decides; EVEN has a coin more than ODD."""
    market = await chain.deploy(POWERBALL, oracle=oracle.address)
    await market.do(KEEPER, "createRound", DRAW)
    await market.bet(BETTORS[0], 1, 0, 3 * E)
    await market.bet(BETTORS[1], 1, 1, 2 * E)
    return market


@pytest.fixture
async def held(chain: Chain, deployed: Deployed) -> Chain:
    """The chain, which mines only when told from now on."""
    await chain.rpc("evm_setAutomine", False)
    return chain


@pytest.fixture
def account() -> LocalAccount:
    """Of the keeper's key."""
    found: LocalAccount = Account.from_key(KEEPER_KEY)
    return found


@pytest.fixture
def senders(rpc: Rpc, account: LocalAccount, tmp_path: Path) -> Iterator[Senders]:
    """Makes keepers' senders; one after the other in a folder, the one before as if killed."""
    journals: dict[str, FileJournal] = {}

    def start(pricing: Pricing, folder: str = "one", lease: Any = None) -> KeySender:
        if folder in journals:
            journals[folder].close()
        journals[folder] = FileJournal(tmp_path / folder, 31337, KEEPER)
        return KeySender(rpc, account, pricing, journals[folder], lease)

    yield start
    for journal in journals.values():
        journal.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late a Redis answers, it answers in time."""
    for name in ("_PATIENCE", "_HURRY"):
        monkeypatch.setattr(f"feed.store.{name}", PATIENCE)


@pytest.fixture
async def redis(tmp_path: Path, patient: None) -> AsyncIterator[RedisServer]:
    async with running_redis(tmp_path) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, chain: Chain, decided: Deployed, publishers: Publishers) -> Home:
    """Of a reporter of the committee."""
    return Home.make(tmp_path, chain, [decided], publishers, REPORTER_KEYS[0])


@pytest.fixture(params=["memory", "redis"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, patient: None
) -> AsyncIterator[Store]:
    async with store_in(request.param, tmp_path) as kept:
        yield kept
