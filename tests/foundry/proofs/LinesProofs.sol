// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Lines} from "../../../contracts/libraries/Lines.sol";

/// @title Proofs about the arithmetic of lines, for every amount that the contract can store
/// @dev Run by Halmos (`make halmos`): what is asserted holds for all values of the arguments. Widths are the
/// contract's: amounts and totals are uint96, a line's end too. What holds for one bet, whatever lies below it, is the
/// step of an induction over the bets of a line, so that the sums hold for any number of bets.
contract LinesProofs {
    uint256 private constant MAX_FEE_BPS = 500;

    /// What is matched stays within [0, amount], and never falls when the level rises.
    function check_matchedIsBoundedAndMonotone(uint96 level, uint96 higher, uint96 offset, uint96 amount)
        external
        pure
    {
        if (higher < level) return;
        uint256 matched = Lines.matched(level, offset, amount);
        assert(matched <= amount);
        assert(matched <= Lines.matched(higher, offset, amount));
    }

    /// What is matched below a bet and of the bet is what is matched below the bet's end: the matched parts of a line's
    /// bets add up to min(M, total) = M, on both lines of a pair.
    function check_matchedAddsUpToTheLevel(uint96 level, uint96 offset, uint96 amount) external pure {
        uint256 end = uint256(offset) + amount;
        if (end > type(uint96).max) return;
        assert(_min(level, offset) + Lines.matched(level, offset, amount) == _min(level, end));
    }

    /// F(what is matched below a bet) + the bet's fee = F(what is matched below the bet's end), and F(0) = 0: the fees
    /// of a line's bets add up to F(M), to the wei. Here the level cuts the bet, or meets one of its ends.
    function check_feesAddUpWhenTheLevelCutsTheBet(uint96 offset, uint96 matched, uint96 rest, uint16 bps)
        external
        pure
    {
        if (uint256(offset) + matched + rest > type(uint96).max || bps > MAX_FEE_BPS) return;
        uint256 level = uint256(offset) + matched;
        uint256 fee = Lines.fee(offset, Lines.matched(level, offset, matched + rest), bps);
        assert(Lines.feeBelow(0, bps) == 0);
        assert(Lines.feeBelow(offset, bps) + fee == Lines.feeBelow(level, bps));
    }

    /// The same where the level is above the bet's end (all of it is matched) or below the bet (none is).
    function check_feesAddUpWhenTheLevelIsElsewhere(uint96 level, uint96 offset, uint96 amount, uint16 bps)
        external
        pure
    {
        uint256 end = uint256(offset) + amount;
        if (end > type(uint96).max || bps > MAX_FEE_BPS) return;
        uint256 fee = Lines.fee(offset, Lines.matched(level, offset, amount), bps);
        if (level >= end) assert(Lines.feeBelow(offset, bps) + fee == Lines.feeBelow(end, bps));
        if (level <= offset) assert(fee == 0);
    }

    /// A fee is never more than what it is charged on, so that no payout can underflow.
    function check_feeIsAtMostWhatItIsChargedOn(uint96 offset, uint96 amount, uint16 bps) external pure {
        if (bps > MAX_FEE_BPS) return;
        assert(Lines.fee(offset, amount, bps) <= amount);
    }

    /// Cutting a line's last bet down to its matched part never lowers M, so nothing that is matched changes.
    function check_cuttingATailKeepsTheLevel(uint96 offset, uint96 amount, uint96 opposite) external pure {
        uint256 total = uint256(offset) + amount;
        if (total > type(uint96).max) return;
        uint256 level = _min(total, opposite);
        uint256 left = Lines.matched(level, offset, amount);
        assert(_min(offset + left, opposite) == level);
        assert(Lines.matched(level, offset, left) == left);
    }

    /// Of the two predictions of a pair at most one wins, and EVEN/ODD and HIGH/LOW always have a winner.
    function check_outcomeFollowsTheTable(uint8 number) external pure {
        if (number > 99) return;
        bool even = number % 2 == 0;
        bool high = number >= 50;
        assert(uint8(Lines.outcome(0, number)) == (even ? 0 : 1));
        assert(uint8(Lines.outcome(1, number)) == (high ? 0 : 1));
        assert(uint8(Lines.outcome(2, number)) == (even && !high ? 0 : !even && high ? 1 : 2));
        assert(uint8(Lines.outcome(3, number)) == (even && high ? 0 : !even && !high ? 1 : 2));
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
