"""The replay behind `faultline backtest`: windows, scoring and incidents in memory, verdicts per row of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events
from schemas.records import decode
from schemas.vectors import decode_vectors
from workers.cli.offline import Feed, feature_records
from workers.incidents.stage import build as build_incidents
from workers.runtime.records import Output
from workers.scoring.stage import build as build_scoring
from workers.settings import Settings
from workers.sources.replay.play import find_files
from workers.sources.replay.tables import times_of

ROLES = frozenset({"champion", "fallback"})


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows to score, in the order of the tables: entity and time (epoch microseconds)."""

    entity: list[str]
    time: NDArray[np.int64]
    has_train: bool
    place: dict[tuple[str, int], int]

    def __len__(self) -> int:
        return len(self.entity)


def rows_of(paths: Sequence[Path]) -> TableRows:
    """Every row of the tables that is not of the split `train`; files without time and entity are left out."""
    entities: list[str] = []
    times: list[NDArray[np.int64]] = []
    has_train = False
    for path in find_files(paths):
        table = _head(path)
        if table is None:
            continue
        chosen = np.ones(len(table), np.bool_)
        if "split" in table.column_names:
            splits = table.column("split").cast(pa.string()).to_pylist()
            chosen = np.array([split != "train" for split in splits], np.bool_)
            has_train |= not chosen.all()
        time = times_of(table.column("timestamp"))
        names = table.column("entity").cast(pa.string()).to_pylist()
        chosen &= np.array([name is not None for name in names], np.bool_) & (time != NULL_TIME)
        rows = np.flatnonzero(chosen)
        entities += [names[row] for row in rows.tolist()]
        times.append(time[rows])
    time = np.concatenate(times) if times else np.empty(0, np.int64)
    place = {key: i for i, key in enumerate(zip(entities, time.tolist(), strict=True))}
    return TableRows(entities, time, has_train, place)


def _head(path: Path) -> pa.Table | None:
    """Time, entity and split of a table; None where the file is none."""
    wanted = ("timestamp", "entity", "split")
    if path.suffix in (".parquet", ".pq"):
        names = pq.read_schema(path).names
        columns = [name for name in wanted if name in names]
        table = pq.read_table(path, columns=columns)
    elif path.name.endswith((".csv", ".csv.gz")):
        table = pacsv.read_csv(path)
    else:
        return None
    return table if {"timestamp", "entity"} <= set(table.column_names) else None


@dataclass(slots=True)
class Verdicts:
    """One verdict per row to score, in their order; rows that no vector was given for stay 0 and unflagged."""

    rows: TableRows
    score: NDArray[np.float64]
    severity: list[str | None]
    incident: list[str | None]
    reason: list[str]
    scored: NDArray[np.bool_]
    incidents: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, rows: TableRows) -> Verdicts:
        n = len(rows)
        return cls(rows, np.zeros(n), [None] * n, [None] * n, [""] * n, np.zeros(n, np.bool_))

    def put(self, score: dict[str, Any], incident: str | None, reason: str) -> None:
        place = self.rows.place.get((score["entity"], score["window_end"]))
        if place is None:
            return
        self.scored[place] = True
        self.score[place], self.severity[place] = score["anomaly_score"], score["severity"]
        self.incident[place] = incident
        self.reason[place] = reason if incident else _reason(score)

    def summary(self) -> dict[str, int]:
        return {
            "rows": len(self.rows),
            "scored": int(self.scored.sum()),
            "anomalies": int((self.score >= 1.0).sum()),
            "incidents": len(self.incidents),
        }

    def write(self, out: Path) -> None:
        """As Parquet, one row per row to score."""
        table = pa.table(
            {
                "entity": pa.array(self.rows.entity, pa.string()),
                "timestamp": pa.array(self.rows.time, pa.timestamp("us", "UTC")),
                "anomaly_score": self.score,
                "is_anomaly": self.score >= 1.0,
                "severity": pa.array(self.severity, pa.string()),
                "incident_id": pa.array(self.incident, pa.string()),
                "reason": pa.array(self.reason, pa.string()),
            }
        )
        pq.write_table(table, out, compression="zstd")


def replay(blocks: Iterable[Events], rows: TableRows, settings: Settings) -> Verdicts:
    """Take events through windows, and the vectors of rows to score through scoring and incidents.

    Causal: a verdict depends on what came before its row, and on what was trained.
    """
    scoring, incidents = Feed(build_scoring(settings), "features"), Feed(build_incidents(settings), "scores")
    verdicts = Verdicts.of(rows)
    open_now: dict[str, tuple[str, str]] = {}
    for features in feature_records(blocks, settings):
        mine = _to_score(features, rows)
        scores = [one for one in scoring.take_outputs(mine) if one.topic == settings.topics.scores]
        events = incidents.take_outputs(scores)
        steps = _by_score(events, settings)
        records, _ = decode("Score", [one.value for one in scores])
        for score in records:
            if score is None or _model(score)["role"] not in ROLES:
                continue
            for event in steps.get(str(score["id"]), ()):
                _follow(open_now, event)
                verdicts.incidents.add(event["incident_id"])
            verdicts.put(score, *open_now.get(str(score["entity"]), (None, "")))
    return verdicts


def _model(score: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = score["model"]
    return model


def _to_score(features: Sequence[Output], rows: TableRows) -> list[Output]:
    """The vectors of rows that are to be scored, in their order."""
    blocks, _ = decode_vectors([one.value for one in features])
    keep: list[int] = []
    for block in blocks:
        times, at = block.window_end.tolist(), block.at.tolist()
        keep += [at[i] for i, entity in enumerate(block.entity) if (entity, times[i]) in rows.place]
    return [features[i] for i in sorted(keep)]


def _by_score(outputs: Sequence[Output], settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Incident events by the score that caused them."""
    values = [one.value for one in outputs if one.topic == settings.topics.incidents and one.key is not None]
    found: dict[str, list[dict[str, Any]]] = {}
    for event in decode("IncidentEvent", values)[0]:
        if event is not None:
            found.setdefault(str(event["score_id"]), []).append(event)
    return found


def _follow(open_now: dict[str, tuple[str, str]], event: dict[str, Any]) -> None:
    """Which incident is open for an entity, and what is said of it."""
    if event["type"] in ("RESOLVE", "CLOSED"):
        open_now.pop(event["entity"], None)
    elif event["type"] != "SUPPRESS":
        open_now[event["entity"]] = (event["incident_id"], event["reason"])


def _reason(score: dict[str, Any]) -> str:
    """A flagged row outside of any incident: its largest contribution."""
    if not score["is_anomaly"] or not score["contributions"]:
        return ""
    first = score["contributions"][0]
    return f"{first['metric']} {first['direction']}"
