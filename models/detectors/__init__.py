"""Detectors by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from models.detectors.autoencoder import Autoencoder
from models.detectors.base import Detector, Scorer
from models.detectors.boosted_trees import BoostedTrees
from models.detectors.deviation import Deviation
from models.detectors.extreme import Extreme
from models.detectors.forecast import Forecast
from models.detectors.forest import IsolationForest
from models.detectors.local_outlier import LocalOutlier
from models.detectors.lstm import Lstm
from models.detectors.mahalanobis import Mahalanobis
from models.detectors.neighbours import Neighbours
from models.detectors.one_class_svm import OneClassSVM
from models.detectors.own_model import OwnModel

DETECTORS: Mapping[str, type[Detector]] = {
    one.kind: one
    for one in (
        IsolationForest,
        Deviation,
        Extreme,
        Neighbours,
        LocalOutlier,
        OneClassSVM,
        Mahalanobis,
        Forecast,
        Autoencoder,
        Lstm,
        OwnModel,
    )
}

BY_LABELS: Mapping[str, type[Scorer]] = {BoostedTrees.kind: BoostedTrees}
"""Those that learn from labels, where there are some and somebody wants them used."""

__all__ = [
    "BY_LABELS",
    "DETECTORS",
    "Autoencoder",
    "BoostedTrees",
    "Detector",
    "Deviation",
    "Extreme",
    "Forecast",
    "IsolationForest",
    "Lstm",
    "Neighbours",
    "OneClassSVM",
    "OwnModel",
    "Scorer",
]
