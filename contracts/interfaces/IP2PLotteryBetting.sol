// SPDX-License-Identifier: MIT
// slither-disable-next-line solc-version - no code in here, and its readers choose their compiler
pragma solidity ^0.8.4;

/// @title Bets between people on the number that a lottery draw gives
/// @notice Every bettor stands against other bettors, never against a house. Each prediction has an opposite; the
/// stakes on both form two lines, and whatever stands at the same height on both lines is matched, one to one, to the
/// wei, first come first matched. When the draw is known, the matched stakes of the losing line go to the winning one,
/// less a fee on the profit. What found no opponent goes back.
/// @dev All amounts are in wei of the chain's native coin, all times in seconds of Unix time (UTC).
/// An unknown round is an error, `UnknownRound`, in every function that takes a round, views too. Beside the errors
/// below come OpenZeppelin's: `AccessControlUnauthorizedAccount` for a missing role, `EnforcedPause` while paused,
/// `ReentrancyGuardReentrantCall` inside a payment.
interface IP2PLotteryBetting {
    // ------------------------------------------------------------------------------------------------------ types

    /// @notice What a bet says about the winning number n (0..99). The opposite of p is p XOR 1.
    /// @dev EVEN, ODD: n even, n odd. HIGH: n >= 50. LOW: n < 50. The combined ones hold when both parts hold; when
    /// neither a combined prediction nor its opposite holds, the pair is a push: matched stakes go back without a fee.
    enum Prediction {
        EVEN,
        ODD,
        HIGH,
        LOW,
        EVEN_LOW,
        ODD_HIGH,
        EVEN_HIGH,
        ODD_LOW
    }

    /// @notice Where a round stands. FINALIZED and CANCELLED are final.
    enum RoundStatus {
        NONE,
        OPEN,
        LOCKED,
        FINALIZED,
        CANCELLED
    }

    /// @notice The lottery game that a market serves: its name, its ball matrix and its draw calendar.
    /// @param name "powerball" or "mega-millions"; 1 to 31 bytes
    /// @param whiteMax highest white ball (69 | 70), at least 5
    /// @param specialMax highest special ball (26 | 24); even, or the rule for the winning number is not fair
    /// @param drawDays weekdays of the draw in New York, bit 0 = Sunday; 0 = any time, for test chains
    /// @param drawSecond second of the New York day at which the draw takes place (22:59 = 82740 | 23:00 = 82800)
    struct Game {
        string name;
        uint8 whiteMax;
        uint8 specialMax;
        uint8 drawDays;
        uint24 drawSecond;
    }

    /// @notice What a market is deployed with.
    /// @param game the lottery game
    /// @param adminDelay seconds that a hand-over of the admin role waits, at most MAX_ADMIN_DELAY
    /// @param admin holder of the admin role: settings, unpausing, granting and revoking the other roles, at once
    /// @param operator holder of OPERATOR_ROLE: opens rounds, cancels them while bets are taken
    /// @param guardian holder of GUARDIAN_ROLE: pauses, cancels a round before its draw
    /// @param oracle who decides the results of rounds created from now on
    /// @param feeRecipient where `withdrawFees` sends the fees
    /// @param feeBps fee on profit in hundredths of a percent, at most MAX_FEE_BPS
    /// @param minBet smallest bet in wei, at least 1 gwei
    /// @param maxBet largest bet in wei
    struct Params {
        Game game;
        uint48 adminDelay;
        address admin;
        address operator;
        address guardian;
        address oracle;
        address feeRecipient;
        uint16 feeBps;
        uint256 minBet;
        uint256 maxBet;
    }

    /// @notice A round as `getRoundInfo` tells it.
    /// @param drawTime when the lottery draws
    /// @param lockTime from when on no bet is taken (drawTime - 15 minutes)
    /// @param status as time has it: an OPEN round past lockTime reads LOCKED
    /// @param winningNumber 0..99 once FINALIZED, else 0
    /// @param feeBps the fee of this round, fixed when it was created
    /// @param finalizedAt when the result came, 0 before
    /// @param totalStaked all stakes that stand in the round, matched or not
    /// @param totalMatched the sum over the four pairs of what is matched on one side
    /// @param oracle who decides the result, fixed when the round was created
    struct RoundInfo {
        uint256 drawTime;
        uint256 lockTime;
        RoundStatus status;
        uint8 winningNumber;
        uint16 feeBps;
        uint256 finalizedAt;
        uint256 totalStaked;
        uint256 totalMatched;
        address oracle;
    }

