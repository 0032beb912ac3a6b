"""The forecast: what it learns, whom it blames, and how often its interval holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from models.detectors import Forecast
from models.detectors.distances import FLOOR, LIMIT
from models.detectors.forecast import INTERVAL, RIDGE, RUN, _interval

Values = NDArray[np.float64]


def runs(n: int, seed: int, noise: float = 0.2) -> Values:
    """Runs of two metrics: one swings to and fro, each sample is what the one before was with the sign turned; the
    other is noise.
    """
    random = np.random.default_rng(seed)
    swing = random.normal(size=(n, 1)) * (-1.0) ** np.arange(RUN) + noise * random.normal(size=(n, RUN))
    return np.hstack([swing, random.normal(size=(n, RUN))])


def test_the_weights_are_those_of_ridge_regression() -> None:
    X = runs(300, 0)
    detector = Forecast.fit(X, 0)
    for last in (1, 3, 5):
        inputs = X[:, :last]
        ridge = Ridge(alpha=RIDGE * float((inputs**2).sum()) / last, fit_intercept=False).fit(inputs, X[:, last])
        np.testing.assert_allclose(detector.weights[last, :last], ridge.coef_, rtol=1e-8)
        assert (detector.weights[last, last:] == 0.0).all(), "nothing is foretold by what comes later"


def test_a_sample_that_does_not_follow_from_those_before_is_seen_and_named() -> None:
    detector = Forecast.fit(runs(600, 0), 0)
    usual = detector.score(runs(300, 1))
    broken = runs(300, 1)
    broken[:, RUN - 1] *= -1.0
    moved = np.abs(broken[:, RUN - 1]) > 1.5
    assert detector.score(broken)[moved].min() > np.quantile(usual, 0.9)
    assert (np.argmax(detector.explain(broken, np.flatnonzero(moved)), axis=1) == RUN - 1).all()


def test_usual_errors_are_held_out_with_a_floor_and_what_never_moved_has_no_say() -> None:
    X = np.hstack([runs(600, 0, noise=1e-4), np.full((600, RUN), 7.0), np.full((600, RUN), np.nan)])
    detector = Forecast.fit(X, 0)
    assert detector.usual[1:RUN].tolist() == [FLOOR] * (RUN - 1)
    assert detector.usual[RUN : 2 * RUN] == pytest.approx(np.ones(RUN), abs=0.15)
    assert np.isinf(detector.usual[2 * RUN :]).all()
    changed = X[:1].copy()
    changed[0, 2 * RUN :] = -1e9
    assert detector.score(changed).tobytes() == detector.score(X[:1]).tobytes()


def test_one_error_counts_so_much_at_most() -> None:
    detector = Forecast.fit(runs(300, 0), 0)
    far = np.zeros((1, 2 * RUN))
    far[0, -1] = 1e12
    assert detector.score(far) == pytest.approx(LIMIT / np.sqrt(2 * RUN))


def test_the_interval_holds_what_was_not_learned_from() -> None:
    detector = Forecast.fit(runs(3_000, 0), 0)
    unseen = runs(3_000, 1)
    expected, low, high = detector.expected(unseen)
    newest = unseen[:, RUN - 1 :: RUN]
    held = np.mean((low <= newest) & (newest <= high), axis=0)
    assert held == pytest.approx([INTERVAL] * 2, abs=0.006)
    width = np.mean(high - low, axis=0)
    assert width[0] < 0.4 * width[1], "what can be foretold has the narrower one"
    assert ((low < expected) & (expected < high)).all()


def test_without_its_past_a_metric_has_no_forecast() -> None:
    detector = Forecast.fit(runs(300, 0), 0)
    row = runs(1, 1)
    row[0, [0, 2 * RUN - 1]] = np.nan
    expected, low, high = detector.expected(row)
    assert np.isnan(expected[0]).tolist() == [True, False], "the newest sample is none of its own past"
    assert np.isnan(low[0]).tolist() == np.isnan(high[0]).tolist() == [True, False]


@given(st.integers(2, 60), st.integers(0, 10**6))
def test_of_exchangeable_errors_the_interval_leaves_out_as_many_as_it_says(n: int, seed: int) -> None:
    errors = np.random.default_rng(seed).standard_cauchy(n)
    outside = 0
    for i in range(n):
        low, high = _interval(np.delete(errors, i)[:, None])
        outside += not low[0] <= errors[i] <= high[0]
    assert outside <= max(2, (1.0 - INTERVAL) * n), "too few to tell: only the extremes lie outside of the others"


def test_a_metric_that_is_never_whole_in_training_has_no_interval() -> None:
    X = runs(100, 0)
    X[:, 2] = np.nan
    detector = Forecast.fit(X, 0)
    assert np.isnan(detector.below).tolist() == np.isnan(detector.above).tolist() == [True, False]
    assert np.isfinite(detector.score(X)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"weights": np.zeros((2 * RUN, RUN - 1))},
        {"weights": np.full((2 * RUN, RUN), np.inf)},
        {"usual": np.zeros(2 * RUN)},
        {"usual": np.ones(RUN)},
        {"below": np.ones(1)},
        {"below": np.full(2, 1e9)},
        {"below": np.array([np.nan, -1.0])},
        {"above": np.full(2, np.inf)},
    ],
)
def test_arrays_that_are_no_forecast_are_refused(change: dict[str, Values]) -> None:
    arrays = Forecast.fit(runs(100, 0), 0).to_arrays()
    with pytest.raises(ValueError, match="no forecast"):
        Forecast.from_arrays({**arrays, **change})
