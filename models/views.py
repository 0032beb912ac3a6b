"""Views: which features a member of an ensemble sees, and in which units.

Levels drift from one week to the next, steps do not: the view of steps keeps its threshold, the rolling one ranks
better, and the daily one sees what stays unlike the hour for long (docs/detection.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.arrays import array_of
from models.logs.names import NEW
from models.naming import Naming

Values = NDArray[np.float64]

STEPS = ("delta", "delta_before", "delta_before_2")
ROLLING = ("delta", "mean_5", "mean_10", "mean_30", "std_5", "std_10", "std_30")

SEQUENCE = ("mean_30", "mean_10", "delta_before_2", "delta_before", "delta", "")
"""What the last samples of a metric are read from, and what each step of the sequence is called by, oldest first: the
mean of the samples 11 to 30 back, that of the samples 5 to 10 back, and the last four."""

DAILY = ("mean_10", "std_10")
"""What is compared with what the time of day brings: where the last samples lie, and how restless they are."""

AWAY = ("", "mean_30")
"""What is away from where it just was is told by: the value, and the mean that it is compared with."""

ALL, RAW = "all", "raw"
SEQUENCES, DAY, NOW = "sequence", "daily", "now"
SHORTEST, LONGER = "shortest", "longer"
WINDOWS = (SHORTEST, LONGER)
"""The first and the second of a service's rolling windows, as its profile has them: a minute and five as shipped."""

VIEWS: Mapping[str, tuple[str, ...]] = {
    "rolling": ROLLING,
    "steps": STEPS,
    SEQUENCES: SEQUENCE,
    DAY: DAILY,
    NOW: AWAY,
    SHORTEST: (),
    LONGER: (),
}
"""Statistics of each metric that a view holds, in shares of the metric's own range in training; in the view `sequence`
the samples themselves stand in their place. The views `daily`, `all` and those of windows hold theirs as the time of
day scales it, `all` everything that models learn from but the older steps; the view `raw` all of it as it came, a mean
where it is missing.
"""

LEAST_SPREAD = 0.02
"""Of what is away from where it just was, as a share of the metric's range."""

_SCALED = frozenset({ALL, DAY, *WINDOWS})

_OLDER = tuple(f"__{name}" for name in STEPS[1:])


@dataclass(frozen=True, slots=True)
class View:
    """`columns` (v,) are places among the model's features; `centre` and `unit` (v,) scale their values, both unused
    in views that the time of day scales, the unit in the view `raw`. A unit is infinite where nothing moved: those stay
    0.
    """

    name: str
    columns: NDArray[np.int64]
    centre: Values
    unit: Values

    @classmethod
    def fit(cls, name: str, naming: Naming, X: Values, only: Sequence[str] = ()) -> View:
        """Learn from n rows (n, d) of the model's features, NaN where missing; `only` these features, where given.

        Raises ValueError for an empty view, and for features that are not there.
        """
        columns = _places(only, naming.names) if only else columns_of(name, naming.names)
        if len(columns) == 0:
            needed = ", ".join(f"<metric>__{part}" if part else "<metric>" for part in VIEWS.get(name, ()))
            raise ValueError(f"none of these features belongs to the view {name!r}" + f" ({needed})" * bool(needed))
        centre, unit = np.zeros(len(columns)), np.ones(len(columns))
        if name not in _SCALED:
            there = np.maximum(np.count_nonzero(~np.isnan(X[:, columns]), axis=0), 1)
            centre = np.nansum(X[:, columns], axis=0) / there
        if name in VIEWS and name not in _SCALED:
            unit = _ranges(naming, X)[columns]
        if name == NOW:
            unit = np.maximum(_spreads(X, columns), LEAST_SPREAD * unit)
        return cls(name, columns, centre, unit)

    @property
    def features(self) -> NDArray[np.int64]:
        """(w,) the places of the features that its numbers speak of, one for each."""
        return self.columns[:: len(AWAY)] if self.name == NOW else self.columns

    def of(self, values: Values, scaled: Values) -> Values:
        """(n, v) what the member sees of n vectors, as they came and as the time of day scales them (n, d)."""
        if self.name in _SCALED:
            return scaled if len(self.columns) == scaled.shape[1] else np.ascontiguousarray(scaled[:, self.columns])
        if self.name == RAW:
            chosen = values[:, self.columns]
            return np.where(np.isnan(chosen), self.centre, chosen)
        if self.name == NOW:
            return _away(values, scaled, self.columns, self.unit)
        seen = _in_units(values, self.columns, self.centre, self.unit)
        return unrolled(seen) if self.name == SEQUENCES else seen

    def to_arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"columns": self.columns, "centre": self.centre, "unit": self.unit}

    @classmethod
    def from_arrays(cls, name: str, width: int, arrays: Mapping[str, NDArray[Any]]) -> View:
        """Raises ValueError where the arrays are no view of `width` features."""
        columns = array_of(arrays, "columns", np.int64)
        centre, unit = (array_of(arrays, part, np.float64) for part in ("centre", "unit"))
        fits = (
            0 < len(columns) == len(set(columns.tolist()))
            and len(columns) % {SEQUENCES: len(SEQUENCE), NOW: len(AWAY)}.get(name, 1) == 0
            and centre.shape == unit.shape == columns.shape
            and bool((columns >= 0).all() and (columns < width).all())
            and bool(np.isfinite(centre).all() and (unit > 0).all())
        )
        if not fits:
            raise ValueError("the arrays are no view")
        return cls(name, columns, centre, unit)


