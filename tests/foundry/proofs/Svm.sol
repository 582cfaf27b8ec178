// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice The few of Halmos's own cheatcodes that the proofs use; of forge's it knows those in support/Vm.sol.
interface Svm {
    /// Calldata for each of a contract's functions that may change something, with unknown arguments.
    function createCalldata(string calldata contractName) external returns (bytes memory data);
    /// From here on nothing is known of this contract's storage.
    function enableSymbolicStorage(address account) external;
}

Svm constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));
