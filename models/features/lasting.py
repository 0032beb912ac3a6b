"""What a metric's last three samples are compared with: the samples before them, and the hour.

A mean and a standard deviation of the last samples hold a change as soon as it is there, and the start of whatever
runs on the machine for as long as they remember. A median of what came before the newest does neither, until half of
it has changed.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.history import History
from models.features.series import limited_z, middle
from models.features.sets import Feature

NEWEST = 3
LEAST = 10

LASTING = (
    Feature(
        "median_before", "as the metric", "median of the last 30 samples without the newest three, at least 10 values"
    ),
    Feature("spread_before", "as the metric", "1.4826 · the median distance of these values to median_before"),
    Feature(
        "z_1h",
        "ratio",
        "(x − m) / max(s, 0.01·|m|, 1e-9), m and s the mean and standard deviation (n − 1) over the six ten-minute "
        "panes up to the sample's; limited to ±100",
    ),
)
LASTING_WIDTH = len(LASTING)


@njit(cache=True)
def write_lasting(
    h: History,
    e: int,
    s: int,
    mean: float,
    std: float,
    scratch: NDArray[np.float64],
    out: NDArray[np.float64],
    at: int,
) -> int:
    """Write `LASTING` of series `s` at the newest sample of entity `e` to out[at:]; the position behind them.

    `mean` and `std` are those of its hour. `scratch` is room for RING numbers.
    """
    newest, n = h.held[e] - 1, 0
    for i in range(newest + 1 - NEWEST):
        x = h.value[s, i]
        if not math.isnan(x):
            scratch[n] = x
            n += 1
    out[at], out[at + 1] = math.nan, math.nan
    if n >= LEAST:
        centre = middle(np.sort(scratch[:n]))
        out[at] = centre
        out[at + 1] = 1.4826 * middle(np.sort(np.abs(scratch[:n] - centre)))
    x = h.value[s, newest]
    out[at + 2] = math.nan if math.isnan(x) or math.isnan(std) else limited_z(x, mean, std)
    for i in range(at, at + LASTING_WIDTH):
        if not math.isfinite(out[i]):
            out[i] = math.nan
    return at + LASTING_WIDTH
