"""Tables of metrics such as recorded telemetry comes in: the given ones, or made-up ones of the same shape.

`FAULTLINE_TEST_DATA` names a folder with folders of Parquet files (timestamp, entity, metrics, label, split); what it
lacks is made up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

VARIABLE = "FAULTLINE_TEST_DATA"
RESERVED = ("timestamp", "entity", "split", "label", "anomaly_point", "segment")


def tables(name: str, folder: Path) -> Path:
    """The folder of that data set: recorded where it is given, else written into `folder`."""
    given = os.environ.get(VARIABLE)
    if given and (Path(given) / name).is_dir():
        return Path(given) / name
    made = folder / name
    made.mkdir()
    SHAPES[name](made)
    return made


@dataclass(frozen=True, slots=True)
class Samples:
    """What the files say, read by pandas: one row per sample that has a value, in the order of the files."""

    rows: pd.DataFrame  # entity, time (epoch microseconds), and every metric

    @classmethod
    def of(cls, folder: Path) -> Samples:
        frames = []
        for path in sorted(folder.rglob("*.parquet")):
            table = pd.read_parquet(path)
            if not {"timestamp", "entity"} <= set(table.columns):
                continue
            metrics = table.drop(columns=[name for name in RESERVED if name in table]).astype(float)
            metrics = metrics.where(np.isfinite(metrics))
            metrics.insert(0, "entity", table.entity)
            metrics.insert(1, "time", table.timestamp.astype("datetime64[us, UTC]").astype("int64"))
            frames.append(metrics[metrics.iloc[:, 2:].notna().any(axis=1)])
        return cls(pd.concat(frames, ignore_index=True))

    def times(self) -> Mapping[str, np.ndarray]:
        """Distinct times of each entity, ascending."""
        return {str(entity): np.unique(group.time) for entity, group in self.rows.groupby("entity")}

    def latest(self, metric: str) -> dict[tuple[str, int], float]:
        """The value of a metric at each (entity, time): the last one given."""
        known = self.rows[self.rows[metric].notna()]
        return dict(zip(zip(known.entity, known.time, strict=True), known[metric], strict=True))


def _table(entity: str, time: pd.DatetimeIndex, metrics: pd.DataFrame, trained: int) -> pd.DataFrame:
    table = metrics.copy()
    table.insert(0, "timestamp", time)
    table.insert(1, "entity", entity)
    split = np.where(np.arange(len(table)) < trained, "train", "test")
    table["label"] = pd.array(np.where(split == "train", 0, np.arange(len(table)) % 7 == 0), "Int8")
    table.loc[split == "train", "label"] = pd.NA
    table["split"] = split
    return table


def _daily(random: np.random.Generator, time: pd.DatetimeIndex, columns: int) -> pd.DataFrame:
    """A daily cycle with noise, the first columns constant, a few cells missing."""
    day = np.asarray(time.hour * 60 + time.minute, float)[:, None] / 1440 * 2 * np.pi
    values = 0.5 + 0.3 * np.sin(day + random.uniform(0, 6, columns)) + random.normal(0, 0.05, (len(time), columns))
    values = values.round(2)
    values[:, :2] = 0.0
    values[random.random(values.shape) < 0.002] = np.nan
    return pd.DataFrame(values, columns=[f"m{number:02d}" for number in range(1, columns + 1)])


def _machines(folder: Path) -> None:
    """One minute, 38 metrics, machines that end one after the other; a table beside them that is none of samples."""
    random = np.random.default_rng(1)
    for number, minutes in enumerate((670, 700, 712)):
        time = pd.date_range("2024-01-01", periods=minutes, freq="1min", tz="UTC")
        name = f"machine-{number}"
        _table(name, time, _daily(random, time, 38), 300).to_parquet(folder / f"{name}.parquet")
    pd.DataFrame({"entity": ["machine-0"], "start": [3], "end": [9]}).to_parquet(folder / "events.parquet")


def _servers(folder: Path) -> None:
    """Five minutes, 19 metrics; in the middle three hours in which nobody sent anything."""
    random = np.random.default_rng(2)
    for number in range(4):
        time = pd.date_range("2024-01-01", periods=400, freq="5min", tz="UTC").delete(range(144, 180))
        _table(f"server-{number}", time, _daily(random, time, 19), 200).to_parquet(folder / f"server-{number}.parquet")


def _streams(folder: Path) -> None:
    """Single metrics of their own years and cadences: gaps, times that come twice, whole numbers, missing values."""
    random = np.random.default_rng(3)

    def stream(name: str, time: pd.DatetimeIndex, value: np.ndarray) -> None:
        table = _table(name, time, pd.DataFrame({"value": value}), 50)
        table["anomaly_point"] = 0
        (folder / "streams").mkdir(exist_ok=True)
        table.to_parquet(folder / "streams" / f"{name}.parquet")

    five = pd.date_range("2014-02-14T14:27", periods=500, freq="5min", tz="UTC")
    stream("cpu", five.delete([100, 250, 251]), random.uniform(0, 100, 497).round(3))
    again = sorted([*five, five[299], five[300]])
    twice = pd.DatetimeIndex([*again[:400], *(moment + pd.Timedelta("56min") for moment in again[400:])])
    stream("disk", twice, np.where(random.random(502) < 0.3, np.nan, random.uniform(0, 1e9, 502)))
    hourly = pd.date_range("2013-07-04", periods=400, freq="1h", tz="UTC")
    stream("temperature", hourly.delete(range(150, 260)), random.normal(70, 3, 290))
    half = pd.date_range("2014-07-01", periods=300, freq="30min", tz="UTC")
    stream("taxi", half, random.integers(0, 30_000, 300))


SHAPES: Mapping[str, Callable[[Path], None]] = {"smd": _machines, "asd": _servers, "nab": _streams}
