"""Detectors by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from models.detectors.autoencoder import Autoencoder
from models.detectors.base import Detector
from models.detectors.deviation import Deviation
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
        Neighbours,
        LocalOutlier,
        OneClassSVM,
        Mahalanobis,
        Autoencoder,
        Lstm,
        OwnModel,
    )
}

__all__ = [
    "DETECTORS",
    "Autoencoder",
    "Detector",
    "IsolationForest",
    "Lstm",
    "Neighbours",
    "OneClassSVM",
    "OwnModel",
]
