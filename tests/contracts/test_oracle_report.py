"""What a report must be: by whom, about which round and draw, and when, to the second."""

from __future__ import annotations

import datetime as dt

import pytest

from keeper.domain.calendar import NEW_YORK, draw_time
from keeper.domain.draw import MEGA_MILLIONS, POWERBALL, winning_number
from tests.contracts.support.codec import Event
from tests.contracts.support.committee import EVIDENCE, NUMBER, SPECIAL, WHITES, day_of, told
from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, DAY, FINALIZED, HOUR, MINUTE, Round

EPOCH = dt.date(1970, 1, 1)
UINT32_MAX = 2**32 - 1


@pytest.fixture
def round_(committee) -> Round:
    """An open round that the committee decides, its draw just now."""
    round_ = committee.desk.open()
    committee.node.mine_at(round_.draw)
    return round_


class TestTaken:
    def test_announced_with_the_number_and_the_evidence(self, committee, round_):
        whites = (61, 5, 44, 12, 23)  # in the reporter's order
        (event,) = committee.report(round_, whites=whites)
        assert event == Event(
            "ResultReported",
            market=committee.desk.address,
            roundId=round_.id,
            reporter=committee.reporters[0],
            ballot=1,
            draw=told(committee.draw(round_, whites)),
            winningNumber=NUMBER,
            evidence=EVIDENCE,
        )

    @pytest.mark.parametrize("off", [0, 1, 71 * HOUR - HOUR])
    def test_from_the_draw_on_for_seventy_one_hours_less_the_window(self, committee, off):
        round_ = committee.desk.open()
        assert committee.report(round_, at=round_.draw + off)

    @pytest.mark.parametrize("window", [0, 1, DAY])
    def test_as_long_as_the_window_allows(self, convene, window):
        committee = convene(window=window)
        round_ = committee.desk.open()
        deadline = round_.draw + 71 * HOUR - window
        assert committee.report(round_, at=deadline)
        with refused("ReportTooLate", committee.desk.address, round_.id, deadline):
            committee.report(round_, 1, at=deadline + 1)

    def test_whether_or_not_the_lock_was_recorded(self, committee, round_):
        committee.desk.do("lockRound", round_.id, by=committee.guardian)
        assert committee.report(round_)

    @pytest.mark.parametrize(
        ("whites", "special"),
        [((1, 2, 3, 4, 5), 1), ((65, 66, 67, 68, 69), 26), ((69, 1, 68, 2, 35), 13)],
    )
    def test_any_balls_of_the_game(self, committee, round_, whites, special):
        (event,) = committee.report(round_, whites=whites, special=special)
        assert event.draw == told(committee.draw(round_, whites, special))
        assert event.winningNumber == winning_number(whites, special)

    def test_by_the_balls_of_another_game(self, convene):
        committee = convene(game=MEGA_MILLIONS)
        round_ = committee.desk.open()
        address = committee.desk.address
        most = (66, 67, 68, 69, 70)
        (event,) = committee.report(round_, whites=most, special=24, at=round_.draw)
        assert event.winningNumber == 340 % 100
        for whites, special in (((67, 68, 69, 70, 71), 24), (most, 25)):
            with refused("InvalidDraw", whites, special, 70, 24):
                committee.report(round_, 1, whites, special)
        assert committee.about("voteOf", round_, committee.reporters[0])[1].whites == most
        assert committee.ask("winningNumber", address, (0, most, 23)) == 90


