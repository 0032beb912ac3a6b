"""An autoencoder: rows go through a bottleneck, and what cannot be rebuilt behind it is unlike what was learned.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks" (Science 2006).
"""

from __future__ import annotations

from typing import ClassVar

from models.detectors.networks.dense import Dense
from models.detectors.reconstruction import Reconstruction


class Autoencoder(Reconstruction):
    """The bottleneck is an eighth of the features: metrics have few causes, and each metric comes in several of its
    statistics.
    """

    __slots__ = ()
    kind: ClassVar[str] = "autoencoder"

    @staticmethod
    def design(width: int) -> Dense:
        return Dense(width, hidden=min(max(8, width // 2), 64), code=min(max(2, width // 8), 16))
