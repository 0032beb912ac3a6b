"""What `faultline evaluate` saves: every row with its outcome, and what was flagged with its original records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from schemas.events import encode_events
from schemas.times import format_times
from workers.cli.failures import Failure, WrongUse
from workers.cli.judged import Judged
from workers.cli.judged_data import Data
from workers.sources.columns import take
from workers.sources.replay.files import Reading, blocks_of
from workers.sources.replay.lines import Oddities
from workers.sources.replay.rows import read_rows

_OUTCOMES = np.array([["true negative", "false positive"], ["false negative", "true positive"]], object)
_SAID = ("severity", "incident_id", "reason", "agreeing")

Key = tuple[str, int]


def check_ending(path: Path | None, endings: Sequence[str]) -> None:
    """Raises `WrongUse` unless the file's ending names one of these formats."""
    if path is not None and path.suffix not in endings:
        raise WrongUse(f"{path}: the ending decides the format, and must be one of {' '.join(endings)}")


def save_predictions(judged: Judged, path: Path) -> int:
    """Write every judged row with score, flag, label and outcome; how many there are. Raises `Failure`."""
    rows = judged.rows
    table = pd.DataFrame(
        {
            "entity": rows["entity"],
            "timestamp": pd.to_datetime(rows["time"], unit="us", utc=True).dt.as_unit("us"),
            "anomaly_score": rows["anomaly_score"],
            "is_anomaly": rows["is_anomaly"],
            "label": rows["label"].astype("Int8"),
            "outcome": _outcomes(rows),
        }
    )
    for name in (*_SAID, *(f"{what} {member}" for member in judged.members for what in ("score", "flag"))):
        if name in rows:
            table[name] = rows[name]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path, compression="zstd", index=False)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error
    return len(table)


def _outcomes(rows: pd.DataFrame) -> np.ndarray:
    """In words; None where the label is not known."""
    known = rows["label"].notna().to_numpy()
    anomalous = (rows["label"].to_numpy(np.float64) > 0).astype(np.int64)
    words: np.ndarray = _OUTCOMES[anomalous, rows["is_anomaly"].to_numpy(np.int64)]
    words[~known] = None
    return words


def save_anomalies(judged: Judged, path: Path) -> int:
    """Write what was flagged, each with its record of DATA, as one JSON list or one object a line; how many.

    A window of many events has no record: it is null. Raises `Failure`.
    """
    rows = judged.rows[judged.rows["is_anomaly"]]
    records = dict(_records(judged.data, rows))
    found = [_anomaly(judged, row, records) for row in rows.to_dict("records")]
    lines = [orjson.dumps(one, default=str, option=orjson.OPT_UTC_Z) for one in found]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_bytes(b"[" + b",".join(b"\n" + line for line in lines) + b"\n]\n")
        else:
            path.write_bytes(b"".join(line + b"\n" for line in lines))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error
    return len(lines)


def _anomaly(judged: Judged, row: dict[Any, Any], records: dict[Key, object]) -> dict[str, object]:
    members = {
        name: {"anomaly_score": row[f"score {name}"], "is_anomaly": bool(row[f"flag {name}"])}
        for name in judged.members
    }
    label = row["label"]
    return {
        "entity": row["entity"],
        "timestamp": _rfc3339(row["time"]),
        "anomaly_score": row["anomaly_score"],
        "label": None if np.isnan(label) else int(label),
        **{name: _or_null(row[name]) for name in _SAID if name in row},
        **({"models": members} if members else {}),
        "record": records.get((row["entity"], row["time"])),
    }


def _records(data: Data, rows: pd.DataFrame) -> Iterator[tuple[Key, object]]:
    """The original record of each of these rows, where it has one."""
    if data.tables:
        for number, part in rows.groupby("file"):
            path = data.tables[int(str(number))]
            table = read_rows(path)
            found = table.take(part["place"].to_numpy()).to_pylist()
            for entity, time, record in zip(part["entity"], part["time"], found, strict=True):
                yield (entity, time), {name: _or_null(value) for name, value in record.items()}
        return
    wanted = set(zip(rows["entity"], rows["time"], strict=True))
    for path in data.events:
        for block in blocks_of(path, Reading(), Oddities()):
            names, codes, times = block.entity.values, block.entity.codes.tolist(), block.time.tolist()
            keys = [(names[code], time) for code, time in zip(codes, times, strict=True)]
            mine = np.array([i for i, key in enumerate(keys) if key in wanted], np.intp)
            for i, value in zip(mine.tolist(), encode_events(take(block, mine), form="json"), strict=True):
                yield keys[i], orjson.loads(value)


def _or_null(value: object) -> object:
    """A value as JSON has it: what is missing is null, a time RFC 3339."""
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is pd.NaT or value is pd.NA:
        return None
    return value


def _rfc3339(time: int) -> str:
    return format_times(np.array([time], np.int64))[0]