    /// @notice One bet as `getUserBets` tells it.
    /// @param prediction 0..7, see Prediction
    /// @param amount the stake, less what was cancelled of it; 0 when it was cancelled whole
    /// @param offset where the bet's interval [offset, offset + amount) begins on its line
    /// @param matchedAmount how much of it has found opponents; never falls, and stays in a cancelled round
    /// @param placedAt when it was placed
    /// @param refunded its unmatched part was paid back after betting ended; false for a bet that has none, because all
    /// of it was matched or because the rest was cancelled
    /// @param settled nothing is due for it and nothing will be; at once for a bet cancelled whole
    struct BetInfo {
        uint8 prediction;
        uint256 amount;
        uint256 offset;
        uint256 matchedAmount;
        uint256 placedAt;
        bool refunded;
        bool settled;
    }

    // ----------------------------------------------------------------------------------------------------- events

    /// @notice A round takes bets until lockTime; its fee and its oracle are fixed.
    event RoundCreated(
        uint256 indexed roundId, uint256 drawTime, uint256 lockTime, uint16 feeBps, address oracle
    );
    /// @notice A bet of `amount` stands at the end of its prediction's line: its offset is the sum of the line's
    /// BetPlaced so far, less its BetCancelled. A user's bets are counted from 0 in the order of this event.
    event BetPlaced(uint256 indexed roundId, address indexed user, uint8 indexed prediction, uint256 amount);
    /// @notice What the bet just placed matched at once. Later bets may match more of it without another event.
    event BetMatched(uint256 indexed roundId, address indexed user, uint256 matchedAmount);
    /// @notice The unmatched part of a user's bet went back to the user, and left the end of the bet's line.
    /// @param betIndex which of the user's bets in this round, as `getUserBets` counts them
    event BetCancelled(uint256 indexed roundId, address indexed user, uint256 betIndex, uint256 amount);
    /// @notice Somebody recorded that the betting is over (it ended at lockTime in any case).
    event RoundLocked(uint256 indexed roundId, uint256 timestamp);
    /// @notice The round's oracle gave the winning number.
    event RoundFinalized(uint256 indexed roundId, uint8 winningNumber, uint256 timestamp);
    /// @notice The round was cancelled or void: every stake goes back.
    event RoundCancelled(uint256 indexed roundId);
    /// @notice Winnings were paid: twice the matched stake of the winning bets, less the fee.
    event WinningsClaimed(uint256 indexed roundId, address indexed user, uint256 amount);
    /// @notice Anything else was paid back: unmatched, pushed or cancelled stakes.
    event RefundIssued(uint256 indexed roundId, address indexed user, uint256 amount);
    /// @notice The fees of a round went to the fee recipient.
    event FeesWithdrawn(uint256 indexed roundId, uint256 amount);
    /// @notice Rounds created from now on charge this fee.
    event FeeChanged(uint16 feeBps);
    /// @notice Rounds created from now on are decided by this oracle.
    event OracleChanged(address indexed oracle);
    /// @notice Bets placed from now on must lie within these limits.
    event BetLimitsChanged(uint256 minBet, uint256 maxBet);
    /// @notice Fees withdrawn from now on go here.
    event FeeRecipientChanged(address indexed feeRecipient);

    // ----------------------------------------------------------------------------------------------------- errors

