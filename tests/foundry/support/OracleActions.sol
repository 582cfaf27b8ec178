// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle} from "../../../contracts/interfaces/IResultOracle.sol";
import {RoundActions} from "./RoundActions.sol";

/// @title Committees that tell the truth, lie, quarrel and are vetoed
/// @notice Each round has three draws that its reporters may tell: 0 is the true one.
abstract contract OracleActions is RoundActions {
    struct Ballot {
        uint256 number; // ballots before this one
        uint256 proposedAt;
        uint256 proposed; // which draw
        mapping(uint256 number => mapping(address reporter => uint256 drawPlusOne)) votes;
    }

    mapping(uint256 roundId => Ballot) internal ballots;

    uint256 internal constant TALES = 3;

    // ----------------------------------------------------------------------------------------------------- actions

    /// @notice A few members of the committee vote, most of them the truth.
    function report(uint256 seed) external play(seed) {
        uint256 roundId = _round(Wanted.DRAWN);
        if (!_isWanted(rounds[roundId], Wanted.DRAWN)) roundId = _round(Wanted.UNDECIDED);
        if (_oneIn(8)) roundId = _round(Wanted.ENDED);
        uint256 which = _committeeOf(roundId);
        if (_isKnown(roundId)) _approachReporting(roundId, which);
        uint256 votes = 2 + _roll(4);
        for (uint256 i = 0; i < votes; ++i) {
            _report(roundId, which);
        }
    }

    function veto(uint256 seed) external play(seed) {
        uint256 roundId = _proposedRound();
        uint256 which = _committeeOf(roundId);
        Ballot storage b = ballots[roundId];
        uint256 end = b.proposedAt + windows[which];
        if (b.proposedAt != 0 && _oneIn(3)) _approach(end);
        address caller = _oneIn(6) ? ADMIN : REFEREE;

        bytes memory problem;
        if (caller != REFEREE) {
            problem = abi.encodeWithSelector(IResultOracle.NotGuardian.selector, caller, REFEREE);
        } else if (b.proposedAt == 0) {
            problem = _noProposal(roundId);
        } else if (clock >= end) {
            problem = abi.encodeWithSelector(
                IResultOracle.DisputeWindowOver.selector, address(market), roundId, end
            );
        }
        bytes memory call = abi.encodeCall(IResultOracle.veto, (address(market), roundId));
        if (!_tryAt(address(committees[which]), Act.VETO, caller, 0, call, problem)) return;
        _markIf(clock == end - 1, Mark.VETO_AT_LAST_SECOND);
        (b.number, b.proposedAt) = (b.number + 1, 0);
    }

    function finalize(uint256 seed) external play(seed) {
        uint256 roundId = _proposedRound();
        uint256 which = _committeeOf(roundId);
        Ballot storage b = ballots[roundId];
        uint256 end = b.proposedAt + windows[which];
        if (b.proposedAt != 0) {
            _approach(_oneIn(4) ? rounds[roundId].drawTime + 72 hours + _roll(2) : end);
        }
        bytes memory problem = _carryError(roundId, which, end);
        bytes memory call = abi.encodeCall(IResultOracle.finalize, (address(market), roundId));
        if (!_tryAt(address(committees[which]), Act.FINALIZE, STRANGER, 0, call, problem)) return;
        _finalized(roundId, _numberOf(roundId, b.proposed));
        _markIf(clock == end, Mark.FINALIZE_AT_FIRST_SECOND);
        _markIf(b.proposed == 0 && _votes(roundId, 1) + _votes(roundId, 2) != 0, Mark.LIE_OUTVOTED);
    }

    // ------------------------------------------------------------------------------------------------------- views

    function ballotOf(uint256 roundId)
        external
        view
        returns (uint256 number, uint256 proposedAt, uint8 winner, uint256 votesForIt, uint256 votesAtAll)
    {
        Ballot storage b = ballots[roundId];
        (number, proposedAt) = (b.number + 1, b.proposedAt);
        if (proposedAt != 0) {
            winner = _numberOf(roundId, b.proposed);
            votesForIt = _votes(roundId, b.proposed);
        }
        for (uint256 tale = 0; tale < TALES; ++tale) {
            votesAtAll += _votes(roundId, tale);
        }
    }

    /// @notice The committee that a round was created with: its place, or 2 when an ordinary account decides.
    function committeeOf(uint256 roundId)
        external
        view
        returns (uint256 which, uint256 quorum, uint256 window)
    {
        for (uint256 i = 0; i < 2; ++i) {
            if (rounds[roundId].oracle == address(committees[i])) return (i, quorums[i], windows[i]);
        }
        return (2, 0, 0);
    }

    // ------------------------------------------------------------------------------------------------------- inner

    function _report(uint256 roundId, uint256 which) private {
        address[] memory members = committee(which);
        address reporter = _oneIn(16) ? STRANGER : members[_roll(members.length)];
        address place = _oneIn(24) ? STRANGER : address(market);
        uint256 tale = _oneIn(3) ? _roll(TALES) : 0;
        IResultOracle.Draw memory draw = _drawOf(roundId, tale);
        _shuffle(draw.whites);
        bool sound = !_oneIn(16);
        uint32 date = draw.drawDate;
        if (!sound) _spoil(draw);

        bytes memory problem = _reportError(roundId, which, reporter, place);
        if (problem.length == 0 && draw.drawDate != date) {
            problem = abi.encodeWithSelector(IResultOracle.WrongDrawDate.selector, draw.drawDate, date);
        } else if (problem.length == 0 && !sound) {
            problem =
                abi.encodeWithSelector(IResultOracle.InvalidDraw.selector, draw.whites, draw.special, 69, 26);
        } else if (problem.length == 0 && ballots[roundId].proposedAt != 0) {
            problem = abi.encodeWithSelector(
                IResultOracle.ProposalStands.selector,
                address(market),
                roundId,
                ballots[roundId].proposedAt + windows[which]
            );
        }
        bytes memory call =
            abi.encodeCall(IResultOracle.report, (place, roundId, draw, bytes32(_roll(type(uint256).max))));
        if (_tryAt(address(committees[which]), Act.REPORT, reporter, 0, call, problem)) {
            _voted(roundId, which, reporter, tale);
        }
    }

    function _voted(uint256 roundId, uint256 which, address reporter, uint256 tale) private {
        Ballot storage b = ballots[roundId];
        uint256 earlier = b.votes[b.number][reporter];
        b.votes[b.number][reporter] = tale + 1;
        _markIf(earlier != 0 && earlier != tale + 1, Mark.VOTE_REPLACED);
        _markIf(tale != 0, Mark.LIE_TOLD);
        _markIf(clock == rounds[roundId].drawTime, Mark.REPORT_AT_FIRST_SECOND);
        _markIf(clock == rounds[roundId].drawTime + 71 hours - windows[which], Mark.REPORT_AT_LAST_SECOND);
        if (_votes(roundId, tale) < quorums[which]) return;
        (b.proposedAt, b.proposed) = (clock, tale);
        _markIf(tale != 0, Mark.LIE_PROPOSED);
    }

    /// @dev How many members stand by a draw in the standing ballot.
    function _votes(uint256 roundId, uint256 tale) internal view returns (uint256 count) {
        Ballot storage b = ballots[roundId];
        address[] memory everybody = committee(1);
        for (uint256 i = 0; i < everybody.length; ++i) {
            if (b.votes[b.number][everybody[i]] == tale + 1) ++count;
        }
    }

    // ------------------------------------------------------------------------------------------------------ errors

    function _reportError(uint256 roundId, uint256 which, address reporter, address place)
        private
        view
        returns (bytes memory)
    {
        if (reporter == STRANGER) {
            return abi.encodeWithSelector(IResultOracle.NotReporter.selector, STRANGER);
        }
        if (place != address(market)) {
            return abi.encodeWithSelector(IResultOracle.NotAMarket.selector, place);
        }
        if (!_isKnown(roundId)) return _unknownRound(roundId);
        Round storage r = rounds[roundId];
        if (r.oracle != address(committees[which])) {
            return abi.encodeWithSelector(IResultOracle.NotOracleOfRound.selector, place, roundId, r.oracle);
        }
        if (_isFinal(r)) {
            return
                abi.encodeWithSelector(IResultOracle.RoundDecided.selector, place, roundId, uint8(r.status));
        }
        if (clock < r.drawTime) {
            return abi.encodeWithSelector(IResultOracle.ReportTooEarly.selector, place, roundId, r.drawTime);
        }
        uint256 last = r.drawTime + 71 hours - windows[which];
        if (clock > last) {
            return abi.encodeWithSelector(IResultOracle.ReportTooLate.selector, place, roundId, last);
        }
        return "";
    }

    function _carryError(uint256 roundId, uint256 which, uint256 end) private view returns (bytes memory) {
        if (ballots[roundId].proposedAt == 0) return _noProposal(roundId);
        if (clock < end) {
            return
                abi.encodeWithSelector(
                    IResultOracle.DisputeWindowOpen.selector, address(market), roundId, end
                );
        }
        return
            _finalizeError(roundId, address(committees[which]), _numberOf(roundId, ballots[roundId].proposed));
    }

    function _noProposal(uint256 roundId) private view returns (bytes memory) {
        return abi.encodeWithSelector(IResultOracle.NoProposal.selector, address(market), roundId);
    }

    // ------------------------------------------------------------------------------------------------------- tales

    /// @dev A draw of five whites in ascending order, each at most 13 above the last.
    function _drawOf(uint256 roundId, uint256 tale) internal view returns (IResultOracle.Draw memory draw) {
        uint256 dice = uint256(keccak256(abi.encode("draw", roundId, tale)));
        uint8 ball = 0;
        for (uint256 i = 0; i < 5; ++i) {
            ball += uint8(1 + dice % 13);
            dice /= 13;
            draw.whites[i] = ball;
        }
        draw.special = uint8(1 + dice % 26);
        draw.drawDate = uint32(_newYorkDate(rounds[roundId].drawTime));
    }

    function _numberOf(uint256 roundId, uint256 tale) internal view returns (uint8) {
        IResultOracle.Draw memory draw = _drawOf(roundId, tale);
        uint256 sum = 0;
        for (uint256 i = 0; i < 5; ++i) {
            sum += draw.whites[i];
        }
        if (draw.special % 2 == 1) sum += 50;
        return uint8(sum % 100);
    }

    /// @dev New York's clocks from 2027 to 2028, by the official table.
    function _newYorkDate(uint256 time) private pure returns (uint256) {
        require(time < 1_836_457_200, "beyond the table"); // 12 March 2028, 2:00 there
        bool summer = time >= 1_805_007_600 && time < 1_825_567_200; // 14 March 2:00 to 7 November 2027 2:00
        if (time == 0) return 0;
        return (time - (summer ? 4 hours : 5 hours)) / 1 days;
    }

    function _shuffle(uint8[5] memory whites) private {
        for (uint256 i = 4; i != 0; --i) {
            uint256 j = _roll(i + 1);
            (whites[i], whites[j]) = (whites[j], whites[i]);
        }
    }

    function _spoil(IResultOracle.Draw memory draw) private {
        uint256 choice = _roll(7);
        if (choice == 0) draw.drawDate += 1;
        if (choice == 1) draw.drawDate = 0;
        if (choice == 2) draw.whites[_roll(5)] = 0;
        if (choice == 3) draw.whites[_roll(5)] = 70;
        if (choice == 4) draw.whites[1] = draw.whites[3];
        if (choice == 5) draw.special = 0;
        if (choice == 6) draw.special = 27;
    }

    // ----------------------------------------------------------------------------------------------------- choices

    function _committeeOf(uint256 roundId) private returns (uint256) {
        if (rounds[roundId].oracle == address(committees[1])) return 1;
        return rounds[roundId].oracle == DIRECT ? _roll(2) : 0;
    }

    function _approachReporting(uint256 roundId, uint256 which) private {
        uint256 drawTime = rounds[roundId].drawTime;
        uint256 choice = _roll(24);
        if (choice > 1) _approach(drawTime);
        else _warp(drawTime + 71 hours - windows[which] + choice);
    }

    /// @dev Neither is a committee that has not agreed yet passed over.
    function _isRipe(uint256 time) internal view override returns (bool) {
        for (uint256 i = 1; i <= roundCount; ++i) {
            Round storage r = rounds[i];
            if (!_isUndecided(r) || r.oracle == DIRECT || ballots[i].proposedAt != 0) continue;
            if (time > r.drawTime + 24 hours && clock <= r.drawTime + 47 hours) return false;
        }
        return super._isRipe(time);
    }

    /// @dev Most often a round whose proposal waits.
    function _proposedRound() private returns (uint256 roundId) {
        if (_oneIn(8)) return _anyRound();
        uint256 start = _roll(roundCount + 1);
        for (uint256 i = 0; i < roundCount; ++i) {
            roundId = 1 + (start + i) % roundCount;
            if (ballots[roundId].proposedAt != 0 && _isUndecided(rounds[roundId])) return roundId;
        }
        return _anyRound();
    }
}
