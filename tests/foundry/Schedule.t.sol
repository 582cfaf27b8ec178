// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IP2PLotteryBetting as M} from "../../contracts/interfaces/IP2PLotteryBetting.sol";
import {IResultOracle as O} from "../../contracts/interfaces/IResultOracle.sol";
import {FakeMarket} from "../contracts/solidity/FakeMarket.sol";
import {Deploy, IMarket} from "./support/Deploy.sol";
import {Stage} from "./support/Stage.sol";
import {vm} from "./support/Vm.sol";

/// @title Draw times and dates in New York, against a calendar that walks from year to year and from day to day
/// @notice The market tells by what it refuses what New York's clocks show, the committee what date it is there.
contract Schedule is Stage {
    uint256 private constant DAY = 1 days;

    // ---------------------------------------------------------------------------------------------- naive calendar

    function _isLeap(uint256 year) private pure returns (bool) {
        return year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
    }

    /// @dev In days since 1970-01-01.
    function _newYear(uint256 year) private pure returns (uint256 day) {
        for (uint256 y = 1970; y < year; ++y) {
            day += _isLeap(y) ? 366 : 365;
        }
    }

    /// @dev The nth Sunday from this day on; 1970-01-04 was one.
    function _sunday(uint256 day, uint256 nth) private pure returns (uint256) {
        while (day % 7 != 3) ++day;
        return day + 7 * (nth - 1);
    }

    /// @dev When the clocks are changed in a year: second Sunday of March, 2:00 EST, first Sunday of November, 2:00 EDT.
    function _changes(uint256 newYear, bool leap) private pure returns (uint256 spring, uint256 autumn) {
        uint256 march = newYear + 31 + (leap ? 29 : 28);
        spring = _sunday(march, 2) * DAY + 7 hours;
        autumn = _sunday(march + 31 + 30 + 31 + 30 + 31 + 31 + 30 + 31, 1) * DAY + 6 hours;
    }

    function _local(uint256 time) private pure returns (uint256) {
        uint256 year = 1970;
        uint256 newYear = 0;
        while (newYear + (_isLeap(year) ? 366 : 365) <= (time - 5 hours) / DAY) {
            newYear += _isLeap(year++) ? 366 : 365;
        }
        (uint256 spring, uint256 autumn) = _changes(newYear, _isLeap(year));
        return time - (time >= spring && time < autumn ? 4 hours : 5 hours);
    }

    // -------------------------------------------------------------------------------------------------- draw times

    function _marketOf(uint8 days_, uint256 second) private returns (IMarket) {
        M.Params memory p = _params();
        p.game = M.Game("g", 69, 26, days_, uint24(second));
        return Deploy.market(p);
    }

    function _isDrawTime(IMarket one, uint256 time) private returns (bool done) {
        vm.warp(time - 1 hours);
        vm.prank(OPERATOR);
        bytes memory answer;
        (done, answer) = address(one).call(abi.encodeCall(M.createRound, (time)));
        bytes32 problem = keccak256(abi.encodeWithSelector(M.NotADrawTime.selector, time));
        require(done || keccak256(answer) == problem, "refused otherwise");
    }

    /// @notice Every year that a round can be in, to the second: the hour that is left out, and the one that comes twice.
    function test_theClocksChangeOnTheirSundays() external {
        IMarket before = _marketOf(127, 2 hours - 1);
        IMarket one = _marketOf(127, 1 hours);
        IMarket two = _marketOf(127, 2 hours);
        IMarket three = _marketOf(127, 3 hours);
        for (uint256 year = 1971; year < 2106; ++year) {
            (uint256 spring, uint256 autumn) = _changes(_newYear(year), _isLeap(year));
            require(_isDrawTime(before, spring - 1) && _isDrawTime(three, spring), "spring");
            require(!_isDrawTime(two, spring), "2:00 is left out");
            require(_isDrawTime(before, autumn - 1) && _isDrawTime(one, autumn), "autumn");
            require(!_isDrawTime(two, autumn) && _isDrawTime(two, autumn + 1 hours), "1:00 comes twice");
        }
    }

    /// @notice Each day of the week by its bit, at one second of the day.
    function test_aDrawHasItsDaysAndItsSecond() external {
        uint256 noon = 1_800_032_400; // Friday 15 January 2027, 12:00 in New York
        for (uint256 bit = 0; bit < 7; ++bit) {
            IMarket one = _marketOf(uint8(1 << bit), 12 hours);
            for (uint256 i = 0; i < 8; ++i) {
                require(_isDrawTime(one, noon + i * DAY) == ((5 + i) % 7 == bit), "day");
            }
            uint256 next = noon + ((bit + 2) % 7 + 7) * DAY;
            require(!_isDrawTime(one, next + 1) && !_isDrawTime(one, next - 1), "second");
        }
    }

    function testFuzz_drawTimesAreNewYorks(uint32 seed, uint8 days_, bool exact) external {
        uint256 time = 2 days + uint256(seed) % (type(uint32).max - 2 days);
        uint256 local = _local(time);
        days_ = uint8(days_ % 127) + 1;
        IMarket one = _marketOf(days_, exact ? local % DAY : (local + 1 hours) % DAY);
        bool wanted = exact && (days_ >> ((local / DAY + 4) % 7)) & 1 == 1;
        require(_isDrawTime(one, time) == wanted, "draw time");
    }

    // ------------------------------------------------------------------------------------------------------- dates

    /// @dev What a committee takes for the date of a draw at this time, as the error for a wrong one tells.
    function _dateOf(FakeMarket fake, uint256 time) private returns (uint256 date) {
        fake.say(FakeMarket.Terms(time, 1, uint160(address(oracle)), 69, 26));
        vm.warp(time);
        O.Draw memory draw = O.Draw(type(uint32).max, [uint8(1), 2, 3, 4, 5], 6);
        vm.prank(_members(1)[0]);
        (bool done, bytes memory answer) =
            address(oracle).call(abi.encodeCall(O.report, (address(fake), 1, draw, "")));
        require(!done && bytes4(answer) == O.WrongDrawDate.selector, "wrong date");
        assembly ("memory-safe") {
            date := mload(add(answer, 68))
        }
    }

    /// @param behind how far New York is behind UTC at this day's midnight
    function _checkMidnight(FakeMarket fake, uint256 day, uint256 behind) private {
        uint256 time = day * DAY + behind;
        require(_dateOf(fake, time) == day && _dateOf(fake, time - 1) == day - 1, "midnight");
    }

    /// @notice The midnights around both changes of the clocks, and around February and the year's end, for 900 years.
    function test_datesChangeAtMidnight() external {
        FakeMarket fake = new FakeMarket();
        uint256 newYear = 365;
        for (uint256 year = 1971; year < 2871; ++year) {
            bool leap = _isLeap(year);
            if (year % 4 == 0 || year < 2106) {
                (uint256 spring, uint256 autumn) = _changes(newYear, leap);
                _checkMidnight(fake, spring / DAY, 5 hours);
                _checkMidnight(fake, spring / DAY + 1, 4 hours);
                _checkMidnight(fake, autumn / DAY, 4 hours);
                _checkMidnight(fake, autumn / DAY + 1, 5 hours);
                if (year % 25 == 0) {
                    _checkMidnight(fake, newYear, 5 hours);
                    _checkMidnight(fake, newYear + 59, 5 hours);
                    _checkMidnight(fake, newYear + 60, 5 hours);
                }
            }
            newYear += leap ? 366 : 365;
        }
    }

    function testFuzz_datesAreNewYorks(uint32 time) external {
        uint256 later = 2 days + uint256(time) * 4; // some 540 years
        require(_dateOf(new FakeMarket(), later) == _local(later) / DAY, "date");
    }
}
