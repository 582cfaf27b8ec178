// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Handler} from "./support/Handler.sol";
import {Properties} from "./support/Properties.sol";
import {vm} from "./support/Vm.sol";

/// @title Random play over a market and its committees
/// @notice One campaign holds all the numbered invariants after every call: forge would play the same calls again for
/// each `invariant_` function. At the end of each run everybody takes what is due and the market must be empty.
contract Campaign is Properties {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// @dev Forge shows the events of the last run with -vv.
    event log(string);

    /// @dev The totals live in the environment of forge's process: a run forgets what the one before it stored.
    string private constant TOTALS = "LOTTOCHAIN_CAMPAIGN";
    /// @dev After so many runs, and again after as many more, every action must have taken effect, and must have been
    /// refused, once in eight runs.
    uint256 private constant ACTS_CHECKED = 64;
    /// @dev The same of rarer events and of each error, once in 128 runs.
    uint256 private constant RARE_CHECKED = 256;

    function setUp() external {
        handler = new Handler();
        market = handler.market();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), handler.selectors());
    }

    function invariant_1_to_10() external {
        _checkAll();
    }

    function afterInvariant() external {
        handler.finish();
        _checkAll();
        require(address(market).balance == handler.forced(), "1: something is left");
        _count();
    }

    function _checkAll() private {
        vm.warp(handler.clock());
        Seen[] memory rounds = _look();
        _check_1_everyEndedRoundCloses(rounds);
        _check_2_balanceCoversWhatIsOwed(rounds);
        _check_3_bothSidesMatchTheSame(rounds);
        _check_4_matchedNeverFalls(rounds);
        _check_5_matchedIsPartOfTheBet(rounds);
        _check_6_whatWasPromisedStands(rounds);
        _check_7_onlyAQuorumDecides(rounds);
        _check_8_feesAreTakenOnce(rounds);
        _check_9_onlyTheOwnerIsPaid(rounds);
        _check_10_nothingElseChanges(rounds);
    }

    // ------------------------------------------------------------------------------------------------------ counts

    /// @dev Adds this run's counts to the campaign's, prints them, and asserts that nothing is starved. (Forge prints
    /// what the last run tells, and plays that run twice: its counts are in the sum twice.)
    function _count() private {
        (string[] memory acts, string[] memory marks) = _names();
        string[] memory errors = _errors();
        uint256[] memory totals = new uint256[](1 + 2 * acts.length + marks.length + errors.length);
        bytes memory before = vm.envOr(TOTALS, bytes(""));
        if (before.length != 0) totals = abi.decode(before, (uint256[]));
        uint256 runs = ++totals[0];
        uint256 at = 1;
        emit log(string.concat(vm.toString(runs), " runs: took effect, was refused as expected"));
        for (uint256 i = 0; i < acts.length; ++i) {
            uint256 effective = totals[at++] += handler.effective(i);
            uint256 refused = totals[at++] += handler.refused(i);
            emit log(string.concat(_column(effective), _column(refused), "  ", acts[i]));
            if (runs % ACTS_CHECKED == 0 && (8 * effective < runs || 8 * refused < runs)) {
                revert Starved(acts[i]);
            }
        }
        emit log("happened on the way");
        for (uint256 i = 0; i < marks.length; ++i) {
            _tell(totals[at++] += handler.marks(i), marks[i], runs);
        }
        emit log("errors met where they were expected");
        for (uint256 i = 0; i < errors.length; ++i) {
            bytes4 selector = bytes4(keccak256(bytes(errors[i])));
            _tell(totals[at++] += handler.met(selector), errors[i], runs);
        }
        vm.setEnv(TOTALS, vm.toString(abi.encode(totals)));
    }

    function _tell(uint256 times, string memory what, uint256 runs) private {
        emit log(string.concat(_column(times), "  ", what));
        if (runs % RARE_CHECKED == 0 && 128 * times < runs) revert Starved(what);
    }

    error Starved(string what);

    function _column(uint256 number) private pure returns (string memory text) {
        text = vm.toString(number);
        while (bytes(text).length < 8) {
            text = string.concat(" ", text);
        }
    }

    function _names() private pure returns (string[] memory acts, string[] memory marks) {
        acts = _split(
            "createRound;placeBet;placeMatchedBet;cancelUnmatched;quote;lockRound;cancelRound;voidRound;"
            "finalizeRound;report;veto;finalize;claimWinnings;claimRefund;claimWinningsBatch;settle;withdrawFees;"
            "setFee;setOracle;setBetLimits;setFeeRecipient;pause;unpause;"
        );
        marks = _split(
            "bet in the last second;bet a second too late;lock in the first second;report in the first second;"
            "report in the last second;veto in the last second;finalize in the first second;"
            "result in the last second;void in the first second;matched bet got change;"
            "cancelled in part;cancelled whole;vote replaced;lie told;lie outvoted;lie proposed;fees taken;"
            "id repeated;refuser skipped;gas burner skipped;reentry stopped;bet inside a payment;ether forced;"
        );
    }

    /// @dev All errors of both contracts but those of deployments, of real draw times and of too little gas, which the
    /// unit tests have.
    function _errors() private pure returns (string[] memory) {
        return _split(
            "UnknownRound(uint256);DrawTimeOutOfRange(uint256,uint256,uint256);DrawTimeTaken(uint256,uint256);"
            "BettingClosed(uint256,uint256);WrongStatus(uint256,uint8);TooEarly(uint256,uint256);"
            "TooLate(uint256,uint256);InvalidPrediction(uint8);InvalidWinningNumber(uint8);"
            "BetOutOfLimits(uint256,uint256,uint256);TooManyBets(uint256,address,uint256);"
            "LineFull(uint256,uint8,uint256);UnknownBet(uint256,address,uint256);NothingUnmatched(uint256,uint256);"
            "NotAtTail(uint256,uint256);NotEnoughMatched(uint256,uint256,uint256);"
            "NotRoundOracle(uint256,address,address);NotAllowedToCancel(uint256,address);NothingDue(uint256,address);"
            "UseClaimWinnings(uint256);PaymentRefused(address,uint256);FeeTooHigh(uint256,uint256);"
            "InvalidBetLimits(uint256,uint256);ZeroAddress(string);EnforcedPause();ExpectedPause();"
            "AccessControlUnauthorizedAccount(address,bytes32);NotReporter(address);NotGuardian(address,address);"
            "NotAMarket(address);NotOracleOfRound(address,uint256,address);RoundDecided(address,uint256,uint8);"
            "ReportTooEarly(address,uint256,uint256);ReportTooLate(address,uint256,uint256);"
            "WrongDrawDate(uint256,uint256);InvalidDraw(uint8[5],uint8,uint8,uint8);"
            "ProposalStands(address,uint256,uint256);NoProposal(address,uint256);"
            "DisputeWindowOpen(address,uint256,uint256);DisputeWindowOver(address,uint256,uint256);"
        );
    }

    /// @dev The words that end in a semicolon.
    function _split(bytes memory text) private pure returns (string[] memory words) {
        uint256 count = 0;
        for (uint256 i = 0; i < text.length; ++i) {
            if (text[i] == ";") ++count;
        }
        words = new string[](count);
        uint256 start = 0;
        for (uint256 w = 0; w < count; ++w) {
            uint256 end = start;
            while (text[end] != ";") ++end;
            bytes memory word = new bytes(end - start);
            for (uint256 i = 0; i < word.length; ++i) {
                word[i] = text[start + i];
            }
            words[w] = string(word);
            start = end + 1;
        }
    }
}
