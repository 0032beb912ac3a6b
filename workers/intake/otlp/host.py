"""Base metrics of the profile `host`, made of the data points that the Collector's hostmetrics receiver sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import DELTA, GAUGE, RATE
from workers.intake.kernels.repeats import repeats
from workers.intake.otlp.mapping import HostRule
from workers.intake.otlp.rows import codes_of_rows
from workers.intake.otlp.series import Series

Integers = NDArray[np.int64]


class BaseMetrics(NamedTuple):
    """Metrics in the order of their events; `name` is a place in `HostMetrics.names`."""

    event: Integers
    name: NDArray[np.int32]
    value: NDArray[np.float64]
    type: NDArray[np.int8]


class HostMetrics:
    """Applies the rules of a mapping."""

    def __init__(self, rules: Sequence[HostRule]) -> None:
        self._rules = tuple(rules)
        self.names = list(dict.fromkeys(rule.name for rule in rules))
        self._name = np.array([self.names.index(rule.name) for rule in rules], np.int32)

    def of(
        self,
        event: Integers,
        series: NDArray[np.int32],
        value: NDArray[np.float64],
        book: Sequence[Series],
        types: NDArray[np.int8],
    ) -> BaseMetrics:
        """What the numbers `value` of these events and series come to. Where rules give one name twice, the first one
        that gives anything counts."""
        if not len(event):
            return BaseMetrics(event, np.empty(0, np.int32), np.empty(0), np.empty(0, np.int8))
        labels: dict[str, int] = {}
        flat = [
            (one.rule, one.counts, one.among, labels.setdefault(one.by, len(labels)))
            for item in book
            for one in item.parts
        ]
        edges = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(item.parts) for item in book])])
        sizes = np.diff(edges)[series]
        ends = np.cumsum(sizes)
        places = np.repeat(edges[series] - (ends - sizes), sizes) + np.arange(int(ends[-1]))
        rule, counts, among, by = np.array(flat, np.int64).reshape(-1, 4)[places].T
        number = np.repeat(value, sizes)
        codes, first = codes_of_rows(np.repeat(event, sizes), rule, by)
        sums = np.bincount(codes, np.where(counts != 0, number, 0.0), len(first))
        wholes = np.bincount(codes, np.where(among != 0, number, 0.0), len(first))
        any_counted = np.bincount(codes, counts, len(first)) > 0
        share = np.array([one.how == "share" for one in self._rules])[rule[first]]
        there = np.where(share, wholes > 0, any_counted)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(share, sums / wholes, sums)[there]
        kinds = np.where(share, GAUGE, np.repeat(types, sizes)[first])
        kinds = np.where(np.array([one.per_second for one in self._rules])[rule[first]], RATE, kinds)[there]
        return self._taken(np.repeat(event, sizes)[first][there], rule[first][there], found, kinds.astype(np.int8))

    def _taken(
        self, event: Integers, rule: Integers, value: NDArray[np.float64], kinds: NDArray[np.int8]
    ) -> BaseMetrics:
        """One value for each event and rule, of those of all labels, and one for each event and name."""
        codes, first = codes_of_rows(event, rule)
        n = len(first)
        size = np.bincount(codes, minlength=n)
        total = np.bincount(codes, value, n)
        mean = total / size
        most = np.full(n, -np.inf)
        np.maximum.at(most, codes, value)
        spread = np.sqrt(np.bincount(codes, (value - mean[codes]) ** 2, n) / size)
        take = np.array([("sum", "max", "mean", "std").index(one.take) for one in self._rules])[rule[first]]
        found = np.choose(take, [total, most, mean, spread])
        finite = np.isfinite(found)
        order = np.lexsort((rule[first], event[first]))
        order = order[finite[order]]
        name = self._name[rule[first][order]]
        _, kept = codes_of_rows(event[first][order], name)
        order = order[kept]
        return BaseMetrics(event[first][order], name[kept], found[order], kinds[first][order])


def last_readings(
    event: Integers, series: NDArray[np.int32], time: Integers, types: NDArray[np.int8]
) -> NDArray[np.bool_]:
    """Which numbers count where an event has several of one series: the last one; of deltas all, for they add up.

    Two scrapes of a machine may lie so close together that they are one event.
    """
    kept = np.ones(len(event), np.bool_)
    order = np.argsort(event, kind="stable")
    if not repeats(event[order], series[order].astype(np.int64), int(series.max(initial=0)) + 1).any():
        return kept
    order = np.lexsort((time, series, event))
    earlier, later = order[:-1], order[1:]
    kept[earlier] = (event[earlier] != event[later]) | (series[earlier] != series[later])
    kept |= types == DELTA
    return kept
