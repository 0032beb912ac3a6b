"""The statistics of samples against pandas and the plainest possible formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.frame import generic_features
from models.features.series import STATISTICS
from models.features.time import TIME_FEATURES

START = 1_700_000_400_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND


def table(times: np.ndarray, values: np.ndarray, **settings: int) -> pd.DataFrame:
    names, rows = generic_features(times, values[:, None], ["x"], **settings)
    return pd.DataFrame(rows, columns=list(names))


def wave(n: int, seed: int = 0, missing: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = 50 + 10 * np.sin(np.arange(n) / 40) + rng.normal(size=n)
    values[rng.random(n) < missing] = np.nan
    return values


@pytest.mark.parametrize("window", [5, 10, 30])
def test_rolling_mean_deviation_and_maximum_are_those_of_pandas(window: int) -> None:
    values = wave(400)
    got = table(START + np.arange(400) * 60 * SECOND, values)
    rolling = pd.Series(values).rolling(window, min_periods=1)
    np.testing.assert_allclose(got[f"x__mean_{window}"], rolling.mean(), rtol=1e-12)
    np.testing.assert_allclose(got[f"x__std_{window}"], rolling.std(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(got[f"x__max_{window}"], rolling.max())


def test_minimum_and_range_over_thirty_samples_are_those_of_pandas() -> None:
    values = wave(200)
    got = table(START + np.arange(200) * 10 * SECOND, values)
    rolling = pd.Series(values).rolling(30, min_periods=1)
    np.testing.assert_array_equal(got["x__min_30"], rolling.min())
    np.testing.assert_array_equal(got["x__range_30"], rolling.max() - rolling.min())


def test_changes_are_to_the_value_before_and_per_second_since() -> None:
    times = START + np.array([0, 10, 20, 40]) * SECOND
    got = table(times, np.array([1.0, np.nan, 4.0, 2.0]))
    np.testing.assert_array_equal(got["x__delta"], [np.nan, np.nan, 3.0, -2.0])
    np.testing.assert_array_equal(got["x__derivative"], [np.nan, np.nan, 3.0 / 20, -2.0 / 20])
    np.testing.assert_array_equal(got["x__abs_rate"], [np.nan, np.nan, 3.0 / 20, 2.0 / 20])
    np.testing.assert_array_equal(got["sample__gap_s"], [np.nan, 10.0, 10.0, 20.0])


def test_a_spike_is_judged_by_the_samples_before_it_alone() -> None:
    values = np.concatenate([np.tile([1.0, 3.0], 10), [100.0], [2.0]])
    got = table(START + np.arange(22) * 10 * SECOND, values)
    before = values[:20]
    assert got["x__z_30"][20] == pytest.approx((100.0 - before.mean()) / before.std(ddof=1))
    assert got["x__spike"].tolist()[5:] == [0.0] * 15 + [1.0, 0.0]
    assert got["x__spike"][:5].isna().all()


def test_a_constant_metric_that_moves_is_a_limited_spike() -> None:
    got = table(START + np.arange(12) * 10 * SECOND, np.array([0.0] * 11 + [1.0]))
    assert got["x__z_30"][10] == 0.0
    assert (got["x__z_30"][11], got["x__spike"][11]) == (100.0, 1.0)


def test_the_hour_by_the_clock_is_six_ten_minute_panes() -> None:
    n = 600
    times, values = START + np.arange(n) * 30 * SECOND, wave(n)
    got = table(times, values)
    pane = times // (600 * SECOND)
    for i in range(0, n, 37):
        inside = pd.Series(values[: i + 1][pane[: i + 1] > pane[i] - 6])
        assert got["x__mean_1h"][i] == pytest.approx(inside.mean(), rel=1e-12)
        assert got["x__std_1h"][i] == pytest.approx(inside.std(), rel=1e-9, nan_ok=True)
        assert (got["x__min_1h"][i], got["x__max_1h"][i]) == (inside.min(), inside.max())


def test_the_daily_z_is_to_the_median_of_the_closed_panes_of_a_day() -> None:
    n = 2 * 288 + 50
    times, values = START + np.arange(n) * 300 * SECOND, wave(n)
    got = table(times, values)
    pane = times // (600 * SECOND)
    means = pd.Series(values).groupby(pane).mean().dropna().astype(np.float32).astype(float)
    for i in range(0, n, 41):
        past = means[(means.index < pane[i]) & (means.index >= pane[i] - 144)]
        if len(past) < 6 or np.isnan(values[i]):
            assert np.isnan(got["x__z_day"][i])
            continue
        centre = past.median()
        spread = max(1.4826 * (past - centre).abs().median(), 0.01 * abs(centre), 1e-9)
        assert got["x__z_day"][i] == pytest.approx(np.clip((values[i] - centre) / spread, -100, 100), rel=1e-9)


def test_time_features_are_those_of_the_calendar() -> None:
    stamps = pd.date_range("2024-02-26 00:00", periods=400, freq="37min", tz="UTC")
    times = stamps.as_unit("us").asi8
    got = table(times, np.zeros(400), declared=37 * 60 * SECOND)
    hour = stamps.hour + stamps.minute / 60
    np.testing.assert_allclose(got["time__hour"], hour)
    np.testing.assert_array_equal(got["time__weekday"], stamps.day_of_week)
    np.testing.assert_array_equal(got["time__weekend"], stamps.day_of_week >= 5)
    np.testing.assert_array_equal(got["time__business_hours"], (stamps.day_of_week < 5) & (hour >= 8) & (hour < 18))
    np.testing.assert_allclose(got["time__hour_sin"], np.sin(2 * np.pi * hour / 24), atol=1e-12)
    np.testing.assert_allclose(got["time__hour_cos"], np.cos(2 * np.pi * hour / 24), atol=1e-12)
    week = 2 * np.pi * (stamps.day_of_week + hour / 24) / 7
    np.testing.assert_allclose(got["time__weekday_sin"], np.sin(week), atol=1e-12)
    np.testing.assert_allclose(got["time__weekday_cos"], np.cos(week), atol=1e-12)
    assert len(TIME_FEATURES) == 8


def test_after_an_hour_of_silence_the_windows_begin_anew_but_the_day_stays() -> None:
    times = START + np.concatenate([np.arange(100) * 60, 100 * 60 + 3700 + np.arange(5) * 60]) * SECOND
    got = table(times, wave(105, missing=0.0))
    assert np.isnan(got["x__delta"][100])
    assert got["x__mean_30"][100] == got["x"][100]
    assert not np.isnan(got["x__z_day"][100])


def test_a_slow_entity_keeps_its_windows_over_gaps_of_hours() -> None:
    times = START + np.arange(20) * 7200 * SECOND
    got = table(times, np.arange(20.0))
    assert np.isnan(got["x__delta"][1:3]).sum() == 0
    assert got["x__mean_5"][19] == 17.0


def test_times_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="strictly ascending"):
        table(np.array([START, START]), np.zeros(2))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=True, width=64)), min_size=1, max_size=45),
    st.integers(0, 2**32 - 1),
)
def test_no_input_gives_an_infinite_feature(values: list[float | None], seed: int) -> None:
    gaps = np.random.default_rng(seed).integers(1, 4000, len(values)) * SECOND
    column = np.array([np.nan if v is None else v for v in values])
    got = table(START + np.cumsum(gaps), column)
    assert not np.isinf(got.to_numpy()).any()


def test_columns_do_not_influence_each_other() -> None:
    times = START + np.arange(300) * 60 * SECOND
    both = np.column_stack([wave(300, 1), wave(300, 2)])
    names, rows = generic_features(times, both, ["b", "a"])
    alone_names, alone = generic_features(times, both[:, 1:], ["a"])
    width = len(STATISTICS)
    assert names[:width] == alone_names[:width]
    np.testing.assert_array_equal(rows[:, :width], alone[:, :width])
