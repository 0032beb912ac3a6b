"""The replay behind `faultline backtest`: windows, scoring and incidents in memory, verdicts per row of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events, Vectors
from schemas.records import decode
from workers.cli.offline import Feed, feature_records, select
from workers.incidents.stage import build as build_incidents
from workers.runtime.records import Output
from workers.scoring.stage import build as build_scoring
from workers.settings import Settings
from workers.sources.replay.files import holds_events
from workers.sources.replay.play import find_files
from workers.sources.replay.rows import read_rows
from workers.sources.replay.tables import times_of

ROLES = frozenset({"champion", "fallback"})


@dataclass(slots=True)
class TableRows:
    """The rows to score, in the order of the tables: entity and time (epoch microseconds).

    Rows of one entity and time have one verdict: `place` is the first of them, `first` that place for every row.
    Where files hold events instead, `open`, every vector is one, in the order in which they come.
    """

    entity: list[str] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    place: dict[tuple[str, int], int] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)
    has_train: bool = False
    open: bool = False

    def __len__(self) -> int:
        return len(self.entity)

    def wants(self, entity: str, time: int) -> bool:
        """Whether the vector of this entity and time is of a row to score."""
        key = entity, time
        if self.open and key not in self.place:
            self.add([entity], [time])
        return key in self.place

    def add(self, entities: list[str], times: list[int]) -> None:
        keys = enumerate(zip(entities, times, strict=True), start=len(self))
        self.first += [self.place.setdefault(key, row) for row, key in keys]
        self.entity += entities
        self.time += times


def rows_of(paths: Sequence[Path]) -> TableRows:
    """Every row of the tables that is not of the split `train`; files without time and entity are left out.

    Of events alone no row is known before its vector.
    """
    rows, events = TableRows(), False
    for path in find_files(paths):
        try:
            events |= holds_events(path)
            table = _head(path)
            time = None if table is None else times_of(table.column("timestamp"))
        except (OSError, ValueError):  # said when the files are surveyed
            continue
        if table is None or time is None:
            continue
        chosen = np.ones(len(table), np.bool_)
        if "split" in table.column_names:
            splits = table.column("split").cast(pa.string()).to_pylist()
            chosen = np.array([split != "train" for split in splits], np.bool_)
            rows.has_train |= not chosen.all()
        names = table.column("entity").cast(pa.string()).to_pylist()
        chosen &= np.array([name is not None for name in names], np.bool_) & (time != NULL_TIME)
        picked = np.flatnonzero(chosen)
        rows.add([names[row] for row in picked.tolist()], time[picked].tolist())
    rows.open = events and not len(rows)
    return rows


def _head(path: Path) -> pa.Table | None:
    """Time, entity and split of a table; None where the file is none. Raises OSError and ValueError."""
    wanted = ("timestamp", "entity", "split")
    if holds_events(path):
        return None
    table = read_rows(path, wanted)
    return table if {"timestamp", "entity"} <= set(table.column_names) else None


class Verdict(NamedTuple):
    """What was said of one row. `contributions` are those of flagged rows."""

    score: float = 0.0
    severity: str | None = None
    incident: str | None = None
    reason: str = ""
    contributions: list[dict[str, Any]] | None = None


_CONTRIBUTIONS = pa.list_(pa.struct({"metric": pa.string(), "share": pa.float64(), "direction": pa.string()}))


@dataclass(slots=True)
class Verdicts:
    """One verdict per entity and time, by its place; rows that no vector was given for stay 0 and unflagged."""

    rows: TableRows
    found: dict[int, Verdict] = field(default_factory=dict)
    incidents: set[str] = field(default_factory=set)

    def put(self, score: dict[str, Any], incident: str | None, reason: str) -> None:
        """Where two profiles have a vector of one entity and time, the one with the higher score counts."""
        place = self.rows.place.get((score["entity"], score["window_end"]))
        if place is None or (place in self.found and self.found[place].score > score["anomaly_score"]):
            return
        said = reason if incident else first_reason(score)
        contributions = score["contributions"] if score["is_anomaly"] else None
        self.found[place] = Verdict(score["anomaly_score"], score["severity"], incident, said, contributions)

    def column(self, name: str) -> list[Any]:
        """One field of all rows, in their order."""
        nothing = Verdict()
        return [getattr(self.found.get(place, nothing), name) for place in self.rows.first]

    @property
    def score(self) -> NDArray[np.float64]:
        return np.array(self.column("score"), np.float64)

    def summary(self) -> dict[str, int]:
        return {
            "rows": len(self.rows),
            "scored": sum(place in self.found for place in self.rows.first),
            "anomalies": int((self.score >= 1.0).sum()),
            "incidents": len(self.incidents),
        }

    def write(self, out: Path) -> None:
        """As Parquet, one row per row to score."""
        score = self.score
        table = pa.table(
            {
                "entity": pa.array(self.rows.entity, pa.string()),
                "timestamp": pa.array(self.rows.time, pa.timestamp("us", "UTC")),
                "anomaly_score": score,
                "is_anomaly": score >= 1.0,
                "severity": pa.array(self.column("severity"), pa.string()),
                "incident_id": pa.array(self.column("incident"), pa.string()),
                "reason": pa.array(self.column("reason"), pa.string()),
                "contributions": pa.array(self.column("contributions"), _CONTRIBUTIONS),
            }
        )
        pq.write_table(table, out, compression="zstd")


def replay(blocks: Iterable[Events], rows: TableRows, settings: Settings) -> Verdicts:
    """Take events through windows, and the vectors of rows to score through scoring and incidents.

    Causal: a verdict depends on what came before its row, and on what was trained.
    """
    scoring, incidents = Feed(build_scoring(settings), "features"), Feed(build_incidents(settings), "scores")
    verdicts = Verdicts(rows)
    open_now: dict[tuple[str, str], tuple[str, str]] = {}

    def to_score(block: Vectors) -> list[bool]:
        return [rows.wants(*key) for key in zip(block.entity, block.window_end.tolist(), strict=True)]

    for features in feature_records(blocks, settings):
        mine = select(features, to_score)
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
            verdicts.put(score, *open_now.get((score["entity"], score["profile"]), (None, "")))
    return verdicts


def _model(score: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = score["model"]
    return model


def _by_score(outputs: Sequence[Output], settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Incident events by the score that caused them."""
    values = [one.value for one in outputs if one.topic == settings.topics.incidents and one.key is not None]
    found: dict[str, list[dict[str, Any]]] = {}
    for event in decode("IncidentEvent", values)[0]:
        if event is not None:
            found.setdefault(str(event["score_id"]), []).append(event)
    return found


def _follow(open_now: dict[tuple[str, str], tuple[str, str]], event: dict[str, Any]) -> None:
    """Which incident is open for an entity and profile, and what is said of it."""
    whose = event["entity"], event["profile"]
    if event["type"] in ("RESOLVE", "CLOSED"):
        open_now.pop(whose, None)
    elif event["type"] != "SUPPRESS":
        open_now[whose] = (event["incident_id"], event["reason"])


def first_reason(score: dict[str, Any]) -> str:
    """The largest contribution of a flagged row, whatever incident it may be of."""
    if not score["is_anomaly"] or not score["contributions"]:
        return ""
    first = score["contributions"][0]
    return f"{first['metric']} {first['direction']}"
