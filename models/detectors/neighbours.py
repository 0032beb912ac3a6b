"""Distance to what was seen before: the mean distance to the nearest training rows.

Angiulli and Pizzuti, "Fast Outlier Detection in High Dimensional Spaces" (PKDD 2002). It knows which metrics move
together: a row is near to another of its kind, however far both are from the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.detectors.base import Arrays, Matrix, check_training
from models.detectors.distances import (
    Single,
    in_spreads,
    mean_of_rows,
    parts_of_distances,
    read_reference,
    reference_of,
    search,
    spread_of,
    thinned,
)

REFERENCE = 1_000
"""Training rows that are kept: more find nothing else, cost more, and hold more of what should not be there."""

NEAREST = 20
"""One near row may be an anomaly that the training data holds; so many seldom are."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`reference` (d, m): training rows in units of `spread` (d,). The raw score is the mean Euclidean distance to the
    nearest min(20, m) of them; a feature's explanation its part in the squared distances.
    """

    kind: ClassVar[str] = "neighbours"
    spread: NDArray[np.float64]
    reference: Single

    @property
    def width(self) -> int:
        return len(self.spread)

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Neighbours:
        check_training(X)
        spread = spread_of(X)
        return cls(spread, reference_of(thinned(X, REFERENCE), spread))

    def score(self, X: Matrix) -> NDArray[np.float64]:
        return mean_of_rows(search(self.reference, in_spreads(X, self.spread), self._nearest)[0])

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return parts_of_distances(self.reference, in_spreads(X[rows], self.spread), self._nearest)

    @property
    def _nearest(self) -> int:
        return min(NEAREST, int(self.reference.shape[1]))

    def to_arrays(self) -> Arrays:
        return {"spread": self.spread, "reference": self.reference}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Neighbours:
        return cls(*read_reference(arrays, REFERENCE))
