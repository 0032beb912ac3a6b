"""Incidents, or their events, into a file: CSV, Parquet or NDJSON by its ending. There when it is whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import orjson

from workers.cli.extras import needing
from workers.cli.failures import WrongUse
from workers.cli.incident_documents import TIMES, document
from workers.cli.out_files import prepare

_CONTRIBUTION = ("metric", "feature", "share", "direction")
_NUMBERS = ("sequence", "reopenings", "occurrence_count", "window_count")


class Writer(Protocol):
    """Takes rows as the tables hold them; `rows` counts them."""

    rows: int

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def close(self) -> None: ...


@contextmanager
def writing(out: Path, events: bool) -> Iterator[Writer]:
    """A writer into `out`, which is replaced when all is written. Raises `WrongUse` for an ending that says nothing."""
    prepare(out)
    part = out.with_name(f"{out.name}.part")
    writer = _writer(out, part, _columns(events))
    try:
        yield writer
        writer.close()
        part.replace(out)
    except BaseException:
        writer.close()
        part.unlink(missing_ok=True)
        raise


def _writer(out: Path, part: Path, columns: list[str]) -> Writer:
    if out.suffix == ".csv":
        return _Csv(part, columns)
    if out.suffix in (".ndjson", ".jsonl"):
        return _Ndjson(part)
    if out.suffix in (".parquet", ".pq"):
        return _parquet(part, columns)
    raise WrongUse(f"{out}: end the name in .csv, .parquet or .ndjson: that says which it is to be")


def _columns(events: bool) -> list[str]:
    from workers.history.schema import incident_events, incidents

    if not events:
        return [column.name for column in incidents.columns if column.name != "highest_rank"]
    own = [column.name for column in incident_events.columns]
    return [own[0], "entity", "profile", "fingerprint_id", *own[1:]]


class _Csv:
    """A line a row; what is a document in a row is JSON in its field."""

    def __init__(self, file: Path, columns: list[str]) -> None:
        self.rows = 0
        self._file = file.open("w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._file, columns, extrasaction="ignore")
        self._csv.writeheader()

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._csv.writerows({name: _cell(value) for name, value in document(row).items()} for row in rows)
        self.rows += len(rows)

    def close(self) -> None:
        self._file.close()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return orjson.dumps(value).decode() if isinstance(value, (dict, list)) else value


class _Ndjson:
    """A JSON document a line."""

    def __init__(self, file: Path) -> None:
        self.rows = 0
        self._file = file.open("wb")

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._file.writelines(orjson.dumps(document(row)) + b"\n" for row in rows)
        self.rows += len(rows)

    def close(self) -> None:
        self._file.close()


def _parquet(file: Path, columns: list[str]) -> Writer:
    with needing("Parquet", "sources", "write CSV"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    contribution = pa.struct([(name, pa.float64() if name == "share" else pa.string()) for name in _CONTRIBUTION])
    types = {
        **dict.fromkeys(TIMES, pa.timestamp("us", "UTC")),
        **dict.fromkeys(_NUMBERS, pa.int64()),
        "regular": pa.bool_(),
        "rule": pa.struct([("name", pa.string()), ("have", pa.int64()), ("need", pa.int64())]),
        "contributions": pa.list_(contribution),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])

    class Parquet:
        """A row group for what is written at once."""

        def __init__(self) -> None:
            self.rows = 0
            self._file = pq.ParquetWriter(file, schema, compression="zstd")

        def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
            self._file.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema))
            self.rows += len(rows)

        def close(self) -> None:
            self._file.close()

    return Parquet()
