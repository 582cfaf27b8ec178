"""Markets that lie, sulk or call back: whatever they do to an oracle touches their own rounds only.

And committees that bring no result: everybody is paid back.
"""

from __future__ import annotations

from itertools import count

import pytest

from tests.contracts.support.committee import (
    EVIDENCE,
    NUMBER,
    OTHER_SPECIAL,
    OTHER_WHITES,
    SPECIAL,
    WHITES,
)
from tests.contracts.support.contract import Contract, refused
from tests.contracts.support.desk import (
    CANCELLED,
    DAY,
    EVEN,
    FINALIZED,
    HIGH,
    HOUR,
    LOCKED,
    ODD,
    OPEN,
    POL,
)

OTHER = {"whites": OTHER_WHITES, "special": OTHER_SPECIAL}
DATE = 21_920  # 2030-01-06; what a fake market's draw times are on
DRAW = DATE * DAY + 12 * HOUR
UINT256_MAX = 2**256 - 1


class Fake:
    """A fake market and the oracle that it deals with."""

    def __init__(self, committee, abi, address):
        self.committee = committee
        self.contract = Contract(committee.node, abi, address)
        self.address = address
        self.oracle = int(committee.address, 16)
        self.say()

    def set(self, function, *args):
        self.contract.transact(function, *args, by=self.committee.desk.people.stranger)

    def say(self, draw_time=DRAW, status=LOCKED, oracle=None, white_max=69, special_max=26):
        self.set("say", (draw_time, status, oracle or self.oracle, white_max, special_max))

    def arm(self, function, *args, target=None):
        data = (target or self.committee).abi.call(function, *args)
        address = (target or self.committee).address
        self.set("arm", address, bytes.fromhex(data[2:]))

    def report(self, seat=0, round_id=1, date=DATE, whites=WHITES, special=SPECIAL):
        arguments = (self.address, round_id, (date, whites, special), EVIDENCE)
        return self.committee.do("report", *arguments, by=self.committee.reporters[seat])

    def propose(self, round_id=1):
        for seat in range(2):
            self.report(seat, round_id)
        return self.committee.node.now

    def finalize(self, round_id=1, at=None):
        stranger = self.committee.desk.people.stranger
        return self.committee.do("finalize", self.address, round_id, by=stranger, at=at)


@pytest.fixture
def genuine(committee, alice, bob):
    """Rounds of the genuine market: with a vote, with a proposal; what is said of them."""
    voted, proposed = [committee.desk.open(draw) for draw in committee.desk.draws(2)]
    for round_ in (voted, proposed):
        committee.desk.bet(round_, alice, EVEN)
        committee.desk.bet(round_, bob, ODD)
    committee.report(voted, 2, at=voted.draw)
    committee.propose(proposed)

    def state():
        views = [
            (view, committee.desk.address, round_.id, *more)
            for round_ in (voted, proposed)
            for view, *more in (
                ("proposal",),
                ("ballot",),
                *(("voteOf", reporter) for reporter in committee.reporters),
            )
        ]
        infos = [("getRoundInfo", round_.id) for round_ in (voted, proposed)]
        return committee.ask_all(views), committee.desk.ask_all(infos)

    return voted, proposed, state


@pytest.fixture
def fake(committee, helpers, genuine):
    """A fake market that says as an honest one would, an hour after its draw."""
    committee.node.mine_at(DRAW + HOUR)
    return Fake(committee, *helpers("FakeMarket"))


