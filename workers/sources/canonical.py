"""Canonical events as Arrow tables, and so as Parquet: the columns of the Avro schema."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, DELTA, GAUGE, NULL_TIME, RATE, Events, Strings

if TYPE_CHECKING:
    import pyarrow as pa

TYPE_NAMES = {GAUGE: "gauge", COUNTER: "counter", DELTA: "delta", RATE: "rate"}


def to_arrow(events: Events) -> pa.Table:
    """The columns of the canonical event: nested lists of records for attributes, metrics and distributions."""
    import pyarrow as pa

    numbers = np.arange(len(events) + 1)
    types = Strings(events.metric_type.astype(np.int32), tuple(TYPE_NAMES[code] for code in range(len(TYPE_NAMES))))
    attributes = {"name": _plain(events.attr_name), "value": _plain(events.attr_value)}
    counting = Strings(events.dist_type.astype(np.int32), types.values)
    metrics = {
        "name": _plain(events.metric_name),
        "value": pa.array(events.metric_value),
        "type": _plain(types),
    }
    distributions = {
        "name": _plain(events.dist_name),
        "bounds": pa.ListArray.from_arrays(pa.array(events.bound_start, pa.int32()), pa.array(events.bounds)),
        "counts": pa.ListArray.from_arrays(pa.array(events.count_start, pa.int32()), pa.array(events.counts)),
        "type": _plain(counting),
    }
    return pa.table(
        {
            "timestamp": _times(events.time),
            "entity": _dictionary(events.entity),
            "kind": _dictionary(events.kind),
            "source": _dictionary(events.source),
            "id": _dictionary(events.id),
            "observed_at": _times(events.observed_at),
            "weight": pa.array(events.weight),
            "attributes": _list(np.searchsorted(events.attr_row, numbers), attributes),
            "metrics": _list(np.searchsorted(events.metric_row, numbers), metrics),
            "distributions": _list(np.searchsorted(events.dist_row, numbers), distributions),
        }
    )


def _times(times: NDArray[np.int64]) -> pa.Array:
    import pyarrow as pa

    return pa.array(times, pa.timestamp("us", "UTC"), mask=times == NULL_TIME)


def _dictionary(column: Strings) -> pa.Array:
    import pyarrow as pa

    codes = pa.array(column.codes, pa.int32(), mask=column.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(column.values), pa.string()))


def _plain(column: Strings) -> pa.Array:
    """Texts without a dictionary: Parquet's reader takes no dictionaries inside of lists."""
    import pyarrow as pa

    return _dictionary(column).cast(pa.string())


def _list(starts: NDArray[np.intp], fields: dict[str, pa.Array]) -> pa.Array:
    import pyarrow as pa

    records = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), records)


def is_canonical(schema: pa.Schema) -> bool:
    """Whether columns are canonical events rather than a table of metrics."""
    import pyarrow as pa

    if not {"timestamp", "entity", "kind", "metrics"} <= set(schema.names):
        return False
    kind = schema.field("metrics").type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind))


def from_arrow(table: pa.Table) -> Events:
    """Canonical columns back to events. Nested columns are lists of records or maps; optional ones may be missing."""
    import pyarrow.compute as pc

    table = table.combine_chunks()
    count = len(table)
    column = partial(column_of, table)
    time = column("timestamp")
    if time is None or time.null_count:
        raise ValueError("a canonical event has no timestamp")
    attr_row, attrs = _entries(column("attributes"), ("name", "value"))
    metric_row, metrics = _entries(column("metrics"), ("name", "value", "type"))
    dist_row, dists = _entries(column("distributions"), ("name", "bounds", "counts", "type"))
    bound_start, bounds = _flat(dists["bounds"])
    count_start, counts = _flat(dists["counts"])
    weight = column("weight")
    values = metrics["value"]
    return Events(
        record=np.arange(count, dtype=np.int32),
        time=_micros(time),
        entity=strings_of(column("entity"), count),
        kind=strings_of(column("kind"), count),
        weight=np.ones(count) if weight is None else _floats(pc.fill_null(weight, 1.0)),
        observed_at=_micros(column("observed_at"), count),
        id=strings_of(column("id"), count),
        source=strings_of(column("source"), count),
        attr_row=attr_row,
        attr_name=strings_of(attrs["name"], len(attr_row)),
        attr_value=strings_of(attrs["value"], len(attr_row)),
        metric_row=metric_row,
        metric_name=strings_of(metrics["name"], len(metric_row)),
        metric_value=np.empty(0) if values is None else _floats(values),
        metric_type=_type_codes(metrics["type"], len(metric_row)),
        dist_row=dist_row,
        dist_name=strings_of(dists["name"], len(dist_row)),
        bound_start=bound_start,
        bounds=bounds,
        count_start=count_start,
        counts=counts.astype(np.int64),
        dist_type=_type_codes(dists["type"], len(dist_row), DELTA),
    )


def column_of(table: pa.Table, name: str) -> pa.Array | None:
    """A column as one array; None where the table has none of that name."""
    import pyarrow as pa

    if name not in table.column_names:
        return None
    column = table.column(name)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _entries(column: pa.Array | None, fields: tuple[str, ...]) -> tuple[NDArray[np.int32], dict[str, pa.Array | None]]:
    """Which row owns each nested entry, and the entries' fields (None where the column lacks one)."""
    import pyarrow as pa

    if column is None:
        return np.empty(0, np.int32), dict.fromkeys(fields)
    if pa.types.is_map(column.type):
        column = column.cast(
            pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])), safe=False
        )
        fields_in = {"name": "key", **{name: name for name in fields[1:]}}
    else:
        fields_in = {name: name for name in fields}
    sizes = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(column), dtype=np.int32), sizes)
    records = column.flatten()
    known = {records.type.field(i).name for i in range(records.type.num_fields)}
    place = {name: pa.compute.struct_field(records, source) for name, source in fields_in.items() if source in known}
    return owner, {name: place.get(name) for name in fields}


def strings_of(column: pa.Array | None, count: int) -> Strings:
    """A dictionary-encoded column of ours; a missing one is null throughout."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column is None:
        return Strings(np.full(count, -1, np.int32), ())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = pc.dictionary_encode(column)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Strings(codes, tuple(str(value) for value in encoded.dictionary.to_pylist()))


def _type_codes(column: pa.Array | None, count: int, default: int = GAUGE) -> NDArray[np.int8]:
    if column is None:
        return np.full(count, default, np.int8)
    names = strings_of(column, count)
    codes = {name: code for code, name in TYPE_NAMES.items()}
    unknown = sorted(set(names.values) - set(codes))
    if unknown:
        raise ValueError(f"metric type {unknown[0]!r} is none of {', '.join(codes)}")
    table = np.array([codes[name] for name in names.values] + [default], np.int8)
    return table[names.codes]


def _micros(column: pa.Array | None, count: int = 0) -> NDArray[np.int64]:
    import pyarrow as pa

    if column is None:
        return np.full(count, NULL_TIME)
    times = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return np.array(times.fill_null(NULL_TIME).to_numpy(zero_copy_only=False), np.int64)


def _floats(column: pa.Array) -> NDArray[np.float64]:
    return np.array(column.to_numpy(zero_copy_only=False), np.float64)


def _flat(column: pa.Array | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where each list begins, and all their values."""
    if column is None:
        return np.zeros(1, np.int64), np.empty(0)
    sizes = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return starts, _floats(column.flatten())
