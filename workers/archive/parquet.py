"""One archived file: rows to Parquet and back. The same rows give the same bytes, however batches were cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.features.known import FEATURE_SETS
from workers.archive.files import VECTORS, File
from workers.archive.rows import Layouts, Rows
from workers.archive.schema import FILE_SCHEMAS
from workers.archive.store import Store, again

GROUP_ROWS = 20_000
"""Rows of a row group, and the most that is read at once."""

_FOOTER = b"faultline"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Footer:
    """What is known of a file without reading its rows."""

    rows: int
    layouts: Layouts


def write(rows: Rows, file: File, sink: Any) -> int:
    """Rows of one folder into a sink (a path or what can be written to). Returns how many."""
    return write_batches([rows], file, sink)


def write_batches(parts: Iterable[Rows], file: File, sink: Any) -> int:
    """The same with rows that come in pieces, which are never all in memory."""
    schema, layouts, static, count = FILE_SCHEMAS[file.folder.kind], Layouts(), set[str](), 0
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True, **_encodings(schema)) as writer:
        for part in parts:
            table = part.table.select(schema.names).combine_chunks()
            for start in range(0, len(table), GROUP_ROWS):
                writer.write_table(table.slice(start, GROUP_ROWS), row_group_size=GROUP_ROWS)
            count += len(table)
            if file.folder.kind == VECTORS:
                static.update(pc.unique(table.column("feature_set")).to_pylist())
                used = pc.unique(table.column("layout")).to_pylist()
                layouts |= {key: part.layouts[key] for key in used if key}
        writer.add_key_value_metadata({_FOOTER: orjson.dumps(_about(file, layouts, static), option=_SORTED)})
    return count


_SORTED = orjson.OPT_SORT_KEYS


def footer(store: Store, file: File) -> Footer:
    """Raises FileNotFoundError where the file has gone, ValueError (Arrow's) where it is none."""

    def look() -> Footer:
        with store.open(file.path) as opened, pq.ParquetFile(opened) as parquet:
            return _footer(parquet)

    return again(look)


def batches(store: Store, file: File, columns: Iterable[str] | None = None) -> Iterator[Rows]:
    """The file's rows in pieces, in offset order. Raises as `footer` does, also for a damaged page, and `Changed`."""
    with store.open(file.path) as opened, _checked(opened) as parquet:
        layouts = _footer(parquet).layouts
        wanted = None if columns is None else list(columns)
        for group in range(parquet.num_row_groups):
            # Arrow's own threads may abort the process at its end where they have read through a Python file.
            yield Rows(parquet.read_row_group(group, columns=wanted, use_threads=False), layouts)


def _checked(opened: IO[bytes]) -> pq.ParquetFile:
    return pq.ParquetFile(opened, page_checksum_verification=True)


def _footer(parquet: pq.ParquetFile) -> Footer:
    told = (parquet.metadata.metadata or {}).get(_FOOTER)
    if told is None:
        raise ValueError("not a file of an archive: its footer says nothing of ours")
    layouts = orjson.loads(told).get("layouts", {})
    return Footer(parquet.metadata.num_rows, {key: tuple(names) for key, names in layouts.items()})


def _about(file: File, layouts: Layouts, feature_sets: set[str]) -> dict[str, Any]:
    """For whoever reads the file without us: above all what the numbers of `values` are called."""
    folder = file.folder
    known = {name: list(FEATURE_SETS[name].names) for name in feature_sets if name in FEATURE_SETS}
    return {
        "format": _FORMAT,
        "kind": folder.kind,
        "profile": folder.profile,
        "log": file.log.name,
        "layouts": {key: list(names) for key, names in layouts.items()},
        "feature_sets": known,
    }


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """Texts by dictionary; numbers byte by byte, which compresses noisy ones best."""
    paths = list(_leaves(schema))
    numbers = [path for path, kind in paths if pa.types.is_floating(kind)]
    texts = [path for path, kind in paths if pa.types.is_string(kind)]
    return {"use_dictionary": texts, "use_byte_stream_split": numbers}


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    for field in schema:
        yield from _leaves_of(field.name, field.type)


def _leaves_of(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    if pa.types.is_list(kind):
        yield from _leaves_of(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves_of(f"{path}.{field.name}", field.type)
    else:
        yield path, kind
