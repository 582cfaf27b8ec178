// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IP2PLotteryBetting} from "../interfaces/IP2PLotteryBetting.sol";

/// @title What a market is set to: its game, its keys, and the terms of later rounds and bets
/// @dev First of the three parts of P2PLotteryBetting. None of these powers changes the terms of a round that
/// stands: its fee and its oracle were copied into it. Its further bets can be stopped (limits, pause), and since the
/// admin grants the other roles without delay, it can be cancelled before its draw. Fees not yet withdrawn follow the
/// recipient.
abstract contract MarketSettings is IP2PLotteryBetting, AccessControlDefaultAdminRules, Pausable {
    // ------------------------------------------------------------------------------------------------ constants

    /// @notice May open rounds and cancel them while they take bets.
    bytes32 public constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");
    /// @notice May pause, and cancel a round before its draw.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @notice No round ever charges more: 5 % of the profit.
    uint256 public constant MAX_FEE_BPS = 500;

    /// @notice No hand-over of the admin role waits longer; the role could not be moved any more.
    uint256 public constant MAX_ADMIN_DELAY = 30 days;

    uint256 private constant MIN_BET_FLOOR = 1 gwei;

    // ----------------------------------------------------------------------------------------------- immutables

    // slither-disable-start naming-convention - immutables are written like constants
    uint8 internal immutable WHITE_MAX;
    uint8 internal immutable SPECIAL_MAX;
    uint8 internal immutable DRAW_DAYS;
    uint24 internal immutable DRAW_SECOND;
    // slither-disable-end naming-convention

    // -------------------------------------------------------------------------------------------------- storage

    // These share one slot with the pause flag, so that a bet reads all its settings at once.
    uint96 internal _minBet;
    uint96 internal _maxBet;
    uint16 internal _feeBps;
    uint32 internal _roundCount;

    address internal _oracle;
    address internal _feeRecipient;
    string private _gameName;

    // ---------------------------------------------------------------------------------------------- constructor

    /// @param params see Params. Reverts with AdminDelayTooLong, InvalidGame, ZeroAddress, FeeTooHigh,
    /// InvalidBetLimits, and with AccessControlInvalidDefaultAdmin for an admin of zero.
    constructor(Params memory params) AccessControlDefaultAdminRules(params.adminDelay, params.admin) {
        if (params.adminDelay > MAX_ADMIN_DELAY) {
            revert AdminDelayTooLong(params.adminDelay, MAX_ADMIN_DELAY);
        }
        Game memory game = params.game;
        uint256 nameLength = bytes(game.name).length;
        if (
            nameLength == 0 || nameLength > 31 || game.whiteMax < 5 || game.specialMax == 0
                || game.specialMax % 2 != 0 || game.drawDays > 127 || game.drawSecond >= 1 days
        ) revert InvalidGame(game);
        _gameName = game.name;
        WHITE_MAX = game.whiteMax;
        SPECIAL_MAX = game.specialMax;
        DRAW_DAYS = game.drawDays;
        DRAW_SECOND = game.drawSecond;

        _requireNonZero(params.operator, "operator");
        _requireNonZero(params.guardian, "guardian");
        _grantRole(OPERATOR_ROLE, params.operator);
        _grantRole(GUARDIAN_ROLE, params.guardian);
        _setOracle(params.oracle);
        _setFeeRecipient(params.feeRecipient);
        _setFee(params.feeBps);
        _setBetLimits(params.minBet, params.maxBet);
    }

    // ------------------------------------------------------------------------------------------------- settings

    /// @inheritdoc IP2PLotteryBetting
    function setFee(uint16 newFeeBps) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setFee(newFeeBps);
    }

    /// @inheritdoc IP2PLotteryBetting
    function setOracle(address newOracle) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setOracle(newOracle);
    }

    /// @inheritdoc IP2PLotteryBetting
    function setBetLimits(uint256 newMinBet, uint256 newMaxBet) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setBetLimits(newMinBet, newMaxBet);
    }

    /// @inheritdoc IP2PLotteryBetting
    function setFeeRecipient(address newFeeRecipient) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setFeeRecipient(newFeeRecipient);
    }

    /// @inheritdoc IP2PLotteryBetting
    function pause() external onlyRole(GUARDIAN_ROLE) {
        _pause();
    }

    /// @inheritdoc IP2PLotteryBetting
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    // ---------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IP2PLotteryBetting
    function gameRules() external view returns (Game memory) {
        return Game(_gameName, WHITE_MAX, SPECIAL_MAX, DRAW_DAYS, DRAW_SECOND);
    }

    /// @inheritdoc IP2PLotteryBetting
    function oracle() external view returns (address) {
        return _oracle;
    }

    /// @inheritdoc IP2PLotteryBetting
    function feeRecipient() external view returns (address) {
        return _feeRecipient;
    }

    /// @inheritdoc IP2PLotteryBetting
    function feeBps() external view returns (uint16) {
        return _feeBps;
    }

    /// @inheritdoc IP2PLotteryBetting
    function minBet() external view returns (uint256) {
        return _minBet;
    }

    /// @inheritdoc IP2PLotteryBetting
    function maxBet() external view returns (uint256) {
        return _maxBet;
    }

    // ------------------------------------------------------------------------------------------------ internals

    function _setFee(uint16 newFeeBps) private {
        if (newFeeBps > MAX_FEE_BPS) revert FeeTooHigh(newFeeBps, MAX_FEE_BPS);
        _feeBps = newFeeBps;
        emit FeeChanged(newFeeBps);
    }

    function _setOracle(address newOracle) private {
        _requireNonZero(newOracle, "oracle");
        _oracle = newOracle;
        emit OracleChanged(newOracle);
    }

    function _setBetLimits(uint256 newMinBet, uint256 newMaxBet) private {
        if (newMinBet < MIN_BET_FLOOR || newMaxBet < newMinBet || newMaxBet > type(uint96).max) {
            revert InvalidBetLimits(newMinBet, newMaxBet);
        }
        _minBet = uint96(newMinBet); // at most newMaxBet
        _maxBet = uint96(newMaxBet); // checked above
        emit BetLimitsChanged(newMinBet, newMaxBet);
    }

    function _setFeeRecipient(address newFeeRecipient) private {
        _requireNonZero(newFeeRecipient, "feeRecipient");
        _feeRecipient = newFeeRecipient;
        emit FeeRecipientChanged(newFeeRecipient);
    }

    function _requireNonZero(address account, string memory what) internal pure {
        if (account == address(0)) revert ZeroAddress(what);
    }
}
