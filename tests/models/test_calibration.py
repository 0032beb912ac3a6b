"""The one scale: monotone, finite, 1.0 at the stated rate, and a confidence that knows its sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.arrays import pack, unpack
from models.calibration import Calibration, effective_size, nominal_rate

FINITE = st.floats(-1e9, 1e9, allow_nan=False)


@given(
    held_out=st.lists(FINITE, min_size=2, max_size=80),
    raw=st.lists(FINITE, min_size=2, max_size=50),
    alpha=st.floats(1e-6, 0.2),
)
@settings(max_examples=150, deadline=None)
def test_a_higher_raw_score_never_scores_lower(held_out: list[float], raw: list[float], alpha: float) -> None:
    calibration = Calibration.fit(np.array(held_out), alpha)
    scores = calibration.score(np.sort(np.array(raw)))
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (scores <= 10).all()
    assert (np.diff(scores) >= 0).all()
    assert not np.signbit(scores).any()


@given(raw=st.lists(FINITE, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_score_is_the_same_alone_and_in_company(raw: list[float]) -> None:
    calibration = Calibration.fit(_sample(500), 0.001)
    together = calibration.score(np.array(raw))
    confidence = calibration.confidence(together)
    for i, one in enumerate(raw):
        alone = calibration.score(np.array([one]))
        assert alone.tobytes() == together[i : i + 1].tobytes()
        assert calibration.confidence(alone).tobytes() == confidence[i : i + 1].tobytes()


@pytest.mark.parametrize("alpha", [0.01, 0.002, 0.0005])
@pytest.mark.parametrize("tail", ["exponential", "normal", "heavy"])
def test_the_boundary_is_crossed_as_often_as_was_asked_for(alpha: float, tail: str) -> None:
    rng = np.random.default_rng(4)
    draws: dict[str, Callable[[int], NDArray[np.float64]]] = {
        "exponential": lambda n: rng.exponential(size=n),
        "normal": lambda n: np.abs(rng.normal(size=n)),
        "heavy": lambda n: (rng.random(n) ** -0.3 - 1) / 0.3,
    }
    draw = draws[tail]
    calibration = Calibration.fit(draw(20_000), alpha)
    flagged = float(np.mean(calibration.score(draw(400_000)) >= 1.0))
    assert alpha / 4 <= flagged <= alpha * 3


def test_a_score_of_two_is_the_square_of_the_boundarys_rarity() -> None:
    calibration = Calibration.fit(np.random.default_rng(0).exponential(size=50_000), 0.01)
    once = np.interp(1.0, calibration.score(GRID), GRID)
    twice = np.interp(2.0, calibration.score(GRID), GRID)
    assert once == pytest.approx(-np.log(0.01), rel=0.1)
    assert twice == pytest.approx(2 * once, rel=0.15)


def test_anomalies_among_the_held_out_scores_do_not_hide_others_like_them() -> None:
    dirty = np.random.default_rng(1).exponential(size=10_000)
    dirty[::125] = 30.0  # 0.8 %, far out
    calibration = Calibration.fit(dirty, 0.001, contamination=0.01)
    normal, as_before, farther = calibration.score(np.array([3.0, 30.0, 60.0]))
    assert normal < 0.6
    assert 1.0 < as_before < farther


def test_confidence_grows_with_the_sample_and_with_the_distance_from_the_boundary() -> None:
    few, many = Calibration.fit(_sample(300), 0.001), Calibration.fit(_sample(100_000), 0.001)
    scores = np.array([0.1, 0.5, 1.3, 2.0, 4.0])
    assert (many.confidence(scores) >= few.confidence(scores) - 1e-9).all()
    near, far = many.confidence(np.array([1.05, 2.0]))
    assert near < far
    assert far > 0.99
    everything = many.confidence(np.linspace(0, 10, 1001))
    assert ((everything >= 0) & (everything <= 1)).all()


def test_repeating_scores_count_as_fewer_than_they_are() -> None:
    rng = np.random.default_rng(0)
    independent = rng.normal(size=5_000)
    smooth = np.convolve(independent, np.ones(50) / 50, mode="valid")
    assert effective_size(independent) > 3_000
    assert effective_size(smooth) < 300
    assert effective_size(np.ones(100)) == 1.0


def test_scores_that_are_all_alike_are_calibrated_without_inventing_alarms() -> None:
    calibration = Calibration.fit(np.full(100, 3.0), 0.001)
    low, same, high = calibration.score(np.array([2.0, 3.0, 30.0]))
    assert low == 0.0
    assert same < 1.0
    assert high == 10.0


def test_a_calibration_survives_storage() -> None:
    calibration = Calibration.fit(_sample(1_000), 0.002)
    again = Calibration.from_arrays(unpack(pack(calibration.to_arrays())))
    assert again.score(GRID).tobytes() == calibration.score(GRID).tobytes()
    assert again.confidence(GRID).tobytes() == calibration.confidence(GRID).tobytes()


@pytest.mark.parametrize(("held_out", "alpha"), [([1.0], 0.1), ([1.0, 2.0], 0.0), ([1.0, 2.0], 1.0)])
def test_what_cannot_be_calibrated_on_is_refused(held_out: list[float], alpha: float) -> None:
    with pytest.raises(ValueError, match=r"calibrated on|between 0 and 1"):
        Calibration.fit(np.array(held_out), alpha)


def test_the_nominal_rate_is_half_an_alarm_a_day_at_five_minutes_and_grows_with_the_root() -> None:
    assert nominal_rate(288) * 288 == pytest.approx(0.5)
    assert nominal_rate(4 * 288) * 4 * 288 == pytest.approx(1.0)


GRID = np.linspace(-2, 40, 2_000)


def _sample(n: int) -> NDArray[np.float64]:
    return np.random.default_rng(n).exponential(size=n)


def test_too_few_windows_say_how_many_are_missing() -> None:
    scores = np.random.default_rng(0).normal(size=400)
    few, enough = Calibration.fit(scores[:60], 1 / 576), Calibration.fit(scores, 1 / 576)
    assert enough.missing == ""
    assert enough.confidence(np.array([10.0]))[0] > 0.5 > few.confidence(np.array([10.0]))[0]
    missing = round(0.2275 * 576 - few.sample)
    assert abs(int(few.missing.split("about ")[1].split()[0]) - missing) <= 1
    more = np.random.default_rng(0).normal(size=60 + 2 * missing)
    assert Calibration.fit(more, 1 / 576).missing == ""
