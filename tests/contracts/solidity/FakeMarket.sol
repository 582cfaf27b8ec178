// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Puppet} from "./Puppet.sol";

/// @notice Says of its rounds what it was told to say, and calls what it likes when it is given a result.
/// @dev Everything is in words, so that it can lie beyond the types too.
contract FakeMarket is Puppet {
    struct Terms {
        uint256 drawTime;
        uint256 status;
        uint256 oracle;
        uint256 whiteMax;
        uint256 specialMax;
    }

    Terms public terms;

    uint256 public results;
    uint256 public result;

    address public target;
    bytes public data;
    bool public succeeded;
    bytes public answer;

    error Sulking();

    bool public sulking;

    function say(Terms calldata terms_) external {
        terms = terms_;
    }

    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function sulk(bool sulking_) external {
        sulking = sulking_;
    }

    function resultTerms(uint256) external view returns (Terms memory) {
        return terms;
    }

    function finalizeRound(uint256, uint8 winningNumber) external {
        if (sulking) revert Sulking();
        ++results;
        result = winningNumber;
        if (target == address(0)) return;
        address called = target;
        target = address(0); // once
        (succeeded, answer) = called.call(data);
    }
}

/// @notice Answers every call with too little.
contract Mute {
    fallback() external {}
}
