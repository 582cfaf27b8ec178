// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ResultOracle} from "../../../contracts/ResultOracle.sol";
import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle} from "../../../contracts/interfaces/IResultOracle.sol";
import {Draws} from "../../../contracts/libraries/Draws.sol";
import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";

/// @notice As much of a market as an oracle meets; it takes whatever it is told.
contract AnyMarket {
    uint256 private immutable DRAW_TIME;
    address public decider;
    uint256 public told;

    constructor(uint256 drawTime) {
        DRAW_TIME = drawTime;
    }

    function setDecider(address decider_) external {
        decider = decider_;
    }

    function resultTerms(uint256)
        external
        view
        returns (uint256, IP2PLotteryBetting.RoundStatus, address, uint8, uint8)
    {
        return (DRAW_TIME, IP2PLotteryBetting.RoundStatus.LOCKED, decider, 69, 26);
    }

    function finalizeRound(uint256, uint8 number) external {
        require(msg.sender == decider);
        told = uint256(number) + 1;
    }
}

/// @title What makes a result: a quorum of equal votes, each reporter counted once, and a window without a veto
/// @dev A committee of three, two of whom are a quorum. Draws are any balls at all; those with the whites in ascending
/// order stand for all, since a vote does not depend on the order (DrawsProofs).
contract CommitteeProofs {
    uint256 private constant DRAW_TIME = 1_750_000_000;
    uint256 private constant ROUND = 1;
    uint256 private constant WINDOW = 1 hours;
    address private constant GUARDIAN = address(0xA3);

    address[] private reporters;
    ResultOracle private oracle;
    AnyMarket private market;
    uint32 private date;

    function setUp() public {
        reporters.push(address(0xC1));
        reporters.push(address(0xC2));
        reporters.push(address(0xC3));
        oracle = new ResultOracle(reporters, 2, WINDOW, GUARDIAN);
        market = new AnyMarket(DRAW_TIME);
        market.setDecider(address(oracle));
        date = 20_254; // 2025-06-15 in New York
        vm.warp(DRAW_TIME);
    }

    /// Two reports make a proposal exactly when they are of two reporters and of the same balls.
    function check_aProposalNeedsAQuorum(uint8 first, uint8 second, uint48 vote, uint48 other) external {
        vm.assume(first < 3 && second < 3);
        _report(first, vote);
        assert(!_stands());
        _report(second, other);
        assert(_stands() == (first != second && vote == other));
        if (!_stands()) return;
        (uint8 number,,) = oracle.proposal(address(market), ROUND);
        assert(number == Draws.winningNumber(vote));
    }

    /// A reporter who votes again replaces the vote: nobody is counted twice, nor for two draws.
    function check_aNewVoteReplacesTheOld(uint48 vote, uint48 other, uint48 third) external {
        _report(0, vote);
        _report(0, other);
        assert(!_stands());
        _report(1, third);
        assert(_stands() == (other == third));
    }

    /// Whoever is no reporter has no vote.
    function check_onlyReportersReport(address caller, uint48 vote) external {
        vm.assume(caller != reporters[0] && caller != reporters[1] && caller != reporters[2]);
        vm.prank(caller);
        try oracle.report(address(market), ROUND, _draw(vote), 0) {
            assert(false);
        } catch {
            assert(!_stands());
        }
    }

    /// The market is told nothing but the standing proposal, and not before its window has passed.
    function check_onlyAProposalIsFinalized(address caller, uint40 time) external {
        svm.enableSymbolicStorage(address(oracle));
        (uint8 number, uint256 proposedAt, uint256 finalizableAt) = oracle.proposal(address(market), ROUND);
        vm.warp(time);
        vm.prank(caller);
        oracle.finalize(address(market), ROUND);
        assert(proposedAt != 0 && finalizableAt == proposedAt + WINDOW && time >= finalizableAt);
        assert(market.told() == uint256(number) + 1);
    }

    /// A standing proposal is nobody's to change but the guardian's, and the guardian's only within its window.
    function check_onlyTheGuardianRemovesAProposal(address caller, uint40 time) external {
        bytes memory data = svm.createCalldata("ResultOracle");
        vm.assume(bytes4(data) != IResultOracle.report.selector); // below
        _proveItStands(caller, time, data);
    }

    /// Nor does a vote change it.
    function check_noVoteChangesAProposal(address caller, uint40 time, uint48 vote, bytes32 evidence)
        external
    {
        _proveItStands(
            caller, time, abi.encodeCall(oracle.report, (address(market), ROUND, _draw(vote), evidence))
        );
    }

    function _proveItStands(address caller, uint40 time, bytes memory data) private {
        svm.enableSymbolicStorage(address(oracle));
        (uint8 number, uint256 proposedAt, uint256 finalizableAt) = oracle.proposal(address(market), ROUND);
        vm.assume(proposedAt != 0 && (caller != GUARDIAN || time >= finalizableAt));
        vm.warp(time);
        vm.prank(caller);
        (bool done,) = address(oracle).call(data);
        (uint8 later, uint256 laterAt,) = oracle.proposal(address(market), ROUND);
        assert((later ^ number) | (laterAt ^ proposedAt) == 0);
        done;
    }

    function _report(uint8 seat, uint48 vote) private {
        vm.assume(Draws.isValid(vote, 69, 26));
        vm.prank(reporters[seat]);
        oracle.report(address(market), ROUND, _draw(vote), 0);
    }

    function _draw(uint48 vote) private view returns (IResultOracle.Draw memory draw) {
        draw.drawDate = date;
        (draw.whites, draw.special) = Draws.unpack(vote);
    }

    function _stands() private view returns (bool) {
        (, uint256 proposedAt,) = oracle.proposal(address(market), ROUND);
        return proposedAt != 0;
    }
}
