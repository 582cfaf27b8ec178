// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle as O} from "../../contracts/interfaces/IResultOracle.sol";
import {Refuser} from "../contracts/solidity/Attackers.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title What the contracts tell as it happens: each event with all its values, and no other
contract Events is Stage {
    address private constant FIRST = address(0xC000);
    address private constant SECOND = address(0xC001);

    function setUp() public override {
        super.setUp();
        vm.getRecordedLogs();
    }

    function test_roundsTellOfTheirLife() external {
        _create(DRAW);
        emit M.RoundCreated(1, DRAW, LOCK, 200, address(oracle));
        _told();
        vm.warp(LOCK + 7);
        market.lockRound(1);
        emit M.RoundLocked(1, LOCK + 7);
        _told();
        vm.prank(GUARDIAN);
        market.cancelRound(1);
        emit M.RoundCancelled(1);
        _told();
        vm.prank(ADMIN);
        market.setOracle(BOB);
        vm.warp(START);
        _create(DRAW);
        _create(DRAW + 1);
        vm.warp(DRAW + 9);
        vm.getRecordedLogs();
        vm.prank(BOB);
        market.finalizeRound(2, 99);
        emit M.RoundFinalized(2, 99, DRAW + 9);
        vm.warp(DRAW + 72 hours + 2);
        market.voidRound(3);
        emit M.RoundCancelled(3);
        _told();
    }

    function test_betsTellWhatTheyMatchAtOnce() external {
        _create(DRAW);
        vm.getRecordedLogs();
        _bet(ALICE, 0, 3 * BET);
        emit M.BetPlaced(1, ALICE, 0, 3 * BET);
        _bet(BOB, 1, BET);
        emit M.BetPlaced(1, BOB, 1, BET);
        emit M.BetMatched(1, BOB, BET);
        vm.prank(BOB);
        market.placeMatchedBet{value: 5 * BET}(1, 1, BET);
        emit M.BetPlaced(1, BOB, 1, 2 * BET);
        emit M.BetMatched(1, BOB, 2 * BET);
        _bet(BOB, 1, 4 * BET);
        emit M.BetPlaced(1, BOB, 1, 4 * BET);
        _bet(ALICE, 0, BET);
        emit M.BetPlaced(1, ALICE, 0, BET);
        emit M.BetMatched(1, ALICE, BET);
        _told();
        vm.prank(BOB);
        market.cancelUnmatched(1, 2);
        emit M.BetCancelled(1, BOB, 2, 3 * BET);
        _told();
    }

    /// @notice Winnings and refunds each have their event, and what is zero has none. So has a claim of nothing.
    function test_paymentsTellWhatTheyAreFor() external {
        _played(); // ALICE's EVEN meets BOB's ODD; nobody meets her HIGH
        _bet(BOB, 0, BET);
        _bet(ALICE, 5, BET);
        _bet(BOB, 4, BET);
        vm.warp(LOCK);
        vm.getRecordedLogs();
        vm.prank(ALICE);
        market.claimRefund(1);
        emit M.RefundIssued(1, ALICE, BET);
        _told();
        _finalize([uint8(10), 11, 12, 13, 14], 2); // 60: EVEN, a push of EVEN_LOW and ODD_HIGH
        vm.getRecordedLogs();
        market.settle(1, _one(ALICE));
        emit M.WinningsClaimed(1, ALICE, 2 * BET - BET / 50);
        emit M.RefundIssued(1, ALICE, BET);
        vm.prank(BOB);
        market.claimWinnings(1);
        emit M.RefundIssued(1, BOB, 2 * BET);
        address[] memory all = new address[](2);
        (all[0], all[1]) = (ALICE, BOB);
        market.settle(1, all);
        market.withdrawFees(_one(1));
        emit M.FeesWithdrawn(1, BET / 50);
        market.withdrawFees(_one(1));
        _told();
    }

    function test_winningsAloneAreAnnouncedAlone() external {
        _create(DRAW);
        _bet(ALICE, 3, BET);
        _bet(BOB, 2, BET);
        _finalize([uint8(1), 2, 3, 4, 5], 2); // 15: LOW
        vm.getRecordedLogs();
        vm.prank(ALICE);
        market.claimWinningsBatch(_one(1), TREASURY);
        emit M.WinningsClaimed(1, ALICE, 2 * BET - BET / 50);
        market.settle(1, _one(BOB));
        _told();
    }

    /// @notice A round without fees announces none, and nobody is called with nothing to give.
    function test_noFeesAreNoEventAndNoPayment() external {
        Refuser refuser = new Refuser();
        vm.prank(ADMIN);
        market.setFeeRecipient(address(refuser));
        _create(DRAW);
        _bet(ALICE, 0, BET);
        _finalize([uint8(10), 11, 12, 13, 14], 2);
        vm.getRecordedLogs();
        market.withdrawFees(_one(1));
        _told();
    }

    function test_whoIsSkippedIsNotAnnounced() external {
        Refuser refuser = new Refuser();
        vm.deal(address(refuser), BET);
        _create(DRAW);
        _bet(address(refuser), 0, BET);
        vm.warp(LOCK);
        vm.getRecordedLogs();
        market.settle(1, _one(address(refuser)));
        _told();
    }

    function test_committeesTellOfVotesProposalsAndVetoes() external {
        _create(DRAW);
        vm.warp(DRAW + 5);
        vm.getRecordedLogs();
        O.Draw memory told = _drawOf([uint8(14), 12, 10, 11, 13], 2);
        O.Draw memory sorted = _drawOf([uint8(10), 11, 12, 13, 14], 2);
        for (uint256 number = 1; number < 3; ++number) {
            vm.prank(FIRST);
            oracle.report(address(market), 1, told, "a");
            emit O.ResultReported(address(market), 1, FIRST, number, told, 60, "a");
            vm.prank(SECOND);
            oracle.report(address(market), 1, sorted, "b");
            emit O.ResultReported(address(market), 1, SECOND, number, sorted, 60, "b");
            emit O.ResultProposed(address(market), 1, number, sorted, 60, DRAW + 5 + WINDOW);
            _told();
            if (number == 2) break;
            vm.prank(REFEREE);
            oracle.veto(address(market), 1);
            emit O.ResultVetoed(address(market), 1, 1, 60);
            _told();
        }
        vm.warp(DRAW + 6 + WINDOW);
        oracle.finalize(address(market), 1);
        emit O.ResultFinalized(address(market), 1, 60);
        emit M.RoundFinalized(1, 60, DRAW + 6 + WINDOW);
        _told();
    }
}
