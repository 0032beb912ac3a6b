"""Native histograms of Prometheus (`prometheus.Histogram`), read into arrays as they came."""

from __future__ import annotations

from typing import Final

import numpy as np

from schemas.kernels.codes import BAD_BOUNDS, BAD_LENGTH, TOO_MANY
from schemas.kernels.compiled import Int, inlined, outlined
from schemas.kernels.text import word_at
from workers.intake.kernels.protobuf import FIXED64, LENGTH, VARINT, Bytes, Integers, read_field, read_varint

TIME, HINT, NUMBER, IS_FLOAT, TOTAL, SCHEMA, THRESHOLD, ZERO, ZERO_FLOAT, SIZES = (np.int64(i) for i in range(10))
HEAD_SIZE: Final = 22
"""What `read_native` finds, doubles as their bits: milliseconds, reset hint, count and whether counts are doubles, sum,
schema, the zero bucket's half width and count; behind these, how many entries each row of the scratch has."""

GAUGE_HINT: Final = np.int64(3)

SPANS, LENGTHS, CHANGES, AMOUNTS, PLACES, COUNTED = (np.int64(i) for i in range(6))
UP, DOWN = np.int64(0), np.int64(6)  # added to these rows: buckets above zero, below zero
CUSTOM = np.int64(12)
SCRATCH_ROWS: Final = 13

MOST_BUCKETS: Final = np.int64(1 << 16)
"""Entries of each repeated field. Clients stop at some hundreds of buckets."""

_MOST_OFFSET = np.int64(1 << 31)


@outlined
def read_native(buf: Bytes, pos: Int, end: Int, head: Integers, scratch: Integers) -> Int:
    """Read a `Histogram` into `head` (HEAD_SIZE) and `scratch` (SCRATCH_ROWS, MOST_BUCKETS); 0, or the failure."""
    head[:] = 0
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos
        failed: Int = np.int64(0)
        if field == 1 and wire == VARINT:
            head[NUMBER], head[IS_FLOAT] = value, 0
        elif field == 2 and wire == FIXED64:
            head[NUMBER], head[IS_FLOAT] = np.int64(word_at(buf, value)), 1
        elif field == 3 and wire == FIXED64:
            head[TOTAL] = np.int64(word_at(buf, value))
        elif field == 4 and wire == VARINT:
            head[SCHEMA] = _unfolded(value)
        elif field == 5 and wire == FIXED64:
            head[THRESHOLD] = np.int64(word_at(buf, value))
        elif field == 6 and wire == VARINT:
            head[ZERO] = value
        elif field == 7 and wire == FIXED64:
            head[ZERO_FLOAT] = np.int64(word_at(buf, value))
        elif field == 14 and wire == VARINT:
            head[HINT] = value
        elif field == 15 and wire == VARINT:
            head[TIME] = value
        elif field == 8 and wire == LENGTH:
            failed = _read_span(buf, value, stop, head, scratch, DOWN)
        elif field == 11 and wire == LENGTH:
            failed = _read_span(buf, value, stop, head, scratch, UP)
        elif field == 9 and wire in (VARINT, LENGTH):
            failed = _read_changes(buf, wire, value, stop, head, scratch, DOWN + CHANGES)
        elif field == 12 and wire in (VARINT, LENGTH):
            failed = _read_changes(buf, wire, value, stop, head, scratch, CHANGES)
        elif field == 10 and wire in (FIXED64, LENGTH):
            failed = _read_words(buf, value, stop, head, scratch, DOWN + AMOUNTS)
        elif field == 13 and wire in (FIXED64, LENGTH):
            failed = _read_words(buf, value, stop, head, scratch, AMOUNTS)
        elif field == 16 and wire in (FIXED64, LENGTH):
            failed = _read_words(buf, value, stop, head, scratch, CUSTOM)
        if failed < 0:
            return failed
    return np.int64(0)


@inlined
def _unfolded(value: Int) -> Int:
    """A sint of the wire ("zigzag")."""
    return np.int64(np.uint64(value) >> np.uint64(1)) ^ -(value & 1)


@outlined
def _read_span(buf: Bytes, pos: Int, end: Int, head: Integers, scratch: Integers, side: Int) -> Int:
    """A `BucketSpan`, behind those that there are; 0, or the failure."""
    n: Int = head[SIZES + side + SPANS]
    if n >= MOST_BUCKETS:
        return np.int64(TOO_MANY)
    offset: Int = np.int64(0)
    length: Int = np.int64(0)
    while pos < end:
        field, wire, value, _stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos
        if field == 1 and wire == VARINT:
            offset = _unfolded(value)
        elif field == 2 and wire == VARINT:
            length = value
    if offset >= _MOST_OFFSET or offset < -_MOST_OFFSET:
        return np.int64(BAD_BOUNDS)
    scratch[side + SPANS, n] = offset
    scratch[side + LENGTHS, n] = length
    head[SIZES + side + SPANS] = n + 1
    return np.int64(0)


@outlined
def _read_changes(buf: Bytes, wire: Int, value: Int, stop: Int, head: Integers, scratch: Integers, row: Int) -> Int:
    """Repeated sint64, packed or not, behind the entries that a row has; 0, or the failure."""
    n: Int = head[SIZES + row]
    pos = value
    while pos < stop or wire == VARINT:
        if n >= MOST_BUCKETS:
            return np.int64(TOO_MANY)
        if wire == VARINT:
            scratch[row, n] = _unfolded(value)
            n += 1
            break
        word, pos = read_varint(buf, pos, stop)
        if pos < 0:
            return pos
        scratch[row, n] = _unfolded(word)
        n += 1
    head[SIZES + row] = n
    return np.int64(0)


@outlined
def _read_words(buf: Bytes, value: Int, stop: Int, head: Integers, scratch: Integers, row: Int) -> Int:
    """Repeated double, packed or not, as their bits behind the entries that a row has; 0, or the failure."""
    n: Int = head[SIZES + row]
    if (stop - value) % 8:
        return np.int64(BAD_LENGTH)
    if n + (stop - value) // 8 > MOST_BUCKETS:
        return np.int64(TOO_MANY)
    for pos in range(value, stop, 8):
        scratch[row, n] = np.int64(word_at(buf, pos))
        n += 1
    head[SIZES + row] = n
    return np.int64(0)
