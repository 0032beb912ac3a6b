"""Severity of a calibrated score: the same four words for every model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAMES = (None, "low", "medium", "high", "critical")
"""By rank; 0 is not anomalous."""


@dataclass(frozen=True, slots=True)
class SeverityCuts:
    """Lower bounds of the severities. `low` is the boundary itself: what is below it is not anomalous."""

    medium: float = 1.5
    high: float = 2.0
    critical: float = 3.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.medium <= self.high <= self.critical:
            raise ValueError(f"severities must ascend from 1.0: {self.medium}, {self.high}, {self.critical}")

    def rank(self, scores: NDArray[np.float64]) -> NDArray[np.intp]:
        """(n,) places in `NAMES`."""
        return np.searchsorted([1.0, self.medium, self.high, self.critical], scores, side="right")
