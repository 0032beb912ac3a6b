"""Features, detectors, calibration, bundles and training. No Kafka and no Redis; imports only `schemas`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.api import Model


def load(place: str | Path) -> Model:
    """A bundle in one's own code: `models.load(folder).score(frame)`. See `models.api.load`."""
    from models.api import load as load_bundle  # what only scores a stream should not pay for this import

    return load_bundle(place)
