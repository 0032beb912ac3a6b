"""The names of metric types, and their codes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, DELTA, GAUGE, RATE
from schemas.kernels.compiled import Int, inlined
from schemas.kernels.text import literal, same

UNKNOWN: Final = -1

_GAUGE = literal(b"gauge")
_COUNTER = literal(b"counter")
_DELTA = literal(b"delta")
_RATE = literal(b"rate")


@inlined
def type_code(buf: NDArray[np.uint8], start: Int, length: Int) -> Int:
    """The code of the type that a span names, or UNKNOWN."""
    if same(buf, start, length, _GAUGE):
        return GAUGE
    if same(buf, start, length, _COUNTER):
        return COUNTER
    if same(buf, start, length, _DELTA):
        return DELTA
    if same(buf, start, length, _RATE):
        return RATE
    return UNKNOWN
