"""What labels choose: weights never worse than the best member's, a boundary that no single row sets, confidences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.judging import LEAST_GAIN, Rate, Rows, best_mixture, boundary, calibrated, confidences, each_alone, judged

RATE = Rate(0.002, 0.01)


def _rows(n: int, share: float, seed: int, unknown: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    known = rng.random(n) >= unknown
    anomalous = known & (rng.random(n) < share)
    anomalous[:3], known[:6] = (True, True, True), True
    anomalous[3:6] = False
    return Rows(known, anomalous)


@given(
    seed=st.integers(0, 10_000),
    members=st.integers(1, 4),
    shift=st.lists(st.floats(0.0, 4.0), min_size=4, max_size=4),
    ties=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_an_ensemble_is_never_worse_than_its_best_member(
    seed: int, members: int, shift: list[float], ties: bool
) -> None:
    rng, rows = np.random.default_rng(seed), _rows(200, 0.1, seed, unknown=0.2)
    raw = [rng.gumbel(size=200) + shift[i] * rows.anomalous for i in range(members)]
    raw = [one.round() for one in raw] if ties else raw
    parts = [calibrated(one, rows.anomalous, RATE).score(one) for one in raw]
    best, alone = best_mixture(parts, rows, RATE), each_alone(parts, rows, RATE)
    single = max(one.average_precision for one in alone)
    assert best.average_precision >= single
    assert sum(best.weights) == pytest.approx(1.0)
    if np.count_nonzero(best.weights) > 1:
        assert best.average_precision >= single + LEAST_GAIN
    figures = judged(best.score, rows, boundary(best.score, rows))
    assert figures["average_precision"] == best.average_precision


def test_members_that_see_different_anomalies_are_mixed() -> None:
    rng, rows = np.random.default_rng(0), _rows(2_000, 0.06, 0)
    half = rows.anomalous & (rng.random(2_000) < 0.5)
    one = rng.gumbel(size=2_000) + 8.0 * half
    other = rng.gumbel(size=2_000) + 8.0 * (rows.anomalous & ~half)
    noise = rng.gumbel(size=2_000)
    parts = [calibrated(raw, rows.anomalous, RATE).score(raw) for raw in (one, other, noise)]
    found = best_mixture(parts, rows, RATE)
    assert min(found.weights[:2]) > 0.2 > found.weights[2]
    assert found.average_precision > 0.95


def test_one_odd_row_does_not_set_the_boundary() -> None:
    score = np.concatenate([np.linspace(0.0, 0.5, 400), np.linspace(3.5, 4.5, 21)])
    rows = Rows(np.ones(421, np.bool_), np.arange(421) >= 400)
    plain = boundary(score, rows)
    assert 1.0 < plain < 3.0
    odd = score.copy()
    odd[-1] = 0.6  # an anomaly that looks nearly normal
    assert boundary(odd, rows) == pytest.approx(plain, abs=0.6)
    odd = score.copy()
    odd[0] = 4.0  # a normal row that looks anomalous
    assert boundary(odd, rows) == pytest.approx(plain, abs=0.6)


def test_a_boundary_leaves_nine_tenths_of_the_normal_rows_below_it() -> None:
    rng, rows = np.random.default_rng(1), _rows(500, 0.5, 1)
    score = rng.random(500)
    at = boundary(score, rows)
    normal = rows.known & ~rows.anomalous
    assert np.mean(score[normal] > at) == pytest.approx(0.1, abs=0.01)
    assert boundary(np.zeros(500), rows) > 0.0


def test_confidence_follows_the_labels_on_either_side() -> None:
    rng, rows = np.random.default_rng(2), _rows(2_000, 0.1, 2)
    score = np.abs(rng.normal(size=2_000) * 0.4 + 2.0 * rows.anomalous)
    sure = confidences(score, rows, 101)
    assert ((sure >= 0.0) & (sure <= 1.0)).all()
    assert (np.diff(sure[:10]) <= 0.0).all()
    assert (np.diff(sure[10:]) >= 0.0).all()
    assert sure[0] > 0.98
    assert sure[-1] > 0.99
