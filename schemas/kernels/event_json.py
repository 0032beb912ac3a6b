"""JSON events that are written plainly, straight into columns.

Plain is: no escapes in texts, no key twice, no unknown key, numbers that `numbers.py` decides, times that `clock.py`
reads, and nothing wrong. Every other record is left to `schemas/event_json.py`, whose result would be the same.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, DELTA, GAUGE, NULL_TIME
from schemas.kernels import layout
from schemas.kernels.clock import NO_TIME, read_time
from schemas.kernels.compiled import Int, inlined, kernel, outlined
from schemas.kernels.json import (
    CLOSE_BRACE,
    CLOSE_BRACKET,
    COLON,
    NOT_PLAIN,
    NULL_BEGINS,
    OPEN_BRACE,
    OPEN_BRACKET,
    QUOTE,
    Bytes,
    expect,
    more,
    read_null,
    read_string,
    skip_space,
)
from schemas.kernels.metric_types import UNKNOWN, type_code
from schemas.kernels.numbers import read_number
from schemas.kernels.text import byte_at, literal, same
from schemas.times import MAX_TIME, MIN_TIME

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]
Bits = NDArray[np.uint64]

Table = tuple[NDArray[np.bool_], Integers, Numbers, Integers, Integers, Numbers, Integers, Numbers, Integers]

_ID = literal(b"id")
_TIMESTAMP = literal(b"timestamp")
_ENTITY = literal(b"entity")
_KIND = literal(b"kind")
_SOURCE = literal(b"source")
_OBSERVED_AT = literal(b"observed_at")
_ATTRIBUTES = literal(b"attributes")
_METRICS = literal(b"metrics")
_DISTRIBUTIONS = literal(b"distributions")
_WEIGHT = literal(b"weight")
_VALUE = literal(b"value")
_TYPE = literal(b"type")
_NAME = literal(b"name")
_BOUNDS = literal(b"bounds")
_COUNTS = literal(b"counts")

_PARTS_OF_NUMBERS = (0x2E, 0x45, 0x65, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39)

_SEEN_TIMESTAMP: Final = 1 << 1
_SEEN_ENTITY: Final = 1 << 2
_SEEN_KIND: Final = 1 << 3
_REQUIRED = _SEEN_TIMESTAMP | _SEEN_ENTITY | _SEEN_KIND


@kernel
def read_json_events(buf: Bytes, starts: Integers, ends: Integers, which: Integers, limits: Integers) -> Table:
    """The plain ones of the JSON events `buf[starts[i]:ends[i]]`; `which[i]` is the number of the record.

    Returns (taken, rows, weights, attributes, metrics, metric values, distributions, bounds, counts), as `layout.py`
    has them. Events that are not taken have left no trace in the tables.
    """
    n = len(starts)
    size: Int = np.int64(0)
    for i in range(n):
        size += ends[i] - starts[i]
    taken = np.zeros(n, np.bool_)
    rows = np.empty((n, layout.EVENT_WIDTH), np.int64)
    weights = np.empty(n, np.float64)
    # Bounded by the fewest bytes that an entry has: "a":"" and "a":0 with a comma, [] of one number and a comma.
    attributes = np.empty((min(size // 6, n * limits[layout.MAX_ATTRIBUTES]), layout.ATTRIBUTE_WIDTH), np.int64)
    metrics = np.empty((size // 5, layout.METRIC_WIDTH), np.int64)
    values = np.empty(size // 5, np.float64)
    distributions = np.empty((size // 30, layout.DISTRIBUTION_WIDTH), np.int64)
    bounds = np.empty(size // 2, np.float64)
    counts = np.empty(size // 2, np.int64)
    bits = np.empty(1, np.uint64)
    double = bits.view(np.float64)
    used = np.zeros(5, np.int64)
    before = np.zeros(5, np.int64)
    row: Int = np.int64(0)
    for i in range(n):
        before[:] = used
        end = ends[i]
        pos = _read_event(
            buf, starts[i], end, row, rows, weights, attributes, metrics, values, distributions, bounds, counts,
            used, limits, bits, double,
        )  # fmt: skip
        if pos >= 0 and skip_space(buf, pos, end) == end:
            rows[row, layout.RECORD] = which[i]
            taken[i] = True
            row += 1
        else:
            used[:] = before
    a, m, d, b, c = used
    return (
        taken,
        rows[:row],
        weights[:row],
        attributes[:a],
        metrics[:m],
        values[:m],
        distributions[:d],
        bounds[:b],
        counts[:c],
    )


_A: Final = 0
_M: Final = 1
_D: Final = 2
_B: Final = 3
_C: Final = 4
"""Places of the tables' lengths in `used`: attributes, metrics, distributions, bounds, counts."""


