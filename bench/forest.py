"""Our compiled isolation forest beside scikit-learn, ONNX Runtime and treelite.

    python bench/forest.py [--json] [--rows 1 2048] [--features 40] [--trees 100] [--seconds 1]

One core. Per batch size the median time of a call after warming up, and how often ours fits into the other's. The
scores are compared first: ours must equal scikit-learn's to the last bit, or the bench fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402 (threads are set before numpy reads them)
from numpy.typing import NDArray  # noqa: E402
from sklearn.ensemble import IsolationForest as Trained  # noqa: E402

from models.detectors.forest import IsolationForest  # noqa: E402

Score = Callable[[NDArray[np.float64]], object]


def contenders(trained: Trained, ours: IsolationForest, width: int) -> Iterator[tuple[str, Score]]:
    """Name and call of everything that can score this forest here."""
    yield "faultline", ours.score
    yield "faultline, with reasons", lambda X: (ours.score(X), ours.explain(X, np.arange(len(X))))
    yield "scikit-learn", trained.score_samples
    yield from _onnx(trained, width)
    yield from _treelite(trained)


def _onnx(trained: Trained, width: int) -> Iterator[tuple[str, Score]]:
    import onnxruntime
    from skl2onnx import to_onnx

    model = to_onnx(trained, np.zeros((1, width), np.float32), target_opset={"": 15, "ai.onnx.ml": 3})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    yield "ONNX Runtime", lambda X: session.run(None, {"X": X.astype(np.float32)})


def _treelite(trained: Trained) -> Iterator[tuple[str, Score]]:
    import treelite

    model = treelite.sklearn.import_model(trained)
    yield "treelite", lambda X: treelite.gtil.predict(model, X.astype(np.float32), nthread=1)


def median_seconds(call: Callable[[], object], budget: float) -> float:
    """Median over as many calls as fit into the budget, at least five."""
    call()
    times: list[float] = []
    end = time.perf_counter() + budget
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(rows: list[int], width: int, trees: int, budget: float) -> dict[str, object]:
    rng = np.random.default_rng(0)
    trained = Trained(n_estimators=trees, random_state=0).fit(rng.normal(size=(5_000, width)))
    ours = IsolationForest.of(trained)
    probe = rng.normal(size=(max(rows), width)) * 1.5
    if ours.score(probe).tobytes() != (-trained.score_samples(probe)).tobytes():
        sys.exit("the scores differ from scikit-learn's: nothing to compare")
    found = {
        name: {n: median_seconds(lambda: score(probe[:n]), budget) for n in rows}  # noqa: B023 (called at once)
        for name, score in contenders(trained, ours, width)
    }
    return {
        "machine": {"cpu": platform.processor() or platform.machine(), "python": platform.python_version()},
        "trees": trees,
        "features": width,
        "microseconds": {name: {n: round(t * 1e6, 2) for n, t in times.items()} for name, times in found.items()},
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rows", type=int, nargs="+", default=[1, 2048])
    ask.add_argument("--features", type=int, default=40)
    ask.add_argument("--trees", type=int, default=100)
    ask.add_argument("--seconds", type=float, default=1.0, help="per contender and batch size")
    ask.add_argument("--json", action="store_true")
    asked = ask.parse_args()
    report = measure(asked.rows, asked.features, asked.trees, asked.seconds)
    if asked.json:
        print(json.dumps(report))
        return
    print(f"{asked.trees} trees, {asked.features} features, one core; microseconds per call (how many of ours fit in)")
    times: dict[str, dict[int, float]] = report["microseconds"]  # type: ignore[assignment]
    for name, row in times.items():
        cells = (f"{n:>6} rows {row[n]:>12,.1f} ({row[n] / times['faultline'][n]:>6.1f}×)" for n in asked.rows)
        print(f"{name:<24}", *cells)


if __name__ == "__main__":
    main()
