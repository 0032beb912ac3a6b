"""Decoded vectors, sorted into blocks that share a profile, a feature set and names."""

from __future__ import annotations

import io
from dataclasses import dataclass

import fastavro
import numpy as np
from numpy.typing import NDArray

from schemas.columns import Vectors
from schemas.kernels.layout import (
    EVENT_COUNT,
    FEATURE_SET,
    LATE_COUNT,
    NAMES,
    PROFILE,
    PROFILE_VERSION,
    RECORD,
    REGULAR,
    RETIRED,
    SEQUENCE,
    SILENT,
    SKEWED_COUNT,
    VALUES,
    VECTOR_ENTITY,
    WINDOW_END,
    WINDOW_START,
)
from schemas.strings import distinct, strings

_NAMES = fastavro.parse_schema({"type": "array", "items": "string"})

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class VectorTable:
    """Rows as `kernels/layout.py` has them; spans point into `raw`, VALUES into `values`."""

    raw: bytes
    rows: Integers
    values: NDArray[np.float64]


def joined(one: VectorTable, other: VectorTable) -> VectorTable:
    """Both tables as one, in record order."""
    spans = other.rows.copy()
    spans[:, [VECTOR_ENTITY, PROFILE, FEATURE_SET, NAMES]] += len(one.raw)
    spans[:, VALUES] += len(one.values)
    rows = np.concatenate([one.rows, spans])
    order = np.argsort(rows[:, RECORD], kind="stable")
    return VectorTable(one.raw + other.raw, rows[order], np.concatenate([one.values, other.values]))


def blocks(table: VectorTable) -> list[Vectors]:
    """The vectors in blocks, in the order of their first rows."""
    raw, rows = table.raw, table.rows
    if not len(rows):
        return []
    buf = np.frombuffer(raw, np.uint8)
    profile, feature_set = strings(raw, buf, rows, PROFILE), strings(raw, buf, rows, FEATURE_SET)
    entity = strings(raw, buf, rows, VECTOR_ENTITY)
    names_of, names = _names(raw, buf, rows)
    keys: list[NDArray[np.integer]] = [
        profile.codes,
        feature_set.codes,
        names_of,
        rows[:, PROFILE_VERSION],
        rows[:, VALUES + 1],
    ]
    found = []
    for group in _groups(keys):
        first = group[0]
        found.append(
            Vectors(
                at=rows[group, RECORD].astype(np.int32),
                profile=profile.values[profile.codes[first]],
                profile_version=int(rows[first, PROFILE_VERSION]),
                feature_set=feature_set.values[feature_set.codes[first]],
                names=names[names_of[first]],
                entity=[entity.values[code] for code in entity.codes[group].tolist()],
                window_start=rows[group, WINDOW_START],
                window_end=rows[group, WINDOW_END],
                sequence=rows[group, SEQUENCE],
                values=table.values[rows[group, VALUES][:, None] + np.arange(rows[first, VALUES + 1])],
                event_count=rows[group, EVENT_COUNT],
                late_count=rows[group, LATE_COUNT],
                skewed_count=rows[group, SKEWED_COUNT],
                silent=rows[group, SILENT].astype(np.bool_),
                retired=rows[group, RETIRED].astype(np.bool_),
                regular=rows[group, REGULAR].astype(np.bool_),
            )
        )
    return found


def _names(raw: bytes, buf: NDArray[np.uint8], rows: Integers) -> tuple[Integers, list[tuple[str, ...]]]:
    """Which list of names every row has, and the distinct lists. The same list may be encoded in several ways."""
    codes, spans = distinct(raw, buf, rows, NAMES)
    lists: dict[tuple[str, ...], int] = {}
    numbers = [lists.setdefault(tuple(_read_names(span)), len(lists)) for span in spans]
    return np.array(numbers, np.int64)[codes], list(lists)


def _read_names(span: bytes) -> list[str]:
    read = fastavro.schemaless_reader(io.BytesIO(span), _NAMES, None)
    assert isinstance(read, list)
    return [str(name) for name in read]


def _groups(keys: list[NDArray[np.integer]]) -> list[NDArray[np.intp]]:
    """Rows of equal keys, ascending; groups in the order of their first rows."""
    whole = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        if (key != key[0]).any():
            _, codes = np.unique(key, return_inverse=True)
            _, whole = np.unique(whole * (int(codes.max()) + 1) + codes, return_inverse=True)
    if not whole.any():
        return [np.arange(len(whole))]
    order = np.argsort(whole, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(whole[order])) + 1)
    return sorted(groups, key=lambda group: int(group[0]))
