// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {PayActions} from "./PayActions.sol";

/// @title All actions together, and the end of the play
contract Handler is PayActions {
    /// @notice What the campaign calls.
    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](22);
        (list[0], list[1]) = (this.createRound.selector, this.placeBets.selector);
        (list[2], list[3]) = (this.placeManyBets.selector, this.placeMatchedBets.selector);
        (list[4], list[5]) = (this.cancelUnmatched.selector, this.lockRound.selector);
        (list[6], list[7]) = (this.cancelRound.selector, this.voidRound.selector);
        (list[8], list[9]) = (this.finalizeDirectly.selector, this.report.selector);
        (list[10], list[11]) = (this.veto.selector, this.finalize.selector);
        (list[12], list[13]) = (this.claimWinnings.selector, this.claimRefund.selector);
        (list[14], list[15]) = (this.claimBatch.selector, this.settle.selector);
        (list[16], list[17]) = (this.withdrawFees.selector, this.passTime.selector);
        (list[18], list[19]) = (this.forceEther.selector, this.changeMind.selector);
        (list[20], list[21]) = (this.changeSettings.selector, this.togglePause.selector);
    }

    /// @notice The end: everybody is gone, so what is undecided is void; then everybody takes what is due.
    function finish() external play(0) {
        refuser.accept(true);
        _warp(clock + 60 days + 72 hours + 1);
        uint256[] memory ended = new uint256[](roundCount);
        uint256 finalized = 0;
        for (uint256 roundId = 1; roundId <= roundCount; ++roundId) {
            if (_isUndecided(rounds[roundId])) {
                market.voidRound(roundId);
                _cancelled(roundId);
            }
            if (rounds[roundId].status == IP2PLotteryBetting.RoundStatus.FINALIZED) {
                ended[finalized++] = roundId;
            }
            _payEverybody(roundId);
        }
        assembly ("memory-safe") {
            mstore(ended, finalized)
        }
        _takeFees(ended);
    }

    function _payEverybody(uint256 roundId) private {
        for (uint256 i = 0; i < bettors.length; ++i) {
            address user = bettors[i];
            (uint256 winnings, uint256 refund) = _due(rounds[roundId], user);
            if (winnings + refund == 0) continue;
            uint256[] memory ids = new uint256[](1);
            ids[0] = roundId;
            bytes memory call = abi.encodeCall(IP2PLotteryBetting.claimWinningsBatch, (ids, user));
            if (_try(Act.CLAIM_BATCH, user, 0, call, "")) _credit(user, _book(roundId, user));
        }
    }

    function _takeFees(uint256[] memory ids) private {
        uint256 before = feeRecipient.balance;
        market.withdrawFees(ids);
        uint256 total = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            if (!rounds[ids[i]].feesPaid) total += rounds[ids[i]].feesTaken = _fees(rounds[ids[i]]);
            rounds[ids[i]].feesPaid = true;
        }
        feesWithdrawn += feeRecipient.balance - before;
        coins[feeRecipient] += total;
    }
}
