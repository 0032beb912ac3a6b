"""Features of one entity's samples in a table: what the workers compute live, for training and backtests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.generic import generic_names, generic_width, write_generic
from models.features.history import (
    NEVER,
    PANE_US,
    History,
    add_to_pane,
    append_sample,
    close_pane,
    empty_history,
    forget_samples,
    keeping,
    learned_cadence,
    pane_slot,
    patience,
)
from models.features.host import BASE, HOST, HOST_WIDTH, write_host
from models.features.series import refresh_baseline

HOUR_US = 3_600_000_000


def generic_features(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    metrics: Sequence[str],
    retire_after: int = HOUR_US,
    declared: int = 0,
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The `generic` features of one entity's samples: their names, and one row per sample.

    `times` (n,) epoch microseconds, strictly ascending; `values` (n, k), NaN where a metric is missing, column j being
    `metrics[j]`. Counters must be increases already. `retire_after` and `declared` (cadence, 0: learned) are the
    workers' settings, in microseconds: what a retired entity sent before does not count any more.

    Bit for bit what the `generic` profile emits live for these samples, if they came in order or within the lateness
    and somebody watched all the time; a metric that live vectors do not show (yet, or any more) is NaN here.
    Raises ValueError on times out of order.
    """
    order = sorted(range(len(metrics)), key=lambda j: metrics[j])
    out = np.empty((len(times), generic_width(len(metrics))))
    _fill(_memory(times, len(metrics)), times, _columns(values, order), retire_after, declared, False, out)
    return generic_names([metrics[j] for j in order]), out


def host_features(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    metrics: Sequence[str],
    retire_after: int = HOUR_US,
    declared: int = 0,
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The `host` features of one entity's samples, as `generic_features` gives the generic ones.

    Columns that are no base metrics (`models.features.host.BASE`) are left out; base metrics without a column are NaN.
    """
    base = np.full((len(times), len(BASE)), np.nan)
    for i, feature in enumerate(BASE):
        if feature.name in metrics:
            base[:, i] = values[:, list(metrics).index(feature.name)]
    out = np.empty((len(times), HOST_WIDTH))
    _fill(_memory(times, len(BASE)), times, _columns(base, range(len(BASE))), retire_after, declared, True, out)
    return HOST.names, out


def _memory(times: NDArray[np.int64], series: int) -> History:
    if len(times) > 1 and np.diff(times).min() <= 0:
        raise ValueError("times must be strictly ascending: sort the rows, and merge those of one time")
    h = empty_history(1, series)
    h.width[0] = series
    return h


def _columns(values: NDArray[np.float64], order: Sequence[int]) -> NDArray[np.float64]:
    chosen = np.ascontiguousarray(values[:, list(order)], np.float64)
    return np.where(np.isfinite(chosen), chosen, np.nan)


@njit(cache=True)
def _fill(
    h: History,
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    retire_after: int,
    declared: int,
    host: bool,
    out: NDArray[np.float64],
) -> None:
    shown = np.ones(values.shape[1], np.bool_)
    last, cadence = NEVER, 0
    for i in range(len(times)):
        t = times[i]
        pane = t // PANE_US
        if last != NEVER:
            over = (last // PANE_US + 1) * PANE_US
            if t >= over:
                close_pane(h, 0, last // PANE_US)
            if t > max(last + patience(retire_after, cadence) + keeping(retire_after, cadence), over):
                forget_samples(h, 0)
        at = append_sample(h, 0, t, 0)
        k = pane_slot(h, 0, pane, 0)
        for s in range(values.shape[1]):
            x = values[i, s]
            if not np.isnan(x):
                h.value[s, at] = x
                add_to_pane(h, s, k, x)
        refresh_baseline(h, 0, pane)
        if host:
            write_host(h, 0, out[i], 0)
        else:
            write_generic(h, 0, shown, out[i], 0)
        last = t
        cadence = declared if declared > 0 else learned_cadence(h, 0)
