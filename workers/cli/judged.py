"""What is judged: the rows of tables, or the windows of made-up events, beside the scores that were given to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from models.evaluation.consensus import agreed
from models.evaluation.streams import Stream
from workers.cli.failures import WrongUse
from workers.cli.judged_data import Data, covered, read_data
from workers.sources.replay.rows import read_rows
from workers.sources.replay.tables import UnusableFile, times_of

KEY = ["entity", "time"]
_SCORES = ("entity", "timestamp", "anomaly_score", "is_anomaly")
_CARRIED = ("severity", "incident_id", "reason", "contributions")


@dataclass(frozen=True, slots=True)
class Judged:
    """One line per row to judge, by entity and time.

    `rows`: entity, time, label, anomaly_score, is_anomaly, unscored, what else the scores say, and file and place of
    rows of tables. With `members`, the names of several files of scores, also `score NAME` and `flag NAME` of each.
    `learned` is how many rows of the split `train` each entity has.
    """

    rows: pd.DataFrame
    data: Data
    members: tuple[str, ...]
    learned: Mapping[str, int]

    @property
    def labelled(self) -> bool:
        return bool(self.rows["label"].notna().any())

    def streams(self) -> list[Stream]:
        """The rows with a label, one stream per entity; without any label, all of them as if they were normal."""
        rows = self.rows[self.rows["label"].notna()] if self.labelled else self.rows
        return [self._stream(str(entity), part) for entity, part in rows.groupby("entity", sort=True)]

    def _stream(self, entity: str, rows: pd.DataFrame) -> Stream:
        opened = None
        if "incident_id" in rows and not self.members:
            opened = (rows["incident_id"].notna() & ~rows["incident_id"].duplicated()).to_numpy(np.bool_)
        return Stream(
            entity,
            rows["time"].to_numpy(np.int64),
            rows["anomaly_score"].to_numpy(np.float64),
            rows["is_anomaly"].to_numpy(np.bool_),
            rows["label"].to_numpy(np.float64) > 0,
            self.learned.get(entity, 0),
            opened,
        )


def load(scores: Path, data: Sequence[Path], others: Sequence[Path] = (), agree: int = 0) -> Judged:
    """Join scores to DATA; with `others`, scores and flags become those that `agree` of the files agree on.

    Raises `WrongUse` where a file cannot be used, or nothing fits together.
    """
    found = read_data(data)
    given = _read_scores(scores)
    rows = _to_judge(found, given)
    joined = rows.merge(given, how="left", on=KEY)
    joined["unscored"] = joined["anomaly_score"].isna()
    if bool(joined["unscored"].all()):
        raise WrongUse(f"{scores}: no score is of a row of DATA; are entities and timestamps those of these files?")
    joined["anomaly_score"] = joined["anomaly_score"].fillna(0.0)
    joined["is_anomaly"] = joined["is_anomaly"].eq(True)
    members = _names([scores, *others]) if others else ()
    if members:
        joined = _vote(joined, members, [given, *map(_read_scores, others)], agree)
    joined = joined.sort_values(KEY, kind="stable", ignore_index=True)
    return Judged(joined, found, members, _learned(found))


def _read_scores(path: Path) -> pd.DataFrame:
    """Entity, time, score and flag of each scored row, and what else is said of it; of equal keys the first."""
    try:
        if not path.is_file():
            raise FileNotFoundError("no such file")
        table = read_rows(path)
        missing = [name for name in _SCORES if name not in table.column_names]
        if missing:
            raise UnusableFile(f"no column {' and no '.join(missing)}: not what `faultline backtest --out` writes")
        rows = pd.DataFrame({"time": times_of(table.column("timestamp"))})
        score = table.column("anomaly_score").cast(pa.float64()).to_pandas()
        flagged = table.column("is_anomaly").cast(pa.bool_()).to_pandas()
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path}: {' '.join(str(error).split())}") from error
    rows["entity"] = table.column("entity").cast(pa.string()).to_pandas().to_numpy(object)
    rows["anomaly_score"], rows["is_anomaly"] = score, flagged
    if np.isinf(rows["anomaly_score"]).any():
        raise WrongUse(f"{path}: anomaly_score is infinite in some rows: scores must be finite")
    for name in _CARRIED:
        if name in table.column_names:
            rows[name] = table.column(name).to_pandas().to_numpy()
    return rows.dropna(subset=["entity", "anomaly_score"]).drop_duplicates(KEY)


def _to_judge(data: Data, scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of the tables that are not of the split `train`; of events without tables, every window that was scored.

    Of tables with labels only rows that have one count, so that they may be one part of the data.
    """
    if len(data.tables):
        rows = data.rows[data.rows["split"] != "train"].drop(columns="split")
        return rows[rows["label"].notna()] if bool(rows["label"].notna().any()) else rows
    rows = scores[KEY].copy()
    rows["label"] = covered(rows, data.truth) if data.truth else np.nan
    return rows


def _vote(rows: pd.DataFrame, members: tuple[str, ...], scores: Sequence[pd.DataFrame], agree: int) -> pd.DataFrame:
    for name, given in zip(members, scores, strict=True):
        mine = given[[*KEY, "anomaly_score", "is_anomaly"]]
        mine = mine.rename(columns={"anomaly_score": f"score {name}", "is_anomaly": f"flag {name}"})
        rows = rows.merge(mine, how="left", on=KEY)
        rows[f"score {name}"] = rows[f"score {name}"].fillna(0.0)
        rows[f"flag {name}"] = rows[f"flag {name}"].eq(True)
    rows["anomaly_score"] = agreed(rows[[f"score {name}" for name in members]].to_numpy(np.float64), agree)
    rows["agreeing"] = rows[[f"flag {name}" for name in members]].sum(axis=1)
    rows["is_anomaly"] = rows["agreeing"] >= agree
    return rows.drop(columns=[name for name in _CARRIED if name in rows])


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """What tells files of scores apart: their names without endings, or all of their paths."""
    stems = [path.name.partition(".")[0] for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise WrongUse("the same file of scores is given twice")
    return tuple(names)


def _learned(data: Data) -> dict[str, int]:
    if not len(data.tables):
        return {}
    train = data.rows[data.rows["split"] == "train"]
    return {str(entity): int(count) for entity, count in train["entity"].value_counts().items()}
