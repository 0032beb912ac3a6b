"""Building `Events` from columns, for wire formats that have no decoder of their own for all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events, Strings

NULL = -1
"""The code of a missing text."""


class Dictionary:
    """The values of a dictionary-encoded column, shared by all rows that are added."""

    __slots__ = ("codes",)

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def code(self, text: str) -> int:
        return self.codes.setdefault(text, len(self.codes))

    def strings(self, codes: NDArray[np.int32]) -> Strings:
        return Strings(codes, list(self.codes))


class EventColumns:
    """Groups of rows, each given as columns, become one table in the order of their records.

    Weight is 1; there is no id, source, observed_at and no distribution.
    """

    __slots__ = ("_attributes", "_metrics", "_rows", "_size", "attr_names", "attr_values", "entities", "kinds", "names")

    def __init__(self) -> None:
        self.entities, self.kinds = Dictionary(), Dictionary()
        self.attr_names, self.attr_values = Dictionary(), Dictionary()
        self.names = Dictionary()
        self._size = 0
        self._rows = _Pieces(np.int32, np.int64, np.int32, np.int32)  # record, time, entity, kind
        self._attributes = _Pieces(np.int64, np.int32, np.int32)  # row, name, value
        self._metrics = _Pieces(np.int64, np.int32, np.float64, np.int8)  # row, name, value, type

    def add(
        self,
        record: NDArray[np.int32],
        time: NDArray[np.int64],
        entity: NDArray[np.int32],
        kind: NDArray[np.int32],
        attributes: Iterable[tuple[str, NDArray[np.int32]]],
        metrics: Iterable[tuple[str, NDArray[np.bool_], NDArray[np.float64], NDArray[np.int8]]],
    ) -> None:
        """Add m events: attributes as (name, m codes of `attr_values`), metrics as (name, m × there, value, type)."""
        rows = np.arange(self._size, self._size + len(record))
        self._size += len(record)
        self._rows.add(record, time, entity, kind)
        for name, codes in attributes:
            there = codes != NULL
            self._attributes.add(rows[there], self._same(self.attr_names, name, there), codes[there])
        for name, there, values, types in metrics:
            self._metrics.add(rows[there], self._same(self.names, name, there), values[there], types[there])

    def events(self) -> Events:
        """Everything added, by record; a row's attributes and metrics in the order in which they were added."""
        record, time, entity, kind = self._rows.joined()
        order = np.argsort(record, kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        attr_row, attr_name, attr_value = _by_row(place, self._attributes.joined())
        metric_row, metric_name, metric_value, metric_type = _by_row(place, self._metrics.joined())
        nothing = Strings(np.full(len(order), NULL, np.int32), [])
        return Events(
            record=record[order],
            time=time[order],
            entity=self.entities.strings(entity[order]),
            kind=self.kinds.strings(kind[order]),
            weight=np.ones(len(order)),
            observed_at=np.full(len(order), NULL_TIME, np.int64),
            id=nothing,
            source=nothing,
            attr_row=attr_row,
            attr_name=self.attr_names.strings(attr_name),
            attr_value=self.attr_values.strings(attr_value),
            metric_row=metric_row,
            metric_name=self.names.strings(metric_name),
            metric_value=metric_value,
            metric_type=metric_type,
            dist_row=np.empty(0, np.int32),
            dist_name=Strings(np.empty(0, np.int32), []),
            bound_start=np.zeros(1, np.int64),
            bounds=np.empty(0),
            count_start=np.zeros(1, np.int64),
            counts=np.empty(0, np.int64),
        )

    @staticmethod
    def _same(names: Dictionary, name: str, there: NDArray[np.bool_]) -> NDArray[np.int32]:
        return np.full(np.count_nonzero(there), names.code(name), np.int32)


class _Pieces:
    """Columns in pieces; the types are those of the joined columns."""

    __slots__ = ("_columns", "_types")

    def __init__(self, *types: type[np.generic]) -> None:
        self._types = types
        self._columns: list[list[NDArray[np.generic]]] = [[] for _ in types]

    def add(self, *pieces: NDArray[np.generic]) -> None:
        for column, piece in zip(self._columns, pieces, strict=True):
            column.append(piece)

    def joined(self) -> list[NDArray[Any]]:
        types = zip(self._columns, self._types, strict=True)
        return [np.concatenate(column).astype(t, copy=False) if column else np.empty(0, t) for column, t in types]


def _by_row(place: NDArray[np.int32], columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Entries with their rows renumbered and put in ascending order, stably."""
    row = place[columns[0]]
    order = np.argsort(row, kind="stable")
    return [row[order], *(column[order] for column in columns[1:])]
