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

from models.detectors.base import Arrays, Matrix, check_training

TREES = 100
SAMPLES = 256

_LEAF = -1
BLOCK = 64


@dataclass(frozen=True, slots=True)
class IsolationForest:
    """All nodes of all trees in one table of N rows; `roots` are the first nodes of the trees.

    `feature` is −1 in a leaf. A row goes to `left` where x ≤ threshold, x rounded to single precision as scikit-learn
    does, else to `left + 1`: siblings lie side by side. `depth` of a leaf is what the tree adds to the row's depth; of
    an inner node it is the mean of that over the training samples that came by.
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
        X = np.ascontiguousarray(X, np.float64)
        depths = _depths(self.roots, self.feature, self.left, self.threshold, self.depth, X)
        if self.normaliser == 0.0:  # grown on one sample: nothing can be told apart
            return np.full(len(X), 0.5)
        scores: NDArray[np.float64] = 2.0 ** -(depths / self.normaliser)
        return scores

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return _shortfalls(
            self.roots, self.feature, self.left, self.threshold, self.depth, np.ascontiguousarray(X[rows], np.float64)
        )

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
            roots=np.asarray(arrays["roots"], np.int32),
            feature=np.asarray(arrays["feature"], np.int32),
            left=np.asarray(arrays["left"], np.int32),
            threshold=np.asarray(arrays["threshold"], np.float64),
            depth=np.asarray(arrays["depth"], np.float64),
            normaliser=float(arrays["normaliser"].item()),
            width=int(arrays["width"].item()),
        )
        _check(forest)
        return forest


def _check(forest: IsolationForest) -> None:
    """The compiled walk reads without bounds: every index must be in range, and every step must lead forward."""
    n = len(forest.feature)
    inner = forest.feature != _LEAF
    nodes = np.arange(n)
    fits = (
        n > 0
        and len(forest.roots) > 0
        and len(forest.left) == len(forest.threshold) == len(forest.depth) == n
        and all(column.ndim == 1 for column in (forest.roots, forest.feature, forest.left, forest.threshold))
        and bool(np.all((forest.roots >= 0) & (forest.roots < n)))
        and bool(np.all((forest.feature >= _LEAF) & (forest.feature < forest.width)))
        and bool(np.all((forest.left[inner] > nodes[inner]) & (forest.left[inner] < n - 1)))
        and bool(np.isfinite(forest.depth).all())
        and bool(np.isfinite(forest.threshold).all())
        and np.isfinite(forest.normaliser)
        and forest.normaliser >= 0
    )
    if not fits:
        raise ValueError("the arrays are no isolation forest")


@njit(cache=True)
def _depths(
    roots: NDArray[np.int32],
    feature: NDArray[np.int32],
    left: NDArray[np.int32],
    threshold: NDArray[np.float64],
    depth: NDArray[np.float64],
    X: Matrix,
) -> NDArray[np.float64]:
    """Sum over the trees, in their order, of what each adds to a row's depth.

    Rows go through a tree together, BLOCK at a time: so the tree stays in the processor's cache. The order of the sum
    is a row's own, whatever the block.
    """
    n, d = X.shape
    out = np.zeros(n)
    block = np.empty((min(n, BLOCK), d), np.float32)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        for i in range(size):
            for j in range(d):
                x = X[start + i, j]
                block[i, j] = np.float32(0.0) if np.isnan(x) else np.float32(x)
        for root in roots:
            for i in range(size):
                node = root
                while feature[node] >= 0:
                    node = left[node] + (1 if block[i, feature[node]] > threshold[node] else 0)
                out[start + i] += depth[node]
    return out


@njit(cache=True)
def _shortfalls(
    roots: NDArray[np.int32],
    feature: NDArray[np.int32],
    left: NDArray[np.int32],
    threshold: NDArray[np.float64],
    depth: NDArray[np.float64],
    X: Matrix,
) -> Matrix:
    """Per row and feature the depth lost at its splits, summed over the trees; negative sums count as 0."""
    n, d = X.shape
    out = np.zeros((n, d))
    row = np.empty(d, np.float32)
    for i in range(n):
        for j in range(d):
            row[j] = np.float32(0.0) if np.isnan(X[i, j]) else np.float32(X[i, j])
        for root in roots:
            node = root
            while feature[node] >= 0:
                f = feature[node]
                below = left[node] + (1 if row[f] > threshold[node] else 0)
                out[i, f] += depth[node] - depth[below]
                node = below
        for j in range(d):
            if out[i, j] < 0.0:
                out[i, j] = 0.0
    return out
