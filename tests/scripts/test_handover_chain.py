"""What the rules of a hand-over rest on, read from a chain without a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError
from web3.types import RPCEndpoint, RPCResponse

from scripts import _handover, _oracle, _safe
from scripts._cli import sends
from scripts._errors import UserError
from scripts._safe import Call
from scripts.deploy import market as deploy_market
from scripts.roles import _unfit
from tests.scripts.hands import Held
from tests.scripts.world import POWERBALL_DRAW, STRANGER, Home, World


def test_a_batch_is_tried_as_a_whole(held: Held) -> None:
    world, deployer = held.world, held.deployer
    market = world.market()
    operator = market.functions.OPERATOR_ROLE().call()
    keeper = world.address("operator")
    grants = Call(market, "grantRole", (operator, keeper))
    takes = Call(market, "revokeRole", (operator, deployer))
    creates = Call(market, "createRound", (POWERBALL_DRAW,))
    # Each on what the last one left: the second would be possible alone, the third is not.
    _safe.simulate(world.w3, deployer, [grants, creates])
    with pytest.raises(UserError) as refused:
        _safe.simulate(world.w3, deployer, [grants, takes, creates])
    assert str(refused.value).startswith("call 3 of the batch, createRound(")
    assert "AccessControlUnauthorizedAccount" in str(refused.value)
    assert "OPERATOR_ROLE" in str(refused.value)
    with pytest.raises(UserError, match=r"call 2 of the batch, setFee\(501\): .*FeeTooHigh"):
        _safe.simulate(world.w3, deployer, [grants, Call(market, "setFee", (501,)), takes])
    pays = Call(market, "placeBet", (1, 0), value=10**30)
    with pytest.raises(Web3RPCError, match="nsufficient"):
        _safe.simulate(world.w3, deployer, [grants, pays])


def test_a_node_that_cannot_try_a_batch_is_named(held: Held) -> None:
    class Old(HTTPProvider):
        def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
            old = method == "eth_simulateV1"
            return super().make_request(RPCEndpoint("eth_none") if old else method, params)

    pause = Call(held.world.market(), "pause")
    _safe.simulate(Web3(Old(held.world.url)), held.deployer, [pause])
    with pytest.raises(UserError, match=r"eth_simulateV1.*use another node"):
        _safe.simulate(Web3(Old(held.world.url)), held.deployer, [pause, pause])


def test_either_an_account_acts_or_a_safe(held: Held, tmp_path: Path) -> None:
    acting = sends(lambda *, market, sender: sender.address)
    kept: Any = {"market": held.market, "yes": True, "max_fee": 1}
    account: Any = SimpleNamespace(address="0xA")
    file = tmp_path / "batch.json"
    assert acting(**kept, account=account, safe_batch=None, safe=None) == "0xA"
    assert acting(**kept, account=None, safe_batch=file, safe=STRANGER) == STRANGER
    with pytest.raises(UserError, match="say whose batch it is: --safe ADDRESS"):
        acting(**kept, account=None, safe_batch=file, safe=None)
    with pytest.raises(UserError, match="either an account sends or a Safe"):
        acting(**kept, account=account, safe_batch=file, safe=None)
    with pytest.raises(UserError, match="add --safe-batch FILE"):
        acting(**kept, account=None, safe_batch=None, safe=STRANGER)


def test_a_safe_deploys_nothing() -> None:
    """A batch holds calls: the options are not there, so none is asked for in vain."""
    with pytest.raises(click.NoSuchOption, match="--safe-batch"):
        deploy_market.make_parser(click.Context(deploy_market)).parse_args(["--safe-batch", "f"])


def test_who_cannot_take_a_market_over(copies: Callable[[], Held]) -> None:
    held = copies()
    world, deployer, holders = held.world, held.deployer, held.read()
    lent = world.w3.to_checksum_address(STRANGER)
    for code in (held.safe.address, held.oracle):  # a key's still, as EIP-7702 has it
        world.rpc("anvil_setCode", lent, "0xef0100" + code[2:])
        assert _unfit(held.market, holders, lent, plain_account=False) == [
            f"{lent} has no code here: a Safe is deployed first, on this very chain"
        ]
        assert _oracle.described(world.w3, lent) == f"{lent}, an ordinary account"
        assert "no quorum has to agree" in (_oracle.check_trust(world.w3, lent) or "")
    for to, expected in (
        (world.address("cyd"), "has no code here"),
        (world.market().address, "is the market itself"),
        (deployer, "is the deployer"),
    ):
        [unfit] = _unfit(held.market, holders, to, plain_account=to == deployer)
        assert expected in unfit
    assert not _unfit(held.market, holders, held.safe.address, plain_account=False)
    named = {"operator": world.address("operator"), "fee_recipient": world.address("fees")}
    for wish, expected in (
        (held.wish(to=held.oracle, **named), "is the oracle, which cannot act"),
        (held.wish(actor=world.address("bob"), **named), f"the admin is {deployer}"),
    ):
        assert expected in "; ".join(_handover.objections(holders, wish))


def test_a_real_market_goes_to_no_key(held: Held, home: Home, tmp_path: Path) -> None:
    with World(home, tmp_path, 137, "mainnet") as real:
        real.load(held.world)
        (tmp_path / "137.json").write_text(
            (held.world.folder / "80002.json")
            .read_text()
            .replace('"chainId": 80002', '"chainId": 137')
        )
        market = Held(real, held.safe, held.oracle).market
        assert _unfit(market, held.read(), real.address("cyd"), plain_account=True) == [
            "--plain-account is for test chains: one key must not hold a real market"
        ]
        assert not _unfit(market, held.read(), held.safe.address, plain_account=False)


def test_a_deployer_who_decides_results_cannot_leave(copies: Callable[[], Held]) -> None:
    held = copies()
    world, deployer, usual = held.world, held.deployer, held.oracle
    own, old = held.committee(deployer), held.committee(deployer)
    named = {"operator": world.address("operator"), "fee_recipient": world.address("fees")}
    wish = held.wish(**named)

    def against() -> str:
        return "; ".join(_handover.objections(held.read(), wish))

    def kept() -> list[str]:
        return _handover.kept(held.read(), deployer)

    assert not against()
    world.call("admin", "setOracle", own)
    assert f"guardian of ResultOracle {own} (oracle of later rounds) for good" in against()
    assert f"guardian of oracle {own}" in kept()

    world.call("admin", "setOracle", deployer)
    assert f"{deployer} is itself the oracle of later rounds" in against()
    assert "ape run deploy oracle" in against()
    assert "oracle of later rounds" in kept()

    for round_id, oracle, reason, power in (
        (1, deployer, f"{deployer} is itself the oracle of round 1", "oracle of round 1"),
        (
            2,
            old,
            f"guardian of ResultOracle {old} (oracle of round 2) for good",
            f"guardian of oracle {old}",
        ),
    ):
        world.call("admin", "setOracle", oracle)
        world.call("admin", "createRound", POWERBALL_DRAW)
        world.call("admin", "setOracle", usual)
        assert reason in against()
        assert power in kept()
        # Once that round is over, nothing stands in the way.
        world.call("admin", "cancelRound", round_id)
        assert not against()
        assert power not in kept()
    assert _handover.steps(held.read(), wish)
    assert len(held.powers(deployer)) == 5
