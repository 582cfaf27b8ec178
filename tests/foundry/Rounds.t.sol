// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title Each way through a round that an auditor may want to see once, by hand
contract Rounds is Stage {
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
        _refuses(ALICE, abi.encodeCall(M.cancelRound, (7)), problem);
        _refuses(ALICE, abi.encodeCall(M.voidRound, (7)), problem);
        _refuses(ALICE, BET, abi.encodeCall(M.placeBet, (7, 0)), problem);
        _refuses(ALICE, BET, abi.encodeCall(M.placeMatchedBet, (7, 0, 0)), problem);
        _refuses(ALICE, abi.encodeCall(M.getUserBets, (7, ALICE)), problem);
        _refuses(ALICE, abi.encodeCall(M.claimable, (7, ALICE)), problem);
        _refuses(ALICE, abi.encodeCall(M.claimWinnings, (7)), problem);
        _refuses(ALICE, abi.encodeCall(M.claimRefund, (7)), problem);
        _refuses(ALICE, abi.encodeCall(M.settle, (7, _one(ALICE))), problem);
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

    /// @notice That somebody recorded the end of the betting changes nothing.
    function test_aRecordedLockChangesNothing() external {
        vm.prank(ADMIN);
        market.setOracle(ALICE);
        (_create(DRAW), _create(DRAW + 1), _create(DRAW + 2));
        _bet(ALICE, 0, BET);
        vm.warp(LOCK + 2);
        for (uint256 roundId = 1; roundId < 4; ++roundId) {
            market.lockRound(roundId);
        }
        _refuses(BOB, BET, abi.encodeCall(M.placeBet, (1, 0)), _closed());
        vm.prank(GUARDIAN);
        market.cancelRound(2);
        bytes memory ended = abi.encodeWithSelector(M.WrongStatus.selector, 2, M.RoundStatus.CANCELLED);
        _refuses(ALICE, abi.encodeCall(M.lockRound, (2)), ended);
        _refuses(ALICE, abi.encodeCall(M.finalizeRound, (2, 0)), ended);
        _refuses(GUARDIAN, abi.encodeCall(M.cancelRound, (2)), ended);
        vm.warp(DRAW);
        vm.prank(ALICE);
        market.finalizeRound(1, 99);
        require(market.getRoundInfo(1).finalizedAt == DRAW, "in the first second");
        _refuses(BOB, BET, abi.encodeCall(M.placeBet, (1, 0)), _closed());
        bytes memory decided = abi.encodeWithSelector(M.WrongStatus.selector, 1, M.RoundStatus.FINALIZED);
        _refuses(ALICE, abi.encodeCall(M.lockRound, (1)), decided);
        vm.warp(DRAW + 72 hours + 3);
        market.voidRound(3);
        _refuses(ALICE, abi.encodeCall(M.voidRound, (2)), ended);
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
        require(market.getRoundInfo(1).finalizedAt == 0, "no result");
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
}
