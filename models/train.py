"""Training: a table of vectors in, one bundle per scope out. Deterministic by seed."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.bundle import entries_of, files_of, period_file
from models.calibration import nominal_rate
from models.cleaning import plainly_anomalous
from models.ensembles import Ensemble, default_for
from models.fitting import FitPolicy, Fitted, fit_period
from models.manifest import Manifest, PeriodEntry, Training
from models.naming import naming
from models.periods import ALL, PERIODS, Calendar, Places
from models.scope import GLOBAL, check_scope, entity_scope
from models.table import VectorTable, learned
from models.thresholds import Series

LIBRARIES = ("numpy", "scikit-learn")
GRAPH_LIBRARIES = ("jax", "onnxruntime")
PROFILES_WITHOUT_PERIODS = frozenset({"event"})

PERIOD_DAYS = 40
"""Local days from which a behavioural period gets a model of its own."""

Rows = NDArray[np.intp]

Progress = Callable[[str, str], None]
"""Told scope and period before each model is fitted."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Anomaly scores (n,) of rows that their model had not learned from, in time order within each entity, calibrated
    at the rate `alpha`. An entity has `rows_a_day`, of which each row stands for `thinned`.
    """

    score: NDArray[np.float64]
    series: Series
    alpha: float
    rows_a_day: float
    thinned: float


Rate = Callable[[str, HeldOut], float]
"""Chooses the share of rows that may be flagged, for a scope, by the scores of its model of all hours."""


class TrainingError(ValueError):
    """The data cannot be learned from; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class TrainPolicy:
    """How to train. `alpha` None: the nominal rate for the data's cadence; `rate` may choose another one, at the price
    of fitting the model of all hours twice. `ensemble` None: the one for the features.

    A scope needs `min_rows` vectors. A period gets a model of its own from `min_period_rows` on `min_period_days` local
    days on: a tail of one alarm in days cannot be told from fewer, and the scaler knows the hour in any case
    (docs/detection.md). At most `max_rows`, evenly thinned, are learned from per model: overlapping windows say little
    more.
    """

    ensemble: Ensemble | None = None
    contamination: float = 0.01
    alpha: float | None = None
    rate: Rate | None = None
    seed: int = 0
    calendar: Calendar = field(default_factory=Calendar)
    tag: str = ""
    min_rows: int = 200
    min_period_rows: int = 1_000
    min_period_days: int = PERIOD_DAYS
    max_rows: int = 20_000

    def __post_init__(self) -> None:
        if not 0.0 <= self.contamination < 0.5:
            raise TrainingError(f"contamination is the share of anomalous rows, 0 … 0.5, not {self.contamination}")


@dataclass(frozen=True, slots=True)
class TrainedBundle:
    """A bundle that is not stored yet."""

    manifest: Manifest
    files: dict[str, bytes]

    @property
    def version(self) -> str:
        return self.manifest.version


def train_entities(
    table: VectorTable, policy: TrainPolicy, progress: Progress | None = None
) -> Iterator[TrainedBundle | str]:
    """A bundle for each entity with enough rows; for each other one a sentence that says why not."""
    for entity in table.entities:
        try:
            yield train(table.of_entity(entity), entity_scope(entity), policy, progress)
        except TrainingError as error:
            yield f"{entity}: {error}"


