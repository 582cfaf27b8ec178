"""Bettors that cannot be paid: they hold up nobody, and what is theirs stays for them."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Tell
from tests.faults.proofs import ended_right
from tests.faults.stage import EVEN, Stage
from tests.keeper.chainfixtures import BURNS, REFUSES, TRICKS, E

KINDS = {
    "refuses every payment": REFUSES,
    "burns all the gas it is given": BURNS,
    "accepts in simulations alone": TRICKS,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=["refuses", "burns", "tricks"])
async def test_a_bettor(kind: str, stage: Stage, tell: Tell) -> None:
    """A bettor is a contract that {kind}"""
    stage.home.settings["RETRY_SECONDS"] = "0.02"
    contract = await stage.chain.deploy_code(KINDS[kind])
    async with stage.kept():
        await stage.opened()
        await stage.market.bet_through(contract, 1, EVEN, E)  # none of it matched
        await stage.play_on()
        await stage.until_logged("left to claim", bettor=contract)
    assert await stage.market.read("claimable", 1, contract) == (0, E)
    tell(await ended_right(stage, owed=E))
