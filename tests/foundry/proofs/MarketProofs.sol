// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {P2PLotteryBetting} from "../../../contracts/P2PLotteryBetting.sol";
import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {vm} from "../support/Vm.sol";

/// @notice The market as it is, and what a proof needs to see of its storage beside.
contract OpenMarket is P2PLotteryBetting {
    constructor(Params memory params) P2PLotteryBetting(params) {}

    /// All that is stored of a round, in one word, except whether its fees were paid out.
    function storedRound(uint256 roundId) external view returns (uint256 word) {
        Round storage round = _rounds[roundId];
        assembly ("memory-safe") {
            word := and(sload(round.slot), not(shl(88, 0xff)))
        }
    }

    /// The round's status as it is stored.
    function storedStatus(uint256 roundId) external view returns (RoundStatus) {
        return _rounds[roundId].status;
    }

    /// How many bets a user has placed.
    function storedCount(uint256 roundId, address user) external view returns (uint256) {
        return _bets[roundId][user][0].betCount;
    }

    /// All that is stored of one of a user's bets, in one word.
    function storedBet(uint256 roundId, address user, uint256 index) external view returns (uint256 word) {
        Bet storage bet = _bets[roundId][user][index];
        assembly ("memory-safe") {
            word := sload(bet.slot)
        }
    }
}

/// @title A market to prove something about
abstract contract MarketProofs {
    address internal constant ADMIN = address(0xA1);
    address internal constant OPERATOR = address(0xA2);
    address internal constant GUARDIAN = address(0xA3);
    address internal constant ORACLE = address(0xA4);
    address internal constant RECIPIENT = address(0xA5);

    OpenMarket internal market;

    function setUp() public virtual {
        vm.warp(1_750_000_000);
        OpenMarket.Params memory params;
        params.game = IP2PLotteryBetting.Game("powerball", 69, 26, 0, 0);
        params.admin = ADMIN;
        params.operator = OPERATOR;
        params.guardian = GUARDIAN;
        params.oracle = ORACLE;
        params.feeRecipient = RECIPIENT;
        params.feeBps = 200;
        params.minBet = 1 gwei;
        params.maxBet = type(uint96).max;
        market = new OpenMarket(params);
    }

    /// Any time, a caller with what the call brings, and a market that can pay what it may owe.
    function _before(address caller, uint96 value, uint40 time) internal {
        vm.warp(time);
        vm.deal(address(market), 1 << 120);
        vm.deal(caller, value);
    }

    function _assumeOneBet(uint256 round, address user) internal view {
        vm.assume(market.storedCount(round, user) <= 1);
    }

    function _list(uint256 round) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = round;
    }

    function _list(address user) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = user;
    }
}
