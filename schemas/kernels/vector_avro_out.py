"""Columns of vectors as Avro datums, one behind the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.avro_out import Bytes, Integers, put_bits, put_byte, put_encoded, put_long
from schemas.kernels.compiled import Int, kernel


@kernel
def write_vectors(
    room: int,
    texts: Bytes,
    edges: Integers,
    entity: Integers,
    window_start: Integers,
    window_end: Integers,
    values: NDArray[np.uint64],
    numbers: Integers,
    flags: NDArray[np.bool_],
) -> tuple[Bytes, Integers]:
    """The values of all vectors end to end, at most `room` bytes, and where each begins and the last one ends.

    Text c is `texts[edges[c]:edges[c + 1]]`: 0 what stands before the entity, 1 profile and version, 2 feature set and
    names, from 3 on entities, which `entity` names. Values come as their bits. `numbers` are sequence, event_count,
    late_count and skewed_count; `flags` silent, retired and regular.
    """
    n, width = values.shape
    out = np.empty(room, np.uint8)
    starts = np.empty(n + 1, np.int64)
    pos: Int = np.int64(0)
    before, profile, feature_set = np.int64(0), np.int64(1), np.int64(2)
    for i in range(n):
        starts[i] = pos
        pos = put_encoded(out, pos, texts, edges, before)
        pos = put_encoded(out, pos, texts, edges, entity[i])
        pos = put_encoded(out, pos, texts, edges, profile)
        pos = put_long(out, pos, window_start[i])
        pos = put_long(out, pos, window_end[i])
        pos = put_encoded(out, pos, texts, edges, feature_set)
        pos = put_long(out, pos, width)
        for j in range(width):
            pos = put_bits(out, pos, values[i, j])
        if width > 0:
            pos = put_byte(out, pos, np.int64(0))
        for j in range(4):
            pos = put_long(out, pos, numbers[i, j])
        for j in range(3):
            pos = put_byte(out, pos, np.int64(flags[i, j]))
    starts[n] = pos
    return out[:pos], starts
