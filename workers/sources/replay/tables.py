"""Rows of a table as events: a time, an entity, and every numeric column a metric."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events
from schemas.limits import DEFAULT_LIMITS
from workers.canonical import column_of, strings_of
from workers.sources.columns import metric_events

RESERVED = frozenset({"timestamp", "entity", "split", "label", "anomaly_point", "segment"})
"""Columns of training tables that are never metrics."""

TIME_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_SPOKEN = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_OLDEST = 63_072_000_000_000  # 1972-01-01: an earlier time is a wrong unit


class UnusableFile(ValueError):
    """A file that cannot be replayed; the message says why."""


def metric_columns(schema: pa.Schema) -> list[str]:
    """Names of the columns that become metrics: numbers and booleans; no reserved names, no row numbers of pandas."""
    apart = RESERVED | index_columns(schema)
    return [field.name for field in schema if field.name not in apart and is_number(field.type)]


_INDEX = re.compile(r"|Unnamed: \d+(_level_\d+)?|__index_level_\d+__")  # as to_csv, read_csv and to_parquet name it


def index_columns(schema: pa.Schema) -> frozenset[str]:
    """Columns that number or name rows rather than measure: without a name, or by what pandas says of its index.

    https://arrow.apache.org/docs/python/pandas.html#handling-pandas-indexes
    """
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
        named = {name for name in said if isinstance(name, str)}
    except (ValueError, TypeError, AttributeError, RecursionError):  # whoever wrote it, it is no description of pandas
        named = set()
    return frozenset(name for name in schema.names if name in named or _INDEX.fullmatch(name))


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def table_events(table: pa.Table, kind: str, time_unit: str = "ms") -> Events:
    """One event per row that has at least one value. Cells that are null, NaN or infinite are left out.

    Raises `UnusableFile` for times that cannot be read, and rows with more values than an event may have.
    """
    names = metric_columns(table.schema)
    values = np.full((len(table), len(names)), np.nan)
    for number, name in enumerate(names):
        values[:, number] = _as_floats(table.column(name))
    time = times_of(table.column("timestamp"), time_unit)
    entity = strings_of(column_of(table, "entity"), len(table))
    given = np.isfinite(values).sum(axis=1)
    if given.max(initial=0) > DEFAULT_LIMITS.metrics:
        raise UnusableFile(
            f"a row has {given.max()} metrics, and an event has room for {DEFAULT_LIMITS.metrics}: leave out the "
            "columns that tell least, or make two tables of it with an entity each (such as db-1/a and db-1/b)"
        )
    keep = np.flatnonzero((given > 0) & (time != NULL_TIME) & (entity.codes >= 0))
    return metric_events(time[keep], entity.take(keep), kind, "replay", names, values[keep])


def times_of(column: pa.ChunkedArray, time_unit: str = "ms") -> NDArray[np.int64]:
    """Epoch microseconds (NULL_TIME where null) of a column of timestamps, RFC 3339 texts or numbers.

    A time without a zone is UTC. Numbers count `time_unit` since 1970.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False).cast(pa.int64())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        scaled = pc.multiply(column.cast(pa.float64()), float(TIME_UNITS[time_unit]))
        if pa.types.is_integer(kind):
            scaled = pc.multiply(column.cast(pa.int64()), TIME_UNITS[time_unit])
        times = pc.round(scaled).cast(pa.int64()) if pa.types.is_floating(scaled.type) else scaled
        oldest = pc.min(times).as_py()
        if oldest is not None and oldest < _OLDEST:
            raise UnusableFile(
                f"times before 1972 when read as {_SPOKEN[time_unit]} since 1970: write milliseconds, or such as "
                "2026-03-02T00:00:00Z; `faultline source replay` takes other numbers by --time-unit s, ms or us"
            )
    else:
        times = _parsed(column).cast(pa.int64())
    return np.array(times.fill_null(NULL_TIME).to_numpy(), np.int64)


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts with a zone, or all without one."""
    texts = column.cast(pa.string())
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid as error:
            problem = str(error)
    raise UnusableFile(f"the column timestamp holds no times: {problem}")


def _as_floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Numbers as doubles; null becomes NaN."""
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
