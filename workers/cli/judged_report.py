"""What `faultline evaluate` says: counts, figures over all entities and for each, and which requirements are met."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from models.evaluation.consensus import votes
from models.evaluation.figures import FIGURES, Counts, figures
from models.evaluation.streams import Stream
from workers.cli.failures import WrongUse
from workers.cli.judged import Judged
from workers.cli.output import print_json, print_table

_BY_ENTITY = {
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
    "fpr": "fpr",
    "roc_auc": "roc auc",
    "average_precision": "avg prec",
    "vus_pr": "vus-pr",
    "event_f1": "event f1",
    "false_alarms_per_day": "false a day",
    "delay_minutes": "delay min",
}
"""The figures that the table of entities has; the JSON has all of them."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A figure and the bound it has to keep."""

    name: str
    bound: float

    def met(self, values: Mapping[str, float]) -> bool:
        return FIGURES[self.name].met(values[self.name], self.bound)

    def __str__(self) -> str:
        return f"{FIGURES[self.name].sign} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Report:
    """`counts` and `scores` describe all rows; `values` are the pooled figures, none without labels; `entities` has
    counts and figures of each; `members` what several models say; `wanted` what is required.
    """

    counts: Mapping[str, int]
    scores: Mapping[str, float]
    values: Mapping[str, float]
    entities: Mapping[str, Mapping[str, float]]
    members: Mapping[str, object]
    wanted: Sequence[Requirement]

    @classmethod
    def of(cls, judged: Judged, agree: int, with_nab: bool, wanted: Sequence[Requirement]) -> Report:
        """Raises `WrongUse` where something is required that cannot be said of these rows."""
        streams, labelled = judged.streams(), judged.labelled
        asked = [f"--require {one.name}" for one in wanted] + ["--nab"] * with_nab
        if asked and not labelled:
            raise WrongUse(f"{asked[0]}: no row of DATA has a label to judge by")
        values = figures(streams, with_nab) if labelled else {}
        for one in wanted:
            if one.name not in values:
                raise WrongUse(f"--require {one.name}: SCORES names no incidents")
        entities = {stream.entity: _entity(stream, with_nab) for stream in streams} if labelled else {}
        counts = _counts(streams, judged)
        return cls(counts, _scores(judged), values, entities, _members(judged, agree), wanted)

    def missed(self) -> list[str]:
        """A few words for each requirement that is not met."""
        return [
            f"{one.name} is {_shown(one.name, self.values[one.name])}, required {one}"
            for one in self.wanted
            if not one.met(self.values)
        ]

    def show(self, as_json: bool) -> None:
        if as_json:
            print_json(self._document())
            return
        print_table(("what", "count"), self.counts.items(), title="Judged")
        if self.members:
            self._show_members()
        if not self.values:
            print_table(
                ("score", "value"), [(name, f"{value:.3f}") for name, value in self.scores.items()], title="Scores"
            )
            return
        marks = {one.name: f"{'✓' if one.met(self.values) else '✗'} {one}" for one in self.wanted}
        rows = [(name, _shown(name, value), marks.get(name), FIGURES[name].says) for name, value in self.values.items()]
        print_table(("figure", "value", "required", "what it is"), rows, title="All entities")
        if len(self.entities) > 1:
            self._show_entities()

    def _show_members(self) -> None:
        flagged = self.members["flagged"]
        assert isinstance(flagged, Mapping)
        print_table(("model", "rows flagged"), flagged.items(), title="Models")
        rows = [(f"at least {n}", count) for n, count in self._votes().items()]
        print_table(("models that flag", "rows"), rows, title=f"{self.members['agree']} must agree")

    def _votes(self) -> Mapping[str, int]:
        found = self.members["flagged_by_at_least"]
        assert isinstance(found, Mapping)
        return found

    def _show_entities(self) -> None:
        rows = [
            (
                name,
                int(values["rows"]),
                f"{int(values['events_found'])} of {int(values['events'])}",
                *(_shown(figure, values[figure], unit=False) for figure in _BY_ENTITY),
            )
            for name, values in self.entities.items()
        ]
        print_table(("entity", "rows", "events found", *_BY_ENTITY.values()), rows, title="Each entity")

    def _document(self) -> dict[str, object]:
        return {
            **self.counts,
            **_plain(self.scores),
            **_plain(self.values),
            "met": {one.name: one.met(self.values) for one in self.wanted},
            **({"models": self.members} if self.members else {}),
            "entities": [{"entity": name, **_plain(values)} for name, values in self.entities.items()],
        }


def _counts(streams: Sequence[Stream], judged: Judged) -> dict[str, int]:
    whole = Counts.of(streams)
    counts = {"rows": whole.rows, "unscored": int(judged.rows["unscored"].sum())}
    if not judged.labelled:
        return counts | {"flagged": int(judged.rows["is_anomaly"].sum())}
    events = whole.events
    found = {"events": events.events, "events_found": events.found, "false_alarms": events.false_alarms}
    return counts | asdict(whole.confusion) | found


def _entity(stream: Stream, with_nab: bool) -> dict[str, float]:
    whole = Counts.of([stream])
    counts = {
        "rows": whole.rows,
        **asdict(whole.confusion),
        "events": whole.events.events,
        "events_found": whole.events.found,
        "false_alarms": whole.events.false_alarms,
    }
    return counts | figures([stream], with_nab)


def _scores(judged: Judged) -> dict[str, float]:
    score = judged.rows["anomaly_score"].to_numpy(np.float64)
    return {
        "flagged_share": float(judged.rows["is_anomaly"].mean()),
        "score_median": float(np.median(score)),
        "score_p99": float(np.quantile(score, 0.99)),
        "score_max": float(score.max()),
    }


def _members(judged: Judged, agree: int) -> dict[str, object]:
    """How often each of several models flagged, and how many rows at least 1, 2, … of them."""
    if not judged.members:
        return {}
    flags = judged.rows[[f"flag {name}" for name in judged.members]].to_numpy(np.bool_)
    return {
        "agree": agree,
        "flagged": dict(zip(judged.members, flags.sum(axis=0).tolist(), strict=True)),
        "flagged_by_at_least": {str(n): int(count) for n, count in enumerate(votes(flags), 1)},
    }


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    """What is not a number becomes null."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _shown(name: str, value: float, unit: bool = True) -> str:
    if math.isnan(value):
        return "not defined" if unit else "–"
    if FIGURES[name].group == "nab":
        return f"{value:.1f}"
    if name == "delay_minutes":
        return f"{value:.0f} min" if unit else f"{value:.0f}"
    return f"{value:.4f}" if unit else f"{value:.3f}"
