"""Training: a table of vectors in, one bundle per scope out. Deterministic by seed."""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from models.bundle import entries_of, files_of, period_file
from models.calibration import nominal_rate
from models.cleaning import plainly_anomalous
from models.contamination import anomalies, peaks, with_what_follows
from models.ensembles import Ensemble, MemberName, default_for, where_anomalies_are_many
from models.features.service import window_length
from models.fitting import Data, FitPolicy, Fitted, by_days, fit_period, held_out, tells
from models.growing import GRID
from models.knowledge import BY_NAME, Knowledge, Rule
from models.labelled import Labelled, fit_labelled
from models.labels import ANOMALOUS, lesson, what_is_missing
from models.manifest import Manifest, PeriodEntry, Training
from models.naming import Naming, naming
from models.periods import ALL, PERIODS, Calendar, Places
from models.scope import GLOBAL, check_scope, entity_scope
from models.table import VectorTable, learned_columns, thinned
from models.thresholds import Series
from models.views import ALL as ALL_FEATURES
from models.views import windows_of

LIBRARIES = ("numpy", "scikit-learn")
GRAPH_LIBRARIES = ("jax", "onnxruntime")
LABEL_LIBRARIES = ("xgboost-cpu", "xgboost")
PROFILES_WITHOUT_PERIODS = frozenset({"event"})

PERIOD_DAYS = 40
"""Local days from which a behavioural period gets a model of its own."""

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

_MANY = 1 << 40  # events of a vector whose number a table does not hold