    /// @notice No round has this id.
    error UnknownRound(uint256 roundId);
    /// @notice The draw time is not one of the game's: wrong weekday, wrong second, or daylight saving overlooked.
    error NotADrawTime(uint256 drawTime);
    /// @notice A round opens more than 15 minutes and at most 60 days before its draw: `earliest` to `latest`.
    error DrawTimeOutOfRange(uint256 drawTime, uint256 earliest, uint256 latest);
    /// @notice This round stands already for the draw.
    error DrawTimeTaken(uint256 drawTime, uint256 roundId);
    /// @notice Bets end 15 minutes before the draw, and this round's did at `lockTime`.
    error BettingClosed(uint256 roundId, uint256 lockTime);
    /// @notice The round's status does not allow this.
    error WrongStatus(uint256 roundId, RoundStatus status);
    /// @notice It can be done from `time` on.
    error TooEarly(uint256 roundId, uint256 time);
    /// @notice It could be done until `time`, that second included.
    error TooLate(uint256 roundId, uint256 time);
    /// @notice Predictions are 0 to 7.
    error InvalidPrediction(uint8 prediction);
    /// @notice Winning numbers are 0 to 99.
    error InvalidWinningNumber(uint8 winningNumber);
    /// @notice The stake must lie within the limits.
    error BetOutOfLimits(uint256 amount, uint256 minBet, uint256 maxBet);
    /// @notice A user has at most `limit` bets a round.
    error TooManyBets(uint256 roundId, address user, uint256 limit);
    /// @notice The line holds `total` and cannot hold this much more: together they would pass 2^96 - 1 wei.
    error LineFull(uint256 roundId, uint8 prediction, uint256 total);
    /// @notice Only `matchable` of what was sent would be matched at once, and `required` was the least wanted: the
    /// caller's own bound or the smallest bet, whichever is more.
    error NotEnoughMatched(uint256 roundId, uint256 matchable, uint256 required);
    /// @notice The user has no bet of this index in the round.
    error UnknownBet(uint256 roundId, address user, uint256 betIndex);
    /// @notice All that stands of this bet is matched; a matched stake cannot be taken back.
    error NothingUnmatched(uint256 roundId, uint256 betIndex);
    /// @notice Other stakes stand above this bet on its line, and they keep their place.
    error NotAtTail(uint256 roundId, uint256 betIndex);
    /// @notice Only the round's oracle decides its result.
    error NotRoundOracle(uint256 roundId, address caller, address oracle);
    /// @notice Only operator and guardian cancel rounds. (One of them that comes too late gets TooLate.)
    error NotAllowedToCancel(uint256 roundId, address caller);
    /// @notice Nothing is due to this user now. (Round 0 stands for all rounds of a batch.)
    error NothingDue(uint256 roundId, address user);
    /// @notice The round has its result: `claimWinnings` pays all, refunds too.
    error UseClaimWinnings(uint256 roundId);
    /// @notice The recipient did not accept the payment; nothing has changed.
    error PaymentRefused(address recipient, uint256 amount);
    /// @notice Send more gas: a recipient might otherwise be skipped for want of it.
    error NotEnoughGas(uint256 gasLeft, uint256 gasNeeded);
    /// @notice The fee is above MAX_FEE_BPS.
    error FeeTooHigh(uint256 feeBps, uint256 maxFeeBps);
    /// @notice Limits must satisfy 1 gwei <= minBet <= maxBet <= 2^96 - 1.
    error InvalidBetLimits(uint256 minBet, uint256 maxBet);
    /// @notice An address that must be set is zero; `what` names it.
    error ZeroAddress(string what);
    /// @notice The game's values are out of their ranges (see Game).
    error InvalidGame(Game game);
    /// @notice A hand-over of the admin role must not wait this long.
    error AdminDelayTooLong(uint256 adminDelay, uint256 maxAdminDelay);

    // ------------------------------------------------------------------------------------------ rounds and results

    /// @notice Opens a round for a draw. Its fee and its oracle are those set now, and stay.
    /// @param drawTime a scheduled instant of the game: weekday, second of the day and New York's daylight saving are
    /// computed on chain, so that no key can open betting past a draw, as long as the lottery keeps this schedule and
    /// New York the daylight saving of 2007 (with drawDays = 0, for test chains, nothing is checked)
    /// @return roundId the round's id, counted from 1
    /// @dev OPERATOR_ROLE, not while paused. Reverts with NotADrawTime, DrawTimeOutOfRange, DrawTimeTaken.
    function createRound(uint256 drawTime) external returns (uint256 roundId);

    /// @notice Records and announces that betting is over. Nothing else depends on it.
    /// @dev Anyone, once, from lockTime on. Reverts with WrongStatus, TooEarly.
    function lockRound(uint256 roundId) external;

