"""OTLP's spans and log records to events, one each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Texts
from schemas.columns import GAUGE, NULL_TIME, Events, Fault, Strings
from schemas.faults import Unreadable
from schemas.strings import distinct
from workers.intake.columns import NULL, Dictionary
from workers.intake.kernels import otlp_items as at
from workers.intake.kernels.otlp_layout import POINTS, RECORD, RESOURCE_BYTES, SPANS_SKIPPED
from workers.intake.limits import MOST_ITEMS, explained
from workers.intake.otlp.mapping import SPAN_KINDS, OtlpMapping
from workers.intake.otlp.resources import Resource, Resources
from workers.intake.otlp.values import any_value, as_text

Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
Found = tuple[Events, list[Fault], Mapping[str, int]]

_LEVELS = ("", *(level for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") for _ in range(4)))
"""By severity number."""

_TEXT, _BOOL, _INT, _DOUBLE = 1, 2, 3, 4
_STATUS_ERROR = 2
_NS_PER_MS = 1e6


class ItemsDecoder:
    """Spans and log records of whole batches of records as columns of events."""

    def __init__(self, resources: Resources, mapping: OtlpMapping, messages: bool) -> None:
        self._resources = resources
        self._with_messages = messages
        self._kinds = sum(1 << SPAN_KINDS.index(kind) for kind in mapping.spans.kinds)
        self._roots = int(mapping.spans.roots)
        self._names = list(mapping.attributes)
        wanted = [
            (key, name, rank) for name, keys in enumerate(mapping.attributes.values()) for rank, key in enumerate(keys)
        ]
        self._wanted = Texts.of([key.encode() for key in dict.fromkeys(key for key, _, _ in wanted)])
        numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key, _, _ in wanted))}
        # A key may stand under several names: rows (number of the key, name, rank).
        self._uses = np.array([(numbers[key], name, rank) for key, name, rank in wanted], np.int64).reshape(-1, 3)

    def spans(self, texts: Texts, arrived: Integers) -> Found:
        """Events of kind `span`. Counts `spans` and `spans_skipped`, those that the rules leave out."""
        items, whose, owners, attributes, faults, tallies = self._read(texts, at.SPANS)
        start, end = (items[:, column].view(np.uint64) for column in (at.START, at.TIME))
        timed = (start > 0) & (end >= start)
        time = (np.where(end > 0, end, start) // np.uint64(1000)).astype(np.int64)
        values = Dictionary()
        matrix = self._attributes(texts, items, whose, owners, attributes, values)
        error = np.where(items[:, at.LEVEL] == _STATUS_ERROR, values.code("true"), NULL).astype(np.int32)
        matrix = np.column_stack([matrix, error])
        latency = np.where(timed, (end - np.minimum(start, end)).astype(np.float64) / _NS_PER_MS, np.nan)
        names = [*self._names, "error"]
        events = self._events("span", items, time, arrived, whose, owners, matrix, names, values, latency, faults)
        return events, _listed(faults), {"spans": int(tallies[POINTS]), "spans_skipped": int(tallies[SPANS_SKIPPED])}

    def logs(self, texts: Texts, arrived: Integers) -> Found:
        """Events of kind `log`. Counts `logs`."""
        items, whose, owners, attributes, faults, tallies = self._read(texts, at.LOGS)
        values = Dictionary()
        matrix = self._attributes(texts, items, whose, owners, attributes, values)
        level = _level(texts, items, values)
        message = self._messages(texts, items, values, faults)
        matrix = np.column_stack([matrix, level, message])
        latency = np.full(len(items), np.nan)
        names = [*self._names, "level", "message"]
        time = items[:, at.TIME]
        events = self._events("log", items, time, arrived, whose, owners, matrix, names, values, latency, faults)
        return events, _listed(faults), {"logs": int(tallies[POINTS])}

    def _read(
        self, texts: Texts, what: np.int64
    ) -> tuple[Integers, Codes, list[Resource], Integers, dict[int, tuple[str, str]], Integers]:
        wanted = self._wanted
        edges = np.append(wanted.starts, wanted.ends[-1:])
        status, resources, items, attributes, tallies = at.read_items(
            texts.buf, texts.starts, texts.ends, what, wanted.buf, edges, self._kinds, self._roots, MOST_ITEMS
        )
        faults = {int(i): explained(int(status[i]), at.FIELDS) for i in np.flatnonzero(status)}
        codes, spans = distinct(texts.raw, texts.buf, resources, RESOURCE_BYTES)
        owners = [self._resources.of(span) for span in spans]
        whose = codes[items[:, at.RESOURCE]]
        for code, owner in enumerate(owners):
            if owner.fault is not None:
                for record in np.unique(items[whose == code, RECORD]).tolist():
                    faults.setdefault(record, owner.fault)
        return items, whose, owners, attributes, faults, tallies.sum(axis=0)

    def _attributes(
        self,
        texts: Texts,
        items: Integers,
        whose: Codes,
        owners: Sequence[Resource],
        attributes: Integers,
        values: Dictionary,
    ) -> Codes:
        """A row an item, a column a mapped name: the code of its text, of the item itself or else of its resource."""
        of_owner = np.full((len(owners), len(self._names)), NULL, np.int32)
        for row, owner in enumerate(owners):
            for column, name in enumerate(self._names):
                if text := owner.attributes.get(name):
                    of_owner[row, column] = values.code(text)
        matrix = of_owner[whose]
        codes = _texts(texts, attributes, values)
        best = np.full(matrix.shape, np.iinfo(np.int64).max)
        for key, place, rank in self._uses.tolist():
            rows = np.flatnonzero((attributes[:, at.KEY] == key) & (codes != NULL))
            item = attributes[rows, at.ITEM]
            better = best[item, place] > rank
            item, rows = item[better], rows[better]
            best[item, place] = rank
            matrix[item, place] = codes[rows]
        return matrix

    def _messages(self, texts: Texts, items: Integers, values: Dictionary, faults: dict[int, tuple[str, str]]) -> Codes:
        """Texts of log records, as long as they are."""
        if not self._with_messages:
            return np.full(len(items), NULL, np.int32)
        body = items[:, at.BODY : at.BODY + 2].copy()
        plain = items[:, at.BODY_TYPE] == _TEXT
        body[:, 1] = np.where(plain, body[:, 1], -1)
        codes, found = distinct(texts.raw, texts.buf, body, np.int64(0))
        table = [values.code(text) if (text := one.decode()) else NULL for one in found]
        message = np.array([*table, NULL], np.int32)[codes]
        for row in np.flatnonzero(items[:, at.BODY_TYPE] < 0).tolist():
            begin, length = items[row, at.BODY : at.BODY + 2].tolist()
            try:
                text = as_text(any_value(texts.raw[begin : begin + length]))
            except Unreadable as error:
                faults.setdefault(int(items[row, RECORD]), (error.error_class, f"the body: {error.message}"))
                continue
            if text:
                message[row] = values.code(text)
        return message

    def _events(
        self,
        kind: str,
        items: Integers,
        time: Integers,
        arrived: Integers,
        whose: Codes,
        owners: Sequence[Resource],
        matrix: Codes,
        names: Sequence[str],
        values: Dictionary,
        latency: NDArray[np.float64],
        faults: Mapping[int, tuple[str, str]],
    ) -> Events:
        good = np.flatnonzero(~np.isin(items[:, RECORD], list(faults)))
        record = items[good, RECORD]
        time = np.where(time[good] == 0, arrived[record], time[good])
        matrix, latency = matrix[good], latency[good]
        entities = Dictionary()
        codes = np.array([entities.code(owner.entity) for owner in owners] or [NULL], np.int32)
        there = matrix != NULL
        attr_row, column = np.nonzero(there)
        timed = np.flatnonzero(np.isfinite(latency))
        n = len(good)
        nothing = Strings(np.full(n, NULL, np.int32), [])
        return Events(
            record=record.astype(np.int32),
            time=time,
            entity=entities.strings(codes[whose[good]]),
            kind=Strings(np.zeros(n, np.int32), [kind]),
            weight=np.ones(n),
            observed_at=np.full(n, NULL_TIME, np.int64),
            id=nothing,
            source=nothing,
            attr_row=attr_row.astype(np.int32),
            attr_name=Strings(column.astype(np.int32), list(names)),
            attr_value=values.strings(matrix[there]),
            metric_row=timed.astype(np.int32),
            metric_name=Strings(np.zeros(len(timed), np.int32), ["latency_ms"]),
            metric_value=latency[timed],
            metric_type=np.full(len(timed), GAUGE, np.int8),
            dist_row=np.empty(0, np.int32),
            dist_name=Strings(np.empty(0, np.int32), []),
            bound_start=np.zeros(1, np.int64),
            bounds=np.empty(0),
            count_start=np.zeros(1, np.int64),
            counts=np.empty(0, np.int64),
        )


def _listed(faults: Mapping[int, tuple[str, str]]) -> list[Fault]:
    return [Fault(record, *why) for record, why in sorted(faults.items())]


def _texts(texts: Texts, attributes: Integers, values: Dictionary) -> Codes:
    """The codes of attributes' values as texts; NULL where one is empty, or what cannot be read."""
    found = np.full(len(attributes), NULL, np.int32)
    kind = attributes[:, at.KIND]
    plain = np.flatnonzero(kind == _TEXT)
    codes, spans = distinct(texts.raw, texts.buf, attributes[plain], at.CONTENT)
    found[plain] = np.array([*(values.code(span.decode()) if span else NULL for span in spans), NULL], np.int32)[codes]
    for which in (_BOOL, _INT, _DOUBLE):
        rows = np.flatnonzero(kind == which)
        bits, inverse = np.unique(attributes[rows, at.CONTENT], return_inverse=True)
        numbers: list[bool | int | float] = (bits.view(np.float64) if which == _DOUBLE else bits).tolist()
        said = [as_text(bool(number) if which == _BOOL else number) for number in numbers]
        found[rows] = np.array([values.code(text) for text in said], np.int32)[inverse]
    for row in np.flatnonzero(kind > _DOUBLE).tolist():
        begin, length = attributes[row, at.CONTENT : at.CONTENT + 2].tolist()
        try:
            text = as_text(any_value(texts.raw[begin : begin + max(length, 0)]))
        except Unreadable:
            continue
        if text:
            found[row] = values.code(text)
    return found


def _level(texts: Texts, items: Integers, values: Dictionary) -> Codes:
    severity = items[:, at.LEVEL]
    known = (severity > 0) & (severity < len(_LEVELS))
    by_number = np.array([NULL, *(values.code(level) for level in _LEVELS[1:])], np.int32)
    codes, spans = distinct(texts.raw, texts.buf, items, at.LEVEL_TEXT)
    said = np.array([values.code(text) if (text := span.decode()) else NULL for span in spans] or [NULL], np.int32)
    return np.where(known, by_number[np.where(known, severity, 0)], said[codes] if len(codes) else NULL).astype(
        np.int32
    )
