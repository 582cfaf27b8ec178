// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {vm} from "../support/Vm.sol";
import {AnyStateProofs} from "./AnyStateProofs.sol";

/// @title Only the owner is paid: no call by anybody, at any time, moves money or a bet of somebody else
/// @dev The market's storage is anything at all. As in FinalityProofs, one bet and one entry of a list are looked at where a
/// function goes through them all.
contract PaymentProofs is AnyStateProofs {
    /// Any bet of anybody but the caller and whom the call may pay.
    struct Other {
        address owner;
        uint256 round;
        uint256 index;
    }

    /// Every function that has no proof of its own below, also such as are added later.
    /// @custom:halmos --default-array-lengths 0
    function check_otherFunctions(address caller, uint96 value, uint40 time, Other calldata bet) external {
        _proveUntouched(caller, value, time, bet, _anyOtherCall());
    }

    function check_claimWinnings(address caller, uint40 time, Other calldata bet, uint256 named) external {
        _assumeOneBet(named, caller);
        bytes memory data = abi.encodeCall(market.claimWinnings, (named));
        _proveUntouched(caller, 0, time, bet, data);
    }

    function check_claimRefund(address caller, uint40 time, Other calldata bet, uint256 named) external {
        _assumeOneBet(named, caller);
        bytes memory data = abi.encodeCall(market.claimRefund, (named));
        _proveUntouched(caller, 0, time, bet, data);
    }

    /// The one call whose caller names the recipient: it pays the caller's dues and no others.
    function check_claimWinningsBatch(
        address caller,
        uint40 time,
        Other calldata bet,
        uint256 named,
        address to
    ) external {
        vm.assume(bet.owner != to);
        _assumeOneBet(named, caller);
        bytes memory data = abi.encodeCall(market.claimWinningsBatch, (_list(named), to));
        _proveUntouched(caller, 0, time, bet, data);
    }

    /// Settling pays the bettor that it names, whoever calls.
    function check_settle(address caller, uint40 time, Other calldata bet, uint256 named, address bettor)
        external
    {
        vm.assume(bet.owner != bettor);
        _assumeOneBet(named, bettor);
        bytes memory data = abi.encodeCall(market.settle, (named, _list(bettor)));
        _proveUntouched(caller, 0, time, bet, data);
    }

    /// Fees go to the recipient of the settings, whoever calls.
    function check_withdrawFees(address caller, uint40 time, Other calldata bet, uint256 named) external {
        vm.assume(bet.owner != market.feeRecipient());
        bytes memory data = abi.encodeCall(market.withdrawFees, (_list(named)));
        _proveUntouched(caller, 0, time, bet, data);
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

    function _proveUntouched(address caller, uint96 value, uint40 time, Other calldata bet, bytes memory data)
        private
    {
        vm.assume(bet.owner != caller && bet.owner != address(market) && bet.index < 16);
        _before(caller, value, time);
        uint256 balance = bet.owner.balance;
        uint256 stored = market.storedBet(bet.round, bet.owner, bet.index);
        _succeeds(caller, value, data);
        uint256 later = market.storedBet(bet.round, bet.owner, bet.index);
        assert((bet.owner.balance ^ balance) | (later ^ stored) == 0);
    }
}
