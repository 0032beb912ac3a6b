"""Made-up traffic of one service, pane by pane, as the vectors that the windows worker would give.

Latencies are log-normal around a median, counts Poisson, errors binomial. Windows are merged exactly from the events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features.service import BASELINE, COLUMNS, SERVICE, service_features

PANE_S = 10
WINDOWS = (6, 30, 180)
START = 1_772_409_600_000_000  # Monday 2026-03-02, 00:00 UTC
SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class Pane:
    """What a pane draws from."""

    events: float = 33.0
    errors: float = 0.006
    median_ms: float = 70.0


def vectors(
    panes: int, habit: Callable[[int], Pane], seed: int = 0, first: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features (panes, k) in the order of `SERVICE.names` and window ends; `habit(i)` says what pane i draws from."""
    rng = np.random.default_rng(seed)
    drawn = [habit(i) for i in range(panes)]
    counts = rng.poisson([pane.events for pane in drawn])
    failed = rng.binomial(counts, [pane.errors for pane in drawn])
    latency = [pane.median_ms * np.exp(SPREAD * rng.standard_normal(n)) for pane, n in zip(drawn, counts, strict=True)]
    stats = np.stack([_stretch(counts, failed, latency, width) for width in (1, *WINDOWS)], axis=1)
    ends = START + (first + 1 + np.arange(panes, dtype=np.int64)) * PANE_S * 1_000_000
    return service_features(stats, np.full((panes, len(BASELINE)), np.nan), ends, 2), ends


def _stretch(
    counts: NDArray[np.int64], failed: NDArray[np.int64], latency: list[NDArray[np.float64]], width: int
) -> NDArray[np.float64]:
    """The last `width` panes at every pane, as columns of `COLUMNS`."""
    out = np.full((len(counts), len(COLUMNS)), np.nan)
    column = {name: i for i, name in enumerate(COLUMNS)}
    for i in range(len(counts)):
        part = slice(max(0, i + 1 - width), i + 1)
        held = np.concatenate(latency[part])
        out[i, column["count"]] = out[i, column["timed"]] = counts[part].sum()
        out[i, column["errors"]], out[i, column["warnings"]] = failed[part].sum(), 0.0
        out[i, column["latency_sum"]], out[i, column["latency_squares"]] = held.sum(), (held**2).sum()
        out[i, column["paths"]] = min(12, counts[part].sum())
        out[i, column["active"]] = np.count_nonzero(counts[part])
        if len(held):
            quantiles = np.quantile(held, (0.5, 0.95, 0.99))
            out[i, column["latency_p50"] : column["latency_p99"] + 1] = quantiles
            out[i, column["latency_min"]], out[i, column["latency_max"]] = held.min(), held.max()
    return out


NAMES = SERVICE.names
PANE_US = PANE_S * 1_000_000
