"""SIGKILL at each step of a round: as a transaction leaves, after it has, and between sends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from tests.faults.conftest import Tell
from tests.faults.proofs import ended_right
from tests.faults.stage import REPORT, Stage
from tests.faults.wire import CALL, SEND, function_of


class When(StrEnum):
    """How far a transaction has come when the keeper dies."""

    PASS = "the keeper lives"
    BEFORE = "before the node gets it"
    AFTER = "mined before anybody is told"
    WAITING = "left waiting in the node's pool"


PASS, BEFORE, AFTER, WAITING = When

each_moment = pytest.mark.parametrize(
    "when", [BEFORE, AFTER, WAITING], ids=["before", "after", "waiting"]
)


@dataclass
class Killer:
    """Listens on the wire and kills the keeper at the given steps, one after another.

    Attributes:
        steps: those to come; each is about the next request with that function.
    """

    stage: Stage
    steps: list[tuple[str, When]]
    method: str = SEND
    _struck: list[Any] | None = None
    _mining: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.stage.wire.before, self.stage.wire.after = self._before, self._after

    async def done(self) -> None:
        """Every step was; fails when one never is."""
        await self.stage.until(lambda: not self.steps)
        if self._mining:
            await self._mining

    async def _before(self, method: str, params: list[Any]) -> None:
        if not self.steps or method != self.method:
            return
        if function_of(method, params) != self.steps[0][0]:
            return
        match self.steps[0][1]:
            case When.PASS:
                self.steps.pop(0)
            case When.BEFORE:
                await self._kill()
            case When.AFTER:
                self._struck = params
            case When.WAITING:
                self._struck = params
                await self.stage.chain.rpc("evm_setAutomine", False)

    async def _after(self, _: str, params: list[Any]) -> None:
        if params is self._struck:
            await self._kill()

    async def _kill(self) -> None:
        self._struck = None
        starts = len(self.stage.runs)
        await self.stage.keeper.kill()
        if self.steps.pop(0)[1] is WAITING:
            self._mining = asyncio.create_task(self._mine_later(starts))
        raise asyncio.CancelledError  # nobody is there for an answer any more

    async def _mine_later(self, starts: int) -> None:
        """When the next process has looked at the chain."""
        stage = self.stage
        await stage.until(lambda: len(stage.runs) > starts)
        await stage.until(lambda: bool(stage.keeper.logged("serving")))
        await stage.chain.rpc("evm_setAutomine", True)
        await stage.chain.rpc("evm_mine")


# The sends of a round, in their order: what is sent, and for the how manieth time.
SENDS = {
    "create": ("createRound", 1),
    "lock": ("lockRound", 1),
    "the 1st batch of refunds": ("settle", 1),
    "the 2nd batch of refunds": ("settle", 2),
    "report": ("report", 1),
    "finalize": ("finalize", 1),
    "the 1st batch of winners": ("settle", 3),
    "the 2nd batch of winners": ("settle", 4),
}
# And where the result never comes.
VOID_SENDS = {
    "void": ("voidRound", 1),
    "the 1st batch after a void": ("settle", 3),
    "the 2nd batch after a void": ("settle", 4),
}


def one(function: str, times: int, when: When) -> list[tuple[str, When]]:
    return [(function, PASS)] * (times - 1) + [(function, when)]


async def play_to_void(stage: Stage) -> None:
    stage.publishers.draws.clear()
    await stage.opened()
    await stage.locked()
    await stage.voided()


@pytest.mark.slow
@each_moment
@pytest.mark.parametrize("send", SENDS)
async def test_killed_at_a_send(send: str, when: When, stage: Stage, tell: Tell) -> None:
    """SIGKILL: {send}, {when}"""
    killer = Killer(stage, one(*SENDS[send], when))
    async with stage.kept():
        await stage.play()
        await killer.done()
    tell(await ended_right(stage, starts=2))


@pytest.mark.slow
@each_moment
@pytest.mark.parametrize("send", VOID_SENDS)
async def test_killed_at_a_send_of_a_void(send: str, when: When, stage: Stage, tell: Tell) -> None:
    """SIGKILL: {send}, {when}"""
    killer = Killer(stage, one(*VOID_SENDS[send], when))
    async with stage.kept():
        await play_to_void(stage)
        await killer.done()
    tell(await ended_right(stage, starts=2, void=True))


async def test_killed_before_and_after_every_send_of_a_round(stage: Stage, tell: Tell) -> None:
    """SIGKILL before each send of a round, and after it: 16 in all"""
    steps = [(function, when) for function, _ in SENDS.values() for when in (BEFORE, AFTER)]
    killer = Killer(stage, steps)
    async with stage.kept():
        await stage.play()
        await killer.done()
    assert [run.process.returncode for run in stage.runs] == [-9] * 16 + [0]
    tell(await ended_right(stage, starts=17))


async def test_killed_before_and_after_every_send_of_a_void(stage: Stage, tell: Tell) -> None:
    """SIGKILL before each send of a void, and after it: 6 in all"""
    functions = [function for function, _ in VOID_SENDS.values()]
    killer = Killer(stage, [("settle", PASS)] * 2)
    killer.steps += [(function, when) for function in functions for when in (BEFORE, AFTER)]
    async with stage.kept():
        await play_to_void(stage)
        await killer.done()
    assert [run.process.returncode for run in stage.runs] == [-9] * 6 + [0]
    tell(await ended_right(stage, starts=7, void=True))


async def test_killed_between_evidence_and_report(stage: Stage, tell: Tell) -> None:
    """SIGKILL at the first simulation of the report, whose digest is that of the evidence"""
    killer = Killer(stage, [("report", BEFORE)], CALL)
    evidence = stage.home.folder / "data" / "evidence"
    async with stage.kept():
        await stage.opened()
        await stage.locked()
        assert not list(evidence.rglob("*.json"))
        await stage.decided()
        await killer.done()
    assert stage.runs[0].logged("sources agree")
    assert not stage.runs[0].logged("done", duty="report")
    assert list(evidence.rglob("*.json"))
    tell(await ended_right(stage, starts=2))


async def test_killed_between_agreement_and_evidence(stage: Stage, tell: Tell) -> None:
    """SIGKILL as the file of the evidence is opened, until no report without it was seen"""
    plain = stage.home.program
    stage.home.program = ("-m", "tests.faults.rigged", "kill", r"/evidence/.*\.tmp$")
    async with stage.kept():
        await stage.opened()
        await stage.locked()
        await stage.chain.move_to(REPORT)
        await stage.until(lambda: sum(bool(r.logged("rigged")) for r in stage.runs) >= 2)
        assert await stage.oracle.reports() == []
        stage.home.program = plain
        await stage.decided()
    tell(await ended_right(stage, starts=None))
