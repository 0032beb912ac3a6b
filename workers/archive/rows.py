"""Records of Kafka as rows of the archive, and rows of vectors back as vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.columns import Fault, Strings, Vectors
from schemas.events import decode_events
from schemas.framing import Resolver
from schemas.ids import stable_id
from schemas.records import decode
from schemas.vectors import decode_vectors
from workers.archive.files import EVENTS, SCORES, VECTORS
from workers.archive.schema import BLOCK_SCHEMAS, TIME
from workers.canonical import column_of, strings_of, to_arrow

Layouts = dict[str, tuple[str, ...]]
"""Lists of names by their hash, for vectors whose feature set does not say them."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one kind in offset order (`schema.BLOCK_SCHEMAS`), and the layouts that they name."""

    table: pa.Table
    layouts: Layouts = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.table.num_rows)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the records of a batch lay: one partition, and per record offset and append time (epoch microseconds)."""

    partition: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]

    def columns(self, records: NDArray[Any]) -> dict[str, pa.Array]:
        return {
            "partition": pa.array(np.full(len(records), self.partition, np.int32)),
            "offset": pa.array(self.offsets[records]),
            "appended_at": pa.array(self.timestamps[records], TIME),
        }


def rows_of(
    kind: str, values: Sequence[bytes | None], places: Places, resolver: Resolver | None
) -> tuple[Rows, list[Fault]]:
    """The records that are of that kind as rows, and a fault for each other one."""
    if kind == VECTORS:
        return _vector_rows(values, places, resolver)
    return _score_rows(values, places, resolver) if kind == SCORES else _event_rows(values, places, resolver)


def joined(kind: str, parts: Sequence[Rows]) -> Rows:
    """All of them as one table, in the order given."""
    tables = [part.table for part in parts] or [BLOCK_SCHEMAS[kind].empty_table()]
    layouts = {key: names for part in parts for key, names in part.layouts.items()}
    return Rows(pa.concat_tables(tables).combine_chunks(), layouts)


def vectors_of(table: pa.Table, profile: str, layouts: Mapping[str, Sequence[str]]) -> Iterator[Vectors]:
    """Rows of a file of vectors as blocks, in the order of their first rows; `at` is the row."""
    values = column_of(table, "values")
    assert values is not None
    keys = [_texts(table, "feature_set"), _texts(table, "layout")]
    version, width = _integers(table, "profile_version"), values.value_lengths().to_numpy()
    codes = np.stack([keys[0].codes, keys[1].codes, version, width], axis=1)
    kinds, firsts, group = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    for number in np.argsort(firsts).tolist():
        feature_set, layout = (key.values[kinds[number, place]] for place, key in enumerate(keys))
        rows = np.flatnonzero(group.reshape(-1) == number)
        mine = table if len(rows) == len(table) else table.take(pa.array(rows))
        flat = column_of(mine, "values").flatten()  # type: ignore[union-attr]
        yield Vectors(
            at=rows.astype(np.int32),
            profile=profile,
            profile_version=int(kinds[number, 2]),
            feature_set=feature_set,
            names=tuple(layouts[layout]) if layout else (),
            entity=_list(mine, "entity"),
            values=np.array(flat.to_numpy(zero_copy_only=False)).reshape(len(rows), int(kinds[number, 3])),
            window_start=_integers(mine, "window_start"),
            window_end=_integers(mine, "window_end"),
            sequence=_integers(mine, "sequence"),
            event_count=_integers(mine, "event_count"),
            late_count=_integers(mine, "late_count"),
            skewed_count=_integers(mine, "skewed_count"),
            silent=_flags(mine, "silent"),
            retired=_flags(mine, "retired"),
            regular=_flags(mine, "regular"),
        )


_NUMBERS = ("sequence", "event_count", "late_count", "skewed_count", "silent", "retired", "regular")


def _vector_rows(values: Sequence[bytes | None], places: Places, resolver: Resolver | None) -> tuple[Rows, list[Fault]]:
    blocks, faults = decode_vectors(values, resolver=resolver)
    layouts: Layouts = {}
    tables = []
    for block in blocks:
        layout = stable_id(*block.names) if block.names else ""
        if layout:
            layouts[layout] = block.names
        n, width = block.values.shape
        starts = pa.array(np.arange(n + 1, dtype=np.int32) * np.int32(width))
        columns = {
            "entity": pa.array(block.entity, pa.string()),
            "profile_version": pa.array(np.full(n, block.profile_version, np.int64)),
            "window_start": pa.array(block.window_start, TIME),
            "window_end": pa.array(block.window_end, TIME),
            "feature_set": _repeated(block.feature_set, n),
            "layout": _repeated(layout, n),
            "values": pa.ListArray.from_arrays(starts, pa.array(block.values.reshape(-1))),
            **{name: pa.array(getattr(block, name)) for name in _NUMBERS},
            **places.columns(block.at),
            "profile": _repeated(block.profile, n),
        }
        tables.append(pa.table(columns, schema=BLOCK_SCHEMAS[VECTORS]))
    return Rows(_in_order(VECTORS, tables), layouts), faults


def _score_rows(values: Sequence[bytes | None], places: Places, resolver: Resolver | None) -> tuple[Rows, list[Fault]]:
    found, faults = decode("Score", values, resolver=resolver)
    records = np.array([at for at, score in enumerate(found) if score is not None], np.int64)
    scores = [score for score in found if score is not None]
    place = places.columns(records)
    schema = BLOCK_SCHEMAS[SCORES]
    columns = [
        place[f.name] if f.name in place else pa.array([score[f.name] for score in scores], f.type) for f in schema
    ]
    return Rows(pa.table(columns, schema=schema)), faults


def _event_rows(values: Sequence[bytes | None], places: Places, resolver: Resolver | None) -> tuple[Rows, list[Fault]]:
    events, faults = decode_events(values, resolver=resolver)
    found = to_arrow(events)
    place = places.columns(events.record)
    schema = BLOCK_SCHEMAS[EVENTS]
    columns = [place[f.name] if f.name in place else found.column(f.name).cast(f.type) for f in schema]
    return Rows(_in_order(EVENTS, [pa.table(columns, schema=schema)])), faults


def _in_order(kind: str, tables: Sequence[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    table = pa.concat_tables([*tables, BLOCK_SCHEMAS[kind].empty_table()])
    return table.take(pc.sort_indices(table.column("offset")))


def _repeated(value: str, n: int) -> pa.Array:
    return pa.array([value] * n, pa.string())


def _texts(table: pa.Table, name: str) -> Strings:
    return strings_of(column_of(table, name), len(table))


def _list(table: pa.Table, name: str) -> list[Any]:
    found: list[Any] = table.column(name).to_pylist()
    return found


def _integers(table: pa.Table, name: str) -> NDArray[np.int64]:
    column = column_of(table, name)
    assert column is not None
    return np.array(column.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _flags(table: pa.Table, name: str) -> NDArray[np.bool_]:
    column = column_of(table, name)
    assert column is not None
    return np.array(column.to_numpy(zero_copy_only=False), np.bool_)
