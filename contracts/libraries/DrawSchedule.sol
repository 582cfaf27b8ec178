// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Whether an instant is one of a lottery's draw times in New York
library DrawSchedule {
    uint256 private constant DAY = 86_400;
    /// @dev New York's standard time is five hours behind UTC.
    uint256 private constant STANDARD_OFFSET = 5 hours;
    /// @dev Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
    uint256 private constant EPOCH_SHIFT = 719_468;

    /// @notice Whether `time` is a draw time: its weekday in New York is in `drawDays` and it is `drawSecond` seconds
    /// into that day by the clock on the wall.
    /// @param time seconds of Unix time; at least a day
    /// @param drawDays weekdays, bit 0 = Sunday
    /// @param drawSecond second of the day, below 86,400
    function isDrawTime(uint256 time, uint256 drawDays, uint256 drawSecond) internal pure returns (bool) {
        uint256 local = inNewYork(time);
        return local % DAY == drawSecond && (drawDays >> weekday(local / DAY)) & 1 == 1;
    }

    /// @notice The date in New York of an instant, in days since 1970-01-01.
    /// @param time seconds of Unix time; at least a day
    function dateOf(uint256 time) internal pure returns (uint256) {
        return inNewYork(time) / DAY;
    }

    /// @notice What the clocks in New York show, as seconds since 1970-01-01 00:00 there.
    /// @param time seconds of Unix time; at least a day
    function inNewYork(uint256 time) internal pure returns (uint256 local) {
        local = time - STANDARD_OFFSET;
        if (isDaylightSaving(local)) local += 1 hours;
    }

    /// @notice Whether daylight saving is in force in New York at an instant.
    /// @param standard the instant in New York's standard time, as seconds since 1970-01-01 00:00 there
    /// @dev By the Energy Policy Act of 2005: from the second Sunday of March, 2:00 standard time, to the first Sunday
    /// of November, 2:00 daylight time, which is 1:00 standard time. In a year counted from 1 March, 1 November is day
    /// 245 = 35 weeks, so both months begin on the same weekday, and one number k, the days from 1 March to its first
    /// Sunday, gives both dates: day 7 + k and day 245 + k.
    function isDaylightSaving(uint256 standard) internal pure returns (bool) {
        uint256 day = standard / DAY;
        unchecked {
            // Nothing overflows: a day is below 2^240, all other numbers below 2^26; and a weekday is below 7.
            uint256 marchDay = dayOfMarchYear(day);
            // Days from 1 March to its first Sunday: (7 - weekday(1 March)) mod 7 = (marchDay - weekday(today)) mod 7.
            uint256 k = (marchDay + 7 - weekday(day)) % 7;
            uint256 secondOfYear = marchDay * DAY + standard % DAY;
            return secondOfYear >= (7 + k) * DAY + 2 hours && secondOfYear < (245 + k) * DAY + 1 hours;
        }
    }

    /// @notice The weekday of a day counted from 1970-01-01, a Thursday; 0 = Sunday.
    function weekday(uint256 day) internal pure returns (uint256) {
        return (day + 4) % 7;
    }

    /// @notice The days since the last 1 March of a day counted from 1970-01-01: 0 to 365.
    /// @dev The civil-from-days algorithm (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"): years that
    /// begin in March have their leap day at the end, and 146,097 days make 400 of them.
    function dayOfMarchYear(uint256 day) internal pure returns (uint256) {
        unchecked {
            // A day is below 2^240; what is taken away was part of the whole.
            uint256 dayOfEra = (day + EPOCH_SHIFT) % 146_097;
            // slither-disable-next-line divide-before-multiply - whole years are meant
            uint256 yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
            return dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        }
    }
}
