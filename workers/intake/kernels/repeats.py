"""How often a name has stood in its row before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import kernel

Integers = NDArray[np.int64]


@kernel
def repeats(rows: Integers, names: Integers, distinct: int) -> Integers:
    """By entry, how many before it have the same row and name; `rows` ascend, `names` are below `distinct`."""
    found = np.empty(len(rows), np.int64)
    last = np.full(distinct, -1, np.int64)
    count = np.zeros(distinct, np.int64)
    for i in range(len(rows)):
        name = names[i]
        count[name] = count[name] + 1 if last[name] == rows[i] else 0
        last[name] = rows[i]
        found[i] = count[name]
    return found
