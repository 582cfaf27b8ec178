"""What must hold in the end, whatever was done to the keepers of a round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eth_utils.address import to_checksum_address

from tests.faults.stage import BETS, VOIDED, WON, Stage, account_of, entries, journal_of
from tests.keeper.chain.process import Home
from tests.keeper.chainfixtures import ADMIN, CANCELLED, FEES, FINALIZED, Chain, E

FEE = 6 * E // 100  # 2 % of the three coins that were lost


async def ended_right(
    stage: Stage,
    *,
    starts: int | None = 1,
    void: bool = False,
    owed: int = 0,
    fork: Chain | None = None,
    votes: int = 1,
) -> str:
    """Proves all of it; what was seen, for the matrix.

    Args:
        starts: how many keepers, one after another, it took; None for as many as it may.
        owed: wei to those who cannot be paid.
        fork: another chain on which keepers may have sent.
        votes: how often a reporter may have given its vote, the same one, in a ballot.
    """
    assert starts in (None, len(stage.runs)), f"keeper starts: {len(stage.runs)}"
    await _round(stage, void)
    await _conserved(stage, 0 if void else FEE, owed)
    await _nothing_twice(stage, votes)
    sent = await _transactions(stage, stage.chain)
    elsewhere = await _transactions(stage, fork) if fork else {}
    _journals_tell(stage.homes, elsewhere | sent)
    for home in stage.homes:
        code, _, err = await home.command("journal", "verify", str(journal_of(home)))
        assert code == 0, err
    end = "void, all refunded" if void else "64, all others paid" if owed else "64, all paid"
    seen = f"{await stage.chain.number()} blocks, {len(sent)} transactions"
    return f"{end}; {seen}; keeper starts: {len(stage.runs)}"


async def _round(stage: Stage, void: bool) -> None:
    """It ended as the draw, or its absence, wants; everybody has got the right wei, once."""
    info = await stage.market.read("getRoundInfo", 1)
    assert (info[2], info[3]) == ((CANCELLED, 0) if void else (FINALIZED, 64))
    paid = [
        (event, to_checksum_address("0x" + log["topics"][2][-40:]), int(log["data"], 16))
        for event in ("RefundIssued", "WinningsClaimed")
        for log in await stage.market.logs(event)
    ]
    assert Counter(paid) == Counter(VOIDED if void else WON)


async def _conserved(stage: Stage, fees: int, owed: int) -> None:
    """To the wei: what was staked is what was paid and the fees; what is left is what is owed."""
    paid = VOIDED if fees == 0 else WON
    assert sum(bet[2] for bet in BETS) == sum(p[2] for p in paid) + fees
    assert await stage.chain.balance(stage.market.address) == fees + owed
    if fees:
        before = await stage.chain.balance(FEES)
        await stage.market.do(ADMIN, "withdrawFees", [1])
        assert await stage.chain.balance(FEES) - before == fees
    assert await stage.chain.balance(stage.market.address) == owed


async def _nothing_twice(stage: Stage, most: int) -> None:
    """Each step is on the chain at most once for what it is about."""

    async def about(event: str, topic: int) -> list[str]:
        return [log["topics"][topic] for log in await stage.market.logs(event)]

    draws = [log["data"][:66] for log in await stage.market.logs("RoundCreated")]
    ends = await about("RoundFinalized", 1) + await about("RoundCancelled", 1)
    for happened in (draws, await about("RoundLocked", 1), ends):
        assert len(happened) == len(set(happened)), happened
    assert len(await about("RoundLocked", 1)) >= 1
    # By reporter: market, round, ballot, draw and number are the same in all of this reporter's.
    told = Counter(
        (log["topics"][3], log["data"][:-64]) for log in await stage.oracle.logs("ResultReported")
    )
    assert len({reporter for reporter, _ in told}) == len(told), told
    assert max(told.values(), default=0) <= most, told
    assert len(await stage.oracle.logs("ResultFinalized")) <= 1


async def _transactions(stage: Stage, chain: Chain) -> dict[str, str]:
    """Of all keepers on the chain: account by hash."""
    found, keepers = {}, {account_of(home) for home in stage.homes}
    for number in range(await chain.number() + 1):
        block = await chain.rpc("eth_getBlockByNumber", hex(number), True)
        for tx in block["transactions"]:
            if (sender := to_checksum_address(tx["from"])) in keepers:
                found[tx["hash"]] = sender
    return found


def _journals_tell(homes: Sequence[Home], sent: dict[str, str]) -> None:
    """Of every transaction, before and after; with one live nonce at most, and none in the end."""
    told = set[str]()
    for home in homes:
        live, intended = None, set[str]()
        for entry in entries(home):
            if entry["event"] == "intent":
                assert live in (None, entry["nonce"]), entry
                live = entry["nonce"]
                intended.add(entry["hash"])
                continue
            assert live == entry["nonce"], entry
            live = None
            if entry["event"] == "mined":
                assert entry["hash"] in intended
                assert sent[entry["hash"]] == account_of(home)
                told.add(entry["hash"])
        assert live is None
    assert told == set(sent)
