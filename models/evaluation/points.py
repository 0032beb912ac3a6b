"""How good scores are row by row: at the boundary, and at every threshold there could be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of rows: flagged or not, anomalous or not."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def of(cls, flagged: NDArray[np.bool_], label: NDArray[np.bool_]) -> Self:
        return cls(
            int(np.count_nonzero(flagged & label)),
            int(np.count_nonzero(flagged & ~label)),
            int(np.count_nonzero(~flagged & label)),
            int(np.count_nonzero(~flagged & ~label)),
        )

    def figures(self) -> Mapping[str, float]:
        """Precision, recall and the rest; NaN where the divisor is 0."""
        tp, fp, fn, tn = self.true_positive, self.false_positive, self.false_negative, self.true_negative
        return {
            "precision": ratio(tp, tp + fp),
            "recall": ratio(tp, tp + fn),
            "specificity": ratio(tn, tn + fp),
            "f1": ratio(2 * tp, 2 * tp + fp + fn),
            "accuracy": ratio(tp + tn, tp + fp + fn + tn),
            "fpr": ratio(fp, fp + tn),
            "fnr": ratio(fn, tp + fn),
        }


@dataclass(frozen=True, slots=True)
class Sweep:
    """What each threshold would give: the m distinct scores, descending; rows of at least that score are flagged.

    `found` (m,) counts the anomalous among the `flagged` (m,) rows; there are `anomalous` of them in all `rows`.
    """

    threshold: Values
    found: NDArray[np.int64]
    flagged: NDArray[np.int64]
    anomalous: int
    rows: int

    @classmethod
    def of(cls, score: Values, label: NDArray[np.bool_]) -> Self:
        order = np.argsort(-score, kind="stable")
        ranked, hits = score[order], np.cumsum(label[order], dtype=np.int64)
        ends = np.append(np.diff(ranked) != 0, True) if len(ranked) else np.empty(0, np.bool_)
        last = np.flatnonzero(ends)  # of each run of equal scores
        return cls(ranked[last], hits[last], last + 1, int(label.sum()), len(label))

    @property
    def judgeable(self) -> bool:
        """Whether there are rows of both kinds."""
        return 0 < self.anomalous < self.rows

    @property
    def precision(self) -> Values:
        return self.found / self.flagged

    @property
    def recall(self) -> Values:
        return self.found / self.anomalous

    @property
    def fpr(self) -> Values:
        """Share of the normal rows that are flagged."""
        return (self.flagged - self.found) / (self.rows - self.anomalous)

    def average_precision(self) -> float:
        """Area under the precision-recall steps: the mean over anomalous rows of the precision at their score.

        NaN without an anomalous row.
        """
        if not self.anomalous:
            return float("nan")
        return float(np.sum(np.diff(self.found, prepend=0) * self.precision) / self.anomalous)

    def roc_auc(self) -> float:
        """The chance that an anomalous row scores higher than a normal one, equal scores counting half.

        NaN unless there are both.
        """
        if not self.judgeable:
            return float("nan")
        return float(np.trapezoid(np.append(0.0, self.recall), np.append(0.0, self.fpr)))


def ratio(part: float, whole: float) -> float:
    """NaN where there is no whole."""
    return part / whole if whole else float("nan")
