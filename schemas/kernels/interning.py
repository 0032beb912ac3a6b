"""Distinct texts of a column, found by a hash table over their bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import Int, inlined, kernel
from schemas.kernels.text import part_at, word_at

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

_FIRST_SLOTS = 256
_HALF = np.uint64(32)
_ROTATION = np.uint64(29)


@kernel
def intern(buf: Bytes, starts: Integers, lengths: Integers, secret: Integers) -> tuple[NDArray[np.int32], Integers]:
    """Codes of texts, counted up in the order in which they first occur; -1 for null (length -1).

    Returns (codes, the place where each code first occurs). `secret`, two random numbers of the process, keys the hash:
    nobody can make up texts that all fall into one slot. Codes do not depend on it.
    """
    n = len(starts)
    out = np.empty(n, np.int32)
    first = np.empty(n, np.int64)
    hashes = np.empty(n, np.uint64)
    slots = np.full(_FIRST_SLOTS, -1, np.int32)
    found: Int = 0
    for i in range(n):
        length = lengths[i]
        if length < 0:
            out[i] = -1
            continue
        key = _hash(buf, starts[i], length, secret)
        slot = _find(buf, starts, lengths, i, key, slots, hashes, first)
        code: Int = np.int64(slots[slot])
        if code < 0:
            code = found
            slots[slot] = code
            hashes[code] = key
            first[code] = i
            found += 1
            if 2 * found > len(slots):
                slots = _grown(hashes, found, 4 * len(slots))
        out[i] = code
    return out, first[:found].copy()


@inlined
def _find(
    buf: Bytes,
    starts: Integers,
    lengths: Integers,
    i: Int,
    key: np.uint64,
    slots: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    first: Integers,
) -> Int:
    """The slot that holds the text of entry i, or the free one where it belongs."""
    mask = np.uint64(len(slots) - 1)
    slot = np.int64(key & mask)
    length = lengths[i]
    while True:
        code = slots[slot]
        if code < 0:
            return slot
        if hashes[code] == key:
            other = first[code]
            if lengths[other] == length and _equal(buf, starts[i], starts[other], length):
                return slot
        slot = (slot + 1) & np.int64(mask)


@inlined
def _equal(buf: Bytes, one: Int, other: Int, length: Int) -> bool:
    whole = length & ~7
    for place in range(0, whole, 8):
        if word_at(buf, one + place) != word_at(buf, other + place):
            return False
    return bool(part_at(buf, one + whole, length - whole) == part_at(buf, other + whole, length - whole))


@kernel
def _grown(hashes: NDArray[np.uint64], found: Int, size: Int) -> NDArray[np.int32]:
    """A larger table of the same codes."""
    slots = np.full(size, -1, np.int32)
    mask = np.int64(size - 1)
    for code in range(found):
        slot = np.int64(hashes[code]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = code
    return slots


@inlined
def _hash(buf: Bytes, start: Int, length: Int, secret: Integers) -> np.uint64:
    """Eight bytes at a time into a keyed multiply-and-fold."""
    factor = np.uint64(secret[0]) | np.uint64(1)
    state = np.uint64(secret[1]) ^ np.uint64(length)
    whole = length & ~7
    for place in range(start, start + whole, 8):
        state = (state ^ word_at(buf, place)) * factor
        state ^= state >> _ROTATION
    state = (state ^ part_at(buf, start + whole, length - whole)) * factor
    state ^= state >> _HALF
    state *= factor
    return state ^ (state >> _ROTATION)


@kernel
def last_wins(rows: Integers, names: NDArray[np.int32], distinct: Int) -> tuple[Integers, Integers]:
    """Where a row has a name twice, the last entry in the place of the first, as in a JSON object.

    `rows` ascend. Returns (the entry whose row and name stand at each place, the entry whose value does); both
    ascend to n - 1 where nothing is double.
    """
    n = len(rows)
    kept = np.empty(n, np.int64)
    value = np.empty(n, np.int64)
    seen_row = np.full(distinct, -1, np.int64)
    seen_at = np.empty(distinct, np.int64)
    out: Int = 0
    for j in range(n):
        name = names[j]
        if seen_row[name] == rows[j]:
            value[seen_at[name]] = j
            continue
        seen_row[name] = rows[j]
        seen_at[name] = out
        kept[out] = j
        value[out] = j
        out += 1
    return kept[:out], value[:out]
