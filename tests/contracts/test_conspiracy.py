"""Every key but a quorum's in thieves' hands: a bettor gets the true payout, or the stake back.

The thieves hold admin, operator, both guardians, fee recipient, a reporter and a bettor, and call
anything with anything at any time. The honest bet where the committee decides, as `getRoundInfo`
shows before they do. LOTTOCHAIN_SEED repeats a run, LOTTOCHAIN_STEPS makes it longer.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from keeper.domain.lines import Outcome, Prediction, fee_at, outcome
from tests.contracts.support.codec import Refused
from tests.contracts.support.committee import (
    NUMBER,
    OTHER_NUMBER,
    OTHER_SPECIAL,
    OTHER_WHITES,
    Committee,
)
from tests.contracts.support.contract import Contract
from tests.contracts.support.desk import (
    CANCELLED,
    DAY,
    EVEN,
    FINALIZED,
    HOUR,
    ODD,
    OPEN,
    POL,
    Round,
)

STEPS = max(600, int(os.environ.get("LOTTOCHAIN_STEPS", "600")))
STEPS_A_GAME = 150
ATTEMPTS = 12  # that the thieves think of before each step
LEAST = 3  # calls of each function that the thieves must have brought through
PATIENCE = 10  # as many times the steps wanted are taken before a function is called too rare
ROLES = [b"\0" * 32]  # and those of the market, see Game
NOT_AWAITED = {  # what comes through never or by rare luck
    "finalizeRound",  # the committee decides
    "acceptDefaultAdminTransfer",
    "beginDefaultAdminTransfer",
    "cancelDefaultAdminTransfer",
    "changeDefaultAdminDelay",
    "rollbackDefaultAdminDelay",
}
# The thief who can bring a call through, where it is not the admin; others try it as well.
WHO = {
    "bettor": (
        "placeBet",
        "placeMatchedBet",
        "cancelUnmatched",
        "claimRefund",
        "claimWinnings",
        "claimWinningsBatch",
    ),
    "operator": ("createRound", "cancelRound"),
    "guardian": ("pause", "veto"),
    "reporter": ("report",),
}
# What ends a game early: each game's thieves do without most of it, others than the last ones did.
CRUDE = ["cancelRound", "pause", "renounceRole", "revokeRole", "setBetLimits", "veto"]
LIE = {"whites": OTHER_WHITES, "special": OTHER_SPECIAL}


def writes(contract: Contract) -> list[dict[str, Any]]:
    """The functions that change something."""
    kinds = ("nonpayable", "payable")
    return [
        entry
        for entry in contract.abi.entries
        if entry.get("stateMutability") in kinds and entry["type"] == "function"
    ]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that somebody might make."""

    contract: Contract
    function: str
    arguments: list[Any]
    by: str
    value: int

    @property
    def transaction(self) -> dict[str, str]:
        """As the node is asked about it."""
        data = self.contract.abi.call(self.function, *self.arguments)
        to = self.contract.address
        return {"from": self.by, "to": to, "data": data, "value": hex(self.value)}

    def make(self) -> None:
        """Raises Refused."""
        self.contract.do(self.function, *self.arguments, by=self.by, value=self.value)


