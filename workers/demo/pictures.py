"""Two pictures of a demo: every service's day with what was true and what was found, and how scores are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from workers.demo.judging import Episode, Incident
from workers.demo.watching import Score

_DAY = 86_400_000_000  # microseconds
_TRUTH, _FOUND, _SCORE = "#d95f02", "#7570b3", "#1b9e77"


def draw_timeline(
    path: Path, scores: Sequence[Score], episodes: Sequence[Episode], incidents: Sequence[Incident]
) -> None:
    """One row per entity: scores over time, true episodes as bands from below, incidents as bands from above."""
    entities = sorted({score.entity for score in scores} | {episode.entity for episode in episodes})
    figure = Figure(figsize=(13, 1.6 * max(1, len(entities)) + 1), layout="constrained")
    rows = figure.subplots(len(entities), 1, sharex=True, squeeze=False)[:, 0]
    for axes, entity in zip(rows, entities, strict=True):
        _draw_entity(axes, entity, scores, episodes, incidents)
    legend = [Patch(color=_TRUTH, alpha=0.5, label="true anomaly"), Patch(color=_FOUND, alpha=0.5, label="incident")]
    figure.legend(handles=legend, loc="outside upper right", ncols=2)
    figure.suptitle("Anomaly score per service; boundary 1", x=0.01, ha="left")
    figure.savefig(path, dpi=110)


def _draw_entity(
    axes: Axes, entity: str, scores: Sequence[Score], episodes: Sequence[Episode], incidents: Sequence[Incident]
) -> None:
    mine = sorted((score.time, score.value) for score in scores if score.entity == entity)
    axes.xaxis_date(tz=UTC)
    axes.plot([_at(time) for time, _ in mine], [value for _, value in mine], color=_SCORE, linewidth=0.9)
    axes.axhline(1, color="grey", linewidth=0.7, linestyle="--")
    for episode in episodes:
        if episode.entity == entity:
            axes.axvspan(_at(episode.start), _at(episode.end), ymax=0.5, color=_TRUTH, alpha=0.4, linewidth=0)
            axes.annotate(episode.kind.replace("_", " "), (_at(episode.start), 0), fontsize=7, color=_TRUTH)
    for incident in incidents:
        if incident.entity == entity:
            end = incident.resolved_at or incident.last_anomalous_at
            axes.axvspan(_at(incident.opened_at), _at(end), ymin=0.5, color=_FOUND, alpha=0.4, linewidth=0)
    axes.set_ylabel(entity, rotation=0, ha="right", va="center")
    axes.set_ylim(0, 10)


def draw_scores(path: Path, scores: Sequence[Score], episodes: Sequence[Episode]) -> None:
    """Histogram of scores inside and outside of true episodes, counts on a logarithmic scale."""
    inside = np.array([_inside(score, episodes) for score in scores], np.bool_)
    values = np.array([score.value for score in scores])
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, 10, 81).tolist()
    axes.hist(values[~inside], bins, color=_SCORE, alpha=0.7, label="normal windows")
    axes.hist(values[inside], bins, color=_TRUTH, alpha=0.7, label="windows in true anomalies")
    axes.axvline(1, color="grey", linestyle="--", label="boundary")
    axes.set(yscale="log", xlabel="anomaly score", ylabel="windows", title="Scores of the replayed day")
    axes.legend()
    figure.savefig(path, dpi=110)


def _inside(score: Score, episodes: Sequence[Episode]) -> bool:
    return any(e.entity == score.entity and e.start < score.time <= e.end for e in episodes)


def _at(time: int) -> float:
    """A time as a date axis counts it: days since 1970."""
    return time / _DAY
