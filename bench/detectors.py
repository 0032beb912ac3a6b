"""Every detector beside scikit-learn's own way to the same score, on one core.

    python -m bench detectors

Per detector the median time of a vector when 2,048 are scored at a time, how often ours fits into the library's, and
how both grow from 60 over 152 (19 metrics) to 304 features. The isolation forest has a bench of its own (`forest`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402 (threads are set before numpy reads them)
from numpy.typing import NDArray  # noqa: E402
from sklearn.covariance import EmpiricalCovariance  # noqa: E402
from sklearn.ensemble import IsolationForest  # noqa: E402
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors  # noqa: E402
from sklearn.svm import OneClassSVM  # noqa: E402

from bench.forest import median_seconds  # noqa: E402
from bench.machine import describe  # noqa: E402
from models.detectors import DETECTORS, OwnModel  # noqa: E402

KINDS = {name: kind for name, kind in DETECTORS.items() if kind is not OwnModel}
"""All that are fitted; a model of somebody's own takes what it takes."""

ROWS = 2_048
TRAINED_ON = 6_000
WIDTHS = (60, 152, 304)
SECONDS = 0.5

Values = NDArray[np.float64]


def peers(X: Values) -> Iterator[tuple[str, Callable[[Values], object]]]:
    """The library's scores by our detectors' names, fitted on as many rows as ours keep."""
    kept = X[:: max(1, len(X) // 2_000)][:2_000]
    neighbours = NearestNeighbors(n_neighbors=20, algorithm="brute").fit(kept)
    yield "isolation_forest", IsolationForest(random_state=0).fit(X).score_samples
    yield "neighbours", neighbours.kneighbors
    yield "local_outlier_factor", LocalOutlierFactor(novelty=True, algorithm="brute").fit(kept).score_samples
    yield "one_class_svm", OneClassSVM(nu=0.05, gamma="scale").fit(kept).decision_function
    yield "mahalanobis", EmpiricalCovariance().fit(X).mahalanobis


def telemetry(rows: int, width: int, seed: int) -> Values:
    """Correlated rows, as metrics are: a few causes, many effects, some noise."""
    rng = np.random.default_rng(seed)
    effects = np.random.default_rng(width).normal(size=(max(2, width // 8), width))
    found: Values = rng.normal(size=(rows, len(effects))) @ effects / 3.0 + 0.3 * rng.normal(size=(rows, width))
    return found


def main() -> None:
    print(describe())
    print(f"µs a vector, {ROWS} at a time, one core (how many of ours fit into scikit-learn's)")
    for width in WIDTHS:
        X, probe = telemetry(TRAINED_ON, width, 0), telemetry(ROWS, width, 1)
        theirs = {name: _microseconds(score, probe) for name, score in peers(X)}
        for name, kind in KINDS.items():
            ours = _microseconds(kind.fit(X, 0).score, probe)
            beside = f"{theirs[name]:>8.1f}  ({theirs[name] / ours:.1f}×)" if name in theirs else ""
            print(f"{width:>4} features  {name:<22}{ours:>8.1f}{beside}", flush=True)


def _microseconds(score: Callable[[Values], object], probe: Values) -> float:
    return median_seconds(lambda: score(probe), SECONDS) / len(probe) * 1e6


if __name__ == "__main__":
    main()
