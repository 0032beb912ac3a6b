"""The static feature sets by hash: what a reader looks up the names of a vector by that carries none."""

from __future__ import annotations

from collections.abc import Mapping

from models.features.event import EVENT
from models.features.host import HOST
from models.features.service import SERVICE
from models.features.sets import FeatureSet, by_hash

FEATURE_SETS: Mapping[str, FeatureSet] = by_hash((SERVICE, HOST, EVENT))
