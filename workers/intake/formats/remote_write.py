"""Prometheus remote-write, version 1: a `prometheus.WriteRequest` in a block of snappy, as it is posted.

A series' `__name__` and the labels that are no part of its entity are the metric's name; see `prometheus/series.py`.
A native histogram is `<name>_count`, `<name>_sum` and a distribution. Staleness markers, other NaN, infinities,
metadata and exemplars say nothing here and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Texts
from schemas.columns import COUNTER, DELTA, GAUGE, Events, Fault
from schemas.faults import INVALID, Unreadable
from schemas.kernels.codes import REASONS
from schemas.strings import distinct
from workers.intake.kernels.remote_write import (
    BUCKETS,
    COUNT,
    FIELDS,
    GAUGE_BUCKETS,
    GAUGE_COUNT,
    GAUGE_SUM,
    INTEGER,
    NO_BUCKETS,
    STALE,
    SUM,
    read_requests,
)
from workers.intake.limits import MOST_ITEMS, explained
from workers.intake.merging import merged
from workers.intake.prometheus.events import Buckets, Points, events_of
from workers.intake.prometheus.series import NO_ENTITY, Meaning, Owner, Series
from workers.intake.remembered import Remembered
from workers.intake.unpacking import block

_FIRST_FIELDS = (b"\n", b"\x1a", b'"')
"""What requests begin with: series, metadata, or the symbols of version 2."""

_TOGETHER = 8 << 20
"""Requests of so many bytes are read at once, so that memory stays bounded."""

_MOST_KEPT = 200_000
_VERSION_2 = FIELDS.index("version 2")
_TYPES = {int(COUNT): COUNTER, int(SUM): COUNTER, int(BUCKETS): COUNTER, int(GAUGE_COUNT): GAUGE, int(GAUGE_SUM): GAUGE}
_TYPES[int(GAUGE_BUCKETS)] = DELTA  # what is in them now, and not more than before
_SUFFIXES = {int(COUNT): "_count", int(SUM): "_sum", int(GAUGE_COUNT): "_count", int(GAUGE_SUM): "_sum"}

Found = tuple[Events, list[Fault], Mapping[str, int]]


class RemoteWriteFormat:
    """`CountingFormat`. Counts `remote_write_points`, `…_stale`, `…_not_finite` and `…_<why>` of points left out."""

    name = "remote_write"
    marks: tuple[bytes, ...] = ()

    def __init__(self, meaning: Meaning, most_unpacked: int) -> None:
        self._meaning = meaning
        self._most = most_unpacked
        self._known: Remembered[bytes, Series | Unreadable] = Remembered(_MOST_KEPT)

    def claims(self, value: bytes) -> bool:
        return looks_like_block(value)

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        events, faults, _ = self.decode_counted(values, arrived)
        return events, faults

    def decode_counted(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> Found:
        faults: list[Fault] = []
        parts: list[tuple[NDArray[np.int32], Events]] = []
        counts: dict[str, int] = {}
        for records, requests in self._unpacked(values, faults):
            at = np.array(records, np.int32)
            events, wrong, tally = self._read(Texts.of(requests))
            parts.append((at, events))
            faults += [Fault(records[fault.record], fault.error_class, fault.message) for fault in wrong]
            for name, count in tally.items():
                counts[name] = counts.get(name, 0) + count
        return merged(parts), sorted(faults, key=lambda fault: fault.record), counts

    def _unpacked(self, values: Sequence[bytes], faults: list[Fault]) -> Iterator[tuple[list[int], list[bytes]]]:
        """Requests with their records, a bounded number of bytes at a time."""
        records: list[int] = []
        requests: list[bytes] = []
        size = 0
        for record, value in enumerate(values):
            try:
                requests.append(block(value, self._most, "the remote-write request"))
                records.append(record)
                size += len(requests[-1])
            except Unreadable as error:
                faults.append(Fault(record, error.error_class, error.message))
            if size >= _TOGETHER:
                yield records, requests
                records, requests, size = [], [], 0
        if records:
            yield records, requests

    def _read(self, texts: Texts) -> Found:
        status, table, points, bits, native, bounds, counts = read_requests(
            texts.buf, texts.starts, texts.ends, MOST_ITEMS
        )
        faults = {i: Fault(i, *_explained(int(status[i]))) for i in np.flatnonzero(status).tolist()}
        codes, spans = distinct(texts.raw, texts.buf, np.stack([table[:, 1], table[:, 2] - table[:, 1]], axis=1), 0)
        series = [self._series(span) for span in spans]
        for row in _rows_of([i for i, one in enumerate(series) if isinstance(one, Unreadable)], codes):
            record, why = int(table[row, 0]), series[codes[row]]
            assert isinstance(why, Unreadable)
            faults.setdefault(record, Fault(record, why.error_class, f"a series: {why.message}"))
        buckets = Buckets(np.append(native[:, 3], len(bounds)), bounds, np.append(native[:, 4], len(counts)), counts)
        return self._taken(table[:, 0], codes, series, points, bits, native, buckets, faults)

    def _taken(
        self,
        request: NDArray[np.int64],
        codes: NDArray[np.int32],
        series: list[Series | Unreadable],
        points: NDArray[np.int64],
        bits: NDArray[np.uint64],
        native: NDArray[np.int64],
        buckets: Buckets,
        faults: dict[int, Fault],
    ) -> Found:
        """Events of the points that can be taken, the faults of requests, and how many points were left out and why."""
        record, which = request[points[:, 0]], codes[points[:, 0]]
        whole = points[:, 2] >= INTEGER
        value = np.where(whole, bits.astype(np.float64), bits.view(np.float64))
        good = ~np.isin(record, list(faults))
        there = ~np.isin(request[native[:, 0]], list(faults))
        counts = {"remote_write_points": int(np.count_nonzero(good))}
        finite = np.isfinite(value)
        stale = (bits == STALE) & ~whole
        reasons = {"stale": good & stale, "not_finite": good & ~finite & ~stale}
        good &= finite
        why = np.array([one.left_out if isinstance(one, Series) else "" for one in series], dtype=object)
        for reason in sorted(set(why.tolist()) - {""}):
            reasons[reason] = good & (why == reason)[which]
            there &= (why != reason)[codes[native[:, 0]]]
        for reason, left_out in reasons.items():
            counts[f"remote_write_{reason}"] = int(np.count_nonzero(left_out))
            good &= ~left_out
        homeless = reasons.get(NO_ENTITY)
        if homeless is not None:
            for one in sorted(set(record[homeless].tolist()) - set(record[good].tolist())):
                faults[one] = Fault(one, INVALID, f"no entity: none of the series has {self._meaning.needs}")
        none = native[:, 2] == NO_BUCKETS
        counts["remote_write_without_buckets"] = int(np.count_nonzero(there & none))
        distributions = np.flatnonzero(there & ~none)
        taken = np.concatenate([points[good], native[distributions, :3]])
        value = np.concatenate([value[good], np.zeros(len(distributions))])
        events = self._events(request, codes, series, taken, value, buckets.taken(distributions))
        return events, list(faults.values()), counts

    def _events(
        self,
        request: NDArray[np.int64],
        codes: NDArray[np.int32],
        series: list[Series | Unreadable],
        points: NDArray[np.int64],
        value: NDArray[np.float64],
        buckets: Buckets,
    ) -> Events:
        """`points` to be taken, those of the distributions last."""
        what = points[:, 2] & ~INTEGER
        owners: dict[Owner, int] = {}
        names: dict[str, int] = {}
        by_series, place = np.unique(codes[points[:, 0]].astype(np.int64) * 8 + what, return_inverse=True)
        columns = np.empty((len(by_series), 3), np.int64)
        for i, key in enumerate(by_series.tolist()):
            one, kind = series[key // 8], key % 8
            assert isinstance(one, Series)
            type_code = _TYPES.get(kind, one.type)
            name = one.called(_SUFFIXES.get(kind, ""))
            columns[i] = (
                owners.setdefault(one.owner, len(owners)),
                names.setdefault(name, len(names)),
                type_code,
            )
        owner, name_code, types = columns[place].T
        record = request[points[:, 0]].astype(np.int32)
        taken = Points(record, points[:, 1], owner, name_code, value, types.astype(np.int8), buckets)
        return events_of(taken, list(owners), list(names))

    def _series(self, labels: bytes) -> Series | Unreadable:
        found = self._known.get(labels)
        if found is None:
            try:
                found = self._meaning.series(labels)
            except Unreadable as error:
                found = error
            self._known.keep(labels, found, len(labels))
        return found


def looks_like_block(value: bytes) -> bool:
    """Whether a value is a block of snappy whose content begins as a write request does."""
    at = 0
    while at < min(5, len(value)) and value[at] > 127:
        at += 1
    at += 1
    if at >= len(value) or not any(value[:at]) or value[at] & 3:  # nothing inside, or it begins with a copy
        return False
    size = value[at] >> 2
    first = at + 1 + max(0, size - 59)  # a long literal says its length in one to four bytes
    return value[first : first + 1] in _FIRST_FIELDS


def is_block(value: bytes) -> bool:
    """The same by unpacking what looks like one: for values of less than 128 bytes unpacked."""
    if not looks_like_block(value):
        return False
    try:
        return len(block(value, value[0], "the request")) == value[0]
    except Unreadable:
        return False


def _explained(status: int) -> tuple[str, str]:
    if -status // REASONS == _VERSION_2:
        return INVALID, (
            "remote write 2.0 is not read; set protobuf_message: prometheus.WriteRequest in Prometheus' remote_write"
        )
    return explained(status, FIELDS)


def _rows_of(codes: list[int], column: NDArray[np.int32]) -> list[int]:
    return np.flatnonzero(np.isin(column, codes)).tolist() if codes else []
