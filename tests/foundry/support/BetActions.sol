// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {OracleActions} from "./OracleActions.sol";
import {OrderQueue} from "./OrderQueue.sol";

/// @title Placing bets and taking them back, and payees that call in while they are paid
abstract contract BetActions is OracleActions {
    using OrderQueue for OrderQueue.Book;

    /// @dev What the reentrant bettor will try when it is paid next.
    enum Reentry {
        NONE,
        GUARDED,
        BET
    }

    Reentry private _reentry;
    uint256 private _reentryRound;
    uint8 private _reentryPrediction;
    uint256 private _reentryAmount;
    uint8 private _attempts;

    error Reentered(bytes4 failure);

    // ----------------------------------------------------------------------------------------------------- actions

    function placeBets(uint256 seed) external play(seed) {
        if (!_oneIn(6)) _ensureBettable();
        uint256 count = 1 + _roll(4);
        for (uint256 i = 0; i < count; ++i) {
            _placeBet();
        }
    }

    /// @notice One bettor fills a round with bets, up to the limit and beyond.
    function placeManyBets(uint256 seed) external play(seed) {
        if (!_oneIn(6)) _ensureBettable();
        if (!_oneIn(4)) return _placeBet();
        uint256 roundId = _round(Wanted.BETTABLE);
        address user = _bettor();
        uint256 count = BETS_PER_USER + 1 - rounds[roundId].bets[user].length;
        for (uint256 i = 0; i < count; ++i) {
            _bet(roundId, user, uint8(_roll(8)), minBet + _roll(3));
        }
    }

    function placeMatchedBets(uint256 seed) external play(seed) {
        if (!_oneIn(6)) _ensureBettable();
        uint256 roundId = _round(Wanted.BETTABLE);
        for (uint256 i = 0; i < 2; ++i) {
            uint8 prediction = _prediction();
            if (prediction < 8 && !_oneIn(4)) prediction = _facingOrders(roundId, prediction);
            _betMatched(roundId, _bettor(), prediction);
        }
    }

    function cancelUnmatched(uint256 seed) external play(seed) {
        uint256 roundId = _round(Wanted.BETTABLE);
        address user = _bettor();
        // One beyond the last is tried too.
        uint256 index = _roll(rounds[roundId].bets[user].length + 1);
        uint256 choice = _roll(8);
        bytes4 wanted = choice == 1
            ? IP2PLotteryBetting.NotAtTail.selector
            : choice == 2 ? IP2PLotteryBetting.NothingUnmatched.selector : bytes4(0);
        if (choice != 0) (user, index) = _betThatMeets(wanted, roundId, user, index);
        _cancel(roundId, user, index);
    }

    // ------------------------------------------------------------------------------------------------------- inner

    function _placeBet() private {
        uint256 roundId = _round(Wanted.BETTABLE);
        if (_isKnown(roundId) && _oneIn(40)) _approach(rounds[roundId].drawTime - LEAD);
        uint8 prediction = _prediction();
        _bet(roundId, _bettor(), prediction, _amount(roundId, prediction));
    }

    /// @dev Asks for a quote first: it must promise what then happens, or fail as the bet would.
    function _bet(uint256 roundId, address user, uint8 prediction, uint256 amount) private {
        bytes memory problem = _placeError(roundId, prediction, amount);
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.quote, (roundId, prediction, amount));
        if (_try(Act.QUOTE, STRANGER, 0, call, problem)) _checkQuote(roundId, prediction, amount);
        if (problem.length == 0) problem = _countError(roundId, user);

        call = abi.encodeCall(IP2PLotteryBetting.placeBet, (roundId, prediction));
        bool done = _try(Act.BET, user, amount, call, problem);
        if (done) _record(roundId, user, prediction, amount);
        _markBoundary(roundId, done);
    }

    function _checkQuote(uint256 roundId, uint8 prediction, uint256 amount) private view {
        (uint256 matched, uint256 payout, uint256 fee) = market.quote(roundId, prediction, amount);
        Round storage r = rounds[roundId];
        uint256 waiting = r.book.waitingFor(prediction);
        require(matched == (amount < waiting ? amount : waiting), "quote: matched");
        uint256 before = r.book.matchedOn(prediction);
        if (matched == 0) {
            require(fee == 0, "quote: fee of nothing");
        } else {
            uint256 charged = (before + matched) * r.feeBps / 10_000 - before * r.feeBps / 10_000;
            require(fee == charged, "quote: fee");
        }
        require(payout == 2 * matched - fee + (amount - matched), "quote: payout");
    }

    function _betMatched(uint256 roundId, address user, uint8 prediction) private {
        uint256 amount = _amount(roundId, prediction);
        bytes memory problem = _placeMatchedError(roundId, prediction, amount);
        uint256 taken = 0;
        uint256 least = 0;
        if (problem.length == 0) {
            uint256 waiting = rounds[roundId].book.waitingFor(prediction);
            taken = amount < waiting ? amount : waiting;
            uint256 choice = _roll(8);
            least = choice == 0 ? taken + 1 : choice == 1 ? waiting : choice < 4 ? taken : 0;
            uint256 required = least > minBet ? least : minBet;
            if (taken < required) {
                problem = abi.encodeWithSelector(
                    IP2PLotteryBetting.NotEnoughMatched.selector, roundId, taken, required
                );
            } else {
                problem = _countError(roundId, user);
            }
        }
        if (problem.length == 0 && taken != amount) {
            if (!_accepts(user, false)) problem = _paymentRefused(user, amount - taken);
            else _arm(user, false);
        }
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.placeMatchedBet, (roundId, prediction, least));
        if (_try(Act.MATCHED_BET, user, amount, call, problem)) {
            _record(roundId, user, prediction, taken);
            _markIf(taken != amount, Mark.MATCHED_BET_GOT_CHANGE);
            if (taken != amount) _credit(user, amount - taken);
        }
    }

    function _cancel(uint256 roundId, address user, uint256 index) private {
        bytes memory problem = _cancelError(roundId, user, index);
        uint256 back = 0;
        if (problem.length == 0) {
            Bet memory b = rounds[roundId].bets[user][index];
            OrderQueue.Order memory order = rounds[roundId].book.lines[b.prediction][b.index];
            back = order.amount - order.matched;
            if (!_accepts(user, false)) problem = _paymentRefused(user, back);
            else _arm(user, false);
        }
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.cancelUnmatched, (roundId, index));
        if (_try(Act.CANCEL_BET, user, 0, call, problem)) {
            Round storage r = rounds[roundId];
            Bet memory b = r.bets[user][index];
            require(r.book.cut(b.prediction, b.index) == back, "cancelled");
            r.staked -= back;
            _mark(
                r.book.lines[b.prediction][b.index].matched == 0
                    ? Mark.CANCELLED_WHOLE
                    : Mark.CANCELLED_IN_PART
            );
            _credit(user, back);
        }
    }

    function _record(uint256 roundId, address user, uint8 prediction, uint256 amount) private {
        Round storage r = rounds[roundId];
        (uint256 index,) = r.book.place(prediction, amount);
        r.bets[user].push(Bet(prediction, index));
        r.staked += amount;
    }

    function _markBoundary(uint256 roundId, bool done) private {
        if (!_isKnown(roundId)) return;
        uint256 lockTime = rounds[roundId].drawTime - LEAD;
        _markIf(done && clock == lockTime - 1, Mark.BET_AT_LAST_SECOND);
        _markIf(!done && clock == lockTime, Mark.BET_TOO_LATE_BY_A_SECOND);
    }

    // ------------------------------------------------------------------------------------------------------ errors

    function _placeError(uint256 roundId, uint8 prediction, uint256 amount)
        private
        view
        returns (bytes memory problem)
    {
        problem = _bettableError(roundId, prediction);
        if (problem.length != 0) return problem;
        if (amount < minBet || amount > maxBet) return _outOfLimits(amount);
        uint256 total = rounds[roundId].book.stakedOn(prediction);
        if (total + amount > type(uint96).max) {
            return abi.encodeWithSelector(IP2PLotteryBetting.LineFull.selector, roundId, prediction, total);
        }
    }

    function _placeMatchedError(uint256 roundId, uint8 prediction, uint256 amount)
        private
        view
        returns (bytes memory problem)
    {
        problem = _bettableError(roundId, prediction);
        if (problem.length == 0 && amount > maxBet) return _outOfLimits(amount);
    }

    function _bettableError(uint256 roundId, uint8 prediction) private view returns (bytes memory problem) {
        if (paused) return abi.encodeWithSignature("EnforcedPause()");
        problem = _bettingError(roundId);
        if (problem.length == 0 && prediction > 7) {
            return abi.encodeWithSelector(IP2PLotteryBetting.InvalidPrediction.selector, prediction);
        }
    }

    function _bettingError(uint256 roundId) private view returns (bytes memory) {
        if (!_isKnown(roundId)) return _unknownRound(roundId);
        Round storage r = rounds[roundId];
        if (r.status == IP2PLotteryBetting.RoundStatus.CANCELLED) return _wrongStatus(roundId, r.status);
        if (clock < r.drawTime - LEAD) return "";
        return abi.encodeWithSelector(IP2PLotteryBetting.BettingClosed.selector, roundId, r.drawTime - LEAD);
    }

    function _outOfLimits(uint256 amount) private view returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.BetOutOfLimits.selector, amount, minBet, maxBet);
    }

    function _countError(uint256 roundId, address user) private view returns (bytes memory) {
        if (rounds[roundId].bets[user].length < BETS_PER_USER) return "";
        return abi.encodeWithSelector(IP2PLotteryBetting.TooManyBets.selector, roundId, user, BETS_PER_USER);
    }

    function _cancelError(uint256 roundId, address user, uint256 index)
        private
        view
        returns (bytes memory problem)
    {
        problem = _bettingError(roundId);
        if (problem.length != 0) return problem;
        Round storage r = rounds[roundId];
        if (index >= r.bets[user].length) {
            return abi.encodeWithSelector(IP2PLotteryBetting.UnknownBet.selector, roundId, user, index);
        }
        Bet memory b = r.bets[user][index];
        OrderQueue.Order memory order = r.book.lines[b.prediction][b.index];
        if (order.amount == order.matched) {
            return abi.encodeWithSelector(IP2PLotteryBetting.NothingUnmatched.selector, roundId, index);
        }
        if (!r.book.isLast(b.prediction, b.index)) {
            return abi.encodeWithSelector(IP2PLotteryBetting.NotAtTail.selector, roundId, index);
        }
    }

    // ----------------------------------------------------------------------------------------------------- choices

    function _prediction() private returns (uint8) {
        if (_oneIn(30)) return uint8(8 + _roll(248));
        return uint8(_roll(8));
    }

    /// @dev Around the limits, around what waits on the opposite line, or anything small.
    function _amount(uint256 roundId, uint8 prediction) private returns (uint256) {
        uint256 choice = _roll(24);
        if (choice == 0) return minBet - 1;
        if (choice == 1) return maxBet + 1;
        if (choice == 2) return maxBet;
        if (choice < 6) return minBet;
        if (choice < 14 && prediction < 8 && _isKnown(roundId)) {
            uint256 waiting = rounds[roundId].book.waitingFor(prediction);
            if (choice == 6) ++waiting;
            if (choice == 7 && waiting != 0) --waiting;
            if (choice > 10) waiting += minBet;
            if (waiting >= minBet && waiting <= maxBet) return waiting;
        }
        uint256 amount = minBet * (1 + _roll(20)) + _roll(1000);
        return amount > maxBet ? maxBet : amount;
    }

    /// @dev A prediction on whose opposite line orders wait, if there is one.
    function _facingOrders(uint256 roundId, uint8 start) private view returns (uint8 prediction) {
        for (uint8 i = 0; i < 8; ++i) {
            prediction = (start + i) % 8;
            if (rounds[roundId].book.waitingFor(prediction) >= minBet) return prediction;
        }
    }

    /// @dev A bet whose cancelling meets this error, or none if that is zero; if there is one.
    function _betThatMeets(bytes4 wanted, uint256 roundId, address user, uint256 index)
        private
        view
        returns (address, uint256)
    {
        uint256 start = uint160(user);
        for (uint256 i = 0; i < bettors.length; ++i) {
            address owner = bettors[(start + i) % bettors.length];
            uint256 count = rounds[roundId].bets[owner].length;
            for (uint256 j = 0; j < count; ++j) {
                uint256 candidate = (index + j) % count;
                if (bytes4(_cancelError(roundId, owner, candidate)) == wanted) return (owner, candidate);
            }
        }
        return (user, index);
    }

    // -------------------------------------------------------------------------------------------------- reentrance

    /// @dev Prepares the reentrant bettor for the payment to come, if that is to it: a call that shares the payment's
    /// guard, or, where gas allows, a bet, which does not.
    function _arm(address payee, bool settling) internal {
        if (payee != address(reentrant)) return;
        uint256 choice = _roll(settling ? 8 : 12);
        uint256 roundId = _round(Wanted.BETTABLE);
        _reentry = choice == 0 ? Reentry.NONE : choice < 8 ? Reentry.GUARDED : Reentry.BET;
        if (_reentry == Reentry.NONE) return _disarm();
        if (_reentry == Reentry.GUARDED) {
            return reentrant.arm(address(market), 0, _guardedCall(choice, roundId));
        }
        (_reentryRound, _reentryPrediction) = (roundId, uint8(_roll(8)));
        _reentryAmount = minBet + _roll(100);
        if (_reentryAmount > type(uint96).max) _reentryAmount = type(uint96).max;
        reentrant.arm(
            address(market),
            uint96(_reentryAmount),
            abi.encodeCall(IP2PLotteryBetting.placeBet, (_reentryRound, _reentryPrediction))
        );
    }

    function _guardedCall(uint256 choice, uint256 roundId) private view returns (bytes memory) {
        uint256[] memory ids = new uint256[](0);
        if (choice == 1) return abi.encodeCall(IP2PLotteryBetting.claimWinnings, (roundId));
        if (choice == 2) return abi.encodeCall(IP2PLotteryBetting.claimRefund, (roundId));
        if (choice == 3) return abi.encodeCall(IP2PLotteryBetting.voidRound, (roundId));
        if (choice == 4) return abi.encodeCall(IP2PLotteryBetting.cancelUnmatched, (roundId, 0));
        if (choice == 5) return abi.encodeCall(IP2PLotteryBetting.claimWinningsBatch, (ids, VAULT));
        if (choice == 6 && !paused) {
            return abi.encodeCall(IP2PLotteryBetting.placeMatchedBet, (roundId, 0, 0));
        }
        return abi.encodeCall(IP2PLotteryBetting.finalizeRound, (roundId, 7));
    }

    /// @dev Books a payment of the market; after everything else of the same call was booked.
    function _credit(address payee, uint256 amount) internal {
        coins[payee] += amount;
        if (payee != address(reentrant) || _reentry == Reentry.NONE) return;
        Reentry tried = _reentry;
        _disarm();
        require(reentrant.attempts() == ++_attempts, "did not call in");
        if (tried == Reentry.GUARDED) {
            bytes4 failure = reentrant.failure();
            if (reentrant.succeeded() || failure != bytes4(keccak256("ReentrancyGuardReentrantCall()"))) {
                revert Reentered(failure);
            }
            _mark(Mark.REENTRY_STOPPED);
        } else {
            _bookBetInside();
        }
    }

    function _disarm() internal {
        _reentry = Reentry.NONE;
        reentrant.arm(address(0), 0, "");
    }

    function _bookBetInside() private {
        bytes memory problem = _placeError(_reentryRound, _reentryPrediction, _reentryAmount);
        if (problem.length == 0) problem = _countError(_reentryRound, address(reentrant));
        require(reentrant.succeeded() == (problem.length == 0), "bet inside a payment");
        if (problem.length != 0) {
            require(reentrant.failure() == bytes4(problem), "bet inside a payment failed otherwise");
            return;
        }
        coins[address(reentrant)] -= _reentryAmount;
        _record(_reentryRound, address(reentrant), _reentryPrediction, _reentryAmount);
        _mark(Mark.BET_INSIDE_PAYMENT);
    }
}
