"""A committee that decides a round of a draw, for the tests."""

from __future__ import annotations

import datetime as dt

from keeper.chain.contracts import report
from keeper.domain.draw import Draw
from tests.keeper.chainfixtures import Deployed, DeployedOracle

DATE = dt.date(2026, 8, 19)
DRAWN = Draw(DATE, (10, 21, 58, 61, 64), 17)  # n = 64
LIE = Draw(DATE, DRAWN.whites, 16)  # n = 14


async def vote(
    oracle: DeployedOracle, market: Deployed, reporter: str, draw: Draw, evidence: int = 7
) -> None:
    """A reporter that is no keeper; its evidence is a byte, 32 times."""
    told = report(market.address, 1, draw, bytes([evidence]) * 32)
    await oracle.do(reporter, "report", *told)


def hash_of(evidence: int) -> str:
    """That byte's, as it is told."""
    return "0x" + bytes([evidence] * 32).hex()
