"""Every figure by name: what it says, which way is better, and its value for one entity or for many."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation import nab
from models.evaluation.events import EventCount, best_event_f1
from models.evaluation.points import Confusion, Sweep, ratio
from models.evaluation.streams import Rows, Stream
from models.evaluation.volume import vus_pr


@dataclass(frozen=True, slots=True)
class Figure:
    """`says` in a few words; `group` is what it is counted by: rows, ranking, events, nab."""

    group: str
    says: str
    lower_is_better: bool = False

    def met(self, value: float, bound: float) -> bool:
        """Whether a bound is kept; by no figure that is not a number."""
        better = operator.le if self.lower_is_better else operator.ge
        return bool(better(value, bound))

    @property
    def sign(self) -> str:
        return "≤" if self.lower_is_better else "≥"


_NAB_SAYS = {
    "nab_standard": "Numenta's benchmark (0: silent, 100: perfect)",
    "nab_low_fp": "false alarms cost twice",
    "nab_low_fn": "missed windows cost twice",
}

_NAB_WAYS = {
    "": ", each flagged row an alarm",
    "_opened": ", an alarm where an incident opened",
    "_best": ", at the threshold that suits the labels best",
}

FIGURES = {
    "precision": Figure("rows", "share of the flagged rows that are anomalous"),
    "recall": Figure("rows", "share of the anomalous rows that are flagged"),
    "specificity": Figure("rows", "share of the normal rows that are not flagged"),
    "f1": Figure("rows", "harmonic mean of precision and recall"),
    "accuracy": Figure("rows", "share of the rows that are judged rightly"),
    "fpr": Figure("rows", "share of the normal rows that are flagged", lower_is_better=True),
    "fnr": Figure("rows", "share of the anomalous rows that are not flagged", lower_is_better=True),
    "roc_auc": Figure("ranking", "chance that an anomalous row scores above a normal one"),
    "average_precision": Figure("ranking", "mean precision over all thresholds"),
    "vus_pr": Figure("ranking", "the same with soft edges around events, mean over entities"),
    "event_precision": Figure("events", "share of the alarms that are in an event"),
    "event_recall": Figure("events", "share of the events that are found"),
    "event_f1": Figure("events", "harmonic mean of the two"),
    "best_event_f1": Figure("events", "what a threshold chosen by labels would give, mean over entities"),
    "found_within_30min": Figure("events", "share of the events that are found within 30 minutes"),
    "delay_minutes": Figure("events", "median from an event's start to its alarm", lower_is_better=True),
    "false_alarms_per_day": Figure("events", "an entity has, each hour of one counted", lower_is_better=True),
    **{
        f"{name}{ending}": Figure("nab", f"{says}{how}")
        for name, says in _NAB_SAYS.items()
        for ending, how in _NAB_WAYS.items()
    },
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What the figures are made of, over one entity or many."""

    rows: int
    confusion: Confusion
    events: EventCount

    @classmethod
    def of(cls, streams: Sequence[Stream]) -> Counts:
        rows = Rows.of(streams)
        events = EventCount.sum([EventCount.of(stream) for stream in streams])
        return cls(len(rows), Confusion.of(rows.flagged, rows.label), events)


def figures(streams: Sequence[Stream], with_nab: bool = False) -> dict[str, float]:
    """All figures over at least one stream, NaN where one is not defined.

    Rows, and with them the ranking, are pooled; so are events and days. Of two figures, which need unbroken time, the
    mean over the entities is taken that have events.
    """
    counts = Counts.of(streams)
    rows = Rows.of(streams)
    sweep = Sweep.of(rows.score, rows.label)
    found = {
        **counts.confusion.figures(),
        "roc_auc": sweep.roc_auc(),
        "average_precision": sweep.average_precision(),
        "vus_pr": _mean([vus_pr(stream) for stream in streams]),
        **counts.events.figures(),
        "best_event_f1": _mean([best_event_f1(stream) for stream in streams]),
    }
    if with_nab:
        found |= _nab(streams)
    return {name: found[name] for name in FIGURES if name in found}


def _nab(streams: Sequence[Stream]) -> dict[str, float]:
    flagged = [stream.flagged for stream in streams]
    opened = [stream.opened for stream in streams if stream.opened is not None]
    found = {}
    for name, profile in nab.PROFILES.items():
        found[name] = nab.score_alarms(streams, flagged, profile)
        found[f"{name}_best"] = nab.score_best(streams, profile).score
        if len(opened) == len(streams):
            found[f"{name}_opened"] = nab.score_alarms(streams, opened, profile)
    return found


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return ratio(sum(known), len(known))
