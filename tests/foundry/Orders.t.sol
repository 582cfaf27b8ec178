// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {Deploy, IMarket} from "./support/Deploy.sol";
import {OrderQueue} from "./support/OrderQueue.sol";
import {vm} from "./support/Vm.sol";

/// @title Random sequences of bets on one round, against the naive queue
/// @notice Five random words are forty steps of four bytes; half of them go to the same pair of lines.
contract Orders {
    using OrderQueue for OrderQueue.Book;

    address private constant KEY = address(0xA001); // admin, operator, guardian, oracle and fee recipient
    uint256 private constant START = 1_800_000_000;
    uint256 private constant DRAW = START + 1 days;
    uint256 private constant MIN = 1 gwei;
    uint256 private constant MAX = type(uint96).max;
    uint256 private constant USERS = 5;
    uint256 private constant STEPS = 40;

    IMarket private market;
    OrderQueue.Book private book;

    /// @dev An order as the market keeps it: the user's bet, and its place in the queue.
    struct Order {
        address user;
        uint256 betIndex;
        uint8 prediction;
        uint256 index;
    }

    Order[] private orders;
    mapping(address user => uint256) private counts;
    uint256 private roundFee;

    function setUp() external {
        vm.warp(START);
        market = Deploy.market(
            IP2PLotteryBetting.Params({
                game: IP2PLotteryBetting.Game("mega-millions", 70, 24, 0, 0),
                adminDelay: 0,
                admin: KEY,
                operator: KEY,
                guardian: KEY,
                oracle: KEY,
                feeRecipient: KEY,
                feeBps: 0,
                minBet: MIN,
                maxBet: MAX
            })
        );
        for (uint256 i = 0; i < USERS; ++i) {
            vm.deal(_user(i), 2 ** 120);
        }
    }

    // ------------------------------------------------------------------------------------------------------- tests

    /// @notice Whatever is bet and taken back: matched amounts, payouts and fees are the queue's, to the wei.
    function testFuzz_everyPayoutIsTheQueues(bytes32[5] calldata script, uint8 number, uint16 fee) external {
        number %= 100;
        _open(fee % 501);
        _play(script);
        _checkMatched();
        vm.warp(DRAW);
        vm.prank(KEY);
        market.finalizeRound(1, number);

        uint256 staked = market.getRoundInfo(1).totalStaked;
        require(address(market).balance == staked, "stakes");
        for (uint256 i = 0; i < USERS; ++i) {
            _checkPayout(_user(i), number);
        }
        uint256 before = KEY.balance;
        uint256[] memory ids = new uint256[](1);
        ids[0] = 1;
        market.withdrawFees(ids);
        require(KEY.balance - before == book.fees(number, roundFee), "fees");
        require(address(market).balance == 0, "nothing may be left");
    }

    /// @notice The same for a round that is cancelled: everybody gets the stakes back.
    function testFuzz_aCancelledRoundGivesEverythingBack(bytes32[5] calldata script) external {
        _open(500);
        _play(script);
        vm.warp(DRAW + 72 hours + 1);
        market.voidRound(1);
        for (uint256 i = 0; i < USERS; ++i) {
            (address user, uint256 stakes) = (_user(i), 0);
            for (uint256 j = 0; j < orders.length; ++j) {
                if (orders[j].user == user) {
                    stakes += book.lines[orders[j].prediction][orders[j].index].amount;
                }
            }
            (uint256 winnings, uint256 refund) = market.claimable(1, user);
            require(winnings == 0 && refund == stakes, "refund");
            if (stakes == 0) continue;
            uint256 before = user.balance;
            vm.prank(user);
            market.claimRefund(1);
            require(user.balance - before == stakes, "paid");
        }
        require(address(market).balance == 0, "nothing may be left");
    }

    /// @notice Nobody's matched amount falls, whatever others do: looked at after every single step.
    function testFuzz_matchedNeverFalls(bytes32[5] calldata script) external {
        _open(200);
        uint256[] memory most = new uint256[](STEPS);
        for (uint256 i = 0; i < STEPS; ++i) {
            _step(script, i);
            for (uint256 j = 0; j < orders.length; ++j) {
                IP2PLotteryBetting.BetInfo memory bet =
                    market.getUserBets(1, orders[j].user)[orders[j].betIndex];
                require(bet.matchedAmount >= most[j] && bet.matchedAmount <= bet.amount, "fell");
                most[j] = bet.matchedAmount;
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------- steps

    function _open(uint256 fee) private {
        roundFee = fee;
        vm.prank(KEY);
        market.setFee(uint16(fee));
        vm.prank(KEY);
        market.createRound(DRAW);
    }

    function _play(bytes32[5] calldata script) private {
        for (uint256 i = 0; i < STEPS; ++i) {
            _step(script, i);
        }
    }

    /// @dev First byte: what, and by whom; second: on which prediction (half of them on one pair); the rest: how much.
    function _step(bytes32[5] calldata script, uint256 i) private {
        bytes4 step = bytes4(script[i / 8] << (32 * (i % 8)));
        address user = _user(uint8(step[0]) % USERS);
        uint8 prediction = uint8(step[1]) % 16;
        if (prediction > 7) prediction %= 2;
        uint256 what = uint8(step[0]) / 32;
        if (what == 0) return _cancel(uint8(step[1]), uint8(step[2]));
        uint256 amount = _amount(prediction, uint8(step[2]), uint8(step[3]));
        uint256 total = book.stakedOn(prediction);
        if (what < 3) return _betMatched(user, prediction, amount, uint8(step[3]));
        if (total + amount > MAX) {
            bytes memory problem =
                abi.encodeWithSelector(IP2PLotteryBetting.LineFull.selector, 1, prediction, total);
            vm.expectRevert(problem);
            market.quote(1, prediction, amount);
            return
                _refused(user, amount, abi.encodeCall(IP2PLotteryBetting.placeBet, (1, prediction)), problem);
        }
        _bet(user, prediction, amount);
    }

    function _bet(address user, uint8 prediction, uint256 amount) private {
        (uint256 promised, uint256 payout, uint256 fee) = market.quote(1, prediction, amount);
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.placeBet, (1, prediction));
        if (counts[user] == 16) return _refused(user, amount, call, _tooMany(user));
        vm.prank(user);
        market.placeBet{value: amount}(1, prediction);
        uint256 matched = _record(user, prediction, amount);
        require(matched == promised, "quote: matched");
        // What it would get if nothing more came: as if the draw were now. (Any number with which it wins.)
        for (uint8 number = 0; number < 100; number += 33) {
            if (!OrderQueue.wins(prediction, number)) continue;
            (uint256 winnings, uint256 refund) =
                book.payout(prediction, book.lines[prediction].length - 1, number, roundFee);
            require(winnings + refund == payout, "quote: payout");
            require(fee == 2 * matched - winnings, "quote: fee");
        }
    }

    function _betMatched(address user, uint8 prediction, uint256 amount, uint8 mood) private {
        uint256 waiting = book.waitingFor(prediction);
        uint256 taken = amount < waiting ? amount : waiting;
        uint256 least = mood < 64 ? taken + mood % 2 : 0;
        uint256 required = least < MIN ? MIN : least;
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.placeMatchedBet, (1, prediction, least));
        if (taken < required) {
            bytes memory problem =
                abi.encodeWithSelector(IP2PLotteryBetting.NotEnoughMatched.selector, 1, taken, required);
            return _refused(user, amount, call, problem);
        }
        if (counts[user] == 16) return _refused(user, amount, call, _tooMany(user));
        uint256 before = user.balance;
        vm.prank(user);
        market.placeMatchedBet{value: amount}(1, prediction, least);
        require(before - user.balance == taken, "change");
        require(_record(user, prediction, taken) == taken, "matched in full");
    }

    /// @dev Of a recent order most often: only the last of a line can be cut.
    function _cancel(uint8 which, uint8 mood) private {
        if (orders.length == 0) return;
        uint256 back = mood < 192 ? which % 4 : which;
        Order memory o = orders[orders.length - 1 - back % orders.length];
        OrderQueue.Order memory order = book.lines[o.prediction][o.index];
        bytes memory call = abi.encodeCall(IP2PLotteryBetting.cancelUnmatched, (1, o.betIndex));
        if (order.amount == order.matched) {
            bytes4 reason = IP2PLotteryBetting.NothingUnmatched.selector;
            return _refused(o.user, 0, call, abi.encodeWithSelector(reason, 1, o.betIndex));
        }
        if (!book.isLast(o.prediction, o.index)) {
            bytes4 reason = IP2PLotteryBetting.NotAtTail.selector;
            return _refused(o.user, 0, call, abi.encodeWithSelector(reason, 1, o.betIndex));
        }
        uint256 before = o.user.balance;
        vm.prank(o.user);
        market.cancelUnmatched(1, o.betIndex);
        require(o.user.balance - before == book.cut(o.prediction, o.index), "taken back");
    }

    function _record(address user, uint8 prediction, uint256 amount) private returns (uint256 matched) {
        uint256 index;
        (index, matched) = book.place(prediction, amount);
        orders.push(Order(user, counts[user]++, prediction, index));
    }

    // ------------------------------------------------------------------------------------------------------ checks

    function _checkMatched() private view {
        for (uint256 i = 0; i < orders.length; ++i) {
            Order memory o = orders[i];
            OrderQueue.Order memory order = book.lines[o.prediction][o.index];
            IP2PLotteryBetting.BetInfo memory bet = market.getUserBets(1, o.user)[o.betIndex];
            require(bet.prediction == o.prediction && bet.amount == order.amount, "bet");
            require(bet.matchedAmount == order.matched, "matched");
        }
        for (uint8 p = 0; p < 8; ++p) {
            (uint256 total, uint256 matched, uint256 count) = market.getPredictionPool(1, p);
            require(total == book.stakedOn(p) && matched == book.matchedOn(p), "line");
            require(count == book.lines[p].length, "count");
        }
    }

    function _checkPayout(address user, uint8 number) private {
        uint256 winnings = 0;
        uint256 refund = 0;
        for (uint256 i = 0; i < orders.length; ++i) {
            if (orders[i].user != user) continue;
            (uint256 won, uint256 back) = book.payout(orders[i].prediction, orders[i].index, number, roundFee);
            winnings += won;
            refund += back;
        }
        (uint256 claimableWinnings, uint256 claimableRefund) = market.claimable(1, user);
        require(claimableWinnings == winnings && claimableRefund == refund, "claimable");
        if (winnings + refund == 0) return;
        uint256 before = user.balance;
        vm.prank(user);
        market.claimWinnings(1);
        require(user.balance - before == winnings + refund, "paid");
    }

    function _refused(address user, uint256 value, bytes memory call, bytes memory problem) private {
        vm.prank(user);
        (bool done, bytes memory answer) = address(market).call{value: value}(call);
        require(!done && keccak256(answer) == keccak256(problem), "refused otherwise");
    }

    function _tooMany(address user) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IP2PLotteryBetting.TooManyBets.selector, 1, user, 16);
    }

    // ----------------------------------------------------------------------------------------------------- choices

    function _user(uint256 i) private pure returns (address) {
        return address(uint160(0xB001 + i));
    }

    /// @dev The limits, what waits and its neighbours, what is left of the line and its neighbours, or anything.
    function _amount(uint8 prediction, uint8 kind, uint8 size) private view returns (uint256 amount) {
        uint256 waiting = book.waitingFor(prediction);
        uint256 room = MAX - book.stakedOn(prediction);
        if (kind < 16) amount = MIN;
        else if (kind < 32) amount = MAX;
        else if (kind < 64) amount = waiting + size % 3;
        else if (kind < 72) amount = waiting / 2 + 1;
        else if (kind < 96) amount = room + size % 2;
        else if (kind < 112) amount = room / 2 + size;
        else amount = MIN + (uint256(kind) << (size % 84)) + size;
        if (amount < MIN) return MIN;
        return amount > MAX ? MAX : amount;
    }
}
