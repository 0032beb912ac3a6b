"""VUS-PR: the area under precision and recall, averaged over how far beyond its edges an event may be found.

Paparrizos et al., "Volume Under the Surface", VLDB 2022, counted as in their revision of 2025.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.evaluation.events import MINUTE
from models.evaluation.streams import Stream, spans

Values = NDArray[np.float64]

BUFFER = 100 * MINUTE
"""The widest buffer around an event, both sides together."""

_THRESHOLDS = 250
"""Taken from the ranked scores at equal distances."""


def vus_pr(stream: Stream) -> float:
    """Mean over buffers of 0 … `BUFFER`, in rows. NaN unless there are both anomalous and normal rows."""
    n = len(stream)
    if not 0 < int(stream.label.sum()) < n:
        return float("nan")
    order = np.argsort(-stream.score, kind="stable")
    ranked = stream.score[order]
    cuts = ranked[np.linspace(0, n - 1, _THRESHOLDS).astype(np.intp)]
    flagged = np.searchsorted(-ranked, -cuts, side="right")
    widest = max(1, round(BUFFER / stream.step))
    return float(np.mean([_area(stream, buffer, order, cuts, flagged) for buffer in range(widest + 1)]))


def _area(stream: Stream, buffer: int, order: NDArray[np.intp], cuts: Values, flagged: NDArray[np.intp]) -> float:
    """Area under precision over recall, of flagged rows counted by weight.

    Recall is that weight over the events' own rows and half of the buffer that was found, times the share of
    buffered events that were touched.
    """
    weight = buffered(stream.label, buffer)
    found = np.append(0.0, np.cumsum(weight[order]))[flagged]
    beside = np.append(0.0, np.cumsum(np.where(stream.label, 0.0, weight)[order]))[flagged]
    peaks = np.sort([stream.score[first : last + 1].max() for first, last in spans(weight > 0).tolist()])
    touched = 1.0 - np.searchsorted(peaks, cuts, side="left") / len(peaks)
    recall = np.minimum(found / (stream.label.sum() + beside / 2), 1.0) * touched
    return float(np.sum(np.diff(recall, prepend=0.0) * found / flagged))


def buffered(label: NDArray[np.bool_], buffer: int) -> Values:
    """Weights of rows: 1 in events, falling as a square root over half of the buffer on either side, at most 1."""
    n, half = len(label), buffer // 2
    weight = label.astype(np.float64)
    slope = np.sqrt(1.0 - np.arange(1, half + 1) / buffer) if half else np.empty(0)
    for first, last in spans(label).tolist():
        after, before = slope[: n - 1 - last], slope[:first]
        weight[last + 1 : last + 1 + len(after)] += after
        weight[first - len(before) : first] += before[::-1]
    return np.minimum(weight, 1.0)
