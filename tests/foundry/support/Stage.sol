// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle} from "../../../contracts/interfaces/IResultOracle.sol";
import {Deploy, IMarket} from "./Deploy.sol";
import {Vm, vm} from "./Vm.sol";

/// @title What the unit tests share: a market, a committee of three, and a few people
abstract contract Stage {
    address internal constant ADMIN = address(0xA001);
    address internal constant OPERATOR = address(0xA002);
    address internal constant GUARDIAN = address(0xA003);
    address internal constant REFEREE = address(0xA004); // guardian of the committee
    address internal constant TREASURY = address(0xA005);
    address internal constant ALICE = address(0xB001);
    address internal constant BOB = address(0xB002);

    uint256 internal constant START = 1_800_000_000; // 15 January 2027
    uint256 internal constant DRAW = START + 1 days;
    uint256 internal constant LOCK = DRAW - 15 minutes;
    uint256 internal constant WINDOW = 1 hours;
    uint256 internal constant BET = 1 ether;

    IMarket internal market;
    IResultOracle internal oracle;

    function setUp() public virtual {
        vm.recordLogs();
        vm.warp(START);
        oracle = Deploy.committee(_members(3), 2, WINDOW, REFEREE);
        market = Deploy.market(_params());
        vm.deal(ALICE, 2 ** 120);
        vm.deal(BOB, 2 ** 120);
    }

    function _members(uint256 count) internal pure returns (address[] memory members) {
        members = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            members[i] = address(uint160(0xC000 + i));
        }
    }

    function _params() internal view returns (IP2PLotteryBetting.Params memory) {
        return IP2PLotteryBetting.Params({
            game: IP2PLotteryBetting.Game("powerball", 69, 26, 0, 0),
            adminDelay: 1 days,
            admin: ADMIN,
            operator: OPERATOR,
            guardian: GUARDIAN,
            oracle: address(oracle),
            feeRecipient: TREASURY,
            feeBps: 200,
            minBet: 0.001 ether,
            maxBet: type(uint96).max
        });
    }

    // ----------------------------------------------------------------------------------------------------- actions

    function _create(uint256 drawTime) internal returns (uint256) {
        vm.prank(OPERATOR);
        return market.createRound(drawTime);
    }

    function _bet(address user, uint8 prediction, uint256 amount) internal {
        vm.prank(user);
        market.placeBet{value: amount}(1, prediction);
    }

    /// @dev A round with two bets of ALICE and BOB against each other, and a third of ALICE's that nobody met.
    function _played() internal {
        _create(DRAW);
        _bet(ALICE, 0, BET);
        _bet(BOB, 1, BET);
        _bet(ALICE, 2, BET);
    }

    function _drawOf(uint8[5] memory whites, uint8 special)
        internal
        pure
        returns (IResultOracle.Draw memory)
    {
        return IResultOracle.Draw(uint32((DRAW - 5 hours) / 1 days), whites, special);
    }

    /// @dev By the committee, without delay.
    function _finalize(uint8[5] memory whites, uint8 special) internal {
        vm.warp(DRAW);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(_members(3)[i]);
            oracle.report(address(market), 1, _drawOf(whites, special), "");
        }
        vm.warp(DRAW + WINDOW);
        oracle.finalize(address(market), 1);
    }

    function _one(uint256 id) internal pure returns (uint256[] memory ids) {
        ids = new uint256[](1);
        ids[0] = id;
    }

    function _one(address user) internal pure returns (address[] memory users) {
        users = new address[](1);
        users[0] = user;
    }

    // ------------------------------------------------------------------------------------------------------ events

    /// @dev Whatever the contracts have emitted since the last look must be what this contract emitted in that time, in
    /// the same order: no event more, none less.
    function _told() internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (bytes32 expected, bytes32 told) = (0, 0);
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32 event_ = keccak256(abi.encode(logs[i].topics, logs[i].data));
            if (logs[i].emitter == address(this)) expected = keccak256(abi.encode(expected, event_));
            else told = keccak256(abi.encode(told, event_));
        }
        require(told == expected, "other events");
    }

    // ---------------------------------------------------------------------------------------------------- refusals

    function _closed() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.BettingClosed.selector, 1, LOCK);
    }

    /// @dev The call must fail with exactly this error.
    function _refuses(address caller, uint256 value, bytes memory call, bytes memory problem) internal {
        _refusesAt(address(market), caller, value, call, problem);
    }

    function _refuses(address caller, bytes memory call, bytes memory problem) internal {
        _refusesAt(address(market), caller, 0, call, problem);
    }

    function _refusesAt(
        address target,
        address caller,
        uint256 value,
        bytes memory call,
        bytes memory problem
    ) internal {
        vm.prank(caller);
        (bool done, bytes memory answer) = target.call{value: value}(call);
        if (done || keccak256(answer) != keccak256(problem)) revert RefusedOtherwise(done, answer, problem);
    }

    error RefusedOtherwise(bool done, bytes answer, bytes expected);

    function _missing(address account, bytes32 role) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("AccessControlUnauthorizedAccount(address,bytes32)", account, role);
    }
}
