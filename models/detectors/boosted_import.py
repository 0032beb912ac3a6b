"""From the file that XGBoost saves to the flat table of `BoostedTrees`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detectors.boosted_trees import BoostedTrees
from models.detectors.trees import LEAF, is_forest
from models.ubj import read_ubj

LARGEST = 20 << 20
"""Bytes of a file: hundreds of times what trees have that are grown here."""

Table = dict[str, NDArray[Any]]


def flatten(ubj: bytes, whole: NDArray[np.bool_]) -> BoostedTrees:
    """Lay the nodes of all trees in one table, siblings adjacent. Raises ValueError for any other kind of model, and
    unless `whole` says of each of its features whether it was never missing.

    The file may come from anyone: what the compiled walk relies on is checked here.
    """
    if len(ubj) > LARGEST:
        raise ValueError(f"a model of XGBoost of more than {LARGEST >> 20} MB is not taken")
    try:
        learner = read_ubj(ubj)["learner"]
        width, base = _head(learner)
        trees = learner["gradient_booster"]["model"]["trees"]
        tables, roots, start = [], [], 0
        for tree in trees:
            tables.append(_tree(tree, start, width))
            roots.append(start)
            start += len(tables[-1]["feature"])
        table = {name: np.concatenate([one[name] for one in tables]) for name in tables[0]}
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no model of XGBoost: {type(error).__name__} {error}") from error
    if whole.shape != (width,):
        raise ValueError(f"no model of XGBoost: it has {width} features, and {whole.size} are told of")
    found = BoostedTrees(np.frombuffer(ubj, np.uint8), base, np.array(roots, np.int32), whole=whole, **table)
    if not is_forest(found.roots, found.feature, found.left, found.threshold, found.value, 2 * width):
        raise ValueError("no model of XGBoost: its trees lead outside")
    return found


def _head(learner: dict[str, Any]) -> tuple[int, np.float32]:
    """How many features, and the margin before any tree."""
    model = learner["learner_model_param"]
    booster, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if (booster, objective) != ("gbtree", "binary:logistic") or model["num_class"] != "0" or model["num_target"] != "1":
        raise ValueError(f"a model of XGBoost that is not taken over: {booster} for {objective}")
    width, base = int(model["num_feature"]), np.float32(model["base_score"].strip("[]"))
    if width < 1 or not 0.0 < base < 1.0:
        raise ValueError(f"no model of XGBoost: {width} features, a base score of {base}")
    return width, -np.log(np.float32(1.0) / base - np.float32(1.0))


def _tree(tree: dict[str, Any], start: int, width: int) -> Table:
    """One tree, breadth first, its nodes numbered from `start`."""
    left, right = (_column(tree, name) for name in ("left_children", "right_children"))
    split = _column(tree, "split_indices").astype(np.int64)
    limit, weight = (_column(tree, name).astype(np.float32) for name in ("split_conditions", "sum_hessian"))
    goes_left = _column(tree, "default_left") != 0
    n = len(left)
    if any(len(column) != n for column in (right, split, limit, weight, goes_left)):
        raise ValueError("no model of XGBoost: a tree's columns differ in length")
    if _column(tree, "split_type").any() or tree["tree_param"]["size_leaf_vector"] not in ("0", "1"):
        raise ValueError("a model of XGBoost that is not taken over: splits by category, or leaves of several values")
    inner = left >= 0
    if (np.maximum(left, right)[inner] >= n).any() or (right[inner] < 0).any():
        raise ValueError("no model of XGBoost: a tree leads outside")
    if ((split < 0) | (split >= width))[inner].any():
        raise ValueError("no model of XGBoost: a tree splits by a feature that there is not")
    order = _breadth_first(left, right)
    new = np.zeros(n, np.int64)
    new[order] = np.arange(start, start + len(order))
    feature = np.where(inner, np.where(goes_left, split, split + width), LEAF)
    threshold = np.where(inner, np.nextafter(limit, np.float32(-np.inf)), np.float32(0.0))
    return {
        "feature": feature[order].astype(np.int32),
        "left": np.where(inner, new[np.maximum(left, 0)], 0)[order].astype(np.int32),
        "threshold": threshold[order].astype(np.float32),
        "value": _means(left, right, limit, weight, order)[order],
    }


def _breadth_first(left: NDArray[Any], right: NDArray[Any]) -> list[int]:
    order, place = [0], 0
    while place < len(order):
        node = order[place]
        place += 1
        if left[node] >= 0:
            order += [int(left[node]), int(right[node])]
        if len(order) > len(left):
            raise ValueError("no model of XGBoost: a tree goes in circles")
    return order


def _means(
    left: NDArray[Any], right: NDArray[Any], limit: NDArray[np.float32], weight: NDArray[np.float32], order: list[int]
) -> NDArray[np.float32]:
    """What a leaf adds, and for an inner node the mean of that, weighed by the training data that came by."""
    value = limit.copy()
    for node in reversed(order):  # children come behind their parents
        if left[node] >= 0:
            children = [int(left[node]), int(right[node])]
            whole = weight[children].sum()
            shares = weight[children] / whole if whole > 0.0 else np.full(2, 0.5, np.float32)
            value[node] = np.dot(value[children], shares)
    return value


def _column(tree: dict[str, Any], name: str) -> NDArray[Any]:
    column = np.asarray(tree[name])
    if column.ndim != 1 or column.dtype.kind not in "iuf":
        raise ValueError(f"no model of XGBoost: {name} is no column of numbers")
    return column.astype(column.dtype.newbyteorder("="))
