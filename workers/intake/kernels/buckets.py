"""Distributions as they are written, bucket by bucket: bounds that ascend, and one count more than there are bounds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import Int, inlined
from workers.intake.kernels.protobuf import Integers

Numbers = NDArray[np.float64]

MOST_COUNTS: Final = np.int64(1_024)
"""Buckets that an event may carry; more exponential ones are merged pair by pair, which doubles their width."""

MOST_COUNTED: Final = np.int64(1 << 62)
"""Observations of one distribution: sums of two of them do not wrap."""

LEFT_OUT: Final = np.int64(1)
"""An answer: a histogram of which bounds and counts cannot be written, and which is none the worse for it."""

BOUNDS, COUNTS, PENDING = (np.int64(i) for i in range(3))
USED_SIZE: Final = 3
"""How many bounds and counts are in use, and the observations of a bucket that has no end yet."""


@inlined
def begin_buckets(used: Integers) -> Int:
    """Where the bounds of the next distribution begin."""
    used[PENDING] = 0
    first: Int = used[BOUNDS]
    return first


@inlined
def add_bucket(used: Integers, bounds: Numbers, counts: Integers, first: Int, count: Int, upper: float) -> None:
    """A bucket from the last bound to `upper`. One that ends there is part of the last, one without end of the next."""
    b = used[BOUNDS]
    if not np.isfinite(upper):
        used[PENDING] += count
    elif b == first or upper > bounds[b - 1]:
        bounds[b] = upper
        counts[used[COUNTS]] = used[PENDING] + count
        used[BOUNDS] = b + 1
        used[COUNTS] += 1
        used[PENDING] = 0
    else:
        counts[used[COUNTS] - 1] += count


@inlined
def end_buckets(used: Integers, counts: Integers) -> None:
    """The bucket above all bounds."""
    counts[used[COUNTS]] = used[PENDING]
    used[COUNTS] += 1
    used[PENDING] = 0
