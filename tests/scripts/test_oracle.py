"""A round that a committee decides, as real processes: reports, a veto, a proposal, the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eth_utils.crypto import keccak

from keeper.domain.lines import RoundStatus
from tests.scripts.world import POWERBALL_DATE, POWERBALL_DRAW, World

Worlds = Callable[[], World]
PB = ("--game", "powerball")
BALLS = ("--whites", "9 8 7 6 5", "--special", "7")
DRAWN = ((POWERBALL_DATE.toordinal() - 719163), (5, 6, 7, 8, 9), 7)  # days since 1970; 85
OTHER = (DRAWN[0], (5, 6, 7, 8, 9), 8)  # 35
WINDOW = 30 * 60


def decided(world: World) -> World:
    """A round of the committee, its draw over."""
    world.convene()
    world.play()
    world.at(POWERBALL_DRAW + 60)
    return world


def vote(world: World, by: str, draw: object = DRAWN) -> None:
    world.call(by, "report", world.market().address, 1, draw, bytes(32), of=world.oracle())


def ballot(world: World) -> list[int]:
    votes: list[int] = world.oracle().functions.ballot(world.market().address, 1).call()
    return votes


def test_reporters_report_and_a_quorum_proposes(worlds: Worlds, tmp_path: Path) -> None:
    first, second = decided(worlds()), decided(worlds())
    page = tmp_path / "page.html"
    page.write_bytes(b"<b>5 6 7 8 9</b>")
    vote(second, "third", OTHER)
    vote(second, "reporter")
    one = first.ape("oracle", "report", "1", *BALLS, "--evidence", str(page), *PB, by="reporter")
    two = second.ape("oracle", "report", "1", *BALLS, "--no-evidence", *PB, by="second")
    out = one.ok()
    assert "2 of 3 reporters, dispute window 30 min" in out
    assert "number    85: 5 + 6 + 7 + 8 + 9 = 35; special ball 7 is odd: + 50 = 85" in out
    assert "draw      2026-08-19 5 6 7 8 9 + 7" in out
    assert "ballot    1, 0 of 0 votes are for it" in out
    assert f"evidence  0x{keccak(page.read_bytes()).hex()}" in out
    assert "voted for 85 in round 1" in out
    assert "proposal  none stands" in out
    (told,) = first.oracle().events.ResultReported.get_logs(from_block=0)
    assert told["args"]["evidence"] == keccak(page.read_bytes())
    assert tuple(told["args"]["draw"].values()) == (DRAWN[0], [*DRAWN[1]], DRAWN[2])

    out = two.ok()
    assert "ballot    1, 1 of 2 votes are for it" in out
    assert "evidence  none" in out
    assert "proposal     number 85" in out
    number, _, at = second.oracle().functions.proposal(second.market().address, 1).call()
    assert number == 85
    assert f"finalizable  {second.utc(at)}, in " in out


def test_the_standing_of_a_round_is_shown(worlds: Worlds) -> None:
    early, late = decided(worlds()), decided(worlds())
    vote(early, "reporter")
    vote(late, "third", OTHER)
    for reporter in ("reporter", "second"):
        vote(late, reporter)
    proposed = late.oracle().functions.proposal(late.market().address, 1).call()
    late.at(proposed[2])
    shown = early.ape("oracle", "status", "1", *PB)
    due = late.ape("oracle", "status", "1", *PB)
    rows = [line.strip() for line in shown.ok().splitlines()]
    assert "2026-08-20 02:59:00 UTC, LOCKED" in rows[0]
    assert rows[1:7] == [
        f"oracle          {early.oracle().address}",
        f"reporter 1      {early.address('reporter')}",
        f"reporter 2      {early.address('second')}",
        f"reporter 3      {early.address('third')}",
        "quorum          2 of 3",
        "dispute window  30 min",
    ]
    assert f"guardian        {early.address('guardian')}" in rows
    assert "reports until   2026-08-23 01:29:00 UTC, in 2 d 22 h" in rows  # 71 h less the window
    assert "vote 1          5 6 7 8 9 + 7, number 85" in rows
    assert "vote 2          no vote yet" in rows
    assert rows[-1] == "proposal        none stands"

    rows = [line.strip() for line in due.ok().splitlines()]
    assert "vote 3          5 6 7 8 9 + 8, number 35" in rows
    assert rows[-2] == "proposal        number 85"
    assert rows[-1].startswith(f"finalizable     {late.utc(proposed[2])}, ")
    assert rows[-1].endswith(" ago")
    # Of later rounds, and of a round that one account decides.
    other = ("--game", "mega-millions")
    assert "dispute window  30 min" in early.ape("oracle", "status", *PB).ok()
    alone = early.ape("oracle", "status", *other).ok()
    assert f"{early.address('oracle')}, an ordinary account: it decides alone" in alone


def test_a_proposal_is_vetoed_or_carried_to_the_market(worlds: Worlds) -> None:
    vetoed, carried = decided(worlds()), decided(worlds())
    for world in (vetoed, carried):
        vote(world, "reporter")
        vote(world, "second")
    soon = vetoed.ape("oracle", "finalize", "1", *PB, by="ann")
    assert "DisputeWindowOpen" in soon.refused()
    late = vetoed.ape("oracle", "report", "1", *BALLS, "--no-evidence", *PB, by="third")
    assert "ProposalStands" in late.refused()
    carried.at(POWERBALL_DRAW + 60 + WINDOW + 60)
    veto = vetoed.ape("oracle", "veto", "1", *PB, by="guardian")
    finalize = carried.ape("oracle", "finalize", "1", *PB, by="ann")
    out = veto.ok()
    assert "refused  number 85" in out
    assert "round 1 is in ballot 2" in out
    assert ballot(vetoed) == [2, 0]

    out = finalize.ok()
    assert "round 1 has winning number 85" in out
    assert "ODD, HIGH, ODD_HIGH" in out
    info = carried.market().functions.getRoundInfo(1).call()
    assert (info[2], info[3]) == (RoundStatus.FINALIZED, 85)
    shown = carried.ape("oracle", "status", "1", *PB)
    done = carried.ape("oracle", "report", "1", *BALLS, "--no-evidence", *PB, by="third")
    over = carried.ape("oracle", "veto", "1", *PB, by="guardian")
    assert shown.ok().rstrip().endswith("FINALIZED: number 85")
    assert "RoundDecided" in done.refused()
    assert "DisputeWindowOver" in over.refused()
