// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../interfaces/IP2PLotteryBetting.sol";
import {Lines} from "../libraries/Lines.sol";
import {MarketSettings} from "./MarketSettings.sol";

/// @title What a market remembers of rounds and bets, and everything that can be read from it
/// @dev Second of the three parts of P2PLotteryBetting. It writes nothing.
abstract contract MarketBook is MarketSettings {
    // ------------------------------------------------------------------------------------------------ constants

    /// @notice Bets a user may place in a round.
    uint256 public constant MAX_BETS_PER_USER = 16;
    /// @notice Seconds before the draw at which betting ends.
    uint256 public constant LOCK_LEAD = 15 minutes;

    uint256 internal constant PAIRS = 4;

    // -------------------------------------------------------------------------------------------------- storage

    /// @dev One slot, full.
    struct Round {
        uint32 drawTime;
        uint24 resultDelay; // seconds from the draw to the result
        uint16 feeBps;
        uint8 winningNumber;
        RoundStatus status; // as last written; OPEN past lockTime means LOCKED
        bool feesPaid;
        address oracle;
    }

    /// @dev One slot, full: the two lines of a pair. Flat, since a nested array would take two slots.
    struct Pair {
        uint96 firstTotal;
        uint32 firstCount;
        uint96 secondTotal;
        uint32 secondCount;
    }

    /// @dev One slot, full. The last three belong to the user and are kept in the user's first bet only.
    struct Bet {
        uint96 amount;
        uint96 offset;
        uint32 placedAt;
        uint8 prediction;
        uint8 betCount;
        bool refunded; // what was unmatched has been paid
        bool settled; // all has been paid
    }

    mapping(uint256 roundId => Round) internal _rounds;
    mapping(uint256 drawTime => uint256 roundId) internal _roundOf;
    mapping(uint256 roundId => Pair[PAIRS]) internal _pairs;
    mapping(uint256 roundId => mapping(address user => Bet[MAX_BETS_PER_USER])) internal _bets;

    // ---------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IP2PLotteryBetting
    function getRoundInfo(uint256 roundId) external view returns (RoundInfo memory info) {
        Round memory round = _load(roundId);
        info.drawTime = round.drawTime;
        info.lockTime = round.drawTime - LOCK_LEAD;
        info.status = round.status;
        info.winningNumber = round.winningNumber;
        info.feeBps = round.feeBps;
        if (info.status == RoundStatus.FINALIZED) info.finalizedAt = info.drawTime + round.resultDelay;
        for (uint256 pair = 0; pair < PAIRS; ++pair) {
            (uint256 first, uint256 second) = _totals(roundId, pair);
            info.totalStaked += first + second;
            info.totalMatched += first < second ? first : second;
        }
        info.oracle = round.oracle;
    }

    /// @inheritdoc IP2PLotteryBetting
    function getPredictionPool(uint256 roundId, uint8 prediction)
        external
        view
        returns (uint256 totalAmount, uint256 matchedAmount, uint256 betCount)
    {
        _known(roundId);
        _requirePrediction(prediction);
        Pair memory pair = _pairs[roundId][prediction >> 1];
        (totalAmount, betCount) =
            prediction & 1 == 0 ? (pair.firstTotal, pair.firstCount) : (pair.secondTotal, pair.secondCount);
        matchedAmount = _level(roundId, prediction >> 1);
    }

    /// @inheritdoc IP2PLotteryBetting
    function getUserBet(uint256 roundId, address user)
        external
        view
        returns (uint256 amount, uint256 matchedAmount, uint256 betCount, bool settled)
    {
        BetInfo[] memory bets = getUserBets(roundId, user);
        betCount = bets.length;
        settled = betCount != 0;
        for (uint256 i = 0; i < betCount; ++i) {
            amount += bets[i].amount;
            matchedAmount += bets[i].matchedAmount;
            settled = settled && bets[i].settled;
        }
    }

    /// @inheritdoc IP2PLotteryBetting
    function getUserBets(uint256 roundId, address user) public view returns (BetInfo[] memory bets) {
        Round memory round = _load(roundId);
        Bet[MAX_BETS_PER_USER] storage stored = _bets[roundId][user];
        Bet memory first = stored[0];
        bets = new BetInfo[](first.betCount);
        for (uint256 i = 0; i < bets.length; ++i) {
            Bet memory bet = stored[i];
            uint256 level = _level(roundId, bet.prediction >> 1);
            BetInfo memory info = bets[i];
            info.prediction = bet.prediction;
            info.amount = bet.amount;
            info.offset = bet.offset;
            info.matchedAmount = Lines.matched(level, bet.offset, bet.amount);
            info.placedAt = bet.placedAt;
            info.refunded = info.matchedAmount != bet.amount && (first.refunded || first.settled);
            info.settled = first.settled || _nothingLeft(round, bet, level, first.refunded);
        }
    }

    /// @inheritdoc IP2PLotteryBetting
    function claimable(uint256 roundId, address user)
        external
        view
        returns (uint256 winnings, uint256 refund)
    {
        return _due(roundId, _load(roundId), user);
    }

    /// @inheritdoc IP2PLotteryBetting
    function quote(uint256 roundId, uint8 prediction, uint256 amount)
        external
        view
        whenNotPaused
        returns (uint256 matchedNow, uint256 payoutIfWon, uint256 fee)
    {
        uint256 own;
        (own, matchedNow) = _requireBettable(roundId, prediction, amount);
        fee = Lines.fee(own, matchedNow, _rounds[roundId].feeBps);
        payoutIfWon = amount + matchedNow - fee;
    }

    /// @inheritdoc IP2PLotteryBetting
    function roundOf(uint256 drawTime) external view returns (uint256 roundId) {
        return _roundOf[drawTime];
    }

    /// @inheritdoc IP2PLotteryBetting
    function resultTerms(uint256 roundId)
        external
        view
        // slither-disable-next-line shadowing-local - the ABI's name; oracle() is not used here
        returns (uint256 drawTime, RoundStatus status, address oracle, uint8 whiteMax, uint8 specialMax)
    {
        Round memory round = _load(roundId);
        return (round.drawTime, round.status, round.oracle, WHITE_MAX, SPECIAL_MAX);
    }

    /// @inheritdoc IP2PLotteryBetting
    function roundCount() external view returns (uint256) {
        return _roundCount;
    }

    // ------------------------------------------------------------------------------------------------ internals

    /// @dev The round in storage, or UnknownRound.
    function _known(uint256 roundId) internal view returns (Round storage round) {
        round = _rounds[roundId];
        if (round.status == RoundStatus.NONE) revert UnknownRound(roundId);
    }

    /// @dev Whether bets are taken, and taken back: the round stands and its betting is not over.
    function _requireBetting(uint256 roundId) internal view {
        Round storage round = _known(roundId);
        if (round.status == RoundStatus.CANCELLED) revert WrongStatus(roundId, RoundStatus.CANCELLED);
        uint256 lockTime = round.drawTime - LOCK_LEAD;
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp >= lockTime) revert BettingClosed(roundId, lockTime);
    }

    /// @dev Whether a bet of `amount` may be placed.
    /// @return own the total of its line so far, where it would begin
    /// @return matchedNow what of it would be matched at once
    function _requireBettable(uint256 roundId, uint8 prediction, uint256 amount)
        internal
        view
        returns (uint256 own, uint256 matchedNow)
    {
        _requireBetting(roundId);
        _requirePrediction(prediction);
        if (amount < _minBet || amount > _maxBet) revert BetOutOfLimits(amount, _minBet, _maxBet);
        uint256 other;
        (own, other) = _lines(roundId, prediction);
        if (amount > type(uint96).max - own) revert LineFull(roundId, prediction, own);
        matchedNow = Lines.matched(other, own, amount);
    }

    function _requirePrediction(uint8 prediction) internal pure {
        if (prediction > uint8(type(Prediction).max)) revert InvalidPrediction(prediction);
    }

    /// @dev A copy of the round with its status as time has it, or UnknownRound.
    function _load(uint256 roundId) internal view returns (Round memory round) {
        round = _rounds[roundId];
        if (round.status == RoundStatus.NONE) revert UnknownRound(roundId);
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (round.status == RoundStatus.OPEN && block.timestamp >= round.drawTime - LOCK_LEAD) {
            round.status = RoundStatus.LOCKED;
        }
    }

    /// @dev What is due to a user now, and not yet paid.
    function _due(uint256 roundId, Round memory round, address user)
        internal
        view
        returns (uint256 winnings, uint256 refund)
    {
        Bet[MAX_BETS_PER_USER] storage bets = _bets[roundId][user];
        Bet memory bet = bets[0];
        bool refunded = bet.refunded;
        if (bet.settled) return (0, 0);
        uint256 count = bet.betCount;
        for (uint256 i = 0; i < count; ++i) {
            if (i != 0) bet = bets[i];
            uint256 level = _level(roundId, bet.prediction >> 1);
            (uint256 won, uint256 back) = _betDue(round, bet, level, refunded);
            winnings += won;
            refund += back;
        }
    }

    /// @dev What one bet gets, given how far its pair is matched and whether its unmatched part was paid.
    function _betDue(Round memory round, Bet memory bet, uint256 level, bool refunded)
        internal
        pure
        returns (uint256 winnings, uint256 refund)
    {
        if (round.status == RoundStatus.OPEN) return (0, 0);
        uint256 matched = Lines.matched(level, bet.offset, bet.amount);
        if (!refunded) refund = bet.amount - matched;
        if (round.status == RoundStatus.CANCELLED) {
            refund += matched;
        } else if (round.status == RoundStatus.FINALIZED && matched != 0) {
            Lines.Outcome outcome = Lines.outcome(bet.prediction >> 1, round.winningNumber);
            if (outcome == Lines.Outcome.PUSH) {
                refund += matched;
            } else if (uint8(outcome) == bet.prediction & 1) {
                winnings = 2 * matched - Lines.fee(bet.offset, matched, round.feeBps);
            }
        }
    }

    /// @dev Whether nothing is due for a bet, now or later.
    function _nothingLeft(Round memory round, Bet memory bet, uint256 level, bool refunded)
        private
        pure
        returns (bool)
    {
        if (bet.amount == 0) return true; // cancelled whole
        if (round.status == RoundStatus.OPEN) return false;
        if (round.status == RoundStatus.LOCKED && Lines.matched(level, bet.offset, bet.amount) != 0) {
            return false;
        }
        (uint256 winnings, uint256 refund) = _betDue(round, bet, level, refunded);
        return winnings + refund == 0;
    }

    function _totals(uint256 roundId, uint256 pair) internal view returns (uint256 first, uint256 second) {
        Pair storage lines = _pairs[roundId][pair];
        return (lines.firstTotal, lines.secondTotal);
    }

    /// @dev The total of a prediction's own line, and of the opposite one.
    function _lines(uint256 roundId, uint8 prediction) internal view returns (uint256 own, uint256 other) {
        (own, other) = _totals(roundId, prediction >> 1);
        if (prediction & 1 == 1) (own, other) = (other, own);
    }

    /// @dev How far both lines of a pair are matched: M = min(A, B).
    function _level(uint256 roundId, uint256 pair) internal view returns (uint256) {
        (uint256 first, uint256 second) = _totals(roundId, pair);
        return first < second ? first : second;
    }
}
