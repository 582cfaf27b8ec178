// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title A committee that gives the results of lottery draws to markets, so that no single key decides a payout
/// @notice Reporters tell the balls that they saw drawn. When a quorum of them agrees, a proposal stands; when the
/// dispute window has passed and the guardian has not vetoed it, anyone may carry it to the market. Reporters, quorum,
/// window and guardian are fixed at deployment: there is no owner and nothing to set. If the committee is dead, stuck
/// or of two minds, the market's own deadline voids the round and everybody is paid back.
/// @dev All times in seconds of Unix time (UTC). One oracle serves any number of markets; a round is known by its
/// market and its id, and what a false market says of itself touches that market alone.
interface IResultOracle {
    // ------------------------------------------------------------------------------------------------------ types

    /// @notice What a lottery drew.
    /// @param drawDate the draw's date in New York, in days since 1970-01-01
    /// @param whites the five white balls, in any order
    /// @param special the Powerball or Mega Ball
    struct Draw {
        uint32 drawDate;
        uint8[5] whites;
        uint8 special;
    }

    // ----------------------------------------------------------------------------------------------------- events

    /// @notice A reporter voted, or voted anew, in a ballot. The whites are told in the reporter's order.
    /// @param ballot counted from 1, by one more with every veto
    /// @param winningNumber the number that follows from the draw
    /// @param evidence hash of what the reporter read, each its own; never compared
    event ResultReported(
        address indexed market,
        uint256 indexed roundId,
        address indexed reporter,
        uint256 ballot,
        Draw draw,
        uint8 winningNumber,
        bytes32 evidence
    );
    /// @notice A quorum agrees on the draw just reported; from `finalizableAt` on anyone may finalize, before it the guardian may veto.
    event ResultProposed(
        address indexed market,
        uint256 indexed roundId,
        uint256 ballot,
        Draw draw,
        uint8 winningNumber,
        uint256 finalizableAt
    );
    /// @notice The guardian refused the proposal of this ballot; the next ballot begins without votes.
    event ResultVetoed(address indexed market, uint256 indexed roundId, uint256 ballot, uint8 winningNumber);
    /// @notice The market took the result.
    event ResultFinalized(address indexed market, uint256 indexed roundId, uint8 winningNumber);

    // ----------------------------------------------------------------------------------------------------- errors

    /// @notice A committee has 1 to `maxReporters` reporters.
    error InvalidReporterCount(uint256 count, uint256 maxReporters);
    /// @notice This reporter was named twice.
    error DuplicateReporter(address reporter);
    /// @notice The quorum must be more than half of the reporters and no more than all of them.
    error InvalidQuorum(uint256 quorum, uint256 reporterCount);
    /// @notice The dispute window must not be longer than this.
    error DisputeWindowTooLong(uint256 disputeWindow, uint256 maxDisputeWindow);
    /// @notice An address that must be set is zero; `what` names it.
    error ZeroAddress(string what);
    /// @notice Only the committee's reporters report.
    error NotReporter(address caller);
    /// @notice Only the guardian vetoes.
    error NotGuardian(address caller, address guardian);
    /// @notice There is no contract at this address.
    error NotAMarket(address market);
    /// @notice This round is decided by another oracle.
    error NotOracleOfRound(address market, uint256 roundId, address oracle);
    /// @notice The round does not wait for a result: its status is 3 (finalized) or 4 (cancelled).
    error RoundDecided(address market, uint256 roundId, uint8 status);
    /// @notice The draw takes place at `time`; nothing is reported before.
    error ReportTooEarly(address market, uint256 roundId, uint256 time);
    /// @notice Reports were taken until `time`, that second included: a later proposal could not be carried to the
    /// market in time.
    error ReportTooLate(address market, uint256 roundId, uint256 time);
    /// @notice The round's draw takes place on another date.
    error WrongDrawDate(uint256 drawDate, uint256 expectedDate);
    /// @notice The whites must be five different numbers from 1 to `whiteMax`, the special ball 1 to `specialMax`.
    error InvalidDraw(uint8[5] whites, uint8 special, uint8 whiteMax, uint8 specialMax);
    /// @notice A proposal stands; no vote is taken unless the guardian vetoes it before `finalizableAt`.
    error ProposalStands(address market, uint256 roundId, uint256 finalizableAt);
    /// @notice No proposal stands for this round.
    error NoProposal(address market, uint256 roundId);
    /// @notice The guardian may still veto; anyone may finalize from `finalizableAt` on.
    error DisputeWindowOpen(address market, uint256 roundId, uint256 finalizableAt);
    /// @notice The guardian could veto before `finalizableAt`.
    error DisputeWindowOver(address market, uint256 roundId, uint256 finalizableAt);

