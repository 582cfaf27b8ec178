// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {MarketBook} from "./base/MarketBook.sol";
import {MarketSettings} from "./base/MarketSettings.sol";
import {IP2PLotteryBetting} from "./interfaces/IP2PLotteryBetting.sol";
import {DrawSchedule} from "./libraries/DrawSchedule.sol";
import {Lines} from "./libraries/Lines.sol";

/// @title Bets between people on the number that a lottery draw gives
/// @notice One deployment serves one game. Not upgradeable. What a round promised when it opened (its fee, its times,
/// who decides its result) cannot be changed for it; nobody but the round's oracle can do more than have everybody
/// refunded.
/// @dev Three parts: MarketSettings (keys and terms), MarketBook (storage and views) and this one, everything that
/// happens to rounds and bets. Conservation: for every finished round the payouts of all bets plus the fees equal the
/// stakes, to the wei. The balance is never read, so ether forced upon the contract changes nothing. Whatever pays, and
/// whatever ends a round, shares one reentrancy guard: no round ends in the middle of a payment.
contract P2PLotteryBetting is MarketBook, ReentrancyGuardTransient {
    // ------------------------------------------------------------------------------------------------ constants

    /// @notice Seconds before the draw from which a round may be opened.
    uint256 public constant MAX_HORIZON = 60 days;
    /// @notice Seconds after the draw within which the result must come; after them anyone may void the round.
    uint256 public constant RESULT_WINDOW = 72 hours;
    /// @notice Gas that `settle` gives a recipient, beside the 2,300 that come with every payment.
    uint256 public constant SETTLE_GAS = 50_000;

    /// @dev What must be left for a recipient to get SETTLE_GAS for certain: 64/63 of it, the price of a call that
    /// sends value to a new account (36,600), and the bookkeeping around it.
    uint256 private constant SETTLE_GAS_NEEDED = 96_000;

    // ---------------------------------------------------------------------------------------------- constructor

    /// @param params see Params. Reverts with AdminDelayTooLong, InvalidGame, ZeroAddress, FeeTooHigh,
    /// InvalidBetLimits, and with AccessControlInvalidDefaultAdmin for an admin of zero.
    constructor(Params memory params) MarketSettings(params) {}

    // ----------------------------------------------------------------------------------------- rounds and results

    /// @inheritdoc IP2PLotteryBetting
    function createRound(uint256 drawTime)
        external
        onlyRole(OPERATOR_ROLE)
        whenNotPaused
        returns (uint256 roundId)
    {
        // Checks
        uint256 earliest = block.timestamp + LOCK_LEAD + 1;
        uint256 latest = block.timestamp + MAX_HORIZON;
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (drawTime < earliest || drawTime > latest) revert DrawTimeOutOfRange(drawTime, earliest, latest);
        if (DRAW_DAYS != 0 && !DrawSchedule.isDrawTime(drawTime, DRAW_DAYS, DRAW_SECOND)) {
            revert NotADrawTime(drawTime);
        }
        uint256 standing = _roundOf[drawTime];
        if (standing != 0) revert DrawTimeTaken(drawTime, standing);

        // Effects
        uint16 fee = _feeBps;
        address decider = _oracle;
        roundId = ++_roundCount;
        _roundOf[drawTime] = roundId;
        _rounds[roundId] = Round({
            drawTime: SafeCast.toUint32(drawTime),
            resultDelay: 0,
            feeBps: fee,
            winningNumber: 0,
            status: RoundStatus.OPEN,
            feesPaid: false,
            oracle: decider
        });
        emit RoundCreated(roundId, drawTime, drawTime - LOCK_LEAD, fee, decider);
    }

    /// @inheritdoc IP2PLotteryBetting
    function lockRound(uint256 roundId) external {
        // Checks
        Round storage round = _known(roundId);
        if (round.status != RoundStatus.OPEN) revert WrongStatus(roundId, round.status);
        uint256 lockTime = round.drawTime - LOCK_LEAD;
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp < lockTime) revert TooEarly(roundId, lockTime);

        // Effects
        round.status = RoundStatus.LOCKED;
        emit RoundLocked(roundId, block.timestamp);
    }

    /// @inheritdoc IP2PLotteryBetting
    function finalizeRound(uint256 roundId, uint8 winningNumber) external nonReentrant {
        // Checks
        Round storage round = _known(roundId);
        if (msg.sender != round.oracle) revert NotRoundOracle(roundId, msg.sender, round.oracle);
        if (winningNumber > 99) revert InvalidWinningNumber(winningNumber);
        _requireUndecided(roundId, round);
        uint256 drawTime = round.drawTime;
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp < drawTime) revert TooEarly(roundId, drawTime);
        if (block.timestamp > drawTime + RESULT_WINDOW) revert TooLate(roundId, drawTime + RESULT_WINDOW);

        // Effects
        round.status = RoundStatus.FINALIZED;
        round.winningNumber = winningNumber;
        round.resultDelay = uint24(block.timestamp - drawTime); // at most RESULT_WINDOW, 259,200 < 2^24
        emit RoundFinalized(roundId, winningNumber, block.timestamp);
    }

    /// @inheritdoc IP2PLotteryBetting
    function cancelRound(uint256 roundId) external nonReentrant {
        // Checks
        Round storage round = _known(roundId);
        bool guardian = hasRole(GUARDIAN_ROLE, msg.sender);
        if (!guardian && !hasRole(OPERATOR_ROLE, msg.sender)) revert NotAllowedToCancel(roundId, msg.sender);
        _requireUndecided(roundId, round);
        uint256 deadline = guardian ? round.drawTime : round.drawTime - LOCK_LEAD;
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp >= deadline) revert TooLate(roundId, deadline - 1);

        // Effects
        _cancel(roundId, round);
    }

    /// @inheritdoc IP2PLotteryBetting
    function voidRound(uint256 roundId) external nonReentrant {
        // Checks
        Round storage round = _known(roundId);
        _requireUndecided(roundId, round);
        uint256 deadline = round.drawTime + RESULT_WINDOW;
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp <= deadline) revert TooEarly(roundId, deadline + 1);

        // Effects
        _cancel(roundId, round);
    }

    // ------------------------------------------------------------------------------------------------------- bets

    /// @inheritdoc IP2PLotteryBetting
    function placeBet(uint256 roundId, uint8 prediction) external payable whenNotPaused {
        // Not guarded against reentrancy: it makes no call, and whoever is being paid may bet.
        // Checks
        (uint256 own, uint256 matchedNow) = _requireBettable(roundId, prediction, msg.value);

        // Effects
        _place(roundId, prediction, own, msg.value, matchedNow);
    }

    /// @inheritdoc IP2PLotteryBetting
    function placeMatchedBet(uint256 roundId, uint8 prediction, uint256 minMatched)
        external
        payable
        whenNotPaused
        nonReentrant
    {
        // Checks
        _requireBetting(roundId);
        _requirePrediction(prediction);
        if (msg.value > _maxBet) revert BetOutOfLimits(msg.value, _minBet, _maxBet);
        (uint256 own, uint256 other) = _lines(roundId, prediction);
        uint256 taken = Lines.matched(other, own, msg.value);
        uint256 required = minMatched > _minBet ? minMatched : _minBet;
        if (taken < required) revert NotEnoughMatched(roundId, taken, required);

        // Effects
        _place(roundId, prediction, own, taken, taken);

        // Interactions
        if (taken != msg.value) _pay(msg.sender, msg.value - taken);
    }

    /// @inheritdoc IP2PLotteryBetting
    function cancelUnmatched(uint256 roundId, uint256 betIndex) external nonReentrant {
        // Checks
        _requireBetting(roundId);
        Bet[MAX_BETS_PER_USER] storage bets = _bets[roundId][msg.sender];
        if (betIndex >= bets[0].betCount) revert UnknownBet(roundId, msg.sender, betIndex);
        Bet storage bet = bets[betIndex];
        (uint256 offset, uint256 amount, uint8 prediction) = (bet.offset, bet.amount, bet.prediction);
        (uint256 own, uint256 other) = _lines(roundId, prediction);
        uint256 kept = Lines.matched(other, offset, amount);
        if (kept == amount) revert NothingUnmatched(roundId, betIndex);
        if (offset + amount != own) revert NotAtTail(roundId, betIndex);

        // Effects: the line ends at the bet's matched part, or where the bet began, and so not below the opposite
        // line's total: M stays.
        bet.amount = uint96(kept); // less than it was
        Pair storage pair = _pairs[roundId][prediction >> 1];
        if (prediction & 1 == 0) pair.firstTotal = uint96(offset + kept); // less than it was
        else pair.secondTotal = uint96(offset + kept);
        emit BetCancelled(roundId, msg.sender, betIndex, amount - kept);

        // Interactions
        _pay(msg.sender, amount - kept);
    }

    // ----------------------------------------------------------------------------------------------------- payout

    /// @inheritdoc IP2PLotteryBetting
    function claimWinnings(uint256 roundId) external nonReentrant {
        Round memory round = _load(roundId);
        if (round.status != RoundStatus.FINALIZED) revert WrongStatus(roundId, round.status);
        _claim(roundId, round);
    }

    /// @inheritdoc IP2PLotteryBetting
    function claimRefund(uint256 roundId) external nonReentrant {
        Round memory round = _load(roundId);
        _requireBettingOver(roundId, round);
        if (round.status == RoundStatus.FINALIZED) revert UseClaimWinnings(roundId);
        _claim(roundId, round);
    }

    /// @inheritdoc IP2PLotteryBetting
    function claimWinningsBatch(uint256[] calldata roundIds, address to) external nonReentrant {
        _requireNonZero(to, "to");
        uint256 total = 0;
        for (uint256 i = 0; i < roundIds.length; ++i) {
            // Checks
            uint256 roundId = roundIds[i];
            Round memory round = _load(roundId);
            if (round.status != RoundStatus.FINALIZED && round.status != RoundStatus.CANCELLED) {
                revert WrongStatus(roundId, round.status);
            }

            // Effects
            total += _collect(roundId, round);
        }
        if (total == 0) revert NothingDue(0, msg.sender);

        // Interactions
        _pay(to, total);
    }

    /// @inheritdoc IP2PLotteryBetting
    function settle(uint256 roundId, address[] calldata bettors) external nonReentrant {
        // Checks
        Round memory round = _load(roundId); // no bettor can end the round while being paid
        _requireBettingOver(roundId, round);

        for (uint256 i = 0; i < bettors.length; ++i) {
            address bettor = bettors[i];
            (uint256 winnings, uint256 refund) = _due(roundId, round, bettor);
            if (winnings + refund == 0) continue;
            // With less gas left the call might fail for want of it and a bettor be skipped who would have accepted.
            if (gasleft() < SETTLE_GAS_NEEDED) revert NotEnoughGas(gasleft(), SETTLE_GAS_NEEDED);

            // Effects
            _mark(roundId, bettor, round.status, true);

            // Interactions
            if (_send(bettor, winnings + refund, SETTLE_GAS)) _announce(roundId, bettor, winnings, refund);
            else _mark(roundId, bettor, round.status, false);
        }
    }

    /// @inheritdoc IP2PLotteryBetting
    function withdrawFees(uint256[] calldata roundIds) external nonReentrant {
        uint256 total = 0;
        for (uint256 i = 0; i < roundIds.length; ++i) {
            // Checks
            uint256 roundId = roundIds[i];
            Round memory round = _load(roundId);
            if (round.status != RoundStatus.FINALIZED) revert WrongStatus(roundId, round.status);
            if (round.feesPaid) continue;

            // Effects
            _rounds[roundId].feesPaid = true;
            uint256 amount = _fees(roundId, round);
            if (amount == 0) continue;
            total += amount;
            emit FeesWithdrawn(roundId, amount);
        }

        // Interactions
        if (total != 0) _pay(_feeRecipient, total);
    }

    // -------------------------------------------------------------------------------------------------- internals

    function _requireUndecided(uint256 roundId, Round storage round) private view {
        RoundStatus status = round.status;
        if (status != RoundStatus.OPEN && status != RoundStatus.LOCKED) revert WrongStatus(roundId, status);
    }

    function _requireBettingOver(uint256 roundId, Round memory round) private pure {
        if (round.status == RoundStatus.OPEN) revert TooEarly(roundId, round.drawTime - LOCK_LEAD);
    }

    /// @dev The draw time is free again.
    function _cancel(uint256 roundId, Round storage round) private {
        round.status = RoundStatus.CANCELLED;
        delete _roundOf[round.drawTime];
        emit RoundCancelled(roundId);
    }

    /// @dev Appends a bet of the caller to its prediction's line, whose total is `own`, and announces it.
    /// `own + amount` fits a uint96.
    function _place(uint256 roundId, uint8 prediction, uint256 own, uint256 amount, uint256 matchedNow)
        private
    {
        Bet[MAX_BETS_PER_USER] storage bets = _bets[roundId][msg.sender];
        uint8 index = bets[0].betCount;
        if (index == MAX_BETS_PER_USER) revert TooManyBets(roundId, msg.sender, MAX_BETS_PER_USER);

        Pair storage pair = _pairs[roundId][prediction >> 1];
        if (prediction & 1 == 0) {
            pair.firstTotal = uint96(own + amount);
            ++pair.firstCount;
        } else {
            pair.secondTotal = uint96(own + amount);
            ++pair.secondCount;
        }
        bets[index] = Bet({
            amount: uint96(amount),
            offset: uint96(own),
            placedAt: uint32(block.timestamp), // before the draw, whose time is a uint32
            prediction: prediction,
            betCount: index == 0 ? 1 : 0,
            refunded: false,
            settled: false
        });
        if (index != 0) bets[0].betCount = index + 1;
        emit BetPlaced(roundId, msg.sender, prediction, amount);
        if (matchedNow != 0) emit BetMatched(roundId, msg.sender, matchedNow);
    }

    /// @dev Pays the caller all that is due, or reverts.
    function _claim(uint256 roundId, Round memory round) private {
        uint256 amount = _collect(roundId, round);
        if (amount == 0) revert NothingDue(roundId, msg.sender);
        _pay(msg.sender, amount);
    }

    /// @dev Marks as paid, and announces, all that is due to the caller; the payment itself is left to do.
    function _collect(uint256 roundId, Round memory round) private returns (uint256) {
        (uint256 winnings, uint256 refund) = _due(roundId, round, msg.sender);
        if (winnings + refund == 0) return 0;
        _mark(roundId, msg.sender, round.status, true);
        _announce(roundId, msg.sender, winnings, refund);
        return winnings + refund;
    }

    /// @dev Marks, or on failure unmarks, what a payment at this status covers.
    function _mark(uint256 roundId, address user, RoundStatus status, bool paid) private {
        Bet storage first = _bets[roundId][user][0];
        if (status == RoundStatus.LOCKED) first.refunded = paid;
        else first.settled = paid;
    }

    function _announce(uint256 roundId, address user, uint256 winnings, uint256 refund) private {
        if (winnings != 0) emit WinningsClaimed(roundId, user, winnings);
        if (refund != 0) emit RefundIssued(roundId, user, refund);
    }

    /// @dev A payment that must succeed.
    function _pay(address recipient, uint256 amount) private {
        if (!_send(recipient, amount, gasleft())) revert PaymentRefused(recipient, amount);
    }

    /// @dev A call that copies no returned data, whatever the recipient returns.
    // slither-disable-next-line assembly - a high-level call would copy what the recipient returns
    function _send(address recipient, uint256 amount, uint256 gasLimit) private returns (bool accepted) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            accepted := call(gasLimit, recipient, amount, 0, 0, 0, 0)
        }
    }

    /// @dev The fees of a finalized round: F(M) of each pair that was won.
    function _fees(uint256 roundId, Round memory round) private view returns (uint256 amount) {
        for (uint256 pair = 0; pair < PAIRS; ++pair) {
            if (Lines.outcome(pair, round.winningNumber) == Lines.Outcome.PUSH) continue;
            amount += Lines.feeBelow(_level(roundId, pair), round.feeBps);
        }
    }
}
