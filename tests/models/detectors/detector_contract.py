"""What every `models.detectors.base.Detector` must hold, as assertions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.arrays import pack, unpack
from models.detectors import Detector


def training_rows(n: int = 400, d: int = 6, seed: int = 0) -> NDArray[np.float64]:
    """Scaled rows as a scaler leaves them: centred, some correlated, some values missing, one column constant."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]
    X[:, -1] = 0.0
    X[rng.random((n, d)) < 0.05] = np.nan
    return X


def assert_finite_and_ordered(kind: type[Detector]) -> None:
    """Scores are finite, and rows far outside score above all but a few of the training rows."""
    X = training_rows()
    detector = kind.fit(X, seed=1)
    far = np.zeros((3, X.shape[1]))
    far[:, :3] = 12.0
    inside, outside = detector.score(X), detector.score(far)
    assert inside.shape == (len(X),)
    assert np.isfinite(inside).all()
    assert outside.min() > np.quantile(inside, 0.99)


def assert_rows_stand_alone(kind: type[Detector]) -> None:
    """A row's score and explanation are the same bytes alone, in company and in another order."""
    X = training_rows()
    detector = kind.fit(X, seed=1)
    together, why = detector.score(X), detector.explain(X, np.arange(len(X)))
    for row in range(0, 60, 7):
        alone = np.ascontiguousarray(X[row : row + 1])
        assert detector.score(alone).tobytes() == together[row : row + 1].tobytes()
        assert detector.explain(alone, np.arange(1)).tobytes() == why[row : row + 1].tobytes()
    order = np.random.default_rng(3).permutation(len(X))
    assert detector.score(X[order]).tobytes() == together[order].tobytes()
    assert detector.explain(X, order[:9]).tobytes() == why[order[:9]].tobytes()


def assert_missing_takes_no_position(kind: type[Detector]) -> None:
    """A missing value counts as the expected one."""
    X = training_rows()
    detector = kind.fit(X, seed=1)
    assert detector.score(X).tobytes() == detector.score(np.nan_to_num(X, nan=0.0)).tobytes()
    empty = np.full((1, X.shape[1]), np.nan)
    assert detector.score(empty).tobytes() == detector.score(np.zeros((1, X.shape[1]))).tobytes()


def assert_survives_storage(kind: type[Detector]) -> None:
    """Through bytes and back: the same scores, and the same bytes again."""
    X = training_rows()
    detector = kind.fit(X, seed=1)
    blob = pack(detector.to_arrays())
    again = kind.from_arrays(unpack(blob))
    assert again.width == X.shape[1]
    assert again.score(X).tobytes() == detector.score(X).tobytes()
    assert pack(again.to_arrays()) == blob


def assert_repeatable(kind: type[Detector]) -> None:
    """The same data and seed give the same detector."""
    X = training_rows()
    assert pack(kind.fit(X, seed=5).to_arrays()) == pack(kind.fit(X.copy(), seed=5).to_arrays())


def assert_small_sets_fit(kind: type[Detector]) -> None:
    """One row, two rows, one column, only constants, only missing values: fitted, scored, finite."""
    for X in (
        np.zeros((1, 1)),
        np.zeros((2, 3)),
        np.full((5, 2), np.nan),
        np.array([[0.0], [1.0], [2.0]]),
        training_rows(3, 2),
    ):
        detector = kind.fit(X, seed=0)
        far = np.full((1, X.shape[1]), 9.0)
        assert np.isfinite(detector.score(far)).all()
        assert (detector.explain(far, np.arange(1)) >= 0).all()


def assert_explains_the_culprit(kind: type[Detector]) -> None:
    """Weights are not negative, and the one feature that is far out weighs most."""
    X = training_rows()
    detector = kind.fit(X, seed=1)
    odd = np.zeros((1, X.shape[1]))
    odd[0, 3] = 9.0
    weights = detector.explain(odd, np.arange(1))
    assert weights.shape == odd.shape
    assert (weights >= 0).all()
    assert int(np.argmax(weights[0])) == 3
