"""Random play against the real contracts, beside the models of their rules.

LOTTOCHAIN_STEPS sets how many steps are taken at least, LOTTOCHAIN_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.support.desk import HOUR
from tests.contracts.support.machine import Machine
from tests.contracts.support.rules import MAX_BET, MIN_BET, RULES, USERS, WEALTH
from tests.contracts.support.solidity import deployment

STEPS = int(os.environ.get("LOTTOCHAIN_STEPS", "600"))
STEPS_A_GAME = 60
GAMES_AT_A_TIME = 12
TIMES_EACH = 8  # how often every rule must have taken effect, at least
PATIENCE = 10  # as many times the steps wanted are taken before a rule is called too rare


def play_games(seed_: int) -> None:
    """Some games of random steps, each from the same beginning."""
    machine = seed(seed_)(type("Machine", (Machine,), {}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=GAMES_AT_A_TIME,
            stateful_step_count=STEPS_A_GAME,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def machine(convene, node):
    """The machine, with a market of its own and the committee that decides its rounds."""
    Machine.committee = committee = convene(window=12 * HOUR, minBet=MIN_BET, maxBet=MAX_BET)
    _, Machine.forcer = deployment("Forcer", committee.desk.address)
    for user in committee.desk.people.bettors[:USERS]:
        node.set_balance(user, WEALTH)
    node.request("anvil_impersonateAccount", committee.address)
    Machine.effects.clear()
    return Machine


def test_the_contracts_and_the_models_agree(machine):
    first = int(os.environ.get("LOTTOCHAIN_SEED") or random.SystemRandom().randrange(2**32))
    print(f"\nrandom play: LOTTOCHAIN_SEED={first}")
    effects = machine.effects
    games = 0
    while effects["steps"] < STEPS or (rare(effects) and effects["steps"] < STEPS * PATIENCE):
        play_games(first + games)
        games += 1
    for name in sorted(RULES):
        print(f"  {name:<40}{effects[name]:>6}")
    print(f"  {'quotes that came true':<40}{effects['kept']:>6}")
    print(f"  {'transactions allowed':<40}{effects['allowed']:>6}")
    print(f"  {'transactions refused':<40}{effects['refused']:>6}")
    print(f"  {'steps':<40}{effects['steps']:>6}")
    assert not rare(effects)
    assert effects["refused"] >= effects["allowed"]


def rare(effects: Counter[str]) -> dict[str, int]:
    """The rules that have not taken effect often enough."""
    wanted = [*RULES, "kept"]
    return {name: effects[name] for name in wanted if effects[name] < TIMES_EACH}
