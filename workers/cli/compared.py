"""What `faultline models compare` found: figures of each version, their agreement, and the alarms of one alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.evaluation.comparison import Agreement, episodes, unshared
from models.evaluation.figures import FIGURES, figures
from models.evaluation.points import ratio
from models.evaluation.streams import Stream
from schemas.times import format_time
from workers.cli.comparing import SIDES

_OTHER = {"a": "b", "b": "a"}


@dataclass(frozen=True, slots=True)
class Side:
    """One version. All but `rows`, which it has scored, is counted over the rows that both have.

    `alarms` are runs of flagged rows an hour apart at most, `own` those in whose course the other version flags none.
    `judged` has the figures that labels give.
    """

    rows: int
    anomalies: int
    alarms: int
    alarms_per_day: float
    own: int
    mean_score: float
    judged: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Episode:
    """An alarm of one side alone: its times (epoch microseconds), its highest score and the other's in its course.

    `event`: whether some row of it is labelled an anomaly; None where none has a label.
    """

    side: str
    entity: str
    start: int
    end: int
    peak: float
    other_peak: float
    reason: str
    event: bool | None

    def document(self) -> dict[str, object]:
        return {**asdict(self), "start": format_time(self.start), "end": format_time(self.end)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`rows` were scored by both."""

    rows: int
    sides: Mapping[str, Side]
    agreement: Agreement
    differing: list[Episode]

    @classmethod
    def of(cls, lines: pd.DataFrame) -> Comparison:
        """From what `comparing.compare` gives, labelled."""
        common = lines[lines["score a"].notna() & lines["score b"].notna()]
        flags = {side: common[f"flag {side}"].to_numpy(np.bool_) for side in SIDES}
        differing = [one for _, part in common.groupby("entity", sort=True) for one in _differing(part)]
        return cls(
            len(common),
            {side: _side(lines, common, side, sum(one.side == side for one in differing)) for side in SIDES},
            Agreement.of(flags["a"], flags["b"]),
            differing,
        )


def _side(lines: pd.DataFrame, common: pd.DataFrame, side: str, own: int) -> Side:
    streams = _streams(common, side)
    known = common[common["label"].notna()]
    alarms = sum(len(episodes(stream.time, stream.flagged)) for stream in streams)
    return Side(
        rows=int(lines[f"score {side}"].notna().sum()),
        anomalies=int(common[f"flag {side}"].sum()),
        alarms=alarms,
        alarms_per_day=ratio(alarms, sum(stream.days for stream in streams)),
        own=own,
        mean_score=float(common[f"score {side}"].mean()),
        judged=figures(_streams(known, side)) if len(known) else {},
    )


def _streams(rows: pd.DataFrame, side: str) -> list[Stream]:
    return [
        Stream(
            str(entity),
            part["time"].to_numpy(np.int64),
            part[f"score {side}"].to_numpy(np.float64),
            part[f"flag {side}"].to_numpy(np.bool_),
            part["label"].to_numpy(np.float64) > 0,
        )
        for entity, part in rows.groupby("entity", sort=True)
    ]


def _differing(rows: pd.DataFrame) -> Iterator[Episode]:
    """The alarms of one entity that one side has alone, in time order."""
    time, label = rows["time"].to_numpy(np.int64), rows["label"].to_numpy(np.float64)
    flags = {side: rows[f"flag {side}"].to_numpy(np.bool_) for side in SIDES}
    scores = {side: rows[f"score {side}"].to_numpy(np.float64) for side in SIDES}
    found = [
        (first, last, side)
        for side in SIDES
        for first, last in unshared(episodes(time, flags[side]), flags[_OTHER[side]]).tolist()
    ]
    for first, last, side in sorted(found):
        course = slice(first, last + 1)
        known = label[course][~np.isnan(label[course])]
        yield Episode(
            side,
            str(rows["entity"].iloc[0]),
            int(time[first]),
            int(time[last]),
            float(scores[side][course].max()),
            float(scores[_OTHER[side]][course].max()),
            str(rows[f"reason {side}"].iloc[first]),
            bool((known > 0).any()) if len(known) else None,
        )


def table_of(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    """The figures side by side, as people read them."""
    a, b = (comparison.sides[side] for side in SIDES)
    yield "rows scored", f"{a.rows:,}", f"{b.rows:,}"
    yield "  by both", f"{comparison.rows:,}", f"{comparison.rows:,}"
    yield "anomalous rows", f"{a.anomalies:,}", f"{b.anomalies:,}"
    yield "alarms", f"{a.alarms:,}", f"{b.alarms:,}"
    yield "  of it alone", f"{a.own:,}", f"{b.own:,}"
    yield "alarms an entity-day", f"{a.alarms_per_day:.3f}", f"{b.alarms_per_day:.3f}"
    yield "mean score", f"{a.mean_score:.4f}", f"{b.mean_score:.4f}"
    for name in FIGURES:
        if name in a.judged:
            yield name, f"{a.judged[name]:.4f}", f"{b.judged[name]:.4f}"


def save(lines: pd.DataFrame, out: Path) -> None:
    """Both scores of every row as Parquet; of what only one version has scored, the other's are null."""
    columns = {
        "entity": pa.array(lines["entity"], pa.string()),
        "timestamp": pa.array(lines["time"].to_numpy(np.int64), pa.timestamp("us", "UTC")),
        "label": pa.array(lines["label"], pa.float64(), from_pandas=True),
    }
    for side in SIDES:
        columns[f"anomaly_score_{side}"] = pa.array(lines[f"score {side}"], pa.float64(), from_pandas=True)
        columns[f"is_anomaly_{side}"] = pa.array(lines[f"flag {side}"], pa.bool_(), from_pandas=True)
        columns[f"reason_{side}"] = pa.array(lines[f"reason {side}"], pa.string(), from_pandas=True)
    pq.write_table(pa.table(columns), out, compression="zstd")
