"""Avro's primitives, written. Every writer returns the position behind what it wrote; there is room for all of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import Int, inlined, outlined

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

_BYTE = np.uint64(0xFF)


@inlined
def put_byte(out: Bytes, pos: Int, byte: Int) -> Int:
    out[np.uint64(pos)] = np.uint8(byte)
    return pos + 1


@outlined
def put_long(out: Bytes, pos: Int, value: Int) -> Int:
    """A zigzag variable-length integer, at most ten bytes."""
    bits = np.uint64((value << 1) ^ (value >> 63))
    while bits >= np.uint64(0x80):
        pos = put_byte(out, pos, np.int64((bits & np.uint64(0x7F)) | np.uint64(0x80)))
        bits >>= np.uint64(7)
    return put_byte(out, pos, np.int64(bits))


@inlined
def put_bits(out: Bytes, pos: Int, bits: np.uint64) -> Int:
    """The eight bytes of a double."""
    for place in range(8):
        out[np.uint64(pos + place)] = np.uint8((bits >> np.uint64(8 * place)) & _BYTE)
    return pos + 8


@outlined
def put_encoded(out: Bytes, pos: Int, texts: Bytes, edges: Integers, code: Int) -> Int:
    """A text that stands encoded, its length in front, in `texts`."""
    for place in range(edges[code], edges[code + 1]):
        out[np.uint64(pos)] = texts[np.uint64(place)]
        pos += 1
    return pos


@inlined
def put_optional(out: Bytes, pos: Int, texts: Bytes, edges: Integers, code: Int) -> Int:
    """A union of null (a negative code) and string."""
    if code < 0:
        return put_byte(out, pos, np.int64(0))
    return put_encoded(out, put_byte(out, pos, np.int64(2)), texts, edges, code)
