// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {Refuser} from "../contracts/solidity/Attackers.sol";
import {OrderQueue} from "./support/OrderQueue.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title One round with bets on all eight predictions, and what each of the hundred numbers makes of it
/// @notice Two bettors on each prediction, on lines of other lengths: a bet that is met, one that is met in part or not.
contract Payouts is Stage {
    uint256 private constant FEE = 333; // basis points, so that there is something to round

    struct Placed {
        address user;
        uint8 prediction;
        uint256 offset;
        uint256 amount;
        uint256 matched;
    }

    Placed[] private placed;
    uint256[8] private total;

    function setUp() public override {
        super.setUp();
        vm.prank(ADMIN);
        market.setFee(uint16(FEE));
        vm.prank(ADMIN);
        market.setOracle(BOB);
        _create(DRAW);
        // Of each pair first the one line, then the other is the longer; the third pair's are equal.
        uint256[2][8] memory amounts = [
            [3 * BET + 1, BET + 77],
            [2 * BET + 5, BET + 333],
            [BET + 11, BET + 13],
            [5 * BET + 17, 2 * BET + 3],
            [BET + 19, 2 * BET],
            [2 * BET + 12, BET + 7],
            [BET + 29, 4 * BET + 31],
            [3 * BET + 37, BET / 100]
        ];
        for (uint256 i = 0; i < 2; ++i) {
            for (uint8 p = 0; p < 8; ++p) {
                address user = address(uint160(0xD000 + 16 * i + p));
                vm.deal(user, amounts[p][i]);
                vm.warp(START + placed.length);
                _bet(user, p, amounts[p][i]);
                placed.push(Placed(user, p, total[p], amounts[p][i], 0));
                total[p] += amounts[p][i];
            }
        }
        for (uint256 i = 0; i < placed.length; ++i) {
            uint256 level = _level(placed[i].prediction);
            if (level <= placed[i].offset) continue;
            uint256 below = level - placed[i].offset;
            placed[i].matched = below < placed[i].amount ? below : placed[i].amount;
        }
    }

    function _level(uint8 p) private view returns (uint256) {
        return total[p] < total[p ^ 1] ? total[p] : total[p ^ 1];
    }

    function test_theViewsTellWhatWasPlaced() external view {
        uint256 staked = 0;
        uint256 matchedOfAll = 0;
        for (uint8 p = 0; p < 8; ++p) {
            (uint256 amount, uint256 matched, uint256 count) = market.getPredictionPool(1, p);
            require(amount == total[p] && matched == _level(p) && count == 2, "line");
            staked += total[p];
            if (p % 2 == 0) matchedOfAll += _level(p);
        }
        M.RoundInfo memory info = market.getRoundInfo(1);
        require(info.totalStaked == staked && info.totalMatched == matchedOfAll, "sums");
        require(info.feeBps == FEE && info.oracle == BOB && info.winningNumber == 0, "round");
        require(address(market).balance == staked, "balance");
        for (uint256 i = 0; i < placed.length; ++i) {
            Placed memory one = placed[i];
            M.BetInfo[] memory bets = market.getUserBets(1, one.user);
            M.BetInfo memory expected =
                M.BetInfo(one.prediction, one.amount, one.offset, one.matched, START + i, false, false);
            require(bets.length == 1, "bets");
            require(keccak256(abi.encode(bets[0])) == keccak256(abi.encode(expected)), "bet");
        }
    }

    function test_everyNumberPaysByTheTable() external {
        vm.warp(DRAW);
        uint256 id = vm.snapshotState();
        for (uint8 n = 0; n < 100; ++n) {
            vm.prank(BOB);
            market.finalizeRound(1, n);
            M.RoundInfo memory info = market.getRoundInfo(1);
            require(info.winningNumber == n && info.finalizedAt == DRAW, "result");
            uint256 fees = 0;
            for (uint256 i = 0; i < placed.length; ++i) {
                (uint256 winnings, uint256 refund) = market.claimable(1, placed[i].user);
                (uint256 won, uint256 back, uint256 fee) = _expected(placed[i], n);
                require(winnings == won && refund == back, "due");
                fees += fee;
            }
            market.withdrawFees(_one(1));
            require(TREASURY.balance == fees, "fees");
            require(vm.revertToState(id), "again");
        }
    }

    function _expected(Placed memory one, uint8 n)
        private
        pure
        returns (uint256 winnings, uint256 refund, uint256 fee)
    {
        bool won = OrderQueue.wins(one.prediction, n);
        bool lost = OrderQueue.wins(one.prediction ^ 1, n);
        if (!won && !lost) return (0, one.amount, 0);
        if (!won || one.matched == 0) return (0, one.amount - one.matched, 0);
        fee = (one.offset + one.matched) * FEE / 10_000 - one.offset * FEE / 10_000;
        return (2 * one.matched - fee, one.amount - one.matched, fee);
    }

    /// @notice Before the draw what is unmatched, after a cancellation the rest too; each once, and to all at once.
    function test_aRoundIsRefundedInTwoParts() external {
        address[] memory users = new address[](placed.length);
        for (uint256 i = 0; i < users.length; ++i) {
            users[i] = placed[i].user;
        }
        vm.warp(LOCK);
        for (uint256 turn = 0; turn < 2; ++turn) {
            market.settle(1, users);
            for (uint256 i = 0; i < users.length; ++i) {
                require(users[i].balance == placed[i].amount - placed[i].matched, "unmatched");
                M.BetInfo memory bet = market.getUserBets(1, users[i])[0];
                require(bet.refunded == (placed[i].matched != placed[i].amount), "refunded");
                require(bet.settled == (placed[i].matched == 0), "settled");
            }
        }
        vm.prank(GUARDIAN);
        market.cancelRound(1);
        for (uint256 turn = 0; turn < 2; ++turn) {
            market.settle(1, users);
            for (uint256 i = 0; i < users.length; ++i) {
                require(users[i].balance == placed[i].amount, "all");
                M.BetInfo memory bet = market.getUserBets(1, users[i])[0];
                require(bet.refunded == (placed[i].matched != placed[i].amount) && bet.settled, "done");
            }
        }
        require(address(market).balance == 0, "nothing is left");
    }

    /// @notice Who has lost is not called with nothing, which a contract would notice.
    function test_whoHasNothingDueIsNotCalled() external {
        vm.warp(START);
        Refuser refuser = new Refuser();
        vm.deal(address(refuser), BET);
        _create(DRAW + 1);
        vm.prank(ALICE);
        market.placeBet{value: BET}(2, 0);
        vm.prank(address(refuser));
        market.placeMatchedBet{value: BET}(2, 1, BET); // nothing comes back, so nothing can be refused
        vm.warp(DRAW + 1);
        bytes memory nothing = abi.encodeWithSelector(M.NothingDue.selector, 2, address(refuser));
        _refuses(address(refuser), abi.encodeCall(M.claimRefund, (2)), nothing);
        vm.prank(BOB);
        market.finalizeRound(2, 0);
        address[] memory users = new address[](3);
        (users[0], users[1], users[2]) = (address(refuser), TREASURY, ALICE);
        vm.getRecordedLogs();
        market.settle(2, users);
        emit M.WinningsClaimed(2, ALICE, 2 * BET - BET * FEE / 10_000);
        _told();
        _refuses(address(refuser), abi.encodeCall(M.claimWinnings, (2)), nothing);
        market.settle(2, _one(TREASURY));
        M.BetInfo memory lost = market.getUserBets(2, address(refuser))[0];
        require(lost.settled && !lost.refunded, "lost");
    }

    /// @notice A batch of two rounds, one won and one cancelled, with one payment; and the fees of two rounds.
    function test_roundsArePaidTogether() external {
        uint256[] memory both = new uint256[](2);
        vm.warp(START);
        for (uint256 i = 0; i < 2; ++i) {
            both[i] = _create(DRAW + 1 + i);
            vm.prank(ALICE);
            market.placeBet{value: (i + 1) * BET}(both[i], 2);
            vm.prank(BOB);
            market.placeBet{value: (i + 2) * BET}(both[i], 3);
        }
        uint256 id = vm.snapshotState();
        vm.prank(OPERATOR);
        market.cancelRound(3);
        _decide(2);
        uint256 before = ALICE.balance;
        vm.prank(ALICE);
        market.claimWinningsBatch(both, ALICE);
        require(ALICE.balance - before == 4 * BET - BET * FEE / 10_000, "won and cancelled");
        require(vm.revertToState(id), "again");
        _decide(2);
        bytes memory open = abi.encodeWithSelector(M.WrongStatus.selector, 3, M.RoundStatus.LOCKED);
        _refuses(ALICE, abi.encodeCall(M.claimWinningsBatch, (both, ALICE)), open);
        _refuses(ALICE, abi.encodeCall(M.withdrawFees, (both)), open);
        _decide(3);
        id = vm.snapshotState();
        market.withdrawFees(both);
        require(TREASURY.balance == 3 * (BET * FEE / 10_000), "fees of both at once");
        require(vm.revertToState(id), "again");
        market.withdrawFees(_one(2));
        market.withdrawFees(both); // the first has none any more, the second still does
        require(TREASURY.balance == 3 * (BET * FEE / 10_000), "fees");
    }

    function _decide(uint256 roundId) private {
        vm.warp(DRAW + 2);
        vm.prank(BOB);
        market.finalizeRound(roundId, 50);
    }
}
