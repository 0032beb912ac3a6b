"""How many rows were judged rightly and wrongly."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models.evaluation.pictures.style import NORMAL, TRUTH, canvas, percent
from models.evaluation.points import Confusion

_RIGHT, _WRONG = NORMAL, TRUTH


def draw_confusion(confusion: Confusion) -> Figure:
    """Two by two fields: what was true down, what was said across; each the darker, the larger its share of its row."""
    figures = confusion.figures()
    figure = canvas(_finding(confusion), f"accuracy {percent(figures['accuracy'])}", (7.5, 5.4))
    axes = figure.subplots()
    fields = (
        (0, 0, confusion.true_negative, figures["specificity"], "rightly passed", _RIGHT),
        (1, 0, confusion.false_positive, figures["fpr"], "false positive", _WRONG),
        (0, 1, confusion.false_negative, figures["fnr"], "missed", _WRONG),
        (1, 1, confusion.true_positive, figures["recall"], "rightly flagged", _RIGHT),
    )
    for x, y, count, share, word, colour in fields:
        strength = 0.0 if math.isnan(share) else share
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, alpha=0.08 + 0.5 * strength, edgecolor="white", lw=4))
        axes.text(x + 0.5, y + 0.42, f"{count:,}", ha="center", va="center", fontsize=24)
        of_row = "" if math.isnan(share) else f" · {percent(share)} of {'anomalous' if y else 'normal'} rows"
        axes.text(x + 0.5, y + 0.68, f"{word}{of_row}", ha="center", va="center", fontsize=10)
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=(0.5, 1.5), yticks=(0.5, 1.5))
    axes.set_xticklabels(["not flagged", "flagged"], fontsize=11)
    axes.set_yticklabels(["normal", "anomalous"], fontsize=11, rotation=90, va="center")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _finding(confusion: Confusion) -> str:
    anomalous = confusion.true_positive + confusion.false_negative
    flagged = confusion.true_positive + confusion.false_positive
    if not anomalous:
        return f"No row is anomalous; {flagged:,} were flagged"
    if not flagged:
        return f"Nothing was flagged; {anomalous:,} rows are anomalous"
    figures = confusion.figures()
    right, found = percent(figures["precision"]), percent(figures["recall"])
    return f"{right} of flagged rows are right; {found} of anomalous ones are found"
