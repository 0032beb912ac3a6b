"""The scoring of the Numenta Anomaly Benchmark: early alarms in a window count most, alarms outside of it cost.

Lavin & Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015; constants as in numenta/NAB 1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.streams import Stream, spans

Values = NDArray[np.float64]

PROBATION_SHARE, PROBATION_ROWS = 0.15, 750
"""The start of a stream, in which nothing is judged: a share of its rows, but no more than so many."""

_FAR = 3.0
"""Windows' widths behind a window from which on a false alarm has nothing to do with it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a window found at its first row is worth, what a false alarm costs (per row), and what a missed window."""

    found: float
    false_alarm: float
    missed: float


PROFILES = {
    "nab_standard": Profile(1.0, 0.11, 1.0),
    "nab_low_fp": Profile(1.0, 0.22, 1.0),
    "nab_low_fn": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True, slots=True)
class Best:
    """The threshold, one for all streams, that gives the highest score; the benchmark chooses it by the labels."""

    threshold: float
    score: float


def score_alarms(streams: Sequence[Stream], alarms: Sequence[NDArray[np.bool_]], profile: Profile) -> float:
    """100 for the first row of each window and nothing else, 0 for no alarm at all. NaN without a window.

    `alarms` (n,) per stream: every flagged row, as the benchmark counts, or those that somebody is called for.
    """
    thresholds, scores = _totals(streams, [one.astype(np.float64) for one in alarms], profile)
    return float(scores[np.count_nonzero(thresholds >= 1.0) - 1])


def score_best(streams: Sequence[Stream], profile: Profile) -> Best:
    """The same with the threshold that suits best, as the benchmark's leader board has it."""
    thresholds, scores = _totals(streams, [stream.score for stream in streams], profile)
    best = int(np.argmax(scores))
    return Best(float(thresholds[best]), float(scores[best]))


def sigmoid(position: Values) -> Values:
    """Worth of an alarm by where it is: −1 the window's first row, 0 its end, then in widths behind it; −1 … 1."""
    return np.where(position >= _FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, _FAR))) - 1.0)


def probation(stream: Stream) -> int:
    """How many of the stream's rows are not judged; those learned from come first."""
    rows = min(int(PROBATION_SHARE * (len(stream) + stream.learned)), PROBATION_ROWS)
    return max(0, rows - stream.learned)


def _totals(streams: Sequence[Stream], levels: Sequence[Values], profile: Profile) -> tuple[Values, Values]:
    """Thresholds, descending from infinity, and what flagging every row of at least that level scores, normalised."""
    at, gains, windows = [np.array([np.inf])], [np.array([0.0])], 0
    for stream, level in zip(streams, levels, strict=True):
        start, found = probation(stream), spans(stream.label)
        outside = np.flatnonzero(~stream.label[start:]) + start
        at.append(level[outside])
        gains.append(_behind(outside, found) * profile.false_alarm)
        for first, last in found[found[:, 1] >= start].tolist():
            rows = np.arange(max(first, start), last + 1)
            rows = rows[np.argsort(-level[rows], kind="stable")]
            worth = _inside(rows, first, last) * profile.found
            at.append(level[rows])
            gains.append(np.diff(np.maximum.accumulate(worth), prepend=-profile.missed))
            windows += 1
    level, gain = np.concatenate(at), np.concatenate(gains)
    order = np.argsort(-level, kind="stable")
    last = np.flatnonzero(np.append(np.diff(level[order]) != 0, True))
    whole = windows * (profile.found + profile.missed)
    total = np.cumsum(gain[order])[last]
    return level[order][last], 100.0 * total / whole if windows else np.full(len(last), np.nan)


def _inside(rows: NDArray[np.intp], first: int, last: int) -> Values:
    """1 at the window's first row, almost 0 at its last."""
    return sigmoid((rows - last - 1) / (last - first + 1)) / sigmoid(np.array(-1.0))


def _behind(rows: NDArray[np.intp], found: NDArray[np.intp]) -> Values:
    """−1 before any window and far behind the last one, less just behind it."""
    if not len(found):
        return np.full(len(rows), -1.0)
    before = np.searchsorted(found[:, 1], rows) - 1
    width = np.maximum(found[before, 1] - found[before, 0], 1)
    return np.where(before < 0, -1.0, sigmoid((rows - found[before, 1]) / width))
