"""Small tables to learn from, with a rhythm, a cause and an effect."""

from __future__ import annotations

from functools import cache

import numpy as np

from models.ensembles import Ensemble
from models.table import VectorTable
from models.train import TrainedBundle, TrainPolicy, train

START = 1_772_409_600_000_000  # Monday 2026-03-02, 00:00 UTC
FIVE_MINUTES = 300_000_000
NAMES = ("cpu_ratio", "queue", "still", "gone", "time__hour")


def table(days: int = 14, seed: int = 0, entities: tuple[str, ...] = ("a",)) -> VectorTable:
    """Five-minute vectors: `cpu_ratio` follows the day, `queue` is noise, `still` never moves, `gone` is missing."""
    rng = np.random.default_rng(seed)
    n = days * 288
    times = START + FIVE_MINUTES * np.arange(1, n + 1, dtype=np.int64)
    hour = (times % 86_400_000_000) / 3_600_000_000
    blocks = []
    for _ in entities:
        cpu = 0.4 + 0.2 * np.sin(2 * np.pi * hour / 24) + 0.01 * rng.normal(size=n)
        columns = (cpu, 50 + rng.normal(size=n), np.full(n, 7.0), np.full(n, np.nan), hour)
        blocks.append(np.column_stack(columns))
    return VectorTable(
        "generic",
        1,
        "f" * 32,
        NAMES,
        entities,
        np.repeat(np.arange(len(entities), dtype=np.int32), n),
        np.tile(times, len(entities)),
        np.concatenate(blocks),
    )


@cache
def bundle(scope: str = "global", seed: int = 0) -> TrainedBundle:
    """Learned from fourteen days of `table()`; the first one with a forest, which takes longest, the others without."""
    detectors = ("isolation_forest", "deviation") if (scope, seed) == ("global", 0) else ("deviation",)
    policy = TrainPolicy(Ensemble.of(detectors), seed=seed, tag="two weeks", min_period_rows=200, min_period_days=2)
    return train(table(), scope, policy)


QUICK = TrainPolicy(Ensemble.of(("deviation",)))
"""For what does not depend on the detector."""
