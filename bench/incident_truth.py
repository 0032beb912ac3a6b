"""Incidents out of the truth: labels in place of scores, so that only the rules of an incident's life are judged.

    python -m bench.incident_truth DATA [SCORES]

DATA is a folder of tables with timestamp, entity, label and split; a run of labelled rows is an event. Every test row
is taken as a score: 2.5 (high) where it is labelled, 0.3 where not. With SCORES, what `faultline backtest` wrote, its
scores are taken instead. Printed is how many incidents lie on each event, and how far their durations are from theirs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workers.incidents.incident import Kind, Track
from workers.incidents.lifecycle import advance, expire
from workers.incidents.occurrences import Occurrences
from workers.incidents.policy import Policy
from workers.incidents.scores import Window


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) in epoch microseconds."""

    start: int
    end: int

    def meets(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


def events(times: np.ndarray, labels: np.ndarray, step: int) -> list[Span]:
    edges = np.flatnonzero(np.diff(np.r_[0, labels, 0]))
    return [Span(int(times[a]) - step, int(times[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def lives(policy: Policy, times: np.ndarray, scores: np.ndarray, step: int) -> Iterator[Span]:
    """First to last anomalous window of each incident; a reopening belongs to the same one."""
    track, occurrences, last = Track(0), Occurrences(policy.occurrence_days), {}
    for time, score in zip(times.tolist(), scores.tolist(), strict=True):
        rank = 0 if score < 1 else 1 + int(np.searchsorted([1.5, 2.0, 3.0], score, side="right"))
        window = Window("", time - step, time, score, rank, False, False, True, 1, (), "")
        changes = expire(policy, track, time, "")
        for change in [*changes, *advance(policy, "entity", "generic", track, occurrences, window)]:
            last[change.incident.id] = Span(change.incident.first_anomalous_at, change.incident.last_anomalous_at)
            assert change.kind is not Kind.CLOSED or change.incident.id in last
    yield from last.values()


def main(data: Path, scored: Path | None) -> None:
    found: Counter[str] = Counter()
    off: list[float] = []
    told = pd.read_parquet(scored) if scored else None
    for file in sorted(data.glob("*.parquet")):
        table = pd.read_parquet(file)
        if "label" not in table or "split" not in table:
            continue
        rows = table[table["split"] == "test"]
        times = rows["timestamp"].dt.as_unit("us").astype(np.int64).to_numpy()
        step = int(np.median(np.diff(times)))
        labels = rows["label"].fillna(0).to_numpy().astype(int)
        scores = np.where(labels > 0, 2.5, 0.3)
        if told is not None:
            mine = told[told["entity"] == rows["entity"].iloc[0]].set_index("timestamp")["anomaly_score"]
            scores = mine.reindex(rows["timestamp"]).fillna(0.0).to_numpy()
        truth, incidents = events(times, labels, step), list(lives(Policy(), times, scores, step))
        found["events"] += len(truth)
        found["incidents"] += len(incidents)
        found["incidents on no event"] += sum(not any(one.meets(event) for event in truth) for one in incidents)
        for event in truth:
            on = [one for one in incidents if one.meets(event)]
            shared = [other for other in truth if other is not event and any(one.meets(other) for one in on)]
            windows = (event.end - event.start) // step
            kind = f"{len(on)} incidents" if len(on) > 1 else "one" if on and not shared else "shared" if on else "none"
            short = " (shorter than 3 windows)" if windows < Policy().open_windows else ""
            found[f"events with {kind}{short}"] += 1
            if kind == "one":
                off.append(abs((on[0].end - on[0].start) - (event.end - event.start)) / step)
    for name, count in sorted(found.items()):
        print(f"{name:50} {count:6}")
    if off:
        within = np.mean(np.array(off) <= 2)
        print(
            f"duration within two windows of the event's, of those with one: {within:.2f}, median {np.median(off):.0f}"
        )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None)
