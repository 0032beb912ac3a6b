"""Which detectors see what, and how they become one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from models.calibration import Tail
from models.detectors import (
    BY_LABELS,
    DETECTORS,
    Autoencoder,
    BoostedTrees,
    Detector,
    Extreme,
    Forecast,
    IsolationForest,
    Lstm,
    Neighbours,
    OneClassSVM,
    OwnModel,
)
from models.detectors.graphs import Graph, read_graph
from models.detectors.networks.training import check_installed
from models.logs.names import NEW
from models.naming import Naming
from models.views import ALL, DAY, LONGER, NOW, RAW, SEQUENCES, SHORTEST, VIEWS, Values, View, columns_of

Fusion = Literal["mean", "max", "led"]
FUSIONS: tuple[Fusion, ...] = ("mean", "max", "led")
"""The weighted mean of the members' calibrated scores, the largest of them, or the largest with the first one leading:
no more than twice what that says. Each is calibrated once more."""

OWN_VIEWS: Mapping[str, str] = {
    Lstm.kind: SEQUENCES,
    Forecast.kind: SEQUENCES,
    OwnModel.kind: RAW,
    BoostedTrees.kind: ALL,
}
"""Detectors that make sense in one view alone."""

NETWORKS = frozenset({Autoencoder.kind, Lstm.kind})

FROM_FILE = f"{OwnModel.kind}:"


@dataclass(frozen=True, slots=True)
class MemberName:
    """A detector and the view it has: `neighbours@steps`; the view that a detector has anyway is not written.

    `graph` is the model of somebody's own that becomes the detector `onnx`: a bundle has it among its files.
    """

    detector: str
    view: str = ALL
    graph: Graph | None = field(default=None, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for a detector or a view that there is not."""
        detector, _, view = text.strip().partition("@")
        if detector not in DETECTORS and detector not in BY_LABELS:
            raise ValueError(f"no detector {detector!r}; there are {', '.join((*DETECTORS, *BY_LABELS))}")
        own = OWN_VIEWS.get(detector)
        if own is not None and view not in ("", own):
            raise ValueError(f"{detector} has a view of its own, not {view!r}")
        view = view or own or ALL
        if view not in (ALL, own) and view not in VIEWS:
            raise ValueError(f"no view {view!r}; there are {', '.join((ALL, *VIEWS))}")
        return cls(detector, view)

    @classmethod
    def asked_for(cls, text: str) -> Self:
        """What somebody wrote: as `parse`, or `onnx:` and the path of a model, which is read.

        Raises ValueError; also where what trains a network is not installed, which is better known before the data.
        """
        if text.strip().startswith(FROM_FILE):
            return cls(OwnModel.kind, RAW, read_graph(text.strip().removeprefix(FROM_FILE)))
        name = cls.parse(text)
        if name.detector == OwnModel.kind:
            raise ValueError(f"{OwnModel.kind} is a model of your own, with its path: {FROM_FILE}PATH")
        if name.detector in NETWORKS:
            check_installed()
        return name

    def fit(self, naming: Naming, used: Values, scaled: Values, seed: int) -> tuple[View, Detector]:
        """The view and the detector of n training rows (n, d), as they came and as the time of day scales them.

        Raises ValueError.
        """
        view = View.fit(self.view, naming, used, self.graph.features if self.graph is not None else ())
        seen = view.of(used, scaled)
        if self.graph is not None:
            return view, OwnModel.around(self.graph, seen)
        return view, DETECTORS[self.detector].fit(seen, seed)

    @property
    def by_labels(self) -> bool:
        """Whether it learns from labels."""
        return self.detector in BY_LABELS

    def __str__(self) -> str:
        return self.detector if self.view == OWN_VIEWS.get(self.detector, ALL) else f"{self.detector}@{self.view}"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Members, how their calibrated scores become one, and how the tail beyond what was seen is read.

    `ranking`: members more that have a part only in where rows rank that are no alarm (`models.ranking`).

    `trimmed`: training data is freed of what is plainly anomalous first, as the view `cleaned_by` shows it. Members
    that ask for many near rows, and calibrate on the body of the scores alone, need no such help, and would miss the
    rare but normal; but in a service's windows many anomalies leave no body. `cleaned_again`: what the first member
    finds in days that it has not learned from is left out as well (`models.train`).
    """

    members: tuple[MemberName, ...]
    fusion: Fusion = "mean"
    tail: Tail = "pareto"
    trimmed: bool = True
    ranking: tuple[MemberName, ...] = ()
    cleaned_by: str = ALL
    cleaned_again: bool = False

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """One that somebody put together: the mean of its members. Raises ValueError."""
        members = tuple(MemberName.asked_for(name) for name in names)
        if not members:
            raise ValueError(f"no detector given; there are {', '.join((*DETECTORS, *BY_LABELS))}")
        return cls(members)

    @property
    def has_graphs(self) -> bool:
        """Whether a member is scored by ONNX Runtime."""
        return any(member.detector in (*NETWORKS, OwnModel.kind) for member in (*self.members, *self.ranking))

    @property
    def needs_labels(self) -> bool:
        """Whether any member learns from labels."""
        return any(member.by_labels for member in self.members)

    def with_labels(self) -> Self:
        """With a member more that learns from labels."""
        return replace(self, members=(*self.members, MemberName(BoostedTrees.kind)))

    def without_labels(self) -> Self:
        """Without the members that learn from labels; perhaps without any."""
        return replace(self, members=tuple(member for member in self.members if not member.by_labels))


LEVELS = Ensemble((MemberName(IsolationForest.kind), MemberName(OneClassSVM.kind)))
"""Two that see all features and err in different places: for vectors of which no more is known."""

TWO_WINDOWS = Ensemble(
    (MemberName(Neighbours.kind, SHORTEST), MemberName(Neighbours.kind, LONGER)),
    "led",
    "exponential",
    cleaned_by=SHORTEST,
)
"""What is unlike all that was seen, in a service's shortest window. The longer one tells noise from what stays, but it
also remembers what is over: so it may say twice as much as the shortest, and nothing without it."""

THREE_VIEWS = Ensemble(
    (MemberName(Neighbours.kind, "rolling"), MemberName(Neighbours.kind, "steps")),
    "max",
    "exponential",
    trimmed=False,
    ranking=(MemberName(Neighbours.kind, DAY),),
)
"""What is unlike all that was seen, in how it has moved in the last samples or in the last steps. That it is unlike its
hour is no alarm, since levels drift and change for good; it says where rows rank."""


NOW_LEADS = Ensemble(
    (MemberName(Neighbours.kind, NOW), *THREE_VIEWS.members),
    "led",
    "exponential",
    ranking=THREE_VIEWS.ranking,
    cleaned_by=NOW,
    cleaned_again=True,
)
"""What is away from where it just was and from what the hour brings leads: where anomalies come many times a day, it
matters when each is over, and steps back to normal are none. Where they are rare it sees too little of the others."""


MESSAGES = Ensemble(
    (MemberName(Extreme.kind, SHORTEST), MemberName(Extreme.kind, LONGER)),
    "led",
    "exponential",
    cleaned_by=SHORTEST,
)
"""How far the number of any kind of message is from what the hour brings, the shortest window leading as with
services. Kinds that never came in training count as well, so no detector serves that learns only where training moved;
and one kind alone is enough, so the largest deviation counts (docs/detection.md)."""


def where_anomalies_are_many(ensemble: Ensemble) -> Ensemble | None:
    """The ensemble that takes the place of this one where training data has a second population."""
    return NOW_LEADS if ensemble == THREE_VIEWS else None


def default_for(names: Sequence[str]) -> Ensemble:
    """The ensemble for vectors of which these features are learned from: by views, where it has their features."""
    if any(name.startswith(f"{NEW}__") for name in names) and len(columns_of(LONGER, names)):
        return MESSAGES
    for ensemble in (THREE_VIEWS, TWO_WINDOWS):
        if all(len(columns_of(member.view, names)) for member in (*ensemble.members, *ensemble.ranking)):
            return ensemble
    return LEVELS
