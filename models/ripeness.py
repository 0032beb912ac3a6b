"""Windows that a service has not lived for yet.

In its first minutes half an hour holds few events, and what is said of them is as noisy as they are few. A model that
learned from grown services would take that for an outage, at every start of a pod. Until a window is behind it, what it
says is taken as missing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.untrained.service import window_seconds

_COUNT, _HELD, _DAY = "events_count_", "panes_count_", "events_z_24h"


def unripe(names: tuple[str, ...], values: NDArray[np.float64], pane_us: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """(n, k) what to take as missing of vectors whose panes are `pane_us` (n,) long; None: nothing.

    A service is grown once an hour of its day is known (`events_z_24h`); before, a window counts once as much time of
    it has held events.
    """
    columns = _columns(names)
    if columns is None:
        return None
    windowed, widths, held, day = columns
    young = np.flatnonzero(np.isnan(values[:, day]))
    if len(young) == 0:
        return None
    lived = np.nan_to_num(values[young, held], nan=0.0) * pane_us[young]
    mask = np.zeros(values.shape, np.bool_)
    mask[np.ix_(young, windowed)] = lived[:, None] < widths
    return mask if mask.any() else None


@lru_cache(maxsize=1_000)
def _columns(names: tuple[str, ...]) -> tuple[NDArray[np.intp], NDArray[np.float64], int, int] | None:
    """The features over windows, how long those are (microseconds), and where it stands how much is known."""
    held = next((i for i, name in enumerate(names) if name.startswith(_HELD)), -1)
    if held < 0 or _DAY not in names:
        return None
    windows = {name.removeprefix(_COUNT) for name in names if name.startswith(_COUNT)}
    found = [(i, name.rpartition("_")[2]) for i, name in enumerate(names) if i != held]
    windowed = [(i, window) for i, window in found if window in windows]
    widths = np.array([window_seconds(window) * 1e6 for _, window in windowed])
    return np.array([i for i, _ in windowed], np.intp), widths, held, names.index(_DAY)
