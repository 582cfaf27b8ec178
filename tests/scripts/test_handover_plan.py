"""What a hand-over takes, for every state it can be run in: the rules alone, without a chain."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from scripts import _handover
from scripts._handover import Step, Wish
from scripts._holders import ROLES, Decider, Holders

DEPLOYER, SAFE, KEEPER, OTHER = (f"0x{digit * 40}" for digit in "1234")
COMMITTEE = f"0x{'c' * 40}"
REPORTERS = (KEEPER, OTHER)
NOW, DELAY = 1_800_000_000, 2 * 86400


def decider(
    guardian: str | None = SAFE,
    address: str = COMMITTEE,
    serves: tuple[str, ...] = ("later rounds",),
) -> Decider:
    return Decider(address, serves, guardian, REPORTERS if guardian else (), 2 if guardian else 0)


FRESH = Holders(
    block=9,
    now=NOW,
    deployer=DEPLOYER,
    admin=DEPLOYER,
    pending=None,
    schedule=0,
    delay=DELAY,
    fee_recipient=DEPLOYER,
    roles={(role, DEPLOYER): True for role in ROLES},
    deciders=(decider(),),
    contracts=frozenset({SAFE, COMMITTEE}),
)
OFFERED = replace(
    FRESH,
    pending=SAFE,
    schedule=NOW + DELAY,
    fee_recipient=SAFE,
    roles={
        ("admin", DEPLOYER): True,
        ("operator", DEPLOYER): False,
        ("guardian", DEPLOYER): False,
        ("guardian", SAFE): True,
        ("operator", KEEPER): True,
    },
)
DONE = replace(
    OFFERED,
    admin=SAFE,
    pending=None,
    schedule=0,
    roles=OFFERED.roles | {("admin", DEPLOYER): False, ("admin", SAFE): True},
)
WISH = Wish(SAFE, DEPLOYER, (DEPLOYER,), operator=KEEPER, fee_recipient=SAFE)


def role(name: str) -> bytes:
    return bytes.fromhex(ROLES[name][2:])


def calls(holders: Holders, wish: Wish) -> list[tuple[object, ...]]:
    return [(step.function, *step.args) for step in _handover.steps(holders, wish)]


def test_the_first_run_does_all_but_the_acceptance() -> None:
    assert not list(_handover.objections(FRESH, WISH))
    assert calls(FRESH, WISH) == [
        ("grantRole", role("guardian"), SAFE),
        ("grantRole", role("operator"), KEEPER),
        ("revokeRole", role("guardian"), DEPLOYER),
        ("revokeRole", role("operator"), DEPLOYER),
        ("setFeeRecipient", SAFE),
        ("beginDefaultAdminTransfer", SAFE),
    ]


@pytest.mark.parametrize("holders", [OFFERED, DONE])
def test_a_later_run_does_nothing_twice(holders: Holders) -> None:
    bare = Wish(SAFE, DEPLOYER, (DEPLOYER,))
    for wish in (WISH, bare):
        assert not list(_handover.objections(holders, wish))
        assert not calls(holders, wish)


def test_it_goes_on_wherever_it_was_stopped() -> None:
    """Whatever of the first run was done, and in whichever order: the rest is done."""
    planned = _handover.steps(FRESH, WISH)
    for done in product([True, False], repeat=len(planned)):
        holders = FRESH
        for step, was in zip(planned, done, strict=True):
            holders = after(holders, step) if was else holders
        rest = _handover.steps(holders, WISH)
        assert rest == [s for s, was in zip(planned, done, strict=True) if not was]
        for step in rest:
            holders = after(holders, step)
        assert not _handover.steps(holders, WISH)
        assert _handover.kept(holders, DEPLOYER) == ["admin"]


def after(holders: Holders, step: Step) -> Holders:
    """As the contract would have it."""
    match step.function, step.args:
        case "setFeeRecipient", (recipient,):
            return replace(holders, fee_recipient=recipient)
        case "beginDefaultAdminTransfer", (to,):
            return replace(holders, pending=to, schedule=holders.now + holders.delay)
        case function, (role_id, account):
            [name] = [n for n in ROLES if role(n) == role_id]
            has = {"grantRole": True, "revokeRole": False}[function]
            return replace(holders, roles=holders.roles | {(name, account): has})
    raise AssertionError(step)


def test_an_offer_to_another_is_replaced() -> None:
    holders = replace(OFFERED, pending=OTHER)
    assert calls(holders, WISH) == [("beginDefaultAdminTransfer", SAFE)]


def test_after_the_acceptance_everybody_gives_up_what_is_left() -> None:
    holders = replace(
        DONE,
        pending=DEPLOYER,
        schedule=NOW,
        roles=DONE.roles | {("guardian", DEPLOYER): True, ("operator", DEPLOYER): True},
    )
    assert calls(holders, WISH) == [
        ("renounceRole", role("operator"), DEPLOYER),
        ("renounceRole", role("guardian"), DEPLOYER),
    ]
    assert calls(holders, replace(WISH, actor=SAFE)) == [
        ("revokeRole", role("guardian"), DEPLOYER),
        ("revokeRole", role("operator"), DEPLOYER),
        ("cancelDefaultAdminTransfer",),
    ]
    for pending in (None, OTHER):
        assert not calls(replace(DONE, pending=pending), replace(WISH, actor=SAFE))


LATER = replace(FRESH, deciders=(decider(DEPLOYER),))
STANDING = replace(FRESH, deciders=(decider(), decider(DEPLOYER, OTHER, ("round 3", "round 4"))))
PLAIN = replace(FRESH, deciders=(decider(None, DEPLOYER),))
PLAIN_ROUND = replace(FRESH, deciders=(decider(), decider(None, DEPLOYER, ("round 3",))))
AGAINST = [
    (FRESH, replace(WISH, operator=None), ["nobody would be operator"]),
    (FRESH, replace(WISH, operator=DEPLOYER), ["--operator 0x1"]),
    (FRESH, replace(WISH, fee_recipient=None), ["gets the fees: name another"]),
    (FRESH, replace(WISH, fee_recipient=DEPLOYER), ["--fee-recipient 0x1"]),
    (FRESH, Wish(SAFE, DEPLOYER, (DEPLOYER,)), ["gets the fees", "nobody would be operator"]),
    (FRESH, replace(WISH, actor=OTHER), [f"the admin is {DEPLOYER}"]),
    (FRESH, replace(WISH, to=COMMITTEE), ["is the oracle, which cannot act"]),
    (LATER, WISH, [f"{DEPLOYER} is the guardian of ResultOracle {COMMITTEE} (oracle of later"]),
    (STANDING, WISH, [f"guardian of ResultOracle {OTHER} (oracle of round 3, round 4) for good"]),
    (PLAIN, WISH, [f"{DEPLOYER} is itself the oracle of later rounds"]),
    (PLAIN_ROUND, WISH, ["the oracle of round 3 and decides their results: give their results"]),
]


@pytest.mark.parametrize(("holders", "wish", "expected"), AGAINST)
def test_what_stands_in_the_way(holders: Holders, wish: Wish, expected: list[str]) -> None:
    found = list(_handover.objections(holders, wish))
    assert len(found) == len(expected)
    for text, part in zip(found, expected, strict=True):
        assert part in text


def test_fees_may_stay_when_that_is_said() -> None:
    wish = replace(WISH, fee_recipient=None, fees_may_stay=True)
    assert not list(_handover.objections(FRESH, wish))
    assert "setFeeRecipient" not in [function for function, *_ in calls(FRESH, wish)]
    stays = replace(DONE, fee_recipient=DEPLOYER)
    assert _handover.kept(stays, DEPLOYER) == ["fee recipient"]
    assert not _handover.kept(stays, DEPLOYER, fees_may_stay=True)


def test_what_remains_is_told_to_the_second() -> None:
    told = _handover.remaining(OFFERED, SAFE, "powerball")
    assert told is not None
    assert "after 2027-01-17 08:00:00 UTC, in 2 d:" in told
    last = replace(OFFERED, now=OFFERED.schedule)
    assert "in 0 s" in (_handover.remaining(last, SAFE, "powerball") or "")
    over = replace(OFFERED, now=OFFERED.schedule + 1)
    assert "can accept the admin role now" in (_handover.remaining(over, SAFE, "powerball") or "")
    assert _handover.remaining(DONE, SAFE, "powerball") is None


def test_a_proof_finds_every_power() -> None:
    everything = replace(
        FRESH, pending=DEPLOYER, schedule=NOW, deciders=(*LATER.deciders, *PLAIN.deciders)
    )
    assert _handover.kept(everything, DEPLOYER) == [
        *ROLES,
        "next admin",
        "fee recipient",
        f"guardian of oracle {COMMITTEE}",
        "oracle of later rounds",
    ]
    assert not _handover.kept(DONE, DEPLOYER)
    # One vote of two decides nothing; one of one decides everything.
    assert [one.what for one in DONE.of(OTHER)] == [f"one vote of 2 in oracle {COMMITTEE}"]
    assert not _handover.kept(DONE, OTHER)
    alone = replace(DONE, deciders=(replace(decider(), reporters=(OTHER,), quorum=1),))
    assert _handover.kept(alone, OTHER) == [f"one vote of 1 in oracle {COMMITTEE}"]
