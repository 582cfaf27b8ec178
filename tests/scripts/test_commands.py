"""Every command of a market's life as a real process; what it did is read from the chain.

What does not follow from each other runs at once, each command on a chain of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from keeper.domain.lines import RoundStatus
from tests.scripts.world import (
    LOCK_LEAD,
    MEGA_DRAW,
    POL,
    POWERBALL_DRAW,
    RESULT_WINDOW,
    STRANGER,
    Home,
    World,
)

Worlds = Callable[[], World]
PB = ("--game", "powerball")


def status(world: World, round_id: int = 1) -> RoundStatus:
    return RoundStatus(world.market().functions.getRoundInfo(round_id).call()[2])


def test_rounds_open_and_are_listed(worlds: Worlds) -> None:
    one, other = worlds(), worlds()
    # The clock stands at noon of a Monday; here that night's draw has a round already.
    other.call("operator", "createRound", POWERBALL_DRAW - 2 * 86400)
    mega = ("--game", "mega-millions")
    dated = one.ape("rounds", "create", *mega, "--date", "2026-08-18", by="operator")
    soonest = other.ape("rounds", "create", *PB, "--next", by="operator")
    out = dated.ok()
    assert "2026-08-18 (Tuesday), 2026-08-19 03:00:00 UTC" in out
    assert "round 1 is open" in out
    assert one.market("mega-millions").functions.roundOf(MEGA_DRAW).call() == 1
    soonest.ok()
    assert other.market().functions.roundOf(POWERBALL_DRAW).call() == 2

    other.call("ann", "placeBet", 2, 0, value=5 * POL)
    other.call("bob", "placeBet", 2, 1, value=3 * POL)
    first, second = other.ape("rounds", "list", *PB).ok().splitlines()[-2:]
    assert first.split()[:3] == ["1", "2026-08-17", "(Monday)"]
    assert second.split()[:3] == ["2", "2026-08-19", "(Wednesday)"]
    assert second.split()[-4:] == ["8", "POL", "3", "POL"]


def test_rounds_are_locked_cancelled_and_voided(worlds: Worlds) -> None:
    locked, cancelled, voided = worlds(), worlds(), worlds()
    for world in (locked, cancelled, voided):
        world.play()
    locked.at(POWERBALL_DRAW - LOCK_LEAD)
    voided.at(POWERBALL_DRAW + RESULT_WINDOW + 1)
    runs = [
        locked.ape("rounds", "lock", "1", *PB, by="ann"),
        cancelled.ape("rounds", "cancel", "1", *PB, by="guardian"),
        voided.ape("rounds", "void", "1", *PB, by="bob"),
    ]
    assert "round 1 is LOCKED" in runs[0].ok()
    assert len(locked.market().events.RoundLocked.get_logs(from_block=0)) == 1
    assert "staked   11 POL" in runs[1].ok()
    assert "round 1 is CANCELLED" in runs[2].ok()
    assert status(cancelled) is status(voided) is RoundStatus.CANCELLED


def test_a_round_is_finalized_by_its_balls(world: World) -> None:
    world.play()
    world.at(POWERBALL_DRAW + 60)
    balls = ("--whites", "9 8 7 6 5", "--special", "7")
    out = world.ape("oracle", "finalize", "1", *balls, *PB, by="oracle").ok()
    assert "85: 5 + 6 + 7 + 8 + 9 = 35; special ball 7 is odd: + 50 = 85" in out
    assert "2026-08-19 (Wednesday)" in out
    assert "ODD, HIGH, ODD_HIGH" in out
    assert world.market().functions.getRoundInfo(1).call()[3] == 85
    assert status(world) is RoundStatus.FINALIZED


def test_a_bet_is_placed_and_shown(worlds: Worlds) -> None:
    one, other = worlds(), worlds()
    one.play()
    other.play()
    other.call("ann", "placeBet", 1, 7, value=POL // 2)
    other.call("bob", "placeBet", 1, 6, value=POL // 4)
    ann = one.address("ann")
    before = one.balance(ann)
    placed = one.ape("bets", "place", "1", "odd-low", "0.5 POL", *PB, by="ann")
    shown = other.ape("bets", "show", "1", *PB)
    assert "ODD_LOW (7)" in placed.ok()
    amount, matched, count, _ = one.market().functions.getUserBet(1, ann).call()
    assert (amount, matched, count) == (55 * POL // 10, 4 * POL, 2)
    assert 0 < before - one.balance(ann) - POL // 2 < POL // 100

    claimable, _, even, odd_low, bob, *_ = shown.ok().splitlines()[1:]
    assert even.split()[1:6] == ["EVEN", "5", "POL", "4", "POL"]
    assert odd_low.split()[1:6] == ["ODD_LOW", "0.5", "POL", "0.25", "POL"]
    assert claimable == f"{ann} can claim now: 0 POL winnings, 0 POL refund"
    assert bob.startswith(other.address("bob"))


def test_a_bet_takes_only_what_is_matched_and_the_rest_is_taken_back(worlds: Worlds) -> None:
    one, other, paused = worlds(), worlds(), worlds()
    for world in (one, other, paused):
        world.play()
    dan = one.address("dan")
    before = one.balance(dan)
    quoted = other.ape("bets", "quote", "1", "odd", "3 POL", *PB)
    shown = other.ape("bets", "show", "1", "TEST::7", *PB)
    placed = one.ape(
        *("bets", "place", "1", "odd", "3 POL", "--matched", "--min", "1 POL", *PB), by="dan"
    )
    paused.call("guardian", "pause")
    cancelled = paused.ape("bets", "cancel", "1", "1", *PB, by="cyd")
    out = placed.ok()
    assert "matched now  1 POL, 2 POL comes back at once" in out
    assert "pays         1.98 POL when it wins; the fee of 0.02 POL is taken off" in out
    assert "placeMatchedBet(1, 1, 1000000000000000000)" in out
    assert "bet 1 POL on ODD in round 1" in out
    assert "2 POL found no opponent and came back" in out
    assert tuple(one.market().functions.getUserBet(1, dan).call()[:2]) == (POL, POL)
    assert POL <= before - one.balance(dan) < 101 * POL // 100

    assert "matched now  1 POL, 2 POL waits for opponents" in quoted.ok()
    assert "pays         3.98 POL when it wins, if nobody else comes; the fee" in quoted.ok()
    _, _, odd, high = shown.ok().splitlines()[1:]
    assert odd.split()[:9] == ["0", "ODD", "1", "POL", "1", "POL", "0", "POL", "2026-08-17"]
    assert high.split()[:9] == ["1", "HIGH", "2", "POL", "0", "POL", "2", "POL", "2026-08-17"]

    cyd = paused.address("cyd")
    assert "bet 1    2 POL on HIGH: 2 POL comes back" in cancelled.ok()
    assert "2 POL came back" in cancelled.ok()
    assert paused.market().functions.getUserBet(1, cyd).call()[0] == POL
    after = paused.ape("bets", "show", "1", "TEST::7", *PB)
    again = paused.ape("bets", "place", "1", "odd", "1 POL", "--matched", *PB, by="dan")
    state = paused.ape("status", *PB)
    assert after.ok().splitlines()[-1].split()[:8] == ["1", "HIGH", *["0", "POL"] * 3]
    assert "EnforcedPause: the market is paused" in again.refused()
    assert "staked ever     11 POL" in state.ok()
    assert "cancelled       2 POL" in state.ok()
    assert "owed            9 POL" in state.ok()
    assert "balance - owed  0 POL" in state.ok()


def test_all_that_is_due_is_paid_at_once(worlds: Worlds) -> None:
    some, all_ = worlds(), worlds()
    for world in (some, all_):
        world.play()
        world.call("operator", "createRound", POWERBALL_DRAW + 3 * 86400)
        world.call("bob", "placeBet", 2, 0, value=POL)
        world.call("guardian", "cancelRound", 2)
        world.at(POWERBALL_DRAW + 60)
        world.call("oracle", "finalizeRound", 1, 85)
    before = some.balance(STRANGER)
    to = some.ape("claims", "batch", "1", "2", "1", "--to", STRANGER, *PB, by="bob")
    own = all_.ape("claims", "batch", *PB, by="bob")
    out = to.ok()  # ODD 3 won, less 2 % of 3; the stake of round 2
    assert "FINALIZED: number 85" in out
    assert "5.94 POL" in out
    assert "claimWinningsBatch([1, 2], 0x" in out
    assert f"paid 6.94 POL to {some.w3.to_checksum_address(STRANGER)}" in out
    assert some.balance(STRANGER) - before == 694 * POL // 100
    assert f"paid 6.94 POL to {all_.address('bob')}" in own.ok()
    assert all_.market().functions.claimable(2, all_.address("bob")).call() == [0, 0]


def test_money_comes_back_and_the_books_close(worlds: Worlds, home: Home) -> None:
    world, early = worlds(), worlds()
    for played in (world, early):
        played.play()
        played.at(POWERBALL_DRAW - LOCK_LEAD + 5)
    ann = early.balance(early.address("ann"))
    refunded = early.ape("claims", "refund", "1", *PB, by="ann")  # EVEN 5, of which 4 are matched

    world.call("ann", "claimRefund", 1)
    world.at(POWERBALL_DRAW + 60)
    world.call("oracle", "finalizeRound", 1, 85)
    cyd = world.balance(world.address("cyd"))
    settled = world.ape("claims", "settle", "1", "TEST::7", *PB, by="ann")
    # ODD 1 won; HIGH 2 won, but against nobody. The fee of position 3..4 is 2 % of 1.
    assert "settled 3.98 POL" in settled.ok()
    assert world.balance(world.address("cyd")) - cyd == 398 * POL // 100
    assert "refund    1 POL" in refunded.ok()
    assert 99 * POL // 100 < early.balance(early.address("ann")) - ann <= POL

    claimed = world.ape("claims", "claim", "1", *PB, by="bob")
    meanwhile = world.ape("status", *PB)
    assert "winnings  5.94 POL" in claimed.ok()
    assert "balance - owed  0 POL" in meanwhile.ok()

    fees = world.balance(world.address("fees"))
    world.rpc("anvil_setBalance", home.address, hex(POL))
    # By a keystore, whose passphrase the environment has.
    assert "withdrawn 0.08 POL" in world.ape("fees", "withdraw", *PB, by=Home.ALIAS).ok()
    assert world.balance(world.address("fees")) - fees == 8 * POL // 100
    assert world.balance(world.market().address) == 0

    world.rpc("anvil_setBalance", world.market().address, hex(5))  # coins that nobody staked
    state = world.ape("status")
    out = state.ok()
    assert "staked ever     11 POL" in out
    assert "owed            0 POL" in out
    assert "balance - owed  0.000000000000000005 POL" in out
    assert "under the cap of 500 gwei" in out


def test_everybody_is_settled_at_once_and_a_market_that_is_short_is_an_alarm(
    worlds: Worlds,
) -> None:
    whole, short = worlds(), worlds()
    whole.play()
    short.play()
    whole.call("guardian", "cancelRound", 1)
    short.rpc("anvil_setBalance", short.market().address, hex(11 * POL - 1))
    settled = whole.ape("claims", "settle", "1", "--batch", "2", *PB, by="admin")
    alarm = short.ape("status", "--max-fee", "1 gwei")
    assert "8 POL to 2 of 3 bettors" in settled.ok()
    assert "settled 11 POL" in settled.ok()
    assert whole.balance(whole.market().address) == 0

    assert alarm.refused() == "powerball owes more than it has"
    assert "balance - owed  -0.000000000000000001 POL" in alarm.out
    assert "ABOVE the cap of 1 gwei" in alarm.out


def test_settings_change_for_later_rounds(worlds: Worlds) -> None:
    a, b, c, d = (worlds() for _ in range(4))
    runs = [
        a.ape("settings", "fee", "2.5%", *PB, by="admin"),
        b.ape("settings", "oracle", STRANGER, *PB, by="admin"),
        c.ape("settings", "limits", "500 gwei", "7 POL", *PB, by="admin"),
        d.ape("settings", "recipient", "TEST::9", *PB, by="admin"),
    ]
    fee, oracle, limits, recipient = (run.ok() for run in runs)
    assert "2 % -> 2.5 %" in fee
    assert a.market().functions.feeBps().call() == 250
    stranger = b.w3.to_checksum_address(STRANGER)
    assert f"WARNING: oracle {stranger} is an ordinary account" in oracle
    assert f"from now on    {stranger}, an ordinary account" in oracle
    assert b.market().functions.oracle().call() == stranger
    assert "bets are 0.0000005 POL to 7 POL" in limits
    assert c.market().functions.minBet().call() == 500 * 10**9
    assert c.market().functions.maxBet().call() == 7 * POL
    assert d.w3.eth.accounts[9] in recipient
    assert d.market().functions.feeRecipient().call() == d.w3.eth.accounts[9]


def test_betting_is_paused_and_goes_on(worlds: Worlds) -> None:
    stopped, free = worlds(), worlds()
    free.call("guardian", "pause")
    paused = stopped.ape("safety", "pause", *PB, by="guardian")
    unpaused = free.ape("safety", "unpause", *PB, by="admin")
    paused.ok()
    assert stopped.market().functions.paused().call()
    unpaused.ok()
    assert not free.market().functions.paused().call()

    assert "no, it is PAUSED" in stopped.ape("status", *PB).ok()


def test_roles_change_hands(worlds: Worlds) -> None:
    a, b = worlds(), worlds()
    new = a.w3.eth.accounts[8]
    granted = a.ape("roles", "grant", "operator", "TEST::8", *PB, by="admin")
    revoked = b.ape("roles", "revoke", "guardian", "TEST::2", *PB, by="admin")
    assert f"{a.address('operator')}, {new}" in granted.ok()
    assert "guardian of powerball: nobody" in revoked.ok()

    operator = a.market().functions.OPERATOR_ROLE().call()
    assert a.market().functions.hasRole(operator, new).call()
    guardian = b.market().functions.GUARDIAN_ROLE().call()
    assert not b.market().functions.hasRole(guardian, b.address("guardian")).call()
