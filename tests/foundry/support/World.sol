// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle} from "../../../contracts/interfaces/IResultOracle.sol";
import {GasBurner, Reentrant, Refuser} from "../../contracts/solidity/Attackers.sol";
import {Deploy, IMarket} from "./Deploy.sol";
import {vm} from "./Vm.sol";

/// @title A market, its two committees, and everybody around them
/// @notice The stage of the campaign: who there is, how an action is tried, what is counted.
abstract contract World {
    /// @dev What can be tried. Each is counted twice: when it took effect, and when it was refused as it had to be.
    enum Act {
        CREATE,
        BET,
        MATCHED_BET,
        CANCEL_BET,
        QUOTE,
        LOCK,
        CANCEL_ROUND,
        VOID,
        FINALIZE_DIRECTLY,
        REPORT,
        VETO,
        FINALIZE,
        CLAIM_WINNINGS,
        CLAIM_REFUND,
        CLAIM_BATCH,
        SETTLE,
        WITHDRAW_FEES,
        SET_FEE,
        SET_ORACLE,
        SET_LIMITS,
        SET_RECIPIENT,
        PAUSE,
        UNPAUSE
    }

    /// @dev What must also have come about in a campaign that is worth its name.
    enum Mark {
        BET_AT_LAST_SECOND,
        BET_TOO_LATE_BY_A_SECOND,
        LOCK_AT_FIRST_SECOND,
        REPORT_AT_FIRST_SECOND,
        REPORT_AT_LAST_SECOND,
        VETO_AT_LAST_SECOND,
        FINALIZE_AT_FIRST_SECOND,
        RESULT_AT_LAST_SECOND,
        VOID_AT_FIRST_SECOND,
        MATCHED_BET_GOT_CHANGE,
        CANCELLED_IN_PART,
        CANCELLED_WHOLE,
        VOTE_REPLACED,
        LIE_TOLD,
        LIE_OUTVOTED,
        LIE_PROPOSED,
        FEES_TAKEN,
        ID_REPEATED,
        REFUSER_SKIPPED,
        BURNER_SKIPPED,
        REENTRY_STOPPED,
        BET_INSIDE_PAYMENT,
        ETHER_FORCED
    }

    uint256 internal constant START = 1_800_000_000; // 15 January 2027
    uint256 internal constant LEAD = 15 minutes;
    uint256 internal constant FUNDS = 2 ** 110;
    uint256 internal constant BETS_PER_USER = 16;

    address internal constant ADMIN = address(0xA001);
    address internal constant OPERATOR = address(0xA002);
    address internal constant GUARDIAN = address(0xA003);
    address internal constant REFEREE = address(0xA004); // guardian of the committees
    address internal constant DIRECT = address(0xA005); // an ordinary account as oracle
    address internal constant STRANGER = address(0xA006);
    address internal constant TREASURY = address(0xA007);
    address internal constant VAULT = address(0xA008);

    IMarket public market;
    IResultOracle[2] public committees;
    uint256[2] internal quorums = [2, 3];
    uint256[2] internal windows = [uint256(1 hours), 24 hours];

    Refuser internal refuser;
    GasBurner internal burner;
    Reentrant internal reentrant;
    address[] public bettors;
    /// @dev All whose coins are followed.
    address[] public accounts;
    mapping(address account => uint256) public coins;

    uint256 public clock = START;
    uint256 public forced;
    uint256[23] public effective;
    uint256[23] public refused;
    uint256[23] public marks;
    /// @dev How often each error was met, as expected.
    mapping(bytes4 selector => uint256) public met;

    uint256 private _dice;

    constructor() {
        vm.warp(START);
        for (uint256 i = 0; i < 2; ++i) {
            committees[i] = Deploy.committee(committee(i), quorums[i], windows[i], REFEREE);
        }
        market = Deploy.market(
            IP2PLotteryBetting.Params({
                game: IP2PLotteryBetting.Game("powerball", 69, 26, 0, 0),
                adminDelay: 1 days,
                admin: ADMIN,
                operator: OPERATOR,
                guardian: GUARDIAN,
                oracle: address(committees[0]),
                feeRecipient: TREASURY,
                feeBps: 200,
                minBet: 0.001 ether,
                maxBet: 1 ether
            })
        );
        (refuser, burner, reentrant) = (new Refuser(), new GasBurner(), new Reentrant());
        burner.want(60_000);
        for (uint256 i = 1; i < 5; ++i) {
            bettors.push(address(uint160(0xB000 + i)));
        }
        bettors.push(address(refuser));
        bettors.push(address(burner));
        bettors.push(address(reentrant));
        for (uint256 i = 0; i < bettors.length; ++i) {
            _follow(bettors[i]);
        }
        address[4] memory others = [TREASURY, VAULT, STRANGER, DIRECT];
        for (uint256 i = 0; i < others.length; ++i) {
            _follow(others[i]);
        }
    }

    /// @notice Three reporters, and five of which they are part.
    function committee(uint256 which) public pure returns (address[] memory members) {
        members = new address[](which == 0 ? 3 : 5);
        for (uint256 i = 0; i < members.length; ++i) {
            members[i] = address(uint160(0xC000 + i));
        }
    }

    function bettorCount() external view returns (uint256) {
        return bettors.length;
    }

    function accountCount() external view returns (uint256) {
        return accounts.length;
    }

    // -------------------------------------------------------------------------------------------------------- dice

    /// @dev Every action begins so: its choices follow from the seed alone, and the clock is set. (Time is read from
    /// `clock` only: the compiler may keep what it read of the block's before a warp.)
    function _begin(uint256 seed) internal {
        _dice = uint256(keccak256(abi.encode(seed)));
        vm.warp(clock);
    }

    /// @return 0 to sides - 1
    function _roll(uint256 sides) internal returns (uint256) {
        _dice = uint256(keccak256(abi.encode(_dice)));
        return _dice % sides;
    }

    function _oneIn(uint256 n) internal returns (bool) {
        return _roll(n) == 0;
    }

    function _bettor() internal returns (address) {
        return bettors[_roll(bettors.length)];
    }

    function _warp(uint256 time) internal {
        if (time <= clock) return;
        clock = time;
        vm.warp(time);
    }

    // ----------------------------------------------------------------------------------------------------- actions

    /// @dev Tries an action. With an `expected` error it must fail with exactly that, else succeed.
    /// @return done whether it took effect
    function _try(Act act, address caller, uint256 value, bytes memory call, bytes memory expected)
        internal
        returns (bool done)
    {
        done = _tryAt(address(market), act, caller, value, call, expected);
    }

    function _tryAt(
        address target,
        Act act,
        address caller,
        uint256 value,
        bytes memory call,
        bytes memory expected
    ) internal returns (bool done) {
        vm.prank(caller);
        bytes memory answer;
        (done, answer) = target.call{value: value}(call);
        if (expected.length == 0) {
            if (!done) revert UnexpectedError(act, answer);
            ++effective[uint256(act)];
            if (value != 0) coins[caller] -= value;
        } else {
            if (done) revert ErrorExpected(act, expected);
            if (keccak256(answer) != keccak256(expected)) revert OtherErrorExpected(act, expected, answer);
            ++refused[uint256(act)];
            ++met[bytes4(expected)];
        }
    }

    function _mark(Mark mark) internal {
        ++marks[uint256(mark)];
    }

    function _markIf(bool condition, Mark mark) internal {
        if (condition) ++marks[uint256(mark)];
    }

    function _follow(address account) private {
        accounts.push(account);
        vm.deal(account, FUNDS);
        coins[account] = FUNDS;
    }

    error UnexpectedError(Act act, bytes answer);
    error ErrorExpected(Act act, bytes expected);
    error OtherErrorExpected(Act act, bytes expected, bytes answer);
}
