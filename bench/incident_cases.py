"""Incidents with a known cause, read from a folder of tables in PetShop's form, as evidence for the ranking.

`NAME.parquet` has one row a bucket: `timestamp` (its start), `segment` (`noissue`, or which issue), and columns
`entity|metric|statistic`. `NAME_issues.parquet` has segment, target_node, target_metric, target_timestamp (when the
issue was noticed) and root_cause_node; `NAME_graph.parquet` has calls, `row` calls `column`. Labels are not read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.root_cause.evidence import Evidence, cost
from models.root_cause.kinds import SILENCE

Values = NDArray[np.float64]

STATISTICS = {"latency": "Average", "availability": "Average", "requests": "Sum"}
"""Means and sums, which add up along calls; quantiles do not."""

SPREADS = 3.0
"""Half the width of an expected range in robust spreads: normal noise leaves it once in 370 buckets."""

LEAST = 30
"""Normal buckets without which nothing is expected of a metric, as of an entity that is scored untrained."""

FLOOR = 0.02
"""Least spread of a latency as a share of the usual one, as in training."""

MOST = 10.0
"""Largest score, as of every model."""

REGULAR = 0.9
"""Share of normal buckets with requests from which on none is silence, as for every profile."""


@dataclass(frozen=True, slots=True)
class Case:
    """An incident and the entity that caused it. `source` names the tables, `kind` the part of the source and what was
    noticed.
    """

    source: str
    name: str
    part: str
    metric: str
    entities: Sequence[str]
    evidence: Evidence
    calls: Sequence[tuple[str, str]]
    window_us: int
    cause: str


def read_cases(folder: Path) -> Iterator[Case]:
    """All incidents of all tables in the folder."""
    for issues in sorted(folder.glob("*_issues.parquet")):
        source = issues.name.removesuffix("_issues.parquet")
        table = pd.read_parquet(folder / f"{source}.parquet")
        graph = pd.read_parquet(folder / f"{source}_graph.parquet")
        calls = list(zip(graph["row"], graph["column"], strict=True))
        measured = sorted({str(name).split("|")[0] for name in table.columns if "|" in str(name)})
        usual = table[table["segment"] == "noissue"]
        step = int(np.median(np.diff(_microseconds(usual))))
        told = pd.read_parquet(issues)
        for issue, noticed in zip(told.itertuples(), _microseconds(told, "target_timestamp"), strict=True):
            rows = table[table["segment"] == issue.segment]
            yield Case(
                source,
                str(issue.segment),
                str(issue.segment).split("_")[0],
                str(issue.target_metric),
                measured,
                evidence_of(measured, usual, rows, int(noticed), step),
                calls,
                step,
                str(issue.root_cause_node),
            )


def evidence_of(
    entities: Sequence[str], usual: pd.DataFrame, rows: pd.DataFrame, noticed: int, step_us: int
) -> Evidence:
    """What left its expected range from the bucket on in which the issue was noticed.

    The range is around what is usual *and* what came right before: what drifted since the usual days is no symptom.
    """
    start = _microseconds(rows)
    first = max(int(np.searchsorted(start + step_us, noticed, side="right")), 1)
    normal_events, events = (_columns(table, entities, "requests") for table in (usual, rows))
    busy = _median(normal_events)
    found: list[tuple[int, str, bool, float, int, float]] = []
    for metric in STATISTICS:
        normal, all_values = _columns(usual, entities, metric), _columns(rows, entities, metric)
        middle = _median(normal)
        spread = 1.4826 * _median(np.abs(normal - middle))
        noise = np.maximum(spread, _least(metric, middle, busy))
        before = _median(all_values[:first])
        before = np.where(np.isnan(before), middle, before)
        values = all_values[first:]
        low = np.minimum(middle, before) - SPREADS * spread
        high = np.maximum(middle, before) + SPREADS * spread
        known = np.count_nonzero(~np.isnan(normal), axis=0) >= LEAST
        weight = events[first:] if metric != "requests" else np.ones_like(values)
        lost = np.nan_to_num(cost(values, low, high, weight)) * known
        beyond = np.nan_to_num(cost(values, low, high, np.ones_like(values))) * known
        for place in np.flatnonzero(beyond.sum(axis=0) > 0.0).tolist():
            worst = int(beyond[:, place].argmax())
            up = bool(values[worst, place] > high[place])
            score = min(beyond[worst, place] / (SPREADS * noise[place]), MOST)
            onset = int(start[first + int(np.argmax(beyond[:, place] > 0.0))])
            silent = metric == "requests" and values[worst, place] == 0.0 and _regular(normal[:, place])
            name = SILENCE if silent else metric
            found.append((place, name, up, score, onset, float(lost[:, place].sum())))
    return Evidence.from_rows(found)


def _least(metric: str, middle: Values, busy: Values) -> Values:
    """The least spread that a score counts in: of latencies a share, of failures and requests what counting brings."""
    if metric == "latency":
        return FLOOR * np.abs(middle)
    counted = np.maximum(busy, 1.0)
    return 100.0 / counted if metric == "availability" else np.sqrt(counted)


def _regular(events: Values) -> bool:
    return float(np.mean(np.nan_to_num(events) > 0.0)) >= REGULAR


def _microseconds(table: pd.DataFrame, column: str = "timestamp") -> NDArray[np.int64]:
    return np.asarray(table[column].astype("datetime64[us, UTC]").astype(np.int64), np.int64)


def _columns(table: pd.DataFrame, entities: Sequence[str], metric: str) -> Values:
    """(rows, n), NaN where the table has no such column."""
    names = [f"{entity}|{metric}|{STATISTICS[metric]}" for entity in entities]
    return table.reindex(columns=names).to_numpy(np.float64)


def _median(values: Values) -> Values:
    """Of each column; NaN for one without values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=0), np.float64)
