"""Many anomalies in what a service learns from are found; what is usual, however it looks, is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle import open_bundle
from models.contamination import anomalies, with_what_follows
from models.features.service import SERVICE
from models.manifest import MANIFEST
from models.naming import naming
from models.periods import Calendar
from models.table import VectorTable
from models.thresholds import Expectation, Series
from models.train import TrainPolicy, train
from models.views import SHORTEST
from tests.models.learned import START

HALF_MINUTE, A_DAY, DAYS = 30_000_000, 2_880, 5
PARTS = ("events_count_1m", "errors_ratio_1m", "latency_p50_ms_1m", "latency_mean_ms_1m")
NAMED = naming(SERVICE.names).take(np.array([SERVICE.names.index(part) for part in PARTS]))
TIMES = START + HALF_MINUTE * np.arange(DAYS * A_DAY, dtype=np.int64)
SERIES = Series(np.zeros(len(TIMES), np.int32), TIMES)
PLACES = Calendar().place(TIMES)

Mask = NDArray[np.bool_]


def _odd(share: float, seed: int = 0) -> Mask:
    """Rows in that share of all stretches of five minutes, two never side by side."""
    stretches = len(TIMES) // 10
    chosen = np.random.default_rng(seed).permutation(stretches // 2)[: round(share * stretches)] * 2
    return np.repeat(np.isin(np.arange(stretches), chosen), 10)


def _minutes(odd: Mask, seed: int = 0) -> NDArray[np.float64]:
    """Events, share of errors, median and mean latency; odd stretches are slow, failing, busy or silent by turns."""
    rng = np.random.default_rng(seed)
    expected = np.where((PLACES.hour >= 9) & (PLACES.hour < 17), 200.0, 45.0)
    kind = np.where(odd, (np.arange(len(odd)) // 20) % 4, -1)
    events = rng.poisson(expected * np.select([kind == 2, kind == 3], [8.0, 0.1], 1.0)).astype(np.float64)
    failed = rng.binomial(events.astype(np.int64), np.where(kind == 1, 0.2, 0.006))
    latency = 70.0 * np.where(kind == 0, 4.0, 1.0) * np.exp(0.04 * rng.normal(size=(2, len(odd))))
    return np.column_stack([events, failed / np.maximum(events, 1.0), *latency])


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_anomalies_in_up_to_a_tenth_of_all_stretches_are_found(share: float) -> None:
    odd = _odd(share)
    found = anomalies(SHORTEST, NAMED, _minutes(odd), PLACES, SERIES)
    assert found[odd].mean() > 0.9
    assert found[~odd].mean() < 0.01


def test_where_nothing_happens_next_to_nothing_is_found() -> None:
    assert anomalies(SHORTEST, NAMED, _minutes(np.zeros(len(TIMES), np.bool_)), PLACES, SERIES).mean() < 0.01


def test_what_comes_at_the_same_time_of_most_days_is_a_habit() -> None:
    nightly = (PLACES.hour >= 3) & (PLACES.hour < 3 + 1 / 12) & (PLACES.day != PLACES.day[0])
    once = (PLACES.hour >= 5) & (PLACES.hour < 5 + 1 / 12) & (PLACES.day == PLACES.day[0])
    X = _minutes(np.zeros(len(TIMES), np.bool_))
    X[nightly | once, 2:] *= 5.0
    found = anomalies(SHORTEST, NAMED, X, PLACES, SERIES)
    assert not found[nightly].any()
    assert found[once].all()


def test_what_follows_goes_as_far_as_a_longer_window_remembers_and_stays_with_its_entity() -> None:
    series = Series(np.array([0, 0, 0, 0, 1, 1], np.int32), 60_000_000 * np.array([0, 1, 2, 3, 1, 2], np.int64))
    found = np.array([True, False, False, False, False, False])
    assert with_what_follows(found, series, 120_000_000).tolist() == [True, True, True, False, False, False]
    half = np.array([True, False, True, False, True, False])
    assert with_what_follows(half, series, 120_000_000).tolist() == half.tolist(), "more than half would go"


def _table(odd: Mask, seed: int = 0) -> VectorTable:
    """Vectors of a service that hold two windows: the minute, and the mean of ten of its rows."""
    X, values = _minutes(odd, seed), np.full((len(odd), len(SERVICE.names)), np.nan)
    before = np.concatenate([np.repeat(X[:1], 9, axis=0), X])
    longer = np.mean([before[9 - back : len(before) - back] for back in range(10)], axis=0)
    for window, of in (("1m", X), ("5m", longer)):
        for part, column in zip(
            ("events_count", "errors_ratio", "latency_p50_ms", "latency_mean_ms"), of.T, strict=True
        ):
            values[:, SERVICE.names.index(f"{part}_{window}")] = column
    return VectorTable("service", 1, SERVICE.hash, SERVICE.names, ("a",), SERIES.entity, TIMES, values)


def test_a_service_learned_with_many_anomalies_finds_the_next_ones_and_knows_that_there_are_many() -> None:
    odd, later = _odd(0.05), _odd(0.05, seed=1)
    trained = train(_table(odd), policy=TrainPolicy())
    manifest = trained.manifest
    assert manifest.periods["all"].members == ("neighbours@shortest", "neighbours@longer")
    assert manifest.periods["all"].fusion == "led"
    assert odd.sum() < manifest.training.trimmed < 2.5 * odd.sum()
    opened = open_bundle(lambda name: manifest.encode() if name == MANIFEST else trained.files[name])
    model = opened.period("all")
    assert model.known > 3.0
    assert Expectation.of(model.episodes, manifest.training.alpha, A_DAY, model.known).gap < 1.0
    score = model.score(_table(later, seed=1).values, PLACES).score
    assert (score[later] >= 1.0).mean() > 0.85
    assert (score[~later] >= 1.0).mean() < 0.01, "nor do windows that remember flag what is over"
