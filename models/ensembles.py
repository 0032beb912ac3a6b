"""Which detectors see what, and how they become one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from models.calibration import Tail
from models.detectors import DETECTORS, IsolationForest, Neighbours, OneClassSVM
from models.views import ALL, VIEWS, columns_of

Fusion = Literal["mean", "max"]
FUSIONS: tuple[Fusion, ...] = ("mean", "max")
"""The weighted mean of the members' calibrated scores, or the largest of them; either is calibrated once more."""


@dataclass(frozen=True, slots=True)
class MemberName:
    """A detector and the view it has: `neighbours@steps`; the view `all` is not written."""

    detector: str
    view: str = ALL

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for a detector or a view that there is not."""
        detector, _, view = text.strip().partition("@")
        view = view or ALL
        if detector not in DETECTORS:
            raise ValueError(f"no detector {detector!r}; there are {', '.join(DETECTORS)}")
        if view != ALL and view not in VIEWS:
            raise ValueError(f"no view {view!r}; there are {', '.join((ALL, *VIEWS))}")
        return cls(detector, view)

    def __str__(self) -> str:
        return self.detector if self.view == ALL else f"{self.detector}@{self.view}"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Members, how their calibrated scores become one, and how the tail beyond what was seen is read.

    `trimmed`: training data is freed of what is plainly anomalous first. Members that ask for many near rows, and
    calibrate on the body of the scores alone, need no such help, and would miss the rare but normal.
    """

    members: tuple[MemberName, ...]
    fusion: Fusion = "mean"
    tail: Tail = "pareto"
    trimmed: bool = True

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """One that somebody put together: the mean of its members. Raises ValueError."""
        members = tuple(MemberName.parse(name) for name in names)
        if not members:
            raise ValueError(f"no detector given; there are {', '.join(DETECTORS)}")
        return cls(members)


LEVELS = Ensemble((MemberName(IsolationForest.kind), MemberName(OneClassSVM.kind)))
"""Two that see all features and err in different places: for profiles whose windows carry their own past."""

STEPS_AND_ROLLING = Ensemble(
    (MemberName(Neighbours.kind, "rolling"), MemberName(Neighbours.kind, "steps")), "max", "exponential", trimmed=False
)
"""What is unlike all that was seen, in how it has moved in the last samples or in the last steps."""


def default_for(names: Sequence[str]) -> Ensemble:
    """The ensemble for vectors with these feature names: by views where there are rolling features."""
    return STEPS_AND_ROLLING if all(len(columns_of(view, names)) for view in VIEWS) else LEVELS
