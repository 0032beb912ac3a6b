"""Periods of time of which people have said something, and what training makes of them.

A table (CSV or Parquet, as `faultline feedback export` writes it) of `entity` (a pattern: `*`, `?`, `[…]`), `profile`
(empty: any), `start`, `end`, and `label`: 1 anomalous, 0 normal, empty masked. A window is in a period that it overlaps
by its end: `start` < window end ≤ `end`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from models.labels import ANOMALOUS, NORMAL, UNKNOWN
from models.table import VectorTable
from workers.cli.failures import WrongUse

PeriodsOption = Annotated[
    Path | None,
    typer.Option(
        "--periods",
        metavar="FILE",
        help="What people said of periods (`faultline feedback export`): masked ones are left out of training; with "
        "--use-labels real ones and false alarms are labels.",
    ),
]

AFTER = 30 * 60_000_000
"""So long behind a masked period rows are left out too: rolling windows of half an hour still see it."""

_COLUMNS = ("entity", "start", "end", "label")


@dataclass(frozen=True, slots=True)
class Period:
    """Times are epoch microseconds; `label` is one of `models.labels`, `UNKNOWN` for a masked period."""

    entity: str
    profile: str
    start: int
    end: int
    label: int


@dataclass(frozen=True, slots=True)
class Periods:
    """What is known of periods; where labels differ, anomalous wins."""

    periods: Sequence[Period] = ()

    @property
    def labelled(self) -> bool:
        return any(one.label != UNKNOWN for one in self.periods)

    def unmasked(self, table: VectorTable) -> VectorTable:
        """The vectors that lie in no masked period, nor right behind one."""
        masked = np.zeros(len(table), np.bool_)
        for one in self.periods:
            if one.label == UNKNOWN:
                masked |= _within(table, replace(one, end=one.end + AFTER))
        return table.take(np.flatnonzero(~masked)) if masked.any() else table

    def label(self, table: VectorTable) -> VectorTable:
        """The vectors with what is known of them by these periods, over what was known before."""
        label = np.full(len(table), UNKNOWN, np.int8) if table.label is None else table.label.copy()
        for kind in (NORMAL, ANOMALOUS):
            for one in self.periods:
                if one.label == kind:
                    label[_within(table, one)] = kind
        return replace(table, label=label)


NO_PERIODS = Periods()


def read_periods(path: Path | None) -> Periods:
    """The periods of a file; none of None. Raises `WrongUse` where it cannot be understood."""
    if path is None:
        return NO_PERIODS
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise WrongUse(f"--periods {path}: {error}") from error
    missing = [name for name in _COLUMNS if name not in frame]
    if missing:
        raise WrongUse(f"--periods {path}: no column {', '.join(missing)}")
    try:
        start, end = (_micros(frame[name]) for name in ("start", "end"))
        label = pd.to_numeric(frame["label"])
    except (ValueError, TypeError) as error:
        raise WrongUse(f"--periods {path}: {error}") from error
    if not label.dropna().isin((0, 1)).all():
        raise WrongUse(f"--periods {path}: the column label holds 1 (anomalous), 0 (normal) or nothing (masked)")
    profile = frame["profile"].astype(object).fillna("") if "profile" in frame else pd.Series([""] * len(frame))
    return Periods(
        [
            Period(str(who), str(where), int(first), int(last), UNKNOWN if pd.isna(known) else int(known))
            for who, where, first, last, known in zip(frame["entity"], profile, start, end, label, strict=True)
        ]
    )


def _micros(column: pd.Series) -> pd.Series:
    times = pd.to_datetime(column, utc=True, format="ISO8601") if column.dtype == object else pd.to_datetime(column)
    if times.isna().any():
        raise ValueError(f"the column {column.name} has rows without a time")
    return (times - pd.Timestamp(0, tz=times.dt.tz)) // pd.Timedelta(microseconds=1)


def _within(table: VectorTable, one: Period) -> NDArray[np.bool_]:
    if one.profile not in ("", table.profile):
        return np.zeros(len(table), np.bool_)
    mine = np.array([fnmatchcase(entity, one.entity) for entity in table.entities], np.bool_)
    return mine[table.entity] & (table.window_end > one.start) & (table.window_end <= one.end)
