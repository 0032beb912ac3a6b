"""What `faultline evaluate` draws: judged rows, what flagged rows were blamed on, and the metrics of DATA."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from models.evaluation.pictures.gallery import Exhibit, draw
from models.evaluation.pictures.importance import Blame
from models.evaluation.pictures.metrics import Metrics
from models.table import VectorTable, learned, tables_of
from workers.cli.failures import Failure
from workers.cli.judged import KEY, Judged
from workers.cli.learning_data import counted, open_tape
from workers.cli.voice import Voice
from workers.settings import Settings
from workers.sources.replay.rows import read_rows
from workers.sources.replay.tables import metric_columns


def draw_pictures(judged: Judged, folder: Path, settings: Settings, voice: Voice, target: float | None) -> list[Path]:
    """Draw everything that these rows allow into a folder; the files written. Raises `Failure`."""
    metrics = _metrics(judged, settings, voice)
    if metrics is None:
        voice.say("no metrics in DATA: their three pictures are left out")
    exhibit = Exhibit(judged.streams(), judged.labelled, _blame(judged), metrics, target)
    try:
        return draw(exhibit, folder)
    except OSError as error:
        raise Failure(f"--pictures {folder}: {error.strerror or error}") from error


def _blame(judged: Judged) -> Blame:
    """Mean share of every metric in the flagged rows, apart for those rightly flagged and those that were not."""
    rows = judged.rows[judged.rows["is_anomaly"]]
    if "contributions" not in rows or not len(rows):
        return Blame((), np.empty(0), np.empty(0), 0)
    shares: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    wrong = (rows["label"] == 0).to_numpy(np.int64)
    for contributions, place in zip(rows["contributions"], wrong.tolist(), strict=True):
        for one in contributions if isinstance(contributions, Iterable) else ():
            shares[one["metric"]][place] += one["share"]
    part = np.array(list(shares.values())).reshape(-1, 2) / len(rows)
    return Blame(tuple(shares), part[:, 0], part[:, 1], len(rows))


def _metrics(judged: Judged, settings: Settings, voice: Voice) -> Metrics | None:
    """The metrics of the judged rows: columns of tables, or what the windows of events hold."""
    if judged.data.tables:
        found = _of_tables(judged)
    elif judged.data.events:
        found = _of_events(judged, settings, voice)
    else:
        return None
    if not len(found) or found.shape[1] == len(KEY) + 1:
        return None
    names = [name for name in found.columns if name not in (*KEY, "label")]
    codes, entities = pd.factorize(found["entity"])
    return Metrics(
        tuple(names),
        tuple(str(entity) for entity in entities),
        codes.astype(np.int64),
        found["time"].to_numpy(np.int64),
        found[names].to_numpy(np.float64),
        found["label"].to_numpy(np.float64) > 0,
        judged.labelled,
        settings.scoring.timezone,
    )


def _of_tables(judged: Judged) -> pd.DataFrame:
    parts = []
    for number, rows in judged.rows.groupby("file"):
        path = judged.data.tables[int(str(number))]
        table = read_rows(path)
        table = table.select(metric_columns(table.schema)).take(rows["place"].to_numpy())
        values = {name: table.column(name).cast(pa.float64(), safe=False).to_numpy() for name in table.column_names}
        keys = rows[[*KEY, "label"]].reset_index(drop=True)
        parts.append(pd.concat([keys, pd.DataFrame(values, index=keys.index)], axis=1))
    return pd.concat(parts, ignore_index=True).sort_values(KEY, ignore_index=True)


def _of_events(judged: Judged, settings: Settings, voice: Voice) -> pd.DataFrame:
    """By the windows worker's own steps; of several profiles the one with most rows."""
    from workers.cli.offline import vector_blocks  # loads what the windows worker has compiled

    with counted(open_tape(judged.data.events, voice), voice, "reading") as blocks:
        tables = tables_of(vector_blocks(blocks, settings))
    largest = max(tables, key=len, default=None)
    if largest is None:
        return pd.DataFrame()
    frame = pd.DataFrame(largest.values[:, _own(largest)], columns=[largest.names[j] for j in _own(largest)])
    frame["entity"] = np.array(largest.entities, object)[largest.entity]
    frame["time"] = largest.window_end
    return judged.rows[[*KEY, "label"]].merge(frame, on=KEY)


def _own(table: VectorTable) -> list[int]:
    """Features that say something of the pane or sample itself: not of its past, nor of the time of day."""
    chosen = learned(table.names)
    return [j for j, name in enumerate(table.names) if chosen[j] and not _PAST.search(name)]


_PAST = re.compile(r"__|_\d+[smh]$")
"""In names of features: a rolling statistic, or a longer window."""
