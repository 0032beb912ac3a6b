"""Where a score that is no alarm stands among the others.

What decides an alarm is the most unusual view of a row against the entity's own threshold, and an alarm says no more
than that. But people and dashboards also compare rows that were not flagged, and there two things say more than one
view alone: whether *several* views find the row unusual, and whether something unusual has just been there. A long
event is plain at its start and faint behind it.

So below the boundary a row is placed by the mean of its members' scores, and by the largest such mean of late, which
fades by half in 30 minutes; half of each, against the entity's threshold. Only means from half-way to the boundary on
are remembered: ordinary rows leave no trace. `docs/detection.md` has the figures.

A row stays on its side of the boundary, and of `CLEAN`: alarms, severities and the lives of incidents are as they
would be without.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Values = NDArray[np.float64]

HALF_LIFE_MINUTES = 30.0
REMEMBERED_FROM = 0.5
CLEAN = 0.8
"""Below it a window is clean, as incidents have it unless told otherwise."""


def placed(published: Values, threshold: Values, mean: Values, recalled: Values) -> Values:
    """(n,) published scores, with those below 1.0 placed by the `mean` of the members and what is `recalled`."""
    unusual = 0.5 * (mean + recalled) / threshold
    share = np.where(unusual < 0.5, unusual, 1.0 - 0.25 / np.maximum(unusual, 0.5))  # rises on and on, below 1
    below = np.where(published < CLEAN, CLEAN * share, CLEAN + (1.0 - CLEAN) * share)
    return np.where(published < 1.0, below, published)


@njit(cache=True)
def faded(value: float, minutes: int) -> float:
    """What is left of a mean after so many minutes; all of it where a row comes late."""
    return float(value * 2.0 ** (-max(minutes, 0) / HALF_LIFE_MINUTES))
