"""Latency quantiles with bounded relative error: logarithmic buckets (DDSketch) in numba kernels.

Bucket b ≥ 1 holds values in (LOWEST · γ^(b-1), LOWEST · γ^b] with γ = (1 + α) / (1 - α); its value is within the
share α of every member. Bucket 0 holds what is not above LOWEST, the last one what is above the range; quantiles are
clamped to the exact minimum and maximum, kept beside. Counts are int64 multiples of 1 / WEIGHT_UNIT: additive and
exact, so a window is its panes' sum. See Masson et al., DDSketch, VLDB 2019.

A pane's sketch is sparse: a chain of chunks of 32 bytes in a shared pool, each `[next, entry × 7]`; an entry is
`bucket << COUNT_BITS | count`, and a bucket may have several.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workers.windows.compiled import kernel

ALPHA = 0.02
LOWEST = 0.01
"""Milliseconds; below it values are told apart no further."""

BUCKETS = 464  # up to about 1.1 million ms
WEIGHT_UNIT = 8
COUNT_BITS = 22
CHUNK = 8
NONE = -1

_LOG_GAMMA = math.log((1 + ALPHA) / (1 - ALPHA))
COUNT_MASK = (1 << COUNT_BITS) - 1
_MAX_UNITS = 1 << 25


def _bucket_values() -> NDArray[np.float64]:
    gamma = (1 + ALPHA) / (1 - ALPHA)
    inner = [LOWEST * 2 * gamma**b / (gamma + 1) for b in range(1, BUCKETS - 1)]
    return np.array([0.0, *inner, math.inf])


VALUES = _bucket_values()


@kernel
def bucket_of(x: float) -> int:
    """The bucket of a value ≥ 0."""
    if x <= LOWEST:
        return 0
    b = math.ceil(math.log(x / LOWEST) / _LOG_GAMMA)
    return max(1, min(b, BUCKETS - 1))


@kernel
def units_of(weight: float) -> int:
    """A weight in sketch units, at least one."""
    return int(max(1.0, min(np.rint(weight * WEIGHT_UNIT), float(_MAX_UNITS))))


@kernel
def put(
    pool: NDArray[np.int32], free: NDArray[np.int32], n_free: int, head: int, bucket: int, units: int
) -> tuple[int, int]:
    """Add units of a bucket to the chain at `head` (NONE: empty); returns its head, and how many chunks are free now.

    `free[:n_free]` are free chunks; the caller makes sure that there are CHUNKS_PER_EVENT.
    """
    chunk, last = head, NONE
    while units > 0:
        if chunk == NONE:
            n_free -= 1
            chunk = free[n_free]
            pool[chunk, 0] = NONE
            pool[chunk, 1:] = 0
            if last == NONE:
                head = chunk
            else:
                pool[last, 0] = chunk  # behind the others: what comes often came first, and is found first
        for j in range(1, CHUNK):
            entry = pool[chunk, j]
            if entry == 0 or entry >> COUNT_BITS == bucket:
                take = min(units, COUNT_MASK - (entry & COUNT_MASK))
                pool[chunk, j] = (bucket << COUNT_BITS) | ((entry & COUNT_MASK) + take)
                units -= take
                if units == 0:
                    break
        last, chunk = chunk, pool[chunk, 0]
    return head, n_free


CHUNKS_PER_EVENT = _MAX_UNITS // COUNT_MASK // (CHUNK - 1) + 2
"""No event takes more chunks than this."""


@kernel
def release(pool: NDArray[np.int32], free: NDArray[np.int32], n_free: int, head: int) -> int:
    """Give a chain back to the free chunks; returns how many are free now."""
    while head != NONE:
        free[n_free] = head
        n_free += 1
        head = pool[head, 0]
    return n_free


@kernel
def spread(pool: NDArray[np.int32], head: int, dense: NDArray[np.int64], span: NDArray[np.int64], sign: int) -> None:
    """Add (sign 1) or take away (-1) a chain to dense counts; `span` [lowest, highest] only ever widens here."""
    while head != NONE:
        for j in range(1, CHUNK):
            entry = pool[head, j]
            if entry == 0:
                break
            bucket = entry >> COUNT_BITS
            dense[bucket] += sign * (entry & COUNT_MASK)
            span[0] = min(span[0], bucket)
            span[1] = max(span[1], bucket)
        head = pool[head, 0]


@kernel
def narrow(dense: NDArray[np.int64], span: NDArray[np.int64]) -> None:
    """Shrink `span` to the buckets that are not empty; [BUCKETS, -1] when all are."""
    while span[0] <= span[1] and dense[span[0]] == 0:
        span[0] += 1
    while span[1] >= span[0] and dense[span[1]] == 0:
        span[1] -= 1
    if span[0] > span[1]:
        span[0] = BUCKETS
        span[1] = -1


@kernel
def quantiles(
    dense: NDArray[np.int64], span: NDArray[np.int64], low: float, high: float, out: NDArray[np.float64]
) -> None:
    """p50, p95, p99 into `out`, clamped to [low, high]; NaN when empty. The rank of q among n is q · (n - 1)."""
    total = 0
    for b in range(span[0], span[1] + 1):
        total += dense[b]
    out[:] = np.nan
    if total <= 0:
        return
    seen, b = 0, span[0] - 1
    for k in range(3):
        rank = _RANKS[k] * max(0, total - WEIGHT_UNIT)
        while seen <= rank and b < span[1]:
            b += 1
            seen += dense[b]
        out[k] = min(max(VALUES[b], low), high)


_RANKS = np.array([0.5, 0.95, 0.99])
