// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice An account with code that does what it is told, as a smart wallet would.
contract Puppet {
    /// @notice Calls anything, with coins of its own; reverts as the call did.
    function act(address target, uint256 value, bytes calldata data) external {
        (bool done, bytes memory answer) = target.call{value: value}(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable virtual {}
}
