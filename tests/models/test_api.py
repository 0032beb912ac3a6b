"""`models.load(bundle).score(frame)` in one's own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models
from models.bundle import open_bundle
from models.manifest import BundleError
from models.periods import PERIODS
from models.registry import Registry
from tests.models.learned import NAMES, bundle, table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    version = Registry(str(tmp_path)).save(bundle().manifest, bundle().files)
    return tmp_path / "generic" / "global" / version


def _frame() -> pd.DataFrame:
    rows = table(days=7, seed=4)
    frame = pd.DataFrame(rows.values, columns=list(NAMES))
    frame["timestamp"] = pd.to_datetime(rows.window_end, unit="us", utc=True)
    frame.loc[100, "queue"] = 95.0
    return frame.set_index(pd.Index(np.arange(len(frame)) * 2, name="row"))


def test_a_frame_is_scored_row_by_row_with_its_index(folder: Path) -> None:
    frame = _frame()
    scores = models.load(folder).score(frame)
    assert scores.index.equals(frame.index)
    odd = scores.loc[200]
    assert odd["anomaly_score"] >= 1.0
    assert bool(odd["is_anomaly"])
    assert odd["severity"] in ("low", "medium", "high", "critical")
    assert (odd["metric"], odd["direction"]) == ("queue", "up")
    assert set(scores["period"]) == set(PERIODS)
    assert scores.loc[~scores["is_anomaly"], "severity"].isna().all()


def test_each_row_is_scored_by_the_model_of_its_period(folder: Path) -> None:
    frame = _frame().iloc[:300]
    scores = models.load(folder / "manifest.json").score(frame)
    opened = open_bundle(lambda name: (folder / name).read_bytes())
    times = np.asarray(frame["timestamp"].dt.as_unit("us").astype("int64"), np.int64)
    places = opened.manifest.calendar.place(times)
    for i in range(0, 300, 17):
        model = opened.period(PERIODS[places.period[i]])
        row = frame[list(NAMES)].to_numpy()[i : i + 1]
        assert model.score(row, places.take(np.array([i]))).score[0] == scores["anomaly_score"].iloc[i]


def test_columns_that_are_missing_are_missing_values(folder: Path) -> None:
    scores = models.load(folder).score(_frame().drop(columns=["cpu_ratio", "gone"]))
    assert np.isfinite(scores["anomaly_score"]).all()


def test_a_folder_that_was_changed_is_refused(folder: Path) -> None:
    (folder / "periods" / "all.npz").write_bytes(b"")
    with pytest.raises(BundleError, match="damaged"):
        models.load(folder)
