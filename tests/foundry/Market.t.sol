// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {GasBurner, Refuser} from "../contracts/solidity/Attackers.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title Each way through the market that an auditor may want to see once, by hand
contract Market is Stage {
    // ----------------------------------------------------------------------------------------------- rounds

    function test_aRoundOpensWithTheTermsOfTheDay() external {
        require(_create(DRAW) == 1 && market.roundCount() == 1 && market.roundOf(DRAW) == 1, "id");
        M.RoundInfo memory info = market.getRoundInfo(1);
        require(info.drawTime == DRAW && info.lockTime == LOCK, "times");
        require(info.status == M.RoundStatus.OPEN && info.feeBps == 200, "terms");
        require(info.oracle == address(oracle) && info.finalizedAt == 0, "oracle");
        bytes memory call = abi.encodeCall(M.createRound, (DRAW));
        _refuses(OPERATOR, call, abi.encodeWithSelector(M.DrawTimeTaken.selector, DRAW, 1));
        _refuses(ALICE, call, _missing(ALICE, keccak256("OPERATOR_ROLE")));
        (uint256 earliest, uint256 latest) = (START + 15 minutes + 1, START + 60 days);
        _outOfRange(earliest - 1, earliest, latest);
        _outOfRange(latest + 1, earliest, latest);
        require(_create(earliest) == 2 && _create(latest) == 3, "bounds");
    }

    function _outOfRange(uint256 time, uint256 earliest, uint256 latest) private {
        bytes memory problem = abi.encodeWithSelector(M.DrawTimeOutOfRange.selector, time, earliest, latest);
        _refuses(OPERATOR, abi.encodeCall(M.createRound, (time)), problem);
    }

    function test_anUnknownRoundIsAnError() external {
        bytes memory problem = abi.encodeWithSelector(M.UnknownRound.selector, 7);
        _refuses(ALICE, abi.encodeCall(M.getRoundInfo, (7)), problem);
        _refuses(ALICE, abi.encodeCall(M.getPredictionPool, (7, 0)), problem);
        _refuses(ALICE, abi.encodeCall(M.getUserBet, (7, ALICE)), problem);
        _refuses(ALICE, abi.encodeCall(M.resultTerms, (7)), problem);
        _refuses(ALICE, abi.encodeCall(M.lockRound, (7)), problem);
        _refuses(ALICE, abi.encodeCall(M.finalizeRound, (7, 0)), problem);
        _refuses(ALICE, abi.encodeCall(M.quote, (7, 0, BET)), problem);
        _refuses(ALICE, abi.encodeCall(M.cancelUnmatched, (7, 0)), problem);
        _refuses(ALICE, abi.encodeCall(M.claimWinningsBatch, (_one(7), ALICE)), problem);
        _refuses(ALICE, abi.encodeCall(M.withdrawFees, (_one(7))), problem);
    }

    function test_aRoundIsLockedOnceFromLockTimeOn() external {
        _create(DRAW);
        bytes memory call = abi.encodeCall(M.lockRound, (1));
        vm.warp(LOCK - 1);
        _refuses(ALICE, call, abi.encodeWithSelector(M.TooEarly.selector, 1, LOCK));
        vm.warp(LOCK);
        require(market.getRoundInfo(1).status == M.RoundStatus.LOCKED, "read as locked");
        market.lockRound(1);
        _refuses(ALICE, call, abi.encodeWithSelector(M.WrongStatus.selector, 1, M.RoundStatus.LOCKED));
    }

    function test_onlyTheOracleDecidesAndOnlyInTime() external {
        vm.prank(ADMIN);
        market.setOracle(ALICE);
        _create(DRAW);
        bytes memory call = abi.encodeCall(M.finalizeRound, (1, 42));
        vm.warp(DRAW - 1);
        _refuses(BOB, call, abi.encodeWithSelector(M.NotRoundOracle.selector, 1, BOB, ALICE));
        _refuses(ALICE, call, abi.encodeWithSelector(M.TooEarly.selector, 1, DRAW));
        bytes memory wrong = abi.encodeCall(M.finalizeRound, (1, 100));
        _refuses(ALICE, wrong, abi.encodeWithSelector(M.InvalidWinningNumber.selector, 100));
        vm.warp(DRAW + 72 hours + 1);
        _refuses(ALICE, call, abi.encodeWithSelector(M.TooLate.selector, 1, DRAW + 72 hours));
        vm.warp(DRAW + 72 hours);
        vm.prank(ALICE);
        market.finalizeRound(1, 42);
        M.RoundInfo memory info = market.getRoundInfo(1);
        require(info.winningNumber == 42 && info.finalizedAt == DRAW + 72 hours, "result");
        bytes memory decided = abi.encodeWithSelector(M.WrongStatus.selector, 1, M.RoundStatus.FINALIZED);
        _refuses(ALICE, call, decided);
        _refuses(GUARDIAN, abi.encodeCall(M.cancelRound, (1)), decided);
        _refuses(BOB, abi.encodeCall(M.voidRound, (1)), decided);
    }

    function test_roundsAreCancelledBeforeTheirDrawByTwoKeys() external {
        _create(DRAW);
        bytes memory call = abi.encodeCall(M.cancelRound, (1));
        _refuses(ADMIN, call, abi.encodeWithSelector(M.NotAllowedToCancel.selector, 1, ADMIN));
        vm.warp(LOCK);
        _refuses(OPERATOR, call, abi.encodeWithSelector(M.TooLate.selector, 1, LOCK - 1));
        vm.warp(DRAW);
        _refuses(GUARDIAN, call, abi.encodeWithSelector(M.TooLate.selector, 1, DRAW - 1));
        vm.warp(DRAW - 1);
        vm.prank(GUARDIAN);
        market.cancelRound(1);
        require(market.roundOf(DRAW) == 0, "the draw is free");
        vm.warp(LOCK - 1);
        _create(DRAW);
        vm.prank(OPERATOR);
        market.cancelRound(2);
        bytes memory ended = abi.encodeWithSelector(M.WrongStatus.selector, 2, M.RoundStatus.CANCELLED);
        _refuses(ALICE, BET, abi.encodeCall(M.placeBet, (2, 0)), ended);
    }

    function test_aRoundWithoutResultIsVoid() external {
        _played();
        bytes memory call = abi.encodeCall(M.voidRound, (1));
        vm.warp(DRAW + 72 hours);
        _refuses(ALICE, call, abi.encodeWithSelector(M.TooEarly.selector, 1, DRAW + 72 hours + 1));
        vm.warp(DRAW + 72 hours + 1);
        market.voidRound(1);
        (uint256 winnings, uint256 refund) = market.claimable(1, ALICE);
        require(winnings == 0 && refund == 2 * BET, "everything comes back");
        vm.prank(ALICE);
        market.claimRefund(1);
        vm.prank(BOB);
        market.claimWinningsBatch(_one(1), ALICE);
        require(address(market).balance == 0, "nothing is left");
    }

    // ------------------------------------------------------------------------------------------------- bets

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
        _refuses(
            ALICE,
            abi.encodeCall(M.cancelUnmatched, (1, 2)),
            abi.encodeWithSelector(M.UnknownBet.selector, 1, ALICE, 2)
        );
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

    // --------------------------------------------------------------------------------------------- payments

    function test_winningsPushesAndFees() external {
        _played(); // ALICE's EVEN meets BOB's ODD
        _bet(ALICE, 4, BET);
        _bet(BOB, 5, BET); // EVEN_LOW against ODD_HIGH: a push at 60
        vm.prank(ADMIN);
        market.setOracle(BOB); // too late for this round
        bytes memory early = abi.encodeWithSelector(M.TooEarly.selector, 1, LOCK);
        _refuses(ALICE, abi.encodeCall(M.claimRefund, (1)), early);
        _refuses(ALICE, abi.encodeCall(M.settle, (1, _one(ALICE))), early);
        vm.warp(LOCK);
        uint256 before = ALICE.balance;
        vm.prank(ALICE);
        market.claimRefund(1);
        require(ALICE.balance - before == BET, "unmatched");
        _refuses(
            ALICE, abi.encodeCall(M.claimRefund, (1)), abi.encodeWithSelector(M.NothingDue.selector, 1, ALICE)
        );
        bytes memory open = abi.encodeWithSelector(M.WrongStatus.selector, 1, M.RoundStatus.LOCKED);
        _refuses(ALICE, abi.encodeCall(M.claimWinnings, (1)), open);
        _refuses(ALICE, abi.encodeCall(M.claimWinningsBatch, (_one(1), ALICE)), open);
        _refuses(ALICE, abi.encodeCall(M.withdrawFees, (_one(1))), open);

        _finalizeSixty();
        _refuses(
            ALICE, abi.encodeCall(M.claimRefund, (1)), abi.encodeWithSelector(M.UseClaimWinnings.selector, 1)
        );
        (uint256 winnings, uint256 refund) = market.claimable(1, ALICE);
        require(winnings == 2 * BET - BET / 50 && refund == BET, "EVEN won, the push comes back");
        before = ALICE.balance;
        vm.prank(ALICE);
        market.claimWinnings(1);
        require(ALICE.balance - before == winnings + refund, "paid");
        M.BetInfo[] memory bets = market.getUserBets(1, ALICE);
        require(bets[0].settled && bets[1].settled && bets[1].refunded && !bets[0].refunded, "marks");
        (winnings, refund) = market.claimable(1, BOB);
        require(winnings == 0 && refund == BET, "ODD lost");
        market.settle(1, _one(BOB));
        market.settle(1, _one(BOB)); // nothing is due any more: nothing happens
        require(TREASURY.balance == 0, "fees wait");
        uint256[] memory twice = new uint256[](2);
        (twice[0], twice[1]) = (1, 1);
        market.withdrawFees(twice);
        market.withdrawFees(twice);
        require(TREASURY.balance == BET / 50 && address(market).balance == 0, "fees once");
    }

    function test_betsTellWhetherAnythingIsDueForThem() external {
        _played(); // a bet of ALICE that was met, then one that was not; BOB's was met
        (uint256 winnings, uint256 refund) = market.claimable(1, ALICE);
        require(winnings + refund == 0, "nothing before the betting is over");
        require(!_settled(ALICE, 0) && !_settled(ALICE, 1) && !_settled(BOB, 0), "open");
        vm.warp(LOCK);
        require(!_settled(ALICE, 0) && !_settled(ALICE, 1) && !_settled(BOB, 0), "locked");
        vm.prank(ALICE);
        market.claimRefund(1);
        require(!_settled(ALICE, 0) && _settled(ALICE, 1), "the unmatched one is done with");
        _finalizeSixty();
        require(!_settled(ALICE, 0) && _settled(BOB, 0), "the loser needs not claim");
    }

    function _settled(address user, uint256 index) private view returns (bool) {
        return market.getUserBets(1, user)[index].settled;
    }

    function test_aRoundWithoutFeesPaysNone() external {
        _create(DRAW);
        _bet(ALICE, 0, BET);
        _finalizeSixty();
        market.withdrawFees(_one(1));
        require(TREASURY.balance == 0 && address(market).balance == BET, "no fees of what nobody met");
    }

    /// @dev By a committee, whose whites here add up to 60.
    function _finalizeSixty() private {
        vm.warp(DRAW);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(_members(3)[i]);
            oracle.report(address(market), 1, _drawOf([uint8(10), 11, 12, 13, 14], 2), "");
        }
        vm.warp(DRAW + WINDOW);
        oracle.finalize(address(market), 1);
    }

    function test_aBatchPaysRoundsAtOnceAndToAnybody() external {
        bytes memory call = abi.encodeCall(M.claimWinningsBatch, (_one(1), address(0)));
        _refuses(ALICE, call, abi.encodeWithSelector(M.ZeroAddress.selector, "to"));
        _played();
        _finalizeSixty();
        uint256[] memory twice = new uint256[](2);
        (twice[0], twice[1]) = (1, 1);
        bytes memory nothing = abi.encodeWithSelector(M.NothingDue.selector, 0, TREASURY);
        _refuses(TREASURY, abi.encodeCall(M.claimWinningsBatch, (twice, TREASURY)), nothing);
        uint256 due = 3 * BET - BET / 50;
        bytes memory refused = abi.encodeWithSelector(M.PaymentRefused.selector, address(market), due);
        _refuses(ALICE, abi.encodeCall(M.claimWinningsBatch, (twice, address(market))), refused);
        vm.prank(ALICE);
        market.claimWinningsBatch(twice, TREASURY);
        require(TREASURY.balance == due, "once");
    }

    function test_settlingSkipsWhoRefusesAndSparesNoGas() external {
        (Refuser refuser, GasBurner burner) = (new Refuser(), new GasBurner());
        burner.want(60_000);
        vm.deal(address(refuser), BET);
        vm.deal(address(burner), BET);
        _create(DRAW);
        _bet(address(refuser), 0, BET);
        _bet(address(burner), 2, BET);
        _bet(ALICE, 4, BET);
        address[] memory users = new address[](3);
        (users[0], users[1], users[2]) = (address(refuser), address(burner), ALICE);
        vm.warp(LOCK);
        uint256 before = ALICE.balance;
        market.settle(1, users);
        require(ALICE.balance - before == BET && address(market).balance == 2 * BET, "two skipped");
        bytes memory call = abi.encodeCall(M.claimRefund, (1));
        bytes memory problem = abi.encodeWithSelector(M.PaymentRefused.selector, address(refuser), BET);
        _refuses(address(refuser), call, problem);
        vm.prank(address(burner));
        market.claimRefund(1);
        require(address(burner).balance == BET, "with all the gas it wants");

        (bool done, bytes memory answer) =
            address(market).call{gas: 95_000}(abi.encodeCall(M.settle, (1, users)));
        require(!done && bytes4(answer) == M.NotEnoughGas.selector, "gas");
        vm.warp(DRAW - 1);
        vm.prank(GUARDIAN);
        market.cancelRound(1);
        refuser.accept(true);
        market.settle(1, users);
        require(address(market).balance == 0, "all paid in the end");
    }
}
