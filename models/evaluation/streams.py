"""What is judged: the rows of one entity in time order, with what was said of them and what was true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class Stream:
    """n rows of one entity: `time` in epoch microseconds, ascending; `score` finite; `flagged` and `label` per row.

    `learned` is how many rows of the entity lie before these and were there to learn from; `opened` are the rows at
    which an incident opened, None where nothing tells.
    """

    entity: str
    time: NDArray[np.int64]
    score: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    label: NDArray[np.bool_]
    learned: int = 0
    opened: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def step(self) -> float:
        """Median time between two rows, microseconds; 0 for a single row."""
        gaps = np.diff(self.time)
        return float(np.median(gaps)) if len(gaps) else 0.0

    @property
    def days(self) -> float:
        """How long the rows lasted in all, without gaps; 0 for a single row."""
        return len(self) * self.step / DAY


def spans(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(m, 2) first and last row of every unbroken run of true rows, both included."""
    edge = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.stack([np.flatnonzero(edge == 1), np.flatnonzero(edge == -1) - 1], axis=1)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of all streams together, where their order does not matter."""

    score: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    label: NDArray[np.bool_]

    @classmethod
    def of(cls, streams: Sequence[Stream]) -> Self:
        return cls(
            np.concatenate([stream.score for stream in streams]),
            np.concatenate([stream.flagged for stream in streams]),
            np.concatenate([stream.label for stream in streams]),
        )

    def __len__(self) -> int:
        return len(self.score)
