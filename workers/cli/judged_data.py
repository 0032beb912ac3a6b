"""DATA of `faultline evaluate`: the rows of tables with their labels, and the truth of made-up events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import NULL_TIME
from workers.cli.failures import WrongUse
from workers.cli.learning_data import check_there, nothing_usable
from workers.sources.replay.files import holds_events
from workers.sources.replay.lines import Oddities
from workers.sources.replay.play import find_files
from workers.sources.replay.rows import read_rows
from workers.sources.replay.tables import UnusableFile, times_of
from workers.sources.save import truth_path


@dataclass(slots=True)
class Data:
    """What DATA names: `tables` and files of canonical `events`, the truth of the latter, and what was skipped.

    `rows` has a line per row of a table: entity, time (epoch microseconds), label (NaN: not known), split, and where
    it is: `file` numbers `tables`, `place` is the row in it.
    """

    tables: list[Path] = field(default_factory=list)
    events: list[Path] = field(default_factory=list)
    truth: list[Path] = field(default_factory=list)
    skipped: dict[Path, str] = field(default_factory=dict)
    oddities: Oddities = field(default_factory=Oddities)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)


class LabelError(Exception):
    """Labels that are none. To go on without them would judge by what is left."""


def read_data(paths: Sequence[Path]) -> Data:
    """Look at every file of DATA. Raises `WrongUse` for a path or label that is none, and where nothing is usable."""
    check_there(paths)
    data, heads = Data(), []
    for path in find_files(paths):
        try:
            head = _look(path, data)
        except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors
            data.skipped[path] = " ".join(str(error).split())
            continue
        if head is not None:
            heads.append(head.assign(file=len(data.tables)))
            data.tables.append(path)
    if not data.tables and not data.events and not data.truth:
        raise nothing_usable(data.skipped)
    if heads:
        data.rows = pd.concat(heads, ignore_index=True)
    for path in data.events:
        truth = truth_path(path)
        if truth.exists() and truth not in data.truth:
            data.truth.append(truth)
    return data


def _look(path: Path, data: Data) -> pd.DataFrame | None:
    """The keys of a table; None for other files, which are put where they belong."""
    if ".truth." in path.name:
        data.truth.append(path)
    elif holds_events(path):
        data.events.append(path)
    else:
        table = read_rows(path, ("timestamp", "entity", "label", "split"), data.oddities)
        try:
            return _keys(table)
        except LabelError as error:
            raise WrongUse(f"{path}: {error}") from error
    return None


def _keys(table: pa.Table) -> pd.DataFrame:
    missing = [name for name in ("timestamp", "entity") if name not in table.column_names]
    if missing:
        raise UnusableFile(f"no column {' and no '.join(missing)}")
    n = len(table)
    rows = pd.DataFrame({"time": times_of(table.column("timestamp")), "place": np.arange(n)})
    rows["entity"] = table.column("entity").cast(pa.string()).to_pandas().to_numpy(object)
    rows["label"] = _labels(table)
    rows["split"] = _column(table, "split", pa.string(), None)
    return rows[rows["entity"].notna() & (rows["time"] != NULL_TIME)]


def _labels(table: pa.Table) -> np.ndarray:
    """NaN where a row has none. Raises `LabelError` for texts that are no labels."""
    try:
        return _column(table, "label", pa.float64(), np.nan)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        found = table.column("label").to_pylist()
    texts = [_WORDS.get(str(label).strip().lower(), np.inf) if label is not None else np.nan for label in found]
    odd = next((label for label, number in zip(found, texts, strict=True) if np.isinf(number)), None)
    if odd is not None:
        raise LabelError(f"the column label holds 0, 1, true, false or nothing, not {odd!r}")
    return np.array(texts, np.float64)


_WORDS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0, "": np.nan}


def _column(table: pa.Table, name: str, kind: pa.DataType, missing: object) -> np.ndarray:
    if name not in table.column_names:
        return np.full(len(table), missing)
    column: np.ndarray = table.column(name).cast(kind, safe=False).to_pandas().to_numpy()
    return column


def covered(rows: pd.DataFrame, files: Sequence[Path]) -> np.ndarray:
    """1 where an episode covers the moment before the row's time, and for the first row after an episode's start."""
    label = np.zeros(len(rows))
    order = np.lexsort((rows["time"], rows["entity"]))
    places = {name: order[part] for name, part in _groups(rows["entity"].to_numpy()[order])}
    time = rows["time"].to_numpy(np.int64)
    for path in files:
        for entity, start, end in _episodes(path):
            mine = places.get(entity, order[:0])
            first = int(np.searchsorted(time[mine], start, side="right"))
            last = int(np.searchsorted(time[mine], end, side="right"))
            label[mine[first : max(last, first + 1)]] = 1.0
    return label


def _groups(names: np.ndarray) -> list[tuple[str, slice]]:
    """Runs of equal names."""
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1])) if len(names) else np.empty(0, np.intp)
    ends = [*starts[1:].tolist(), len(names)]
    return [(str(names[start]), slice(start, end)) for start, end in zip(starts.tolist(), ends, strict=True)]


def _episodes(path: Path) -> list[tuple[str, int, int]]:
    """Entity, start and end (epoch microseconds) of what `--save-data` wrote as the truth."""
    try:
        if path.suffix in (".parquet", ".pq"):
            table = pq.read_table(path)
        else:
            table = _lines(path)
        if not len(table):
            return []
        entity = table.column("entity").cast(pa.string()).to_pylist()
        start, end = (times_of(table.column(name)).tolist() for name in ("start", "end"))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise WrongUse(f"{path}: no truth with entity, start and end: {' '.join(str(error).split())}") from error
    return list(zip(entity, start, end, strict=True))


def _lines(path: Path) -> pa.Table:
    """Objects, one a line, as they are written: a number is a number, and text stays text."""
    rows = [orjson.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]
    return pa.table({name: pa.array([row[name] for row in rows]) for name in ("entity", "start", "end")})
