"""Metrics as pictures take them: a table of values, each in units of how its own entity usually varies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]

CLOSE = 0.9
"""Correlation from which on two metrics move as one."""

_ROWS = 5_000
"""Rows per entity that tell a correlation well enough."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """n rows of k metrics: `values` (n, k), NaN where missing; `entity` codes into `entities`; `time` in microseconds.

    `label` marks anomalous rows (none where nothing is `labelled`); hours are those of `timezone`. `scaled` (n, k) is
    the distance from the entity's median in its interquartile ranges, of normal rows; NaN for what hardly varies.
    `correlation` (k, k) is that of ranks within each entity, 0 where nothing tells.
    """

    names: tuple[str, ...]
    entities: tuple[str, ...]
    entity: NDArray[np.int64]
    time: NDArray[np.int64]
    values: Values
    label: NDArray[np.bool_]
    labelled: bool
    timezone: str = "UTC"
    scaled: Values = field(init=False)
    correlation: Values = field(init=False)

    def __post_init__(self) -> None:
        scaled = np.full(self.values.shape, np.nan)
        for code in range(len(self.entities)):
            rows = np.flatnonzero(self.entity == code)
            usual = rows[~self.label[rows]]
            scaled[rows] = _scaled(self.values[rows], self.values[usual if len(usual) else rows])
        object.__setattr__(self, "scaled", scaled)
        object.__setattr__(self, "correlation", _correlation(scaled, self.entity, len(self.entities)))

    def __len__(self) -> int:
        return len(self.time)

    @property
    def varying(self) -> NDArray[np.intp]:
        """The metrics that vary in at least one entity."""
        return np.flatnonzero(np.isfinite(self.scaled).any(axis=0))

    def unlike(self, columns: NDArray[np.intp], most: int) -> NDArray[np.intp]:
        """The first `most` of these metrics, without those that move as one with an earlier one."""
        chosen: list[int] = []
        for j in columns.tolist():
            if len(chosen) < most and not (np.abs(self.correlation[j, chosen]) >= CLOSE).any():
                chosen.append(j)
        return np.array(chosen, np.intp)


def _scaled(values: Values, usual: Values) -> Values:
    """By median and interquartile range; by the standard deviation, in its units, where half of the rows are equal."""
    scaled = np.full(values.shape, np.nan)
    for j in range(values.shape[1]):
        known = usual[np.isfinite(usual[:, j]), j]
        if len(known) < 2:
            continue
        low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
        spread = high - low or 1.35 * float(np.std(known))  # of a normal distribution the one is 1.35 of the other
        if spread > 1e-12 * max(1.0, abs(middle)):
            scaled[:, j] = (values[:, j] - middle) / spread
    return scaled


def _correlation(scaled: Values, entity: NDArray[np.int64], entities: int) -> Values:
    """Of ranks, over rows that have both values."""
    width = scaled.shape[1]
    z = np.zeros((0, width))
    for code in range(entities):
        rows = np.flatnonzero(entity == code)
        rows = rows[:: max(1, len(rows) // _ROWS)]
        ranks = rankdata(scaled[rows], axis=0, nan_policy="omit")
        known = np.isfinite(ranks)
        count = np.maximum(known.sum(axis=0), 1)
        ranks = np.where(known, ranks - np.where(known, ranks, 0.0).sum(axis=0) / count, 0.0)
        spread = np.sqrt((ranks**2).sum(axis=0) / count)
        z = np.concatenate([z, np.where(known & (spread > 0), ranks / np.where(spread > 0, spread, 1.0), np.nan)])
    known = np.isfinite(z).astype(np.float64)
    z = np.where(known > 0, z, 0.0)
    own = np.sqrt((z**2).T @ known)
    told = (known.T @ known >= 3) & (own * own.T > 0)
    correlation: Values = np.divide(z.T @ z, own * own.T, out=np.zeros((width, width)), where=told)
    np.fill_diagonal(correlation, 1.0)
    return np.clip(correlation, -1.0, 1.0)


def left_out(metrics: Metrics) -> str:
    """Words about metrics that do not vary, for the small print."""
    constant = len(metrics.names) - len(metrics.varying)
    return f"; {constant} that do not vary are left out" if constant else ""
