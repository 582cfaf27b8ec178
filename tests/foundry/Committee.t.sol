// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle as O} from "../../contracts/interfaces/IResultOracle.sol";
import {Deploy} from "./support/Deploy.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title Each way through the committee that an auditor may want to see once, by hand
contract Committee is Stage {
    address private constant FIRST = address(0xC000);
    address private constant SECOND = address(0xC001);
    address private constant THIRD = address(0xC002);

    function deploy(address[] calldata members, uint256 quorum, uint256 window, address guardian)
        external
        returns (O)
    {
        return Deploy.committee(members, quorum, window, guardian);
    }

    function _refusesCommittee(
        address[] memory members,
        uint256 quorum,
        uint256 window,
        address guardian,
        bytes memory problem
    ) private {
        bytes memory call = abi.encodeCall(this.deploy, (members, quorum, window, guardian));
        _refusesAt(address(this), address(this), 0, call, problem);
    }

    function _refusesVote(address reporter, O.Draw memory draw, bytes memory problem) private {
        bytes memory call = abi.encodeCall(O.report, (address(market), 1, draw, ""));
        _refusesAt(address(oracle), reporter, 0, call, problem);
    }

    function _vote(address reporter, O.Draw memory draw) private {
        vm.prank(reporter);
        oracle.report(address(market), 1, draw, "");
    }

    function _sixty() private pure returns (O.Draw memory) {
        return _drawOf([uint8(14), 12, 10, 11, 13], 2);
    }

    // ------------------------------------------------------------------------------------------------ deployment

    function test_committeesOutOfRangeAreRefused() external {
        bytes4 count = O.InvalidReporterCount.selector;
        _refusesCommittee(_members(0), 1, 0, REFEREE, abi.encodeWithSelector(count, 0, 15));
        _refusesCommittee(_members(16), 9, 0, REFEREE, abi.encodeWithSelector(count, 16, 15));
        bytes4 quorum = O.InvalidQuorum.selector;
        _refusesCommittee(_members(4), 2, 0, REFEREE, abi.encodeWithSelector(quorum, 2, 4));
        _refusesCommittee(_members(4), 5, 0, REFEREE, abi.encodeWithSelector(quorum, 5, 4));
        bytes memory problem = abi.encodeWithSelector(O.DisputeWindowTooLong.selector, 24 hours + 1, 24 hours);
        _refusesCommittee(_members(3), 2, 24 hours + 1, REFEREE, problem);
        problem = abi.encodeWithSelector(O.ZeroAddress.selector, "guardian");
        _refusesCommittee(_members(3), 2, 0, address(0), problem);
        address[] memory members = _members(3);
        members[1] = address(0);
        problem = abi.encodeWithSelector(O.ZeroAddress.selector, "reporter");
        _refusesCommittee(members, 2, 0, REFEREE, problem);
        members[1] = members[0];
        problem = abi.encodeWithSelector(O.DuplicateReporter.selector, members[0]);
        _refusesCommittee(members, 2, 0, REFEREE, problem);
    }

    function test_quorumsAreMoreThanHalf() external {
        for (uint256 count = 1; count < 16; ++count) {
            bytes4 problem = O.InvalidQuorum.selector;
            uint256 half = count / 2;
            for (uint256 few = 0; few <= half; ++few) {
                _refusesCommittee(
                    _members(count), few, 0, REFEREE, abi.encodeWithSelector(problem, few, count)
                );
            }
            require(Deploy.committee(_members(count), half + 1, 0, REFEREE).quorum() == half + 1, "least");
            require(Deploy.committee(_members(count), count, 0, REFEREE).quorum() == count, "all");
        }
    }

    function test_theTermsCanBeRead() external {
        O full = Deploy.committee(_members(15), 8, 24 hours, REFEREE);
        require(full.reporters().length == 15 && full.reporters()[14] == _members(15)[14], "reporters");
        require(full.isReporter(FIRST) && !full.isReporter(REFEREE), "reporter");
        require(full.quorum() == 8 && full.disputeWindow() == 24 hours && full.guardian() == REFEREE, "terms");
    }

    // ------------------------------------------------------------------------------------------------------ votes

    function test_aQuorumOfEqualVotesIsProposedAndCarried() external {
        _played();
        vm.warp(DRAW);
        _vote(FIRST, _drawOf([uint8(1), 2, 3, 4, 5], 10)); // to be replaced
        _vote(SECOND, _sixty());
        (uint8 number, uint256 proposedAt, uint256 finalizableAt) = oracle.proposal(address(market), 1);
        require(number == 0 && proposedAt == 0 && finalizableAt == 0, "no proposal");
        bytes memory finalize = abi.encodeCall(O.finalize, (address(market), 1));
        bytes memory none = abi.encodeWithSelector(O.NoProposal.selector, address(market), 1);
        _refusesAt(address(oracle), ALICE, 0, finalize, none);
        _vote(FIRST, _drawOf([uint8(10), 11, 12, 13, 14], 2));
        (number, proposedAt, finalizableAt) = oracle.proposal(address(market), 1);
        require(number == 60 && proposedAt == DRAW && finalizableAt == DRAW + WINDOW, "proposal");
        bytes memory stands =
            abi.encodeWithSelector(O.ProposalStands.selector, address(market), 1, finalizableAt);
        _refusesVote(THIRD, _sixty(), stands);
        vm.warp(finalizableAt - 1);
        bytes memory open =
            abi.encodeWithSelector(O.DisputeWindowOpen.selector, address(market), 1, finalizableAt);
        _refusesAt(address(oracle), ALICE, 0, finalize, open);
        vm.warp(finalizableAt);
        oracle.finalize(address(market), 1);
        require(market.getRoundInfo(1).winningNumber == 60, "result");
        bytes memory done = abi.encodeWithSelector(M.WrongStatus.selector, 1, M.RoundStatus.FINALIZED);
        _refusesAt(address(oracle), ALICE, 0, finalize, done);
        _refusesVote(THIRD, _sixty(), abi.encodeWithSelector(O.RoundDecided.selector, address(market), 1, 3));
    }

    function test_votesCanBeReadWithTheirWhitesInOrder() external {
        _played();
        vm.warp(DRAW);
        _vote(SECOND, _sixty());
        (bool voted, O.Draw memory draw) = oracle.voteOf(address(market), 1, SECOND);
        bytes32 inOrder = keccak256(abi.encode(_drawOf([uint8(10), 11, 12, 13, 14], 2)));
        require(voted && keccak256(abi.encode(draw)) == inOrder, "vote");
        (voted, draw) = oracle.voteOf(address(market), 1, FIRST);
        require(!voted && draw.drawDate == 0, "has not voted");
        (voted, draw) = oracle.voteOf(address(market), 1, ALICE);
        require(!voted && draw.special == 0, "may not vote");
        (uint256 number, uint256 votes) = oracle.ballot(address(market), 1);
        require(number == 1 && votes == 1, "ballot");
    }

    function _reportTo(O committee, uint256 seat, O.Draw memory draw) private {
        vm.prank(_members(15)[seat]);
        committee.report(address(market), 1, draw, "");
    }

    function test_theGuardianVetoesAndANewBallotBegins() external {
        _played();
        vm.warp(DRAW);
        bytes memory veto = abi.encodeCall(O.veto, (address(market), 1));
        bytes memory none = abi.encodeWithSelector(O.NoProposal.selector, address(market), 1);
        _refusesAt(address(oracle), REFEREE, 0, veto, none);
        _vote(FIRST, _sixty());
        _vote(SECOND, _sixty());
        bytes memory stranger = abi.encodeWithSelector(O.NotGuardian.selector, GUARDIAN, REFEREE);
        _refusesAt(address(oracle), GUARDIAN, 0, veto, stranger);
        vm.warp(DRAW + WINDOW);
        bytes memory over =
            abi.encodeWithSelector(O.DisputeWindowOver.selector, address(market), 1, DRAW + WINDOW);
        _refusesAt(address(oracle), REFEREE, 0, veto, over);
        vm.warp(DRAW + WINDOW + 1);
        _refusesAt(address(oracle), REFEREE, 0, veto, over);
        vm.warp(DRAW + WINDOW - 1);
        vm.prank(REFEREE);
        oracle.veto(address(market), 1);
        (uint256 number, uint256 votes) = oracle.ballot(address(market), 1);
        require(number == 2 && votes == 0, "a new ballot");
        (bool voted,) = oracle.voteOf(address(market), 1, FIRST);
        require(!voted, "votes are void");
        (uint8 winner, uint256 proposedAt,) = oracle.proposal(address(market), 1);
        require(winner == 0 && proposedAt == 0, "no proposal");
        _vote(FIRST, _sixty());
        (, proposedAt,) = oracle.proposal(address(market), 1);
        require(proposedAt == 0, "no quorum of one");
        _vote(SECOND, _sixty());
        vm.prank(REFEREE);
        oracle.veto(address(market), 1);
        (number, votes) = oracle.ballot(address(market), 1);
        require(number == 3 && votes == 0, "a third ballot");
    }

    /// @notice Each of fifteen seats counts, whichever they are; a lie among them does not.
    function test_everySeatCounts() external {
        O full = Deploy.committee(_members(15), 8, 0, REFEREE);
        vm.prank(ADMIN);
        market.setOracle(address(full));
        _create(DRAW);
        vm.warp(LOCK);
        market.lockRound(1); // recorded or not
        vm.warp(DRAW);
        for (uint256 first = 0; first < 8; ++first) {
            uint256 id = vm.snapshotState();
            uint256 lies = first == 0 ? 0 : 1;
            if (lies == 1) _reportTo(full, first - 1, _drawOf([uint8(1), 2, 3, 4, 5], 10));
            for (uint256 i = 0; i < 8; ++i) {
                (, uint256 proposedAt,) = full.proposal(address(market), 1);
                (uint256 number, uint256 votes) = full.ballot(address(market), 1);
                require(proposedAt == 0 && number == 1 && votes == lies + i, "not yet");
                _reportTo(full, first + i, _sixty());
            }
            (uint8 winner, uint256 at, uint256 end) = full.proposal(address(market), 1);
            require(winner == 60 && at == DRAW && end == DRAW, "proposed");
            full.finalize(address(market), 1);
            require(vm.revertToState(id), "again");
        }
        vm.warp(DRAW - 1);
        vm.prank(GUARDIAN);
        market.cancelRound(1);
        vm.warp(DRAW);
        bytes memory call = abi.encodeCall(O.report, (address(market), 1, _sixty(), ""));
        bytes memory decided = abi.encodeWithSelector(O.RoundDecided.selector, address(market), 1, 4);
        _refusesAt(address(full), FIRST, 0, call, decided);
    }

    function test_votesOutOfPlaceAreRefused() external {
        _played();
        O.Draw memory draw = _sixty();
        vm.warp(DRAW - 1);
        _refusesVote(ALICE, draw, abi.encodeWithSelector(O.NotReporter.selector, ALICE));
        _refusesVote(FIRST, draw, abi.encodeWithSelector(O.ReportTooEarly.selector, address(market), 1, DRAW));
        bytes memory call = abi.encodeCall(O.report, (ALICE, 1, draw, ""));
        _refusesAt(address(oracle), FIRST, 0, call, abi.encodeWithSelector(O.NotAMarket.selector, ALICE));
        call = abi.encodeCall(O.report, (address(market), 2, draw, ""));
        _refusesAt(address(oracle), FIRST, 0, call, abi.encodeWithSelector(M.UnknownRound.selector, 2));
        O other = Deploy.committee(_members(1), 1, 0, REFEREE);
        bytes memory problem =
            abi.encodeWithSelector(O.NotOracleOfRound.selector, address(market), 1, address(oracle));
        call = abi.encodeCall(O.report, (address(market), 1, draw, ""));
        _refusesAt(address(other), FIRST, 0, call, problem);
        uint256 last = DRAW + 71 hours - WINDOW;
        vm.warp(last + 1);
        _refusesVote(FIRST, draw, abi.encodeWithSelector(O.ReportTooLate.selector, address(market), 1, last));
        vm.warp(last);
        _vote(FIRST, draw);
        _vote(SECOND, draw);
        vm.warp(last + WINDOW);
        oracle.finalize(address(market), 1);
    }

    function test_drawsThatCannotBeAreRefused() external {
        _played();
        vm.warp(DRAW);
        O.Draw memory draw = _sixty();
        draw.drawDate += 1;
        _refusesVote(
            FIRST, draw, abi.encodeWithSelector(O.WrongDrawDate.selector, draw.drawDate, draw.drawDate - 1)
        );
        _refusesDraw([uint8(0), 1, 2, 3, 4], 1);
        _refusesDraw([uint8(70), 1, 2, 3, 4], 1);
        _refusesDraw([uint8(5), 1, 2, 5, 4], 1);
        _refusesDraw([uint8(5), 1, 2, 3, 4], 0);
        _refusesDraw([uint8(5), 1, 2, 3, 4], 27);
        _vote(FIRST, _drawOf([uint8(69), 1, 68, 2, 67], 26));
    }

    function _refusesDraw(uint8[5] memory whites, uint8 special) private {
        bytes memory problem = abi.encodeWithSelector(O.InvalidDraw.selector, whites, special, 69, 26);
        _refusesVote(FIRST, _drawOf(whites, special), problem);
        bytes memory call = abi.encodeCall(O.winningNumber, (address(market), _drawOf(whites, special)));
        _refusesAt(address(oracle), ALICE, 0, call, problem);
    }

    // ----------------------------------------------------------------------------------------------------- numbers

    function test_theNumbersOfTheLowestAndTheHighestDraw() external view {
        uint8[5] memory low = [uint8(1), 2, 3, 4, 5];
        uint8[5] memory high = [uint8(69), 68, 67, 66, 65];
        require(oracle.winningNumber(address(market), _drawOf(low, 1)) == 65, "15 + 50");
        require(oracle.winningNumber(address(market), _drawOf(low, 2)) == 15, "15");
        require(oracle.winningNumber(address(market), _drawOf(high, 25)) == 85, "335 + 50");
        require(oracle.winningNumber(address(market), _drawOf(high, 26)) == 35, "335");
    }

    /// @notice The number and the vote do not depend on the order of the whites.
    function testFuzz_theNumberIsTheSumOfTheBalls(uint8[5] calldata whites, uint8 special) external {
        uint256 sum = special % 2 == 1 ? 50 : 0;
        bool sound = special != 0 && special <= 26;
        for (uint256 i = 0; i < 5; ++i) {
            sum += whites[i];
            sound = sound && whites[i] != 0 && whites[i] <= 69;
            for (uint256 j = 0; j < i; ++j) {
                sound = sound && whites[i] != whites[j];
            }
        }
        if (!sound) return _refusesNumber(whites, special);
        require(oracle.winningNumber(address(market), _drawOf(whites, special)) == sum % 100, "number");
        _played();
        vm.warp(DRAW);
        _vote(FIRST, _drawOf(whites, special));
        (, O.Draw memory draw) = oracle.voteOf(address(market), 1, FIRST);
        for (uint256 i = 0; i < 5; ++i) {
            sum -= draw.whites[i];
            require(i == 0 || draw.whites[i] > draw.whites[i - 1], "order");
        }
        require(draw.special == special && sum == (special % 2 == 1 ? 50 : 0), "the same balls");
    }

    /// @notice The same of balls that always make a draw.
    function testFuzz_theNumberOfSoundDraws(uint256 seed, uint8 special) external {
        uint8[5] memory whites;
        for (uint256 i = 0; i < 5; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            whites[i] = uint8(1 + 14 * i + seed % (i == 4 ? 13 : 14));
        }
        uint256 turn = seed % 5;
        (whites[0], whites[turn]) = (whites[turn], whites[0]);
        this.testFuzz_theNumberIsTheSumOfTheBalls(whites, 1 + special % 26);
    }

    function _refusesNumber(uint8[5] calldata whites, uint8 special) private {
        bytes memory problem = abi.encodeWithSelector(O.InvalidDraw.selector, whites, special, 69, 26);
        bytes memory call = abi.encodeCall(O.winningNumber, (address(market), _drawOf(whites, special)));
        _refusesAt(address(oracle), ALICE, 0, call, problem);
    }
}
