"""Population stability: nothing where nothing moved, much where anything did, measured by training's own days."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.drift import CELLS, MISSING, MOST_FEATURES, SHIFTED, Reference, watched
from models.features.service import SERVICE
from models.naming import naming
from models.thresholds import Series

FIVE_MINUTES = 300_000_000
NAMES = ("noise", "wandering", "constant", "sparse")


def _series(n: int, entities: int = 1) -> Series:
    return Series(np.repeat(np.arange(entities, dtype=np.int32), n), np.tile(np.arange(n) * FIVE_MINUTES, entities))


def _data(n: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    noise, steps = rng.normal(50.0, 5.0, n), rng.normal(0.0, 0.5, n)
    sparse = np.where(rng.random(n) < 0.3, np.nan, rng.poisson(0.2, n))
    return np.column_stack((noise, 100.0 + np.cumsum(steps), np.full(n, 16e9), sparse))


def _fit(used: NDArray[np.float64], series: Series) -> Reference:
    """What is learned where no time of day is like another."""
    return Reference.fit(np.arange(used.shape[1]), used, used, series)


@pytest.fixture(scope="module")
def reference() -> Reference:
    used = _data(14 * 288)
    return _fit(used, _series(14 * 288))


def _indices(reference: Reference, residual: NDArray[np.float64]) -> dict[str, float]:
    codes = reference.codes(residual)
    counts = np.array([np.bincount(column, minlength=CELLS) for column in codes.T])
    return dict(zip(NAMES, reference.indices(counts).tolist(), strict=True))


def test_a_day_as_in_training_has_not_shifted(reference: Reference) -> None:
    day = _data(14 * 288)[3 * 288 : 4 * 288]
    found = _indices(reference, day)
    assert not reference.shifted(np.array(list(found.values()))).any()
    assert found["noise"] < 0.1
    assert found["wandering"] > SHIFTED, "a level that wanders is another one on any day, and training knows it"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("noise", lambda x: x + 5.0),
        ("noise", lambda x: 50.0 + 2.0 * (x - 50.0)),
        ("noise", lambda x: np.full_like(x, np.nan)),
        ("constant", lambda x: x + 1e6),
        ("constant", lambda x: x - 1e6),
        ("sparse", lambda x: np.where(np.isnan(x), 0.0, x)),
        ("wandering", lambda x: x + 1e3),
    ],
)
def test_what_changed_is_told_and_nothing_else(reference: Reference, name: str, change: object) -> None:
    assert callable(change)
    day, column = _data(14 * 288)[3 * 288 : 4 * 288], NAMES.index(name)
    day[:, column] = change(day[:, column])
    shifted = reference.shifted(np.array(list(_indices(reference, day).values())))
    assert [one for one, far in zip(NAMES, shifted, strict=True) if far] == [name]


def test_rounding_noise_on_a_constant_is_no_shift(reference: Reference) -> None:
    day = _data(288, seed=1)
    day[:, 2] = np.nextafter(day[:, 2], np.inf)
    assert _indices(reference, day)["constant"] < SHIFTED


@given(arrays(np.float64, (30, 4), elements=st.floats(-1e12, 1e12) | st.just(np.nan)))
def test_each_value_has_one_cell_whatever_stands_beside_it(reference: Reference, residual: NDArray[np.float64]) -> None:
    codes = reference.codes(residual)
    assert ((codes == MISSING) == np.isnan(residual)).all()
    for row, code in zip(residual, codes, strict=True):
        assert (reference.codes(row[None]) == code).all()
    order = np.argsort(residual[:, 0])
    there = codes[order][~np.isnan(residual[order, 0]), 0]
    assert (np.diff(there.astype(int)) >= 0).all()


def test_few_days_and_few_rows_are_learned_from_as_far_as_they_go() -> None:
    used = _data(30)
    found = _fit(used, _series(30))
    assert (found.usual == 0.0).all()
    assert not found.judges
    assert not found.shifted(np.full(len(found.usual), 9.0)).any(), "what a day may be like is not known"
    assert np.isfinite(_indices(found, used).popitem()[1])
    nothing = np.full((3, 4), np.nan)
    empty = _fit(nothing, _series(3))
    assert np.isfinite(list(_indices(empty, used).values())).all()


def test_entities_of_unlike_levels_are_measured_by_their_own_days() -> None:
    two = np.concatenate((_data(14 * 288), _data(14 * 288) + 1e3))
    found = _fit(two, _series(14 * 288, entities=2))
    assert not found.shifted(np.array(list(_indices(found, two[3 * 288 : 4 * 288]).values()))).any()


def test_readable_features_are_watched_and_of_a_service_those_over_five_minutes() -> None:
    assert watched(naming((*NAMES, "noise__mean_5", "time__hour"))).tolist() == [0, 1, 2, 3]
    names = [SERVICE.names[column] for column in watched(naming(SERVICE.names))]
    assert "latency_p99_ms_5m" in names
    assert all(name.endswith("_5m") for name in names)
    assert len(watched(naming(tuple(f"m{i}" for i in range(300))))) == MOST_FEATURES


def test_a_clock_tells_of_time_alone_and_is_not_watched() -> None:
    used = _data(14 * 288)
    used[:, 1] = np.arange(len(used)) * 300.0
    assert _fit(used, _series(14 * 288)).columns.tolist() == [0, 2, 3]


def test_arrays_come_back_as_they_were_and_others_are_refused(reference: Reference) -> None:
    arrays_ = reference.to_arrays()
    again = Reference.from_arrays(arrays_, 4)
    assert all((again.to_arrays()[name] == array).all() for name, array in arrays_.items())
    for name, broken in (
        ("edges", arrays_["edges"][:, 1:]),
        ("shares", 0.0 * arrays_["shares"]),
        ("usual", arrays_["usual"] - 100.0),
        ("columns", arrays_["columns"] + 1),
    ):
        with pytest.raises(ValueError, match="drift"):
            Reference.from_arrays({**arrays_, name: broken}, 4)
    with pytest.raises(ValueError, match="columns is missing"):
        Reference.from_arrays({}, 4)
