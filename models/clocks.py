"""The one rule for vectors whose events mostly had a wrong clock, the same with and without a model.

Such events are counted apart and in no pane, so that the pane looks empty: that says something about the producer's
clock (its events are dead letters or dropped as late), and nothing about what it measures. The score is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MODEL_ID, MODEL_VERSION = "clock", "1"
NOTE = "not judged: most of its events had a wrong clock, or came far too late"
CONFIDENCE = 0.5


def misjudged(
    event_count: NDArray[np.int64], late_count: NDArray[np.int64], skewed_count: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows to leave unjudged: those with more late and skewed events than counted ones. All of shape (n,)."""
    return late_count + skewed_count > event_count
