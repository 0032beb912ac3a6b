"""What is wrong with a history as something to learn from: told for each service and metric, before anybody trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.times import format_time
from workers.sources.victoriametrics.slices import MICROS, Slice

FEW = 200
"""Values without which no model is trained (`models.train.TrainPolicy.min_rows`)."""
MISSING = 0.1
"""Share of the steps between a metric's first and last value that may be missing without a word."""


@dataclass(slots=True)
class Column:
    """One metric of one service so far; times in epoch seconds, `gap` in seconds: the longest without a value."""

    count: int
    first: int
    last: int
    low: float
    high: float
    gap: int

    def add(self, time: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        self.gap = max(self.gap, int(np.diff(time, prepend=self.last).max()))
        self.count += len(time)
        self.last = int(time[-1])
        self.low, self.high = min(self.low, float(value.min())), max(self.high, float(value.max()))


@dataclass(slots=True)
class Quality:
    """Collects over slices in time order. `step` in seconds."""

    step: int
    columns: dict[str, dict[str, Column]] = field(default_factory=dict)
    """By service and metric."""

    def add(self, part: Slice) -> None:
        for number, service in enumerate(part.services):
            for place, metric in enumerate(part.metrics):
                value = part.values[:, number, place]
                good = np.isfinite(value)
                if not good.any():
                    continue
                time, value = part.time[good], value[good]
                mine = self.columns.setdefault(service, {})
                if metric not in mine:
                    at = int(time[0])
                    mine[metric] = Column(0, at, at, np.inf, -np.inf, 0)
                mine[metric].add(time, value)

    @property
    def services(self) -> list[str]:
        return sorted(self.columns)

    def problems(self, column: Column) -> list[str]:
        """Why a metric teaches little; empty where nothing is wrong."""
        found = []
        if column.count < FEW:
            found.append(f"only {column.count:,} values, {FEW} are needed")
        if column.low == column.high:
            found.append(f"always {column.low:g}")
        expected = (column.last - column.first) // self.step + 1
        if column.count < (1 - MISSING) * expected:
            share = 1 - column.count / expected
            found.append(f"{share:.0%} of its steps are missing, the longest gap is {column.gap / 3600:.1f} h")
        return found

    def usable(self, service: str) -> bool:
        """Whether any metric of a service has enough values that differ."""
        return any(one.count >= FEW and one.low < one.high for one in self.columns[service].values())

    def report(self, asked: Iterable[str], category: Mapping[str, str]) -> dict[str, object]:
        """For machines; `asked` are the metrics that there could be."""
        metrics = list(asked)
        services = {}
        for service in self.services:
            found = {metric: self._line(self.columns[service].get(metric)) for metric in metrics}
            services[service] = {
                "category": category.get(service, ""),
                "usable": self.usable(service),
                "metrics": found,
            }
        return {"step_s": self.step, "services": services}

    def words(self, service: str) -> list[str]:
        """`latency_p99_seconds: always 0`, one line each."""
        return [
            f"{metric}: {problem}"
            for metric, column in self.columns[service].items()
            for problem in self.problems(column)
        ]

    def _line(self, column: Column | None) -> dict[str, object]:
        if column is None:
            return {"values": 0, "problems": ["no value"]}
        return {
            "values": column.count,
            "first": format_time(column.first * MICROS),
            "last": format_time(column.last * MICROS),
            "low": column.low,
            "high": column.high,
            "longest_gap_s": column.gap,
            "problems": self.problems(column),
        }