def columns_of(view: str, names: Sequence[str]) -> NDArray[np.int64]:
    """Where a view's features stand among these names."""
    if view == RAW:
        found = list(range(len(names)))
    elif view == ALL:
        found = [i for i, name in enumerate(names) if not name.endswith(_OLDER)]
    elif view in WINDOWS:
        found = _of_window(names, WINDOWS.index(view))
    elif view in (SEQUENCES, DAY, NOW):
        found = _runs(names, VIEWS[view])
    else:
        endings = tuple(f"__{statistic}" for statistic in VIEWS[view])
        found = [i for i, name in enumerate(names) if name.endswith(endings)]
    return np.array(found, np.int64)


def windows_of(names: Sequence[str]) -> list[str]:
    """What a service's rolling windows are called, shortest first; of features of messages, that are learned from,
    too, though their sum is none of them.
    """
    for start in ("events_count_", f"{NEW}__count_"):
        found = [name.removeprefix(start) for name in names if name.startswith(start)]
        if found:
            return found
    return []


def _of_window(names: Sequence[str], number: int) -> list[int]:
    """The columns of a service's rolling window; none where there are not so many."""
    windows = windows_of(names)
    return [i for i, name in enumerate(names) if number < len(windows) and name.endswith(f"_{windows[number]}")]


def _runs(names: Sequence[str], parts: Sequence[str]) -> list[int]:
    """The columns of every metric of which all these parts are there, metric by metric."""
    place = {name: i for i, name in enumerate(names)}
    runs = [[place.get(f"{name}__{part}" if part else name, -1) for part in parts] for name in names]
    return [column for run in runs if min(run) >= 0 for column in run]


def _places(wanted: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    place = {name: i for i, name in enumerate(names)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise ValueError(f"these features are not learned from, or most rows lack them: {', '.join(missing)}")
    return np.array([place[name] for name in wanted], np.int64)


def _ranges(naming: Naming, X: Values) -> Values:
    """(d,) the range of each feature's metric, its own where the metric itself is not there; infinite for none."""
    low = np.min(np.where(np.isnan(X), np.inf, X), axis=0)
    high = np.max(np.where(np.isnan(X), -np.inf, X), axis=0)
    own = high - low
    level = {int(naming.group[i]): own[i] for i in np.flatnonzero(naming.level).tolist()}
    ranges = np.array([level.get(int(group), own[i]) for i, group in enumerate(naming.group.tolist())])
    return np.where(ranges > 0.0, ranges, np.inf)


def _spreads(X: Values, columns: NDArray[np.int64]) -> Values:
    """(v,) how far nine in ten rows keep to a metric's own mean, as a normal spread, for both columns of the metric."""
    away = X[:, columns[::2]] - X[:, columns[1::2]]
    size = np.nan_to_num(np.abs(away))
    return np.repeat(np.quantile(size, 0.9, axis=0) / 1.645, 2)


@njit(cache=True)
def _away(values: Values, scaled: Values, columns: NDArray[np.int64], unit: Values) -> Values:
    """(n, v / 2) how far each metric is from where it just was and from what the hour brings: the smaller of both, and
    nothing where they disagree.
    """
    n, v = len(values), len(columns) // 2
    out = np.empty((n, v))
    for i in range(n):
        for j in range(v):
            at = columns[2 * j]
            away, unlike = (values[i, at] - values[i, columns[2 * j + 1]]) / unit[2 * j], scaled[i, at]
            out[i, j] = 0.0
            if away > 0.0 and unlike > 0.0:
                out[i, j] = min(away, unlike)
            elif away < 0.0 and unlike < 0.0:
                out[i, j] = max(away, unlike)
    return out


@njit(cache=True)
def _in_units(values: Values, columns: NDArray[np.int64], centre: Values, unit: Values) -> Values:
    n, v = len(values), len(columns)
    out = np.empty((n, v))
    for i in range(n):
        for j in range(v):
            out[i, j] = (values[i, columns[j]] - centre[j]) / unit[j]
    return out


@njit(cache=True)
def unrolled(X: Values) -> Values:
    """(n, v) the last samples of each metric, oldest first, from its means and steps in the order of `SEQUENCE`.

    All are in one unit per metric and have a mean of 0 in training; what they are made of has, too.
    """
    n, v = X.shape
    out = np.empty((n, v))
    for i in range(n):
        for j in range(0, v, 6):
            mean_30, mean_10, last = X[i, j], X[i, j + 1], X[i, j + 5]
            second = last - X[i, j + 4]
            third = second - X[i, j + 3]
            fourth = third - X[i, j + 2]
            out[i, j] = (30.0 * mean_30 - 10.0 * mean_10) / 20.0
            out[i, j + 1] = (10.0 * mean_10 - (last + second + third + fourth)) / 6.0
            out[i, j + 2], out[i, j + 3], out[i, j + 4], out[i, j + 5] = fourth, third, second, last
    return out
