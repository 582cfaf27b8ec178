// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {vm} from "../support/Vm.sol";
import {MarketProofs} from "./MarketProofs.sol";
import {svm} from "./Svm.sol";

/// @title Only the owner is paid: no call by anybody, at any time, moves money or a bet of somebody else
/// @dev The market's storage is anything at all. `other` is anybody but the caller (and whom the call may pay), `round`
/// and `index` any of that person's bets. As in FinalityProofs, one bet and one entry of a list are looked at where a
/// function goes through them all.
contract PaymentProofs is MarketProofs {
    function setUp() public override {
        super.setUp();
        svm.enableSymbolicStorage(address(market));
    }

    /// Every function that has no proof of its own below, also such as are added later.
    /// @custom:halmos --default-array-lengths 0
    function check_otherFunctions(
        address caller,
        uint96 value,
        uint40 time,
        address other,
        uint256 round,
        uint256 index
    ) external {
        bytes memory data = svm.createCalldata("P2PLotteryBetting");
        bytes4 selector = bytes4(data);
        vm.assume(selector != IP2PLotteryBetting.claimWinnings.selector);
        vm.assume(selector != IP2PLotteryBetting.claimRefund.selector);
        vm.assume(selector != IP2PLotteryBetting.claimWinningsBatch.selector);
        vm.assume(selector != IP2PLotteryBetting.settle.selector);
        vm.assume(selector != IP2PLotteryBetting.withdrawFees.selector);
        _proveUntouched(caller, value, time, other, round, index, data);
    }

    function check_claimWinnings(
        address caller,
        uint40 time,
        address other,
        uint256 round,
        uint256 index,
        uint256 named
    ) external {
        _assumeOneBet(named, caller);
        bytes memory data = abi.encodeCall(market.claimWinnings, (named));
        _proveUntouched(caller, 0, time, other, round, index, data);
    }

    function check_claimRefund(
        address caller,
        uint40 time,
        address other,
        uint256 round,
        uint256 index,
        uint256 named
    ) external {
        _assumeOneBet(named, caller);
        bytes memory data = abi.encodeCall(market.claimRefund, (named));
        _proveUntouched(caller, 0, time, other, round, index, data);
    }

    /// The one call whose caller names the recipient: it pays the caller's dues and no others.
    function check_claimWinningsBatch(
        address caller,
        uint40 time,
        address other,
        uint256 round,
        uint256 index,
        uint256 named,
        address to
    ) external {
        vm.assume(other != to);
        _assumeOneBet(named, caller);
        bytes memory data = abi.encodeCall(market.claimWinningsBatch, (_list(named), to));
        _proveUntouched(caller, 0, time, other, round, index, data);
    }

    /// Settling pays the bettor that it names, whoever calls.
    function check_settle(
        address caller,
        uint40 time,
        address other,
        uint256 round,
        uint256 index,
        uint256 named,
        address bettor
    ) external {
        vm.assume(other != bettor);
        _assumeOneBet(named, bettor);
        bytes memory data = abi.encodeCall(market.settle, (named, _list(bettor)));
        _proveUntouched(caller, 0, time, other, round, index, data);
    }

    /// Fees go to the recipient of the settings, whoever calls.
    function check_withdrawFees(
        address caller,
        uint40 time,
        address other,
        uint256 round,
        uint256 index,
        uint256 named
    ) external {
        vm.assume(other != market.feeRecipient());
        bytes memory data = abi.encodeCall(market.withdrawFees, (_list(named)));
        _proveUntouched(caller, 0, time, other, round, index, data);
    }

    /// What a claim pays is what was due, and nothing is due afterwards.
    function check_claimPaysWhatIsDue(address caller, uint40 time, uint256 round) external {
        _assumeOneBet(round, caller);
        vm.assume(caller != address(market));
        _before(caller, 0, time);
        (uint256 winnings, uint256 refund) = market.claimable(round, caller);
        vm.prank(caller);
        market.claimWinnings(round);
        (uint256 later, uint256 more) = market.claimable(round, caller);
        assert((caller.balance ^ (winnings + refund)) | later | more == 0);
    }

    function _proveUntouched(
        address caller,
        uint96 value,
        uint40 time,
        address other,
        uint256 round,
        uint256 index,
        bytes memory data
    ) private {
        vm.assume(other != caller && other != address(market) && index < 16);
        _before(caller, value, time);
        uint256 balance = other.balance;
        uint256 bet = market.storedBet(round, other, index);
        vm.prank(caller);
        (bool done,) = address(market).call{value: value}(data);
        vm.assume(done); // what reverts changes nothing
        assert((other.balance ^ balance) | (market.storedBet(round, other, index) ^ bet) == 0);
    }
}
