"""A result oracle's committee, quorum, window and guardian: what is taken, and that it stays."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import bytecode
from tests.contracts.support.committee import REPORT_WINDOW
from tests.contracts.support.contract import Contract, refused
from tests.contracts.support.desk import DAY, HOUR
from tests.contracts.support.node import Reverted

ZERO = "0x" + "00" * 20
UINT256_MAX = 2**256 - 1
SIZES = [(1, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 3), (14, 8), (15, 8), (15, 15)]


@pytest.fixture(scope="module")
def found(node, oracle_type, oracle_abi, launch, reporters, people):
    """Deploys an oracle; any parameter of the constructor can be replaced by name."""

    def found(**changes) -> Contract:
        parameters = {
            "reporters": reporters[:3],
            "quorum": 2,
            "disputeWindow": HOUR,
            "guardian": people.guardian,
        }
        assert set(changes) <= set(parameters)
        values = (parameters | changes).values()
        address, events = launch(oracle_abi, bytecode(oracle_type), *values)
        assert events == []
        return Contract(node, oracle_abi, address)

    return found


class TestTaken:
    @pytest.mark.parametrize(("seats", "quorum"), SIZES)
    def test_one_to_fifteen_reporters_and_more_than_half_of_them(
        self, found, reporters, people, seats, quorum
    ):
        oracle = found(reporters=reporters[:seats], quorum=quorum)
        assert oracle.ask("reporters") == list(reporters[:seats])
        assert oracle.ask("quorum") == quorum
        expected = [index < seats for index in range(len(reporters))]
        questions = [("isReporter", reporter) for reporter in reporters]
        assert oracle.ask_all(questions) == expected
        for other in (people.guardian, people.admin, ZERO, oracle.address):
            assert oracle.ask("isReporter", other) is False

    def test_reporters_in_the_order_given(self, found, reporters):
        some = [reporters[index] for index in (7, 2, 14)]
        assert found(reporters=some).ask("reporters") == some

    @pytest.mark.parametrize("window", [0, 1, HOUR, DAY])
    def test_a_window_of_up_to_a_day(self, found, people, window):
        oracle = found(disputeWindow=window)
        assert oracle.ask("disputeWindow") == window
        assert oracle.ask("guardian") == people.guardian

    def test_a_guardian_who_reports_too(self, found, reporters):
        oracle = found(guardian=reporters[0])
        assert oracle.ask("guardian") == reporters[0]
        assert oracle.ask("isReporter", reporters[0]) is True

    def test_its_limits_can_be_read(self, found):
        names = [("MAX_REPORTERS",), ("MAX_DISPUTE_WINDOW",), ("REPORT_WINDOW",)]
        assert found().ask_all(names) == [15, DAY, REPORT_WINDOW]


class TestRefused:
    def test_no_reporters(self, found):
        with refused("InvalidReporterCount", 0, 15):
            found(reporters=[], quorum=0)

    def test_more_than_fifteen(self, found, reporters, people):
        with refused("InvalidReporterCount", 16, 15):
            found(reporters=[*reporters, people.stranger], quorum=9)

    @pytest.mark.parametrize(
        ("seats", "quorum"),
        [(1, 0), (1, 2), (2, 1), (2, 3), (3, 1), (3, 4), (15, 7), (15, 16), (3, UINT256_MAX)],
    )
    def test_half_of_them_or_less_and_more_than_all(self, found, reporters, seats, quorum):
        with refused("InvalidQuorum", quorum, seats):
            found(reporters=reporters[:seats], quorum=quorum)

    @pytest.mark.parametrize("window", [DAY + 1, UINT256_MAX])
    def test_a_window_longer_than_a_day(self, found, window):
        with refused("DisputeWindowTooLong", window, DAY):
            found(disputeWindow=window)

    def test_no_guardian(self, found):
        with refused("ZeroAddress", "guardian"):
            found(guardian=ZERO)

    @pytest.mark.parametrize("seat", range(3))
    def test_a_reporter_of_zero(self, found, reporters, seat):
        some = list(reporters[:3])
        some[seat] = ZERO
        with refused("ZeroAddress", "reporter"):
            found(reporters=some)

    @pytest.mark.parametrize("places", [(0, 1), (0, 2), (1, 2)])
    def test_a_reporter_named_twice(self, found, reporters, places):
        some = list(reporters[:3])
        first, second = places
        some[second] = some[first]
        with refused("DuplicateReporter", some[first]):
            found(reporters=some)


def test_nothing_can_be_set(oracle_abi):
    """Its whole writing interface."""
    writing = {name for name, function in oracle_abi.functions.items() if function.writes}
    assert writing == {"report", "veto", "finalize"}


def test_it_takes_no_coins(found, node, people):
    oracle = found()
    for data in ("0x", oracle.abi.call("veto", people.stranger, 1)):
        with pytest.raises(Reverted):
            node.send(people.guardian, oracle.address, data, value=1)
    assert node.balance(oracle.address) == 0
