// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {DrawSchedule} from "../../../contracts/libraries/DrawSchedule.sol";

/// @notice Asks the draw schedule about many instants in one call.
contract ScheduleProbe {
    /// @return answers a byte for each instant: 1 when it is a draw time
    function areDrawTimes(uint256[] calldata times, uint256 drawDays, uint256 drawSecond)
        external
        pure
        returns (bytes memory answers)
    {
        answers = new bytes(times.length);
        for (uint256 i = 0; i < times.length; ++i) {
            if (DrawSchedule.isDrawTime(times[i], drawDays, drawSecond)) answers[i] = 0x01;
        }
    }
}