class TestLies:
    def test_an_honest_one_is_served(self, fake):
        at = fake.propose()
        fake.finalize(at=at + HOUR)
        assert fake.contract.ask("results") == 1
        assert fake.contract.ask("result") == NUMBER

    def test_only_the_market_forbids_a_second_result(self, fake, genuine):
        *_, state = genuine
        before = state()
        at = fake.propose()
        for times in (1, 2, 3):
            fake.finalize(at=at + times * HOUR)
            assert fake.contract.ask("results") == times
        assert state() == before

    @pytest.mark.parametrize(
        ("terms", "error"),
        [
            ({"status": 5}, ("no custom error", "0x")),
            ({"status": UINT256_MAX}, ("no custom error", "0x")),
            ({"oracle": 2**160}, ("no custom error", "0x")),
            ({"white_max": 256}, ("no custom error", "0x")),
            ({"special_max": 256}, ("no custom error", "0x")),
            ({"white_max": 60}, ("InvalidDraw", WHITES, SPECIAL, 60, 26)),
            ({"special_max": 7}, ("InvalidDraw", WHITES, SPECIAL, 69, 7)),
            ({"white_max": 0, "special_max": 0}, ("InvalidDraw", WHITES, SPECIAL, 0, 0)),
        ],
    )
    def test_beyond_the_types_or_the_balls_are_no_round(self, fake, genuine, terms, error):
        *_, state = genuine
        before = state()
        fake.say(**terms)
        with refused(*error):
            fake.report()
        assert fake.committee.ask("ballot", fake.address, 1) == (1, 0)
        assert state() == before

    @pytest.mark.parametrize("status", [FINALIZED, CANCELLED])
    def test_of_a_round_decided(self, fake, status):
        fake.say(status=status)
        with refused("RoundDecided", fake.address, 1, status):
            fake.report()

    @pytest.mark.parametrize("status", [0, OPEN])
    def test_of_a_round_that_is_open_still_or_none(self, fake, status):
        fake.say(status=status)
        fake.report()
        assert fake.committee.ask("ballot", fake.address, 1) == (1, 1)

    @pytest.mark.parametrize("draw_time", [UINT256_MAX, UINT256_MAX - 71 * HOUR, 2**64])
    def test_of_a_draw_at_the_end_of_time(self, fake, draw_time):
        fake.say(draw_time=draw_time)
        with refused("ReportTooEarly", fake.address, 1, draw_time):
            fake.report()

    @pytest.mark.parametrize("draw_time", [0, 1, 5 * HOUR - 1, DAY])
    def test_of_a_draw_at_its_beginning(self, fake, draw_time):
        fake.say(draw_time=draw_time)
        with refused("ReportTooLate", fake.address, 1, draw_time + 70 * HOUR):
            fake.report()

    def test_told_anew_after_every_vote_change_its_own_rounds_only(self, fake, genuine):
        *_, state = genuine
        before = state()
        committee = fake.committee
        fake.report(0)
        fake.say(draw_time=DRAW - DAY)
        fake.report(1, date=DATE - 1)  # the same balls: a quorum, for it said so
        _, at, _ = committee.ask("proposal", fake.address, 1)
        assert at == committee.node.now
        _, draw = committee.ask("voteOf", fake.address, 1, committee.reporters[0])
        assert draw.drawDate == DATE - 1
        fake.say(oracle=1)
        fake.finalize(at=at + HOUR)
        with refused("NotOracleOfRound", fake.address, 1, "0x" + f"{1:040x}"):
            fake.report(2)
        assert state() == before

    def test_a_mute_one_is_no_round(self, committee, helpers):
        _, mute = helpers("Mute")
        arguments = (mute, 1, (DATE, WHITES, SPECIAL), EVIDENCE)
        with refused("no custom error", "0x"):
            committee.do("report", *arguments, by=committee.reporters[0])
        with refused("no custom error", "0x"):
            committee.ask("winningNumber", mute, (DATE, WHITES, SPECIAL))

    def test_a_sulking_one_can_be_asked_again(self, fake):
        at = fake.propose()
        fake.set("sulk", True)
        sulking = "0x" + fake.contract.abi.selector_of_error("Sulking").hex()
        with refused("no custom error", sulking):
            fake.finalize(at=at + HOUR)
        fake.set("sulk", False)
        fake.finalize()
        assert fake.contract.ask("result") == NUMBER


class TestReentry:
    """A market calls back while it is given its result; as anybody, as reporter, as guardian."""

    def answer(self, fake):
        contract = fake.contract
        return contract.ask("succeeded"), "0x" + contract.ask("answer").hex()

    def test_it_may_be_given_the_same_again(self, fake, genuine):
        *_, state = genuine
        before = state()
        at = fake.propose()
        fake.arm("finalize", fake.address, 1)
        fake.finalize(at=at + HOUR)
        assert self.answer(fake) == (True, "0x")
        assert fake.contract.ask("results") == 2
        assert state() == before

    def test_it_may_finalize_what_anybody_may(self, fake, genuine):
        _, proposed, _ = genuine
        committee, desk = fake.committee, fake.committee.desk
        at = fake.propose()
        fake.arm("finalize", desk.address, proposed.id)
        fake.finalize(at=at + HOUR)
        assert self.answer(fake) == (True, "0x")
        assert desk.ask("getRoundInfo", proposed.id).winningNumber == NUMBER
        assert committee.ask("proposal", desk.address, proposed.id)[0] == NUMBER

    @pytest.mark.parametrize("function", ["report", "veto", "finalize", "finalizeRound"])
    def test_it_gets_nothing_that_others_would_not(self, fake, genuine, function):
        voted, _, state = genuine
        before = state()
        committee, desk = fake.committee, fake.committee.desk
        at = fake.propose()
        draw = committee.draw(voted)
        calls = {
            "report": (desk.address, voted.id, draw, EVIDENCE),
            "veto": (desk.address, voted.id),
            "finalize": (desk.address, voted.id),
            "finalizeRound": (voted.id, 1),
        }
        errors = {
            "report": "NotReporter",
            "veto": "NotGuardian",
            "finalize": "NoProposal",
            "finalizeRound": "NotRoundOracle",
        }
        target = desk if function == "finalizeRound" else committee
        fake.arm(function, *calls[function], target=target)
        fake.finalize(at=at + HOUR)
        succeeded, answer = self.answer(fake)
        assert succeeded is False
        assert target.abi.refusal(answer).name == errors[function]
        assert state() == before

    def test_as_its_own_reporter_and_guardian(self, fake, launch, oracle_abi, oracle_type, people):
        """Of an oracle of its own making: bound by the same rules inside as outside."""
        code = str(oracle_type.deployment_bytecode.bytecode)
        address, _ = launch(oracle_abi, code, [fake.address], 1, 0, fake.address)
        own = Contract(fake.committee.node, oracle_abi, address)
        fake.say(oracle=int(address, 16))
        vote = ("report", fake.address, 1, (DATE, WHITES, SPECIAL), EVIDENCE)
        inside = {
            "ProposalStands": vote,
            "DisputeWindowOver": ("veto", fake.address, 1),
        }
        act = bytes.fromhex(oracle_abi.call(*vote)[2:])
        fake.set("act", address, 0, act)
        for error, call in inside.items():
            fake.arm(*call, target=own)
            own.transact("finalize", fake.address, 1, by=people.stranger)
            succeeded, answer = self.answer(fake)
            assert (succeeded, oracle_abi.refusal(answer).name) == (False, error)