    // ---------------------------------------------------------------------------------------------------- actions

    /// @notice Votes for a draw. The vote replaces the caller's earlier one in this ballot. Votes are equal when date,
    /// set of whites and special ball are equal; when a quorum is, a proposal stands.
    /// @param market the market of the round
    /// @param draw what the lottery drew; checked against the market's game and the round's draw time
    /// @param evidence hash of what the reporter read
    /// @dev Reporters, from drawTime to drawTime + 71 h - disputeWindow, both included. Reverts with NotReporter,
    /// NotAMarket, NotOracleOfRound, RoundDecided, ReportTooEarly, ReportTooLate, WrongDrawDate, InvalidDraw,
    /// ProposalStands, and with the market's UnknownRound.
    function report(address market, uint256 roundId, Draw calldata draw, bytes32 evidence) external;

    /// @notice Refuses the standing proposal: all votes are void and a new ballot begins.
    /// @dev The guardian, before finalizableAt. Reverts with NotGuardian, NoProposal, DisputeWindowOver.
    function veto(address market, uint256 roundId) external;

    /// @notice Carries the standing proposal to the market.
    /// @dev Anyone, from finalizableAt on. Reverts with NoProposal, DisputeWindowOpen, and with the market's errors:
    /// WrongStatus once it was done, TooLate more than 72 h after the draw.
    function finalize(address market, uint256 roundId) external;

    // ------------------------------------------------------------------------------------------------------ views

    /// @notice The standing proposal, also after it was finalized; zeros when none stands.
    /// @return winningNumber the number that the market will be given
    /// @return proposedAt when the quorum was reached
    /// @return finalizableAt from when on anyone may finalize
    function proposal(address market, uint256 roundId)
        external
        view
        // slither-disable-next-line shadowing-local - the ABI's name
        returns (uint8 winningNumber, uint256 proposedAt, uint256 finalizableAt);

    /// @notice A reporter's vote in the standing ballot; `draw` is zeros when there is none.
    /// @dev Whites in ascending order. The date is the round's, as no other is taken.
    function voteOf(address market, uint256 roundId, address reporter)
        external
        view
        returns (bool voted, Draw memory draw);

    /// @notice The standing ballot.
    /// @return number counted from 1, by one more with every veto
    /// @return votes how many reporters have voted in it
    function ballot(address market, uint256 roundId) external view returns (uint256 number, uint256 votes);

    /// @notice The winning number of a draw: the sum of the whites, 50 more when the special ball is odd, modulo 100.
    /// @dev Fair by exact count over all draws. Reverts with InvalidDraw by the market's game; the date is not checked.
    function winningNumber(address market, Draw calldata draw) external view returns (uint8);

    /// @notice The committee, in the order of its deployment.
    function reporters() external view returns (address[] memory);

    /// @notice Whether an account may report.
    function isReporter(address account) external view returns (bool);

    /// @notice How many equal votes make a proposal.
    function quorum() external view returns (uint256);

    /// @notice Seconds that a proposal must stand before it can be finalized.
    function disputeWindow() external view returns (uint256);

    /// @notice Who may veto.
    function guardian() external view returns (address);
}
