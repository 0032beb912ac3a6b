"""The scoring stage's pure step with models in force: decoding, scoring, own thresholds and encoding, on one core.

    python -m bench scoring_step

Vectors of 19 and of 38 metrics with all their statistics, of 100, 1,000 and 10,000 entities under one global model of
the default ensemble. Beside it what the step is made of, and scikit-learn's way to the ensemble's two distances alone.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402 (threads are set before numpy reads them)
from numpy.typing import NDArray  # noqa: E402
from sklearn.neighbors import NearestNeighbors  # noqa: E402

from bench.machine import describe  # noqa: E402
from models.detectors.neighbours import NEAREST, REFERENCE  # noqa: E402
from models.features.generic import GENERIC, generic_names  # noqa: E402
from models.registry import Aliases, Registry  # noqa: E402
from models.table import tables_of  # noqa: E402
from models.train import train  # noqa: E402
from models.views import columns_of  # noqa: E402
from schemas.columns import Vectors  # noqa: E402
from schemas.vectors import decode_vectors, encode_vectors  # noqa: E402
from workers.runtime.records import Records  # noqa: E402
from workers.runtime.stage import NO_WATERMARK  # noqa: E402
from workers.scoring.loading import Loading  # noqa: E402
from workers.scoring.policy import Policy  # noqa: E402
from workers.scoring.stage import ScoringStage  # noqa: E402

METRICS, ENTITIES = (19, 38), (100, 1_000, 10_000)
VECTORS = 20_000
BATCH = 4_096
MINUTE_US = 60_000_000
START = 1_772_409_600_000_000


def vectors(metrics: int, entities: int, count: int, seed: int) -> Vectors:
    """Correlated rows, one an entity and minute: a few causes, many effects, some noise."""
    rng = np.random.default_rng(seed)
    names = generic_names([f"metric_{number:02d}" for number in range(metrics)])
    effects = np.random.default_rng(metrics).normal(size=(8, len(names)))
    values = rng.normal(size=(count, 8)) @ effects / 3.0 + 0.3 * rng.normal(size=(count, len(names)))
    end = START + (np.arange(count, dtype=np.int64) // entities + 1) * MINUTE_US
    zero = np.zeros(count, np.int64)
    return Vectors(
        at=np.arange(count, dtype=np.int32),
        profile="generic",
        profile_version=GENERIC.version,
        feature_set=GENERIC.hash,
        names=names,
        entity=[f"host-{number % entities:05d}" for number in range(count)],
        window_start=end - MINUTE_US,
        window_end=end,
        sequence=zero,
        values=values,
        event_count=zero + 1,
        late_count=zero,
        skewed_count=zero,
        silent=zero > 0,
        retired=zero > 0,
        regular=zero == 0,
    )


def batches(values: list[bytes]) -> list[Records]:
    found = []
    for start in range(0, len(values), BATCH):
        part: list[bytes | None] = [*values[start : start + BATCH]]
        offsets = np.arange(start, start + len(part), dtype=np.int64)
        found.append(Records("features", 0, offsets, offsets, [None] * len(part), part, [None] * len(part)))
    return found


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """The median of a few runs, after one that is not counted."""
    work()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return float(np.median(took))


def _each(work: Callable[[Any], object], parts: Sequence[Any]) -> None:
    for part in parts:
        work(part)


def peer(block: Vectors) -> float:
    """Seconds that scikit-learn takes for the distances of the default's views, from numbers that are already there."""
    total = 0.0
    for view in ("rolling", "steps", "daily"):
        columns = columns_of(view, block.names)
        X: NDArray[np.float64] = np.ascontiguousarray(block.values[:, columns])
        library = NearestNeighbors(n_neighbors=NEAREST, algorithm="brute").fit(X[:REFERENCE])
        parts = [X[start : start + BATCH] for start in range(0, len(X), BATCH)]
        total += seconds(partial(_each, library.kneighbors, parts))
    return total


def main() -> None:
    print(describe())
    print("| metrics | entities | vectors/s | decoding | of the library's distances alone | memory |")
    for metrics in METRICS:
        theirs = peer(vectors(metrics, 100, VECTORS, 1))
        with tempfile.TemporaryDirectory() as folder:
            registry = Registry(folder)
            bundle = train(tables_of([vectors(metrics, 1, 6_000, 0)])[0])
            registry.save(bundle.manifest, bundle.files)
            registry.promote("generic", "global", Aliases(bundle.version))
            for entities in ENTITIES:
                given = batches(encode_vectors(vectors(metrics, entities, VECTORS, 1)))
                stage = ScoringStage(Policy("scores", "anomalies", "drift", "log"), Loading(registry, 100))

                def step(stage: ScoringStage = stage, given: list[Records] = given) -> None:
                    state = stage.start(0, NO_WATERMARK, [])
                    for records in given:
                        for _ in stage.step(state, records):
                            pass

                ours = seconds(step)
                decoding = seconds(partial(_each, decode_vectors, [records.values for records in given]))
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
                print(
                    f"| {metrics} | {entities:,} | {VECTORS / ours:,.0f} | {decoding / ours:.0%} | "
                    f"{theirs / ours:.2f} | {memory:,} MiB |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
