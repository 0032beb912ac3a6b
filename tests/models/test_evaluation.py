"""Figures against labels agree with scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from models.evaluation import Confusion, average_precision


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [1, 8])
def test_figures_are_those_of_scikit_learn(seed: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    label = rng.random(400) < 0.1
    score = np.round(rng.random(400) + 0.4 * label, decimals).astype(
        np.float64
    )  # with one decimal most scores are shared
    flagged = score >= 1.0
    figures = Confusion.of(flagged, label).figures()
    assert average_precision(score, label) == pytest.approx(average_precision_score(label, score))
    assert figures["precision"] == pytest.approx(precision_score(label, flagged))
    assert figures["recall"] == pytest.approx(recall_score(label, flagged))
    assert figures["f1"] == pytest.approx(f1_score(label, flagged))
    assert figures["fpr"] == pytest.approx(1 - figures["specificity"])


def test_figures_without_a_divisor_are_not_a_number() -> None:
    nobody = np.zeros(3, np.bool_)
    figures = Confusion.of(nobody, nobody).figures()
    assert math.isnan(figures["precision"])
    assert math.isnan(figures["recall"])
    assert figures["accuracy"] == 1.0
    assert math.isnan(average_precision(np.ones(3), nobody))
