"""The untrained detector: what is used where no trained model fits. It reads one vector at a time and nothing else.

It speaks up after 30 panes (samples) and says in its note how many are missing before. Its confidence is 0.5 … 0.8:
there is no calibration sample behind it, only the entity's own last half hour.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.scored import TOP, Reasons, Scored
from models.untrained import samples, service

MODEL_ID, MODEL_VERSION = "fallback", "3"
LARGEST = 10.0
NEEDED = 30
"""Panes or samples before it judges."""

UNTRAINED = "untrained: scored against its own last half hour"
NO_RULE = "untrained: there is no rule for these features, train a model"

Values = NDArray[np.float64]


def score_untrained(names: tuple[str, ...], values: Values, pane_us: NDArray[np.int64]) -> Scored:
    """Judge n vectors (n, k) with these feature names; `pane_us` (n,) is the length of each one's window.

    The columns decide the rules: those of a service, else those of any metrics with their statistics. With neither
    every score is 0 with the lowest confidence, and the note says so.
    """
    columns = _service_columns(names)
    if columns is not None:
        return _service(columns, values, pane_us)
    found = _sample_columns(names)
    if found is not None:
        return _samples(found, values)
    n = len(values)
    return Scored(np.zeros(n), np.zeros(n), np.full(n, 0.5), Reasons.empty(n), [NO_RULE] * n)


def usual_untrained(names: tuple[str, ...], values: Values) -> Values:
    """(n, k) what these vectors themselves say is usual of a metric: its mean over the last 30 samples; else NaN."""
    usual = np.full_like(values, np.nan)
    columns = _sample_columns(names)
    if columns is not None:
        usual[:, columns.at[:, samples.VALUE]] = values[:, columns.at[:, samples.MEAN]]
    return usual


@lru_cache(maxsize=1_000)
def _service_columns(names: tuple[str, ...]) -> service.Columns | None:
    return service.find_columns(names)


@lru_cache(maxsize=1_000)
def _sample_columns(names: tuple[str, ...]) -> samples.Columns | None:
    return samples.find_columns(names)


def _service(columns: service.Columns, values: Values, pane_us: NDArray[np.int64]) -> Scored:
    rows = np.ascontiguousarray(values[:, columns.at])
    parts, low, high, up = service.judge(rows, pane_us / 1e6, *columns.seconds)
    metric = np.broadcast_to(columns.metric, parts.shape)
    needed = np.minimum(NEEDED, columns.seconds[-1] * 1e6 / pane_us)  # the longest window may hold fewer
    missing = needed - np.nan_to_num(rows[:, service.PANES], nan=0.0)
    return _finish(parts, metric, values, low, high, up, missing)


def _samples(columns: samples.Columns, values: Values) -> Scored:
    parts, low, high, rising = samples.judge(np.ascontiguousarray(values), columns.at)
    if columns.held >= 0:
        missing = NEEDED - np.nan_to_num(values[:, columns.held], nan=0.0)
        parts[missing > 0] = 0.0
    else:
        known = ~np.isnan(values[:, columns.at[:, samples.Z]]).all(axis=1)
        missing = np.where(known, 0.0, NEEDED)
    metric = columns.at[:, samples.VALUE].astype(np.int32)
    order = np.argsort(-parts, axis=1, kind="stable")[:, :TOP]
    picked = np.take_along_axis(parts, order, axis=1)
    metrics = metric[order]
    up = np.take_along_axis(rising, order, axis=1)
    lows, highs = np.take_along_axis(low, order, axis=1), np.take_along_axis(high, order, axis=1)
    return _finish(picked, metrics, values, lows, highs, up, missing, parts)


def _finish(
    parts: Values,
    metric: NDArray[np.int32],
    values: Values,
    low: Values,
    high: Values,
    up: NDArray[np.bool_],
    missing: Values,
    all_parts: Values | None = None,
) -> Scored:
    """One score from the parts (n, at most TOP): the largest. Shares are by the square of all parts."""
    score = np.minimum(parts.max(axis=1), LARGEST)
    everything = parts if all_parts is None else all_parts
    whole = _row_sums(everything)
    share = np.divide(parts**2, whole[:, None], out=np.zeros_like(parts), where=whole[:, None] > 0)
    order = np.argsort(-share, axis=1, kind="stable")
    reasons = Reasons.empty(len(parts))
    width = parts.shape[1]
    named = np.take_along_axis(share, order, axis=1) > 0
    metrics = np.where(named, np.take_along_axis(metric, order, axis=1), -1)
    reasons.metric[:, :width] = metrics
    reasons.feature[:, :width] = metrics
    reasons.share[:, :width] = np.take_along_axis(share, order, axis=1)
    reasons.up[:, :width] = np.take_along_axis(up, order, axis=1)
    reasons.actual[:, :width] = np.take_along_axis(values, np.maximum(metrics, 0), axis=1)
    reasons.low[:, :width] = np.take_along_axis(low, order, axis=1)
    reasons.high[:, :width] = np.take_along_axis(high, order, axis=1)
    confidence = np.where(missing > 0, 0.5, 0.5 + 0.3 * np.minimum(np.abs(score - 1.0), 1.0))
    return Scored(score, score, confidence, reasons, [_note(int(lacking)) for lacking in np.ceil(missing).tolist()])


def _row_sums(parts: Values) -> Values:
    """Sum of squares per row, column by column: the same bytes alone and in company."""
    total = np.zeros(len(parts))
    for column in range(parts.shape[1]):
        total += parts[:, column] ** 2
    return total


@lru_cache(maxsize=NEEDED + 2)
def _note(missing: int) -> str:
    return f"untrained: needs {missing} more intervals" if missing > 0 else UNTRAINED
