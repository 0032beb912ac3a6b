"""Tables whole, with all their columns: for those who need rows as they are, with labels, splits and what else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from workers.sources.replay.forms import Form, form_of
from workers.sources.replay.lines import Oddities, open_lines, table_of_lines


def read_rows(path: Path, columns: Sequence[str] = (), oddities: Oddities | None = None) -> pa.Table:
    """The rows of a Parquet, CSV or NDJSON file; of `columns` those that are there (empty: all). Entities are texts.

    The same file has the same rows in the same order each time. Lines that are no objects go into `oddities`. Raises
    `UnusableFile`, OSError, and ValueError (Arrow's errors are some).
    """
    match form_of(path):
        case Form.parquet:
            names = [name for name in pq.read_schema(path).names if name in columns]
            return _with_texts(pq.read_table(path, columns=names if columns else None))
        case Form.csv:
            options = pacsv.ConvertOptions(column_types={"entity": pa.string()})
            table = pacsv.read_csv(path, convert_options=options)
        case Form.lines:
            with open_lines(path) as file:
                table = table_of_lines(path, 0, list(file), oddities or Oddities())
    return table.select([name for name in table.column_names if name in columns]) if columns else table


def _with_texts(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("entity")
    return table if place < 0 else table.set_column(place, "entity", table.column(place).cast(pa.string()))
