"""Canonical events and their truth as files: `data.parquet` and, beside it, `data.truth.parquet` (or NDJSON both)."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import orjson

from schemas.columns import Events
from schemas.events import encode_events
from schemas.times import format_times
from workers.canonical import to_arrow

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PARQUET = (".parquet", ".pq")
NDJSON = (".ndjson", ".jsonl")


def check_suffix(path: Path) -> None:
    """Raises ValueError unless the file's ending names a format that can be written."""
    if path.suffix.lower() not in PARQUET + NDJSON:
        raise ValueError(f"{path}: the ending decides the format, and must be one of {' '.join(PARQUET + NDJSON)}")


class EventsFile:
    """Writes blocks of events to one file; use as a context manager. Parquet needs pyarrow, NDJSON nothing."""

    def __init__(self, path: Path) -> None:
        check_suffix(path)
        self.path = path
        self._parquet: pq.ParquetWriter | None = None
        self._lines: BinaryIO | None = None if path.suffix.lower() in PARQUET else path.open("wb")

    def __enter__(self) -> EventsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._parquet is not None:
            self._parquet.close()
        if self._lines is not None:
            self._lines.close()

    def write(self, events: Events) -> None:
        if self._lines is not None:
            self._lines.writelines(line + b"\n" for line in encode_events(events, form="json"))
            return
        import pyarrow.parquet as pq

        table = to_arrow(events)
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        self._parquet.write_table(table.cast(self._parquet.schema))


def truth_path(data: Path) -> Path:
    """Where the truth of a data file lies."""
    return data.with_name(f"{data.stem}.truth{data.suffix}")


def save_truth(rows: list[dict[str, object]], data: Path) -> Path:
    """Write the truth table (times in epoch microseconds; NaN: not touched) beside its data; returns where."""
    path = truth_path(data)
    if path.suffix.lower() in NDJSON:
        with path.open("wb") as file:
            file.writelines(orjson.dumps(_readable(row)) + b"\n" for row in rows)
        return path
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(rows) if rows else pa.table({"entity": pa.array([], pa.string())})
    for name in ("start", "end"):
        if name in table.column_names:
            at = table.column_names.index(name)
            table = table.set_column(at, name, table.column(name).cast(pa.timestamp("us", "UTC")))
    pq.write_table(table, path)
    return path


def _readable(row: dict[str, object]) -> dict[str, object]:
    """Times as RFC 3339, untouched effects (NaN) as null."""
    times = {name: format_times(np.array([row[name]], np.int64))[0] for name in ("start", "end")}
    return {**row, **times}
