"""From scikit-learn's trees to the flat table of `IsolationForest`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detectors.forest import IsolationForest


def flatten(trained: Any) -> IsolationForest:
    """Lay the nodes of all trees of a fitted `sklearn.ensemble.IsolationForest` in one table, siblings adjacent.

    Raises ValueError for a forest whose trees see only some of the features (`max_features` below 1).
    """
    if trained.estimators_[0].tree_.n_features != trained.n_features_in_:
        raise ValueError("a forest with max_features below 1.0 cannot be taken over")
    tables: list[dict[str, NDArray[Any]]] = []
    roots, base = [], 0
    for number, estimator in enumerate(trained.estimators_):
        # Added up as scikit-learn adds it, so that the sum over trees rounds alike.
        leaf_depth = trained._decision_path_lengths[number] + trained._average_path_length_per_tree[number] - 1.0
        table = _tree(estimator.tree_, leaf_depth, base)
        tables.append(table)
        roots.append(base)
        base += len(table["feature"])
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    return IsolationForest(
        roots=np.array(roots, np.int32),
        feature=joined["feature"],
        left=joined["left"],
        threshold=joined["threshold"],
        depth=joined["depth"],
        normaliser=float(len(roots) * _average_path_length(int(trained._max_samples))),
        width=int(trained.n_features_in_),
    )


def _tree(tree: Any, leaf_depth: NDArray[np.float64], base: int) -> dict[str, NDArray[Any]]:
    """One tree, breadth first, its nodes numbered from `base`."""
    order, place = [0], 0
    while place < len(order):
        node = order[place]
        place += 1
        if tree.children_left[node] >= 0:
            order += [int(tree.children_left[node]), int(tree.children_right[node])]
    new = np.empty(len(order), np.int64)
    new[order] = np.arange(len(order))
    inner = tree.children_left >= 0
    depth = np.where(inner, 0.0, leaf_depth)
    for node in reversed(order):  # children come behind their parents
        if inner[node]:
            a, b = tree.children_left[node], tree.children_right[node]
            weights = tree.n_node_samples[[a, b]]
            depth[node] = np.dot(depth[[a, b]], weights) / weights.sum()
    left = np.where(inner, new[tree.children_left] + base, 0)
    return {
        "feature": np.where(inner, tree.feature, -1)[order].astype(np.int32),
        "left": left[order].astype(np.int32),
        "threshold": np.where(inner, tree.threshold, 0.0)[order].astype(np.float64),
        "depth": depth[order].astype(np.float64),
    }


def _average_path_length(samples: int) -> float:
    """Mean depth of a point in a tree of that many samples, computed as scikit-learn computes it."""
    if samples <= 1:
        return 0.0
    if samples == 2:
        return 1.0
    n = np.array([samples])
    return float((2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n)[0])
