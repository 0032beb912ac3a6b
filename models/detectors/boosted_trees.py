"""Gradient boosted trees where labels exist: XGBoost grows them, compiled loops of ours score them, bit for bit alike.

Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System" (KDD 2016). The score is the margin: the logarithm of the
odds that a row is anomalous, as if both kinds were equally frequent. A feature's explanation is by how much its splits
raised the margin (Saabas 2014). To score takes no XGBoost: the file that it saves is read by `boosted_import`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.detectors.base import UBJ, Arrays, Matrix, check_training
from models.detectors.trees import Nodes, Single, add_leaves, rises

MOST_TREES = 500
PATIENCE = 30
"""Trees without a lower loss on the judging rows after which no more are grown."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown: levels of each, share of its correction that each makes, least weight of rows in a leaf, and
    how many times √d of the d features a split may choose from.

    Telemetry says the same thing many times over. A split that sees only some of it makes the next trees learn the
    other ways to say it, so that they stand when one of them fails (Breiman 2001; docs/detection.md has what it gives).
    """

    depth: int = 4
    rate: float = 0.1
    leaf: float = 1.0
    seen: float = 1.0


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """All nodes of all trees in one table (`models.detectors.trees`), and `ubj`, the file that they were read from.

    The trees see 2·width features: all of them with a missing value as −∞, and once more with it as +∞. So a missing
    value goes where XGBoost's default at that split sends it. That is a direction only where training had some to learn
    it from: of a feature that was never missing then (`whole`, (width,)), a missing value counts as the expected one.
    `threshold` is the largest value that goes left.
    """

    kind: ClassVar[str] = "xgboost"
    ubj: NDArray[np.uint8]
    base: np.float32
    roots: Nodes
    feature: Nodes
    left: Nodes
    threshold: Single
    value: Single
    whole: NDArray[np.bool_]

    @property
    def width(self) -> int:
        return len(self.whole)

    @classmethod
    def fit(cls, X: Matrix, anomalous: NDArray[np.bool_], growth: Growth, trees: int, seed: int) -> BoostedTrees:
        """Grow so many trees on rows of both kinds; each kind weighs as much as the other. Raises ValueError."""
        import xgboost

        rows = _rows(X, anomalous)
        booster = xgboost.train(_parameters(growth, X.shape[1], seed), rows, trees)
        return cls.of(bytes(booster.save_raw("ubj")), _whole(X))

    @classmethod
    def judged(
        cls,
        X: Matrix,
        anomalous: NDArray[np.bool_],
        later: Matrix,
        later_anomalous: NDArray[np.bool_],
        growth: Growth,
        seed: int,
    ) -> tuple[BoostedTrees, int]:
        """Grow trees for as long as they lower the loss on the later rows; the best of them, and how many they are."""
        import xgboost

        rows, judges = _rows(X, anomalous), _rows(later, later_anomalous)
        booster = xgboost.train(
            _parameters(growth, X.shape[1], seed),
            rows,
            MOST_TREES,
            evals=[(judges, "later")],
            early_stopping_rounds=PATIENCE,
            verbose_eval=False,
        )
        trees = int(booster.best_iteration) + 1
        return cls.of(bytes(booster[:trees].save_raw("ubj")), _whole(X)), trees

    @classmethod
    def of(cls, ubj: bytes, whole: NDArray[np.bool_]) -> BoostedTrees:
        """The flat form of a model for two kinds that XGBoost saved. Raises ValueError for anything else."""
        from models.detectors.boosted_import import flatten

        return flatten(ubj, whole)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        margins = np.full(len(X), self.base, np.float32)
        rows = _doubled(X, self.whole)
        add_leaves(self.roots, self.feature, self.left, self.threshold, self.value, rows, margins)
        return margins.astype(np.float64)

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        columns = (self.roots, self.feature, self.left, self.threshold, self.value)
        found: Matrix = rises(*columns, _doubled(X[rows], self.whole), self.width, 1.0)
        return found

    def to_arrays(self) -> Arrays:
        return {UBJ: self.ubj, "whole": self.whole}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> BoostedTrees:
        return cls.of(array_of(arrays, UBJ, np.uint8).tobytes(), array_of(arrays, "whole", np.bool_))


def _parameters(growth: Growth, width: int, seed: int) -> dict[str, Any]:
    """One thread: sums in another order would be another model."""
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "base_score": 0.5,
        "tree_method": "hist",
        "max_depth": growth.depth,
        "eta": growth.rate,
        "min_child_weight": growth.leaf,
        "colsample_bynode": min(1.0, growth.seen / math.sqrt(width)),
        "seed": seed,
        "nthread": 1,
        "verbosity": 0,
    }


def _whole(X: Matrix) -> NDArray[np.bool_]:
    """(d,) whether no value of a feature is missing."""
    return np.asarray(~np.isnan(X).any(axis=0))


def _rows(X: Matrix, anomalous: NDArray[np.bool_]) -> Any:
    import xgboost

    check_training(X)
    both = np.bincount(anomalous, minlength=2)
    if not both.all():
        raise ValueError(f"rows of both kinds are needed, not {both[0]} normal and {both[1]} anomalous ones")
    weight = len(X) / (2.0 * both)
    return xgboost.DMatrix(X, anomalous, weight=weight[anomalous.astype(np.intp)])


@njit(cache=True)
def _doubled(X: Matrix, whole: NDArray[np.bool_]) -> Single:
    n, d = X.shape
    out = np.empty((n, 2 * d), np.float32)
    for i in range(n):
        for j in range(d):
            x = np.float32(X[i, j])
            if whole[j] and np.isnan(x):
                x = np.float32(0.0)
            missing = np.isnan(x)
            out[i, j] = -np.float32(np.inf) if missing else x
            out[i, d + j] = np.float32(np.inf) if missing else x
    return out
