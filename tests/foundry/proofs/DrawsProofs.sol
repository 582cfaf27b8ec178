// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Draws} from "../../../contracts/libraries/Draws.sol";

/// @title Proofs about votes: what is packed comes out again, in order, whatever the balls
contract DrawsProofs {
    /// The special ball and each white come out of a vote, the whites in ascending order, each as often as it went in:
    /// `ball` is any of the 256 values.
    function check_packedComesOutSorted(uint8[5] calldata whites, uint8 special, uint8 ball) external pure {
        (uint8[5] memory sorted, uint8 out) = Draws.unpack(Draws.pack(whites, special));
        assert(out == special);
        uint256 before = 0;
        uint256 later = 0;
        for (uint256 i = 0; i < 5; ++i) {
            before += _one(whites[i] == ball);
            later += _one(sorted[i] == ball);
        }
        assert(before == later);
        for (uint256 i = 1; i < 5; ++i) {
            assert(sorted[i - 1] <= sorted[i]);
        }
    }

    /// What is unpacked from a valid vote is packed into the same vote.
    function check_unpackedGoesInAgain(uint48 vote, uint8 whiteMax, uint8 specialMax) external view {
        if (!Draws.isValid(vote, whiteMax, specialMax)) return;
        (uint8[5] memory whites, uint8 special) = Draws.unpack(vote);
        assert(this.pack(whites, special) == vote);
    }

    /// A vote is valid exactly when its whites ascend from 1 to the highest and its special ball is in range.
    function check_validMeansInRangeAndDistinct(
        uint8[5] memory whites,
        uint8 special,
        uint8 top,
        uint8 specialTop
    ) external pure {
        uint48 vote = uint48(special) << 40;
        bool expected = special >= 1 && special <= specialTop && whites[0] >= 1 && whites[4] <= top;
        for (uint256 i = 0; i < 5; ++i) {
            vote |= uint48(whites[i]) << uint48(8 * i);
            if (i != 0) expected = expected && whites[i - 1] < whites[i];
        }
        assert(Draws.isValid(vote, top, specialTop) == expected);
        if (expected) assert(vote != 0);
    }

    /// The number is the sum of the whites, 50 more for an odd special ball, without its hundreds.
    function check_numberFollowsTheRule(uint48 vote) external pure {
        (uint8[5] memory whites, uint8 special) = Draws.unpack(vote);
        uint256 sum = special % 2 == 1 ? 50 : 0;
        for (uint256 i = 0; i < 5; ++i) {
            sum += whites[i];
        }
        assert(Draws.winningNumber(vote) == sum % 100);
    }

    function pack(uint8[5] calldata whites, uint8 special) external pure returns (uint48) {
        return Draws.pack(whites, special);
    }

    /// Without a branch, so that a proof has one path the less.
    function _one(bool yes) private pure returns (uint256 one) {
        assembly ("memory-safe") {
            one := yes
        }
    }
}
