// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The matching and payout rules as a bettor would tell them: orders in queues, met one by one
/// @notice The model that the market is held against. It keeps every order in a list, lets an arriving order walk the
/// opposite list from its beginning, and never looks at a total: no interval, no level, no clamp.
library OrderQueue {
    struct Order {
        uint256 amount;
        uint256 matched;
    }

    /// @dev One list of orders for each of the eight predictions.
    struct Book {
        Order[][8] lines;
    }

    // ------------------------------------------------------------------------------------------------------ orders

    /// @return index where the order stands in its line
    /// @return matchedNow how much of it met orders that were waiting
    function place(Book storage book, uint8 prediction, uint256 amount)
        internal
        returns (uint256 index, uint256 matchedNow)
    {
        Order[] storage opposite = book.lines[_opposite(prediction)];
        for (uint256 i = 0; i < opposite.length && matchedNow < amount; ++i) {
            uint256 waiting = opposite[i].amount - opposite[i].matched;
            uint256 wanted = amount - matchedNow;
            uint256 met = waiting < wanted ? waiting : wanted;
            opposite[i].matched += met;
            matchedNow += met;
        }
        index = book.lines[prediction].length;
        book.lines[prediction].push(Order({amount: amount, matched: matchedNow}));
    }

    /// @notice What an order on this line would meet, however large.
    function waitingFor(Book storage book, uint8 prediction) internal view returns (uint256 amount) {
        Order[] storage opposite = book.lines[_opposite(prediction)];
        for (uint256 i = 0; i < opposite.length; ++i) {
            amount += opposite[i].amount - opposite[i].matched;
        }
    }

    /// @notice Whether no later order on the line has any stake.
    function isLast(Book storage book, uint8 prediction, uint256 index) internal view returns (bool) {
        Order[] storage line = book.lines[prediction];
        for (uint256 i = index + 1; i < line.length; ++i) {
            if (line[i].amount != 0) return false;
        }
        return true;
    }

    /// @return back the part without an opponent, which the order gives up
    function cut(Book storage book, uint8 prediction, uint256 index) internal returns (uint256 back) {
        Order storage order = book.lines[prediction][index];
        back = order.amount - order.matched;
        order.amount = order.matched;
    }

    // ----------------------------------------------------------------------------------------------------- results

    /// @notice The table of section 2 of the rules, in the words of the table.
    function wins(uint8 prediction, uint8 n) internal pure returns (bool) {
        if (prediction == 0) return n % 2 == 0;
        if (prediction == 1) return n % 2 == 1;
        if (prediction == 2) return n >= 50;
        if (prediction == 3) return n < 50;
        if (prediction == 4) return n % 2 == 0 && n < 50;
        if (prediction == 5) return n % 2 == 1 && n >= 50;
        if (prediction == 6) return n % 2 == 0 && n >= 50;
        return n % 2 == 1 && n < 50;
    }

    /// @notice What an order gets when n is drawn: its winnings, less the fee, and everything else that comes back.
    /// @dev The fee of the first x wei that won on a line is x * feeBps / 10,000, rounded down; an order pays what it
    /// adds to that.
    function payout(Book storage book, uint8 prediction, uint256 index, uint8 n, uint256 feeBps)
        internal
        view
        returns (uint256 winnings, uint256 refund)
    {
        Order[] storage line = book.lines[prediction];
        Order storage order = line[index];
        refund = order.amount - order.matched;
        bool won = wins(prediction, n);
        if (!won && !wins(_opposite(prediction), n)) return (0, order.amount);
        if (!won || order.matched == 0) return (0, refund);
        uint256 before = 0;
        for (uint256 i = 0; i < index; ++i) {
            before += line[i].matched;
        }
        uint256 fee = (before + order.matched) * feeBps / 10_000 - before * feeBps / 10_000;
        winnings = order.matched + order.matched - fee;
    }

    /// @notice The fees of all orders that won.
    function fees(Book storage book, uint8 n, uint256 feeBps) internal view returns (uint256 total) {
        for (uint8 p = 0; p < 8; ++p) {
            if (!wins(p, n)) continue;
            uint256 won = matchedOn(book, p);
            total += won * feeBps / 10_000;
        }
    }

    // -------------------------------------------------------------------------------------------------------- sums

    function stakedOn(Book storage book, uint8 prediction) internal view returns (uint256 total) {
        Order[] storage line = book.lines[prediction];
        for (uint256 i = 0; i < line.length; ++i) {
            total += line[i].amount;
        }
    }

    function matchedOn(Book storage book, uint8 prediction) internal view returns (uint256 total) {
        Order[] storage line = book.lines[prediction];
        for (uint256 i = 0; i < line.length; ++i) {
            total += line[i].matched;
        }
    }

    function _opposite(uint8 prediction) private pure returns (uint8) {
        return prediction % 2 == 0 ? prediction + 1 : prediction - 1;
    }
}
