"""A disk that refuses: nothing is sent that is not on it, and nothing half written is taken."""

from __future__ import annotations

import resource
import signal
from typing import Any

import pytest

from tests.faults.conftest import Tell
from tests.faults.proofs import ended_right
from tests.faults.stage import LOCK, REPORT, Stage, entries, journal_of
from tests.faults.wire import SEND
from tests.keeper.chain.process import Running


def limit(keeper: Running, size: int) -> None:
    """From now on none of its files grows beyond so many bytes: a real error in mid-write."""
    _, most = resource.prlimit(keeper.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(keeper.process.pid, resource.RLIMIT_FSIZE, (size, most))


def sent(stage: Stage) -> int:
    """How many transactions left the keeper."""
    return sum(method == SEND for method, _ in stage.wire.seen)


async def fails_at_the_lock(stage: Stage, more: int) -> tuple[int, int]:
    """The journal takes but so many bytes more, and the lock is due: (its size, sends so far)."""
    await stage.until(lambda: entries(stage.home)[-1]["event"] == "mined")
    size = journal_of(stage.home).stat().st_size
    limit(stage.keeper, size + more)
    count = sent(stage)
    await stage.chain.move_to(LOCK)
    return size, count


async def test_evidence_cannot_be_kept(stage: Stage, tell: Tell) -> None:
    """The folder of the evidence comes to lie in /proc, and later does not"""
    folder = stage.home.folder / "data" / "evidence"
    async with stage.kept():
        await stage.opened()
        folder.rmdir()
        folder.symlink_to("/proc/evidence")
        await stage.locked()
        await stage.chain.move_to(REPORT)
        await stage.until_put_off("report", "cannot keep evidence")
        assert await stage.oracle.reports() == []
        folder.unlink()
        await stage.decided()
    tell(await ended_right(stage))


async def test_the_disk_is_full_in_the_middle_of_the_evidence(stage: Stage, tell: Tell) -> None:
    """Writing the evidence fails after 200 bytes, and later does not"""
    folder = stage.home.folder / "data" / "evidence"
    async with stage.kept():
        await stage.opened()
        await stage.locked()
        limit(stage.keeper, 200)
        await stage.chain.move_to(REPORT)
        await stage.until_put_off("report", "cannot keep evidence")
        assert await stage.oracle.reports() == []
        assert not [path for path in folder.rglob("*") if path.is_file()]
        limit(stage.keeper, resource.RLIM_INFINITY)
        await stage.decided()
    tell(await ended_right(stage))


@pytest.mark.parametrize("more", [0, 100], ids=["before", "within"])
async def test_the_journal_cannot_be_written(more: int, stage: Stage, tell: Tell) -> None:
    """Writing an intent fails after {more} bytes of it, and later does not"""
    async with stage.kept():
        await stage.opened()
        size, count = await fails_at_the_lock(stage, more)
        await stage.until_put_off("lockRound", "cannot write")
        assert sent(stage) == count
        assert journal_of(stage.home).stat().st_size == size
        limit(stage.keeper, resource.RLIM_INFINITY)
        await stage.play_on()
    tell(await ended_right(stage))


@pytest.mark.slow
@pytest.mark.parametrize("more", [0, 100], ids=["before", "within"])
async def test_killed_as_an_intent_is_written(more: int, stage: Stage, tell: Tell) -> None:
    """The process ends after {more} bytes of an intent"""
    stage.home.program = ("-m", "tests.faults.rigged", "limit", "-")
    async with stage.kept():
        await stage.opened()
        by = list[int]()  # the how manieth process sends, at each send

        def note(method: str, _: list[Any]) -> None:
            if method == SEND:
                by.append(len(stage.runs))

        stage.wire.before = note
        await fails_at_the_lock(stage, more)
        await stage.until(lambda: len(stage.runs) == 2)
        assert stage.runs[0].process.returncode == -signal.SIGXFSZ
        await stage.play_on()
    assert set(by) == {2}
    tell(await ended_right(stage, starts=2))


@pytest.mark.slow
async def test_killed_in_the_middle_of_the_evidence(stage: Stage, tell: Tell) -> None:
    """The process ends after 200 bytes of the evidence"""
    stage.home.program = ("-m", "tests.faults.rigged", "limit", "-")
    async with stage.kept():
        await stage.opened()
        await stage.locked()
        limit(stage.keeper, 200)
        await stage.decided()
    assert [run.process.returncode for run in stage.runs] == [-signal.SIGXFSZ, 0]
    assert not stage.runs[0].logged("sources agree")
    tell(await ended_right(stage, starts=2))


@pytest.mark.slow
async def test_the_journal_is_on_a_full_device(stage: Stage, tell: Tell) -> None:
    """The journal is /dev/full, and later is not: no keeper starts before"""
    path = journal_of(stage.home)
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/full")
    async with stage.kept():
        await stage.until(lambda: len(stage.runs) == 3)
        assert sent(stage) == 0
        path.unlink()
        await stage.play()
    for run in stage.runs[:2]:
        assert run.process.returncode not in (0, None)
        assert any(path.name in line for line in run.raw)
    tell(await ended_right(stage, starts=None))
