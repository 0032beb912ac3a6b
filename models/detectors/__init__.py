"""Detectors by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from models.detectors.base import Detector
from models.detectors.deviation import Deviation
from models.detectors.forest import IsolationForest

DETECTORS: Mapping[str, type[Detector]] = {
    IsolationForest.kind: IsolationForest,
    Deviation.kind: Deviation,
}

__all__ = ["DETECTORS", "Detector"]
