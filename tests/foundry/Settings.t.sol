// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {Deploy, IMarket} from "./support/Deploy.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title What a market is deployed with and set to, and the draws that it takes rounds for
contract Settings is Stage {
    function deploy(M.Params calldata params) external returns (IMarket) {
        return Deploy.market(params);
    }

    function _refusesParams(M.Params memory params, bytes memory problem) private {
        _refusesAt(address(this), address(this), 0, abi.encodeCall(this.deploy, (params)), problem);
    }

    function test_deploymentsOutOfRangeAreRefused() external {
        M.Params memory p = _params();
        p.adminDelay = 30 days + 1;
        _refusesParams(p, abi.encodeWithSelector(M.AdminDelayTooLong.selector, 30 days + 1, 30 days));
        p = _params();
        p.admin = address(0);
        _refusesParams(p, abi.encodeWithSignature("AccessControlInvalidDefaultAdmin(address)", address(0)));
        p = _params();
        p.feeBps = 501;
        _refusesParams(p, abi.encodeWithSelector(M.FeeTooHigh.selector, 501, 500));
        p = _params();
        p.minBet = 1 gwei - 1;
        _refusesParams(p, abi.encodeWithSelector(M.InvalidBetLimits.selector, p.minBet, p.maxBet));
    }

    function test_nobodyMayBeMissing() external {
        M.Params[4] memory params = [_params(), _params(), _params(), _params()];
        params[0].operator = address(0);
        params[1].guardian = address(0);
        params[2].oracle = address(0);
        params[3].feeRecipient = address(0);
        string[4] memory who = ["operator", "guardian", "oracle", "feeRecipient"];
        for (uint256 i = 0; i < 4; ++i) {
            _refusesParams(params[i], abi.encodeWithSelector(M.ZeroAddress.selector, who[i]));
        }
    }

    /// @notice The last values that are taken, and what is announced of a market when it is deployed.
    function test_deploymentsAtTheirBoundsAreTaken() external {
        M.Params memory p = _params();
        (p.adminDelay, p.feeBps, p.minBet, p.maxBet) = (30 days, 500, 1 gwei, 1 gwei);
        market = Deploy.market(p);
        require(market.defaultAdminDelay() == 30 days && market.defaultAdmin() == ADMIN, "admin");
        require(market.hasRole(keccak256("OPERATOR_ROLE"), OPERATOR), "operator");
        require(market.hasRole(keccak256("GUARDIAN_ROLE"), GUARDIAN), "guardian");
        require(market.feeBps() == 500 && market.feeRecipient() == TREASURY, "fee");
        require(market.minBet() == 1 gwei && market.maxBet() == 1 gwei, "limits");
        require(market.oracle() == address(oracle) && market.roundCount() == 0 && !market.paused(), "oracle");
        _create(DRAW);
        _bet(ALICE, 0, 1 gwei);
    }

    function test_gamesOutOfRangeAreRefused() external {
        _refusesGame(M.Game("", 69, 26, 0, 0));
        _refusesGame(M.Game("a name of more than 31 letters..", 69, 26, 0, 0));
        _refusesGame(M.Game("g", 4, 26, 0, 0));
        _refusesGame(M.Game("g", 69, 0, 0, 0));
        _refusesGame(M.Game("g", 69, 25, 0, 0));
        _refusesGame(M.Game("g", 69, 26, 128, 0));
        _refusesGame(M.Game("g", 69, 26, 0, 86_400));
        _refusesGame(M.Game("g", 69, 26, 0, 86_401));
        M.Params memory p = _params();
        p.game = M.Game("a name of exactly 31 letters...", 5, 2, 127, 86_399);
        require(keccak256(abi.encode(Deploy.market(p).gameRules())) == keccak256(abi.encode(p.game)), "game");
    }

    function _refusesGame(M.Game memory game) private {
        M.Params memory p = _params();
        p.game = game;
        _refusesParams(p, abi.encodeWithSelector(M.InvalidGame.selector, game));
    }

    function test_settingsAreTheAdmins() external {
        vm.getRecordedLogs();
        vm.prank(ADMIN);
        market.setFee(500);
        vm.prank(ADMIN);
        market.setOracle(ALICE);
        vm.prank(ADMIN);
        market.setBetLimits(1 gwei, 1 gwei);
        vm.prank(ADMIN);
        market.setFeeRecipient(BOB);
        emit M.FeeChanged(500);
        emit M.OracleChanged(ALICE);
        emit M.BetLimitsChanged(1 gwei, 1 gwei);
        emit M.FeeRecipientChanged(BOB);
        _told();
        require(market.feeBps() == 500 && market.oracle() == ALICE, "fee, oracle");
        require(market.minBet() == 1 gwei && market.maxBet() == 1 gwei, "limits");
        require(market.feeRecipient() == BOB, "recipient");
        bytes[4] memory calls = [
            abi.encodeCall(M.setFee, (501)),
            abi.encodeCall(M.setOracle, (address(0))),
            abi.encodeCall(M.setBetLimits, (2 gwei, 2 gwei - 1)),
            abi.encodeCall(M.setFeeRecipient, (address(0)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _refuses(OPERATOR, calls[i], _missing(OPERATOR, 0));
        }
        _refuses(ADMIN, calls[0], abi.encodeWithSelector(M.FeeTooHigh.selector, 501, 500));
        _refuses(ADMIN, calls[1], abi.encodeWithSelector(M.ZeroAddress.selector, "oracle"));
        _refuses(ADMIN, calls[2], abi.encodeWithSelector(M.InvalidBetLimits.selector, 2 gwei, 2 gwei - 1));
        _refuses(ADMIN, calls[3], abi.encodeWithSelector(M.ZeroAddress.selector, "feeRecipient"));
        uint256 beyond = uint256(type(uint96).max) + 1;
        bytes memory call = abi.encodeCall(M.setBetLimits, (1 gwei, beyond));
        _refuses(ADMIN, call, abi.encodeWithSelector(M.InvalidBetLimits.selector, 1 gwei, beyond));
    }

    function test_thePauseStopsRoundsAndBets() external {
        _create(DRAW);
        bytes memory pause = abi.encodeCall(M.pause, ());
        bytes memory unpause = abi.encodeCall(M.unpause, ());
        _refuses(ADMIN, pause, _missing(ADMIN, keccak256("GUARDIAN_ROLE")));
        vm.prank(GUARDIAN);
        market.pause();
        bytes memory paused = abi.encodeWithSignature("EnforcedPause()");
        _refuses(GUARDIAN, pause, paused);
        _refuses(OPERATOR, abi.encodeCall(M.createRound, (DRAW + 1)), paused);
        _refuses(ALICE, BET, abi.encodeCall(M.placeBet, (1, 0)), paused);
        _refuses(ALICE, BET, abi.encodeCall(M.placeMatchedBet, (1, 0, 0)), paused);
        _refuses(GUARDIAN, unpause, _missing(GUARDIAN, 0));
        vm.prank(ADMIN);
        market.unpause();
        _bet(ALICE, 0, BET);
    }

    // ------------------------------------------------------------------------------------------------ draw times

    /// @notice Powerball: Monday, Wednesday, Saturday, 22:59 in New York, summer and winter.
    function test_roundsAreOpenedForRealDrawsOnly() external {
        M.Params memory p = _params();
        p.game = M.Game("powerball", 69, 26, 74, 82_740);
        market = Deploy.market(p);
        uint256 winter = 1_800_158_340; // Saturday 16 January 2027, 22:59 EST
        _refusesTime(winter + 1);
        _refusesTime(winter - 1 hours);
        _refusesTime(winter + 1 days); // a Sunday
        _create(winter);
        vm.warp(1_805_000_000);
        uint256 summer = 1_805_165_940; // Monday 15 March 2027, 22:59 EDT, the day after the clocks changed
        _refusesTime(summer + 1 hours);
        _create(summer);
        vm.warp(1_825_500_000);
        uint256 autumn = 1_825_732_740; // Monday 8 November 2027, 22:59 EST, the day after they changed back
        _refusesTime(autumn - 1 hours);
        _create(autumn);
    }

    function _refusesTime(uint256 time) private {
        bytes memory problem = abi.encodeWithSelector(M.NotADrawTime.selector, time);
        _refuses(OPERATOR, abi.encodeCall(M.createRound, (time)), problem);
    }
}
