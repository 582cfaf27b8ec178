"""What every action costs, measured on receipts: under the bars, and as the snapshot has it.

`make gas` prints the table beside two yardsticks. LOTTOCHAIN_GAS_UPDATE=1 writes the snapshot.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contracts.conftest import bytecode
from tests.contracts.support.bench import Bench, Row, Table, launcher
from tests.contracts.support.desk import EVEN, HOUR, ODD, POL
from tests.contracts.test_pause import OF_OPENZEPPELIN

SNAPSHOT = Path(__file__).with_name("gas-snapshot.json")
UPDATE = "LOTTOCHAIN_GAS_UPDATE"
# The 2,000th bet of a round by a new user may differ from the 3rd by this much.
CONSTANCY = 50

BET = {"pancake": 116_220, "estimate": 100_000}
CLAIM = {"pancake": 94_003, "estimate": 80_000}
CLAIM_TWO = {"pancake": 156_691, "estimate": 2 * 80_000}
FINALIZE = {"estimate": 150_000}
EXECUTE = {"pancake": 339_764}

ROWS = {
    "createRound, on a real schedule": Row(82_000),
    "placeBet, first on its pair": Row(76_500, **BET),
    "placeBet, live pair, nothing matched at once": Row(58_900, **BET),
    "placeBet, live pair, matched at once": Row(60_800, **BET),
    "placeBet, a user's 2nd to 16th bet, the dearest": Row(66_200, **BET),
    "placeBet, the 3rd of a round, new user": Row(**BET),
    "placeBet, the 2,000th of a round, new user": Row(**BET),
    "placeMatchedBet, all of it taken": Row(62_500, **BET),
    "placeMatchedBet, a rest returned": Row(69_500, **BET),
    "cancelUnmatched, a whole bet": Row(49_000),
    "cancelUnmatched, a part": Row(49_000),
    "lockRound": Row(29_400),
    "finalizeRound, by an account": Row(31_000, **FINALIZE),
    "report, first of a ballot": Row(70_000),
    "report, another draw": Row(70_000),
    "report, a vote replaced": Row(70_000),
    "report, reaching the quorum": Row(79_500),
    "report, first of a ballot of 15 reporters": Row(),
    "report, reaching 8 of 15 in a slot of its own": Row(),
    "veto": Row(),
    "finalize, by anyone through the oracle": Row(39_000, **FINALIZE),
    "createRound + lockRound + finalizeRound": Row(**EXECUTE),
    "createRound + lockRound + 2 reports + finalize": Row(**EXECUTE),
    "cancelRound": Row(),
    "voidRound": Row(),
    "claimWinnings, one bet": Row(44_900, **CLAIM),
    "claimWinningsBatch, two rounds, to oneself": Row(61_100, **CLAIM_TWO),
    "claimWinningsBatch, two rounds, to another": Row(63_700, **CLAIM_TWO),
    "claimRefund, of what was unmatched": Row(**CLAIM),
    "claimRefund, of a cancelled round": Row(**CLAIM),
    "settle, 50 winners that exist, per bettor": Row(21_000, **CLAIM),
    "withdrawFees, one round": Row(),
    "setFee": Row(),
    "setOracle": Row(),
    "setBetLimits": Row(),
    "setFeeRecipient": Row(),
    "pause": Row(),
    "unpause": Row(),
}
WHITES, OTHER_WHITES = (61, 5, 44, 12, 23), (60, 5, 44, 12, 23)


@pytest.fixture(scope="module")
def table():
    table = Table(ROWS)
    yield table
    print(f"\n\n{table}\n")


@pytest.fixture(scope="module")
def bench(node, abi, oracle_abi, market_type, oracle_type):
    contracts = {
        "P2PLotteryBetting": (abi, bytecode(market_type)),
        "ResultOracle": (oracle_abi, bytecode(oracle_type)),
    }
    bench = Bench(node, launcher(node, contracts))
    yield bench
    bench.close()


def test_settings(bench, table):
    table.note("setFee", bench.do("setFee", 200))
    table.note("setOracle", bench.do("setOracle", bench.decider))
    table.note("setBetLimits", bench.do("setBetLimits", POL // 100, 100 * POL))
    table.note("setFeeRecipient", bench.do("setFeeRecipient", bench.fee_recipient))
    table.note("pause", bench.do("pause"))
    table.note("unpause", bench.do("unpause"))


def test_a_round_decided_by_an_account(bench, table):
    bench.do("setOracle", bench.decider)
    bench.create()
    round_, created = bench.create()
    table.note("createRound, on a real schedule", created)

    first, second, third, fourth, fifth = bench.users(1, 5)
    table.note("placeBet, first on its pair", bench.bet(first, round_, EVEN))
    table.note("placeBet, live pair, nothing matched at once", bench.bet(second, round_, EVEN))
    table.note("placeBet, live pair, matched at once", bench.bet(third, round_, ODD))
    for index in range(1, 16):
        table.note(
            "placeBet, a user's 2nd to 16th bet, the dearest",
            bench.bet(first, round_, (EVEN, ODD)[index % 2], POL // 2),
        )
    matched = ("placeMatchedBet", round_.id, ODD, POL // 4)
    gas = bench.do(*matched, by=fourth, value=POL // 4)
    table.note("placeMatchedBet, all of it taken", gas)
    gas = bench.do(*matched, by=fifth, value=3 * POL)
    table.note("placeMatchedBet, a rest returned", gas)

    locked = bench.do("lockRound", round_.id, by=third, at=round_.lock)
    table.note("lockRound", locked)
    finalized = bench.do("finalizeRound", round_.id, 77, by=bench.decider, at=round_.draw)
    table.note("finalizeRound, by an account", finalized)
    table.note("createRound + lockRound + finalizeRound", created + locked + finalized)
    table.note("claimWinnings, one bet", bench.do("claimWinnings", round_.id, by=third))
    # The first fees of all, to a recipient that exists.
    table.note("withdrawFees, one round", bench.do("withdrawFees", [round_.id]))


def test_cancelled_bets_and_rounds(bench, table):
    round_, _ = bench.create()
    void, _ = bench.create()
    first, second, third = bench.users(100, 3)
    bench.bet(first, round_, EVEN, 2 * POL)
    bench.bet(second, round_, EVEN)
    bench.bet(third, round_, ODD)
    cancel = ("cancelUnmatched", round_.id, 0)
    table.note("cancelUnmatched, a whole bet", bench.do(*cancel, by=second))
    table.note("cancelUnmatched, a part", bench.do(*cancel, by=first))
    table.note("cancelRound", bench.do("cancelRound", round_.id))
    refunded = bench.do("claimRefund", round_.id, by=first)
    table.note("claimRefund, of a cancelled round", refunded)

    bench.bet(first, void, EVEN, 2 * POL)
    bench.bet(second, void, ODD)
    refunded = bench.do("claimRefund", void.id, by=first, at=void.lock)
    table.note("claimRefund, of what was unmatched", refunded)
    table.note("voidRound", bench.do("voidRound", void.id, at=void.over + 1))


def test_rounds_decided_by_a_committee(bench, table):
    bench.do("setOracle", bench.oracle.address)
    round_, created = bench.create()
    locked = bench.do("lockRound", round_.id, at=round_.lock)
    first = bench.report(round_, 0, OTHER_WHITES, at=round_.draw)
    table.note("report, first of a ballot", first)
    table.note("report, another draw", bench.report(round_, 1, WHITES))
    table.note("report, a vote replaced", bench.report(round_, 1, WHITES[::-1]))
    last = table.note("report, reaching the quorum", bench.report(round_, 2, WHITES))
    about = (bench.market.address, round_.id)
    table.note("veto", bench.gas(bench.oracle, "veto", *about, by=bench.staff))

    for seat in (0, 1):  # as most rounds go: two of two agree
        gas = bench.report(round_, seat, WHITES)
        last = max(last, gas)
    table.note("report, reaching the quorum", last)
    at = bench.node.now + HOUR
    stranger = bench.reporters[9]
    finalized = bench.gas(bench.oracle, "finalize", *about, by=stranger, at=at)
    table.note("finalize, by anyone through the oracle", finalized)
    whole = created + locked + first + last + finalized
    table.note("createRound + lockRound + 2 reports + finalize", whole)


def test_a_committee_of_fifteen(bench, table):
    """Votes lie five to a slot: the dearest quorum writes the first of a slot."""
    bench.convene(15, 8)
    bench.do("setOracle", bench.oracle.address)
    round_, _ = bench.create()
    first = bench.report(round_, 0, WHITES, at=round_.draw)
    table.note("report, first of a ballot of 15 reporters", first)
    for seat in range(1, 7):
        bench.report(round_, seat, WHITES)
    last = bench.report(round_, 14, WHITES)
    table.note("report, reaching 8 of 15 in a slot of its own", last)


def test_claims_of_two_rounds(bench, table):
    bench.do("setOracle", bench.decider)
    rounds = [bench.create()[0] for _ in range(2)]
    first, second, third = bench.users(200, 3)
    for round_ in rounds:
        bench.bet(first, round_, EVEN)
        bench.bet(second, round_, EVEN)
        bench.bet(third, round_, ODD, 2 * POL)
    for round_ in rounds:
        bench.do("finalizeRound", round_.id, 50, by=bench.decider, at=round_.draw)
    ids = [round_.id for round_ in rounds]
    gas = bench.do("claimWinningsBatch", ids, first, by=first)
    table.note("claimWinningsBatch, two rounds, to oneself", gas)
    gas = bench.do("claimWinningsBatch", ids, third, by=second)
    table.note("claimWinningsBatch, two rounds, to another", gas)


def test_settle(bench, table):
    bench.do("setOracle", bench.decider)
    round_, _ = bench.create()
    winners = bench.users(300, 50)
    for winner in winners:
        bench.bet(winner, round_, EVEN)
    bench.bet(*bench.users(400), round_, ODD, 50 * POL)
    bench.do("finalizeRound", round_.id, 50, by=bench.decider, at=round_.draw)
    gas = bench.do("settle", round_.id, winners)
    table.note("settle, 50 winners that exist, per bettor", gas // 50)


def test_a_bet_costs_the_same_however_many_stand(bench, table):
    round_, _ = bench.create()
    third, last = bench.a_crowd(round_, EVEN, bench.users(1_000, 2_000), (2, 1_999))
    assert bench.market.ask("getPredictionPool", round_.id, EVEN)[2] == 2_000
    table.note("placeBet, the 3rd of a round, new user", third)
    table.note("placeBet, the 2,000th of a round, new user", last)
    assert abs(last - third) <= CONSTANCY


def test_every_entry_point_is_measured(bench, table):
    measured = {what.split(",")[0] for what in table.gas}
    assert set(table.gas) == set(ROWS)
    for contract in (bench.market, bench.oracle):
        writing = {name for name, function in contract.abi.functions.items() if function.writes}
        assert writing - OF_OPENZEPPELIN - measured == set()


def test_bars(table):
    assert table.over() == {}


def test_the_snapshot(table):
    """Gas that changed is a decision: it shows in the diff of the commit that changed it."""
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(json.dumps(table.gas, indent=2) + "\n")
    then = json.loads(SNAPSHOT.read_text())
    changes = [
        f"  {what}: {then.get(what, 'nothing')} -> {table.gas.get(what, 'nothing')}"
        for what in {**then, **table.gas}
        if then.get(what) != table.gas.get(what)
    ]
    report = "\n".join(["gas has changed:", *changes, f"if it should: {UPDATE}=1 make gas"])
    assert not changes, report
