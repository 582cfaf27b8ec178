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

    function check_evenOdd(
        uint96 a,
        uint96 b,
        bool equal,
        bool first,
        bool second,
        bool alone,
        uint8 n,
        uint16 bps
    ) external {
        _prove(0, a, b, equal, first, second, alone, n, bps);
    }

    function check_highLow(
        uint96 a,
        uint96 b,
        bool equal,
        bool first,
        bool second,
        bool alone,
        uint8 n,
        uint16 bps
    ) external {
        _prove(2, a, b, equal, first, second, alone, n, bps);
    }

    function check_evenLowOddHigh(
        uint96 a,
        uint96 b,
        bool equal,
        bool first,
        bool second,
        bool alone,
        uint8 n,
        uint16 bps
    ) external {
        _prove(4, a, b, equal, first, second, alone, n, bps);
    }

    function check_evenHighOddLow(
        uint96 a,
        uint96 b,
        bool equal,
        bool first,
        bool second,
        bool alone,
        uint8 n,
        uint16 bps
    ) external {
        _prove(6, a, b, equal, first, second, alone, n, bps);
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

    function _prove(
        uint8 even,
        uint96 a,
        uint96 b,
        bool equal,
        bool first,
        bool second,
        bool alone,
        uint8 n,
        uint16 bps
    ) private {
        // Equal amounts as one unknown, since solvers do not see that equals have equal fees.
        if (equal) b = a;
        else vm.assume(a != b);
        _open(bps);
        _bet(ALICE, first ? even : even + 1, a);
        _bet(alone ? ALICE : BOB, second ? even : even + 1, b);
        _finish(n);
        _assertAllPaid(uint256(a) + b);
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
