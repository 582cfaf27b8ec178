// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {BetActions} from "./BetActions.sol";

/// @title Everything that takes coins out of a round once its betting is over
abstract contract PayActions is BetActions {
    /// @notice What fee recipients were seen to get.
    uint256 public feesWithdrawn;

    // ----------------------------------------------------------------------------------------------------- actions

    function claimWinnings(uint256 seed) external play(seed) {
        uint256 roundId = _round(Wanted.FINALIZED);
        address user = _bettorWithDues(roundId);
        bytes memory problem = _statusError(roundId, IP2PLotteryBetting.RoundStatus.FINALIZED);
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.claimWinnings, (roundId));
        _claim(Act.CLAIM_WINNINGS, roundId, user, call, problem);
    }

    function claimRefund(uint256 seed) external play(seed) {
        uint256 roundId = _round(_oneIn(3) ? Wanted.CANCELLED : Wanted.UNDECIDED);
        if (_isKnown(roundId) && _oneIn(10)) _approach(rounds[roundId].drawTime - LEAD);
        address user = _bettorWithDues(roundId);
        bytes memory problem = _bettingOverError(roundId);
        if (problem.length == 0 && rounds[roundId].status == IP2PLotteryBetting.RoundStatus.FINALIZED) {
            problem = abi.encodeWithSelector(IP2PLotteryBetting.UseClaimWinnings.selector, roundId);
        }
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.claimRefund, (roundId));
        _claim(Act.CLAIM_REFUND, roundId, user, call, problem);
    }

    function claimBatch(uint256 seed) external play(seed) {
        uint256[] memory ids = _ids(Wanted.ENDED);
        address user = _bettorWithDues(ids.length == 0 ? 0 : ids[0]);
        address to = _payee(user);
        (bytes memory problem, uint256 total) = _batchError(ids, user, to);
        if (problem.length == 0) _arm(to, false);

        bytes memory call = abi.encodeCall(IP2PLotteryBetting.claimWinningsBatch, (ids, to));
        if (!_try(Act.CLAIM_BATCH, user, 0, call, problem)) return;
        uint256 booked = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            booked += _book(ids[i], user); // nothing the second time
        }
        require(booked == total, "batch");
        _markIf(_isRepeated(ids), Mark.ID_REPEATED);
        _credit(to, total);
    }

    function settle(uint256 seed) external play(seed) {
        uint256 roundId = _round(_oneIn(3) ? Wanted.UNDECIDED : Wanted.ENDED);
        address[] memory users = new address[](_roll(6));
        for (uint256 i = 0; i < users.length; ++i) {
            users[i] = _oneIn(10) ? STRANGER : _bettorWithDues(roundId);
        }
        bytes memory problem = _bettingOverError(roundId);
        if (problem.length == 0) _arm(address(reentrant), true);

        bytes memory call = abi.encodeCall(IP2PLotteryBetting.settle, (roundId, users));
        if (!_try(Act.SETTLE, STRANGER, 0, call, problem)) return;
        for (uint256 i = 0; i < users.length; ++i) {
            (uint256 winnings, uint256 refund) = _due(rounds[roundId], users[i]);
            if (winnings + refund == 0) continue;
            if (_accepts(users[i], true)) {
                _credit(users[i], _book(roundId, users[i]));
            } else {
                _mark(users[i] == address(burner) ? Mark.BURNER_SKIPPED : Mark.REFUSER_SKIPPED);
            }
        }
        _disarm(); // when it was not among those paid
    }

    function withdrawFees(uint256 seed) external play(seed) {
        uint256[] memory ids = _ids(Wanted.FEES_DUE);
        (bytes memory problem, uint256 total) = _feesError(ids);
        uint256 before = feeRecipient.balance;
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.withdrawFees, (ids));
        if (!_try(Act.WITHDRAW_FEES, STRANGER, 0, call, problem)) return;
        for (uint256 i = 0; i < ids.length; ++i) {
            Round storage r = rounds[ids[i]];
            if (!r.feesPaid) r.feesTaken = _fees(r);
            r.feesPaid = true;
        }
        _markIf(_isRepeated(ids), Mark.ID_REPEATED);
        _markIf(total != 0, Mark.FEES_TAKEN);
        feesWithdrawn += feeRecipient.balance - before;
        _credit(feeRecipient, total);
    }

    // ------------------------------------------------------------------------------------------------------- inner

    function _claim(Act act, uint256 roundId, address user, bytes memory call, bytes memory problem) private {
        if (problem.length == 0) {
            (uint256 winnings, uint256 refund) = _due(rounds[roundId], user);
            if (winnings + refund == 0) problem = _nothingDue(roundId, user);
            else if (!_accepts(user, false)) problem = _paymentRefused(user, winnings + refund);
            else _arm(user, false);
        }
        if (_try(act, user, 0, call, problem)) _credit(user, _book(roundId, user));
    }

    /// @dev Books all that is due to a user as paid by the round.
    function _book(uint256 roundId, address user) internal returns (uint256 amount) {
        Round storage r = rounds[roundId];
        (uint256 winnings, uint256 refund) = _due(r, user);
        amount = winnings + refund;
        r.received[user] += amount;
        r.paid += amount;
    }

    // ------------------------------------------------------------------------------------------------------ errors

    function _statusError(uint256 roundId, IP2PLotteryBetting.RoundStatus status)
        private
        view
        returns (bytes memory)
    {
        if (!_isKnown(roundId)) return _unknownRound(roundId);
        Round storage r = rounds[roundId];
        return r.status == status ? bytes("") : _wrongStatus(roundId, _status(r));
    }

    function _bettingOverError(uint256 roundId) private view returns (bytes memory) {
        if (!_isKnown(roundId)) return _unknownRound(roundId);
        Round storage r = rounds[roundId];
        if (_status(r) != IP2PLotteryBetting.RoundStatus.OPEN) return "";
        return _tooEarly(roundId, r.drawTime - LEAD);
    }

    function _batchError(uint256[] memory ids, address user, address to)
        private
        view
        returns (bytes memory problem, uint256 total)
    {
        if (to == address(0)) {
            return (abi.encodeWithSelector(IP2PLotteryBetting.ZeroAddress.selector, "to"), 0);
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            if (!_isKnown(ids[i])) return (_unknownRound(ids[i]), 0);
            if (!_isFinal(rounds[ids[i]])) return (_wrongStatus(ids[i], _status(rounds[ids[i]])), 0);
            if (_isBefore(ids, i)) continue;
            (uint256 winnings, uint256 refund) = _due(rounds[ids[i]], user);
            total += winnings + refund;
        }
        if (total == 0) return (_nothingDue(0, user), 0);
        if (!_accepts(to, false)) problem = _paymentRefused(to, total);
    }

    function _feesError(uint256[] memory ids) private view returns (bytes memory problem, uint256 total) {
        for (uint256 i = 0; i < ids.length; ++i) {
            problem = _statusError(ids[i], IP2PLotteryBetting.RoundStatus.FINALIZED);
            if (problem.length != 0) return (problem, 0);
            Round storage r = rounds[ids[i]];
            if (!r.feesPaid && !_isBefore(ids, i)) total += _fees(r);
        }
        if (total != 0 && !_accepts(feeRecipient, false)) problem = _paymentRefused(feeRecipient, total);
    }

    // ----------------------------------------------------------------------------------------------------- choices

    /// @dev Most often a bettor to whom something is due.
    function _bettorWithDues(uint256 roundId) private returns (address user) {
        user = _bettor();
        if (_oneIn(6) || !_isKnown(roundId)) return user;
        uint256 start = _roll(bettors.length);
        for (uint256 i = 0; i < bettors.length; ++i) {
            address candidate = bettors[(start + i) % bettors.length];
            (uint256 winnings, uint256 refund) = _due(rounds[roundId], candidate);
            if (winnings + refund != 0) return candidate;
        }
    }

    function _payee(address user) private returns (address) {
        uint256 choice = _roll(12);
        if (choice == 0) return address(0);
        if (choice == 1) return address(market);
        if (choice == 2) return address(refuser);
        if (choice == 3) return address(burner);
        if (choice == 4) return address(reentrant);
        return choice < 8 ? VAULT : user;
    }

    function _ids(Wanted wanted) private returns (uint256[] memory ids) {
        ids = new uint256[](_roll(5));
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = i != 0 && _oneIn(4) ? ids[_roll(i)] : _round(wanted);
            // Most ids must be right, or no list ever is.
            for (uint256 j = 0; j < 3 && !(_isKnown(ids[i]) && _isFinal(rounds[ids[i]])); ++j) {
                ids[i] = _round(wanted);
            }
        }
    }

    function _isBefore(uint256[] memory ids, uint256 end) private pure returns (bool) {
        for (uint256 i = 0; i < end; ++i) {
            if (ids[i] == ids[end]) return true;
        }
        return false;
    }

    function _isRepeated(uint256[] memory ids) private pure returns (bool) {
        return ids.length > 1 && (_isBefore(ids, ids.length - 1) || _isBefore(ids, 1));
    }
}
