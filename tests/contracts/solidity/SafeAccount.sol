// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice A contract account that does whatever one of its owners tells it, alone or in a row, as a Safe does
/// what enough of its owners have signed. It tells its owners as a Safe does.
contract SafeAccount {
    struct Call {
        address to;
        uint256 value;
        bytes data;
    }

    error NotOwner(address caller);

    address[] private _owners;

    constructor(address[] memory owners) {
        _owners = owners;
    }

    receive() external payable {}

    /// @notice Makes the calls in order, each from this account; all of them or none.
    function execute(Call[] calldata calls) external payable {
        _requireOwner(msg.sender);
        for (uint256 i; i < calls.length; ++i) {
            (bool done, bytes memory answer) = calls[i].to.call{value: calls[i].value}(calls[i].data);
            if (!done) {
                assembly ("memory-safe") {
                    revert(add(answer, 32), mload(answer))
                }
            }
        }
    }

    function getOwners() external view returns (address[] memory) {
        return _owners;
    }

    function getThreshold() external pure returns (uint256) {
        return 1;
    }

    function _requireOwner(address caller) private view {
        for (uint256 i; i < _owners.length; ++i) {
            if (_owners[i] == caller) return;
        }
        revert NotOwner(caller);
    }
}
