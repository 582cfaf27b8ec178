// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AnyStateProofs} from "./AnyStateProofs.sol";

/// @title What is matched stays matched: no call of anybody lowers the level of a pair
/// @dev The market's storage is anything at all; `round` and `prediction` name any line. A bet's matched amount depends
/// on nothing but its own interval and the level (LinesProofs).
contract LevelProofs is AnyStateProofs {
    /// Taking back the unmatched tail of a line leaves every level as it was.
    function check_cancelUnmatched(
        address caller,
        uint40 time,
        uint256 round,
        uint8 prediction,
        uint256 named,
        uint256 index
    ) external {
        uint256 level = _level(round, prediction);
        _call(caller, 0, time, abi.encodeCall(market.cancelUnmatched, (named, index)));
        assert(_level(round, prediction) == level);
    }

    function check_placeBet(
        address caller,
        uint96 value,
        uint40 time,
        uint256 round,
        uint8 prediction,
        uint256 named,
        uint8 bet
    ) external {
        uint256 level = _level(round, prediction);
        _call(caller, value, time, abi.encodeCall(market.placeBet, (named, bet)));
        assert(_level(round, prediction) >= level);
    }

    function check_placeMatchedBet(
        address caller,
        uint96 value,
        uint40 time,
        uint256 round,
        uint8 prediction,
        uint256 named,
        uint8 bet,
        uint256 least
    ) external {
        uint256 level = _level(round, prediction);
        _call(caller, value, time, abi.encodeCall(market.placeMatchedBet, (named, bet, least)));
        assert(_level(round, prediction) >= level);
    }

    function _call(address caller, uint96 value, uint40 time, bytes memory data) private {
        _before(caller, value, time);
        _succeeds(caller, value, data);
    }

    function _level(uint256 round, uint8 prediction) private view returns (uint256 matched) {
        (, matched,) = market.getPredictionPool(round, prediction);
    }
}
