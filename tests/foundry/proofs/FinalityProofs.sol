// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {vm} from "../support/Vm.sol";
import {AnyStateProofs} from "./AnyStateProofs.sol";

/// @title No call of anybody, at any time, changes a round that is finalized or cancelled
/// @dev The market's storage is anything at all, so what is proved of one call holds for any number of them. `round` is
/// the decided round, `named` the one that the call names: the same or another. Functions that pay go through all of a
/// user's bets or a list: there one bet and one entry are looked at, since each further one is met in a state that is
/// anything again.
contract FinalityProofs is AnyStateProofs {
    /// Every function that has no proof of its own below, also such as are added later.
    /// @custom:halmos --default-array-lengths 0
    function check_otherFunctions(address caller, uint96 value, uint256 round, uint40 time) external {
        _prove(caller, value, round, time, _anyOtherCall());
    }

    function check_claimWinnings(address caller, uint96 value, uint256 round, uint40 time, uint256 named)
        external
    {
        _assumeOneBet(named, caller);
        _prove(caller, value, round, time, abi.encodeCall(market.claimWinnings, (named)));
    }

    function check_claimRefund(address caller, uint96 value, uint256 round, uint40 time, uint256 named)
        external
    {
        _assumeOneBet(named, caller);
        _prove(caller, value, round, time, abi.encodeCall(market.claimRefund, (named)));
    }

    function check_claimWinningsBatch(
        address caller,
        uint96 value,
        uint256 round,
        uint40 time,
        uint256 named,
        address to
    ) external {
        _assumeOneBet(named, caller);
        _prove(caller, value, round, time, abi.encodeCall(market.claimWinningsBatch, (_list(named), to)));
    }

    function check_settle(
        address caller,
        uint96 value,
        uint256 round,
        uint40 time,
        uint256 named,
        address bettor
    ) external {
        _assumeOneBet(named, bettor);
        _prove(caller, value, round, time, abi.encodeCall(market.settle, (named, _list(bettor))));
    }

    function check_withdrawFees(address caller, uint96 value, uint256 round, uint40 time, uint256 named)
        external
    {
        _prove(caller, value, round, time, abi.encodeCall(market.withdrawFees, (_list(named))));
    }

    function _prove(address caller, uint96 value, uint256 round, uint40 time, bytes memory data) private {
        // The market has any balance, also too little: then settling passes over a bettor.
        vm.warp(time);
        vm.deal(caller, value);
        uint8 status = uint8(market.storedStatus(round));
        vm.assume(status == 3 || status == 4);
        vm.assume(round <= market.roundCount()); // no round stands beyond the count, see createRound
        uint256 stored = market.storedRound(round);
        _succeeds(caller, value, data);
        assert(market.storedRound(round) == stored);
    }
}