class TestNoResult:
    """A stuck, dead or disagreeing committee ends in the void, and everybody is paid back."""

    def stuck(self, committee, round_, how):
        match how:
            case "dead":
                pass
            case "one alive":
                committee.report(round_, 0, at=round_.draw)
            case "of two minds":
                for seat, whites in enumerate((WHITES, OTHER_WHITES, (1, 2, 3, 4, 5))):
                    committee.report(round_, seat, whites, at=round_.draw + seat)
            case "vetoed":
                at = committee.propose(round_, at=committee.deadline(round_))
                committee.veto(round_, at=at + HOUR - 1)
            case "forgotten":
                committee.propose(round_)

    @pytest.mark.parametrize("how", ["dead", "one alive", "of two minds", "vetoed", "forgotten"])
    def test_everybody_is_paid_back(self, committee, people, how):
        desk = committee.desk
        round_ = desk.open()
        stakes = dict(zip(people.bettors, count(1), strict=False))
        for user, stake in stakes.items():
            desk.bet(round_, user, (EVEN, ODD, HIGH)[stake % 3], stake * POL)
        self.stuck(committee, round_, how)
        with refused("TooEarly", round_.id, round_.over + 1):
            desk.do("voidRound", round_.id, by=people.stranger, at=round_.over)
        desk.do("voidRound", round_.id, by=people.stranger, at=round_.over + 1)
        with desk.pays(*((user, stake * POL) for user, stake in stakes.items())):
            desk.do("settle", round_.id, list(stakes), by=people.stranger)
        assert desk.balance() == 0

    def test_a_lone_liar_decides_nothing(self, committee):
        round_ = committee.desk.open()
        for hour in range(3):
            committee.report(round_, 0, **OTHER, at=round_.draw + hour * HOUR)
        for seat in (1, 2):
            committee.report(round_, seat)
        at = committee.node.now
        committee.finalize(round_, at=at + HOUR)
        assert committee.desk.ask("getRoundInfo", round_.id).winningNumber == NUMBER

    def test_the_market_cancelled_before_the_draw(self, committee, alice):
        desk = committee.desk
        round_ = desk.open()
        desk.bet(round_, alice, EVEN)
        desk.do("cancelRound", round_.id, by=desk.people.guardian, at=round_.draw - 1)
        for seat in range(3):
            with refused("RoundDecided", desk.address, round_.id, CANCELLED):
                committee.report(round_, seat, at=round_.draw + seat)
        with refused("NoProposal", desk.address, round_.id):
            committee.finalize(round_, at=round_.draw + HOUR)
        with desk.pays((alice, POL)):
            desk.do("claimRefund", round_.id, by=alice)

    def test_a_cancelled_draw_is_decided_in_its_next_round(self, committee, alice, bob):
        desk = committee.desk
        first = desk.open()
        desk.bring_to(first, CANCELLED)
        again = desk.open(first.draw)
        desk.bet(again, alice, EVEN)
        desk.bet(again, bob, ODD)
        at = committee.propose(again)
        committee.finalize(again, at=at + HOUR)
        with refused("RoundDecided", desk.address, first.id, CANCELLED):
            committee.report(first, 2)
        assert desk.ask("claimable", again.id, bob)[0] > POL
