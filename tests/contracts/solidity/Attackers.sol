// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Puppet} from "./Puppet.sol";

/// @notice Refuses every payment until it is told to accept.
contract Refuser is Puppet {
    bool public accepting;

    function accept(bool accepting_) external {
        accepting = accepting_;
    }

    receive() external payable override {
        require(accepting, "refused");
    }
}

/// @notice Wants a certain amount of gas for every payment, and fails with less.
contract GasBurner is Puppet {
    uint256 public appetite = type(uint256).max;

    function want(uint256 gas_) external {
        appetite = gas_;
    }

    receive() external payable override {
        uint256 start = gasleft();
        uint256 wanted = appetite;
        while (start - gasleft() < wanted) {}
    }
}

/// @notice Answers every payment, whether it accepts or refuses it, with many bytes.
contract ReturnBomb is Puppet {
    uint256 public size;
    bool public refusing;

    function load(uint256 size_, bool refusing_) external {
        size = size_;
        refusing = refusing_;
    }

    receive() external payable override {
        uint256 length = size;
        if (refusing) {
            assembly ("memory-safe") {
                revert(0, length)
            }
        }
        assembly ("memory-safe") {
            return(0, length)
        }
    }
}

/// @notice Answers every payment with a call of its own, and keeps what came of it.
contract Reentrant is Puppet {
    address public target;
    uint96 public value;
    bytes public data;

    // One slot, so that 50,000 gas are enough.
    uint8 public attempts;
    bool public succeeded;
    bytes4 public failure;

    function arm(address target_, uint96 value_, bytes calldata data_) external {
        (target, value, data) = (target_, value_, data_);
    }

    receive() external payable override {
        if (target == address(0)) return;
        (bool done, bytes memory answer) = target.call{value: value}(data);
        (attempts, succeeded, failure) = (attempts + 1, done, done ? bytes4(0) : bytes4(answer));
    }
}

/// @notice Forces its coins upon an account, which cannot refuse them.
contract Forcer {
    constructor(address payable victim) payable {
        selfdestruct(victim);
    }
}

/// @notice Settles with many gas limits, each from the same state, and tells what came of it.
contract GasSweep {
    error Outcome(bool done, bytes4 failure, uint256 paid);

    /// @return reverted for each gas limit: how `settle` failed, or 0xffffffff for want of gas, or zero
    /// @return paid for each gas limit: how many of the bettors were paid
    function sweep(
        address market,
        bytes calldata data,
        address[] calldata bettors,
        uint256[] calldata balances,
        uint256[] calldata limits
    ) external returns (bytes4[] memory reverted, uint256[] memory paid) {
        reverted = new bytes4[](limits.length);
        paid = new uint256[](limits.length);
        for (uint256 i = 0; i < limits.length; ++i) {
            try this.attempt(market, data, bettors, balances, limits[i]) {}
            catch (bytes memory answer) {
                (bool done, bytes4 failure, uint256 count) = this.decode(answer);
                if (!done) reverted[i] = failure == bytes4(0) ? bytes4(0xffffffff) : failure;
                paid[i] = count;
            }
        }
    }

    /// @dev Always reverts, so that nothing stays of it and no account is warm the next time. For the same reason
    /// the balances before come from outside: reading one makes the account warm.
    function attempt(
        address market,
        bytes calldata data,
        address[] calldata bettors,
        uint256[] calldata balances,
        uint256 limit
    ) external {
        (bool done, bytes memory answer) = market.call{gas: limit}(data);
        uint256 paid = 0;
        for (uint256 i = 0; i < bettors.length; ++i) {
            if (bettors[i].balance > balances[i]) ++paid;
        }
        revert Outcome(done, done ? bytes4(0) : bytes4(answer), paid);
    }

    function decode(bytes calldata answer) external pure returns (bool, bytes4, uint256) {
        return abi.decode(answer[4:], (bool, bytes4, uint256));
    }
}
