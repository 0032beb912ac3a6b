"""A small bundle of every detector there is, and what may become of it when it is read and asked to score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.arrays import pack, unpack
from models.bundle import entries_of, files_of, open_bundle, own_file, period_file
from models.calibration import LARGEST, Calibration
from models.detectors import BY_LABELS, DETECTORS, Autoencoder, BoostedTrees, Lstm, OwnModel, Scorer
from models.detectors.boosted_trees import Growth
from models.detectors.distances import spread_of
from models.detectors.graphs import Graph
from models.detectors.reconstruction import Reconstruction
from models.drift import CELLS
from models.ensembles import Ensemble, MemberName
from models.manifest import MANIFEST, BundleError, Manifest, PeriodEntry
from models.model import Member, PeriodModel
from models.naming import naming
from models.periods import ALL, Calendar, Places
from models.table import VectorTable
from models.thresholds import Expectation
from models.train import TrainedBundle, TrainPolicy, train
from models.views import View
from tests.models.detectors.own_graphs import length

Values = NDArray[np.float64]

START = 1_772_409_600_000_000  # Monday 2026-03-02, 00:00 UTC
FIVE_MINUTES = 300_000_000
STATISTICS = ("mean_10", "std_10", "mean_30", "delta", "delta_before", "delta_before_2")
METRICS = ("load", "queue")
NAMES = tuple(name for metric in METRICS for name in (metric, *(f"{metric}__{one}" for one in STATISTICS)))
FILE = period_file(ALL)
ROUNDING = 1e-9
KINDS: tuple[str, ...] = (*DETECTORS, *BY_LABELS)


@cache
def table() -> VectorTable:
    """Three days of two metrics with their rolling features."""
    random = np.random.default_rng(0)
    n = 3 * 288
    columns = []
    for scale in (1.0, 40.0):
        x = scale * (5.0 + np.sin(np.arange(n) / 9.0) + 0.1 * random.normal(size=n))
        means = [np.array([x[max(0, i - w + 1) : i + 1].mean() for i in range(n)]) for w in (10, 30)]
        spread = np.array([x[max(0, i - 9) : i + 1].std() for i in range(n)])
        step = np.diff(x, prepend=x[0])
        columns += [x, means[0], spread, means[1], step, np.roll(step, 1), np.roll(step, 2)]
    times = START + FIVE_MINUTES * np.arange(1, n + 1, dtype=np.int64)
    return VectorTable("generic", 2, "f" * 32, NAMES, ("a",), np.zeros(n, np.int32), times, np.column_stack(columns))


@cache
def trained() -> TrainedBundle:
    """What is around the detectors is learned from that."""
    return train(table(), policy=TrainPolicy(Ensemble.of(("deviation",)), min_period_rows=10**6))


def examples() -> tuple[Values, Places]:
    """Some rows that were learned from, and where they lie in time."""
    return np.ascontiguousarray(table().values[::13]), Calendar().place(table().window_end[::13])


@cache
def probes() -> tuple[Values, Places]:
    """Rows as they come, with values missing, far out, and as large as numbers are."""
    values, places = examples()
    rows = np.resize(np.arange(len(values)), 70)
    found = values[rows].copy()
    found[3, :] = np.nan
    found[4, ::2] = np.nan
    found[5, :] *= 1e3
    found[6, :] = 1e300
    found[7, :] = -1e300
    found[8, ::3] = 1e300
    found[9, :] = 0.0
    return found, places.take(rows)


@cache
def bundle(kind: str, view: str = "") -> dict[str, bytes]:
    """The files of a bundle whose one member that decides is such a detector; another one ranks."""
    base = trained()
    model = open_bundle({**base.files, MANIFEST: base.manifest.encode()}.__getitem__).period(ALL)
    values, places = examples()
    used = np.ascontiguousarray(values[:, model.columns])
    name = MemberName.parse(f"{kind}@{view}" if view else kind)
    seen_as = View.fit(name.view, naming(NAMES).take(model.columns), used)
    X = seen_as.of(used, model.scaler.transform(used, places))
    detector = _fitted(kind, X)
    member = Member(detector, seen_as, Calibration.fit(detector.score(X), 0.001))
    beside = replace(model.members[0], decides=False)
    made = replace(model, members=(member, beside))
    files = files_of({ALL: made})
    entry = base.manifest.periods[ALL]
    period = PeriodEntry(entry.file, (str(name), "deviation"), entry.fusion, entry.rows, entry.held_out)
    manifest = replace(base.manifest, periods={ALL: period}, files=entries_of(files))
    return {**files, MANIFEST: manifest.encode()}


def _fitted(kind: str, X: Values) -> Scorer:
    """Networks as they start: what they hold is of no account here, and to train them takes long."""
    for network in (Autoencoder, Lstm):
        if kind == network.kind:
            return _untrained(network, X)
    if kind == OwnModel.kind:
        return OwnModel.around(Graph.of(length(X.shape[1])), X)
    if kind == BoostedTrees.kind:
        return BoostedTrees.fit(X, X[:, 0] > np.nanquantile(X[:, 0], 0.8), Growth(depth=3), 5, seed=0)
    return DETECTORS[kind].fit(X, seed=0)


def _untrained(kind: type[Reconstruction], X: Values) -> Reconstruction:
    spread = spread_of(X)
    network = kind.design(len(spread))
    graph = Graph.of(network.graph(network.start(np.random.default_rng(0))))
    return kind(spread, np.where(np.isfinite(spread), 1.0, np.inf), graph)


def arrays_of(files: Mapping[str, bytes]) -> dict[str, NDArray[np.generic]]:
    return dict(unpack(files[FILE]))


def with_file(files: Mapping[str, bytes], blob: bytes) -> dict[str, bytes]:
    """The bundle with other arrays, and a manifest whose hashes fit."""
    return rehashed({**files, FILE: blob})


def rehashed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    inside = {name: blob for name, blob in files.items() if name != MANIFEST}
    manifest = replace(Manifest.decode(files[MANIFEST]), files=entries_of(inside))
    return {**inside, MANIFEST: manifest.encode()}


def own_file_of(files: Mapping[str, bytes], array: str) -> str:
    """Where the graph or the trees of the first member lie."""
    path = f"0/detector/{array}"
    return own_file(path, arrays_of(files)[path].tobytes().hex())


def with_own_file(files: Mapping[str, bytes], array: str, blob: bytes) -> dict[str, bytes]:
    """The bundle with another graph, or other trees, for its first member, all hashes fitting."""
    arrays, path, digest = arrays_of(files), f"0/detector/{array}", hashlib.sha256(blob).digest()
    kept = {name: one for name, one in files.items() if name != own_file_of(files, array)}
    arrays[path] = np.frombuffer(digest, np.uint8)
    return rehashed({**kept, FILE: pack(arrays), own_file(path, digest.hex()): blob})


def load(files: Mapping[str, bytes]) -> PeriodModel:
    """As a worker takes it up. Raises `BundleError`."""
    return open_bundle(files.__getitem__).period(ALL)


def check_scores(model: PeriodModel) -> None:
    """Whatever the model holds, what it says of the probes is within the contract."""
    values, places = probes()
    found = model.score(values, places)
    n, k = values.shape
    for numbers, most in ((found.score, LARGEST), (found.mean, LARGEST + ROUNDING), (found.confidence, 1.0)):
        assert numbers.shape == (n,)
        assert ((numbers >= 0.0) & (numbers <= most)).all(), numbers  # false for NaN
    reasons = found.reasons
    for place in (reasons.metric, reasons.feature):
        assert ((place >= -1) & (place < k)).all()
    assert ((reasons.share >= 0.0) & (reasons.share <= 1.0 + ROUNDING)).all(), reasons.share
    assert (reasons.share.sum(axis=1) <= 1.0 + ROUNDING).all()
    assert len(found.note) == n
    alone = model.score(values[:1], places.take(np.arange(1)))
    assert alone.score.tobytes() == found.score[:1].tobytes()
    each = model.member_scores(values, places)
    assert ((each >= 0.0) & (each <= LARGEST)).all()
    assert (model.cells(values, places) < CELLS).all()
    model.foretell(values)
    expectation = Expectation.of(model.episodes, 0.001, 288.0, model.known, model.valley)
    assert not np.isnan(expectation.weighed).any()
    assert expectation.gap > 0.0


def refused(files: Mapping[str, bytes]) -> bool:
    """Whether the bundle is refused, with one of its files named; if it is not, it scores as `check_scores` wants."""
    try:
        model = load(files)
    except BundleError as error:
        said = str(error)
    else:
        check_scores(model)
        return False
    assert any(name in said for name in files), said
    return True
