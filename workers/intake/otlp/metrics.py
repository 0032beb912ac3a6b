"""OTLP's metrics to events: all data points of a resource that were taken together are one event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Texts
from schemas.columns import NULL_TIME, Events, Fault, Strings
from schemas.limits import DEFAULT_LIMITS
from schemas.lists import take_lists
from schemas.strings import distinct
from workers.intake.columns import NULL, Dictionary
from workers.intake.kernels import otlp_layout as at
from workers.intake.kernels.otlp_metrics import read_metrics
from workers.intake.kernels.otlp_points import FIELDS
from workers.intake.kernels.repeats import repeats
from workers.intake.limits import MOST_ITEMS, explained
from workers.intake.otlp.host import HostMetrics, last_readings
from workers.intake.otlp.resources import Resource, Resources
from workers.intake.otlp.rows import codes_of_rows
from workers.intake.otlp.series import Key, Series, SeriesBook

Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
Found = tuple[Events, list[Fault], Mapping[str, int]]

_BUCKETS_OF_ONE = 32
"""A distribution takes as much of an event as one metric for so many buckets."""


@dataclass(frozen=True, slots=True)
class _Entries:
    """Numbers, or distributions, in the order of their records: which series, resource and event they belong to."""

    record: Integers
    resource: Codes
    time: Integers
    series: Codes


class MetricsDecoder:
    """Data points of whole batches of records as columns of events."""

    def __init__(self, resources: Resources, book: SeriesBook, host: HostMetrics, together_ms: int) -> None:
        self._resources, self._book, self._host = resources, book, host
        self._together = together_ms * 1000

    def decode(self, texts: Texts, arrived: Integers) -> Found:
        """As `Format.decode`. Counts `points`, `points_without_value`, `points_without_buckets`, `points_replaced` and
        `numbers_not_finite`.
        """
        status, resources, metrics, numbers, values, quantiles, histograms, bounds, counts, tallies = read_metrics(
            texts.buf, texts.starts, texts.ends, MOST_ITEMS
        )
        faults = {int(i): explained(int(status[i]), FIELDS) for i in np.flatnonzero(status)}
        whose, spans = distinct(texts.raw, texts.buf, resources, at.RESOURCE_BYTES)
        owners = [self._resources.of(span) for span in spans]
        points = np.concatenate([numbers[:, : at.ROLE], histograms[:, : at.ROLE]])
        codes, series = self._series(texts, metrics, numbers, quantiles, histograms, points)
        metric = metrics[points[:, at.METRIC]]
        time = points[:, at.TIME].copy()
        unsaid = time == 0
        time[unsaid] = arrived[metric[unsaid, at.RECORD]]
        everything = _Entries(metric[:, at.RECORD], whose[metric[:, at.RESOURCE]], time, codes)
        self._refuse(everything, owners, series, faults)
        good = ~np.isin(everything.record, list(faults)) if faults else np.ones(len(codes), np.bool_)
        events, replaced = self._events(
            everything, good, owners, series, len(numbers), values, histograms, bounds, counts
        )
        found = [Fault(record, *why) for record, why in sorted(faults.items())]
        sums = tallies.sum(axis=0)
        tally = {
            "points": at.POINTS,
            "points_without_value": at.NO_VALUE,
            "points_without_buckets": at.NO_BUCKETS,
            "numbers_not_finite": at.NOT_FINITE,
        }
        counts_by_name = {name: int(sums[place]) for name, place in tally.items()} | {"points_replaced": replaced}
        return events, found, {name: count for name, count in counts_by_name.items() if count}

    def _series(
        self,
        texts: Texts,
        metrics: Integers,
        numbers: Integers,
        quantiles: NDArray[np.float64],
        histograms: Integers,
        points: Integers,
    ) -> tuple[Codes, list[Series]]:
        """The series of each number, then of each histogram, and the distinct ones."""
        name_codes, names = distinct(texts.raw, texts.buf, metrics, at.NAME)
        unit_codes, units = distinct(texts.raw, texts.buf, metrics, at.UNIT)
        # `Key` takes them apart again.
        shapes = metrics[:, at.SHAPE] * 8 + (metrics[:, at.TEMPORALITY] & 3) * 2 + (metrics[:, at.MONOTONIC] != 0)
        heads, first_heads = codes_of_rows(name_codes, unit_codes, shapes)
        label_codes, labels = distinct(texts.raw, texts.buf, points, at.LABELS)
        role = np.concatenate([numbers[:, at.ROLE], np.full(len(histograms), -1, np.int64)])
        fraction = np.zeros(len(points))
        summed = np.flatnonzero(role == at.QUANTILE)
        fraction[summed] = quantiles[summed]
        head = heads[points[:, at.METRIC]]
        whole = (head * np.int64(8) + (role + 1)) << 32 | label_codes
        quantiled = (fraction.view(np.int64),) if len(summed) else ()
        codes, first = codes_of_rows(whole, *quantiled)
        of_head = [(names[name_codes[row]], units[unit_codes[row]], int(shapes[row])) for row in first_heads.tolist()]
        which = zip(
            head[first].tolist(),
            role[first].tolist(),
            fraction[first].tolist(),
            label_codes[first].tolist(),
            strict=True,
        )
        found = []
        for place, part, share, code in which:
            name, unit, counted = of_head[place]
            found.append(self._book.of(Key(name, unit, counted, part, share, labels[code])))
        return codes, found

    @staticmethod
    def _refuse(
        entries: _Entries, owners: list[Resource], series: list[Series], faults: dict[int, tuple[str, str]]
    ) -> None:
        """A fault for every record that has a series or a resource that cannot be taken."""
        reasons = ((entries.series, [one.fault for one in series]), (entries.resource, [one.fault for one in owners]))
        for column, found in reasons:
            for code, fault in enumerate(found):
                if fault is not None:
                    for record in np.unique(entries.record[column == code]).tolist():
                        faults.setdefault(record, fault)

    def _events(
        self,
        entries: _Entries,
        good: NDArray[np.bool_],
        owners: list[Resource],
        series: list[Series],
        size: int,
        values: NDArray[np.float64],
        histograms: Integers,
        bounds: NDArray[np.float64],
        counts: Integers,
    ) -> tuple[Events, int]:
        """Also how many readings of a machine are left out, because a later one is in the same event."""
        of_host = np.array([one.of_host for one in series], np.bool_)[entries.series]
        of_host &= np.array([bool(owner.host) for owner in owners], np.bool_)[entries.resource]
        event, heads = self._group(entries, of_host)
        based = of_host & np.array([bool(one.parts) for one in series], np.bool_)[entries.series] & good
        plain = good & ~based
        rows = np.flatnonzero(plain)
        known, name_codes, types = _names(series)
        sizes = np.diff(np.append(histograms[:, at.COUNT_START], len(counts)))
        weight = np.ones(len(plain), np.int64)
        weight[size:] += sizes // _BUCKETS_OF_ONE
        part = _parts(event[rows], name_codes[entries.series[rows]], weight[rows])
        host_rows = np.flatnonzero(based)
        which = entries.series[host_rows]
        last = last_readings(event[host_rows], which, entries.time[host_rows], types[which])
        host_rows, which = host_rows[last], which[last]
        base = self._host.of(event[host_rows], which, values[host_rows], series, types[which])
        # An event: its record, then what it is of, then its place among those that one moment's metrics fill.
        kind = np.concatenate([np.zeros(len(rows), np.int64), np.ones(len(base.event), np.int64)])
        of = np.concatenate([event[rows], base.event])
        part = np.concatenate([part, np.zeros(len(base.event), np.int64)])
        row, first = codes_of_rows(of, kind, part)
        order = np.lexsort((part[first], kind[first], of[first]))
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        row = place[row]
        first = first[order]
        metric_rows = np.concatenate([np.flatnonzero(rows < size), np.arange(len(rows), len(row))])
        base_names = self._host.names if len(base.event) else []
        base_codes = np.array([known.code(name) for name in base_names], np.int32)
        metric_names = np.concatenate([name_codes[entries.series[rows[rows < size]]], base_codes[base.name]])
        metric_values = np.concatenate([values[rows[rows < size]], base.value])
        metric_types = np.concatenate([types[entries.series[rows[rows < size]]], base.type])
        in_order = np.argsort(row[metric_rows], kind="stable")
        dist = np.flatnonzero(rows >= size)
        dist = dist[np.argsort(row[dist], kind="stable")]
        chosen = rows[dist] - size
        bound_start, flat_bounds = take_lists(np.append(histograms[:, at.BOUND_START], len(bounds)), bounds, chosen)
        count_start, flat_counts = take_lists(np.append(histograms[:, at.COUNT_START], len(counts)), counts, chosen)
        head = heads[of[first]]
        events = _events(
            owners,
            head,
            kind[first] == 1,
            metric=(
                row[metric_rows][in_order],
                metric_names[in_order],
                metric_values[in_order],
                metric_types[in_order],
            ),
            names=list(known.codes),
            dist=(row[dist], name_codes[entries.series[rows[dist]]], types[entries.series[rows[dist]]]),
            buckets=(bound_start, flat_bounds, count_start, flat_counts),
        )
        return events, int(np.count_nonzero(~last))

    def _group(self, entries: _Entries, of_host: NDArray[np.bool_]) -> tuple[Integers, Integers]:
        """Which group each entry is of, and record, resource, host or not, and time of each group, in that order."""
        codes, first = codes_of_rows(entries.record, entries.resource, of_host.astype(np.int8), entries.time)
        keys = np.stack(
            [entries.record[first], entries.resource[first], of_host[first], entries.time[first]], axis=1
        ).astype(np.int64)
        order = np.lexsort((keys[:, 3], keys[:, 2], keys[:, 1], keys[:, 0]))
        group = np.empty(len(order), np.int64)
        heads: list[list[int]] = []
        for code, key in zip(order.tolist(), keys[order].tolist(), strict=True):
            if not heads or heads[-1][:3] != key[:3] or key[3] - heads[-1][3] >= max(self._together, 1):
                heads.append(key)
            group[code] = len(heads) - 1
        return group[codes], np.array(heads, np.int64).reshape(-1, 4)


def _names(series: list[Series]) -> tuple[Dictionary, Codes, NDArray[np.int8]]:
    """Distinct names, and by series the code of its name and its type. Two series may have one name."""
    known = Dictionary()
    codes = np.array([known.code(one.name) for one in series], np.int32)
    return known, codes, np.array([one.type for one in series], np.int8)


def _parts(event: Integers, name: Codes, weight: Integers) -> Integers:
    """Which part of its group's event each entry belongs to: none has a name twice, or more than an event may hold."""
    n = len(event)
    order = np.argsort(event, kind="stable")
    again = np.empty(n, np.int64)
    again[order] = repeats(event[order], name[order].astype(np.int64), int(name.max(initial=0)) + 1)
    if again.any():
        order = np.lexsort((again, event))
    before = np.cumsum(weight[order]) - weight[order]
    turn = np.stack([event[order], again[order]])
    begins = np.ones(n, np.bool_)
    begins[1:] = (turn[:, 1:] != turn[:, :-1]).any(axis=0)
    edges = np.flatnonzero(begins)
    within = before - np.repeat(before[edges], np.diff(np.append(edges, n)))
    part = np.empty(n, np.int64)
    part[order] = again[order] * (1 << 32) + within // DEFAULT_LIMITS.metrics
    return part


