"""Which metrics alarms come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from models.evaluation.pictures.style import (
    NORMAL,
    TRUTH,
    canvas,
    labels,
    nothing,
    percent,
    plain,
    shortened,
)

_MOST = 20


@dataclass(frozen=True, slots=True)
class Blame:
    """What m metrics contributed to flagged rows, as shares of `flagged` rows: (m,) rightly and wrongly flagged."""

    metrics: tuple[str, ...]
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    flagged: int


def draw_importance(blame: Blame, labelled: bool) -> Figure:
    """One bar per metric, the largest first: its part in what was flagged, divided by whether that was right."""
    if not blame.metrics:
        return nothing("No metric is to blame", "Nothing was flagged, or the scores name no contributions.")
    whole = blame.right + blame.wrong
    order = np.argsort(-whole, kind="stable")[:_MOST]
    rest = float(1.0 - whole[order].sum())
    shown = ", ".join(f"{shortened(blame.metrics[i])} {percent(float(whole[i]))}" for i in order[:2].tolist())
    note = f"mean share of each metric in the scores of {blame.flagged:,} flagged rows"
    note += f"; {percent(rest)} is spread over others than each row's first three" if rest >= 0.005 else ""
    figure = canvas(f"What raises alarms: {shown}", note, (8.0, 1.6 + 0.3 * max(4, len(order))))
    axes = figure.subplots()
    place = np.arange(len(order))
    axes.barh(place, blame.right[order], color=NORMAL, label="rightly flagged" if labelled else "flagged")
    if labelled and blame.wrong.any():
        axes.barh(place, blame.wrong[order], left=blame.right[order], color=TRUTH, label="false positive")
    if labelled:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, borderaxespad=0.1)
    axes.set_yticks(place, labels([blame.metrics[i] for i in order.tolist()]))
    axes.set(xlabel="share of the score", ylim=(len(order) - 0.4, -0.6))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if whole.max() > 0.05 else 1))
    plain(axes)
    return figure
