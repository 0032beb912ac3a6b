"""RFC 3339 times in bytes to epoch microseconds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.text import byte_at
from schemas.times import MAX_TIME, MIN_TIME

NO_TIME: Final = np.iinfo(np.int64).min

_ZERO = 0x30
_SHORTEST = 20  # 2026-03-01T12:00:00Z
_SEPARATORS = ((4, 0x2D), (7, 0x2D), (10, 0x54), (13, 0x3A), (16, 0x3A))
_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


@outlined
def read_time(buf: NDArray[np.uint8], start: Int, length: Int) -> Int:
    """Epoch microseconds of `YYYY-MM-DDTHH:MM:SS[.d…](Z|±HH:MM)`; NO_TIME for everything else.

    Decimals past six are cut off. Leap seconds are left to `times.parse_time`.
    """
    failed = np.int64(NO_TIME)
    if length < _SHORTEST:
        return failed
    for place, separator in _SEPARATORS:
        if byte_at(buf, start + place) != separator:
            return failed
    year = _two(buf, start) * 100 + _two(buf, start + 2)
    month, day = _two(buf, start + 5), _two(buf, start + 8)
    hour, minute, second = _two(buf, start + 11), _two(buf, start + 14), _two(buf, start + 17)
    if not (1 <= month <= 12 and year > 0 and 0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return failed
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month - 1] + (leap and month == 2):
        return failed
    pos = start + 19
    end = start + length
    fraction = np.int64(0)
    if byte_at(buf, pos) == 0x2E:
        pos += 1
        first = pos
        unit = np.int64(100_000)
        while pos < end and 0 <= byte_at(buf, pos) - _ZERO <= 9:
            fraction += (byte_at(buf, pos) - _ZERO) * unit
            unit //= 10
            pos += 1
        if pos == first:
            return failed
    offset = _offset(buf, pos, end)
    if offset == failed:
        return failed
    seconds = _days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
    micros = seconds * 1_000_000 + fraction
    return micros if MIN_TIME <= micros <= MAX_TIME else failed


@inlined
def _two(buf: NDArray[np.uint8], pos: Int) -> Int:
    """A number of two digits; far below zero where one is none."""
    tens = byte_at(buf, pos) - _ZERO
    ones = byte_at(buf, pos + 1) - _ZERO
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else np.int64(-1_000_000)


@inlined
def _offset(buf: NDArray[np.uint8], pos: Int, end: Int) -> Int:
    """Seconds east of UTC of what stands from `pos` to `end`."""
    if pos < end:
        sign = byte_at(buf, pos)
        if sign == 0x5A and end - pos == 1:
            return np.int64(0)
        if (sign == 0x2B or sign == 0x2D) and end - pos == 6 and byte_at(buf, pos + 3) == 0x3A:
            hours, minutes = _two(buf, pos + 1), _two(buf, pos + 4)
            if 0 <= hours <= 23 and 0 <= minutes <= 59:
                seconds = hours * 3_600 + minutes * 60
                return seconds if sign == 0x2B else -seconds
    return np.int64(NO_TIME)


@inlined
def _days(year: Int, month: Int, day: Int) -> Int:
    """Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that a leap day is the last one."""
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
