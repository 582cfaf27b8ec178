"""A committee as the keeper sees it, and as `status` tells of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from demo.publishers import Publishers
from keeper.chain import abi
from keeper.chain.contracts import ContractMarket, ContractOracle, report
from keeper.chain.rpc import Rpc
from keeper.errors import Reverted, RpcRefused, WrongContract
from tests.keeper.chain.committee import DATE, DRAWN, LIE, vote
from tests.keeper.chain.conftest import DRAW
from tests.keeper.chain.process import Home
from tests.keeper.chainfixtures import (
    ADMIN,
    BETTORS,
    KEEPER,
    REFUSES,
    REPORTER_KEYS,
    REPORTERS,
    Chain,
    Deployed,
    DeployedOracle,
)

ANN, BOB, CY = BETTORS[:3]
HOUR = 3600


@pytest.fixture
def market(rpc: Rpc, decided: Deployed) -> ContractMarket:
    """The one that the committee decides, as the keeper sees it."""
    return ContractMarket(rpc, decided.address, decided.game, decided.block)


# ---- the wrapper


async def test_committee_votes_and_proposal(
    chain: Chain, market: ContractMarket, decided: Deployed, oracle: DeployedOracle
) -> None:
    seen = ContractOracle(market, oracle.address.lower())
    committee = await seen.committee()
    assert (committee.reporters, committee.quorum) == (tuple(REPORTERS), 2)
    assert (committee.dispute_window, committee.guardian) == (HOUR, ADMIN)
    await chain.move_to(DRAW)
    me, other, third = REPORTERS
    empty = await seen.standing(1, me)
    assert (empty.ballot, empty.vote, empty.finalizable_at) == (1, None, 0)

    before = await chain.number()
    await vote(oracle, decided, me, LIE)
    assert (await seen.standing(1, me)).vote == LIE == await seen.vote_of(1, me)
    for account in (other, ANN, None):
        assert (await seen.standing(1, account)).vote is None
    await vote(oracle, decided, other, DRAWN)
    await vote(oracle, decided, third, DRAWN)
    proposed = await seen.standing(1, me)
    assert (proposed.number, proposed.finalizable_at) == (64, await chain.now() + HOUR)
    await oracle.do(ADMIN, "veto", decided.address, 1)
    again = await seen.standing(1, me)
    assert (again.ballot, again.vote, again.finalizable_at) == (2, None, 0)
    # As it was after a block; a node that does not have that refuses.
    assert await seen.standing(1, me, before) == empty
    assert await seen.standing(1, me, await chain.number() - 1) == proposed
    assert await seen.vote_of(1, me, before) is None
    with pytest.raises(RpcRefused):
        await seen.vote_of(1, me, await chain.number() + 1)

    # Its events are understood too, structs included.
    (log, *_) = await chain.rpc("eth_getLogs", {"address": oracle.address, "fromBlock": "0x0"})
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    name, args = abi.event(topics, bytes.fromhex(log["data"][2:]))
    assert (name, args["reporter"], args["winningNumber"]) == ("ResultReported", me, 14)
    assert args["draw"] == ((DATE - dt.date(1970, 1, 1)).days, LIE.whites, LIE.special)


async def test_what_is_no_committee_is_told_apart(chain: Chain, market: ContractMarket) -> None:
    for address in (KEEPER, market.address, await chain.deploy_code(REFUSES)):
        with pytest.raises(WrongContract):
            await ContractOracle(market, address).committee()


async def test_a_vote_on_no_date_is_no_vote_of_a_committee(
    chain: Chain, market: ContractMarket
) -> None:
    """From what answers everything with the same eight words."""
    words = b"".join(n.to_bytes(32) for n in (1, 2**32 - 1, 1, 2, 3, 4, 5, 6))
    same = bytes.fromhex("610100600e600039610100" + "6000f3") + words
    address = await chain.deploy_code("0x61010e80600c6000396000f3" + same.hex())
    with pytest.raises(WrongContract, match="on no date"):
        await ContractOracle(market, address).vote_of(1, ANN)


@pytest.mark.parametrize("ends", ["f3", "fd"])
async def test_a_contract_that_has_no_end_of_words_is_no_committee(
    chain: Chain, market: ContractMarket, ends: str
) -> None:
    """Nor is the node to blame. What it says, or refuses with, is 3 MB, and is not decoded."""
    much = 100_000
    code = f"60205f5262{much:06x}60205263{64 + 32 * much:08x}5f{ends}"
    address = to_checksum_address("0x" + "fb" * 20)
    await chain.rpc("anvil_setCode", address, "0x" + code)
    oracle = ContractOracle(market, address)
    for asking in (oracle.committee(), oracle.vote_of(1, ANN)):
        with pytest.raises(WrongContract, match="has too much to tell"):
            await asking
    assert [node.fault for node in market.rpc._nodes] == [""]
    assert await market.rpc.head()


@pytest.mark.parametrize("view", ["quorum", "disputeWindow", "ballot", "proposal"])
async def test_a_number_that_makes_no_sense_is_of_no_committee(
    chain: Chain,
    market: ContractMarket,
    oracle: DeployedOracle,
    monkeypatch: pytest.MonkeyPatch,
    view: str,
) -> None:
    """Any contract may be named as an oracle, and no JSON holds what a uint256 does."""
    own, most = ContractOracle.call, 2**63 - 1

    async def call(self: ContractOracle, function: str, *args: Any, **at: Any) -> Any:
        told = await own(self, function, *args, **at)
        return told if function != view else [0, 0, most] if function == "proposal" else wrong

    wrong: Any = [most, 0] if view == "ballot" else most
    monkeypatch.setattr(ContractOracle, "call", call)
    await ContractOracle(market, oracle.address).standing(1, None)
    most += 1
    wrong = [most, 0] if view == "ballot" else most
    with pytest.raises(WrongContract, match="makes no sense"):
        await ContractOracle(market, oracle.address).standing(1, None)


async def test_refusals_of_the_oracle_are_understood(
    rpc: Rpc, market: ContractMarket, oracle: DeployedOracle
) -> None:
    seen = ContractOracle(market, oracle.address)
    sent: Any = {"to": oracle.address, "from": REPORTERS[0]}
    sent["data"] = seen.encode("report", *report(market.address, 1, DRAWN, bytes(32)))
    with pytest.raises(Reverted) as told:
        await rpc.ask(rpc.w3.eth.call(sent))
    assert told.value.name == "ReportTooEarly"
    assert told.value.args_ == {"market": market.address, "roundId": 1, "time": DRAW}


# ---- status


async def test_status_tells_who_decides_and_what_they_say(
    tmp_path: Path, chain: Chain, decided: Deployed, oracle: DeployedOracle, publishers: Publishers
) -> None:
    home = Home.make(tmp_path, chain, [decided], publishers, REPORTER_KEYS[0])

    async def told(*args: str) -> list[str]:
        code, out, err = await home.command("status", *args)
        assert (code, err) == (0, "")
        return out.splitlines()[-5:]

    def line(who: str, what: str) -> str:
        return f"1      {who}  {what}"

    first = line(oracle.address, "2 of 3 reporters, ballot 1")
    assert first not in "\n".join(await told())
    silent = [line(reporter, "has not reported") for reporter in REPORTERS]
    veto = line(ADMIN, "may veto for 60 min")
    lines = [f"{first}: nothing is proposed", veto, *silent]
    assert await told("powerball", "1") == lines
    await chain.move_to(DRAW)
    assert await told() == lines

    await vote(oracle, decided, REPORTERS[0], LIE)
    for reporter in REPORTERS[1:]:
        await vote(oracle, decided, reporter, DRAWN)
    await chain.move_to(DRAW + HOUR)
    finalizable_at = (await oracle.read("proposal", decided.address, 1))[2]
    when = dt.datetime.fromtimestamp(finalizable_at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    proposed = f"{first}: n = 64 is proposed, final from {when}"
    assert await told() == [
        proposed,
        veto,
        line(REPORTERS[0], "reports 10 21 58 61 64 + 16, n = 14"),
        *(line(reporter, "reports 10 21 58 61 64 + 17, n = 64") for reporter in REPORTERS[1:]),
    ]
    await chain.move_to(finalizable_at)
    await oracle.do(ANN, "finalize", decided.address, 1)
    assert first not in "\n".join(await told())
    assert (await told("powerball", "1"))[0] == proposed
