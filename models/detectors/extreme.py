"""The largest deviation of a vector: its largest absolute scaled value.

For features of which each is a thing of its own, as kinds of messages are: what is wrong with one shows in it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.detectors.base import Arrays, Matrix, check_training, width_of
from models.detectors.deviation import largest, squares


@dataclass(frozen=True, slots=True)
class Extreme:
    """As `Deviation`, of one value. `width` is d. The raw score is the largest |x|; the explanation of a feature is its
    x².
    """

    kind: ClassVar[str] = "extreme"
    width: int

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Extreme:
        check_training(X)
        return cls(X.shape[1])

    def score(self, X: Matrix) -> NDArray[np.float64]:
        return largest(np.ascontiguousarray(X), 1)

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return squares(np.ascontiguousarray(X), rows)

    def to_arrays(self) -> Arrays:
        return {"width": np.array(self.width, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Extreme:
        return cls(width_of(arrays))
