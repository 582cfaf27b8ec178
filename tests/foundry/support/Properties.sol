// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle} from "../../../contracts/interfaces/IResultOracle.sol";
import {IMarket} from "./Deploy.sol";
import {Handler} from "./Handler.sol";
import {Model} from "./Model.sol";
import {OrderQueue} from "./OrderQueue.sol";

/// @title The numbered invariants
/// @notice Each looks at the contracts from outside, and holds them against each other and against the model.
abstract contract Properties {
    Handler internal handler;
    IMarket internal market;

    /// @dev A round as the market shows it, and what the model says of it.
    struct Seen {
        uint256 id;
        Model.Facts model;
        IP2PLotteryBetting.RoundInfo info;
        uint256[8] staked;
        uint256[8] matched;
        uint256[8] count;
        IP2PLotteryBetting.BetInfo[][] bets; // by bettor
        uint256[] winnings; // claimable, by bettor
        uint256[] refund;
    }

    function _look() internal view returns (Seen[] memory rounds) {
        rounds = new Seen[](handler.roundCount());
        uint256 bettors = handler.bettorCount();
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            r.id = i + 1;
            r.model = handler.facts(r.id);
            r.info = market.getRoundInfo(r.id);
            for (uint8 p = 0; p < 8; ++p) {
                (r.staked[p], r.matched[p], r.count[p]) = market.getPredictionPool(r.id, p);
            }
            r.bets = new IP2PLotteryBetting.BetInfo[][](bettors);
            (r.winnings, r.refund) = (new uint256[](bettors), new uint256[](bettors));
            for (uint256 u = 0; u < bettors; ++u) {
                address user = handler.bettors(u);
                r.bets[u] = market.getUserBets(r.id, user);
                (r.winnings[u], r.refund[u]) = market.claimable(r.id, user);
            }
        }
    }

    // -------------------------------------------------------------------------------------------------- invariants

    /// @notice 1. Of every round that ended: what was paid, what can be claimed and the fees make up the stakes.
    function _check_1_everyEndedRoundCloses(Seen[] memory rounds) internal pure {
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            if (!_isFinal(r)) continue;
            uint256 fees = r.model.feesPaid ? r.model.feesTaken : r.model.fees;
            require(r.model.paid + _claimable(r) + fees == r.info.totalStaked, "1: a round does not close");
        }
    }

    /// @notice 2. The balance is never less than what is owed; and more only by what was forced upon the market.
    function _check_2_balanceCoversWhatIsOwed(Seen[] memory rounds) internal view {
        uint256 owed = 0;
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            if (!_isFinal(r)) owed += r.info.totalStaked - r.model.paid;
            else owed += _claimable(r) + (r.model.feesPaid ? 0 : r.model.fees);
        }
        require(address(market).balance >= owed, "2: less than is owed");
        require(address(market).balance == owed + handler.forced(), "2: more than is owed and was forced");
    }

    /// @notice 3. The matched sums of the two sides of a pair are equal, by the lines and by the bets.
    function _check_3_bothSidesMatchTheSame(Seen[] memory rounds) internal pure {
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            uint256[8] memory sums;
            for (uint256 u = 0; u < r.bets.length; ++u) {
                for (uint256 j = 0; j < r.bets[u].length; ++j) {
                    sums[r.bets[u][j].prediction] += r.bets[u][j].matchedAmount;
                }
            }
            uint256 total = 0;
            for (uint256 p = 0; p < 8; p += 2) {
                require(r.matched[p] == r.matched[p + 1], "3: lines");
                require(sums[p] == r.matched[p] && sums[p + 1] == r.matched[p], "3: bets");
                total += r.matched[p];
            }
            require(r.info.totalMatched == total, "3: pairs");
        }
    }

    /// @notice 4. No bet's matched amount has ever fallen, whoever cancelled what.
    function _check_4_matchedNeverFalls(Seen[] memory rounds) internal view {
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            for (uint256 u = 0; u < r.bets.length; ++u) {
                address user = handler.bettors(u);
                for (uint256 j = 0; j < r.bets[u].length; ++j) {
                    uint256 most = handler.mostMatched(r.id, user, j);
                    require(r.bets[u][j].matchedAmount >= most, "4: a matched amount fell");
                }
            }
        }
    }

    /// @notice 5. Every matched amount lies within 0 and the bet's amount.
    function _check_5_matchedIsPartOfTheBet(Seen[] memory rounds) internal pure {
        for (uint256 i = 0; i < rounds.length; ++i) {
            for (uint256 u = 0; u < rounds[i].bets.length; ++u) {
                IP2PLotteryBetting.BetInfo[] memory bets = rounds[i].bets[u];
                for (uint256 j = 0; j < bets.length; ++j) {
                    require(bets[j].matchedAmount <= bets[j].amount, "5: more matched than staked");
                }
            }
        }
    }

    /// @notice 6. A round's times, fee and oracle never change, and once it ended neither do status and result.
    function _check_6_whatWasPromisedStands(Seen[] memory rounds) internal view {
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            require(handler.termsOf(r.info) == handler.termsSeen(r.id), "6: terms changed");
            bytes32 end = handler.endSeen(r.id);
            require(_isFinal(r) == (end != 0), "6: end without being seen");
            if (end != 0) require(handler.endOf(r.info) == end, "6: an ended round changed");
        }
    }

    /// @notice 7. A committee's result has the votes of a quorum, in the standing ballot, for exactly one draw that
    /// gives this number, and stood for the dispute window. Without a quorum nothing is proposed.
    function _check_7_onlyAQuorumDecides(Seen[] memory rounds) internal view {
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            (uint256 which, uint256 quorum, uint256 window) = handler.committeeOf(r.id);
            if (which == 2) continue;
            IResultOracle oracle = handler.committees(which);
            (uint8 number, uint256 proposedAt, uint256 finalizableAt) = oracle.proposal(address(market), r.id);
            uint256 agreeing = _largestAgreement(oracle, r.id, proposedAt != 0, number);
            require((agreeing >= quorum) == (proposedAt != 0), "7: quorum and proposal");
            if (r.info.status != IP2PLotteryBetting.RoundStatus.FINALIZED) continue;
            require(proposedAt != 0 && number == r.info.winningNumber, "7: not what was proposed");
            require(finalizableAt == proposedAt + window, "7: another window");
            require(r.info.finalizedAt >= finalizableAt, "7: the window was open");
            (uint256 ballot,,,,) = handler.ballotOf(r.id);
            (uint256 standing,) = oracle.ballot(address(market), r.id);
            require(ballot == standing, "7: another ballot");
        }
    }

    /// @dev How many members stand behind the same draw (with that number, when one is proposed), at most.
    function _largestAgreement(IResultOracle oracle, uint256 id, bool proposed, uint8 number)
        private
        view
        returns (uint256 most)
    {
        address[] memory members = oracle.reporters();
        bytes32[] memory votes = new bytes32[](members.length);
        for (uint256 i = 0; i < members.length; ++i) {
            (bool voted, IResultOracle.Draw memory draw) = oracle.voteOf(address(market), id, members[i]);
            if (!voted || (proposed && _number(draw) != number)) continue;
            votes[i] = keccak256(abi.encode(draw));
            uint256 same = 1;
            for (uint256 j = 0; j < i; ++j) {
                if (votes[j] == votes[i]) ++same;
            }
            if (same > most) most = same;
        }
    }

    /// @notice 8. Fees are taken once, and are F(M) of each pair that was won.
    function _check_8_feesAreTakenOnce(Seen[] memory rounds) internal view {
        uint256 total = 0;
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            if (!r.model.feesPaid) continue;
            for (uint8 p = 0; p < 8; ++p) {
                if (!OrderQueue.wins(p, r.info.winningNumber)) continue;
                total += r.matched[p] * r.info.feeBps / 10_000;
            }
        }
        require(handler.feesWithdrawn() == total, "8: fees");
    }

    /// @notice 9. Everybody has what the model says, no more and no less: only a bet's owner was paid for it.
    function _check_9_onlyTheOwnerIsPaid(Seen[] memory rounds) internal view {
        for (uint256 i = 0; i < handler.accountCount(); ++i) {
            address account = handler.accounts(i);
            require(account.balance == handler.coins(account), "9: coins");
        }
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            for (uint256 u = 0; u < r.bets.length; ++u) {
                (uint256 winnings, uint256 refund) = handler.due(r.id, handler.bettors(u));
                require(winnings == r.winnings[u] && refund == r.refund[u], "9: dues");
            }
        }
    }

    /// @notice 10. All else is as the model has it too: so nothing that was refused has changed anything.
    function _check_10_nothingElseChanges(Seen[] memory rounds) internal view {
        require(market.roundCount() == handler.roundCount(), "10: rounds");
        require(market.paused() == handler.paused(), "10: paused");
        require(market.feeBps() == handler.feeBps() && market.oracle() == handler.oracle(), "10: terms");
        require(market.minBet() == handler.minBet() && market.maxBet() == handler.maxBet(), "10: limits");
        require(market.feeRecipient() == handler.feeRecipient(), "10: fee recipient");
        for (uint256 i = 0; i < rounds.length; ++i) {
            Seen memory r = rounds[i];
            require(r.info.status == r.model.status, "10: status");
            require(r.info.winningNumber == r.model.number, "10: number");
            require(r.info.totalStaked == r.model.staked, "10: stakes");
            _checkLines(r);
            _checkBets(r);
            _checkBallot(r.id);
        }
    }

    function _checkLines(Seen memory r) private view {
        for (uint8 p = 0; p < 8; ++p) {
            (uint256 staked, uint256 matched, uint256 count) = handler.line(r.id, p);
            require(staked == r.staked[p] && matched == r.matched[p] && count == r.count[p], "10: line");
        }
    }

    function _checkBets(Seen memory r) private view {
        for (uint256 u = 0; u < r.bets.length; ++u) {
            Model.BetFacts[] memory bets = handler.betsOf(r.id, handler.bettors(u));
            require(bets.length == r.bets[u].length, "10: bets");
            for (uint256 j = 0; j < bets.length; ++j) {
                IP2PLotteryBetting.BetInfo memory info = r.bets[u][j];
                require(bets[j].prediction == info.prediction, "10: prediction");
                require(bets[j].amount == info.amount, "10: amount");
                require(bets[j].matched == info.matchedAmount, "10: matched");
            }
        }
    }

    function _checkBallot(uint256 id) private view {
        (uint256 which,,) = handler.committeeOf(id);
        if (which == 2) return;
        IResultOracle oracle = handler.committees(which);
        (uint256 ballot, uint256 since, uint8 winner,, uint256 votesAtAll) = handler.ballotOf(id);
        (uint256 number, uint256 votes) = oracle.ballot(address(market), id);
        require(ballot == number && votesAtAll == votes, "10: ballot");
        (uint8 proposed, uint256 proposedAt,) = oracle.proposal(address(market), id);
        require(proposedAt == since && proposed == winner, "10: proposal");
    }

    // -------------------------------------------------------------------------------------------------------- small

    function _isFinal(Seen memory r) private pure returns (bool) {
        return r.info.status == IP2PLotteryBetting.RoundStatus.FINALIZED
            || r.info.status == IP2PLotteryBetting.RoundStatus.CANCELLED;
    }

    function _claimable(Seen memory r) private pure returns (uint256 total) {
        for (uint256 u = 0; u < r.winnings.length; ++u) {
            total += r.winnings[u] + r.refund[u];
        }
    }

    function _number(IResultOracle.Draw memory draw) private pure returns (uint8) {
        uint256 sum = draw.special % 2 == 1 ? 50 : 0;
        for (uint256 i = 0; i < 5; ++i) {
            sum += draw.whites[i];
        }
        return uint8(sum % 100);
    }
}