@inlined
def _read_event(
    buf: Bytes,
    pos: Int,
    end: Int,
    row: Int,
    rows: Integers,
    weights: Numbers,
    attributes: Integers,
    metrics: Integers,
    values: Numbers,
    distributions: Integers,
    bounds: Numbers,
    counts: Integers,
    used: Integers,
    limits: Integers,
    bits: Bits,
    double: Numbers,
) -> Int:
    rows[row, layout.OBSERVED] = NULL_TIME
    rows[row, layout.ID + 1] = rows[row, layout.SOURCE + 1] = layout.NULL
    weights[row] = 1.0
    seen = np.int64(0)
    first = used[_M] + used[_D]
    pos = expect(buf, pos, end, OPEN_BRACE)
    going = pos >= 0
    while going:
        key, length, pos = read_string(buf, pos, end)
        if pos < 0:
            return pos
        pos = expect(buf, pos, end, COLON)
        if pos < 0:
            return pos
        pos = skip_space(buf, pos, end)
        if same(buf, key, length, _TIMESTAMP):
            field = _SEEN_TIMESTAMP
            rows[row, layout.TIME], pos = _read_time(buf, pos, end)
        elif same(buf, key, length, _ENTITY):
            field = _SEEN_ENTITY
            pos = _read_name(buf, pos, end, rows, row, layout.ENTITY, limits[layout.MAX_ENTITY])
        elif same(buf, key, length, _KIND):
            field = _SEEN_KIND
            pos = _read_name(buf, pos, end, rows, row, layout.KIND, limits[layout.MAX_NAME])
        elif same(buf, key, length, _ATTRIBUTES):
            field = 1 << 4
            pos = _read_attributes(buf, pos, end, row, attributes, used, limits)
        elif same(buf, key, length, _METRICS):
            field = 1 << 5
            pos = _read_metrics(buf, pos, end, row, metrics, values, used, limits, bits, double)
        elif same(buf, key, length, _ID):
            field = 1 << 6
            pos = _read_optional(buf, pos, end, rows, row, layout.ID, limits[layout.MAX_NAME])
        elif same(buf, key, length, _SOURCE):
            field = 1 << 7
            pos = _read_optional(buf, pos, end, rows, row, layout.SOURCE, limits[layout.MAX_NAME])
        elif same(buf, key, length, _OBSERVED_AT):
            field = 1 << 8
            if pos < end and byte_at(buf, pos) == NULL_BEGINS:
                pos = read_null(buf, pos, end)
            else:
                rows[row, layout.OBSERVED], pos = _read_time(buf, pos, end)
        elif same(buf, key, length, _WEIGHT):
            field = 1 << 9
            if pos < end and byte_at(buf, pos) == NULL_BEGINS:
                pos = read_null(buf, pos, end)
            else:
                pos = read_number(buf, pos, end, bits)
                weights[row] = double[0]
                if weights[row] <= 0:
                    return NOT_PLAIN
        elif same(buf, key, length, _DISTRIBUTIONS):
            field = 1 << 10
            pos = _read_distributions(buf, pos, end, row, distributions, bounds, counts, used, limits, bits, double)
        else:
            return NOT_PLAIN
        if pos < 0 or seen & field != 0:
            return NOT_PLAIN
        seen |= field
        going, pos = more(buf, pos, end, CLOSE_BRACE)
    if seen & _REQUIRED != _REQUIRED or used[_M] + used[_D] - first > limits[layout.MAX_METRICS]:
        return NOT_PLAIN
    return pos


