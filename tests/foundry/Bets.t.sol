// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {Refuser} from "../contracts/solidity/Attackers.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title Each way of placing a bet and of taking it back, by hand
contract Bets is Stage {
    function test_betsAreTakenWithinLimitsAndTime() external {
        _create(DRAW);
        bytes memory call = abi.encodeCall(M.placeBet, (1, 0));
        bytes memory prediction = abi.encodeWithSelector(M.InvalidPrediction.selector, 8);
        _refuses(ALICE, BET, abi.encodeCall(M.placeBet, (1, 8)), prediction);
        _refuses(ALICE, abi.encodeCall(M.getPredictionPool, (1, 8)), prediction);
        uint256 max = type(uint96).max;
        bytes memory limits = abi.encodeWithSelector(M.BetOutOfLimits.selector, 0, 0.001 ether, max);
        _refuses(ALICE, 0, call, limits);
        limits = abi.encodeWithSelector(M.BetOutOfLimits.selector, max + 1, 0.001 ether, max);
        _refuses(ALICE, max + 1, call, limits);
        _refuses(ALICE, max + 1, abi.encodeCall(M.placeMatchedBet, (1, 0, 0)), limits);
        _bet(ALICE, 0, BET);
        bytes memory full = abi.encodeWithSelector(M.LineFull.selector, 1, 0, BET);
        _refuses(ALICE, max - BET + 1, call, full);
        _bet(ALICE, 0, max - BET);
        vm.warp(LOCK);
        _refuses(ALICE, BET, call, abi.encodeWithSelector(M.BettingClosed.selector, 1, LOCK));
    }

    function test_theLimitsAreTheAdmins() external {
        vm.prank(ADMIN);
        market.setBetLimits(BET, 2 * BET);
        _create(DRAW);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 amount = i == 0 ? BET - 1 : 2 * BET + 1;
            bytes memory limits = abi.encodeWithSelector(M.BetOutOfLimits.selector, amount, BET, 2 * BET);
            _refuses(ALICE, amount, abi.encodeCall(M.placeBet, (1, 0)), limits);
            _refuses(ALICE, abi.encodeCall(M.quote, (1, 0, amount)), limits);
            if (i == 1) _refuses(ALICE, amount, abi.encodeCall(M.placeMatchedBet, (1, 0, 0)), limits);
        }
        _bet(ALICE, 0, BET);
        _bet(ALICE, 0, 2 * BET);
        vm.prank(ALICE);
        market.cancelUnmatched(1, 1);
        // What is taken of a matched bet is never less than the smallest bet; what was sent may be.
        vm.prank(BOB);
        market.placeMatchedBet{value: 2 * BET}(1, 1, 0);
        _bet(ALICE, 0, BET);
        _bet(BOB, 3, BET);
        vm.prank(ADMIN);
        market.setBetLimits(BET + 1, 2 * BET);
        bytes memory problem = abi.encodeWithSelector(M.NotEnoughMatched.selector, 1, BET, BET + 1);
        _refuses(BOB, 2 * BET, abi.encodeCall(M.placeMatchedBet, (1, 1, 0)), problem);
        _refuses(BOB, 2 * BET, abi.encodeCall(M.placeMatchedBet, (1, 1, BET)), problem);
        problem = abi.encodeWithSelector(M.NotEnoughMatched.selector, 1, BET, BET + 2);
        _refuses(BOB, 2 * BET, abi.encodeCall(M.placeMatchedBet, (1, 1, BET + 2)), problem);
    }

    function test_matchedBetsAreTakenInTimeToo() external {
        _create(DRAW);
        _bet(ALICE, 0, BET);
        bytes memory call = abi.encodeCall(M.placeMatchedBet, (1, 1, 0));
        bytes memory prediction = abi.encodeWithSelector(M.InvalidPrediction.selector, 8);
        _refuses(BOB, BET, abi.encodeCall(M.placeMatchedBet, (1, 8, 0)), prediction);
        _refuses(BOB, abi.encodeCall(M.quote, (1, 8, BET)), prediction);
        for (uint256 i = 0; i < 16; ++i) {
            _bet(BOB, 7, BET);
        }
        _refuses(BOB, BET, call, abi.encodeWithSelector(M.TooManyBets.selector, 1, BOB, 16));
        vm.warp(LOCK - 1);
        _bet(ALICE, 7, BET);
        vm.warp(LOCK);
        _refuses(BOB, BET, call, _closed());
        _refuses(BOB, abi.encodeCall(M.quote, (1, 1, BET)), _closed());
    }

    function test_sixteenBetsAUserAndRound() external {
        _create(DRAW);
        for (uint256 i = 0; i < 16; ++i) {
            _bet(ALICE, uint8(i % 8), BET);
        }
        bytes memory problem = abi.encodeWithSelector(M.TooManyBets.selector, 1, ALICE, 16);
        _refuses(ALICE, BET, abi.encodeCall(M.placeBet, (1, 0)), problem);
        (uint256 amount, uint256 matched, uint256 count, bool settled) = market.getUserBet(1, ALICE);
        require(amount == 16 * BET && matched == 16 * BET && count == 16 && !settled, "sum");
        (, matched, count, settled) = market.getUserBet(1, BOB);
        require(matched == 0 && count == 0 && !settled, "none");
    }

    function test_aMatchedBetTakesWhatWaitsAndReturnsTheRest() external {
        _create(DRAW);
        bytes memory call = abi.encodeCall(M.placeMatchedBet, (1, 1, 2 * BET));
        _refuses(BOB, BET, call, abi.encodeWithSelector(M.NotEnoughMatched.selector, 1, 0, 2 * BET));
        _bet(ALICE, 0, 3 * BET);
        uint256 before = BOB.balance;
        vm.prank(BOB);
        market.placeMatchedBet{value: BET}(1, 1, BET);
        vm.prank(BOB);
        market.placeMatchedBet{value: 5 * BET}(1, 1, 2 * BET);
        require(before - BOB.balance == 3 * BET, "change");
        (, uint256 matched, uint256 count,) = market.getUserBet(1, BOB);
        require(matched == 3 * BET && count == 2, "matched in full");
        Refuser refuser = new Refuser();
        vm.deal(address(refuser), 2 * BET);
        _bet(ALICE, 0, BET);
        call = abi.encodeCall(M.placeMatchedBet, (1, 1, 0));
        bytes memory problem = abi.encodeWithSelector(M.PaymentRefused.selector, address(refuser), BET);
        _refuses(address(refuser), 2 * BET, call, problem);
    }

    function test_theTailOfALineIsTakenBack() external {
        _create(DRAW);
        _bet(ALICE, 0, BET);
        _bet(ALICE, 1, 3 * BET); // two thirds of it have no opponent
        _bet(BOB, 1, BET); // stands behind it
        bytes memory call = abi.encodeCall(M.cancelUnmatched, (1, 1));
        _refuses(ALICE, call, abi.encodeWithSelector(M.NotAtTail.selector, 1, 1));
        _refuses(
            ALICE,
            abi.encodeCall(M.cancelUnmatched, (1, 0)),
            abi.encodeWithSelector(M.NothingUnmatched.selector, 1, 0)
        );
        uint256[3] memory beyond = [uint256(2), 3, type(uint256).max];
        for (uint256 i = 0; i < beyond.length; ++i) {
            bytes memory unknown = abi.encodeWithSelector(M.UnknownBet.selector, 1, ALICE, beyond[i]);
            _refuses(ALICE, abi.encodeCall(M.cancelUnmatched, (1, beyond[i])), unknown);
        }
        vm.prank(GUARDIAN);
        market.pause(); // stops nobody who leaves
        uint256 before = BOB.balance;
        vm.prank(BOB);
        market.cancelUnmatched(1, 0);
        require(BOB.balance - before == BET, "whole");
        (uint256 amount,, uint256 count, bool settled) = market.getUserBet(1, BOB);
        require(amount == 0 && count == 1 && settled, "an empty entry");
        before = ALICE.balance;
        vm.prank(ALICE);
        market.cancelUnmatched(1, 1);
        require(ALICE.balance - before == 2 * BET, "in part");
        (uint256 total, uint256 matched,) = market.getPredictionPool(1, 1);
        require(total == BET && matched == BET, "line");
        vm.warp(LOCK);
        _refuses(ALICE, call, abi.encodeWithSelector(M.BettingClosed.selector, 1, LOCK));
    }

    function test_nothingIsTakenBackOfACancelledRound() external {
        _create(DRAW);
        _bet(ALICE, 0, BET);
        vm.prank(OPERATOR);
        market.cancelRound(1);
        bytes memory ended = abi.encodeWithSelector(M.WrongStatus.selector, 1, M.RoundStatus.CANCELLED);
        _refuses(ALICE, abi.encodeCall(M.cancelUnmatched, (1, 0)), ended);
        _refuses(ALICE, abi.encodeCall(M.claimWinnings, (1)), ended);
        _refuses(ALICE, abi.encodeCall(M.withdrawFees, (_one(1))), ended);
        uint256 before = ALICE.balance;
        vm.prank(ALICE);
        market.claimRefund(1);
        require(ALICE.balance - before == BET, "refund");
    }

    function test_theTailOfTheFirstLineToo() external {
        _create(DRAW);
        _bet(BOB, 1, BET);
        _bet(ALICE, 0, 3 * BET);
        vm.prank(ALICE);
        market.cancelUnmatched(1, 0);
        (uint256 total, uint256 matched,) = market.getPredictionPool(1, 0);
        require(total == BET && matched == BET, "line");
    }

    function test_aQuotePromisesWhatHappens() external {
        _create(DRAW);
        _bet(ALICE, 0, 3 * BET);
        (uint256 matched, uint256 payout, uint256 fee) = market.quote(1, 1, 4 * BET);
        require(matched == 3 * BET && fee == 3 * BET / 50 && payout == 7 * BET - fee, "quote");
        bytes memory call = abi.encodeCall(M.quote, (1, 0, type(uint96).max));
        _refuses(ALICE, call, abi.encodeWithSelector(M.LineFull.selector, 1, 0, 3 * BET));
        call = abi.encodeCall(M.quote, (1, 0, 0));
        bytes memory limits =
            abi.encodeWithSelector(M.BetOutOfLimits.selector, 0, 0.001 ether, type(uint96).max);
        _refuses(ALICE, call, limits);
        vm.prank(GUARDIAN);
        market.pause();
        _refuses(ALICE, call, abi.encodeWithSignature("EnforcedPause()"));
    }
}
