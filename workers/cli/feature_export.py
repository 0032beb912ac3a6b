"""The vectors that models learn from, as files: all of them, and divided in time as training with labels divides them.

<folder>/<profile>/full.parquet|csv, train.parquet|csv (the first four fifths), validation.parquet|csv (the last)
<folder>/<profile>/features.json     each feature with its unit, formula, robust scale and how many values lie far out
<folder>/<profile>/summary.json      rows, entities, times, and how often each metric lies far out
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.features.known import FEATURE_SETS
from models.labels import ANOMALOUS, UNKNOWN, later_part
from models.naming import naming
from models.table import VectorTable, learned
from models.thresholds import Series
from schemas.times import format_time

FAR = 3.5
"""Modified z score from which on a value counts as an outlier (Iglewicz and Hoaglin 1993)."""

_MAD = 0.6745  # median absolute deviation of a normal value, in standard deviations


def save_features(table: VectorTable, folder: Path) -> Path:
    """Write the files of one table; where they lie. Rows are in time order within each entity."""
    place = folder / table.profile
    place.mkdir(parents=True, exist_ok=True)
    table = table.take(np.lexsort((table.window_end, table.entity)))
    label = np.full(len(table), UNKNOWN, np.int8) if table.label is None else table.label
    later = later_part(label, Series(table.entity, table.window_end))
    parts = {"full": np.ones(len(table), np.bool_), "train": ~later, "validation": later}
    for name, rows in parts.items():
        arrow = _arrow(table.take(np.flatnonzero(rows)))
        pq.write_table(arrow, place / f"{name}.parquet", compression="zstd")
        pacsv.write_csv(arrow, place / f"{name}.csv")
    features = _features(table)
    _write(place / "features.json", features)
    _write(place / "summary.json", _summary(table, parts, features))
    return place


def _arrow(table: VectorTable) -> pa.Table:
    codes = pa.array(table.entity, pa.int32())
    columns: dict[str, Any] = {
        "timestamp": pa.array(table.window_end, pa.timestamp("us", "UTC")),
        "entity": pa.DictionaryArray.from_arrays(codes, pa.array(table.entities, pa.string())).cast(pa.string()),
    }
    if table.label is not None:
        columns["label"] = pa.array(table.label, pa.int8(), mask=table.label == UNKNOWN)
    for column, name in enumerate(table.names):
        columns[name] = pa.array(table.values[:, column], from_pandas=True)  # NaN is null
    return pa.table(columns)


def _features(table: VectorTable) -> list[dict[str, Any]]:
    known = FEATURE_SETS.get(table.feature_set)
    told = {one.name: one for one in known.features} if known is not None else {}
    named, used = naming(table.names), learned(table.names)
    found = []
    for column, name in enumerate(table.names):
        values = table.values[:, column]
        values = values[~np.isnan(values)]
        middle, spread, far = _robust(values)
        group = int(named.group[column])
        found.append(
            {
                "name": name,
                "metric": named.metrics[group] if group >= 0 else None,
                "unit": told[name].unit if name in told else None,
                "formula": told[name].formula if name in told else None,
                "learned": used[column] and group >= 0,
                "missing": len(table) - len(values),
                "median": middle,
                "spread": spread,
                "outliers": far,
            }
        )
    return found


def _robust(values: NDArray[np.float64]) -> tuple[float | None, float | None, int]:
    """Median, standard deviation by the median absolute deviation, and how many values lie far out."""
    if not len(values):
        return None, None, 0
    middle = float(np.median(values))
    spread = float(np.median(np.abs(values - middle))) / _MAD
    far = int(np.count_nonzero(np.abs(values - middle) > FAR * spread)) if spread > 0.0 else 0
    return middle, spread, far


def _summary(
    table: VectorTable, parts: Mapping[str, NDArray[np.bool_]], features: list[dict[str, Any]]
) -> dict[str, Any]:
    label = table.label
    return {
        "profile": table.profile,
        "feature_set": table.feature_set,
        "features": len(table.names),
        "entities": sorted(table.entities[code] for code in np.unique(table.entity).tolist()),
        "parts": {
            name: {
                "rows": int(rows.sum()),
                "from": format_time(int(table.window_end[rows].min())) if rows.any() else None,
                "to": format_time(int(table.window_end[rows].max())) if rows.any() else None,
                "anomalous": None if label is None else int(np.count_nonzero(label[rows] == ANOMALOUS)),
            }
            for name, rows in parts.items()
        },
        "outliers": {one["name"]: one["outliers"] for one in features if one["metric"] == one["name"]},
    }


def _write(path: Path, document: object) -> None:
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
