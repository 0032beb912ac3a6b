"""Every entity over time: its score, what was true, and when it was flagged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from models.evaluation.events import EventCount
from models.evaluation.pictures.style import ALARM, MUTED, NORMAL, TRUTH, canvas, dated, labels, plural
from models.evaluation.streams import DAY, Stream, spans

_MOST = 12
_POINTS = 1_500
"""About two to a pixel: a line of more is drawn as the highest score of each stretch."""


def draw_timeline(streams: Sequence[Stream], labelled: bool) -> Figure:
    """One strip per entity, those with events or alarms first where there are too many."""
    shown = _chosen(streams)
    left = len(streams) - len(shown)
    note = "times are UTC; the score's scale is a square root" + (f"; {left} more entities not shown" if left else "")
    figure = canvas(_finding(streams, labelled), note, (12.0, 1.7 + 1.15 * len(shown)))
    rows = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, stream, name in zip(rows, shown, labels([one.entity for one in shown], 24), strict=True):
        _strip(axes, stream)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    first, last = min(one.time[0] for one in shown) / DAY, max(one.time[-1] for one in shown) / DAY
    edge = max(0.005 * (last - first), 1 / 1440)  # a minute where there is one time only
    rows[-1].set_xlim(first - edge, last + edge)
    dated(rows[-1])
    legend: list[Patch | Line2D] = [Line2D([], [], color=NORMAL, label="anomaly score")]
    if labelled:
        legend.append(Patch(color=TRUTH, alpha=0.35, label="anomalous"))
    legend.append(Patch(color=ALARM, label="flagged"))
    figure.legend(handles=legend, loc="outside upper right", ncols=3, frameon=False)
    return figure


def _strip(axes: Axes, stream: Stream) -> None:
    step = stream.step or 60_000_000.0
    days = stream.time / DAY
    axes.plot(*_thinned(days, stream.score), color=NORMAL, lw=0.8, marker="." if len(stream) < 3 else "")
    axes.axhline(1.0, color=MUTED, lw=0.8, ls="--")
    width = max(step, 0.002 * float(stream.time[-1] - stream.time[0])) / DAY  # narrower could not be seen
    for mask, colour, alpha, low, high in (
        (stream.label, TRUTH, 0.35, 0.0, 1.0),
        (stream.flagged, ALARM, 1.0, 0.93, 1.0),
    ):
        for first, last in spans(mask).tolist():
            end = max(days[last] + step / DAY, days[first] + width)
            axes.axvspan(days[first], end, ymin=low, ymax=high, color=colour, alpha=alpha, lw=0)
    top = max(3.0, float(stream.score.max()) * 1.15)
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set(ylim=(0, top), yticks=[tick for tick in (0, 1, 3, 10) if tick <= top])
    axes.spines[["top", "right"]].set_visible(False)


def _root(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(value, 0.0))


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The highest of each stretch, at its place."""
    if len(x) <= _POINTS:
        return x, y
    edges = np.linspace(0, len(x), _POINTS + 1).astype(np.intp)
    at = np.array([a + np.argmax(y[a:b]) for a, b in pairwise(edges.tolist())])
    return x[at], y[at]


def _chosen(streams: Sequence[Stream]) -> list[Stream]:
    if len(streams) <= _MOST:
        return list(streams)
    lively = sorted(streams, key=lambda one: -int(one.label.any()) - int(one.flagged.any()))
    keep = {stream.entity for stream in lively[:_MOST]}
    return [stream for stream in streams if stream.entity in keep]


def _finding(streams: Sequence[Stream], labelled: bool) -> str:
    count = EventCount.sum([EventCount.of(stream) for stream in streams])
    over = f"in {plural(sum(map(len, streams)), 'row')}"
    if count.days >= 1.5:
        over = f"in {count.days:,.0f} entity-days"
    elif count.days:
        over = f"in {count.days * 24:,.1f} entity-hours"
    if not labelled:
        flagged = sum(len(spans(stream.flagged)) for stream in streams)
        return f"{flagged:,} stretches flagged {over}"
    if not count.events:
        return f"No event to find; {plural(count.false_alarms, 'false alarm')} {over}"
    return f"{count.found} of {plural(count.events, 'event')} found, {plural(count.false_alarms, 'false alarm')} {over}"
