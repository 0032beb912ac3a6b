"""Lines of JSON as rows of a table, plain or gzipped."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson
import pyarrow as pa


@dataclass(slots=True)
class Oddities:
    """What was left out while reading, for people: counts and the first reason per file."""

    bad_lines: int = 0
    first: str = ""
    left_out: set[str] = field(default_factory=set)

    def bad(self, place: str, reason: str) -> None:
        self.bad_lines += 1
        self.first = self.first or f"{place}: {reason}"


def open_lines(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def table_of_lines(path: Path, at: int, lines: Sequence[bytes], oddities: Oddities) -> pa.Table:
    """The objects among these lines, the first of which is behind `at` others; nested values have no column."""
    rows = []
    for number, line in enumerate(lines, at + 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            oddities.bad(f"{path}, line {number}", str(error))
            continue
        if isinstance(row, dict):
            rows.append({name: value for name, value in row.items() if not isinstance(value, (dict, list))})
        else:
            oddities.bad(f"{path}, line {number}", "not an object")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column(name, [row.get(name) for row in rows]) for name in names})


def _column(name: str, values: list[object]) -> pa.Array:
    """Numbers as doubles where all are numbers, texts else: NDJSON may mix 1 and 1.0. Entities are texts."""
    given = [value for value in values if value is not None]
    if name != "entity" and all(isinstance(value, (int, float)) for value in given):
        if given and all(isinstance(value, int) and not isinstance(value, bool) for value in given):
            return pa.array(values, pa.int64())
        return pa.array([None if value is None else float(value) for value in values], pa.float64())  # type: ignore[arg-type]
    return pa.array([None if value is None else str(value) for value in values], pa.string())
