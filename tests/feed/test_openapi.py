"""The REST API keeps to its description, whatever is asked: Schemathesis on the real server."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import schemathesis
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from keeper.domain.lines import Prediction
from tests.feed.world import (
    ANN,
    BOB,
    DRAW,
    LOCK,
    MEGA,
    POWER,
    Known,
    World,
    bet,
    created,
    decision,
    finalized,
    serving,
)
from tests.keeper.chain.waiting import PATIENCE

FILE = Path(__file__).parents[2] / "feed" / "openapi.yaml"
EXAMPLES = 25  # of each operation, of what is allowed and of what is not

# What finds something: (path, method, what is asked).
KNOWN: list[tuple[str, str, dict[str, Any]]] = [
    ("/api/round", "GET", {}),
    ("/api/rounds", "GET", {"query": {"limit": 2}}),
    ("/api/rounds", "GET", {"query": {"status": "FINALIZED", "market": "powerball"}}),
    *(
        ("/api/round/{market}/{id}", "GET", {"path_parameters": {"market": market, "id": number}})
        for market in (POWER, "mega-millions")
        for number in (1, 2, 3)
    ),
    ("/api/oracle/{market}/{id}", "GET", {"path_parameters": {"market": POWER, "id": 1}}),
    ("/api/bets/{user}", "GET", {"path_parameters": {"user": ANN}, "query": {"limit": 1}}),
    ("/api/bets/{user}", "GET", {"path_parameters": {"user": BOB}}),
    ("/api/claim/{user}", "GET", {"path_parameters": {"user": BOB}}),
    ("/api/stats", "GET", {}),
    ("/api/claim", "POST", {"body": {"user": BOB}}),
    ("/api/claim", "POST", {"body": {"user": BOB, "to": ANN}}),
    *(
        (
            "/api/bet",
            "POST",
            {
                "body": {
                    "market": "mega-millions",
                    "roundId": number,
                    "prediction": 1,
                    "amount": amount,
                    "user": BOB,
                }
            },
        )
        for number, amount in ((3, str(10**18)), (3, "1"), (9, "1"))
    ),
]


def busy() -> World:
    """Something of everything."""
    world = World()
    world.mine(*[created(n, m) for n in (1, 2, 3) for m in (POWER, MEGA)])
    world.mine((POWER, "BetLimitsChanged", {"minBet": 10**9, "maxBet": 10**21}))
    for user in (ANN, BOB):
        world.mine(bet(user, Prediction.EVEN, 10**18), bet(user, Prediction.LOW, 5, 2, MEGA))
        world.mine(bet(user, Prediction.ODD, 10**18), bet(user, Prediction.LOW, 5, 2))
    world.mine((POWER, "RoundCancelled", {"roundId": 2}))
    world.mine(finalized(2), (MEGA, "RoundLocked", {"roundId": 2, "timestamp": LOCK}))
    world.mine((POWER, "WinningsClaimed", {"roundId": 1, "user": ANN, "amount": 10**18}))
    return world


def drawn(world: World) -> World:
    """The same after the draw; MEGA's third round goes on, as if it came later."""
    world.views[1].rounds[3].draw_time = world.views[1].rounds[3].lock_time = 2 * DRAW
    world.time = DRAW
    world.mine()
    return world


def ask_everything(url: str, number: int) -> Counter[str]:
    """Fails when an answer is not in the description; how often each was given."""
    told: Counter[str] = Counter()
    schema = schemathesis.openapi.from_url(f"{url}/openapi.yaml", timeout=PATIENCE)

    def ask(case: Any) -> None:
        response = case.call_and_validate(base_url=url, timeout=PATIENCE)
        told[f"{case.method} {case.operation.path} {response.status_code}"] += 1

    for path, method, asked in KNOWN:
        media = {"media_type": "application/json"} if "body" in asked else {}
        ask(schema[path][method].Case(**asked, **media))
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in GenerationMode:
            bounds = settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            with suppress(Unsatisfiable):  # of a question without fields none is wrong
                seed(number)(bounds(given(operation.as_strategy(generation_mode=mode))(ask)))()
    return told


async def test_every_answer_is_as_described() -> None:
    number = int(os.environ.get("LOTTOCHAIN_SEED", random.randrange(10**6)))
    print(f"LOTTOCHAIN_SEED={number}")
    world = drawn(busy())
    known = Known()
    known.older[POWER, 1] = decision(evidenceHash="0x" + "ab" * 32)
    async with serving(world, results=known):
        told = await asyncio.to_thread(ask_everything, world.url, number)
    print(told)
    for path, operations in yaml.safe_load(FILE.read_text())["paths"].items():
        for method in operations:
            assert told[f"{method.upper()} {path} 200"], (method, path)
    assert {"400", "404", "409"} <= {answer.split()[-1] for answer in told}
