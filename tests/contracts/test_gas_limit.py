"""A settle that runs short of gas reverts as a whole: for want of gas nobody is skipped."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from tests.contracts.support.contract import refused
from tests.contracts.support.desk import CANCELLED, EVEN, LOCKED, POL, Puppet

SETTLE_GAS = 50_000


@pytest.fixture
def gourmets(desk, helpers, round_, people):
    """Bettors that need nearly all of the gas they are promised, one of them delegated."""
    wallet = desk.puppet(*helpers("GasBurner"))
    wallet.do("placeBet", round_.id, EVEN, value=POL)
    wallet.set("want", SETTLE_GAS - 500)

    delegated = Puppet(desk, wallet.abi, people.bettors[5])
    desk.bet(round_, delegated.address, EVEN)
    designator = "0xef0100" + wallet.address[2:]  # EIP-7702
    desk.node.request("anvil_setCode", delegated.address, designator)
    delegated.set("want", SETTLE_GAS - 600)

    plain = people.bettors[6]
    desk.bet(round_, plain, EVEN)
    return [wallet.address, delegated.address, plain]


@pytest.mark.parametrize("status", [LOCKED, CANCELLED])
def test_nobody_is_skipped_for_want_of_gas(desk, helpers, round_, gourmets, status):
    desk.bring_to(round_, status)
    abi, address = helpers("GasSweep")
    settle = bytes.fromhex(desk.abi.call("settle", round_.id, gourmets)[2:])
    balances = [desk.balance(user) for user in gourmets]
    limits = [*range(21_000, 500_000, 89)]
    datas = [
        abi.call("sweep", desk.address, settle, gourmets, balances, limits[start : start + 50])
        for start in range(0, len(limits), 50)
    ]
    answers = [abi.answer("sweep", data) for data in desk.node.calls(address, datas)]
    reverted = [one for failures, _ in answers for one in failures]
    paid = [one for _, counts in answers for one in counts]
    outcomes = set(zip(reverted, paid, strict=True))
    out_of_gas = (b"\xff" * 4, 0)
    short = (desk.abi.selector_of_error("NotEnoughGas"), 0)
    assert outcomes - {out_of_gas} == {(bytes(4), 3), short}


def test_too_little_is_an_error_with_the_values(desk, round_, alice):
    desk.bet(round_, alice, EVEN)
    desk.bring_to(round_, CANCELLED)
    with refused("NotEnoughGas", ANY, ANY) as caught:
        desk.do("settle", round_.id, [alice], by=alice, gas=100_000)
    left, needed = caught.value.values
    assert left < needed
    assert needed > SETTLE_GAS * 64 // 63
    with desk.pays((alice, POL)):
        desk.do("settle", round_.id, [alice], by=alice, gas=200_000)
