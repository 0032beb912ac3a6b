"""Whether records are keyed by what they are about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.kernels.compiled import kernel
from schemas.kernels.text import byte_at


@kernel
def keys_fit(
    buf: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    keys: NDArray[np.uint8],
    key_starts: NDArray[np.int64],
    key_ends: NDArray[np.int64],
    which: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether span i holds the same bytes as the key of record `which[i]`."""
    fit = np.empty(len(starts), np.bool_)
    for i in range(len(starts)):
        key = key_starts[which[i]]
        fit[i] = key_ends[which[i]] - key == lengths[i]
        place = np.int64(0)
        while fit[i] and place < lengths[i]:
            fit[i] = byte_at(buf, starts[i] + place) == byte_at(keys, key + place)
            place += 1
    return fit
