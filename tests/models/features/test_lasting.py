"""What the last three samples of a machine's metric are compared with."""

from __future__ import annotations

import numpy as np
import pytest

from models.features.frame import host_features

STEP = 15_000_000
START = 1_700_000_400_000_000


def features(x: np.ndarray) -> dict[str, np.ndarray]:
    times = START + np.arange(len(x)) * STEP
    names, rows = host_features(times, x[:, None], ["cpu_ratio"])
    return dict(zip(names, rows.T, strict=True))


def test_the_median_and_its_spread_leave_the_newest_three_out() -> None:
    x = np.random.default_rng(0).uniform(size=100)
    got = features(x)
    for i in (40, 77, 99):
        before = x[i - 29 : i - 2]
        assert got["cpu_ratio__median_before"][i] == np.median(before)
        spread = 1.4826 * np.median(np.abs(before - np.median(before)))
        assert got["cpu_ratio__spread_before"][i] == pytest.approx(spread, rel=1e-14)


def test_ten_samples_have_to_be_known_before_the_three() -> None:
    got = features(np.random.default_rng(1).uniform(size=20))
    known = ~np.isnan(got["cpu_ratio__median_before"])
    assert np.flatnonzero(known).tolist() == list(range(12, 20))
    assert (~np.isnan(got["cpu_ratio__spread_before"]) == known).all()


def test_missing_samples_are_left_out() -> None:
    x = np.random.default_rng(2).uniform(size=60)
    x[45:50] = np.nan
    before = x[30:57]
    assert features(x)["cpu_ratio__median_before"][59] == np.nanmedian(before)


def test_the_hour_says_how_usual_the_newest_sample_is() -> None:
    x = np.random.default_rng(3).uniform(size=30)
    got = features(x)
    assert got["cpu_ratio__z_1h"][29] == pytest.approx((x[29] - x.mean()) / x.std(ddof=1), rel=1e-9)
    x[29] = np.nan
    assert np.isnan(features(x)["cpu_ratio__z_1h"][29])
