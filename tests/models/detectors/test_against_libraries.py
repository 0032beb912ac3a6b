"""The compiled detectors against the libraries' own: equal scores, but for single precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM as LibrarySVM

from models.detectors.distances import LIMIT
from models.detectors.local_outlier import NEAREST as FACTOR_NEAREST
from models.detectors.local_outlier import LocalOutlier
from models.detectors.mahalanobis import Mahalanobis
from models.detectors.neighbours import NEAREST, REFERENCE, Neighbours
from models.detectors.one_class_svm import NU, OneClassSVM


def rows(n: int, seed: int, shift: float = 0.0) -> NDArray[np.float64]:
    """Correlated rows of eight features."""
    rng = np.random.default_rng(seed)
    found: NDArray[np.float64] = rng.normal(size=(n, 3)) @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(n, 8))
    return found + shift


TRAIN = rows(600, 0)
UNSEEN = np.concatenate([rows(150, 1), rows(50, 2, shift=3.0)])


def in_units(X: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(X / spread, -LIMIT, LIMIT)


def test_neighbours_are_the_library_s() -> None:
    detector = Neighbours.fit(TRAIN, 0)
    library = NearestNeighbors(n_neighbors=NEAREST).fit(in_units(TRAIN, detector.spread))
    distance, _ = library.kneighbors(in_units(UNSEEN, detector.spread))
    np.testing.assert_allclose(detector.score(UNSEEN), distance.mean(axis=1), rtol=1e-5)


def test_many_training_rows_are_thinned_evenly() -> None:
    many = rows(5 * REFERENCE, 3)
    detector = Neighbours.fit(many, 0)
    assert detector.reference.shape == (8, REFERENCE)
    np.testing.assert_allclose(detector.reference[:, 1], in_units(many[5], detector.spread), rtol=1e-6)


def test_the_local_outlier_factor_is_the_library_s() -> None:
    detector = LocalOutlier.fit(TRAIN, 0)
    library = LocalOutlierFactor(n_neighbors=FACTOR_NEAREST, novelty=True).fit(in_units(TRAIN, detector.spread))
    found = -library.score_samples(in_units(UNSEEN, detector.spread))
    np.testing.assert_allclose(detector.score(UNSEEN), found, rtol=1e-4)


def test_rows_that_come_many_times_have_a_factor_all_the_same() -> None:
    detector = LocalOutlier.fit(np.repeat(rows(5, 4), 100, axis=0), 0)
    assert np.isfinite(detector.score(UNSEEN)).all()


def test_the_support_vector_machine_is_the_library_s() -> None:
    detector = OneClassSVM.fit(TRAIN, 0)
    library = LibrarySVM(nu=NU, gamma=detector.gamma).fit(in_units(TRAIN, detector.spread))
    found = -library.decision_function(in_units(UNSEEN, detector.spread))
    ours = detector.offset * (1.0 - np.exp(-detector.score(UNSEEN)))
    np.testing.assert_allclose(ours, found, rtol=1e-3, atol=1e-3 * np.abs(found).max())


def test_far_outside_the_support_vector_machine_still_tells_far_from_farther() -> None:
    score = OneClassSVM.fit(TRAIN, 0).score(np.full((3, 8), 1.0) * [[5.0], [10.0], [20.0]])
    assert 0.0 < score[0] < score[1] < score[2]


def test_mahalanobis_is_the_distance_under_the_modelled_covariance() -> None:
    detector = Mahalanobis.fit(TRAIN, 0)
    kept = len(detector.components)
    assert 0 < kept < 8
    across = detector.inverse[-1] ** -2 * (np.eye(8) - detector.components.T @ detector.components)
    along = detector.components.T @ np.diag(detector.inverse[:-1] ** -2) @ detector.components
    centred = in_units(UNSEEN, detector.spread) - detector.centre
    wanted = np.sqrt(np.einsum("ij,jk,ik->i", centred, np.linalg.inv(along + across), centred))
    np.testing.assert_allclose(detector.score(UNSEEN), wanted, rtol=1e-8)
    explained = detector.explain(UNSEEN, np.arange(len(UNSEEN)))
    np.testing.assert_allclose(explained.sum(axis=1), wanted**2, rtol=1e-8)
