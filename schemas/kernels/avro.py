"""Avro's primitives, read from bytes that may be damaged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.codes import (
    BAD_BLOCK,
    BAD_COUNT,
    BAD_LENGTH,
    BAD_UNION,
    BAD_UTF8,
    BAD_VARINT,
    LONG_TEXT,
    TRUNCATED,
)
from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.text import byte_at, is_utf8, word_at

Bytes = NDArray[np.uint8]

_SEVEN_BITS = np.uint64(127)
_ONE = np.uint64(1)
_SEVEN = np.uint64(7)
_LAST_SHIFT = np.uint64(63)
_MIN_LONG = np.iinfo(np.int64).min


@inlined
def read_long(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    """A zigzag variable-length integer: (value, position behind it)."""
    if pos < end:
        byte = byte_at(buf, pos)
        if byte < 0x80:  # most are lengths and counts of one byte
            return (byte >> 1) ^ -(byte & 1), pos + 1
    return _read_long(buf, pos, end)


@outlined
def _read_long(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    bits = np.uint64(0)
    shift = np.uint64(0)
    while pos < end:
        part = np.uint64(byte_at(buf, pos))
        pos += 1
        if shift == _LAST_SHIFT and part > _ONE:
            return 0, BAD_VARINT
        bits |= (part & _SEVEN_BITS) << shift
        if part <= _SEVEN_BITS:
            return np.int64(bits >> _ONE) ^ -np.int64(bits & _ONE), pos
        shift += _SEVEN
    return 0, TRUNCATED


@outlined
def read_text(buf: Bytes, pos: Int, end: Int, limit: Int) -> tuple[Int, Int, Int]:
    """A string of at most `limit` bytes: (first byte, length, position behind it)."""
    length, pos = read_long(buf, pos, end)
    if pos < 0:
        return 0, 0, pos
    if length < 0 or length > end - pos:
        return 0, 0, BAD_LENGTH
    if length > limit:
        return 0, 0, LONG_TEXT
    if not is_utf8(buf, pos, pos + length):
        return 0, 0, BAD_UTF8
    return pos, length, pos + length


@inlined
def read_branch(buf: Bytes, pos: Int, end: Int) -> tuple[bool, Int]:
    """The branch of a union [null, something]: (whether it is something, position behind it)."""
    branch, pos = read_long(buf, pos, end)
    if pos >= 0 and branch != 0 and branch != 1:
        return False, BAD_UNION
    return branch == 1, pos


@inlined
def read_bits(buf: Bytes, pos: Int, end: Int, bits: NDArray[np.uint64]) -> Int:
    """The eight bytes of a double into `bits[0]`; the position behind them. (A view of `bits` is the double.)"""
    if end - pos < 8:
        return TRUNCATED
    bits[0] = word_at(buf, pos)
    return pos + 8


@inlined
def open_block(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int, Int]:
    """The head of an array block: (entries, where the block must end or -1, position of the first entry).

    No entries: the array is over. Every entry of our arrays has at least one byte, which bounds their number.
    """
    count, pos = read_long(buf, pos, end)
    if pos < 0:
        return 0, -1, pos
    block_end: Int = -1
    if count < 0:
        size, pos = read_long(buf, pos, end)
        if pos < 0:
            return 0, -1, pos
        if count == _MIN_LONG or size < 0 or size > end - pos:
            return 0, -1, BAD_BLOCK
        count = -count
        block_end = pos + size
    if count > end - pos:
        return 0, -1, BAD_COUNT
    return count, block_end, pos


@inlined
def read_optional_text(buf: Bytes, pos: Int, end: Int, limit: Int) -> tuple[Int, Int, Int]:
    """A union of null and string: (first byte, length or -1 for null, position behind it)."""
    present, pos = read_branch(buf, pos, end)
    if pos < 0:
        return 0, -1, pos
    if not present:
        return 0, -1, pos
    return read_text(buf, pos, end, limit)
