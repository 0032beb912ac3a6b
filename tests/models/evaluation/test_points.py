"""Figures against labels agree with scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from models.evaluation.points import Confusion, Sweep
from tests.models.evaluation.streams import random_stream


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [1, 8])
def test_figures_are_those_of_scikit_learn(seed: int, decimals: int) -> None:
    rows = random_stream(seed, decimals=decimals)  # with one decimal most scores are shared
    figures = Confusion.of(rows.flagged, rows.label).figures()
    sweep = Sweep.of(rows.score, rows.label)
    assert sweep.average_precision() == pytest.approx(average_precision_score(rows.label, rows.score))
    assert sweep.roc_auc() == pytest.approx(roc_auc_score(rows.label, rows.score))
    assert figures["precision"] == pytest.approx(precision_score(rows.label, rows.flagged))
    assert figures["recall"] == pytest.approx(recall_score(rows.label, rows.flagged))
    assert figures["f1"] == pytest.approx(f1_score(rows.label, rows.flagged))
    assert figures["fpr"] == pytest.approx(1 - figures["specificity"])


def test_each_threshold_of_a_sweep_counts_what_flagging_from_it_on_gives() -> None:
    rows = random_stream(5, decimals=1)
    sweep = Sweep.of(rows.score, rows.label)
    assert sweep.threshold.tolist() == sorted(set(rows.score.tolist()), reverse=True)
    for number, threshold in enumerate(sweep.threshold.tolist()):
        figures = Confusion.of(rows.score >= threshold, rows.label).figures()
        assert sweep.precision[number] == pytest.approx(figures["precision"])
        assert sweep.recall[number] == pytest.approx(figures["recall"])
        assert sweep.fpr[number] == pytest.approx(figures["fpr"])


def test_figures_without_a_divisor_are_not_a_number() -> None:
    nobody = np.zeros(3, np.bool_)
    figures = Confusion.of(nobody, nobody).figures()
    assert math.isnan(figures["precision"])
    assert math.isnan(figures["recall"])
    assert figures["accuracy"] == 1.0
    for label in (nobody, ~nobody, nobody[:0]):
        sweep = Sweep.of(np.ones(len(label)), label)
        assert math.isnan(sweep.roc_auc())
        assert math.isnan(sweep.average_precision()) == (not label.any())
