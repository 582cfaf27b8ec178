// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {GasBurner, Reentrant, Refuser} from "../contracts/solidity/Attackers.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title Each way of being paid, by hand
contract Payments is Stage {
    function test_winningsPushesAndFees() external {
        _played(); // ALICE's EVEN meets BOB's ODD
        _bet(ALICE, 4, BET);
        _bet(BOB, 5, BET); // EVEN_LOW against ODD_HIGH: a push at 60
        vm.prank(ADMIN);
        market.setOracle(BOB); // too late for this round
        bytes memory early = abi.encodeWithSelector(M.TooEarly.selector, 1, LOCK);
        _refuses(ALICE, abi.encodeCall(M.claimRefund, (1)), early);
        _refuses(ALICE, abi.encodeCall(M.settle, (1, _one(ALICE))), early);
        vm.warp(LOCK);
        uint256 before = ALICE.balance;
        vm.prank(ALICE);
        market.claimRefund(1);
        require(ALICE.balance - before == BET, "unmatched");
        _refuses(
            ALICE, abi.encodeCall(M.claimRefund, (1)), abi.encodeWithSelector(M.NothingDue.selector, 1, ALICE)
        );
        bytes memory open = abi.encodeWithSelector(M.WrongStatus.selector, 1, M.RoundStatus.LOCKED);
        _refuses(ALICE, abi.encodeCall(M.claimWinnings, (1)), open);
        _refuses(ALICE, abi.encodeCall(M.claimWinningsBatch, (_one(1), ALICE)), open);
        _refuses(ALICE, abi.encodeCall(M.withdrawFees, (_one(1))), open);

        _finalizeSixty();
        _refuses(
            ALICE, abi.encodeCall(M.claimRefund, (1)), abi.encodeWithSelector(M.UseClaimWinnings.selector, 1)
        );
        (uint256 winnings, uint256 refund) = market.claimable(1, ALICE);
        require(winnings == 2 * BET - BET / 50 && refund == BET, "EVEN won, the push comes back");
        before = ALICE.balance;
        vm.prank(ALICE);
        market.claimWinnings(1);
        require(ALICE.balance - before == winnings + refund, "paid");
        M.BetInfo[] memory bets = market.getUserBets(1, ALICE);
        require(bets[0].settled && bets[1].settled && bets[1].refunded && !bets[0].refunded, "marks");
        (winnings, refund) = market.claimable(1, BOB);
        require(winnings == 0 && refund == BET, "ODD lost");
        market.settle(1, _one(BOB));
        market.settle(1, _one(BOB)); // nothing is due any more: nothing happens
        require(TREASURY.balance == 0, "fees wait");
        uint256[] memory twice = new uint256[](2);
        (twice[0], twice[1]) = (1, 1);
        market.withdrawFees(twice);
        market.withdrawFees(twice);
        require(TREASURY.balance == BET / 50 && address(market).balance == 0, "fees once");
    }

    function test_betsTellWhetherAnythingIsDueForThem() external {
        _played(); // a bet of ALICE that was met, then one that was not; BOB's was met
        (uint256 winnings, uint256 refund) = market.claimable(1, ALICE);
        require(winnings + refund == 0, "nothing before the betting is over");
        require(!_settled(ALICE, 0) && !_settled(ALICE, 1) && !_settled(BOB, 0), "open");
        vm.warp(LOCK);
        require(!_settled(ALICE, 0) && !_settled(ALICE, 1) && !_settled(BOB, 0), "locked");
        vm.prank(ALICE);
        market.claimRefund(1);
        require(!_settled(ALICE, 0) && _settled(ALICE, 1), "the unmatched one is done with");
        _finalizeSixty();
        require(!_settled(ALICE, 0) && _settled(BOB, 0), "the loser needs not claim");
    }

    function _settled(address user, uint256 index) private view returns (bool) {
        return market.getUserBets(1, user)[index].settled;
    }

    function test_aRoundWithoutFeesPaysNone() external {
        _create(DRAW);
        _bet(ALICE, 0, BET);
        _finalizeSixty();
        market.withdrawFees(_one(1));
        require(TREASURY.balance == 0 && address(market).balance == BET, "no fees of what nobody met");
    }

    function _finalizeSixty() private {
        _finalize([uint8(10), 11, 12, 13, 14], 2);
    }

    function test_aBatchPaysRoundsAtOnceAndToAnybody() external {
        bytes memory call = abi.encodeCall(M.claimWinningsBatch, (_one(1), address(0)));
        _refuses(ALICE, call, abi.encodeWithSelector(M.ZeroAddress.selector, "to"));
        _played();
        _finalizeSixty();
        uint256[] memory twice = new uint256[](2);
        (twice[0], twice[1]) = (1, 1);
        bytes memory nothing = abi.encodeWithSelector(M.NothingDue.selector, 0, TREASURY);
        _refuses(TREASURY, abi.encodeCall(M.claimWinningsBatch, (twice, TREASURY)), nothing);
        uint256 due = 3 * BET - BET / 50;
        bytes memory refused = abi.encodeWithSelector(M.PaymentRefused.selector, address(market), due);
        _refuses(ALICE, abi.encodeCall(M.claimWinningsBatch, (twice, address(market))), refused);
        vm.prank(ALICE);
        market.claimWinningsBatch(twice, TREASURY);
        require(TREASURY.balance == due, "once");
    }

    function test_settlingSkipsWhoRefusesAndSparesNoGas() external {
        (Refuser refuser, GasBurner burner) = (new Refuser(), new GasBurner());
        burner.want(60_000);
        vm.deal(address(refuser), BET);
        vm.deal(address(burner), BET);
        _create(DRAW);
        _bet(address(refuser), 0, BET);
        _bet(address(burner), 2, BET);
        _bet(ALICE, 4, BET);
        address[] memory users = new address[](3);
        (users[0], users[1], users[2]) = (address(refuser), address(burner), ALICE);
        vm.warp(LOCK);
        uint256 before = ALICE.balance;
        market.settle(1, users);
        require(ALICE.balance - before == BET && address(market).balance == 2 * BET, "two skipped");
        bytes memory call = abi.encodeCall(M.claimRefund, (1));
        bytes memory problem = abi.encodeWithSelector(M.PaymentRefused.selector, address(refuser), BET);
        _refuses(address(refuser), call, problem);
        vm.prank(address(burner));
        market.claimRefund(1);
        require(address(burner).balance == BET, "with all the gas it wants");

        (bool done, bytes memory answer) =
            address(market).call{gas: 95_000}(abi.encodeCall(M.settle, (1, users)));
        require(!done && answer.length == 68 && bytes4(answer) == M.NotEnoughGas.selector, "gas");
        (uint256 left, uint256 needed) = this.decode(answer);
        require(left < needed && left > 70_000 && needed == 96_000, "how much");
        vm.warp(DRAW - 1);
        vm.prank(GUARDIAN);
        market.cancelRound(1);
        refuser.accept(true);
        market.settle(1, users);
        require(address(market).balance == 0, "all paid in the end");
    }

    function decode(bytes calldata answer) external pure returns (uint256, uint256) {
        return abi.decode(answer[4:], (uint256, uint256));
    }

    function test_settlingGivesFiftyThousandGas() external {
        GasBurner burner = new GasBurner();
        burner.want(48_000);
        vm.deal(address(burner), BET);
        _create(DRAW);
        _bet(address(burner), 0, BET);
        vm.warp(LOCK);
        market.settle(1, _one(address(burner)));
        require(address(burner).balance == BET, "enough");
    }

    /// @notice Nothing that is guarded can be called by somebody who is being paid; a bet can.
    function test_whoIsBeingPaidCanOnlyBet() external {
        bytes[9] memory calls = [
            abi.encodeCall(M.placeMatchedBet, (2, 1, 0)),
            abi.encodeCall(M.cancelUnmatched, (2, 0)),
            abi.encodeCall(M.claimWinnings, (1)),
            abi.encodeCall(M.claimRefund, (1)),
            abi.encodeCall(M.claimWinningsBatch, (_one(1), ALICE)),
            abi.encodeCall(M.settle, (1, _one(ALICE))),
            abi.encodeCall(M.withdrawFees, (_one(1))),
            abi.encodeCall(M.voidRound, (1)),
            abi.encodeCall(M.placeBet, (2, 1))
        ];
        Reentrant reentrant = new Reentrant();
        vm.deal(address(reentrant), 100 * BET);
        _create(DRAW);
        _create(DRAW + 1 days);
        _bet(address(reentrant), 0, BET);
        vm.prank(ALICE);
        market.placeBet{value: BET}(2, 0);
        vm.warp(LOCK);
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 id = vm.snapshotState();
            reentrant.arm(address(market), uint96(i == 0 || i == 8 ? BET : 0), calls[i]);
            vm.prank(address(reentrant));
            market.claimRefund(1);
            require(reentrant.attempts() == 1 && reentrant.succeeded() == (i == 8), "stopped");
            if (i < 8) {
                require(reentrant.failure() == bytes4(keccak256("ReentrancyGuardReentrantCall()")), "guard");
            }
            require(vm.revertToState(id), "again");
        }
        // And a matched bet is a payment too, where there is change.
        reentrant.arm(address(market), 0, calls[2]);
        vm.prank(address(reentrant));
        market.placeMatchedBet{value: 2 * BET}(2, 1, 0);
        require(reentrant.attempts() == 1 && !reentrant.succeeded(), "stopped");
        require(reentrant.failure() == bytes4(keccak256("ReentrancyGuardReentrantCall()")), "guard");
    }
}
