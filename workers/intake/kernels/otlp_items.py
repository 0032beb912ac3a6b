"""OTLP's spans and log records, straight into tables: what they are, and the attributes that are wanted of them.

Field numbers are those of opentelemetry/proto/trace/v1/trace.proto and logs/v1/logs.proto.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from schemas.kernels.codes import BAD_UTF8, REASONS, TOO_MANY
from schemas.kernels.compiled import Int, inlined, kernel, outlined
from schemas.kernels.text import byte_at, is_utf8, word_at
from workers.intake.kernels import otlp_layout as at
from workers.intake.kernels.protobuf import FIXED64, LENGTH, VARINT, Bytes, Integers, micros_at, read_field

FIELDS: Final = ("the message", "a resource's items", "a scope's items", "a span", "a log record", "an attribute")
"""What a failure is about: field number f adds -f · REASONS to the reason."""

_IN_RESOURCE, _IN_SCOPE, _IN_SPAN, _IN_LOG, _IN_ATTRIBUTE = (np.int64(REASONS * field) for field in range(1, 6))

SPANS: Final = np.int64(0)
LOGS: Final = np.int64(1)

RESOURCE: Final = np.int64(1)
TIME: Final = np.int64(2)
START: Final = np.int64(3)
LEVEL: Final = np.int64(4)
LEVEL_TEXT: Final = np.int64(5)
BODY: Final = np.int64(7)
BODY_TYPE: Final = np.int64(9)
ITEM_WIDTH: Final = np.int64(10)
"""Of a span or log record: record, resource, time (µs; a span's end in ns; 0: not said), a span's start in ns, severity
(a span's status), its text, a log's body (a text's span, or that of the whole value) and the field that it is."""

ITEM: Final = np.int64(0)
KEY: Final = np.int64(1)
KIND: Final = np.int64(2)
CONTENT: Final = np.int64(3)
ATTRIBUTE_WIDTH: Final = np.int64(5)
"""Of a wanted attribute: its item, the number of its key, the field of its value, and that: the span of a text or
message; of numbers and truth values their bits and 0."""

_TEXT = np.int64(1)

Tables = tuple[Integers, Integers, Integers, Integers, Integers]


@kernel
def read_items(
    buf: Bytes, starts: Integers, ends: Integers, what: Int, keys: Bytes, edges: Integers, kinds: Int, roots: Int,
    most: Int,
) -> Tables:  # fmt: skip
    """The spans or log records (`what`) of the records `buf[starts[i]:ends[i]]`, of each at most `most`.

    Wanted attributes have the keys `keys[edges[k]:edges[k + 1]]`. Spans are taken whose kind is a bit of `kinds`, and
    if `roots` is not 0 those without a parent. Returns (status, resources, items, attributes, tallies): see above and
    `otlp_layout`; `tallies` has a row a record. `status[i]` is 0 or the failure of record i, which then has left no
    trace in the tables.
    """
    n = len(starts)
    size: Int = np.int64(0)
    for i in range(n):
        size += ends[i] - starts[i]
    status = np.zeros(n, np.int64)
    tallies = np.zeros((n, at.TALLIES), np.int64)
    resources = np.empty((size // 2 + 1, at.RESOURCE_WIDTH), np.int64)
    items = np.empty((size // 2 + 1, ITEM_WIDTH), np.int64)
    attributes = np.empty((size // 4 + 1, ATTRIBUTE_WIDTH), np.int64)
    used = np.zeros(at.TALLIES, np.int64)
    for i in range(n):
        before = used.copy()
        limits = before + most
        pos: Int = starts[i]
        end: Int = ends[i]
        while pos >= 0 and pos < end:
            field, wire, value, stop, pos = read_field(buf, pos, end)
            if pos >= 0 and field == 1 and wire == LENGTH:
                failed = _read_resource(
                    buf, value, stop, i, what, keys, edges, kinds, roots, used, limits, resources, items, attributes
                )  # fmt: skip
                if failed < 0:
                    pos = failed
        if pos < 0:
            status[i] = pos
            used[:] = before
        else:
            tallies[i] = used - before
    return (
        status,
        resources[: used[at.USED_RESOURCES]],
        items[: used[at.POINTS]],
        attributes[: used[at.USED_NUMBERS]],
        tallies,
    )


@outlined
def _read_resource(
    buf: Bytes, pos: Int, end: Int, record: Int, what: Int, keys: Bytes, edges: Integers, kinds: Int, roots: Int,
    used: Integers, limits: Integers, resources: Integers, items: Integers, attributes: Integers,
) -> Int:  # fmt: skip
    """A `ResourceSpans` or `ResourceLogs`; 0, or the failure. `limits`: the most that `used` may come to."""
    resource: Int = used[at.USED_RESOURCES]
    if resource >= limits[at.USED_RESOURCES]:
        return np.int64(TOO_MANY)
    used[at.USED_RESOURCES] = resource + 1
    resources[resource, at.RECORD] = record
    resources[resource, at.RESOURCE_BYTES] = pos
    resources[resource, at.RESOURCE_BYTES + 1] = 0
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_RESOURCE
        if wire != LENGTH:
            continue
        if field == 1:
            resources[resource, at.RESOURCE_BYTES] = value
            resources[resource, at.RESOURCE_BYTES + 1] = stop - value
        elif field == 2:
            inner = value
            while inner < stop:
                field, wire, value, last, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - _IN_SCOPE
                if field == 2 and wire == LENGTH:
                    item: Int = used[at.POINTS]
                    items[item, at.RECORD] = record
                    items[item, RESOURCE] = resource
                    for column in range(TIME, ITEM_WIDTH):
                        items[item, column] = 0
                    if what == SPANS:
                        failed = _read_span(buf, value, last, item, keys, edges, kinds, roots, used, items, attributes)
                    else:
                        failed = _read_log(buf, value, last, item, keys, edges, used, items, attributes)
                    if failed < 0:
                        return failed
                    if used[at.POINTS] > limits[at.POINTS]:
                        return np.int64(TOO_MANY)
    return np.int64(0)


@outlined
def _read_span(
    buf: Bytes, pos: Int, end: Int, item: Int, keys: Bytes, edges: Integers, kinds: Int, roots: Int, used: Integers,
    items: Integers, attributes: Integers,
) -> Int:  # fmt: skip
    """A `Span`; 0, or the failure."""
    before: Int = used[at.USED_NUMBERS]
    kind: Int = np.int64(0)
    parent: Int = np.int64(0)
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_SPAN
        if field == 4 and wire == LENGTH:
            parent = stop - value
        elif field == 6 and wire == VARINT:
            kind = value
        elif field == 7 and wire == FIXED64:
            items[item, START] = np.int64(word_at(buf, value))
        elif field == 8 and wire == FIXED64:
            items[item, TIME] = np.int64(word_at(buf, value))
        elif field == 9 and wire == LENGTH:
            failed = _read_attribute(buf, value, stop, item, keys, edges, used, attributes)
            if failed < 0:
                return failed
        elif field == 15 and wire == LENGTH:
            inner = value
            while inner < stop:
                part, wire, value, _, inner = read_field(buf, inner, stop)
                if inner < 0:
                    return inner - _IN_SPAN
                if part == 3 and wire == VARINT:
                    items[item, LEVEL] = value
    if (kind >= 0 and kind < 32 and (kinds >> kind) & 1) or (roots != 0 and parent == 0):
        used[at.POINTS] += 1
    else:
        used[at.SPANS_SKIPPED] += 1
        used[at.USED_NUMBERS] = before
    return np.int64(0)


@outlined
def _read_log(
    buf: Bytes, pos: Int, end: Int, item: Int, keys: Bytes, edges: Integers, used: Integers, items: Integers,
    attributes: Integers,
) -> Int:  # fmt: skip
    """A `LogRecord`; 0, or the failure."""
    observed: Int = np.int64(0)
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_LOG
        if wire == FIXED64:
            if field == 1:
                items[item, TIME] = micros_at(buf, value)
            elif field == 11:
                observed = micros_at(buf, value)
        elif field == 2 and wire == VARINT:
            items[item, LEVEL] = value
        elif wire == LENGTH:
            if field == 3:
                if not is_utf8(buf, value, stop):
                    return np.int64(BAD_UTF8) - _IN_LOG
                items[item, LEVEL_TEXT] = value
                items[item, LEVEL_TEXT + 1] = stop - value
            elif field == 5:
                items[item, BODY] = value
                items[item, BODY + 1] = stop - value
                items[item, BODY_TYPE] = -1
                while value < stop:
                    part, wire, content, last, value = read_field(buf, value, stop)
                    if value < 0:
                        return value - _IN_LOG
                    if part == _TEXT and wire == LENGTH:
                        if not is_utf8(buf, content, last):
                            return np.int64(BAD_UTF8) - _IN_LOG
                        items[item, BODY] = content
                        items[item, BODY + 1] = last - content
                        items[item, BODY_TYPE] = _TEXT
            elif field == 6:
                failed = _read_attribute(buf, value, stop, item, keys, edges, used, attributes)
                if failed < 0:
                    return failed
    if items[item, TIME] == 0:
        items[item, TIME] = observed
    used[at.POINTS] += 1
    return np.int64(0)


@outlined
def _read_attribute(
    buf: Bytes, pos: Int, end: Int, item: Int, keys: Bytes, edges: Integers, used: Integers, attributes: Integers
) -> Int:
    """A `KeyValue`, kept if its key is wanted; 0, or the failure."""
    key: Int = np.int64(-1)
    content: Int = np.int64(0)
    content_end: Int = np.int64(0)
    while pos < end:
        field, wire, value, stop, pos = read_field(buf, pos, end)
        if pos < 0:
            return pos - _IN_ATTRIBUTE
        if wire == LENGTH:
            if field == 1:
                key = _number_of(buf, value, stop - value, keys, edges)
            elif field == 2:
                content, content_end = value, stop
    if key < 0:
        return np.int64(0)
    n: Int = used[at.USED_NUMBERS]
    attributes[n, ITEM] = item
    attributes[n, KEY] = key
    attributes[n, KIND] = 0
    attributes[n, CONTENT] = content
    attributes[n, CONTENT + 1] = content_end - content
    while content < content_end:
        field, wire, value, stop, content = read_field(buf, content, content_end)
        if content < 0:
            return content - _IN_ATTRIBUTE
        attributes[n, KIND] = field
        if wire == LENGTH and field == _TEXT:
            if not is_utf8(buf, value, stop):
                return np.int64(BAD_UTF8) - _IN_ATTRIBUTE
            attributes[n, CONTENT] = value
            attributes[n, CONTENT + 1] = stop - value
        elif wire == VARINT:
            attributes[n, CONTENT] = value
            attributes[n, CONTENT + 1] = 0
        elif wire == FIXED64:
            attributes[n, CONTENT] = np.int64(word_at(buf, value))
            attributes[n, CONTENT + 1] = 0
    if attributes[n, KIND] > 0:
        used[at.USED_NUMBERS] = n + 1
    return np.int64(0)


@inlined
def _number_of(buf: Bytes, start: Int, length: Int, keys: Bytes, edges: Integers) -> Int:
    """Which wanted key a span is, or -1."""
    for key in range(len(edges) - 1):
        if edges[key + 1] - edges[key] != length:
            continue
        same = True
        for place in range(length):
            if byte_at(buf, start + place) != byte_at(keys, edges[key] + place):
                same = False
                break
        if same:
            return np.int64(key)
    return np.int64(-1)