Progress = Callable[[str, str], None]
"""Told scope and period before each model is fitted."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Anomaly scores (n,) of rows that their model had not learned from, in time order within each entity, calibrated
    at the rate `alpha`. An entity has `rows_a_day`, of which each row stands for `thinned`. `known` is how often a day
    training had anomalies that it left out, `valley` the score before a second population.
    """

    score: NDArray[np.float64]
    series: Series
    alpha: float
    rows_a_day: float
    thinned: float
    known: float = 0.0
    valley: float = math.inf


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
    more. `elsewhere` are the calendars of scopes by pattern (entity=berlin-*) and of profiles by name (host) that do
    not go by `calendar`; the first pattern that fits counts, and before any profile. Where the rows have labels,
    `search` looks for the best way to grow trees, with so many `jobs` at a time, and `rules` are what the scoring
    worker knows of the metrics.
    """

    ensemble: Ensemble | None = None
    contamination: float = 0.01
    alpha: float | None = None
    rate: Rate | None = None
    seed: int = 0
    calendar: Calendar = field(default_factory=Calendar)
    elsewhere: tuple[tuple[str, Calendar], ...] = ()
    tag: str = ""
    min_rows: int = 200
    min_period_rows: int = 1_000
    min_period_days: int = PERIOD_DAYS
    max_rows: int = 20_000
    search: bool = False
    jobs: int = 1
    rules: tuple[Rule, ...] = BY_NAME

    def __post_init__(self) -> None:
        if not 0.0 <= self.contamination < 0.5:
            raise TrainingError(f"contamination is the share of anomalous rows, 0 … 0.5, not {self.contamination}")

    def at(self, profile: str, scope: str) -> TrainPolicy:
        """The policy where this is learned: with its own calendar."""
        of_scopes = [calendar for where, calendar in self.elsewhere if "=" in where and fnmatchcase(scope, where)]
        of_profiles = [calendar for where, calendar in self.elsewhere if where == profile]
        return replace(self, calendar=(*of_scopes, *of_profiles, self.calendar)[0], elsewhere=())


@dataclass(frozen=True, slots=True)
class TrainedBundle:
    """A bundle that is not stored yet; `remark` says what of the wish could not be fulfilled, if anything."""

    manifest: Manifest
    files: dict[str, bytes]
    remark: str = ""

    @property
    def version(self) -> str:
        return self.manifest.version


def train_entities(
    table: VectorTable, policy: TrainPolicy, progress: Progress | None = None
) -> Iterator[TrainedBundle | str]:
    """A bundle for each entity with enough rows; for each other one a sentence that says why not.

    So many `jobs` of the policy at a time, each in a process of its own, and then without word of the periods; but one
    after the other where a rate is chosen, which is the caller's to tell of.
    """
    if policy.jobs == 1 or policy.rate is not None:
        yield from (_train_entity(table.of_entity(entity), entity, policy, progress) for entity in table.entities)
        return
    from joblib import Parallel, delayed

    alone = replace(policy, jobs=1)
    tasks = (delayed(_train_entity)(table.of_entity(entity), entity, alone) for entity in table.entities)
    yield from Parallel(n_jobs=policy.jobs, return_as="generator")(tasks)


def _train_entity(
    table: VectorTable, entity: str, policy: TrainPolicy, progress: Progress | None = None
) -> TrainedBundle | str:
    try:
        return train(table, entity_scope(entity), policy, progress)
    except TrainingError as error:
        return f"{entity}: {error}"


def train(
    table: VectorTable, scope: str = GLOBAL, policy: TrainPolicy | None = None, progress: Progress | None = None
) -> TrainedBundle:
    """Learn one bundle from all rows of the table. Raises `TrainingError`."""
    check_scope(scope)
    policy = (policy or TrainPolicy()).at(table.profile, scope)
    if len(table) < policy.min_rows:
        raise TrainingError(f"{len(table)} vectors are too few to learn from, {policy.min_rows} are needed")
    table = table.take(np.lexsort((table.window_end, table.entity)))
    ensemble = policy.ensemble or _usual_ensemble(table)
    anomalous = _anomalous(table, ensemble, policy)
    unusual = anomalous if table.label is None else anomalous | (table.label == ANOMALOUS)
    about = _about(table, int(np.count_nonzero(unusual)), policy)
    instead = where_anomalies_are_many(ensemble.without_labels()) if policy.ensemble is None else None
    fit = FitPolicy(
        ensemble,
        policy.contamination,
        about.alpha,
        about.rows_a_day,
        policy.seed,
        None if instead is None else instead.members[0],
        policy.search,
        policy.jobs,
    )
    told = progress or (lambda scope, period: None)
    remark = ""
    if table.label is not None:
        rows = lesson(table.label, table.window_end, unusual, policy.max_rows)
        remark = what_is_missing(table.label[rows], Series(table.entity[rows], table.window_end[rows]))
        if not remark:
            told(scope, f"{ALL}, by labels" + (f", {len(GRID)} ways to grow trees" if policy.search else ""))
            fitted = {ALL: _fit_labelled(table.take(rows), ~unusual[rows], fit, policy)}
            return _bundle(table, scope, policy.calendar, ensemble, fitted, about)
        remark = f"labels say too little: {remark}"
    fit = replace(fit, ensemble=ensemble.without_labels())
    if not fit.ensemble.members:
        raise TrainingError(remark or f"{ensemble.members[0]} learns from labels, and none are given")
    named = anomalous if ensemble.cleaned_by != ALL_FEATURES else np.zeros_like(anomalous)
    fitted, about = _fit_periods(table, unusual, named, scope, fit, about, policy, told)
    if instead is not None and fitted[ALL].anomalies_are_many:
        return train(table, scope, replace(policy, ensemble=instead), progress)
    return _bundle(table, scope, policy.calendar, fit.ensemble, fitted, about, remark)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Rows (n, k) of a table, with where they lie in time, whose they are, and which training knows as anomalous."""

    values: Values
    places: Places
    series: Series
    anomalous: Mask

    @classmethod
    def of(cls, table: VectorTable, calendar: Calendar, anomalous: Mask) -> _Placed:
        places = calendar.place(table.window_end)
        return cls(table.values, places, Series(table.entity, table.window_end), anomalous)


def _fit_periods(
    table: VectorTable,
    unusual: Mask,
    named: Mask,
    scope: str,
    fit: FitPolicy,
    about: Training,
    policy: TrainPolicy,
    told: Progress,
) -> tuple[dict[str, Fitted], Training]:
    """The model of all hours, those of periods with enough rows, and what is said of them with the rate in force."""
    order = np.argsort(table.window_end, kind="stable")
    every = thinned(order, policy.max_rows)
    everything = _Placed.of(table.take(every), policy.calendar, named[every])
    table = table.take(order[~unusual[order]])
    places = policy.calendar.place(table.window_end)
    if policy.rate is not None:
        rows = thinned(np.arange(len(table)), policy.max_rows)
        first = _fit(table, places, rows, fit, everything)
        held = HeldOut(
            first.score,
            first.series,
            about.alpha,
            about.rows_a_day,
            len(table) / len(rows),
            first.model.known,
            first.model.valley,
        )
        about = replace(about, alpha=policy.rate(scope, held))
        fit = replace(fit, alpha=about.alpha)
    fitted: dict[str, Fitted] = {}
    for period in (ALL, *PERIODS):
        if period != ALL and table.profile in PROFILES_WITHOUT_PERIODS:
            break
        rows = _rows(places, period)
        if period == ALL or _enough(rows, places, policy):
            told(scope, period)
            fitted[period] = _fit(table, places, thinned(rows, policy.max_rows), fit, everything)
    return fitted, about


