"""Two models on the same rows: how far their verdicts agree, and which alarms only one of them raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.evaluation.points import ratio
from models.thresholds import QUIET_MINUTES

QUIET = QUIET_MINUTES * 60_000_000
"""Flagged rows no further apart (microseconds) are one alarm, as they are where thresholds are found."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of rows: flagged by both models, by one alone, by neither."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @classmethod
    def of(cls, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Self:
        return cls(
            int(np.count_nonzero(first & second)),
            int(np.count_nonzero(first & ~second)),
            int(np.count_nonzero(~first & second)),
            int(np.count_nonzero(~first & ~second)),
        )

    @property
    def same(self) -> float:
        """Share of the rows on which both say the same; NaN without any."""
        agreed = self.both + self.neither
        return ratio(agreed, agreed + self.first_only + self.second_only)

    @property
    def shared(self) -> float:
        """Of the rows that either flags, the share that both flag: what many normal rows do not hide. NaN without."""
        return ratio(self.both, self.both + self.first_only + self.second_only)


def episodes(time: NDArray[np.int64], flagged: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(m, 2) first and last row of each alarm of one entity, whose rows are in time order (epoch microseconds)."""
    at = np.flatnonzero(flagged)
    if not len(at):
        return np.empty((0, 2), np.intp)
    parted = np.diff(time[at]) > QUIET
    return np.stack([at[np.append(True, parted)], at[np.append(parted, True)]], axis=1)


def unshared(alarms: NDArray[np.intp], other: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Those alarms, in whose course the other model flags no row."""
    before = np.append(0, np.cumsum(other))
    alone: NDArray[np.intp] = alarms[before[alarms[:, 1] + 1] == before[alarms[:, 0]]]
    return alone
