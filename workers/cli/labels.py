"""Labels for training, from the files that are learned from: read only where `--use-labels` asks for it.

A table says of each row by its column `label`: 0 normal, 1 anomalous, empty unknown. Canonical events have their truth
in a file beside them (`week.truth.parquet`, as `faultline source synthetic` saves it); whatever lies between the first
and the last event of its data and in no episode is normal. `faultline evaluate` reads both alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from models.detectors import BY_LABELS
from models.ensembles import Ensemble
from models.labels import ANOMALOUS, NORMAL, UNKNOWN
from models.table import VectorTable
from workers.cli.extras import need
from workers.cli.failures import WrongUse
from workers.cli.judged_data import Data, covered, read_data
from workers.sources.replay.files import Survey
from workers.sources.save import truth_path

UseLabels = Annotated[
    bool,
    typer.Option(
        "--use-labels",
        help="Learn from labels, where there are enough: the column label of tables (0, 1, empty for unknown), or the "
        "truth beside events. They grow trees, weigh the members, and set the boundary.",
    ),
]
Grid = Annotated[
    bool, typer.Option("--grid", help="With --use-labels: search for the best way to grow trees, some minutes a model.")
]
Jobs = Annotated[
    int, typer.Option(min=1, help="Models that are learned at a time, each in its own process; not with --budget.")
]


def check_labels(use_labels: bool, grid: bool, budget: str, ensemble: Ensemble | None) -> None:
    """Raises WrongUse for options that do not go together, Failure where a library is missing."""
    if use_labels and budget:
        raise WrongUse("--use-labels and --budget both say where the boundary lies: give one of them")
    if grid and not use_labels:
        raise WrongUse("--grid searches for the best way to learn from labels: give --use-labels too")
    if ensemble is not None and ensemble.needs_labels and not use_labels:
        raise WrongUse(f"--detectors: {', '.join(BY_LABELS)} learns from labels: give --use-labels too")
    if use_labels and (ensemble is None or ensemble.needs_labels):
        need("--use-labels", "labels", "xgboost")


@dataclass(frozen=True, slots=True)
class KnownLabels:
    """What is known: `rows` of tables (entity, time, label), and of events the `truth` and the `spans` of time that it
    speaks of, both ends included. Times are epoch microseconds.
    """

    rows: pd.DataFrame
    truth: Sequence[Path] = ()
    spans: Sequence[tuple[int, int]] = ()

    def of(self, table: VectorTable) -> VectorTable:
        """The vectors with what is known of them."""
        names = np.array(table.entities, object)[table.entity]
        vectors = pd.DataFrame({"entity": names, "time": table.window_end})
        label = np.full(len(table), UNKNOWN, np.int8)
        told = np.zeros(len(table), np.bool_)
        for first, last in self.spans:
            told |= (table.window_end >= first) & (table.window_end <= last)
        label[told] = np.where(covered(vectors, self.truth)[told] == 1.0, ANOMALOUS, NORMAL)
        given = vectors.merge(self.rows, how="left", on=["entity", "time"])["label"].to_numpy(np.float64)
        known = ~np.isnan(given)
        label[known] = np.where(given[known] == 1.0, ANOMALOUS, NORMAL)
        return replace(table, label=label)


def read_labels(
    paths: Sequence[Path], surveys: Mapping[Path, Survey], split: str, required: bool = True
) -> KnownLabels:
    """The labels of these files; of tables those of rows of that split, of all if empty.

    `surveys` are the files that are learned from. Raises WrongUse where there is no label though some are `required`,
    or one is none.
    """
    if not paths and not required:
        return KnownLabels(_labelled(Data(), split))
    if not paths:
        raise WrongUse("--use-labels: archives and topics hold no labels; say what is known by --periods")
    data = read_data(paths)
    spans = [(surveys[p].first, surveys[p].last) for p in data.events if p in surveys and truth_path(p) in data.truth]
    rows = _labelled(data, split)
    if required and rows.empty and not spans:
        reasons = "".join(f"; {path}: {reason}" for path, reason in list(data.skipped.items())[:3])
        raise WrongUse(
            "--use-labels: DATA has no labels: expected a column label in tables, or beside events "
            f"their truth (week.parquet and week.truth.parquet){reasons}"
        )
    return KnownLabels(rows, data.truth, spans)


def _labelled(data: Data, split: str) -> pd.DataFrame:
    """Rows of tables that have a label, each entity and time once. Raises WrongUse for labels other than 0 and 1."""
    if data.rows.empty:
        return pd.DataFrame({"entity": pd.Series(dtype=object), "time": pd.Series(dtype=np.int64), "label": []})
    chosen = data.rows["label"].notna()
    if split:
        chosen &= data.rows["split"] == split
    rows = data.rows[chosen]
    odd = rows[~rows["label"].isin((0.0, 1.0))]
    if len(odd):
        first = odd.iloc[0]
        raise WrongUse(f"{data.tables[first['file']]}: the column label holds 0, 1 or nothing, not {first['label']:g}")
    return rows.drop_duplicates(["entity", "time"])[["entity", "time", "label"]]
