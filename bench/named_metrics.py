"""Whether the metrics that a backtest names are those that experts marked.

    python -m bench.named_metrics DATA SCORES

DATA is a folder with `events.parquet` (entity, start, end, metrics: those marked in it), SCORES what
`faultline backtest DATA --out SCORES` wrote. Of every event in which a row was flagged: what its first flagged row
names, and what all flagged rows of it name, added up by share times score. HitRate@100 % (Su et al., KDD 2019): how
many of the k marked metrics are among the first k named; a row names three.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

NAMED = 3


def named(rows: Iterable[Any]) -> list[str]:
    """Metrics by their share in the scores of these rows, the largest first."""
    found: Counter[str] = Counter()
    for row in rows:
        for one in row.contributions:
            found[one["metric"]] += row.anomaly_score * one["share"]
    return sorted(found, key=lambda metric: (-found[metric], metric))


def figures(cases: Sequence[tuple[list[str], set[str]]]) -> str:
    first = np.mean([set(names[:1]) <= marked for names, marked in cases])
    three = np.mean([set(names[:NAMED][: len(marked)]) <= marked for names, marked in cases])
    hits = np.mean([len(set(names[: len(marked)]) & marked) / len(marked) for names, marked in cases])
    return f"first marked {first:.2f}, first three all marked {three:.2f}, HitRate@100 % {hits:.2f}"


def main(data: Path, scores: Path) -> None:
    events = pd.read_parquet(data / "events.parquet")
    told = pd.read_parquet(scores)
    flagged = told[told["is_anomaly"]].sort_values("timestamp", kind="stable")
    at_first: list[tuple[list[str], set[str]]] = []
    in_all: list[tuple[list[str], set[str]]] = []
    for event in events.itertuples():
        within = (flagged["timestamp"] >= event.start) & (flagged["timestamp"] <= event.end)
        rows = list(flagged[within & (flagged["entity"] == event.entity)].itertuples())
        if named(rows):
            marked = {str(metric) for metric in np.asarray(event.metrics).tolist()}
            at_first.append((named(rows[:1]), marked))
            in_all.append((named(rows), marked))
    print(f"{len(events)} events, {len(at_first)} with a flagged row")
    for title, cases in (("its first flagged row", at_first), ("all its flagged rows", in_all)):
        print(f"{title:22} {figures(cases) if cases else 'none'}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