@inlined
def _read_time(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    """(RFC 3339 or an integer of epoch milliseconds, in microseconds; position behind it)."""
    if pos < end and byte_at(buf, pos) == QUOTE:
        start, length, pos = read_string(buf, pos, end)
        if pos < 0:
            return pos, pos
        time = read_time(buf, start, length)
        return time, pos if time != NO_TIME else NOT_PLAIN
    return _read_milliseconds(buf, pos, end)


@outlined
def _read_milliseconds(buf: Bytes, pos: Int, end: Int) -> tuple[Int, Int]:
    negative = pos < end and byte_at(buf, pos) == 0x2D
    if negative:
        pos += 1
    first = pos
    time = np.int64(0)
    while pos < end and pos - first < 16 and 0x30 <= byte_at(buf, pos) <= 0x39:
        time = time * 10 + (byte_at(buf, pos) - 0x30)
        pos += 1
    if negative:
        time = -time
    digits = pos - first
    whole = digits == 1 or (digits > 1 and byte_at(buf, first) != 0x30)
    follows = pos < end and byte_at(buf, pos) in _PARTS_OF_NUMBERS
    if not whole or follows or not MIN_TIME // 1_000 <= time <= MAX_TIME // 1_000:
        return time, NOT_PLAIN
    return time * 1_000, pos


@inlined
def _read_name(buf: Bytes, pos: Int, end: Int, rows: Integers, row: Int, column: Int, limit: Int) -> Int:
    """A text that must not be empty, into two columns."""
    start, length, pos = read_string(buf, pos, end)
    rows[row, column] = start
    rows[row, column + 1] = length
    return pos if 0 < length <= limit else NOT_PLAIN


@inlined
def _read_optional(buf: Bytes, pos: Int, end: Int, rows: Integers, row: Int, column: Int, limit: Int) -> Int:
    """A text or null, into two columns."""
    if pos < end and byte_at(buf, pos) == NULL_BEGINS:
        return read_null(buf, pos, end)
    start, length, pos = read_string(buf, pos, end)
    rows[row, column] = start
    rows[row, column + 1] = length
    return pos if length <= limit else NOT_PLAIN


@inlined
def _open(buf: Bytes, pos: Int, end: Int, begin: Int, close: Int) -> tuple[bool, Int]:
    """The head of an object or array: (whether there is an entry, its position or that behind `close`)."""
    pos = expect(buf, pos, end, begin)
    if pos < 0:
        return False, pos
    pos = skip_space(buf, pos, end)
    if pos < end and byte_at(buf, pos) == close:
        return False, pos + 1
    return True, pos


@outlined
def _read_attributes(
    buf: Bytes, pos: Int, end: Int, row: Int, table: Integers, used: Integers, limits: Integers
) -> Int:
    n = used[_A]
    last = n + limits[layout.MAX_ATTRIBUTES]
    going, pos = _open(buf, pos, end, OPEN_BRACE, CLOSE_BRACE)
    while going and pos >= 0:
        name, name_length, pos = read_string(buf, pos, end)
        if pos >= 0:
            pos = expect(buf, pos, end, COLON)
        if pos < 0:
            return pos
        value, value_length, pos = read_string(buf, pos, end)
        if pos < 0:
            return pos
        named = 0 < name_length <= limits[layout.MAX_NAME]
        if not named or value_length > limits[layout.MAX_TEXT] or n >= last:
            return NOT_PLAIN
        table[n, layout.ROW] = row
        table[n, layout.NAME] = name
        table[n, layout.NAME + 1] = name_length
        table[n, layout.VALUE] = value
        table[n, layout.VALUE + 1] = value_length
        n += 1
        going, pos = more(buf, pos, end, CLOSE_BRACE)
    used[_A] = n
    return pos


@outlined
def _read_metrics(
    buf: Bytes,
    pos: Int,
    end: Int,
    row: Int,
    table: Integers,
    values: Numbers,
    used: Integers,
    limits: Integers,
    bits: Bits,
    double: Numbers,
) -> Int:
    n = used[_M]
    going, pos = _open(buf, pos, end, OPEN_BRACE, CLOSE_BRACE)
    while going and pos >= 0:
        name, length, pos = read_string(buf, pos, end)
        if pos >= 0:
            pos = expect(buf, pos, end, COLON)
        if pos < 0 or not 0 < length <= limits[layout.MAX_NAME]:
            return NOT_PLAIN
        pos = skip_space(buf, pos, end)
        kind: Int = np.int64(GAUGE)
        if pos < end and byte_at(buf, pos) == OPEN_BRACE:
            kind, pos = _read_typed(buf, pos, end, bits)
        else:
            pos = read_number(buf, pos, end, bits)
        if pos < 0:
            return pos
        table[n, layout.ROW] = row
        table[n, layout.NAME] = name
        table[n, layout.NAME + 1] = length
        table[n, layout.TYPE] = kind
        values[n] = double[0]
        n += 1
        going, pos = more(buf, pos, end, CLOSE_BRACE)
    used[_M] = n
    return pos


@outlined
def _read_typed(buf: Bytes, pos: Int, end: Int, bits: Bits) -> tuple[Int, Int]:
    """A metric as {value, type}: its value into `bits[0]`, (the code of its type, position behind it)."""
    kind = np.int64(GAUGE)
    valued = typed = False
    going, pos = _open(buf, pos, end, OPEN_BRACE, CLOSE_BRACE)
    while going and pos >= 0:
        key, length, pos = read_string(buf, pos, end)
        if pos >= 0:
            pos = expect(buf, pos, end, COLON)
        if pos < 0:
            return kind, pos
        if same(buf, key, length, _VALUE) and not valued:
            valued = True
            pos = read_number(buf, skip_space(buf, pos, end), end, bits)
        elif same(buf, key, length, _TYPE) and not typed:
            typed = True
            start, length, pos = read_string(buf, pos, end)
            if pos >= 0:
                kind = np.int64(type_code(buf, start, length))
        else:
            return kind, NOT_PLAIN
        if pos < 0:
            return kind, pos
        going, pos = more(buf, pos, end, CLOSE_BRACE)
    return kind, pos if valued and kind != UNKNOWN else NOT_PLAIN


@outlined
def _read_distributions(
    buf: Bytes,
    pos: Int,
    end: Int,
    row: Int,
    table: Integers,
    bounds: Numbers,
    counts: Integers,
    used: Integers,
    limits: Integers,
    bits: Bits,
    double: Numbers,
) -> Int:
    going, pos = _open(buf, pos, end, OPEN_BRACKET, CLOSE_BRACKET)
    while going and pos >= 0:
        n, b, c = used[_D], used[_B], used[_C]
        seen = np.int64(0)
        kind = np.int64(DELTA)
        inside, pos = _open(buf, pos, end, OPEN_BRACE, CLOSE_BRACE)
        while inside and pos >= 0:
            key, length, pos = read_string(buf, pos, end)
            if pos >= 0:
                pos = expect(buf, pos, end, COLON)
            if pos < 0:
                return pos
            if same(buf, key, length, _NAME):
                field = 1
                pos = _read_name(buf, pos, end, table, n, layout.NAME, limits[layout.MAX_NAME])
            elif same(buf, key, length, _BOUNDS):
                field = 2
                pos = _read_bounds(buf, pos, end, bounds, used, bits, double)
            elif same(buf, key, length, _COUNTS):
                field = 4
                pos = _read_counts(buf, pos, end, counts, used)
            elif same(buf, key, length, _TYPE):
                field = 8
                start, length, pos = read_string(buf, pos, end)
                if pos < 0:
                    return NOT_PLAIN
                kind = np.int64(type_code(buf, start, length))
                if kind != COUNTER and kind != DELTA:
                    return NOT_PLAIN
            else:
                return NOT_PLAIN
            if pos < 0 or seen & field != 0:
                return NOT_PLAIN
            seen |= field
            inside, pos = more(buf, pos, end, CLOSE_BRACE)
        buckets = used[_C] - c
        if pos < 0 or seen & 7 != 7 or buckets != used[_B] - b + 1 or buckets > limits[layout.MAX_BUCKETS]:
            return NOT_PLAIN
        table[n, layout.ROW] = row
        table[n, layout.BOUND_START] = b
        table[n, layout.COUNT_START] = c
        table[n, layout.COUNTS_UP] = kind
        used[_D] += 1
        going, pos = more(buf, pos, end, CLOSE_BRACKET)
    return pos


@outlined
def _read_bounds(buf: Bytes, pos: Int, end: Int, bounds: Numbers, used: Integers, bits: Bits, double: Numbers) -> Int:
    first = used[_B]
    going, pos = _open(buf, pos, end, OPEN_BRACKET, CLOSE_BRACKET)
    while going and pos >= 0:
        pos = read_number(buf, skip_space(buf, pos, end), end, bits)
        b = used[_B]
        if pos < 0 or (b > first and double[0] <= bounds[b - 1]):
            return NOT_PLAIN
        bounds[b] = double[0]
        used[_B] += 1
        going, pos = more(buf, pos, end, CLOSE_BRACKET)
    return pos


@outlined
def _read_counts(buf: Bytes, pos: Int, end: Int, counts: Integers, used: Integers) -> Int:
    going, pos = _open(buf, pos, end, OPEN_BRACKET, CLOSE_BRACKET)
    while going and pos >= 0:
        pos = skip_space(buf, pos, end)
        first = pos
        count = np.int64(0)
        while pos < end and pos - first < 18 and 0x30 <= byte_at(buf, pos) <= 0x39:
            count = count * 10 + (byte_at(buf, pos) - 0x30)
            pos += 1
        if pos == first or (pos - first > 1 and byte_at(buf, first) == 0x30):
            return NOT_PLAIN
        counts[used[_C]] = count
        used[_C] += 1
        going, pos = more(buf, pos, end, CLOSE_BRACKET)
    return pos
