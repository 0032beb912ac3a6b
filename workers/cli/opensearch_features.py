"""Features of cleaned events, by the `event` profile of the windows worker: what it would give live, row by row.

features/<tag>_features.parquet|csv   timestamp, entity, sequence, and a column for each feature
features/<tag>_metadata.csv           of each row the document it is of: index, id, kind and what it says of itself
features/<tag>_features.json          name, unit and formula of each feature, and what went in
artifacts/<tag>_encoders.json         how what is no number became one, and what an unknown value becomes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from models.features.event import ERROR_STATUS, EVENT
from models.features.levels import ERROR_LEVEL, LEVELS
from models.table import VectorTable
from schemas.columns import Events
from workers.cli.failures import Failure, WrongUse
from workers.cli.learning_data import counted, open_tape
from workers.cli.offline import vector_blocks
from workers.cli.opensearch_options import Folders
from workers.cli.voice import Voice
from workers.settings import Settings
from workers.sources.opensearch.raw import write_whole
from workers.windows.profiles import shipped

PROFILE = "event"
KEY = ["entity", "timestamp", "sequence"]
_SAID = ("level", "status_code", "method", "path", "host", "error")


@dataclass(frozen=True, slots=True)
class Featured:
    """A data set with features, and where its files lie."""

    tag: str
    features: Path
    metadata: Path
    rows: int


def event_settings(settings: Settings) -> Settings:
    """With the profile `event` alone."""
    windows = settings.windows.model_copy(update={"enabled": [PROFILE]})
    return settings.model_copy(update={"windows": windows})


def make_features(cleaned: Path, tag: str, folders: Folders, settings: Settings, voice: Voice) -> Featured:
    """Write the features of a cleaned data set. Raises `Failure` where it holds no API or log event."""
    if not cleaned.is_file():
        raise WrongUse(f"{cleaned}: no such file; `faultline opensearch clean` makes it")
    folders.features.mkdir(parents=True, exist_ok=True)
    folders.artifacts.mkdir(parents=True, exist_ok=True)
    tape = open_tape([cleaned], voice)
    owners: list[pd.DataFrame] = []
    rows: list[pd.DataFrame] = []
    with counted(tape, voice, f"features of {tag}") as blocks:
        for block in vector_blocks(_owned(blocks, owners), event_settings(settings)):
            keys = {"entity": list(block.entity), "timestamp": block.window_end, "sequence": block.sequence}
            frame = pd.DataFrame(block.values, columns=list(EVENT.names))
            rows += [pd.DataFrame(keys).join(frame)]
    if not rows:
        raise Failure(f"{cleaned}: no event is of the kind api or log, which features are made of")
    table = pd.concat(rows, ignore_index=True)
    known = pd.concat(owners, ignore_index=True)
    known["sequence"] = known.groupby(["entity", "timestamp"], sort=False).cumcount()
    metadata = table[KEY].merge(known, how="left", on=KEY)
    target = folders.features / f"{tag}_features.parquet"
    _write_tables(table, metadata, folders.features, tag)
    write_whole(folders.features / f"{tag}_features.json", _described(tag, cleaned, table))
    write_whole(folders.artifacts / f"{tag}_encoders.json", _encoders(tag, known))
    left = len(known) - len(table)
    if left:
        voice.say(f"{tag}: {left:,} events are neither api nor log, and have no features")
    return Featured(tag, target, folders.features / f"{tag}_metadata.csv", len(table))


def _owned(blocks: Iterator[Events], owners: list[pd.DataFrame]) -> Iterator[Events]:
    """The same blocks; which document each event is of is kept."""
    for block in blocks:
        names = np.array([*block.entity.values, None], object)
        kinds = np.array([*block.kind.values, None], object)
        ids = np.array([*block.id.values, None], object)
        sources = np.array([*block.source.values, None], object)
        frame = pd.DataFrame(
            {
                "entity": names[block.entity.codes],
                "timestamp": block.time,
                "kind": kinds[block.kind.codes],
                "index": sources[block.source.codes],
                "id": ids[block.id.codes],
            }
        )
        for name in _SAID:
            frame[name] = _attribute(block, name)
        owners.append(frame)
        yield block


def _attribute(block: Events, name: str) -> np.ndarray:
    found: np.ndarray = np.full(len(block), None, object)
    values = np.array([*block.attr_value.values, None], object)
    codes = [code for code, other in enumerate(block.attr_name.values) if other == name]
    mine = np.isin(block.attr_name.codes, codes)
    found[block.attr_row[mine]] = values[block.attr_value.codes[mine]]
    return found


def _write_tables(table: pd.DataFrame, metadata: pd.DataFrame, folder: Path, tag: str) -> None:
    times = pa.array(table["timestamp"].to_numpy(np.int64), pa.timestamp("us", "UTC"))
    arrow = pa.table(
        {
            "timestamp": times,
            "entity": pa.array(table["entity"], pa.string()),
            "sequence": pa.array(table["sequence"], pa.int64()),
            **{name: pa.array(table[name].to_numpy(np.float64), from_pandas=True) for name in EVENT.names},
        }
    )
    pq.write_table(arrow, folder / f"{tag}_features.parquet", compression="zstd")
    pacsv.write_csv(arrow, folder / f"{tag}_features.csv")
    columns = {
        name: pa.array(metadata[name], pa.string(), from_pandas=True) for name in ("kind", "index", "id", *_SAID)
    }
    whole = pa.table({**{name: arrow.column(name) for name in ("timestamp", "entity", "sequence")}, **columns})
    pacsv.write_csv(whole, folder / f"{tag}_metadata.csv")


def _described(tag: str, cleaned: Path, table: pd.DataFrame) -> bytes:
    described: dict[str, Any] = {
        "dataset": tag,
        "cleaned": str(cleaned),
        "profile": PROFILE,
        "feature_set": EVENT.hash,
        "rows": len(table),
        "features": [
            {
                "name": one.name,
                "unit": one.unit,
                "formula": one.formula,
                "missing": int(table[one.name].isna().sum()),
            }
            for one in EVENT.features
        ],
    }
    return orjson.dumps(described, option=orjson.OPT_INDENT_2) + b"\n"


def _encoders(tag: str, known: pd.DataFrame) -> bytes:
    """Rules are the same for every data set and live: a model never meets a code that meant something else to it."""
    seen = {
        name: {str(value): int(count) for value, count in known[name].value_counts().head(1_000).items()}
        for name in ("level", "status_code", "kind")
    }
    encoders = {
        "dataset": tag,
        "feature_set": EVENT.hash,
        "encoders": {
            "level": {"codes": LEVELS, "unknown": None, "note": "by lower-case name; null is a missing value"},
            "status_class": {"rule": "first digit of status_code", "unknown": None},
            "error": {
                "rule": f"1 if level >= {ERROR_LEVEL}, status_code >= {ERROR_STATUS} or error=true, else 0",
                "unknown": 0,
            },
        },
        "seen": seen,
    }
    return orjson.dumps(encoders, option=orjson.OPT_INDENT_2) + b"\n"


def read_features(path: Path) -> pd.DataFrame:
    """A table of features: Parquet or CSV, `timestamp` in epoch microseconds. Raises `WrongUse`."""
    try:
        if path.name.endswith((".csv", ".csv.gz")):
            types = {"entity": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "sequence": pa.int64()}
            types |= {name: pa.float64() for name in EVENT.names}
            arrow = pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=types))
        else:
            arrow = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path}: {' '.join(str(error).split())}") from error
    missing = [name for name in (*KEY, *EVENT.names) if name not in arrow.column_names]
    if missing:
        raise WrongUse(
            f"{path} lacks the columns {', '.join(missing[:5])}: `faultline opensearch features` writes such"
        )
    times = arrow.column("timestamp").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    frame: pd.DataFrame = arrow.drop_columns(["timestamp"]).to_pandas()
    return frame.assign(timestamp=times.to_numpy())


def table_of(frame: pd.DataFrame) -> VectorTable:
    """The rows as a table to learn from."""
    order = np.lexsort((frame["sequence"], frame["timestamp"]))
    frame = frame.iloc[order]
    codes, entities = pd.factorize(frame["entity"], sort=True)
    return VectorTable(
        PROFILE,
        shipped()[PROFILE].version,
        EVENT.hash,
        EVENT.names,
        tuple(str(name) for name in entities),
        codes.astype(np.int32),
        frame["timestamp"].to_numpy(np.int64),
        np.ascontiguousarray(frame[list(EVENT.names)].to_numpy(np.float64)),
    )
