"""How metrics move over time, and over the hours of a day."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from models.evaluation.pictures.metrics import Metrics, left_out
from models.evaluation.pictures.style import (
    ALARM,
    MUTED,
    NORMAL,
    TRUTH,
    canvas,
    dated,
    labels,
    nothing,
    percent,
    plain,
    plural,
)
from models.evaluation.streams import DAY, spans

Values = NDArray[np.float64]

_MOST = 6
_POINTS = 1_200
_MANY = 10_000.0
"""Values from which on they are written as k, M, G."""
_SHORTEST = 24
"""Rows and hours without which there is no day to speak of."""


def draw_rhythm(metrics: Metrics) -> Figure:
    """Per metric one entity's values over time, and by hour of day the middle of all; strongest rhythm first."""
    columns = metrics.varying
    if not len(columns):
        return nothing("No metric varies", f"{plural(len(metrics.names), 'metric')}, {plural(len(metrics), 'row')}.")
    hours, weekend = _local(metrics)
    enough = len(metrics) >= _SHORTEST and bool(np.ptp(metrics.time) >= DAY - 2 * DAY // _SHORTEST)
    usual = ~metrics.label
    share = np.array([_explained(metrics.scaled[usual, j], hours[usual], weekend[usual]) for j in columns.tolist()])
    share_of = dict(zip(columns.tolist(), share.tolist(), strict=True))
    code = _liveliest(metrics)
    known = np.isfinite(metrics.scaled[:, columns])
    here = known[metrics.entity == code].any(axis=0)  # a metric that varies elsewhere only would be a flat line
    order = metrics.unlike(columns[np.lexsort((-share * known.mean(axis=0), ~here))], _MOST)
    note = f"values of {metrics.entities[code]}"
    note += ", shaded where anomalous" if metrics.labelled else ""
    if enough:
        note = f"left: {note}; right: middle and 80 % of all by hour ({metrics.timezone}), in interquartile ranges"
    names = labels([metrics.names[j] for j in order.tolist()], 20)
    figure = canvas(
        _finding(names[0], share_of[int(order[0])], enough),
        note + left_out(metrics),
        (12.0, 1.5 + 1.35 * len(order)),
    )
    panels = figure.subplots(len(order), 1 + enough, squeeze=False, sharex="col", width_ratios=(3, 1)[: 1 + enough])
    for row, j, name in zip(panels, order.tolist(), names, strict=True):
        _over_time(row[0], metrics, j, code)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
        if enough:
            _by_hour(row[1], metrics.scaled[usual, j], hours[usual], weekend[usual])
            row[1].set_title(f"hour of day explains {percent(share_of[j])}", fontsize=8.5, loc="left", color=MUTED)
    dated(panels[-1, 0])
    if enough:
        panels[-1, 1].set(xlim=(0, 24), xticks=(0, 6, 12, 18, 24), xlabel="hour")
        handles, words = panels[0, 1].get_legend_handles_labels()
        figure.legend(handles, words, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def _over_time(axes: Axes, metrics: Metrics, j: int, code: int) -> None:
    rows = np.flatnonzero(metrics.entity == code)
    days, values = metrics.time[rows] / DAY, metrics.values[rows, j]
    at = np.arange(len(rows)) if len(rows) <= _POINTS else _extremes(values)
    axes.plot(days[at], values[at], color=NORMAL, lw=0.7, marker="." if len(rows) < 3 else "")
    for first, last in spans(metrics.label[rows]).tolist():
        axes.axvspan(
            days[first], max(days[last], days[first] + 0.002 * float(np.ptp(days))), color=TRUTH, alpha=0.3, lw=0
        )
    axes.tick_params(labelsize=8)
    axes.margins(x=0.005)
    if np.nanmax(np.abs(values), initial=0.0) >= _MANY:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    plain(axes)


def _extremes(values: Values) -> NDArray[np.intp]:
    """Places of the lowest and the highest of each stretch, so that no spike is lost."""
    found: list[int] = []
    edges = np.linspace(0, len(values), _POINTS // 2 + 1).astype(np.intp).tolist()
    for a, b in pairwise(edges):
        part = values[a:b]
        if np.isfinite(part).any():
            found += sorted({a + int(np.nanargmin(part)), a + int(np.nanargmax(part))})
    return np.array(found, np.intp)


def _by_hour(axes: Axes, scaled: Values, hours: NDArray[np.int64], weekend: NDArray[np.bool_]) -> None:
    for mask, colour, name in ((~weekend, NORMAL, "Monday to Friday"), (weekend, ALARM, "weekend")):
        cells = [scaled[mask & (hours == hour) & np.isfinite(scaled)] for hour in range(24)]
        at = [hour for hour in range(24) if len(cells[hour])]
        if not at:
            continue
        low, middle, high = np.array([np.quantile(cells[hour], (0.1, 0.5, 0.9)) for hour in at]).T
        place = np.array(at) + 0.5
        axes.fill_between(place, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(place, middle, color=colour, lw=1.6, label=name)
    axes.tick_params(labelsize=8)
    plain(axes)


def _explained(scaled: Values, hours: NDArray[np.int64], weekend: NDArray[np.bool_]) -> float:
    """Share of the variance between hours of working days and of weekends, freed of what chance gives; 0 … 1."""
    known = np.isfinite(scaled)
    values = np.clip(scaled[known], -5.0, 5.0)  # so that few values far out do not decide
    cell = (hours + 24 * weekend)[known]
    count = np.bincount(cell, minlength=48)
    used = int((count > 0).sum())
    whole = float(np.sum((values - values.mean()) ** 2)) if len(values) else 0.0
    if len(values) <= used or whole == 0.0:
        return 0.0
    means = np.bincount(cell, values, 48) / np.maximum(count, 1)
    within = float(np.sum((values - means[cell]) ** 2))
    return max(0.0, 1.0 - (within / (len(values) - used)) / (whole / (len(values) - 1)))


def _local(metrics: Metrics) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Local hour of day, and whether it is Saturday or Sunday; the offset is looked up once an hour."""
    zone = ZoneInfo(metrics.timezone)
    full, where = np.unique(metrics.time // 3_600_000_000, return_inverse=True)
    offset = [datetime.fromtimestamp(hour * 3600, zone).utcoffset() for hour in full.tolist()]
    seconds = np.array([0.0 if one is None else one.total_seconds() for one in offset])[where]
    local = metrics.time + (seconds * 1e6).astype(np.int64)
    day = local // DAY
    return (local % DAY) // 3_600_000_000, (day + 3) % 7 >= 5  # 1970-01-01 was a Thursday


def _liveliest(metrics: Metrics) -> int:
    """The entity with the most anomalous rows, or the most rows."""
    count = np.bincount(metrics.entity, minlength=len(metrics.entities))
    marked = np.bincount(metrics.entity[metrics.label], minlength=len(metrics.entities))
    return int(np.lexsort((count, marked))[-1])


def _finding(name: str, share: float, enough: bool) -> str:
    if not enough:
        return "Less than a day: no daily rhythm to see"
    if share < 0.05:
        return "No metric follows the hour of day"
    return f"{name} follows the hour of day most: {percent(share)} of its variation"