class TestRefused:
    def test_of_anybody_but_a_reporter(self, committee, round_, people, reporters):
        for caller in (people.stranger, people.admin, committee.guardian, reporters[3]):
            arguments = (committee.desk.address, round_.id, committee.draw(round_), EVIDENCE)
            with refused("NotReporter", caller):
                committee.do("report", *arguments, by=caller)

    @pytest.mark.parametrize("who", ["stranger", "nobody"])
    def test_of_a_market_that_is_no_contract(self, committee, round_, people, who):
        market = people.stranger if who == "stranger" else "0x" + "00" * 20
        arguments = (market, round_.id, committee.draw(round_), EVIDENCE)
        with refused("NotAMarket", market):
            committee.do("report", *arguments, by=committee.reporters[0])

    def test_of_an_unknown_round(self, committee, round_):
        for unknown in (0, round_.id + 1, 2**256 - 1):
            arguments = (committee.desk.address, unknown, committee.draw(round_), EVIDENCE)
            with refused("UnknownRound", unknown):
                committee.do("report", *arguments, by=committee.reporters[0])

    def test_of_a_round_that_another_decides(self, committee, desk, people):
        round_ = desk.open()
        arguments = (desk.address, round_.id, (0, WHITES, SPECIAL), EVIDENCE)
        with refused("NotOracleOfRound", desk.address, round_.id, people.oracle):
            committee.do("report", *arguments, by=committee.reporters[0], at=round_.draw)

    def test_what_decides_a_round_was_fixed_when_it_was_created(self, committee, people):
        desk = committee.desk
        round_ = desk.open()
        desk.do("setOracle", people.oracle, by=people.admin)
        other = desk.open(desk.draws(2)[1])
        committee.report(round_, at=round_.draw)
        with refused("NotOracleOfRound", desk.address, other.id, people.oracle):
            committee.report(other, at=other.draw)

    def test_of_a_cancelled_round(self, committee):
        round_ = committee.desk.open()
        committee.desk.bring_to(round_, CANCELLED)
        with refused("RoundDecided", committee.desk.address, round_.id, CANCELLED):
            committee.report(round_, at=round_.draw)

    def test_of_a_void_round(self, committee, round_):
        committee.desk.do("voidRound", round_.id, by=committee.guardian, at=round_.over + 1)
        with refused("RoundDecided", committee.desk.address, round_.id, CANCELLED):
            committee.report(round_)

    def test_of_a_finalized_round(self, committee, round_):
        at = committee.propose(round_, at=round_.draw + 9)
        committee.finalize(round_, at=at + HOUR)
        with refused("RoundDecided", committee.desk.address, round_.id, FINALIZED):
            committee.report(round_, 2)

    @pytest.mark.parametrize("before", [1, 15 * MINUTE, DAY])
    def test_before_the_draw(self, committee, before):
        round_ = committee.desk.open()
        with refused("ReportTooEarly", committee.desk.address, round_.id, round_.draw):
            committee.report(round_, at=round_.draw - before)

    def test_after_the_deadline(self, committee, round_):
        deadline = round_.draw + 70 * HOUR
        assert committee.deadline(round_) == deadline
        with refused("ReportTooLate", committee.desk.address, round_.id, deadline):
            committee.report(round_, at=deadline + 1)
        with refused("ReportTooLate", committee.desk.address, round_.id, deadline):
            committee.report(round_, at=round_.over + 1)

    @pytest.mark.parametrize("off", [-1, 1, -7, 365])
    def test_of_another_date(self, committee, round_, off):
        date, whites, special = committee.draw(round_)
        with refused("WrongDrawDate", date + off, date):
            committee.report_draw(round_, (date + off, whites, special))

    @pytest.mark.parametrize("wrong", [0, UINT32_MAX])
    def test_of_a_date_far_off(self, committee, round_, wrong):
        with refused("WrongDrawDate", wrong, day_of(round_, committee.desk)):
            committee.report_draw(round_, (wrong, WHITES, SPECIAL))

    @pytest.mark.parametrize(
        ("whites", "special"),
        [
            ((0, 12, 23, 44, 61), 8),
            ((61, 44, 23, 12, 0), 8),
            ((5, 12, 23, 44, 70), 8),
            ((255, 12, 23, 44, 61), 8),
            ((5, 5, 23, 44, 61), 8),
            ((5, 12, 12, 44, 61), 8),
            ((5, 12, 23, 23, 61), 8),
            ((5, 12, 23, 61, 61), 8),
            ((5, 12, 23, 44, 5), 8),
            ((7, 7, 7, 7, 7), 8),
            ((5, 12, 23, 44, 61), 0),
            ((5, 12, 23, 44, 61), 27),
            ((5, 12, 23, 44, 61), 255),
        ],
    )
    def test_of_balls_that_cannot_be_drawn(self, committee, round_, whites, special):
        """Told as they were given, beside the game's limits."""
        with refused("InvalidDraw", whites, special, 69, 26):
            committee.report(round_, whites=whites, special=special)
        assert committee.about("ballot", round_) == (1, 0)
        draw = committee.draw(round_, whites, special)
        with refused("InvalidDraw", whites, special, 69, 26):
            committee.ask("winningNumber", committee.desk.address, draw)


