"""How far a row is from what a network expected it to be. JAX trains the network, ONNX Runtime scores by its graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.arrays import array_of
from models.detectors.base import GRAPH, Arrays, Matrix, check_training
from models.detectors.distances import Single, in_spreads, mean_of_rows, spread_of
from models.detectors.graphs import Graph
from models.detectors.networks.base import Network, Parameters
from models.detectors.networks.training import expected, train

HELD_OUT = 10
"""Every tenth row is held out: by these the usual errors are known."""

FEW = 50
"""Of fewer rows none is held out: all of them serve as both."""

COMPARED = 64
"""So many of the rows held out go through JAX and ONNX Runtime both."""

_FAR = 1e6
"""Stands for an error beyond single precision, which only a bundle can cause that was not trained here."""

LEAST = 0.1
"""In spreads, of a usual error: what is nearly always right is not unusual for once being a little off."""

TOLERANCE = 1e-3
"""Of a spread: the most by which ONNX Runtime and JAX may differ on a row held out. A hundredth of that is usual."""


@dataclass(frozen=True, slots=True)
class Reconstruction(ABC):
    """A network over rows in units of `spread` (d,); `usual` (d,) is its root mean square error by feature on rows held
    out, in the same units, and infinite for what never moved.

    The raw score is the root mean square of a row's errors, each in its usual one; a feature's explanation is its own
    error squared.
    """

    kind: ClassVar[str]
    spread: NDArray[np.float64]
    usual: NDArray[np.float64]
    network: Graph

    @property
    def width(self) -> int:
        return len(self.spread)

    @staticmethod
    @abstractmethod
    def design(width: int) -> Network:
        """The network for so many features."""

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Self:
        """Raises ValueError also where JAX or ONNX Runtime is not installed, and where they do not agree."""
        check_training(X)
        spread = spread_of(X)
        rows = in_spreads(X, spread)
        held = np.arange(len(rows)) % HELD_OUT == HELD_OUT - 1 if len(rows) >= FEW else np.ones(len(rows), np.bool_)
        network = cls.design(len(spread))
        parameters = train(network, rows[~held] if len(rows) >= FEW else rows, seed)
        graph = Graph.of(network.graph(parameters))
        check_parity(graph, network, parameters, rows[held][:COMPARED])
        found = graph.run(rows[held], len(spread))
        error = np.sqrt(np.mean((found - rows[held]) ** 2, axis=0))
        return cls(spread, np.where(np.isfinite(spread), np.maximum(error, LEAST), np.inf), graph)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        return np.sqrt(mean_of_rows(self._squares(X)))

    def explain(self, X: Matrix, rows: NDArray[np.intp]) -> Matrix:
        return self._squares(X[rows])

    def _squares(self, X: Matrix) -> Matrix:
        rows = in_spreads(X, self.spread)
        errors = (self.network.run(rows, self.width) - rows) / self.usual
        squares: Matrix = np.clip(np.nan_to_num(errors, nan=0.0), -_FAR, _FAR) ** 2
        return squares

    def to_arrays(self) -> Arrays:
        return {"spread": self.spread, "usual": self.usual, GRAPH: self.network.array}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        spread, usual = (array_of(arrays, name, np.float64) for name in ("spread", "usual"))
        if len(spread) == 0 or usual.shape != spread.shape or not ((spread > 0).all() and (usual > 0).all()):
            raise ValueError("spread and usual errors are no network's")
        graph = Graph.of(array_of(arrays, GRAPH, np.uint8).tobytes(), partial(_written, cls.design(len(spread))))
        nothing = np.zeros((1, len(spread)), np.float32)
        if graph.width != len(spread) or not np.isfinite(graph.run(nothing, len(spread))).all():
            raise ValueError(f"the ONNX graph is no network: it does not rebuild rows of {len(spread)} features")
        return cls(spread, usual, graph)


def _written(network: Network) -> bytes:
    """The network's graph, of some weights. ONNX Runtime does not survive every graph; it does the ones made here."""
    return network.graph(network.start(np.random.default_rng(0)))


def check_parity(graph: Graph, network: Network, parameters: Parameters, rows: Single) -> None:
    """Raise ValueError unless the graph gives for the rows what the network does that it was written from.

    Also for a network that training drove to numbers that are none.
    """
    worst = float(np.max(np.abs(graph.run(rows, rows.shape[1]) - expected(network, parameters, rows))))
    if not worst <= TOLERANCE:
        raise ValueError(
            f"ONNX Runtime and JAX differ by {worst:.3g} spreads, and {TOLERANCE} is the most: the network is not "
            "taken. Train with other versions of onnxruntime and jax, or another detector"
        )
