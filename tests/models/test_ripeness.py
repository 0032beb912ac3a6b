"""A service that has just started is not judged by windows it has not lived for."""

from __future__ import annotations

import numpy as np

from models.features.service import SERVICE
from models.ripeness import unripe

PANE_US = 10_000_000
WINDOWED = {w: {name for name in SERVICE.names if name.endswith(f"_{w}")} for w in ("1m", "5m", "30m")}
WINDOWED["30m"] -= {"panes_count_30m"}


def missing(panes: float, day: float) -> set[str]:
    """The features of one vector that are not ripe, with so many panes in the longest window and that z of the day."""
    values = np.ones((1, len(SERVICE.names)))
    values[0, SERVICE.names.index("panes_count_30m")] = panes
    values[0, SERVICE.names.index("events_z_24h")] = day
    mask = unripe(SERVICE.names, values, np.array([PANE_US]))
    return set() if mask is None else {SERVICE.names[i] for i in np.flatnonzero(mask[0])}


def test_what_a_window_says_is_missing_until_it_is_behind() -> None:
    assert {"events_count_5m", "latency_p99_ms_5m", "errors_ratio_5m"} <= WINDOWED["5m"]
    assert missing(1, np.nan) == WINDOWED["1m"] | WINDOWED["5m"] | WINDOWED["30m"]
    assert missing(6, np.nan) == WINDOWED["5m"] | WINDOWED["30m"]
    assert missing(30, np.nan) == WINDOWED["30m"]
    assert missing(180, np.nan) == set()
    assert missing(np.nan, np.nan) == missing(1, np.nan)


def test_a_grown_service_that_falls_silent_is_judged_by_all_of_them() -> None:
    assert missing(1, -8.0) == set()


def test_other_profiles_have_nothing_of_the_kind() -> None:
    names = ("cpu", "cpu__mean_5")
    assert unripe(names, np.ones((1, 2)), np.array([PANE_US])) is None