def _events(
    owners: list[Resource],
    head: Integers,
    based: NDArray[np.bool_],
    metric: tuple[Codes, Codes, NDArray[np.float64], NDArray[np.int8]],
    names: list[str],
    dist: tuple[Codes, Codes, NDArray[np.int8]],
    buckets: tuple[Integers, NDArray[np.generic], Integers, NDArray[np.generic]],
) -> Events:
    """The columns; `head` as `MetricsDecoder._group` has it, one row an event; `based`: base metrics of a host."""
    n = len(head)
    entities, attr_names, attr_values = Dictionary(), Dictionary(), Dictionary()
    entity = np.empty(n, np.int32)
    attributes: list[tuple[int, int, int]] = []
    for row, (code, host) in enumerate(head[:, 1:3].tolist()):
        owner = owners[code]
        entity[row] = entities.code(owner.host if host else owner.of_metrics)
        for name, text in owner.attributes.items():
            if text:
                attributes.append((row, attr_names.code(name), attr_values.code(text)))
    flat = np.array(attributes, np.int32).reshape(-1, 3)
    nothing = Strings(np.full(n, NULL, np.int32), [])
    return Events(
        record=head[:, 0].astype(np.int32),
        time=head[:, 3].copy(),
        entity=entities.strings(entity),
        kind=Strings(based.astype(np.int32), ["metric", "host"]),
        weight=np.ones(n),
        observed_at=np.full(n, NULL_TIME, np.int64),
        id=nothing,
        source=nothing,
        attr_row=flat[:, 0].copy(),
        attr_name=attr_names.strings(flat[:, 1].copy()),
        attr_value=attr_values.strings(flat[:, 2].copy()),
        metric_row=metric[0],
        metric_name=Strings(metric[1].astype(np.int32), names),
        metric_value=metric[2],
        metric_type=metric[3],
        dist_row=dist[0],
        dist_name=Strings(dist[1], names),
        bound_start=buckets[0],
        bounds=buckets[1].astype(np.float64),
        count_start=buckets[2],
        counts=buckets[3].astype(np.int64),
        dist_type=dist[2],
    )
