"""JSON numbers to the nearest double.

Up to 19 digits times a power of ten: exactly where both fit a double (Clinger, 1990), else by one or two 128-bit
products with a table of powers of five (Lemire, Number Parsing at a Gigabyte per Second, 2021). What neither decides
(more digits, exponents beyond ±64) is left to a real parser.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.json import NOT_PLAIN
from schemas.kernels.text import byte_at

_MINUS = 0x2D
_PLUS = 0x2B
_POINT = 0x2E
_ZERO = 0x30
_NINE = 0x39
_EXPONENTS = (0x45, 0x65)
_MOST_DIGITS = 19
_EXACT_INTEGER = 1 << 53
_EXACT_POWER = 22
LARGEST_POWER: Final = 64
_EXACT_RECIPROCAL = -27


def _powers_of_five() -> NDArray[np.uint64]:
    """The 128 highest bits of 5^q for q from -64 to 64, as (high, low): cut off for q ≥ 0, else from a reciprocal."""
    rows = []
    for q in range(-LARGEST_POWER, LARGEST_POWER + 1):
        power = 5 ** abs(q)
        width = (power - 1).bit_length()
        if q >= 0:
            bits = power << 128 >> power.bit_length()
        elif q >= _EXACT_RECIPROCAL:
            bits = (1 << (width + 127)) // power + 1
        else:
            bits = (1 << (2 * width + 128)) // power + 1
            bits >>= bits.bit_length() - 128
        rows.append((bits >> 64, bits & ((1 << 64) - 1)))
    return np.array(rows, np.uint64)


_FIVES = _powers_of_five()
_TENS = np.array([10.0**q for q in range(_EXACT_POWER + 1)])


@outlined
def read_number(buf: NDArray[np.uint8], pos: Int, end: Int, bits: NDArray[np.uint64]) -> Int:
    """A number into `bits[0]`, the bits of the double; the position behind it."""
    failed = NOT_PLAIN
    negative = pos < end and byte_at(buf, pos) == _MINUS
    if negative:
        pos += 1
    mantissa = np.uint64(0)
    power: Int = np.int64(0)
    first = pos
    while pos < end and _ZERO <= byte_at(buf, pos) <= _NINE:
        mantissa = mantissa * np.uint64(10) + np.uint64(byte_at(buf, pos) - _ZERO)
        pos += 1
    digits = pos - first
    if digits == 0 or (digits > 1 and byte_at(buf, first) == _ZERO):
        return failed
    integer = True
    if pos < end and byte_at(buf, pos) == _POINT:
        integer = False
        pos += 1
        point = pos
        while pos < end and _ZERO <= byte_at(buf, pos) <= _NINE:
            mantissa = mantissa * np.uint64(10) + np.uint64(byte_at(buf, pos) - _ZERO)
            pos += 1
        power = point - pos
        if power == 0:
            return failed
        digits -= power
    if digits > _MOST_DIGITS:
        return failed
    if pos < end and byte_at(buf, pos) in _EXPONENTS:
        integer = False
        exponent, pos = _read_exponent(buf, pos + 1, end)
        if pos < 0:
            return failed
        power += exponent
    if mantissa == 0:
        bits[0] = np.uint64(negative and not integer) << np.uint64(63)  # the integer -0 is 0
        return pos
    if not -LARGEST_POWER <= power <= LARGEST_POWER or not _nearest(mantissa, power, bits):
        return failed
    bits[0] |= np.uint64(negative) << np.uint64(63)
    return pos


@inlined
def _read_exponent(buf: NDArray[np.uint8], pos: Int, end: Int) -> tuple[Int, Int]:
    negative = pos < end and byte_at(buf, pos) == _MINUS
    if negative or (pos < end and byte_at(buf, pos) == _PLUS):
        pos += 1
    first = pos
    exponent = np.int64(0)
    while pos < end and _ZERO <= byte_at(buf, pos) <= _NINE:
        exponent = exponent * 10 + (byte_at(buf, pos) - _ZERO)
        pos += 1
    if pos == first or pos - first > 4:
        return exponent, NOT_PLAIN
    return -exponent if negative else exponent, pos


@inlined
def _nearest(mantissa: np.uint64, power: Int, bits: NDArray[np.uint64]) -> bool:
    """The double nearest to mantissa · 10^power into `bits[0]`; False where that is not decided."""
    if mantissa <= np.uint64(_EXACT_INTEGER) and -_EXACT_POWER <= power <= _EXACT_POWER:
        double = bits.view(np.float64)
        double[0] = np.float64(mantissa) / _TENS[-power] if power < 0 else np.float64(mantissa) * _TENS[power]
        return True
    shift = _leading_zeros(mantissa)
    mantissa <<= np.uint64(shift)
    row = power + LARGEST_POWER
    high, low = _product(mantissa, _FIVES[row, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):  # the lower half of the power may still carry
        carry, _ = _product(mantissa, _FIVES[row, 1])
        low += carry
        if low < carry:
            high += np.uint64(1)
        if low == np.uint64(0xFFFFFFFFFFFFFFFF) and (power < -27 or power > 55):
            return False
    upper = np.int64(high >> np.uint64(63))
    significand = high >> np.uint64(upper + 9)
    exponent = ((np.int64(217706) * power) >> 16) + 63 + upper - shift + 1023
    halfway = low <= np.uint64(1) and -4 <= power <= 23 and significand & np.uint64(3) == np.uint64(1)
    if halfway and significand << np.uint64(upper + 9) == high:
        significand &= ~np.uint64(1)  # exactly between two doubles: to the even one
    significand += significand & np.uint64(1)
    significand >>= np.uint64(1)
    if significand >= np.uint64(1) << np.uint64(53):
        significand = np.uint64(1) << np.uint64(52)
        exponent += 1
    bits[0] = (significand & ~(np.uint64(1) << np.uint64(52))) | np.uint64(exponent) << np.uint64(52)
    return True


@inlined
def _leading_zeros(word: np.uint64) -> Int:
    count = np.int64(0)
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(64 - step) == np.uint64(0):
            word <<= np.uint64(step)
            count += step
    return count


@inlined
def _product(one: np.uint64, other: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The 128 bits of a product of two words: (high, low)."""
    half = np.uint64(32)
    mask = np.uint64(0xFFFFFFFF)
    low = (one & mask) * (other & mask)
    cross = (one >> half) * (other & mask) + (low >> half)
    middle = (one & mask) * (other >> half) + (cross & mask)
    return (one >> half) * (other >> half) + (cross >> half) + (middle >> half), (middle << half) | (low & mask)
