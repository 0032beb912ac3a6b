"""What a detector is: fitted on scaled vectors, gives a raw score per vector and says which features made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from models.arrays import number_of

Matrix = NDArray[np.float64]
"""(n, d) scaled features, C order: 0 is the expected value, 1 the usual spread; NaN is a missing value."""

Arrays = Mapping[str, NDArray[np.generic]]

GRAPH = "graph"
"""Name of the array that is an ONNX graph, byte by byte: a bundle keeps it as a file of its own."""

UBJ = "ubj"
"""Name of the array that holds trees as XGBoost saves them, and is a file of its own as well."""


class Scorer(Protocol):
    """One way to see that a vector is unusual. Held to `tests/models/detectors/detector_contract.py`:

    * a row's score and explanation are the same bytes alone, in any company and in any order;
    * the same data and seed give the same detector; `from_arrays(to_arrays())` scores the same bytes;
    * constant columns and columns without a value can be fitted.
    """

    kind: ClassVar[str]
    """Name in bundles and settings."""

    @property
    def width(self) -> int:
        """d, the number of features."""
        ...

    def score(self, X: Matrix) -> NDArray[np.float64]:
        """(n,) raw scores, finite; higher is more unusual. The scale is the detector's own."""
        ...

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        """(len(rows), d) weights ≥ 0: how much each feature raised the score of X[rows]. All 0 if none did."""
        ...

    def to_arrays(self) -> Arrays:
        """Everything needed to score, as plain arrays (no objects)."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Raises ValueError where the arrays do not fit together; they may come from anyone."""
        ...


class Detector(Scorer, Protocol):
    """One that needs no labels. Further rules of the contract: a missing value takes no position, it counts as the
    expected value (0); and as little as one row can be fitted.
    """

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Self:
        """Learn from unlabelled rows. Raises ValueError when there is no row or no column."""
        ...


def width_of(arrays: Arrays) -> int:
    """The number of features that `width` says a detector sees. Raises ValueError."""
    width = number_of(arrays, "width")
    if not (width.is_integer() and width >= 1):
        raise ValueError(f"a detector sees a number of features, not {width}")
    return int(width)


def check_training(X: Matrix) -> None:
    """Raise ValueError unless X has a row and a column."""
    if X.ndim != 2 or 0 in X.shape:
        raise ValueError(f"nothing to fit on: {' × '.join(map(str, X.shape))} values")
