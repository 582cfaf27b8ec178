// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle} from "../../../contracts/interfaces/IResultOracle.sol";
import {vm} from "./Vm.sol";

/// @notice The market with what it inherits from OpenZeppelin.
interface IMarket is IP2PLotteryBetting {
    function paused() external view returns (bool);
    function hasRole(bytes32 role, address account) external view returns (bool);
    function defaultAdmin() external view returns (address);
    function defaultAdminDelay() external view returns (uint48);
}

/// @title Deploys the contracts as forge built them for themselves
/// @notice The tests know their interfaces only. So they need not be compiled as the contracts are, by the slow way
/// through the intermediate representation.
library Deploy {
    function market(IP2PLotteryBetting.Params memory params) internal returns (IMarket) {
        return IMarket(vm.deployCode("P2PLotteryBetting.sol:P2PLotteryBetting", abi.encode(params)));
    }

    function committee(address[] memory members, uint256 quorum, uint256 window, address guardian)
        internal
        returns (IResultOracle)
    {
        bytes memory arguments = abi.encode(members, quorum, window, guardian);
        return IResultOracle(vm.deployCode("ResultOracle.sol:ResultOracle", arguments));
    }
}
