"""A model of somebody's own as a detector: an ONNX graph that gives each row a score, higher where more unusual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.arrays import array_of, number_of
from models.detectors.base import GRAPH, Arrays, Matrix, check_training
from models.detectors.graph_rules import FEATURES
from models.detectors.graphs import Graph

LARGEST_SCORE = 1e30
"""Scores are held to ±that: infinite ones cannot be calibrated."""

_SINGLE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class OwnModel:
    """`model` as it was given; `usual` (d,) are the means of the training rows, `middle` is the median of their scores:
    what a row counts as that the model fails on, or gives no number for.

    The explanation of a feature is how far the score falls with the feature's usual value in its place (occlusion,
    Zeiler and Fergus 2014).
    """

    kind: ClassVar[str] = "onnx"
    usual: NDArray[np.float64]
    middle: float
    model: Graph

    @property
    def width(self) -> int:
        return len(self.usual)

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Self:
        raise ValueError(f"{cls.kind} learns nothing: it is a model that comes from a file")

    @classmethod
    def around(cls, model: Graph, X: Matrix) -> Self:
        """The detector that the model is for rows as these (n, d). Raises ValueError where they do not fit together."""
        check_training(X)
        if model.width not in (None, X.shape[1]):
            raise ValueError(
                f"the ONNX graph takes rows of {model.width}, but {X.shape[1]} features are learned from; name those "
                f"that it takes in its metadata, {FEATURES}: a JSON list"
            )
        known = np.nan_to_num(X, nan=0.0)
        scores = _scores(model, known)
        if np.isnan(scores).any():
            raise ValueError(
                f"the ONNX graph gives {np.count_nonzero(np.isnan(scores))} of {len(X)} training rows no score: each "
                "row is to give one number"
            )
        return cls(known.mean(axis=0), float(np.median(scores)), model)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        scores = _scores(self.model, np.nan_to_num(X, nan=0.0))
        return np.where(np.isnan(scores), self.middle, scores)

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        whole = self.score(X[rows])
        weights = np.empty((len(rows), self.width))
        for feature in range(self.width):
            without = X[rows]
            without[:, feature] = self.usual[feature]
            weights[:, feature] = np.maximum(whole - self.score(without), 0.0)
        return weights

    def to_arrays(self) -> Arrays:
        return {"usual": self.usual, "middle": np.array(self.middle), GRAPH: self.model.array}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        usual, middle = array_of(arrays, "usual", np.float64), number_of(arrays, "middle")
        if len(usual) == 0 or not np.isfinite(usual).all() or not abs(middle) <= LARGEST_SCORE:
            raise ValueError("usual and middle are no means and no score")
        model = Graph.of(array_of(arrays, GRAPH, np.uint8).tobytes())
        if model.width not in (None, len(usual)):
            raise ValueError(f"the ONNX graph is no model of {len(usual)} features: it takes {model.width}")
        _scores(model, usual[None])  # whether it comes to an end
        return cls(usual, middle, model)


def _scores(model: Graph, rows: Matrix) -> NDArray[np.float64]:
    single = np.clip(rows, -_SINGLE, _SINGLE).astype(np.float32)
    return np.clip(model.run(single, 1)[:, 0], -LARGEST_SCORE, LARGEST_SCORE)
