"""How metrics are distributed, normalised, for normal and for anomalous rows."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from models.evaluation.pictures.metrics import Metrics, left_out
from models.evaluation.pictures.style import NORMAL, TRUTH, canvas, labels, nothing, percent, plain, plural
from models.evaluation.points import Sweep

Values = NDArray[np.float64]

_MOST, _ACROSS = 12, 4
_REACH = 4.0
"""Interquartile ranges to either side; what lies beyond is counted in the outermost bars."""
_FAR = 3.0
"""Interquartile ranges from the median from which on a value is far out (Tukey)."""


def draw_spreads(metrics: Metrics) -> Figure:
    """Histograms of the metrics that tell anomalies best, or, without labels, that have most values far out."""
    columns = metrics.varying
    if not len(columns):
        return nothing("No metric varies", f"{plural(len(metrics.names), 'metric')}, {plural(len(metrics), 'row')}.")
    judged = bool(metrics.label.any() and not metrics.label.all())
    worth = np.array([_telling(metrics, j) if judged else _far_out(metrics.scaled[:, j]) for j in columns.tolist()])
    worth_of = dict(zip(columns.tolist(), worth.tolist(), strict=True))
    best = metrics.unlike(columns[np.argsort(-worth, kind="stable")], _MOST)
    down = math.ceil(len(best) / _ACROSS)
    across = min(len(best), _ACROSS)
    titles = labels([metrics.names[j] for j in best.tolist()], 24)
    note = "interquartile ranges from the entity's median, beyond ±4 in the outermost bars"
    note += "; AUC: how often an anomalous row lies farther out" if judged else ""
    if len(columns) > len(best):
        note += f"; {len(columns) - len(best)} more not shown, some as they move as one with these"
    size = (max(11.0, 3.2 * across), 1.4 + 2.0 * down)
    figure = canvas(_finding(titles[0], worth_of[int(best[0])], judged), note + left_out(metrics), size)
    panels = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
    for axes, j, name in zip(panels, best.tolist(), titles, strict=False):
        _panel(axes, metrics, j)
        said = f"AUC {worth_of[j]:.2f}" if judged else f"{percent(worth_of[j])} far out"
        axes.set_title(f"{name} · {said}", fontsize=9, loc="left")
    for axes in panels[len(best) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(best) - across) : len(best)]:
        axes.tick_params(labelbottom=True)
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def _panel(axes: Axes, metrics: Metrics, j: int) -> None:
    bins = np.linspace(-_REACH, _REACH, 33).tolist()
    usual = "normal rows" if metrics.labelled else "rows"
    for mask, colour, name in ((~metrics.label, NORMAL, usual), (metrics.label, TRUTH, "anomalous rows")):
        values = metrics.scaled[mask, j]
        values = np.clip(values[np.isfinite(values)], -_REACH, _REACH)
        if not len(values):
            continue
        share = np.full(len(values), 1.0 / len(values))
        axes.hist(values, bins, weights=share, color=colour, alpha=0.4, label=name)
        axes.hist(values, bins, weights=share, color=colour, lw=1.2, histtype="step")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.tick_params(labelsize=8)
    plain(axes)


def _telling(metrics: Metrics, j: int) -> float:
    """How often an anomalous row lies farther out than a normal one."""
    known = np.isfinite(metrics.scaled[:, j])
    sweep = Sweep.of(np.abs(metrics.scaled[known, j]), metrics.label[known])
    return sweep.roc_auc() if sweep.judgeable else 0.0


def _far_out(scaled: Values) -> float:
    known = scaled[np.isfinite(scaled)]
    return float(np.mean(np.abs(known) > _FAR)) if len(known) else 0.0


def _finding(name: str, worth: float, judged: bool) -> str:
    if not judged and worth == 0.0:
        return "No metric has values far out"
    if not judged:
        return f"{name} has most values far out ({percent(worth)})"
    return f"Alone, {name} sets anomalous rows apart best (AUC {worth:.2f})"
