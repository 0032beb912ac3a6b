"""How good scores are against labels, row by row. Labels are read here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of rows: flagged or not, anomalous or not."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def of(cls, flagged: NDArray[np.bool_], label: NDArray[np.bool_]) -> Confusion:
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
            "precision": _ratio(tp, tp + fp),
            "recall": _ratio(tp, tp + fn),
            "specificity": _ratio(tn, tn + fp),
            "f1": _ratio(2 * tp, 2 * tp + fp + fn),
            "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
            "fpr": _ratio(fp, fp + tn),
            "fnr": _ratio(fn, tp + fn),
        }


def average_precision(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Area under the precision-recall steps: the mean over anomalous rows of the precision at their score.

    Rows of one score are one step. NaN without an anomalous row.
    """
    if not label.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(label[order])
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of each run of equal scores
    found = hits[last]
    precision = found / (last + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / hits[-1])


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