def train(
    table: VectorTable, scope: str = GLOBAL, policy: TrainPolicy | None = None, progress: Progress | None = None
) -> TrainedBundle:
    """Learn one bundle from all rows of the table. Raises `TrainingError`."""
    policy = policy or TrainPolicy()
    check_scope(scope)
    if len(table) < policy.min_rows:
        raise TrainingError(f"{len(table)} vectors are too few to learn from, {policy.min_rows} are needed")
    table = table.take(np.lexsort((table.window_end, table.entity)))
    ensemble = policy.ensemble or default_for(table.names)
    clean = _cleaned(table, policy) if ensemble.trimmed else table
    about = _about(table, len(table) - len(clean), policy)
    table = clean.take(np.argsort(clean.window_end, kind="stable"))
    places = policy.calendar.place(table.window_end)
    fit = FitPolicy(ensemble, policy.contamination, about.alpha, about.rows_a_day, policy.seed)
    if policy.rate is not None:
        rows = _thinned(np.arange(len(table)), policy.max_rows)
        first = _fit(table, places, rows, fit)
        held = HeldOut(first.score, first.series, about.alpha, about.rows_a_day, len(table) / len(rows))
        about = replace(about, alpha=policy.rate(scope, held))
        fit = replace(fit, alpha=about.alpha)
    fitted: dict[str, Fitted] = {}
    for period in (ALL, *PERIODS):
        if period != ALL and table.profile in PROFILES_WITHOUT_PERIODS:
            break
        rows = _rows(places, period)
        if period == ALL or _enough(rows, places, policy):
            if progress is not None:
                progress(scope, period)
            fitted[period] = _fit(table, places, _thinned(rows, policy.max_rows), fit)
    return _bundle(table, scope, policy.calendar, ensemble, fitted, about)


def _rows(places: Places, period: str) -> Rows:
    if period == ALL:
        return np.arange(len(places.period))
    return np.flatnonzero(places.period == PERIODS.index(period))


def _enough(rows: Rows, places: Places, policy: TrainPolicy) -> bool:
    return len(rows) >= policy.min_period_rows and len(np.unique(places.day[rows])) >= policy.min_period_days


def _thinned(rows: Rows, most: int) -> Rows:
    """At most so many of the rows, evenly spread over them."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]


def _fit(table: VectorTable, places: Places, rows: Rows, policy: FitPolicy) -> Fitted:
    try:
        series = Series(table.entity[rows], table.window_end[rows])
        return fit_period(table.names, _learned(table), table.values[rows], places.take(rows), series, policy)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _learned(table: VectorTable) -> NDArray[np.int64]:
    """The columns that models learn from."""
    group = naming(table.names).group
    return np.flatnonzero(np.array(learned(table.names)) & (group >= 0))


def _cleaned(table: VectorTable, policy: TrainPolicy) -> VectorTable:
    """Without the stretches that are plainly anomalous."""
    if policy.contamination == 0.0:
        return table
    places = policy.calendar.place(table.window_end)
    X = np.ascontiguousarray(table.values[:, _learned(table)])
    return table.take(np.flatnonzero(~plainly_anomalous(X, places, table.entity, policy.contamination)))


def _about(table: VectorTable, trimmed: int, policy: TrainPolicy) -> Training:
    """What is said of the data, before anything is left out; the table is in time order within each entity."""
    rows_a_day = table.rows_a_day()
    return Training(
        tag=policy.tag,
        start=int(table.window_end.min()),
        end=int(table.window_end.max()),
        rows=len(table),
        trimmed=trimmed,
        entities=len(np.unique(table.entity)),
        rows_a_day=rows_a_day,
        contamination=policy.contamination,
        alpha=policy.alpha if policy.alpha is not None else nominal_rate(rows_a_day),
        seed=policy.seed,
    )


def _bundle(
    table: VectorTable,
    scope: str,
    calendar: Calendar,
    ensemble: Ensemble,
    fitted: dict[str, Fitted],
    about: Training,
) -> TrainedBundle:
    members = tuple(str(member) for member in ensemble.members)
    files = files_of({name: one.model for name, one in fitted.items()})
    manifest = Manifest(
        profile=table.profile,
        profile_version=table.profile_version,
        scope=scope,
        feature_set=table.feature_set,
        features=table.names,
        calendar=calendar,
        training=about,
        libraries=_versions(ensemble),
        periods={
            name: PeriodEntry(period_file(name), members, ensemble.fusion, one.rows, one.held_out)
            for name, one in fitted.items()
        },
        files=entries_of(files),
    )
    return TrainedBundle(manifest, files)


def _versions(ensemble: Ensemble) -> dict[str, str]:
    """Of what may have a part in the result; what is not installed had none."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES + (GRAPH_LIBRARIES if ensemble.has_graphs else ()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
