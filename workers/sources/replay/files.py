"""Files as blocks of events: Parquet, CSV and NDJSON, each either canonical events or a table of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from schemas.columns import Events
from schemas.events import decode_events
from workers.canonical import from_arrow, is_canonical
from workers.sources.replay.forms import Form, form_of
from workers.sources.replay.lines import Oddities, open_lines, table_of_lines
from workers.sources.replay.tables import RESERVED, UnusableFile, is_number, metric_columns, table_events

BLOCK = 20_000
"""Rows read at once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: `kind` is what table rows become, `split` keeps only rows of that split."""

    kind: str = "metric"
    time_unit: str = "ms"
    split: str = ""


def blocks_of(path: Path, reading: Reading, oddities: Oddities) -> Iterator[Events]:
    """The file's events in its own order. Raises `UnusableFile` before the first block when it cannot be replayed."""
    reader = {Form.parquet: _parquet, Form.csv: _csv, Form.lines: _ndjson}[form_of(path)]
    return reader(path, reading, oddities)


def holds_events(path: Path) -> bool:
    """Whether the file holds canonical events rather than rows of a table. Raises OSError and ValueError."""
    match form_of(path):
        case Form.parquet:
            return is_canonical(pq.read_schema(path))
        case Form.csv:
            return False
        case Form.lines:
            with open_lines(path) as file:
                first = next((line for line in file if line.strip()), b"")
            return bool(first) and _looks_canonical(first)


def _parquet(path: Path, reading: Reading, oddities: Oddities) -> Iterator[Events]:
    with pq.ParquetFile(path) as file:
        canonical = is_canonical(file.schema_arrow)
        columns = None if canonical else _wanted(file.schema_arrow, reading, oddities)
        for batch in file.iter_batches(BLOCK, columns=columns):
            table = pa.Table.from_batches([batch])
            yield from_arrow(table) if canonical else _from_table(table, reading)


def _csv(path: Path, reading: Reading, oddities: Oddities) -> Iterator[Events]:
    """Types are inferred on the first megabyte; a column that starts with numbers must stay numeric."""
    with pacsv.open_csv(path, convert_options=pacsv.ConvertOptions(column_types={"entity": pa.string()})) as head:
        schema = head.schema
    columns = _wanted(schema, reading, oddities)
    types = {name: pa.float64() if is_number(kind) or pa.types.is_null(kind) else kind for name, kind in _types(schema)}
    types |= {"entity": pa.string(), "timestamp": schema.field("timestamp").type}
    options = pacsv.ConvertOptions(column_types=types, include_columns=columns)
    with pacsv.open_csv(path, convert_options=options) as reader:
        for batch in reader:
            yield _from_table(pa.Table.from_batches([batch]), reading)


def _types(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in schema]


def _ndjson(path: Path, reading: Reading, oddities: Oddities) -> Iterator[Events]:
    with open_lines(path) as file:
        at = 0
        canonical: bool | None = None
        while lines := list(islice(file, BLOCK)):
            filled = [line for line in lines if line.strip()]
            if canonical is None and filled:
                canonical = _looks_canonical(filled[0])
            if canonical:
                events, faults = decode_events(filled)
                for fault in faults:
                    oddities.bad(f"{path}, line {at + fault.record + 1}", fault.message)
                yield events
            elif filled:
                table = table_of_lines(path, at, lines, oddities)
                yield _from_table(table.select(_wanted(table.schema, reading, oddities)), reading)
            at += len(lines)


def _looks_canonical(line: bytes) -> bool:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnusableFile(f"the first line is not JSON: {error}") from error
    return isinstance(row, dict) and "kind" in row and ("metrics" in row or "attributes" in row)


def _wanted(schema: pa.Schema, reading: Reading, oddities: Oddities) -> list[str]:
    """The columns to read. Raises `UnusableFile` where there is no time, no entity or no metric."""
    missing = [name for name in ("timestamp", "entity") if name not in schema.names]
    if missing:
        raise UnusableFile(f"no column {' and no '.join(missing)}")
    metrics = metric_columns(schema)
    oddities.left_out |= {name for name, kind in _types(schema) if not is_number(kind)} - RESERVED
    if not metrics:
        raise UnusableFile("no numeric column besides the reserved ones")
    if reading.split and "split" not in schema.names:
        raise UnusableFile("no column split to choose rows by")
    return ["timestamp", "entity", *(["split"] if reading.split else []), *metrics]


def _from_table(table: pa.Table, reading: Reading) -> Events:
    if reading.split:
        keep = pa.compute.equal(table.column("split").cast(pa.string()), reading.split)
        table = table.filter(keep)
    return table_events(table, reading.kind, reading.time_unit)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first pass over a file found. Times are epoch microseconds, of the first and last event."""

    rows: int
    first: int
    last: int
    ordered: bool
    cadence: int
    """Median time between two events of one entity (microseconds); 0 where no entity has two."""


def survey(path: Path, reading: Reading, oddities: Oddities) -> Survey:
    """Read a file once: whether it is in time order, and from when to when. Raises `UnusableFile`."""
    rows, ordered, before = 0, True, None
    first, last = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    gaps: list[int] = []
    for block in blocks_of(path, reading, oddities):
        if not len(block):
            continue
        rows += len(block)
        ordered &= bool(np.all(np.diff(block.time) >= 0)) and (before is None or before <= int(block.time[0]))
        before = int(block.time[-1])
        first, last = min(first, int(block.time.min())), max(last, int(block.time.max()))
        if len(gaps) < _GAPS:
            gaps += _gaps(block)
    if not rows:
        raise UnusableFile("no rows with a time, an entity and a value")
    return Survey(rows, first, last, ordered, int(np.median(gaps)) if gaps else 0)


_GAPS = 10_000  # gaps enough for a median


def _gaps(block: Events) -> list[int]:
    """Times between consecutive events of the same entity."""
    order = np.lexsort((block.time, block.entity.codes))
    same = np.diff(block.entity.codes[order]) == 0
    steps = np.diff(block.time[order])[same]
    return [int(step) for step in steps[:_GAPS] if step > 0]
