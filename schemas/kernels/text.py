"""Whether bytes are text."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import Int, inlined, outlined

_HIGH_BITS = np.uint64(0x8080808080808080)

PADDING: Final = b"\0" * 8
"""Stands behind the last record of a batch, so that eight bytes can be read wherever a text ends."""


@inlined
def byte_at(buf: NDArray[np.uint8], pos: Int) -> Int:
    """One byte. An unsigned index spares the test for a negative one, which would cost more than the load."""
    return np.int64(buf[np.uint64(pos)])


@inlined
def word_at(buf: NDArray[np.uint8], pos: Int) -> np.uint64:
    """Eight bytes as a little-endian number; the compiler makes one load of it, thanks to the unsigned index."""
    at = np.uint64(pos)
    return (
        np.uint64(buf[at])
        | np.uint64(buf[at + np.uint64(1)]) << np.uint64(8)
        | np.uint64(buf[at + np.uint64(2)]) << np.uint64(16)
        | np.uint64(buf[at + np.uint64(3)]) << np.uint64(24)
        | np.uint64(buf[at + np.uint64(4)]) << np.uint64(32)
        | np.uint64(buf[at + np.uint64(5)]) << np.uint64(40)
        | np.uint64(buf[at + np.uint64(6)]) << np.uint64(48)
        | np.uint64(buf[at + np.uint64(7)]) << np.uint64(56)
    )


@inlined
def part_at(buf: NDArray[np.uint8], pos: Int, length: Int) -> np.uint64:
    """Fewer than eight bytes as a little-endian number. Reads eight: see `PADDING`."""
    return word_at(buf, pos) & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1))


@inlined
def is_utf8(buf: NDArray[np.uint8], start: Int, end: Int) -> bool:
    """Well-formed UTF-8 (Unicode, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF."""
    pos = start
    bits = np.uint64(0)
    while pos + 8 <= end:
        bits |= word_at(buf, pos)
        pos += 8
    bits |= part_at(buf, pos, end - pos)
    return bits & _HIGH_BITS == 0 or _is_utf8(buf, start, end)


@outlined
def _is_utf8(buf: NDArray[np.uint8], pos: Int, end: Int) -> bool:
    while pos < end:
        lead = byte_at(buf, pos)
        pos += 1
        if lead < 0x80:
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        more = 1 + (lead >= 0xE0) + (lead >= 0xF0)
        if more > end - pos:
            return False
        low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
        high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
        if not low <= byte_at(buf, pos) <= high:
            return False
        for place in range(pos + 1, pos + more):
            if byte_at(buf, place) & 0xC0 != 0x80:
                return False
        pos += more
    return True


def literal(text: bytes) -> NDArray[np.uint8]:
    """Bytes to compare a span with, by `same`."""
    return np.frombuffer(text + PADDING, np.uint8)


@inlined
def same(buf: NDArray[np.uint8], start: Int, length: Int, text: NDArray[np.uint8]) -> bool:
    """Whether a span holds exactly the bytes of a `literal`."""
    if length != len(text) - 8:
        return False
    at: Int = 0
    while at + 8 <= length:
        if word_at(buf, start + at) != word_at(text, at):
            return False
        at += 8
    return bool(part_at(buf, start + at, length - at) == part_at(text, at, length - at))
