"""Markets on the real calendars of both games, on a chain whose time the tests set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ape import chain

from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, Game
from scripts._contracts import contract_type
from tests.contracts.support.codec import Abi, Event, checksummed
from tests.contracts.support.committee import Committee
from tests.contracts.support.desk import EVEN, HOUR, ODD, POL, Desk, People, Puppet, Round
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
    """What Ape's compiler made of the market."""
    return contract_type(project, "P2PLotteryBetting")


@pytest.fixture(scope="session")
def oracle_type(project) -> Any:
    """What Ape's compiler made of the oracle."""
    return contract_type(project, "ResultOracle")


@pytest.fixture(scope="session")
def abi(market_type) -> Abi:
    return Abi(entries(market_type))


@pytest.fixture(scope="session")
def oracle_abi(oracle_type, market_type) -> Abi:
    """With the market's errors, which the oracle passes on."""
    errors = [entry for entry in entries(market_type) if entry["type"] == "error"]
    return Abi(errors + entries(oracle_type))


def entries(type_: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = type_.model_dump(mode="json", by_alias=True)["abi"]
    return found


def bytecode(type_: Any) -> str:
    return str(type_.deployment_bytecode.bytecode)


@pytest.fixture(scope="session")
def launch(node, people):
    """Deploys a contract: (its address, the events of its deployment). Raises Refused."""

    def launch(abi: Abi, code: str, *args: Any) -> tuple[str, list[Event]]:
        try:
            receipt = node.send(people.admin, None, abi.deployment(code, *args))
        except Reverted as reverted:
            raise abi.refusal(reverted.data) from None
        return checksummed(receipt.contract), [abi.event(log) for log in receipt.logs]

    return launch


@pytest.fixture(scope="session")
def deploy(node, people, market_type, abi, launch):
    """Deploys a market; any parameter of the constructor can be replaced by name."""

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
        values = tuple((parameters | changes).values())
        address, birth = launch(abi, bytecode(market_type), values)
        return Desk(node, abi, address, game, people, birth)

    return deploy


@pytest.fixture(scope="session")
def reporters(node) -> tuple[str, ...]:
    """Fifteen addresses that can send, and have nothing else to do."""
    reporters = tuple(checksummed(f"0x{0xFACE << 144 | seat:040x}") for seat in range(1, 16))
    for reporter in reporters:
        node.request("anvil_impersonateAccount", reporter)
    return reporters


@pytest.fixture(scope="session")
def convene(node, people, reporters, oracle_type, oracle_abi, launch, deploy):
    """Deploys an oracle of so many seats, and a market whose rounds it decides."""

    def convene(
        seats: int = 3, quorum: int = 2, window: int = HOUR, game: Game = POWERBALL, **market: Any
    ) -> Committee:
        named = reporters[:seats]
        terms = (named, quorum, window, people.guardian)
        address, birth = launch(oracle_abi, bytecode(oracle_type), *terms)
        assert birth == []
        desk = deploy(game, oracle=address, **market)
        return Committee(node, oracle_abi, address, desk, named, people.guardian, quorum, window)

    return convene


@pytest.fixture(scope="session", autouse=True)
def _session_first(node, people, convene):
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


@pytest.fixture(scope="module")
def committee(convene) -> Committee:
    """Two of three reporters and an hour to veto, over a Powerball market."""
    return convene()


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
