// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {Forcer} from "../../contracts/solidity/Attackers.sol";
import {Model} from "./Model.sol";
import {vm} from "./Vm.sol";

/// @title The life of rounds, the settings, the clock, and coins that nobody asked for
abstract contract RoundActions is Model {
    uint256 private constant RESULT_WINDOW = 72 hours;
    uint256 private constant MAX_ROUNDS = 8;
    uint256 private constant MAX_UNDECIDED = 3;

    bytes32 private constant ADMIN_ROLE = 0;
    bytes32 private constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");
    bytes32 private constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

    // ------------------------------------------------------------------------------------------------------ rounds

    function createRound(uint256 seed) external play(seed) {
        uint256 choice = _roll(12);
        uint256 drawTime = clock + LEAD + 1 + _roll(_oneIn(2) ? 4 hours : 80 hours);
        if (choice == 0) drawTime = clock + LEAD;
        if (choice == 1) drawTime = clock + 60 days + 1;
        if (choice == 2) drawTime = clock + LEAD + 1;
        if (choice == 3 || choice == 4) drawTime = rounds[_round(Wanted.BETTABLE)].drawTime;
        address caller = _oneIn(12) ? ADMIN : OPERATOR;
        if (!_isRoomForRounds()) caller = STRANGER;
        _create(caller, drawTime);
    }

    function lockRound(uint256 seed) external play(seed) {
        uint256 roundId = _round(Wanted.UNDECIDED);
        if (_isKnown(roundId)) _approach(rounds[roundId].drawTime - LEAD);
        bytes memory problem;
        if (!_isKnown(roundId)) {
            problem = _unknownRound(roundId);
        } else {
            Round storage r = rounds[roundId];
            if (r.status != IP2PLotteryBetting.RoundStatus.OPEN) problem = _wrongStatus(roundId, r.status);
            else if (clock < r.drawTime - LEAD) problem = _tooEarly(roundId, r.drawTime - LEAD);
        }
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.lockRound, (roundId));
        if (!_try(Act.LOCK, STRANGER, 0, call, problem)) return;
        rounds[roundId].status = IP2PLotteryBetting.RoundStatus.LOCKED;
        _markIf(clock == rounds[roundId].drawTime - LEAD, Mark.LOCK_AT_FIRST_SECOND);
    }

    /// @notice By one who may, at a time that may be right; not often, since it ends the round.
    function cancelRound(uint256 seed) external play(seed) {
        uint256 roundId = _round(_oneIn(6) ? Wanted.UNDECIDED : Wanted.ENDED);
        uint256 choice = _roll(6);
        address caller = choice == 0 ? STRANGER : choice < 3 ? GUARDIAN : OPERATOR;
        bool timely = choice != 5 || !_isKnown(roundId);
        if (!timely) _approach(rounds[roundId].drawTime - (caller == GUARDIAN ? 0 : LEAD));

        bytes memory problem = _cancelError(roundId, caller);
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.cancelRound, (roundId));
        if (_try(Act.CANCEL_ROUND, caller, 0, call, problem)) _cancelled(roundId);
    }

    function voidRound(uint256 seed) external play(seed) {
        uint256 roundId = _round(_oneIn(2) ? Wanted.UNDECIDED : Wanted.ENDED);
        if (_isKnown(roundId) && _oneIn(6)) _approach(rounds[roundId].drawTime + RESULT_WINDOW + 1);
        bytes memory problem = _decidedError(roundId);
        uint256 deadline = rounds[roundId].drawTime + RESULT_WINDOW;
        if (problem.length == 0 && clock <= deadline) problem = _tooEarly(roundId, deadline + 1);

        bytes memory call = abi.encodeCall(IP2PLotteryBetting.voidRound, (roundId));
        if (!_try(Act.VOID, STRANGER, 0, call, problem)) return;
        _cancelled(roundId);
        _markIf(clock == deadline + 1, Mark.VOID_AT_FIRST_SECOND);
    }

    /// @notice As the round's oracle when that is an ordinary account; else by somebody who is not its oracle.
    function finalizeDirectly(uint256 seed) external play(seed) {
        uint256 roundId = _round(_oneIn(4) ? Wanted.ENDED : Wanted.DIRECT);
        uint8 number = _oneIn(10) ? uint8(100 + _roll(156)) : uint8(_roll(100));
        address caller = _oneIn(8) ? ADMIN : DIRECT;
        bool mayDecide = _isKnown(roundId) && rounds[roundId].oracle == caller;
        if (mayDecide) {
            uint256 drawTime = rounds[roundId].drawTime;
            _approach(_oneIn(3) ? drawTime + RESULT_WINDOW + _roll(2) : drawTime);
        }
        bytes memory problem = _finalizeError(roundId, caller, number);
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.finalizeRound, (roundId, number));
        if (_try(Act.FINALIZE_DIRECTLY, caller, 0, call, problem)) _finalized(roundId, number);
    }

    // ---------------------------------------------------------------------------------------------- clock and coins

    /// @notice Most often to the next moment at which something changes for a round, or the second before it.
    function passTime(uint256 seed) external play(seed) {
        uint256 roundId = _round(Wanted.UNDECIDED);
        if (!_isKnown(roundId) || _oneIn(4)) return _warp(clock + 1 + _roll(600));
        uint256 drawTime = rounds[roundId].drawTime;
        uint256[5] memory moments = [
            drawTime - LEAD,
            drawTime,
            drawTime + 47 hours + 1,
            drawTime + 70 hours + 1,
            drawTime + 72 hours + 1
        ];
        for (uint256 i = 0; i < moments.length; ++i) {
            if (moments[i] <= clock) continue;
            if (i < 2 || _oneIn(6)) _approach(moments[i]);
            return;
        }
    }

    function forceEther(uint256 seed) external play(seed) {
        uint256 amount = 1 + _roll(1 ether);
        vm.deal(address(this), amount);
        new Forcer{value: amount}(payable(address(market)));
        forced += amount;
        _mark(Mark.ETHER_FORCED);
    }

    /// @notice The refusing bettor changes its mind.
    function changeMind(uint256 seed) external play(seed) {
        refuser.accept(_oneIn(2));
    }

    // ---------------------------------------------------------------------------------------------------- settings

    function changeSettings(uint256 seed) external play(seed) {
        address caller = _oneIn(6) ? STRANGER : ADMIN;
        bytes memory problem;
        if (caller != ADMIN) problem = _unauthorized(caller, ADMIN_ROLE);
        uint256 choice = _roll(4);
        if (choice == 0) _setFee(caller, problem);
        else if (choice == 1) _setOracle(caller, problem);
        else if (choice == 2) _setLimits(caller, problem);
        else _setFeeRecipient(caller, problem);
    }

    /// @notice Pauses seldom and unpauses soon.
    function togglePause(uint256 seed) external play(seed) {
        bool stranger = _oneIn(6);
        if (paused ? !_oneIn(4) : _oneIn(5)) {
            address caller = stranger ? GUARDIAN : ADMIN;
            bytes memory problem;
            if (stranger) problem = _unauthorized(caller, ADMIN_ROLE);
            else if (!paused) problem = abi.encodeWithSignature("ExpectedPause()");
            bytes memory call = abi.encodeCall(IP2PLotteryBetting.unpause, ());
            if (_try(Act.UNPAUSE, caller, 0, call, problem)) paused = false;
        } else {
            address caller = stranger ? ADMIN : paused || _oneIn(3) ? GUARDIAN : OPERATOR;
            bytes memory problem;
            if (caller != GUARDIAN) problem = _unauthorized(caller, GUARDIAN_ROLE);
            else if (paused) problem = abi.encodeWithSignature("EnforcedPause()");
            bytes memory call = abi.encodeCall(IP2PLotteryBetting.pause, ());
            if (_try(Act.PAUSE, caller, 0, call, problem)) paused = true;
        }
    }

    function _setFee(address caller, bytes memory problem) private {
        uint16 value = uint16(_roll(501));
        if (_oneIn(6)) value = uint16(501 + _roll(65_035));
        if (problem.length == 0 && value > 500) {
            problem = abi.encodeWithSelector(IP2PLotteryBetting.FeeTooHigh.selector, value, 500);
        }
        if (_try(Act.SET_FEE, caller, 0, abi.encodeCall(IP2PLotteryBetting.setFee, (value)), problem)) {
            feeBps = value;
        }
    }

    function _setOracle(address caller, bytes memory problem) private {
        uint256 choice = _roll(8);
        address value = choice == 0 ? address(0) : choice < 3 ? DIRECT : address(committees[choice % 2]);
        if (problem.length == 0) problem = _zeroError(value, "oracle");
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.setOracle, (value));
        if (_try(Act.SET_ORACLE, caller, 0, call, problem)) oracle = value;
    }

    function _setLimits(address caller, bytes memory problem) private {
        uint256 choice = _roll(10);
        (uint256 low, uint256 high) = (1 + _roll(10), 20 + _roll(30));
        (low, high) = (low * 0.001 ether, high * 0.1 ether);
        if (choice == 0) low = 1 gwei - 1;
        if (choice == 1) high = low - 1;
        if (choice == 2) high = uint256(type(uint96).max) + 1;
        if (choice == 3) (low, high) = (type(uint96).max, type(uint96).max);
        if (choice == 4) (low, high) = (1 gwei, 1 gwei);
        if (choice == 5 || choice == 6) (low, high) = (1 gwei, type(uint96).max);
        if (problem.length == 0 && choice < 3) {
            problem = abi.encodeWithSelector(IP2PLotteryBetting.InvalidBetLimits.selector, low, high);
        }
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.setBetLimits, (low, high));
        if (_try(Act.SET_LIMITS, caller, 0, call, problem)) (minBet, maxBet) = (low, high);
    }

    function _setFeeRecipient(address caller, bytes memory problem) private {
        uint256 choice = _roll(4);
        address value =
            choice == 0 ? address(0) : choice == 1 ? address(refuser) : choice == 2 ? VAULT : TREASURY;
        if (problem.length == 0) problem = _zeroError(value, "feeRecipient");
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.setFeeRecipient, (value));
        if (_try(Act.SET_RECIPIENT, caller, 0, call, problem)) feeRecipient = value;
    }

    // ------------------------------------------------------------------------------------------------------- inner

    function _ensureBettable() internal override {
        for (uint256 i = 1; i <= roundCount; ++i) {
            if (_isWanted(rounds[i], Wanted.BETTABLE)) return;
        }
        if (!paused && _isRoomForRounds()) {
            _create(OPERATOR, clock + LEAD + 1 + _roll(_oneIn(2) ? 4 hours : 80 hours));
        }
    }

    function _create(address caller, uint256 drawTime) private {
        if (_oneIn(3)) _setOracle(ADMIN, "");
        bytes memory problem = _createError(caller, drawTime);
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.createRound, (drawTime));
        if (!_try(Act.CREATE, caller, 0, call, problem)) return;
        Round storage r = rounds[++roundCount];
        (r.drawTime, r.feeBps, r.oracle) = (drawTime, feeBps, oracle);
        r.status = IP2PLotteryBetting.RoundStatus.OPEN;
    }

    function _cancelled(uint256 roundId) internal {
        rounds[roundId].status = IP2PLotteryBetting.RoundStatus.CANCELLED;
        rounds[roundId].decidedAt = clock;
    }

    function _finalized(uint256 roundId, uint8 number) internal {
        Round storage r = rounds[roundId];
        (r.status, r.number, r.decidedAt) = (IP2PLotteryBetting.RoundStatus.FINALIZED, number, clock);
        _markIf(clock == r.drawTime + RESULT_WINDOW, Mark.RESULT_AT_LAST_SECOND);
    }

    /// @dev Why the market would not take a result from this caller.
    function _finalizeError(uint256 roundId, address caller, uint8 number)
        internal
        view
        returns (bytes memory problem)
    {
        if (!_isKnown(roundId)) return _unknownRound(roundId);
        Round storage r = rounds[roundId];
        if (caller != r.oracle) {
            return
                abi.encodeWithSelector(IP2PLotteryBetting.NotRoundOracle.selector, roundId, caller, r.oracle);
        }
        if (number > 99) {
            return abi.encodeWithSelector(IP2PLotteryBetting.InvalidWinningNumber.selector, number);
        }
        problem = _decidedError(roundId);
        if (problem.length != 0) return problem;
        if (clock < r.drawTime) return _tooEarly(roundId, r.drawTime);
        if (clock > r.drawTime + RESULT_WINDOW) return _tooLate(roundId, r.drawTime + RESULT_WINDOW);
    }

    function _createError(address caller, uint256 drawTime) private view returns (bytes memory) {
        if (caller != OPERATOR) return _unauthorized(caller, OPERATOR_ROLE);
        if (paused) return abi.encodeWithSignature("EnforcedPause()");
        uint256 earliest = clock + LEAD + 1;
        uint256 latest = clock + 60 days;
        if (drawTime < earliest || drawTime > latest) {
            return abi.encodeWithSelector(
                IP2PLotteryBetting.DrawTimeOutOfRange.selector, drawTime, earliest, latest
            );
        }
        for (uint256 i = 1; i <= roundCount; ++i) {
            Round storage r = rounds[i];
            if (r.drawTime != drawTime || r.status == IP2PLotteryBetting.RoundStatus.CANCELLED) continue;
            return abi.encodeWithSelector(IP2PLotteryBetting.DrawTimeTaken.selector, drawTime, i);
        }
        return "";
    }

    function _cancelError(uint256 roundId, address caller) private view returns (bytes memory problem) {
        if (!_isKnown(roundId)) return _unknownRound(roundId);
        if (caller != GUARDIAN && caller != OPERATOR) {
            return abi.encodeWithSelector(IP2PLotteryBetting.NotAllowedToCancel.selector, roundId, caller);
        }
        problem = _decidedError(roundId);
        uint256 deadline = rounds[roundId].drawTime - (caller == GUARDIAN ? 0 : LEAD);
        if (problem.length == 0 && clock >= deadline) return _tooLate(roundId, deadline - 1);
    }

    function _zeroError(address value, string memory what) private pure returns (bytes memory) {
        if (value != address(0)) return "";
        return abi.encodeWithSelector(IP2PLotteryBetting.ZeroAddress.selector, what);
    }

    function _isRoomForRounds() private view returns (bool) {
        uint256 undecided = 0;
        for (uint256 i = 1; i <= roundCount; ++i) {
            if (_isUndecided(rounds[i])) ++undecided;
        }
        return roundCount < MAX_ROUNDS && undecided < MAX_UNDECIDED;
    }
}
