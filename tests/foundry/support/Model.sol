// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {OrderQueue} from "./OrderQueue.sol";
import {World} from "./World.sol";

/// @title What the campaign believes of the market
/// @notice Rounds as lists of orders and sums of what was paid. From these, and never from the market, it tells what is
/// due to whom and which error an action must meet.
abstract contract Model is World {
    using OrderQueue for OrderQueue.Book;

    /// @dev An order of a user: where it stands in its line.
    struct Bet {
        uint8 prediction;
        uint256 index;
    }

    struct Round {
        uint256 drawTime;
        uint256 feeBps;
        address oracle;
        IP2PLotteryBetting.RoundStatus status; // as last recorded
        uint8 number;
        uint256 decidedAt;
        bool feesPaid;
        uint256 staked; // less what was given back by cancelUnmatched
        uint256 paid; // to bettors, after the betting
        uint256 feesTaken;
        OrderQueue.Book book;
        mapping(address user => Bet[]) bets;
        mapping(address user => uint256) received;
    }

    uint256 public roundCount;
    mapping(uint256 roundId => Round) internal rounds;

    bool public paused;
    uint16 public feeBps = 200;
    uint256 public minBet = 0.001 ether;
    uint256 public maxBet = 1 ether;
    address public oracle;
    address public feeRecipient = TREASURY;

    /// @dev What was seen of the market itself, by `_remember`.
    mapping(uint256 roundId => bytes32) public termsSeen; // of a round, at the first sight of it
    mapping(uint256 roundId => bytes32) public endSeen; // at the first sight of its end
    mapping(uint256 roundId => mapping(address user => mapping(uint256 i => uint256))) public mostMatched;

    constructor() {
        oracle = address(committees[0]);
    }

    /// @dev Every action plays within this.
    modifier play(uint256 seed) {
        _begin(seed);
        _;
        _remember();
    }

    // --------------------------------------------------------------------------------------------------- memory

    /// @dev Keeps what must not change any more, or not fall. What was once kept as an end or as terms is not kept
    /// anew.
    function _remember() internal {
        for (uint256 id = 1; id <= roundCount; ++id) {
            if (endSeen[id] != 0) continue;
            IP2PLotteryBetting.RoundInfo memory info = market.getRoundInfo(id);
            if (termsSeen[id] == 0) termsSeen[id] = termsOf(info);
            if (
                info.status == IP2PLotteryBetting.RoundStatus.FINALIZED
                    || info.status == IP2PLotteryBetting.RoundStatus.CANCELLED
            ) endSeen[id] = endOf(info);
            for (uint256 u = 0; u < bettors.length; ++u) {
                IP2PLotteryBetting.BetInfo[] memory bets = market.getUserBets(id, bettors[u]);
                mapping(uint256 => uint256) storage most = mostMatched[id][bettors[u]];
                for (uint256 i = 0; i < bets.length; ++i) {
                    if (bets[i].matchedAmount > most[i]) most[i] = bets[i].matchedAmount;
                }
            }
        }
    }

    function termsOf(IP2PLotteryBetting.RoundInfo memory info) public pure returns (bytes32) {
        return keccak256(abi.encode(info.drawTime, info.lockTime, info.feeBps, info.oracle));
    }

    function endOf(IP2PLotteryBetting.RoundInfo memory info) public pure returns (bytes32) {
        return keccak256(abi.encode(info.status, info.winningNumber, info.finalizedAt, info.totalStaked));
    }

    // ----------------------------------------------------------------------------------------------------- reading

    /// @notice A round without its lists.
    struct Facts {
        uint256 drawTime;
        uint256 feeBps;
        address oracle;
        IP2PLotteryBetting.RoundStatus status; // as time has it
        uint8 number;
        uint256 decidedAt;
        bool feesPaid;
        uint256 staked;
        uint256 paid;
        uint256 feesTaken;
        uint256 fees; // of a finalized round, taken or not
    }

    function facts(uint256 roundId) external view returns (Facts memory) {
        Round storage r = rounds[roundId];
        IP2PLotteryBetting.RoundStatus status = _status(r);
        return Facts(
            r.drawTime,
            r.feeBps,
            r.oracle,
            status,
            r.number,
            r.decidedAt,
            r.feesPaid,
            r.staked,
            r.paid,
            r.feesTaken,
            _fees(r)
        );
    }

    function line(uint256 roundId, uint8 prediction)
        external
        view
        returns (uint256 staked, uint256 matched, uint256 count)
    {
        OrderQueue.Book storage book = rounds[roundId].book;
        return (book.stakedOn(prediction), book.matchedOn(prediction), book.lines[prediction].length);
    }

    struct BetFacts {
        uint8 prediction;
        uint256 amount;
        uint256 matched;
    }

    function betsOf(uint256 roundId, address user) external view returns (BetFacts[] memory list) {
        Round storage r = rounds[roundId];
        Bet[] storage bets = r.bets[user];
        list = new BetFacts[](bets.length);
        for (uint256 i = 0; i < bets.length; ++i) {
            OrderQueue.Order memory order = r.book.lines[bets[i].prediction][bets[i].index];
            list[i] = BetFacts(bets[i].prediction, order.amount, order.matched);
        }
    }

    function due(uint256 roundId, address user) external view returns (uint256 winnings, uint256 refund) {
        return _due(rounds[roundId], user);
    }

    // ------------------------------------------------------------------------------------------------------- rules

    function _status(Round storage r) internal view returns (IP2PLotteryBetting.RoundStatus) {
        if (r.status == IP2PLotteryBetting.RoundStatus.OPEN && clock >= r.drawTime - LEAD) {
            return IP2PLotteryBetting.RoundStatus.LOCKED;
        }
        return r.status;
    }

    function _isUndecided(Round storage r) internal view returns (bool) {
        return
            r.status == IP2PLotteryBetting.RoundStatus.OPEN
                || r.status == IP2PLotteryBetting.RoundStatus.LOCKED;
    }

    function _isFinal(Round storage r) internal view returns (bool) {
        return r.status == IP2PLotteryBetting.RoundStatus.FINALIZED
            || r.status == IP2PLotteryBetting.RoundStatus.CANCELLED;
    }

    function _fees(Round storage r) internal view returns (uint256) {
        if (r.status != IP2PLotteryBetting.RoundStatus.FINALIZED) return 0;
        return r.book.fees(r.number, r.feeBps);
    }

    /// @dev What a user is entitled to at this point, less what the user has had.
    function _due(Round storage r, address user) internal view returns (uint256 winnings, uint256 refund) {
        IP2PLotteryBetting.RoundStatus status = _status(r);
        if (status == IP2PLotteryBetting.RoundStatus.OPEN) return (0, 0);
        Bet[] storage bets = r.bets[user];
        for (uint256 i = 0; i < bets.length; ++i) {
            Bet memory b = bets[i];
            if (status == IP2PLotteryBetting.RoundStatus.FINALIZED) {
                (uint256 won, uint256 back) = r.book.payout(b.prediction, b.index, r.number, r.feeBps);
                winnings += won;
                refund += back;
            } else {
                OrderQueue.Order memory order = r.book.lines[b.prediction][b.index];
                refund += order.amount;
                if (status == IP2PLotteryBetting.RoundStatus.LOCKED) refund -= order.matched;
            }
        }
        uint256 received = r.received[user];
        if (received == winnings + refund) return (0, 0);
        refund -= received; // winnings come last and at once
    }

    /// @dev Whether a payment would be taken, with all the gas there is or with what `settle` gives.
    function _accepts(address account, bool settling) internal view returns (bool) {
        if (account == address(refuser)) return refuser.accepting();
        if (account == address(burner)) return !settling;
        return account != address(market);
    }

    // ------------------------------------------------------------------------------------------------------ choice

    /// @dev Makes it likely that the time has come: to the second, or a second too early, or not at all. Rounds in which
    /// hardly anybody has bet yet are mostly left the time for it.
    function _approach(uint256 time) internal {
        uint256 choice = _roll(8);
        if (!_isRipe(time) && !_oneIn(4)) return;
        if (choice < 5) _warp(time);
        else if (choice < 7) _warp(time - 1);
    }

    /// @dev Sees to it that some round takes bets.
    function _ensureBettable() internal virtual;

    function _isRipe(uint256 time) internal view virtual returns (bool) {
        for (uint256 i = 1; i <= roundCount; ++i) {
            Round storage r = rounds[i];
            if (r.status != IP2PLotteryBetting.RoundStatus.OPEN || r.drawTime - LEAD > time) continue;
            if (clock >= r.drawTime - LEAD) continue;
            uint256 orders = 0;
            for (uint256 p = 0; p < 8; ++p) {
                orders += r.book.lines[p].length;
            }
            if (orders < 6) return false;
        }
        return true;
    }

    /// @dev Any round, now and then one that does not exist.
    function _anyRound() internal returns (uint256) {
        if (_oneIn(40)) return _oneIn(2) ? 0 : roundCount + 1;
        return roundCount == 0 ? 0 : 1 + _roll(roundCount);
    }

    enum Wanted {
        BETTABLE,
        UNDECIDED,
        DRAWN,
        DIRECT,
        ENDED,
        FINALIZED,
        CANCELLED,
        FEES_DUE
    }

    /// @dev Most often a round of the wanted kind, if there is one.
    function _round(Wanted wanted) internal returns (uint256 roundId) {
        if (_oneIn(10)) return _anyRound();
        uint256 start = _roll(roundCount + 1);
        for (uint256 i = 0; i < roundCount; ++i) {
            roundId = 1 + (start + i) % roundCount;
            if (_isWanted(rounds[roundId], wanted)) return roundId;
        }
        return _anyRound();
    }

    function _isWanted(Round storage r, Wanted wanted) internal view returns (bool) {
        if (wanted == Wanted.BETTABLE) return _status(r) == IP2PLotteryBetting.RoundStatus.OPEN;
        if (wanted == Wanted.UNDECIDED) return _isUndecided(r);
        if (wanted == Wanted.DRAWN) {
            return
                _isUndecided(r) && clock >= r.drawTime && clock <= r.drawTime + 71 hours && r.oracle != DIRECT;
        }
        if (wanted == Wanted.DIRECT) return _isUndecided(r) && r.oracle == DIRECT;
        if (wanted == Wanted.ENDED) return _isFinal(r);
        if (wanted == Wanted.FINALIZED) return r.status == IP2PLotteryBetting.RoundStatus.FINALIZED;
        if (wanted == Wanted.CANCELLED) return r.status == IP2PLotteryBetting.RoundStatus.CANCELLED;
        return r.status == IP2PLotteryBetting.RoundStatus.FINALIZED && !r.feesPaid && _fees(r) != 0;
    }

    function _isKnown(uint256 roundId) internal view returns (bool) {
        return roundId != 0 && roundId <= roundCount;
    }

    // ------------------------------------------------------------------------------------------------------ errors

    function _unknownRound(uint256 roundId) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.UnknownRound.selector, roundId);
    }

    function _wrongStatus(uint256 roundId, IP2PLotteryBetting.RoundStatus status)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IP2PLotteryBetting.WrongStatus.selector, roundId, status);
    }

    function _tooEarly(uint256 roundId, uint256 time) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.TooEarly.selector, roundId, time);
    }

    function _tooLate(uint256 roundId, uint256 time) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.TooLate.selector, roundId, time);
    }

    function _nothingDue(uint256 roundId, address user) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.NothingDue.selector, roundId, user);
    }

    function _paymentRefused(address recipient, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.PaymentRefused.selector, recipient, amount);
    }

    function _unauthorized(address account, bytes32 role) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("AccessControlUnauthorizedAccount(address,bytes32)", account, role);
    }

    function _decidedError(uint256 roundId) internal view returns (bytes memory) {
        if (!_isKnown(roundId)) return _unknownRound(roundId);
        Round storage r = rounds[roundId];
        if (_isUndecided(r)) return "";
        return _wrongStatus(roundId, r.status);
    }
}
