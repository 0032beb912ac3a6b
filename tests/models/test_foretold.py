"""A forecast with an interval per metric: in scores as the expected range, and in one's own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models
from models.bundle import Bundle, open_bundle
from models.ensembles import Ensemble
from models.features.frame import generic_features
from models.features.generic import GENERIC
from models.manifest import MANIFEST
from models.periods import ALL
from models.registry import Registry
from models.scored import Scored
from models.table import VectorTable
from models.train import TrainedBundle, TrainPolicy, train
from tests.models.learned import FIVE_MINUTES, START

POLICY = TrainPolicy(Ensemble.of(("forecast",)))
LEAP = 800


def wandering(rows: int, seed: int, leap: float = 0.0) -> VectorTable:
    """Five-minute samples of `load`, which wanders slowly between 40 and 60, and of `still`, which never moves.

    From row `LEAP` on `load` is higher by `leap`.
    """
    rng = np.random.default_rng(seed)
    load = 50 + 10 * np.sin(np.arange(rows) / 90 + seed) + rng.normal(scale=0.3, size=rows)
    load[LEAP:] += leap
    times = START + FIVE_MINUTES * np.arange(1, rows + 1, dtype=np.int64)
    names, values = generic_features(times, np.column_stack([load, np.full(rows, 3.0)]), ("load", "still"))
    return VectorTable("generic", 2, GENERIC.hash, names, ("a",), np.zeros(rows, np.int32), times, values)


@pytest.fixture(scope="module")
def trained() -> TrainedBundle:
    return train(wandering(3_000, 0), policy=POLICY)


@pytest.fixture(scope="module")
def bundle(trained: TrainedBundle) -> Bundle:
    return open_bundle(lambda name: trained.manifest.encode() if name == MANIFEST else trained.files[name])


def _scored(bundle: Bundle, table: VectorTable) -> Scored:
    return bundle.period(ALL).score(table.values, bundle.manifest.calendar.place(table.window_end))


def _range_of_load(scored: Scored, row: int) -> tuple[float, float]:
    """The expected range that the first reason of a row has."""
    assert scored.reasons.share[row, 0] > 0.9
    return float(scored.reasons.low[row, 0]), float(scored.reasons.high[row, 0])


def test_the_interval_is_in_the_metric_s_unit_and_holds_what_it_says(bundle: Bundle) -> None:
    table = wandering(3_000, 1)
    found = bundle.period(ALL).foretell(table.values)
    assert found is not None
    load = table.values[:, table.names.index("load")]
    column = int(np.flatnonzero(bundle.period(ALL).columns[found.columns] == table.names.index("load"))[0])
    expected, low, high = (part[30:, column] for part in (found.expected, found.low, found.high))
    assert np.mean((low <= load[30:]) & (load[30:] <= high)) == pytest.approx(0.99, abs=0.01)
    assert np.mean(np.abs(expected - load[30:])) < 0.4
    assert 1.0 < np.mean(high - low) < 3.0, "load wanders over 20; what comes next is known to about 2"


def test_where_trouble_begins_the_range_is_the_forecast_s_and_while_it_lasts_the_usual_one(bundle: Bundle) -> None:
    scored = _scored(bundle, wandering(1_200, 1, leap=40.0))
    before = 50 + 10 * np.sin((LEAP - 1) / 90 + 1)
    assert scored.score[LEAP] >= 1.0
    low, high = _range_of_load(scored, LEAP)
    assert before - 2.0 < low < before < high < before + 2.0
    low, high = _range_of_load(scored, LEAP + 6)
    assert low < 45 < 55 < high < 65 < scored.reasons.actual[LEAP + 6, 0], "not what the outage makes expect"


def test_without_a_past_the_range_is_the_usual_one(bundle: Bundle) -> None:
    table = wandering(3, 1)
    found = bundle.period(ALL).foretell(table.values)
    assert found is not None
    assert np.isnan(found.expected).all()
    low, high = _range_of_load(_scored(bundle, table), 0)
    assert high - low > 15.0


def test_ranges_are_the_same_alone_and_in_company(bundle: Bundle) -> None:
    table = wandering(1_000, 1, leap=40.0)
    together = _scored(bundle, table).reasons
    for row in (2, 500, LEAP, LEAP + 3):
        alone = _scored(bundle, table.take(np.array([row]))).reasons
        assert alone.low.tobytes() == together.low[row : row + 1].tobytes()
        assert alone.high.tobytes() == together.high[row : row + 1].tobytes()


def test_in_one_s_own_code_each_row_tells_each_metric(trained: TrainedBundle, tmp_path: Path) -> None:
    version = Registry(str(tmp_path)).save(trained.manifest, trained.files)
    model = models.load(tmp_path / "generic" / "global" / version)
    table = wandering(60, 1)
    frame = pd.DataFrame(table.values, columns=list(table.names), index=np.arange(60) * 2)
    frame["timestamp"] = pd.to_datetime(table.window_end, unit="us", utc=True)
    told = model.forecast(frame)
    assert told.index.tolist() == np.repeat(frame.index, 2).tolist()
    load = told[told["metric"] == "load"]
    assert load["actual"].tolist() == frame["load"].tolist()
    assert ((load["low"] < load["forecast"]) & (load["forecast"] < load["high"]))[30:].all()
    assert told[told["metric"] == "still"]["forecast"].isna().all()
    assert model.forecast(frame.iloc[:0]).empty


def test_a_model_without_a_forecast_says_so(tmp_path: Path) -> None:
    plain = train(wandering(300, 0), policy=TrainPolicy(Ensemble.of(("deviation",))))
    version = Registry(str(tmp_path)).save(plain.manifest, plain.files)
    model = models.load(tmp_path / "generic" / "global" / version)
    frame = pd.DataFrame({"timestamp": [pd.Timestamp("2026-03-02", tz="UTC")]})
    with pytest.raises(ValueError, match="no forecast: name one among its detectors"):
        model.forecast(frame)
