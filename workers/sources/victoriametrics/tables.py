"""Slices as tables that `faultline train` reads: timestamp, entity, and a column for each metric."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.ids import stable_id
from workers.sources.victoriametrics.slices import Slice

PARQUET = (".parquet", ".pq")
_LONGEST = 150


class Tables:
    """One Parquet file of all services, or in a folder one of each. Use as a context manager.

    Files get their names when everything is in them: what was cut short leaves nothing that looks whole.
    """

    def __init__(self, out: Path, metrics: Sequence[str]) -> None:
        """`out` is a file if it ends like one, else a folder, made if need be."""
        self._single = out.suffix.lower() in PARQUET
        self._out = out
        self._schema = pa.schema(
            [("timestamp", pa.timestamp("us", "UTC")), ("entity", pa.string())] + [(m, pa.float64()) for m in metrics]
        )
        self._writers: dict[Path, pq.ParquetWriter] = {}
        (out.parent if self._single else out).mkdir(parents=True, exist_ok=True)
        if self._single:
            self._writer(out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path, writer in self._writers.items():
            writer.close()
            if kind is None:
                os.replace(_part(path), path)
            else:
                _part(path).unlink()

    @property
    def files(self) -> list[Path]:
        return sorted(self._writers)

    def write(self, part: Slice) -> int:
        """How many rows it had."""
        time, entity, values = part.rows()
        columns = [pa.array(values[:, m], from_pandas=True) for m in range(values.shape[1])]
        names = pa.DictionaryArray.from_arrays(pa.array(entity.codes), pa.array(list(entity.values), pa.string()))
        table = pa.table(
            [pa.array(time, pa.timestamp("us", "UTC")), names.cast(pa.string()), *columns], schema=self._schema
        )
        if self._single:
            self._writer(self._out).write_table(table)
        else:
            for code, name in enumerate(entity.values):
                mine = table.take(np.flatnonzero(entity.codes == code))
                if len(mine):
                    self._writer(self._out / f"{file_name(name)}.parquet").write_table(mine)
        return len(table)

    def _writer(self, path: Path) -> pq.ParquetWriter:
        if path not in self._writers:
            self._writers[path] = pq.ParquetWriter(_part(path), self._schema, compression="zstd")
        return self._writers[path]


def file_name(service: str) -> str:
    """A name that stays in its folder and fits there, whatever a service is called."""
    name = quote(service, safe=" ")
    if name.startswith("."):
        name = name.replace(".", "%2E")
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{stable_id(service)}"


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
