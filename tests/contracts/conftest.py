"""Markets on the real calendars of both games, on a chain whose time the tests set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ape import chain

from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from scripts._contracts import contract_type
from tests.contracts.support.codec import Abi, checksummed
from tests.contracts.support.desk import EVEN, ODD, POL, Desk, People, Puppet, Round
from tests.contracts.support.node import Node, Reverted
from tests.contracts.support.solidity import deployment

# A chain's time only goes forward, so that the tests' calendar begins here whenever they run.
START = 1_893_456_000  # 2030-01-01 00:00 UTC, a Tuesday
FEE_BPS = 200
MIN_BET, MAX_BET = POL // 100, 100 * POL


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    node = Node(chain.provider.uri)
    node.mine_at(START)
    yield node
    node.close()


@pytest.fixture(scope="session")
def people(accounts) -> People:
    names = [accounts[index].address for index in range(16)]
    return People(*names[:6], bettors=tuple(names[6:]))


@pytest.fixture(scope="session")
def market_type(project) -> Any:
    """What Ape's compiler made of the contract."""
    return contract_type(project, "P2PLotteryBetting")


@pytest.fixture(scope="session")
def abi(market_type) -> Abi:
    return Abi(market_type.model_dump(mode="json", by_alias=True)["abi"])


@pytest.fixture(scope="session")
def deploy(node, people, market_type, abi):
    """Deploys a market; any parameter of the constructor can be replaced by name."""
    bytecode = str(market_type.deployment_bytecode.bytecode)

    def deploy(game: Game = POWERBALL, **changes: Any) -> Desk:
        parameters = {
            "game": (
                game.name,
                game.white_max,
                game.special_max,
                game.draw_days,
                game.draw_second,
            ),
            "adminDelay": 0,
            "admin": people.admin,
            "operator": people.operator,
            "guardian": people.guardian,
            "oracle": people.oracle,
            "feeRecipient": people.fee_recipient,
            "feeBps": FEE_BPS,
            "minBet": MIN_BET,
            "maxBet": MAX_BET,
        }
        assert set(changes) <= set(parameters)
        data = abi.deployment(bytecode, tuple((parameters | changes).values()))
        try:
            receipt = node.send(people.admin, None, data)
        except Reverted as reverted:
            raise abi.refusal(reverted.data) from None
        address = checksummed(receipt.contract)
        return Desk(node, abi, address, game, people, [abi.event(log) for log in receipt.logs])

    return deploy


@pytest.fixture(scope="session", autouse=True)
def _session_first(node, people, deploy):
    """Ape wants what lives longest made first, whichever test comes first."""


@pytest.fixture(scope="module")
def helpers(node, people):
    """Deploys a contract of tests/contracts/solidity by name: (its ABI, its address)."""

    def helper(name: str, *args: Any, value: int = 0) -> tuple[Abi, str]:
        abi, data = deployment(name, *args)
        receipt = node.send(people.stranger, None, data, value)
        return abi, checksummed(receipt.contract)

    return helper


@pytest.fixture(scope="module")
def desk(deploy) -> Desk:
    """A Powerball market with a fee of 2 %."""
    return deploy(POWERBALL)


@pytest.fixture(scope="module")
def mega_desk(deploy) -> Desk:
    """A Mega Millions market with a fee of 2 %."""
    return deploy(MEGA_MILLIONS)


@pytest.fixture
def alice(people) -> str:
    return people.bettors[0]


@pytest.fixture
def bob(people) -> str:
    return people.bettors[1]


@pytest.fixture
def round_(desk) -> Round:
    """An open round of the Powerball market, without bets."""
    return desk.open()


@pytest.fixture
def hostile(desk, helpers, round_, alice, bob) -> Callable[[str], Puppet]:
    """A hostile contract and Alice have a POL each on EVEN, Bob two on ODD."""

    def hostile(name: str) -> Puppet:
        puppet = desk.puppet(*helpers(name))
        puppet.do("placeBet", round_.id, EVEN, value=POL)
        desk.bet(round_, alice, EVEN)
        desk.bet(round_, bob, ODD, 2 * POL)
        return puppet

    return hostile