class Game:
    """One market, its committee, three honest bettors, two honest reporters and the thieves."""

    def __init__(self, committee: Committee, dice: random.Random, done: Counter[str]) -> None:
        self.committee, self.desk, self.node = committee, committee.desk, committee.node
        self.dice, self.done = dice, done
        people = self.desk.people
        self.honest = people.bettors[:3]
        self.keys = {
            "admin": people.admin,
            "operator": people.operator,
            "guardian": people.guardian,
            "oracle": people.oracle,
            "fee recipient": people.fee_recipient,
            "bettor": people.bettors[3],
            "reporter": committee.reporters[0],
        }
        self.thieves = list(self.keys.values())
        self.forgone = {name for name in CRUDE if dice.random() < 0.75}
        names = ("OPERATOR_ROLE", "GUARDIAN_ROLE")
        self.roles = [*ROLES, *self.desk.ask_all([(name,) for name in names])]
        self.staked: Counter[str] = Counter()
        self.before = dict(zip(self.honest, self.node.balances(list(self.honest)), strict=True))

    # ---- rounds

    def rounds(self) -> list[tuple[Round, Any]]:
        """Those that the committee decides, and what the market says of each."""
        count = self.desk.ask("roundCount")
        infos = self.desk.ask_all([("getRoundInfo", i) for i in range(1, count + 1)])
        return [
            (Round(i, info.drawTime, info.lockTime), info)
            for i, info in enumerate(infos, 1)
            if info.oracle == self.committee.address
        ]

    def pass_time(self) -> None:
        """To a second around the next boundary of some round, or a little on."""
        now = self.node.now
        times = [
            time + self.dice.randrange(-1, 2)
            for round_, _ in self.rounds()
            for time in (round_.lock, round_.draw, round_.draw + 2 * HOUR, round_.over + 1)
        ]
        nearest = min((time for time in times if time > now), default=now + DAY)
        self.node.mine_at(self.dice.choice([nearest, nearest, now + 1]))

    # ---- thieves

    def anything(self, parameter: dict[str, Any], round_: Round) -> Any:
        """An argument of this type that might do harm."""
        dice, kind = self.dice, parameter["type"]
        addresses = [*self.thieves, self.desk.address, self.committee.address]
        named = {
            "market": [self.desk.address],
            "betIndex": [0, 0, 1, 2],
            "newMinBet": [0, 10**9, POL],
            "newMaxBet": [10**9, POL, 2**96 - 1, 2**96],
            "minMatched": [0, POL],
            "drawTime": [*self.desk.draws(4), round_.draw, round_.draw + 1],
        }
        if parameter["name"] in named:
            return dice.choice(named[parameter["name"]])
        return {
            "uint256": lambda: dice.choice([round_.id, round_.id, round_.id, 0, 1, POL, 10**9]),
            "uint8": lambda: dice.choice([EVEN, ODD, OTHER_NUMBER, dice.randrange(256)]),
            "uint16": lambda: dice.choice([0, 500, 501, 2**16 - 1]),
            "uint48": lambda: dice.choice([0, DAY, 2**48 - 1]),
            "address": lambda: dice.choice(addresses),
            "address[]": lambda: dice.sample([*addresses, *self.honest], 3),
            "uint256[]": lambda: [round_.id] * dice.choice([1, 2]) + [0] * dice.choice([0, 0, 1]),
            "bytes32": lambda: dice.choice(self.roles),
            "tuple": lambda: self.committee.draw(round_, *dice.choice([(), tuple(LIE.values())])),
        }[kind]()

    def attempt(self) -> Attempt:
        """Some call by one of them, of anything with anything."""
        contract: Contract = self.dice.choice([self.desk, self.desk, self.committee])
        possible = [one for one in writes(contract) if one["name"] not in self.forgone]
        entry = self.dice.choice(possible)
        function = entry["name"]
        apt = next((key for key, functions in WHO.items() if function in functions), "admin")
        by = self.dice.choice([self.keys[apt], self.keys[apt], self.dice.choice(self.thieves)])
        round_ = self.dice.choice(self.standing)
        arguments = [self.anything(parameter, round_) for parameter in entry["inputs"]]
        value = self.dice.choice([POL, POL // 3]) if entry["stateMutability"] == "payable" else 0
        return Attempt(contract, function, arguments, by, value)

    def steal(self) -> None:
        """They look before they act: of what would come through, what they did least."""
        self.standing = [round_ for round_, _ in self.rounds()] or [Round(1, self.node.now, 0)]
        attempts = [self.attempt() for _ in range(ATTEMPTS)]
        answers = self.node.batch([("eth_call", [one.transaction, "latest"]) for one in attempts])
        able = [one for one, answer in zip(attempts, answers, strict=True) if "error" not in answer]
        if able:
            attempt = min(able, key=lambda one: self.done[one.function])
            with suppress(Refused):  # a second later, it may be too late
                attempt.make()
                self.done[attempt.function] += 1

    # ---- the honest

    def go_on(self) -> None:
        """An honest bettor, reporter or passer-by does what can be done."""
        dice, now = self.dice, self.node.now
        for round_, info in self.rounds():
            if info.status == OPEN and now < round_.lock - 1 and dice.random() < 0.7:
                user, amount = dice.choice(self.honest), dice.choice([POL, POL // 3, 7 * POL // 5])
                try:
                    self.desk.bet(round_, user, dice.choice(list(Prediction)), amount)
                except Refused:
                    continue
                self.staked[user] += amount
            elif info.status < FINALIZED and now >= round_.draw:
                seat = dice.choice([1, 2])
                for attempt in (
                    lambda seat=seat, one=round_: self.committee.report(one, seat),
                    lambda one=round_: self.committee.finalize(one),
                ):
                    try:
                        attempt()
                    except Refused:
                        continue

    def play(self, steps: int) -> None:
        for _ in range(steps):
            chance = self.dice.random()
            if chance < 0.06:
                self.pass_time()
            elif chance < 0.25:
                self.go_on()
            else:
                self.steal()

    # ---- the end

    def end(self) -> Counter[int]:
        """Whoever is left voids and settles, and counts what came back; how rounds ended."""
        rounds = self.rounds()
        latest = max([self.node.now, *(round_.over for round_, _ in rounds)])
        self.node.mine_at(latest + 1)
        owed: Counter[str] = Counter()
        ends: Counter[int] = Counter()
        for round_, info in self.rounds():
            assert info.feeBps <= 500
            if info.status < FINALIZED:
                self.desk.do("voidRound", round_.id, by=self.honest[0])
            end = self.desk.ask("getRoundInfo", round_.id)
            assert end.status == CANCELLED or end.winningNumber == NUMBER
            ends[end.status] += 1
            for user in self.honest:
                owed[user] += self.right(round_, end, user)
            self.desk.do("settle", round_.id, list(self.honest), by=self.honest[0])
        for user in self.honest:
            assert self.node.balance(user) - self.before[user] == owed[user] - self.staked[user]
        return ends

    def right(self, round_: Round, info: Any, user: str) -> int:
        """What a bettor should get of a round: by hand from the bets that stand in it."""
        bets = self.desk.ask("getUserBets", round_.id, user)
        if info.status == CANCELLED:
            return sum(bet.amount for bet in bets)
        total = 0
        for bet in bets:
            come = outcome(Prediction(bet.prediction), NUMBER)
            matched, offset = bet.matchedAmount, bet.offset
            fee = fee_at(offset + matched, info.feeBps) - fee_at(offset, info.feeBps)
            total += bet.amount - matched
            total += {Outcome.WON: 2 * matched - fee, Outcome.LOST: 0, Outcome.PUSH: matched}[come]
        return total


@pytest.fixture
def committee(convene) -> Committee:
    return convene()


def test_thieves_with_every_key_but_a_quorums_pay_nobody_wrongly(committee):
    first = int(os.environ.get("LOTTOCHAIN_SEED") or random.SystemRandom().randrange(2**32))
    print(f"\nconspiracy: LOTTOCHAIN_SEED={first}")
    contracts = (committee.desk, committee)
    functions = {entry["name"] for contract in contracts for entry in writes(contract)}
    committee.node.set_balance(committee.reporters[0], 1_000 * POL)
    done: Counter[str] = Counter()
    ends: Counter[int] = Counter()
    games = 0

    def rare() -> set[str]:
        few = {name for name in functions - NOT_AWAITED if done[name] < LEAST}
        return few | {f"end {end}" for end in (FINALIZED, CANCELLED) if ends[end] < LEAST}

    while games * STEPS_A_GAME < STEPS or (rare() and games * STEPS_A_GAME < STEPS * PATIENCE):
        snapshot = committee.node.snapshot()
        game = Game(committee, random.Random(first + games), done)
        for draw in committee.desk.draws(2):
            round_ = committee.desk.open(draw)
            for prediction, amount in ((EVEN, POL), (ODD, POL // 3)):
                committee.desk.bet(round_, game.keys["bettor"], prediction, amount)
        game.play(STEPS_A_GAME)
        ends += game.end()
        committee.node.restore(snapshot)
        games += 1
    for name in sorted(functions):
        print(f"  {name:<40}{done[name]:>6}")
    print(f"  finalized {ends[FINALIZED]}, cancelled {ends[CANCELLED]}, {games} games")
    assert not rare()


class TestAQuorumThatLies:
    @pytest.fixture
    def round_(self, committee, alice, bob) -> Round:
        round_ = committee.desk.open()
        committee.desk.bet(round_, alice, EVEN)
        committee.desk.bet(round_, bob, ODD)
        return round_

    def test_is_vetoed_and_everybody_paid_back(self, committee, round_, alice, bob):
        at = committee.propose(round_, **LIE)
        committee.veto(round_, at=at + 1)
        at = committee.propose(round_, at=committee.deadline(round_), **LIE)
        committee.veto(round_, at=at + HOUR - 1)
        committee.desk.do("voidRound", round_.id, by=bob, at=round_.over + 1)
        with committee.desk.pays((alice, POL), (bob, POL)):
            committee.desk.do("settle", round_.id, [alice, bob], by=alice)

    def test_is_believed_when_the_guardian_lets_it_pass(self, committee, round_, alice, bob):
        """What bettors must trust: nothing else than this pays a wrong number."""
        at = committee.propose(round_, **LIE)
        committee.finalize(round_, at=at + HOUR)
        assert committee.desk.ask("getRoundInfo", round_.id).winningNumber == OTHER_NUMBER
        fee = POL * 2 // 100
        with committee.desk.pays((alice, 2 * POL - fee), (bob, 0)):
            committee.desk.do("settle", round_.id, [alice, bob], by=bob)