def _usual_ensemble(table: VectorTable) -> Ensemble:
    ensemble = default_for([table.names[column] for column in learned_columns(table).tolist()])
    return ensemble if table.label is None else ensemble.with_labels()


def _anomalous(table: VectorTable, ensemble: Ensemble, policy: TrainPolicy) -> Mask:
    """The rows that are plainly anomalous, and so no example of what is usual."""
    if not ensemble.trimmed or policy.contamination == 0.0:
        return np.zeros(len(table), np.bool_)
    columns, places = learned_columns(table), policy.calendar.place(table.window_end)
    X = np.ascontiguousarray(table.values[:, columns])
    if ensemble.cleaned_by == ALL_FEATURES:
        return plainly_anomalous(X, places, table.entity, policy.contamination)
    named, series = naming(table.names).take(columns), Series(table.entity, table.window_end)
    found = anomalies(ensemble.cleaned_by, named, X, places, series)
    if ensemble.cleaned_again and tells(ensemble.members[0], named):
        found = _found_by_leader(found, named, X, places, series, ensemble.members[0], policy.seed)
    windows = [window_length(window) for window in windows_of(named.names)] if named.service else [0]
    return with_what_follows(found, series, windows[-1] - windows[0])


def _found_by_leader(
    found: Mask, named: Naming, X: Values, places: Places, series: Series, leader: MemberName, seed: int
) -> Mask:
    """What the member that leads finds in rows whose days it has not learned from, freed of what was `found` so far.

    One metric alone says little in the mean of the three largest deviations, and much in a distance.
    """
    folds = by_days(places)
    if not folds or not found.any():
        return found
    data = Data(np.arange(X.shape[1]), named, X, places, series)
    raw = held_out(data, [leader], folds, seed, ~found)[0]
    return peaks(raw, found, places, series)


def _fit_labelled(table: VectorTable, usual: Mask, fit: FitPolicy, policy: TrainPolicy) -> Fitted:
    assert table.label is not None
    knowledge, entities = Knowledge(policy.rules), [table.entities[code] for code in table.entity.tolist()]
    events = np.full(len(table), _MANY, np.int64)

    def harmless(naming: Naming, values: Values, expected: Values) -> Mask | None:
        return knowledge.harmless(naming, entities, values, expected, events)

    try:
        series, places = Series(table.entity, table.window_end), policy.calendar.place(table.window_end)
        data = Data.of(table.names, learned_columns(table), table.values, places, series)
        return fit_labelled(table.names, Labelled.of(data, table.label, usual, harmless), fit)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _rows(places: Places, period: str) -> Rows:
    if period == ALL:
        return np.arange(len(places.period))
    return np.flatnonzero(places.period == PERIODS.index(period))


def _enough(rows: Rows, places: Places, policy: TrainPolicy) -> bool:
    return len(rows) >= policy.min_period_rows and len(np.unique(places.day[rows])) >= policy.min_period_days


def _fit(table: VectorTable, places: Places, rows: Rows, policy: FitPolicy, everything: _Placed) -> Fitted:
    try:
        series = Series(table.entity[rows], table.window_end[rows])
        data = Data.of(table.names, learned_columns(table), table.values[rows], places.take(rows), series)
        whole = data.beside(everything.values, everything.places, everything.series)
        return fit_period(table.names, data, whole, policy, everything.anomalous)
    except ValueError as error:
        raise TrainingError(str(error)) from error


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
    remark: str = "",
) -> TrainedBundle:
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
        periods={name: _entry(name, one) for name, one in fitted.items()},
        files=entries_of(files),
    )
    return TrainedBundle(manifest, files, remark or fitted[ALL].model.calibration.missing)


def _entry(period: str, fitted: Fitted) -> PeriodEntry:
    model = fitted.model
    members = tuple(str(MemberName(member.detector.kind, member.view.name)) for member in model.members)
    return PeriodEntry(period_file(period), members, model.fusion, fitted.rows, fitted.held_out, fitted.validation)


def _versions(ensemble: Ensemble) -> dict[str, str]:
    """Of what may have a part in the result; what is not installed had none."""
    versions = {"python": platform.python_version()}
    of_labels = LABEL_LIBRARIES if ensemble.needs_labels else ()
    for name in (*LIBRARIES, *(GRAPH_LIBRARIES if ensemble.has_graphs else ()), *of_labels):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
