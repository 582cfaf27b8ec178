// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "./interfaces/IP2PLotteryBetting.sol";
import {IResultOracle} from "./interfaces/IResultOracle.sol";
import {DrawSchedule} from "./libraries/DrawSchedule.sol";
import {Draws} from "./libraries/Draws.sol";

/// @title A committee that gives the results of lottery draws to markets, so that no single key decides a payout
/// @notice No owner, no settings: what it was deployed with stays. To change any of it a new one is deployed, and
/// serves the rounds that markets create after they were set to it.
/// @dev It holds no coins. Its only calls go to the market named by the caller: a static one to learn the round's
/// terms, and `finalizeRound`, after which nothing is written.
contract ResultOracle is IResultOracle {
    // ------------------------------------------------------------------------------------------------ constants

    /// @notice A committee is not larger than this.
    uint256 public constant MAX_REPORTERS = 15;
    /// @notice No dispute window is longer than this.
    uint256 public constant MAX_DISPUTE_WINDOW = 24 hours;
    /// @notice Seconds after the draw within which every dispute window must end: an hour less than the market waits
    /// for a result, so that each proposal can be carried to it in time.
    uint256 public constant REPORT_WINDOW = 71 hours;

    // ----------------------------------------------------------------------------------------------- immutables

    // slither-disable-start naming-convention - immutables are written like constants
    uint256 private immutable SEATS;
    uint256 private immutable QUORUM;
    uint256 private immutable DISPUTE_WINDOW;
    address private immutable GUARDIAN;

    // slither-disable-end naming-convention

    // -------------------------------------------------------------------------------------------------- storage

    /// @dev One slot, and five votes in each of three more. A vote of 0 is none.
    struct Ballot {
        uint32 vetoes; // how many ballots came before this one
        uint40 proposedAt; // 0 as long as no proposal stands
        uint8 winningNumber; // of the proposal
        uint48[MAX_REPORTERS] votes; // by seat
    }

    address[] private _reporters;
    /// @dev Counted from 1; 0 for everybody else.
    mapping(address reporter => uint256) private _seats;
    mapping(address market => mapping(uint256 roundId => Ballot)) private _ballots;

    // ---------------------------------------------------------------------------------------------- constructor

    /// @param committee 1 to MAX_REPORTERS different reporters
    /// @param quorum_ how many equal votes make a proposal: more than half of them
    /// @param disputeWindow_ seconds that a proposal must stand, at most MAX_DISPUTE_WINDOW; 0 leaves no time to veto
    /// @param guardian_ who may veto
    /// @dev Reverts with InvalidReporterCount, InvalidQuorum, DisputeWindowTooLong, ZeroAddress, DuplicateReporter.
    constructor(address[] memory committee, uint256 quorum_, uint256 disputeWindow_, address guardian_) {
        uint256 count = committee.length;
        if (count == 0 || count > MAX_REPORTERS) revert InvalidReporterCount(count, MAX_REPORTERS);
        if (quorum_ > count || quorum_ <= count / 2) revert InvalidQuorum(quorum_, count);
        if (disputeWindow_ > MAX_DISPUTE_WINDOW) {
            revert DisputeWindowTooLong(disputeWindow_, MAX_DISPUTE_WINDOW);
        }
        if (guardian_ == address(0)) revert ZeroAddress("guardian");
        for (uint256 i = 0; i < count; ++i) {
            address reporter = committee[i];
            if (reporter == address(0)) revert ZeroAddress("reporter");
            if (_seats[reporter] != 0) revert DuplicateReporter(reporter);
            _seats[reporter] = i + 1;
        }
        _reporters = committee;
        SEATS = count;
        QUORUM = quorum_;
        DISPUTE_WINDOW = disputeWindow_;
        GUARDIAN = guardian_;
    }

    // -------------------------------------------------------------------------------------------------- actions

    /// @inheritdoc IResultOracle
    function report(address market, uint256 roundId, Draw calldata draw, bytes32 evidence) external {
        // Checks
        uint256 seat = _seats[msg.sender];
        if (seat == 0) revert NotReporter(msg.sender);
        uint48 vote = _checkedVote(market, roundId, draw);
        Ballot storage standing = _ballots[market][roundId];
        if (standing.proposedAt != 0) {
            revert ProposalStands(market, roundId, standing.proposedAt + DISPUTE_WINDOW);
        }

        // Effects
        standing.votes[seat - 1] = vote;
        uint256 number = standing.vetoes + 1;
        uint8 winner = Draws.winningNumber(vote);
        emit ResultReported(market, roundId, msg.sender, number, draw, winner, evidence);

        if (_votesFor(standing, vote) < QUORUM) return;
        standing.proposedAt = uint40(block.timestamp); // enough for 34,000 years
        standing.winningNumber = winner;
        emit ResultProposed(market, roundId, number, draw, winner, block.timestamp + DISPUTE_WINDOW);
    }

    /// @inheritdoc IResultOracle
    function veto(address market, uint256 roundId) external {
        // Checks
        if (msg.sender != GUARDIAN) revert NotGuardian(msg.sender, GUARDIAN);
        (uint8 winner, uint256 finalizableAt) = _proposal(market, roundId);
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp >= finalizableAt) revert DisputeWindowOver(market, roundId, finalizableAt);

        // Effects
        uint32 number = _ballots[market][roundId].vetoes + 1;
        delete _ballots[market][roundId];
        _ballots[market][roundId].vetoes = number;
        emit ResultVetoed(market, roundId, number, winner);
    }

    /// @inheritdoc IResultOracle
    function finalize(address market, uint256 roundId) external {
        // Checks
        (uint8 winner, uint256 finalizableAt) = _proposal(market, roundId);
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp < finalizableAt) revert DisputeWindowOpen(market, roundId, finalizableAt);

        // Effects
        emit ResultFinalized(market, roundId, winner);

        // Interactions
        IP2PLotteryBetting(market).finalizeRound(roundId, winner);
    }

    // ---------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IResultOracle
    function proposal(address market, uint256 roundId)
        external
        view
        // slither-disable-next-line shadowing-local - the ABI's name; winningNumber() is not used here
        returns (uint8 winningNumber, uint256 proposedAt, uint256 finalizableAt)
    {
        Ballot storage standing = _ballots[market][roundId];
        proposedAt = standing.proposedAt;
        if (proposedAt != 0) return (standing.winningNumber, proposedAt, proposedAt + DISPUTE_WINDOW);
    }

    /// @inheritdoc IResultOracle
    function voteOf(address market, uint256 roundId, address reporter)
        external
        view
        returns (bool voted, Draw memory draw)
    {
        uint256 seat = _seats[reporter];
        if (seat == 0) return (false, draw);
        uint48 vote = _ballots[market][roundId].votes[seat - 1];
        // slither-disable-next-line timestamp - a vote is no time
        voted = vote != 0;
        if (!voted) return (false, draw);
        // slither-disable-next-line unused-return - the date follows from the draw time alone
        (uint256 drawTime,,,,) = IP2PLotteryBetting(market).resultTerms(roundId);
        draw.drawDate = uint32(DrawSchedule.dateOf(drawTime)); // was equal to a uint32 when the vote was taken
        (draw.whites, draw.special) = Draws.unpack(vote);
    }

    /// @inheritdoc IResultOracle
    function ballot(address market, uint256 roundId) external view returns (uint256 number, uint256 votes) {
        Ballot storage standing = _ballots[market][roundId];
        number = standing.vetoes + 1;
        for (uint256 i = 0; i < SEATS; ++i) {
            if (standing.votes[i] != 0) ++votes;
        }
    }

    /// @inheritdoc IResultOracle
    function winningNumber(address market, Draw calldata draw) external view returns (uint8) {
        IP2PLotteryBetting.Game memory game = IP2PLotteryBetting(market).gameRules();
        return Draws.winningNumber(_packed(draw, game.whiteMax, game.specialMax));
    }

    /// @inheritdoc IResultOracle
    function reporters() external view returns (address[] memory) {
        return _reporters;
    }

    /// @inheritdoc IResultOracle
    function isReporter(address account) external view returns (bool) {
        return _seats[account] != 0;
    }

    /// @inheritdoc IResultOracle
    function quorum() external view returns (uint256) {
        return QUORUM;
    }

    /// @inheritdoc IResultOracle
    function disputeWindow() external view returns (uint256) {
        return DISPUTE_WINDOW;
    }

    /// @inheritdoc IResultOracle
    function guardian() external view returns (address) {
        return GUARDIAN;
    }

    // ------------------------------------------------------------------------------------------------ internals

    /// @dev The vote for a draw, after every check that the round and its game allow.
    function _checkedVote(address market, uint256 roundId, Draw calldata draw) private view returns (uint48) {
        if (market.code.length == 0) revert NotAMarket(market);
        (
            uint256 drawTime,
            IP2PLotteryBetting.RoundStatus status,
            address oracle,
            uint8 whiteMax,
            uint8 specialMax
        ) = IP2PLotteryBetting(market).resultTerms(roundId);
        if (oracle != address(this)) revert NotOracleOfRound(market, roundId, oracle);
        if (status > IP2PLotteryBetting.RoundStatus.LOCKED) {
            revert RoundDecided(market, roundId, uint8(status));
        }
        // slither-disable-next-line timestamp - deadlines are minutes apart, a validator moves seconds
        if (block.timestamp < drawTime) revert ReportTooEarly(market, roundId, drawTime);
        uint256 deadline = drawTime + REPORT_WINDOW - DISPUTE_WINDOW;
        if (block.timestamp > deadline) revert ReportTooLate(market, roundId, deadline);
        uint256 date = DrawSchedule.dateOf(drawTime);
        if (draw.drawDate != date) revert WrongDrawDate(draw.drawDate, date);
        return _packed(draw, whiteMax, specialMax);
    }

    /// @dev The vote for a draw, or InvalidDraw.
    function _packed(Draw calldata draw, uint8 whiteMax, uint8 specialMax)
        private
        pure
        returns (uint48 vote)
    {
        vote = Draws.pack(draw.whites, draw.special);
        if (!Draws.isValid(vote, whiteMax, specialMax)) {
            revert InvalidDraw(draw.whites, draw.special, whiteMax, specialMax);
        }
    }

    function _votesFor(Ballot storage standing, uint48 vote) private view returns (uint256 count) {
        for (uint256 i = 0; i < SEATS; ++i) {
            if (standing.votes[i] == vote) ++count;
        }
    }

    /// @dev The standing proposal, or NoProposal.
    function _proposal(address market, uint256 roundId)
        private
        view
        returns (uint8 winner, uint256 finalizableAt)
    {
        Ballot storage standing = _ballots[market][roundId];
        uint256 proposedAt = standing.proposedAt;
        if (proposedAt == 0) revert NoProposal(market, roundId);
        return (standing.winningNumber, proposedAt + DISPUTE_WINDOW);
    }
}
