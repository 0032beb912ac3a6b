"""Streams to judge, written as short texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.evaluation.streams import Stream

MINUTE = 60_000_000


def stream(
    truth: str,
    alarms: str,
    score: Sequence[float] | None = None,
    minutes: int = 5,
    entity: str = "db",
    learned: int = 0,
) -> Stream:
    """Rows of so many minutes; in `truth` and in `alarms`, one character a row, `#` is anomalous and flagged."""
    label, flagged = (np.array([one == "#" for one in text], np.bool_) for text in (truth, alarms))
    values = np.where(flagged, 2.0, 0.1) if score is None else np.array(score, np.float64)
    return Stream(entity, np.arange(len(label), dtype=np.int64) * minutes * MINUTE, values, flagged, label, learned)


def random_stream(seed: int, rows: int = 300, decimals: int = 8, entity: str = "db") -> Stream:
    """Some events of 1 to 20 rows; scores a little higher inside; with few decimals many scores are equal."""
    rng = np.random.default_rng(seed)
    label = np.zeros(rows, np.bool_)
    for start in rng.integers(0, rows, 4):
        label[start : start + rng.integers(1, 20)] = True
    score = np.round(rng.random(rows) + 0.4 * label, decimals).astype(np.float64)
    return Stream(entity, np.arange(rows, dtype=np.int64) * 5 * MINUTE, score, score >= 1.0, label)
