"""Columns of events as Avro datums, one behind the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NULL_TIME
from schemas.kernels.avro_out import Bytes, Integers, put_bits, put_byte, put_encoded, put_long, put_optional
from schemas.kernels.compiled import Int, inlined, kernel

Codes = NDArray[np.int64]
Bits = NDArray[np.uint64]

_NO = np.int64(0)
_YES = np.int64(2)  # branch 1 of a union
_ONE = np.float64(1.0).view(np.uint64)


@kernel
def write_events(
    room: int,
    header: Bytes,
    texts: Bytes,
    edges: Integers,
    time: Integers,
    observed: Integers,
    weight: Bits,
    heads: Codes,
    attribute_at: Integers,
    attributes: Codes,
    metric_at: Integers,
    metrics: Codes,
    values: Bits,
    distribution_at: Integers,
    distributions: Codes,
    bound_at: Integers,
    bounds: Bits,
    count_at: Integers,
    counts: Integers,
) -> tuple[Bytes, Integers]:
    """The values of all events end to end, at most `room` bytes, and where each begins and the last one ends.

    Codes name encoded texts, `texts[edges[code]:edges[code + 1]]`. `heads` holds a row of codes per event: entity,
    kind, id and source (negative: null); `attributes` name and value; `metrics` and `distributions` name and type. The
    entries of event i are those from `…_at[i]` up to `…_at[i + 1]`. Doubles come as their bits.
    """
    n = len(time)
    out = np.empty(room, np.uint8)
    starts = np.empty(n + 1, np.int64)
    pos: Int = np.int64(0)
    for i in range(n):
        starts[i] = pos
        for byte in header:
            pos = put_byte(out, pos, np.int64(byte))
        pos = put_optional(out, pos, texts, edges, heads[i, 2])
        pos = put_long(out, pos, time[i])
        pos = put_encoded(out, pos, texts, edges, heads[i, 0])
        pos = put_encoded(out, pos, texts, edges, heads[i, 1])
        pos = put_optional(out, pos, texts, edges, heads[i, 3])
        if observed[i] == NULL_TIME:
            pos = put_byte(out, pos, _NO)
        else:
            pos = put_long(out, put_byte(out, pos, _YES), observed[i])
        pos = put_long(out, pos, attribute_at[i + 1] - attribute_at[i])
        for j in range(attribute_at[i], attribute_at[i + 1]):
            pos = put_encoded(out, pos, texts, edges, attributes[j, 0])
            pos = put_encoded(out, pos, texts, edges, attributes[j, 1])
        pos = _close(out, pos, attribute_at[i + 1] - attribute_at[i])
        pos = put_long(out, pos, metric_at[i + 1] - metric_at[i])
        for j in range(metric_at[i], metric_at[i + 1]):
            pos = put_encoded(out, pos, texts, edges, metrics[j, 0])
            pos = put_bits(out, pos, values[j])
            pos = put_encoded(out, pos, texts, edges, metrics[j, 1])
        pos = _close(out, pos, metric_at[i + 1] - metric_at[i])
        if distribution_at[i] == distribution_at[i + 1]:
            pos = put_byte(out, pos, _NO)
        else:
            pos = put_byte(out, pos, _YES)
            pos = put_long(out, pos, distribution_at[i + 1] - distribution_at[i])
            for j in range(distribution_at[i], distribution_at[i + 1]):
                pos = put_encoded(out, pos, texts, edges, distributions[j, 0])
                pos = put_long(out, pos, bound_at[j + 1] - bound_at[j])
                for k in range(bound_at[j], bound_at[j + 1]):
                    pos = put_bits(out, pos, bounds[k])
                pos = _close(out, pos, bound_at[j + 1] - bound_at[j])
                pos = put_long(out, pos, count_at[j + 1] - count_at[j])
                for k in range(count_at[j], count_at[j + 1]):
                    pos = put_long(out, pos, counts[k])
                pos = _close(out, pos, count_at[j + 1] - count_at[j])
                pos = put_encoded(out, pos, texts, edges, distributions[j, 1])
            pos = _close(out, pos, np.int64(1))
        if weight[i] == _ONE:
            pos = put_byte(out, pos, _NO)
        else:
            pos = put_bits(out, put_byte(out, pos, _YES), weight[i])
    starts[n] = pos
    return out[:pos], starts


@inlined
def _close(out: Bytes, pos: Int, count: Int) -> Int:
    """The end of an array that had a block."""
    return put_byte(out, pos, _NO) if count > 0 else pos
