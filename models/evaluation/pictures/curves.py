"""What other thresholds would give: false against found, and right against found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from models.evaluation.pictures.style import (
    ALARM,
    MUTED,
    NORMAL,
    TRUTH,
    canvas,
    exactly,
    legend_in,
    nothing,
    percent,
    plain,
    plural,
)
from models.evaluation.points import Confusion, Sweep
from models.evaluation.streams import Rows, Stream

_MOST = 12
"""Entities that have a line of their own: more hide each other."""


def draw_roc(streams: Sequence[Stream]) -> Figure:
    """Share of anomalous rows found against share of normal rows flagged, with the boundary's own place."""
    rows = Rows.of(streams)
    sweep = Sweep.of(rows.score, rows.label)
    if not sweep.judgeable:
        return nothing("No ROC curve", _one_kind(sweep))
    figure = canvas(
        f"An anomalous row scores above a normal one {percent(sweep.roc_auc())} of the time",
        f"area under the curve (AUC) {sweep.roc_auc():.3f}{_thin(streams)}",
        (7.0, 6.0),
    )
    axes = figure.subplots()
    for one in _each(streams):
        axes.plot(np.append(0.0, one.fpr), np.append(0.0, one.recall), color=MUTED, lw=0.7, alpha=0.5)
    axes.plot(np.append(0.0, sweep.fpr), np.append(0.0, sweep.recall), color=NORMAL, lw=2.2, label="every threshold")
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=":", label="by chance")
    at = Confusion.of(rows.flagged, rows.label).figures()
    _mark(axes, at["fpr"], at["recall"], f"as flagged: {percent(at['recall'])} found, {percent(at['fpr'])} false")
    _shares(axes, "normal rows that are flagged (false-positive rate)", "anomalous rows that are found (recall)")
    legend_in(axes, "lower right")
    return figure


def draw_precision_recall(streams: Sequence[Stream], target: float | None) -> Figure:
    """Share of flagged rows that are anomalous against share found; the precision that is required as a line."""
    rows = Rows.of(streams)
    sweep = Sweep.of(rows.score, rows.label)
    if not sweep.judgeable:
        return nothing("No precision–recall curve", _one_kind(sweep))
    base = sweep.anomalous / sweep.rows
    note = (
        f"average precision {sweep.average_precision():.3f}; {percent(base)} of the rows are anomalous{_thin(streams)}"
    )
    figure = canvas(_within_target(sweep, target), note, (7.0, 6.0))
    axes = figure.subplots()
    for one in _each(streams):
        axes.step(*_steps(one), where="post", color=MUTED, lw=0.7, alpha=0.5)
    axes.step(*_steps(sweep), where="post", color=NORMAL, lw=2.2, label="every threshold")
    axes.axhline(base, color=MUTED, lw=1, ls=":", label="by chance")
    if target is not None:
        axes.axhline(target, color=TRUTH, lw=1.5, ls="--", label=f"required: {exactly(target)}")
    at = Confusion.of(rows.flagged, rows.label).figures()
    if rows.flagged.any():
        said = f"as flagged: {percent(at['precision'])} right, {percent(at['recall'])} found"
        _mark(axes, at["recall"], at["precision"], said)
    _shares(axes, "anomalous rows that are found (recall)", "flagged rows that are anomalous (precision)")
    legend_in(axes, "best")
    return figure


def _within_target(sweep: Sweep, target: float | None) -> str:
    bound = 0.5 if target is None else target
    reached = sweep.recall[sweep.precision >= bound]
    if len(reached):
        return f"Up to {percent(float(reached.max()))} can be found with {exactly(bound)} of the flagged rows right"
    return f"At no threshold are {exactly(bound)} of the flagged rows right"


def _steps(sweep: Sweep) -> tuple[np.ndarray, np.ndarray]:
    """Recall rises to each threshold's value at that threshold's precision."""
    return np.append(0.0, sweep.recall), np.append(sweep.precision, sweep.precision[-1])


def _each(streams: Sequence[Stream]) -> list[Sweep]:
    """One sweep per entity with rows of both kinds, where there are several but not too many."""
    if not 1 < len(streams) <= _MOST:
        return []
    return [one for one in (Sweep.of(stream.score, stream.label) for stream in streams) if one.judgeable]


def _thin(streams: Sequence[Stream]) -> str:
    return "; thin lines: each entity" if _each(streams) else ""


def _one_kind(sweep: Sweep) -> str:
    said = "every one" if sweep.anomalous else "none"
    return f"Of {plural(sweep.rows, 'row')} {said} is anomalous: a curve needs rows of both kinds."


def _mark(axes: Axes, x: float, y: float, text: str) -> None:
    """A dot with its words on the side where there is room."""
    axes.plot([x], [y], "o", color=ALARM, ms=9, zorder=5, clip_on=False)
    right, high = x < 0.5, y > 0.85
    axes.annotate(
        text,
        (x, y),
        xytext=(12 if right else -12, -14 if high else 10),
        textcoords="offset points",
        ha="left" if right else "right",
        color=ALARM,
        fontsize=10,
        zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )


def _shares(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), xlabel=x, ylabel=y)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    plain(axes)
