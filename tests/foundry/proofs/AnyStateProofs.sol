// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {vm} from "../support/Vm.sol";
import {MarketProofs} from "./MarketProofs.sol";
import {svm} from "./Svm.sol";

/// @title A market in any state at all: what is proved of one call holds for any number of them
abstract contract AnyStateProofs is MarketProofs {
    function setUp() public override {
        super.setUp();
        svm.enableSymbolicStorage(address(market));
    }

    /// A call of any function, also such as are added later, but those that pay bettors or the fee recipient and go
    /// through a user's bets or a list for it: they have proofs of their own.
    function _anyOtherCall() internal returns (bytes memory data) {
        data = svm.createCalldata("P2PLotteryBetting");
        bytes4 selector = bytes4(data);
        vm.assume(selector != IP2PLotteryBetting.claimWinnings.selector);
        vm.assume(selector != IP2PLotteryBetting.claimRefund.selector);
        vm.assume(selector != IP2PLotteryBetting.claimWinningsBatch.selector);
        vm.assume(selector != IP2PLotteryBetting.settle.selector);
        vm.assume(selector != IP2PLotteryBetting.withdrawFees.selector);
    }

    /// The call is made and succeeds: what reverts changes nothing.
    function _succeeds(address caller, uint96 value, bytes memory data) internal {
        vm.prank(caller);
        (bool done,) = address(market).call{value: value}(data);
        vm.assume(done);
    }
}
