// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What a lottery drew, as a vote of 48 bits, and the number that follows from it
/// @notice A vote holds the five white balls in ascending order and the special ball, eight bits each, the smallest
/// white at the bottom: two votes are equal exactly when their sets of whites and their special balls are. A vote is
/// never 0, since no ball is.
library Draws {
    uint256 private constant WHITES = 5;
    uint8 private constant BALL_BITS = 8;

    /// @notice Puts the balls in ascending order, in place.
    function sort(uint8[5] memory whites) internal pure {
        for (uint256 i = 1; i < WHITES; ++i) {
            uint8 ball = whites[i];
            uint256 j = i;
            for (; j != 0 && whites[j - 1] > ball; --j) {
                whites[j] = whites[j - 1];
            }
            whites[j] = ball;
        }
    }

    /// @notice Whether these are five different whites from 1 to `whiteMax` and a special ball from 1 to `specialMax`.
    /// @param whites in ascending order
    function isValid(uint8[5] memory whites, uint8 special, uint8 whiteMax, uint8 specialMax)
        internal
        pure
        returns (bool)
    {
        if (special == 0 || special > specialMax || whites[0] == 0 || whites[4] > whiteMax) return false;
        for (uint256 i = 1; i < WHITES; ++i) {
            if (whites[i - 1] == whites[i]) return false;
        }
        return true;
    }

    /// @param whites in ascending order
    function pack(uint8[5] memory whites, uint8 special) internal pure returns (uint48 vote) {
        vote = special;
        for (uint256 i = WHITES; i != 0; --i) {
            vote = (vote << BALL_BITS) | whites[i - 1];
        }
    }

    function unpack(uint48 vote) internal pure returns (uint8[5] memory whites, uint8 special) {
        for (uint256 i = 0; i < WHITES; ++i) {
            whites[i] = uint8(vote);
            vote >>= BALL_BITS;
        }
        special = uint8(vote);
    }

    /// @notice Add the five whites; if the special ball is odd, add 50; keep the last two digits.
    function winningNumber(uint8[5] memory whites, uint8 special) internal pure returns (uint8) {
        uint256 sum = special & 1 == 1 ? 50 : 0;
        for (uint256 i = 0; i < WHITES; ++i) {
            sum += whites[i];
        }
        return uint8(sum % 100);
    }
}
