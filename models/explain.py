"""From weights per feature to the three metrics that made a score, each with what was expected of it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.naming import Naming
from models.scored import TOP, Reasons

Values = NDArray[np.float64]


def top_reasons(naming: Naming, weights: Values, scaled: Values, values: Values) -> Reasons:
    """Reasons of n rows; everything is (n, k) over all features of the vector.

    `weights` ≥ 0 is how much each feature raised the score; `scaled` its deviation in usual spreads (NaN: missing or
    not judged), which gives the direction. Where no weight is above 0 the squared deviations take their place. The
    expected range is left for the caller to fill in.
    """
    n = len(values)
    reasons = Reasons.empty(n)
    _fill(
        naming.group,
        naming.level,
        naming.groups,
        np.ascontiguousarray(weights),
        scaled,
        values,
        reasons.metric,
        reasons.feature,
        reasons.share,
        reasons.up,
        reasons.actual,
    )
    return reasons


@njit(cache=True)
def _fill(
    group: NDArray[np.int32],
    level: NDArray[np.bool_],
    groups: int,
    weights: Values,
    scaled: Values,
    values: Values,
    metric_out: NDArray[np.int32],
    feature_out: NDArray[np.int32],
    share_out: Values,
    up_out: NDArray[np.bool_],
    actual_out: Values,
) -> None:
    n, d = weights.shape
    total = np.empty(groups)
    feature = np.empty(groups, np.int32)
    metric = np.empty(groups, np.int32)
    weight = np.empty(d)
    for i in range(n):
        whole = _weigh(weights[i], scaled[i], group, weight)
        if whole <= 0.0:
            continue
        total[:] = 0.0
        feature[:] = -1
        metric[:] = -1
        for j in range(d):
            g = group[j]
            if g < 0:
                continue
            total[g] += weight[j]
            if feature[g] < 0 or weight[j] > weight[feature[g]]:
                feature[g] = j
            if level[j] and not math.isnan(values[i, j]) and (metric[g] < 0 or weight[j] > weight[metric[g]]):
                metric[g] = j
        for place in range(min(TOP, groups)):
            best = 0
            for g in range(1, groups):
                if total[g] > total[best]:
                    best = g
            if total[best] <= 0.0:
                break
            f = feature[best]
            m = metric[best] if metric[best] >= 0 else f
            metric_out[i, place], feature_out[i, place] = m, f
            share_out[i, place] = total[best] / whole
            up_out[i, place] = scaled[i, f] > 0.0
            actual_out[i, place] = values[i, m]
            total[best] = -1.0


@njit(cache=True)
def _weigh(weights: Values, scaled: Values, group: NDArray[np.int32], out: Values) -> float:
    """The row's weights, or its squared deviations where all weights are 0; returns their sum."""
    whole = 0.0
    for j in range(len(out)):
        out[j] = weights[j] if group[j] >= 0 else 0.0
        whole += out[j]
    if whole > 0.0:
        return whole
    for j in range(len(out)):
        z = scaled[j]
        out[j] = z * z if group[j] >= 0 and not math.isnan(z) else 0.0
        whole += out[j]
    return whole