    /// @notice Gives the winning number.
    /// @dev The round's oracle, once, from drawTime to drawTime + 72 h, both included. Reverts with NotRoundOracle,
    /// InvalidWinningNumber, WrongStatus, TooEarly, TooLate.
    function finalizeRound(uint256 roundId, uint8 winningNumber) external;

    /// @notice Cancels a round before its draw; every stake goes back.
    /// @dev OPERATOR_ROLE before lockTime, GUARDIAN_ROLE before drawTime. Reverts with WrongStatus, TooLate,
    /// NotAllowedToCancel.
    function cancelRound(uint256 roundId) external;

    /// @notice Ends a round whose result never came; every stake goes back. Announced by RoundCancelled.
    /// @dev Anyone, after drawTime + 72 h. Reverts with WrongStatus, TooEarly.
    function voidRound(uint256 roundId) external;

    // -------------------------------------------------------------------------------------------------------- bets

    /// @notice Places the coins sent with the call on a prediction. Several bets a round and user, 16 at most.
    /// @param prediction 0..7, see Prediction
    /// @dev A contract that bets must accept plain payments. Anyone, before lockTime, not while paused. Reverts with
    /// WrongStatus, BettingClosed, InvalidPrediction, BetOutOfLimits, LineFull, TooManyBets.
    function placeBet(uint256 roundId, uint8 prediction) external payable;

    /// @notice Places only what is matched at once of the coins sent, and returns the rest in the same call.
    /// @param minMatched the least that must be matched, in wei; less than the smallest bet means the smallest bet
    /// @dev The largest bet binds what was sent, the smallest what is taken. Anyone, before lockTime, not while paused.
    /// Reverts with WrongStatus, BettingClosed, InvalidPrediction, BetOutOfLimits, NotEnoughMatched, TooManyBets,
    /// PaymentRefused.
    function placeMatchedBet(uint256 roundId, uint8 prediction, uint256 minMatched) external payable;

    /// @notice Takes back what is unmatched of the caller's bet, when nothing stands above it on its line. What is
    /// matched stays, and nobody's matched stake falls.
    /// @param betIndex which of the caller's bets, as `getUserBets` counts them; the bet keeps its index and counts
    /// towards the 16, even when nothing is left of it
    /// @dev Before lockTime, paused or not. Reverts with WrongStatus, BettingClosed, UnknownBet, NothingUnmatched,
    /// NotAtTail, PaymentRefused.
    function cancelUnmatched(uint256 roundId, uint256 betIndex) external;

    // ------------------------------------------------------------------------------------------------------ payout

    /// @notice Pays the caller all that is due from a finalized round: winnings and what is left of the refund.
    /// @dev Reverts with WrongStatus, NothingDue, PaymentRefused.
    function claimWinnings(uint256 roundId) external;

    /// @notice Pays the caller what found no opponent, from lockTime until the result; everything when cancelled.
    /// @dev Reverts with TooEarly before lockTime, UseClaimWinnings after a result, NothingDue, PaymentRefused.
    function claimRefund(uint256 roundId) external;

    /// @notice Pays all that is due to the caller from finalized and cancelled rounds, in one payment.
    /// @param roundIds a repeated one pays once, one with nothing due is skipped
    /// @param to who gets the payment; the events name the caller
    /// @dev Reverts with ZeroAddress, WrongStatus naming a round that is not over, NothingDue when no round has
    /// anything, PaymentRefused.
    function claimWinningsBatch(uint256[] calldata roundIds, address to) external;

    /// @notice Pays each bettor what is due now, to the bettor only. Anyone may call it for anyone.
    /// @dev A recipient that refuses, or wants more than SETTLE_GAS, is skipped, stays payable and stops nobody else;
    /// so is one with nothing due, and a repeated one. Returned data are not copied. Reverts with UnknownRound,
    /// TooEarly before lockTime, NotEnoughGas.
    function settle(uint256 roundId, address[] calldata bettors) external;

    /// @notice Sends the fees of finalized rounds to the fee recipient, each round once; those paid are skipped.
    /// @dev Anyone. Reverts with WrongStatus naming a round without a result, PaymentRefused.
    function withdrawFees(uint256[] calldata roundIds) external;

