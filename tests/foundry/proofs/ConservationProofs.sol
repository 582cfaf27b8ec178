// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {vm} from "../support/Vm.sol";
import {MarketProofs} from "./MarketProofs.sol";

/// @title Conservation, on the market itself: two bets of any amounts on a pair, in any order, on either side, by one
/// person or two, any winning number, any fee: what is paid out and the fee are the stakes, to the wei
/// @dev For any number of bets it follows from LinesProofs.
contract ConservationProofs is MarketProofs {
    address private constant ALICE = address(0xB1);
    address private constant BOB = address(0xB2);

    uint256 private round;
    uint256 private drawTime;

    /// Two bets on a pair, and what becomes of them.
    struct Play {
        uint96 a; // the first bet's amount, always ALICE's
        uint96 b; // the second's
        bool equal; // the amounts are equal
        bool first; // the first bet is on the pair's first prediction
        bool second; // so is the second bet
        bool alone; // the second bet is ALICE's too, else BOB's
        uint8 n; // the winning number
        uint16 bps; // the fee
    }

    function check_evenOdd(Play memory play) external {
        _prove(0, play);
    }

    function check_highLow(Play memory play) external {
        _prove(2, play);
    }

    function check_evenLowOddHigh(Play memory play) external {
        _prove(4, play);
    }

    function check_evenHighOddLow(Play memory play) external {
        _prove(6, play);
    }

    /// The same after the second bettor took the unmatched part back.
    function check_afterTheTailWasCancelled(uint96 a, uint96 b, uint8 n, uint16 bps) external {
        _open(bps);
        _bet(ALICE, 0, a);
        _bet(BOB, 1, b);
        vm.prank(BOB);
        market.cancelUnmatched(round, 0);
        _finish(n);
        _assertAllPaid(uint256(a) + b);
    }

    /// A cancelled round gives everything back, without a fee.
    function check_cancelled(uint96 a, uint96 b, bool opposite, uint16 bps) external {
        _open(bps);
        _bet(ALICE, 0, a);
        _bet(BOB, opposite ? 1 : 0, b);
        vm.prank(GUARDIAN);
        market.cancelRound(round);
        _settle();
        assert((ALICE.balance ^ a) | (BOB.balance ^ b) | address(market).balance == 0);
    }

    function _prove(uint8 even, Play memory play) private {
        // Equal amounts as one unknown, since solvers do not see that equals have equal fees.
        if (play.equal) play.b = play.a;
        else vm.assume(play.a != play.b);
        _open(play.bps);
        _bet(ALICE, play.first ? even : even + 1, play.a);
        _bet(play.alone ? ALICE : BOB, play.second ? even : even + 1, play.b);
        _finish(play.n);
        _assertAllPaid(uint256(play.a) + play.b);
    }

    function _open(uint16 bps) private {
        vm.prank(ADMIN);
        market.setFee(bps);
        drawTime = block.timestamp + 1 days;
        vm.prank(OPERATOR);
        round = market.createRound(drawTime);
    }

    function _bet(address user, uint8 prediction, uint96 amount) private {
        vm.deal(user, amount);
        vm.prank(user);
        market.placeBet{value: amount}(round, prediction);
    }

    function _finish(uint8 n) private {
        vm.warp(drawTime);
        vm.prank(ORACLE);
        market.finalizeRound(round, n);
        _settle();
        market.withdrawFees(_list(round));
    }

    function _settle() private {
        address[] memory bettors = new address[](2);
        (bettors[0], bettors[1]) = (ALICE, BOB);
        market.settle(round, bettors);
    }

    /// Nothing is left in the market, and nothing came from elsewhere.
    function _assertAllPaid(uint256 stakes) private view {
        uint256 paid = ALICE.balance + BOB.balance + RECIPIENT.balance;
        assert((paid ^ stakes) | address(market).balance == 0);
    }
}
