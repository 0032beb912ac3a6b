"""Protobuf's wire format, walked field by field in bytes that may be damaged.

A walker is a loop over `read_field` within the bounds of one message; nested messages are spans, to be walked in turn.
What a kernel does not know it passes over. Buffers end with `schemas.kernels.text.PADDING`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.codes import BAD_LENGTH, BAD_TAG, BAD_VARINT, TRUNCATED
from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.text import byte_at, word_at

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

VARINT: Final = np.int64(0)
FIXED64: Final = np.int64(1)
LENGTH: Final = np.int64(2)
FIXED32: Final = np.int64(5)
"""Wire types. Groups (3, 4) have long been given up, and count as damage."""

_MOST_TAG = np.int64(0xFFFFFFFF)
_ONE = np.uint64(1)
_SEVEN = np.uint64(7)
_SEVEN_BITS = np.uint64(127)
_LAST_SHIFT = np.uint64(63)
_THOUSAND = np.uint64(1_000)


@inlined
def read_varint(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    """A variable-length integer as the int64 of the same bits: (value, position behind it or a failure)."""
    if pos < end:
        byte = byte_at(buf, pos)
        if byte < 0x80:
            return byte, pos + 1
    return _read_varint(buf, pos, end)


@outlined
def _read_varint(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    bits = np.uint64(0)
    shift = np.uint64(0)
    while pos < end:
        part = np.uint64(byte_at(buf, pos))
        pos += 1
        if shift == _LAST_SHIFT and part > _ONE:
            return np.int64(0), np.int64(BAD_VARINT)
        bits |= (part & _SEVEN_BITS) << shift
        if part <= _SEVEN_BITS:
            return np.int64(bits), pos
        shift += _SEVEN
    return np.int64(0), np.int64(TRUNCATED)


@inlined
def read_field(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int, Int, Int, Int]:
    """The field at `pos`: (number, wire type, value, stop, position behind it or a failure).

    `value` is a varint's value; of all other types the field's content is `buf[value:stop]`.
    """
    nothing: Int = np.int64(0)
    tag, pos = read_varint(buf, pos, end)
    if pos < 0:
        return nothing, nothing, nothing, nothing, pos
    number, wire = tag >> 3, tag & 7
    if number <= 0 or tag > _MOST_TAG:
        return nothing, nothing, nothing, nothing, np.int64(BAD_TAG)
    if wire == LENGTH:
        length, pos = read_varint(buf, pos, end)
        if pos < 0:
            return nothing, nothing, nothing, nothing, pos
        if length < 0 or length > end - pos:
            return nothing, nothing, nothing, nothing, np.int64(BAD_LENGTH)
        return number, wire, pos, pos + length, pos + length
    if wire == VARINT:
        value, pos = read_varint(buf, pos, end)
        return number, wire, value, pos, pos
    size: Int = np.int64(8) if wire == FIXED64 else np.int64(4)
    if wire != FIXED64 and wire != FIXED32:
        return nothing, nothing, nothing, nothing, np.int64(BAD_TAG)
    if size > end - pos:
        return nothing, nothing, nothing, nothing, np.int64(TRUNCATED)
    return number, wire, pos, pos + size, pos + size


@inlined
def micros_at(buf: Bytes, pos: Int) -> Int:
    """A fixed64 of nanoseconds, as microseconds."""
    return np.int64(word_at(buf, pos) // _THOUSAND)


@inlined
def packed_varints(buf: Bytes, wire: Int, value: Int, stop: Int, out: Integers, n: Int) -> tuple[Int, Int]:
    """A repeated integer, packed or not, behind the `n` entries of `out`: (entries, 0 or a failure)."""
    if wire == VARINT:
        out[n] = value
        return n + 1, np.int64(0)
    pos = value
    while pos < stop:
        out[n], pos = read_varint(buf, pos, stop)
        if pos < 0:
            return n, pos
        n += 1
    return n, np.int64(0)


@inlined
def packed_words(buf: Bytes, value: Int, stop: Int, out: NDArray[np.uint64], n: Int) -> tuple[Int, Int]:
    """A repeated number of eight bytes, packed or not, behind the `n` entries of `out`: (entries, 0 or a failure)."""
    if (stop - value) % 8:
        return n, np.int64(BAD_LENGTH)
    for pos in range(value, stop, 8):
        out[n] = word_at(buf, pos)
        n += 1
    return n, np.int64(0)
