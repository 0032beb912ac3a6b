"""All pictures of one evaluation, as PNG files in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from models.evaluation.pictures.confusion import draw_confusion
from models.evaluation.pictures.correlations import draw_correlations
from models.evaluation.pictures.curves import draw_precision_recall, draw_roc
from models.evaluation.pictures.distribution import draw_distribution
from models.evaluation.pictures.importance import Blame, draw_importance
from models.evaluation.pictures.metrics import Metrics
from models.evaluation.pictures.rhythm import draw_rhythm
from models.evaluation.pictures.spreads import draw_spreads
from models.evaluation.pictures.style import DPI
from models.evaluation.pictures.timeline import draw_timeline
from models.evaluation.points import Confusion
from models.evaluation.streams import Rows, Stream


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What can be drawn: judged rows, what flagged rows were blamed on, and the metrics where they are known.

    `target` is the precision that is required, if any.
    """

    streams: Sequence[Stream]
    labelled: bool
    blame: Blame
    metrics: Metrics | None = None
    target: float | None = None


def draw(exhibit: Exhibit, folder: Path) -> list[Path]:
    """Draw what the exhibit allows: five pictures of how good scores are, or two without labels, one of all entities
    over time, and three of the metrics. Returns the files written. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in _pictures(exhibit).items():
        written.append(folder / f"{name}.png")
        picture().savefig(written[-1], dpi=DPI)
    return written


def _pictures(exhibit: Exhibit) -> Mapping[str, Callable[[], Figure]]:
    streams, labelled, metrics = exhibit.streams, exhibit.labelled, exhibit.metrics
    rows = Rows.of(streams)
    found: dict[str, Callable[[], Figure]] = {}
    if labelled:
        found["confusion_matrix"] = lambda: draw_confusion(Confusion.of(rows.flagged, rows.label))
        found["roc_curve"] = lambda: draw_roc(streams)
        found["precision_recall_curve"] = lambda: draw_precision_recall(streams, exhibit.target)
    found["score_distribution"] = lambda: draw_distribution(streams, labelled)
    found["feature_importance"] = lambda: draw_importance(exhibit.blame, labelled)
    found["timeline"] = lambda: draw_timeline(streams, labelled)
    if metrics is not None:
        found["feature_correlations"] = lambda: draw_correlations(metrics)
        found["normalised_distributions"] = lambda: draw_spreads(metrics)
        found["temporal_patterns"] = lambda: draw_rhythm(metrics)
    return found
