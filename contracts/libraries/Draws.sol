// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What a lottery drew, as a vote of 48 bits, and the number that follows from it
/// @notice A vote holds the five white balls in ascending order and then the special ball, eight bits each, the
/// smallest white lowest: two votes are equal exactly when their sets of whites and their special balls are. A valid
/// vote is never 0.
library Draws {
    uint256 private constant WHITES = 5;

    /// @notice Balls, the whites in any order, as a vote.
    /// @dev Insertion from the top: a white goes above those that are not greater, and the rest moves up a place.
    function pack(uint8[5] calldata whites, uint8 special) internal pure returns (uint48 vote) {
        unchecked {
            uint256 places = 0;
            for (uint256 i = 0; i < WHITES; ++i) {
                uint256 white = whites[i];
                uint256 shift = 8 * i;
                while (shift != 0 && uint8(places >> (shift - 8)) > white) shift -= 8;
                uint256 below = places & ((1 << shift) - 1);
                places = ((places ^ below) << 8) | (white << shift) | below;
            }
            return uint48((uint256(special) << 40) | places); // six balls of eight bits
        }
    }

    /// @notice The whites in ascending order, and the special ball.
    function unpack(uint48 vote) internal pure returns (uint8[5] memory whites, uint8 special) {
        for (uint256 i = 0; i < WHITES; ++i) {
            whites[i] = uint8(vote);
            vote >>= 8;
        }
        special = uint8(vote);
    }

    /// @notice Whether a packed vote has five different whites from 1 to `whiteMax` and a special ball from 1 to
    /// `specialMax`.
    function isValid(uint48 vote, uint8 whiteMax, uint8 specialMax) internal pure returns (bool) {
        uint8 highest = 0;
        for (uint256 i = 0; i < WHITES; ++i) {
            uint8 white = uint8(vote);
            if (white <= highest) return false;
            highest = white;
            vote >>= 8;
        }
        return highest <= whiteMax && vote != 0 && vote <= specialMax;
    }

    /// @notice Add the five whites; if the special ball is odd, add 50; keep the last two digits.
    function winningNumber(uint48 vote) internal pure returns (uint8) {
        uint256 sum = 0;
        for (uint256 i = 0; i < WHITES; ++i) {
            sum += uint8(vote);
            vote >>= 8;
        }
        if (vote & 1 == 1) sum += 50;
        return uint8(sum % 100);
    }
}