    // ---------------------------------------------------------------------------------------------------- settings

    /// @notice Sets the fee of rounds created from now on. Admin. Reverts with FeeTooHigh.
    function setFee(uint16 newFeeBps) external;

    /// @notice Sets who decides the rounds created from now on. Admin. Reverts with ZeroAddress.
    function setOracle(address newOracle) external;

    /// @notice Sets the limits of bets placed from now on. Admin. Reverts with InvalidBetLimits.
    function setBetLimits(uint256 newMinBet, uint256 newMaxBet) external;

    /// @notice Sets where fees go. Admin. Reverts with ZeroAddress.
    function setFeeRecipient(address newFeeRecipient) external;

    /// @notice Stops new rounds and new bets, and nothing else. GUARDIAN_ROLE.
    function pause() external;

    /// @notice Lets rounds and bets in again. Admin.
    function unpause() external;

    // ------------------------------------------------------------------------------------------------------- views

    /// @notice A round: times, status as time has it, result, fee, oracle, sums.
    function getRoundInfo(uint256 roundId) external view returns (RoundInfo memory);

    /// @notice The line of one prediction.
    /// @return totalAmount all stakes that stand on it
    /// @return matchedAmount how much of them has found opponents, equal to the wei on the opposite line
    /// @return betCount how many bets were placed on it, cancelled ones too
    function getPredictionPool(uint256 roundId, uint8 prediction)
        external
        view
        returns (uint256 totalAmount, uint256 matchedAmount, uint256 betCount);

    /// @notice All of a user's bets in a round, summed up.
    /// @return amount the stakes, less what was cancelled
    /// @return matchedAmount how much of them has found opponents
    /// @return betCount how many bets, cancelled ones too
    /// @return settled the user has bets and nothing is due for them, now or later
    function getUserBet(uint256 roundId, address user)
        external
        view
        returns (uint256 amount, uint256 matchedAmount, uint256 betCount, bool settled);

    /// @notice A user's bets in a round, in the order in which they were placed.
    function getUserBets(uint256 roundId, address user) external view returns (BetInfo[] memory);

    /// @notice What a claim, a refund or a settling would pay the user now.
    /// @return winnings the amount WinningsClaimed would tell
    /// @return refund the amount RefundIssued would tell
    function claimable(uint256 roundId, address user) external view returns (uint256 winnings, uint256 refund);

    /// @notice What a bet of `amount` would get if it were placed now.
    /// @return matchedNow what would be matched at once (and all that `placeMatchedBet` would take)
    /// @return payoutIfWon all that comes back if it wins and nothing more is matched: twice the matched part, less the
    /// fee, and the unmatched part
    /// @return fee the fee in that case
    /// @dev Reverts with whatever `placeBet` would; only the caller's own number of bets is not looked at.
    function quote(uint256 roundId, uint8 prediction, uint256 amount)
        external
        view
        returns (uint256 matchedNow, uint256 payoutIfWon, uint256 fee);

    /// @notice The round that stands for a draw, 0 when none does.
    function roundOf(uint256 drawTime) external view returns (uint256 roundId);

    /// @notice What an oracle needs to know of a round, cheaply.
    function resultTerms(uint256 roundId)
        external
        view
        // slither-disable-next-line shadowing-local - the ABI's name
        returns (uint256 drawTime, RoundStatus status, address oracle, uint8 whiteMax, uint8 specialMax);

    /// @notice The game that this market serves.
    function gameRules() external view returns (Game memory);

    /// @notice How many rounds were ever created; ids run from 1 to this.
    function roundCount() external view returns (uint256);

    /// @notice Who decides the rounds created from now on.
    function oracle() external view returns (address);

    /// @notice Where fees go.
    function feeRecipient() external view returns (address);

    /// @notice The fee of rounds created from now on, in hundredths of a percent of the profit.
    function feeBps() external view returns (uint16);

    /// @notice Smallest bet, in wei.
    function minBet() external view returns (uint256);

    /// @notice Largest bet, in wei.
    function maxBet() external view returns (uint256);
}
