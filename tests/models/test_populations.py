"""A second population among scores is found where there is one, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calibration import Calibration
from models.populations import LEAST, far_out, usual_below

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]

ONE: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: rng.lognormal(sigma=1.0, size=n),
    "pareto": lambda rng, n: rng.pareto(2.0, n),
    "t": lambda rng, n: np.abs(rng.standard_t(2.5, n)),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "counts": lambda rng, n: rng.poisson(3.0, n).astype(np.float64),
    "few values": lambda rng, n: rng.geometric(0.5, n).astype(np.float64) ** 2,
}


def _two(n: int = 4_000, share: float = 0.05, seed: int = 0) -> tuple[Values, NDArray[np.bool_]]:
    """Scores around 3 with some around 14 among them, and which those are."""
    rng = np.random.default_rng(seed)
    odd = rng.random(n) < share
    return np.where(odd, rng.lognormal(np.log(14.0), 0.25, n), rng.gamma(9.0, 1 / 3, n)), odd


@pytest.mark.parametrize("name", ONE)
def test_a_tail_however_heavy_is_no_second_population(name: str) -> None:
    found = [
        np.isfinite(usual_below(ONE[name](np.random.default_rng(seed), n))) for n in (500, 5_000) for seed in range(40)
    ]
    assert not any(found)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_what_lies_between_two_populations_is_found(share: float) -> None:
    score, odd = _two(share=share)
    limit = usual_below(score)
    assert (score[odd] > limit).mean() > 0.95
    assert (score[~odd] > limit).mean() < 0.01


def test_too_few_beyond_too_many_and_too_few_in_all_are_none() -> None:
    assert usual_below(_two(share=0.005)[0]) == np.inf
    assert usual_below(_two(share=0.45)[0]) == np.inf
    assert usual_below(_two(n=150)[0]) == np.inf
    assert usual_below(np.zeros(1_000)) == np.inf
    assert usual_below(np.array([1.0])) == np.inf


def test_a_few_days_show_no_second_population() -> None:
    score, _ = _two()
    assert usual_below(score, days=4) == np.inf
    assert usual_below(score, days=5) == usual_below(score) < np.inf


@given(st.floats(0.01, 1e6), st.floats(-1e3, 1e3), st.integers(0, 50))
def test_the_scale_and_the_zero_of_scores_do_not_matter(scale: float, shift: float, seed: int) -> None:
    score, _ = _two(seed=seed)
    beyond = score > usual_below(score)
    moved = scale * score + scale * shift
    assert np.count_nonzero((moved > usual_below(moved)) != beyond) <= 1  # rounding may move an edge of a bin by a row


def test_anomalies_of_training_do_not_make_anomalies_usual() -> None:
    score, odd = _two()
    clean = Calibration.fit(score[~odd], 1 / 600, tail="exponential")
    full = Calibration.fit(score, 1 / 600, tail="exponential")
    assert (full.score(score[odd]) >= 1.0).mean() > 0.95
    assert np.abs(full.score(score[~odd]) - clean.score(score[~odd])).max() < 0.1


@given(st.floats(0.01, 1e6), st.floats(-1e3, 1e3), st.integers(0, 50))
def test_anomalies_whose_strengths_lie_side_by_side_are_far_out_in_any_unit(
    scale: float, shift: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    odd = rng.random(2_000) < 0.05
    score = np.where(odd, np.exp(rng.uniform(np.log(3.0), np.log(80.0), 2_000)), rng.gamma(9.0, 1 / 9, 2_000))
    far = far_out(scale * score + scale * shift)
    assert odd[far].all()
    assert np.mean(far[odd]) > 0.2


def test_neither_noise_nor_a_few_rows_nor_rows_that_are_all_alike_are_far_out() -> None:
    rng = np.random.default_rng(0)
    noise = rng.gamma(9.0, 1 / 9, 5_000)
    assert not far_out(noise).any()
    few = np.append(noise, np.full(int(0.9 * LEAST * len(noise)), 1_000.0))
    assert not far_out(few).any()
    assert not far_out(np.append(np.ones(900), np.arange(100.0))).any(), "the lower half has no width"
