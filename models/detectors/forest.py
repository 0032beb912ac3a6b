"""Isolation forest: scikit-learn grows the trees, a flat compiled forest scores them with equal scores.

Liu, Ting and Zhou, "Isolation Forest" (ICDM 2008). The score is 2^(−mean depth / c(samples)), 0 … 1. A feature's
explanation is the shortfall of depth along its splits: at each split the expected depth before it minus the one after
it (the additive path decomposition of Saabas, 2014, on depth), summed over the trees where positive in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of, number_of
from models.detectors.base import Arrays, Matrix, check_training, width_of
from models.detectors.trees import Single, add_leaves, is_forest, rises

TREES = 100
SAMPLES = 256


@dataclass(frozen=True, slots=True)
class IsolationForest:
    """All nodes of all trees in one table (`models.detectors.trees`), whose values are depths.

    Values are compared in single precision, as scikit-learn does. `depth` of a leaf is what the tree adds to the row's
    depth; of an inner node it is the mean of that over the training samples that came by.
    """

    kind: ClassVar[str] = "isolation_forest"
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    left: NDArray[np.int32]
    threshold: NDArray[np.float64]
    depth: NDArray[np.float64]
    normaliser: float
    width: int

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> IsolationForest:
        from sklearn.ensemble import IsolationForest as Trained

        check_training(X)
        trained = Trained(n_estimators=TREES, max_samples=min(SAMPLES, len(X)), random_state=seed)
        return cls.of(trained.fit(np.nan_to_num(X, nan=0.0)))

    @classmethod
    def of(cls, trained: object) -> IsolationForest:
        """The flat form of a fitted `sklearn.ensemble.IsolationForest`; `score` equals its `−score_samples`."""
        from models.detectors.forest_import import flatten

        return flatten(trained)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        depths = np.zeros(len(X))
        rows = _known(np.ascontiguousarray(X, np.float64))
        add_leaves(self.roots, self.feature, self.left, self.threshold, self.depth, rows, depths)
        if self.normaliser == 0.0:  # grown on one sample: nothing can be told apart
            return np.full(len(X), 0.5)
        scores: NDArray[np.float64] = 2.0 ** -(depths / self.normaliser)
        return scores

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        known = _known(np.ascontiguousarray(X[rows], np.float64))
        columns = (self.roots, self.feature, self.left, self.threshold, self.depth)
        return rises(*columns, known, self.width, -1.0)

    def to_arrays(self) -> Arrays:
        return {
            "roots": self.roots,
            "feature": self.feature,
            "left": self.left,
            "threshold": self.threshold,
            "depth": self.depth,
            "normaliser": np.array(self.normaliser),
            "width": np.array(self.width, np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> IsolationForest:
        forest = cls(
            roots=array_of(arrays, "roots", np.int32),
            feature=array_of(arrays, "feature", np.int32),
            left=array_of(arrays, "left", np.int32),
            threshold=array_of(arrays, "threshold", np.float64),
            depth=array_of(arrays, "depth", np.float64),
            normaliser=number_of(arrays, "normaliser"),
            width=width_of(arrays),
        )
        columns = (forest.roots, forest.feature, forest.left, forest.threshold, forest.depth)
        if not is_forest(*columns, forest.width) or not 0.0 <= forest.normaliser < np.inf or (forest.depth < 0).any():
            raise ValueError("the arrays are no isolation forest")
        return forest


@njit(cache=True)
def _known(X: Matrix) -> Single:
    """In single precision, as scikit-learn compares; a missing value is the expected one."""
    out = np.empty(X.shape, np.float32)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            out[i, j] = np.float32(0.0) if np.isnan(X[i, j]) else np.float32(X[i, j])
    return out
