"""How scores are spread, for normal and for anomalous rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from models.evaluation.pictures.style import MUTED, NORMAL, TRUTH, canvas, legend_in, percent, plain
from models.evaluation.streams import Rows, Stream

_BINS = 60
"""About so many."""


def draw_distribution(streams: Sequence[Stream], labelled: bool) -> Figure:
    """Counts of rows by score, logarithmic, with the boundary at 1."""
    rows = Rows.of(streams)
    figure = canvas(_finding(rows, labelled), "rows are counted on a logarithmic scale", (8.0, 4.8))
    axes = figure.subplots()
    most = max(1.5, float(rows.score.max()) * 1.02)
    width = 1.0 / round(_BINS / most)  # the boundary is an edge: no bar holds rows of both sides
    bins = (width * np.arange(math.ceil(most / width) + 1)).tolist()
    name = "normal rows" if labelled else "rows"
    for mask, colour, label in ((~rows.label, NORMAL, name), (rows.label, TRUTH, "anomalous rows")):
        if mask.any():
            values = rows.score[mask]
            axes.hist(values, bins, color=colour, alpha=0.4, label=f"{label} ({len(values):,})")
            axes.hist(values, bins, color=colour, lw=1.6, histtype="step")
    axes.axvline(1.0, color=MUTED, lw=1.2, ls="--", label="boundary")
    axes.set(yscale="log", xlabel="anomaly score", ylabel="rows", xlim=(0, bins[-1]))
    axes.set_ylim(0.8, max(10.0, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    legend_in(axes, "upper right")
    plain(axes)
    return figure


def _finding(rows: Rows, labelled: bool) -> str:
    beyond = rows.score >= 1.0
    if not labelled:
        return f"{percent(float(beyond.mean()))} of {len(rows):,} rows score 1 or more"
    normal = percent(float(beyond[~rows.label].mean())) if (~rows.label).any() else ""
    if not rows.label.any():
        return f"{normal} of the normal rows score 1 or more; none is anomalous"
    anomalous = percent(float(beyond[rows.label].mean()))
    if not normal:
        return f"{anomalous} of the rows, all of them anomalous, score 1 or more"
    return f"{anomalous} of the anomalous rows score 1 or more, {normal} of the normal ones"
