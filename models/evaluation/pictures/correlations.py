"""Which metrics move together."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from models.evaluation.pictures.metrics import CLOSE, Metrics, left_out
from models.evaluation.pictures.style import canvas, labels, nothing, plural

Values = NDArray[np.float64]

_MOST = 40
_WEAK = 0.3
_WRITTEN = 12
"""Up to so many metrics, numbers fit into the fields."""


def draw_correlations(metrics: Metrics) -> Figure:
    """Rank correlation of every pair, alike metrics side by side; of too many those that others follow most."""
    columns = metrics.varying
    if len(columns) < 2 or len(metrics) < 3:
        return nothing(
            "Nothing to correlate", f"{plural(len(columns), 'metric')} that vary, {plural(len(metrics), 'row')}."
        )
    correlation = metrics.correlation[np.ix_(columns, columns)]
    pairs = np.abs(correlation[np.triu_indices(len(columns), 1)])
    names = [metrics.names[i] for i in columns.tolist()]
    finding = _finding(correlation, labels(names))
    if len(columns) > _MOST:
        keep = np.sort(np.argsort(-np.abs(correlation).sum(axis=1), kind="stable")[:_MOST])
        correlation, names = correlation[np.ix_(keep, keep)], [names[i] for i in keep.tolist()]
    order = _side_by_side(correlation)
    correlation, names = correlation[np.ix_(order, order)], labels([names[i] for i in order.tolist()])
    close = int(np.sum(pairs >= CLOSE))
    note = f"rank correlation within entities; {close:,} of {len(pairs):,} pairs at {CLOSE} or more"
    note += f"; {len(columns) - len(names)} more metrics not shown" if len(columns) > len(names) else ""
    side = 3.2 + 0.22 * max(len(names), 10)
    figure = canvas(finding, note + left_out(metrics), (max(8.0, side + 1.4), side + 0.6))
    axes = figure.subplots()
    image = axes.imshow(correlation, cmap="PuOr_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(names) <= _WRITTEN:
        for (i, j), value in np.ndenumerate(correlation):
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(j, i, f"{round(value, 2) + 0.0:.2f}", ha="center", va="center", fontsize=8, color=colour)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, label="−1 opposite … 1 together")
    bar.outline.set_visible(False)
    return figure


def _side_by_side(correlation: Values) -> NDArray[np.intp]:
    """An order in which metrics that move together are neighbours."""
    if len(correlation) < 3:
        return np.arange(len(correlation))
    distance = squareform(1.0 - np.abs(correlation), checks=False)
    order: NDArray[np.intp] = leaves_list(linkage(distance, "average", optimal_ordering=True)).astype(np.intp)
    return order


def _finding(correlation: Values, names: list[str]) -> str:
    upper = np.triu(np.abs(correlation), 1)
    i, j = np.unravel_index(int(np.argmax(upper)), upper.shape)
    strongest = float(correlation[i, j])
    if abs(strongest) < _WEAK:
        return "No two metrics move together"
    pair = f"{names[i]} and {names[j]}"
    how = "together" if strongest > 0 else "against each other"
    return f"{pair} move {how} most ({strongest:.2f})"
