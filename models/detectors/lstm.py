"""A recurrent network over the last samples: how far each was from what the ones before it made expect.

Malhotra, Vig, Shroff and Agarwal, "Long Short Term Memory Networks for Anomaly Detection in Time Series" (ESANN 2015).
"""

from __future__ import annotations

from typing import ClassVar

from models.detectors.networks.recurrent import Recurrent
from models.detectors.reconstruction import Reconstruction
from models.views import SEQUENCE


class Lstm(Reconstruction):
    """Sees the view `sequence`: of each metric the last samples, which one vector carries. So scoring needs no memory
    of its own, and the errors of a few steps count together.
    """

    __slots__ = ()
    kind: ClassVar[str] = "lstm"

    @staticmethod
    def design(width: int) -> Recurrent:
        run = len(SEQUENCE)
        return Recurrent(width, run, hidden=min(max(8, width // run), 32))