class TestDates:
    """By the clocks of New York, where the draw takes place late on the day before it is in UTC."""

    # Around the changes of 2030, and in deep winter and summer.
    DATES = ("2030-03-09", "2030-03-11", "2030-07-06", "2030-11-02", "2030-11-04", "2030-12-30")

    @pytest.mark.parametrize("date", DATES)
    def test_of_a_schedule(self, committee, date):
        day = dt.date.fromisoformat(date)
        at = draw_time(POWERBALL, day)
        days = (day - EPOCH).days
        assert at // DAY == days + 1  # already tomorrow in UTC
        committee.node.mine_at(at - 30 * DAY)
        round_ = committee.desk.open(at)
        committee.node.mine_at(at)
        for wrong in (days - 1, days + 1):
            with refused("WrongDrawDate", wrong, days):
                committee.report_draw(round_, (wrong, WHITES, SPECIAL))
        (event,) = committee.report_draw(round_, (days, WHITES, SPECIAL))
        assert event.draw.drawDate == days

    @pytest.mark.parametrize(
        ("local", "days_on"),
        [
            ("2030-01-10 00:00:00", 0),
            ("2030-01-10 23:59:59", 0),
            ("2030-01-11 00:00:00", 1),
            ("2030-07-10 00:00:00", 181),
            ("2030-07-10 23:59:59", 181),
            ("2030-03-10 01:59:59", 59),
            ("2030-03-10 03:00:00", 59),
            ("2030-03-10 00:00:00", 59),
            ("2030-03-09 23:59:59", 58),
            ("2030-11-03 23:59:59", 297),
            ("2030-11-04 00:00:00", 298),
        ],
    )
    def test_of_any_instant_where_no_schedule_binds(self, convene, local, days_on):
        game = type(POWERBALL)("powerball", 69, 26, 0, 0)
        committee = convene(game=game)
        at = int(dt.datetime.fromisoformat(local).replace(tzinfo=NEW_YORK).timestamp())
        days = (dt.date(2030, 1, 10) - EPOCH).days + days_on
        committee.node.mine_at(max(at - 30 * DAY, committee.node.now + 1))
        round_ = committee.desk.open(at)
        committee.node.mine_at(at)
        for wrong in (days - 1, days + 1):
            with refused("WrongDrawDate", wrong, days):
                committee.report_draw(round_, (wrong, WHITES, SPECIAL))
        committee.report_draw(round_, (days, WHITES, SPECIAL))
        _, draw = committee.about("voteOf", round_, committee.reporters[0])
        assert draw.drawDate == days


class TestWinningNumber:
    @pytest.mark.parametrize(
        ("whites", "special", "number"),
        [
            ((15, 19, 20, 61, 69), 9, 34),
            ((15, 19, 20, 61, 69), 6, 84),
            ((1, 2, 3, 4, 5), 1, 65),
            ((1, 2, 3, 4, 5), 2, 15),
            ((65, 66, 67, 68, 69), 26, 35),
            ((65, 66, 67, 68, 69), 25, 85),
            ((69, 20, 5, 4, 2), 26, 0),
            ((68, 20, 5, 4, 2), 26, 99),
            ((30, 11, 5, 3, 1), 25, 0),
            ((29, 11, 5, 3, 1), 25, 99),
        ],
    )
    def test_is_the_sum_and_fifty_more_for_an_odd_special(self, committee, whites, special, number):
        market = committee.desk.address
        for order in (whites, whites[::-1], whites[2:] + whites[:2]):
            for date in (0, UINT32_MAX):  # the date is not looked at
                assert committee.ask("winningNumber", market, (date, order, special)) == number

    def test_of_no_market(self, committee, people):
        with refused("no custom error", "0x"):
            committee.ask("winningNumber", people.stranger, (0, WHITES, SPECIAL))
