// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The arithmetic of two opposite lines of stake
/// @notice A bet of `amount` placed when its line's total is `offset` owns the interval [offset, offset + amount) of
/// that line. With totals A and B on the two lines of a pair, the part of each below M = min(A, B) is matched. Nothing
/// is iterated. Totals grow by bets placed and are only cut above M, so M never falls: what is matched stays matched.
library Lines {
    uint256 private constant BPS = 10_000;

    /// @notice What a pair has to say about a winning number.
    enum Outcome {
        FIRST, // the even-numbered prediction won
        SECOND, // the odd-numbered prediction won
        PUSH // neither
    }

    /// @notice The matched part of the interval [offset, offset + amount) on a line matched up to `level`.
    /// @dev clamp(level - offset, 0, amount)
    function matched(uint256 level, uint256 offset, uint256 amount) internal pure returns (uint256) {
        if (level <= offset) return 0;
        unchecked {
            uint256 above = level - offset; // cannot underflow: level > offset
            return above < amount ? above : amount;
        }
    }

    /// @notice The fee on the profit of the first `height` wei of a line: F(x) = floor(x * feeBps / 10,000).
    /// @dev Cannot overflow: heights are below 2^97 and feeBps below 2^16.
    function feeBelow(uint256 height, uint256 feeBps) internal pure returns (uint256) {
        unchecked {
            return height * feeBps / BPS;
        }
    }

    /// @notice The fee on the profit `amount` of the interval [offset, offset + amount): F(offset + amount) - F(offset).
    /// @dev Charged by position it telescopes: the fees of a line's winners add up to F(M), to the wei. Cannot
    /// overflow (see feeBelow; both arguments are below 2^96) nor underflow (F does not fall).
    function fee(uint256 offset, uint256 amount, uint256 feeBps) internal pure returns (uint256) {
        unchecked {
            return feeBelow(offset + amount, feeBps) - feeBelow(offset, feeBps);
        }
    }

    /// @notice Which side of a pair a winning number favours.
    /// @param pair 0: EVEN/ODD, 1: HIGH/LOW, 2: EVEN_LOW/ODD_HIGH, 3: EVEN_HIGH/ODD_LOW
    /// @param number the winning number, 0..99
    function outcome(uint256 pair, uint256 number) internal pure returns (Outcome) {
        bool odd = number & 1 == 1;
        bool low = number < 50;
        if (pair == 0) return odd ? Outcome.SECOND : Outcome.FIRST;
        if (pair == 1) return low ? Outcome.SECOND : Outcome.FIRST;
        // EVEN_LOW/ODD_HIGH is decided when even = low, EVEN_HIGH/ODD_LOW when even = high.
        if ((odd == low) == (pair == 2)) return Outcome.PUSH;
        return odd ? Outcome.SECOND : Outcome.FIRST;
    }
}
